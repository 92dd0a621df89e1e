//! What the functions and the command read: events, the configuration, notices, the saved status.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use shared::config::{AlarmTiming, File, ServiceConfig, advise, parse};
use shared::decide::{Input, ask, decide};
use shared::decision::{Action, Decision};
use shared::ids::{Colour, Digest, RevisionArn};
use shared::image::{judge, missed, not_configured};
use shared::intake::{self, Event, ImagePush, Message};
use shared::notice::{Milestone, Notice, slack, sns};
use shared::observation::{Observation, ScalingReading, Suspended};
use shared::rollout::{Cause, ImageRef, Intent, IntentKind, Margins, Status};
use shared::strategy::Step;
use shared::time::{Span, Time};

/// Every pair of source and detail-type that has a reader.
const KINDS: [(&str, &str); 7] = [
    ("aws.ecr", "ECR Image Action"),
    ("aws.ecr", "ECR Replication Action"),
    ("aws.cloudwatch", "CloudWatch Alarm State Change"),
    ("aws.ecs", "ECS Deployment State Change"),
    ("aws.ecs", "ECS Task State Change"),
    ("aws.events", "Scheduled Event"),
    ("aws.scheduler", "Scheduled Event"),
];

/// One service per kind of tag rule; `{}` is its tags.
const FILE: &str = "version: 1\nservices:\n  - name: shop\n    cluster: production\n    images: [ { repository: \
    team/checkout-api, tags: {} } ]\n    engine: { managed: { blue: b, green: g, routes: [ \
    'arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/1/2/3' ] } }\n    strategy: { canary: { \
    steps: [ { weight: 10, bake: 3m } ], bake: 5m } }\n    alarms: { both: [ lb-5xx ] }\n";

static SERVICES: LazyLock<Vec<ServiceConfig>> = LazyLock::new(|| {
    let rules = ["{ semver: '>=1.0.0' }", "{ glob: 'release-*' }", "{ exact: stable }"];
    rules.iter().flat_map(|rule| parse(&FILE.replace("{}", rule)).expect("the file above is one")).collect()
});

/// An event of any shape is read in words, as each kind of event; a push is judged by every kind of rule.
pub fn event(data: &[u8]) {
    if let Ok(body) = std::str::from_utf8(data) {
        let _ = Message::parse(body);
    }
    let Ok(mut event) = serde_json::from_slice::<Value>(data) else { return };
    read(&event);
    for (source, detail_type) in KINDS {
        let Some(members) = event.as_object_mut() else { return };
        members.insert("source".to_owned(), source.into());
        members.insert("detail-type".to_owned(), detail_type.into());
        read(&event);
    }
}

fn read(event: &Value) {
    match intake::read(event) {
        Ok(Event::Push(push)) => SERVICES.iter().for_each(|config| pushed(config, &push)),
        Ok(Event::Alarm(change)) => {
            if let Some(intent) = change.intent(intake::id(event)) {
                look(&SERVICES[0], &Status::default(), &[intent], None, change.at);
            }
        }
        Ok(Event::Ignored(why)) => assert!(!why.is_empty()),
        Ok(Event::Ecs(_) | Event::Tick) => {}
        Err(malformed) => assert!(malformed.to_string().len() > "malformed event: ".len()),
    }
}

/// Which of the three kinds of tag rule take an event's push: a corpus that none takes would show nothing.
pub fn takers(data: &[u8]) -> Vec<bool> {
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return Vec::new() };
    let Ok(Event::Push(push)) = intake::read(&event) else { return Vec::new() };
    SERVICES.iter().map(|config| judge(config, &Status::default(), &push.image).is_ok()).collect()
}

fn pushed(config: &ServiceConfig, push: &ImagePush) {
    let mut status = Status::default();
    assert!(!not_configured(&push.image).reason.is_empty());
    match judge(config, &status, &push.image) {
        Err(refusal) => assert!(!refusal.reason.is_empty()),
        Ok(()) => {
            let what = IntentKind::Push { image: push.image.clone() };
            let intent = Intent { id: push.intent(), at: push.image.pushed_at, by: "ECR".to_owned(), what };
            look(config, &status, &[intent], None, push.image.pushed_at);
            // Law 14: the same push again starts nothing.
            status.take(&push.image);
            assert!(judge(config, &status, &push.image).is_err_and(|refusal| !refusal.loud));
            assert_eq!(missed(config, &status, std::slice::from_ref(&push.image)), None);
        }
    }
}

/// A file of any shape is refused in words that say where, or means the same when it is written and read again.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Err(error) => assert!(error.to_string().contains(": ")),
        Ok(services) => {
            assert!(!services.is_empty());
            services.iter().for_each(accepted);
            let file: File = serde_saphyr::from_str(text).expect("it was read before");
            let written = serde_saphyr::to_string(&file).expect("a file can be written");
            assert_eq!(parse(&written).as_ref(), Ok(&services), "{written}");
        }
    }
}

fn accepted(config: &ServiceConfig) {
    // It is pinned into a rollout as JSON.
    let pinned = serde_json::to_string(config).expect("a configuration can be pinned");
    assert_eq!(serde_json::from_str::<ServiceConfig>(&pinned).as_ref().ok(), Some(config), "{pinned}");
    assert!(config.steps.windows(2).all(|pair| pair[0].weight < pair[1].weight));
    assert_eq!(config.steps.last().is_some_and(|step| step.weight == 100), config.engine.native().is_none());
    let timing = |name: &str, missing_is_quiet| AlarmTiming {
        name: name.into(),
        fires_after: Some(Span::mins(3)),
        missing_is_quiet,
    };
    let _ = advise(config, &[timing("a", true), timing("b", false)], None);
    for image in &config.images {
        for tag in ["v1.2.3", "release-7", "stable", ""] {
            let registry = config
                .home()
                .map_or_else(String::new, |(region, account)| format!("{account}.dkr.ecr.{region}.amazonaws.com"));
            let digest = Digest(format!("sha256:{}", "ab".repeat(32)));
            let image = ImageRef {
                registry,
                repository: image.repository.clone(),
                tag: tag.to_owned(),
                digest,
                pushed_at: Time(1),
            };
            let _ = judge(config, &Status::default(), &image);
        }
    }
    look(config, &Status::default(), &[], None, Time(1));
}

/// Any notice is told within the limits of Slack and SNS. Bytes that are no notice become the words of one.
pub fn notice(data: &[u8]) {
    if let Ok(notice) = serde_json::from_slice::<Notice>(data) {
        return told(&notice);
    }
    let Some((&kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut words = text.split('\n');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let service = word().into();
    let number = rest.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(257).wrapping_add(u64::from(byte)));
    let (weight, span, time, colour) = (kind, Span(number), Time(number), Colour::Green);
    let what = word();
    let milestone = match kind % 20 {
        0 => Milestone::Started {
            what,
            colour,
            from: RevisionArn(word()),
            steps: vec![Step { weight, bake: span }; usize::from(kind)],
        },
        1 => Milestone::Step { what, weight, bake: span, number: usize::from(kind), of: 0 },
        2 => Milestone::Completed {
            what,
            revision: Some(RevisionArn(word())),
            took: span,
            standby: span,
            by_ecs: kind & 32 == 0,
        },
        3 => Milestone::GoingBack {
            what,
            cause: Cause::Alarm { alarm: word(), reason: word() },
            weight,
            by_ecs: kind & 32 == 0,
        },
        4 => Milestone::Cancelled { what, cause: Cause::Person(word()), quarantined: vec![Digest(word())] },
        5 => Milestone::RolledBack {
            what,
            cause: Cause::Unhealthy(word()),
            took: span,
            quarantined: vec![Digest(word()), Digest(word())],
            by_ecs: kind & 32 == 0,
        },
        6 => Milestone::Refused { what, reason: word(), advice: word() },
        7 => Milestone::Held { what, waits_for: word(), until: time },
        8 => Milestone::Observed { what, colour: (kind & 2 == 0).then_some(colour) },
        9 => Milestone::Call { why: what, advice: word() },
        10 => Milestone::Corrected { found: what, to: colour },
        11 => Milestone::Changed { found: what },
        12 => Milestone::Declined { wish: what, reason: word() },
        13 => Milestone::Deploying {
            what,
            service: word(),
            from: RevisionArn(word()),
            strategy: word(),
            first: kind & 2 == 0,
        },
        14 => Milestone::Gate {
            what,
            stage: word(),
            weight: weight.into(),
            until: (kind & 2 == 0).then_some(time),
            back: kind & 4 == 0,
        },
        15 => Milestone::Foreign { revision: RevisionArn(what), ended: Some(word()), good: kind & 2 == 0 },
        16 => Milestone::Superseded { what, by: RevisionArn(word()) },
        17 => Milestone::Repaired {
            service: what,
            now: ScalingReading { min: u32::from(weight), max: 100, suspended: Suspended::default() },
            tracking: Default::default(),
        },
        18 => Milestone::ScalingDigest {
            services: 9,
            unseen: 0,
            affected: 1,
            critical: usize::from(kind & 2 == 0),
            findings: text.split('\n').map(str::to_owned).collect(),
            more: 3,
        },
        _ => Milestone::Scaling { findings: text.split('\n').map(str::to_owned).collect(), closed: Vec::new() },
    };
    let rollout = (kind & 1 == 0).then(|| word().into());
    told(&Notice { service, rollout, number, at: time, milestone });
}

/// Slack's limits: plain text of a header, a text object, and the characters that mean something in one.
fn told(notice: &Notice) {
    let card = slack::card(notice);
    let blocks = card["blocks"].as_array().expect("a card has blocks");
    assert!(blocks.len() <= 50);
    for block in blocks {
        let header = block["type"] == "header";
        let texts = [&block["text"]["text"], &block["elements"][0]["text"]];
        let text = texts.iter().find_map(|text| text.as_str()).expect("every block has a text");
        let long = text.chars().count();
        assert!(long > 0 && long <= if header { 150 } else { 3000 }, "{long} characters in {}", block["type"]);
        if !header {
            plain(text);
        }
    }
    plain(card["text"].as_str().expect("a card has a text for notifications"));
    let mail = sns::publication(notice);
    assert!(!mail.subject.is_empty() && mail.subject.len() < 100);
    assert!(mail.subject.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()), "{:?}", mail.subject);
    assert!(serde_json::from_str::<Value>(&mail.json).is_ok());
}

/// Nothing in it calls people, and no escape is cut.
fn plain(text: &str) {
    assert!(!text.contains(['<', '>']), "{text}");
    for (at, _) in text.match_indices('&') {
        let whole = ["&amp;", "&lt;", "&gt;"].iter().any(|escape| text[at..].starts_with(escape));
        assert!(whole, "an escape is cut: {text}");
    }
}

/// What a decision is made on, in the form of the history's `inputs`; what is missing is empty.
#[derive(Deserialize)]
struct Inputs {
    config: Option<ServiceConfig>,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    inbox: Vec<Intent>,
    seen: Option<Observation>,
    margins: Option<Margins>,
    now: Option<Time>,
}

/// A decision is made on any status and any look, and made again it is the same.
pub fn status(data: &[u8]) {
    let Ok(inputs) = serde_json::from_slice::<Inputs>(data) else { return };
    let config = inputs.config.as_ref().unwrap_or(&SERVICES[0]);
    let margins = inputs.margins.unwrap_or_default();
    let now = inputs.now.unwrap_or(Time(1_800_000_000_000));
    let seen = inputs.seen.as_ref();
    let mut decision = look_at(config, &inputs.status, &inputs.inbox, seen, &margins, now);
    look_at(config, &inputs.status, &inputs.inbox, None, &margins, now);
    let mut at = now;
    for _ in 0..3 {
        at = at.plus(decision.look.unwrap_or(margins.settled_look));
        decision = look_at(config, &decision.status, &[], seen, &margins, at);
    }
}

fn look(config: &ServiceConfig, status: &Status, inbox: &[Intent], seen: Option<&Observation>, now: Time) -> Decision {
    look_at(config, status, inbox, seen, &Margins::default(), now)
}

fn look_at(
    config: &ServiceConfig,
    status: &Status,
    inbox: &[Intent],
    seen: Option<&Observation>,
    margins: &Margins,
    now: Time,
) -> Decision {
    let _ = ask(config, status, margins, now);
    let nothing = Observation::nothing(now);
    let input = Input { config, status, inbox, seen: seen.unwrap_or(&nothing), margins, now };
    let decision = decide(&input);
    assert_eq!(decide(&input), decision, "a decision made again is another one");
    let saved = serde_json::to_string(&decision.status).expect("a status can be saved");
    assert_eq!(serde_json::from_str::<Status>(&saved).ok().as_ref(), Some(&decision.status), "{saved}");
    for effect in &decision.effects {
        assert!(!effect.to_string().is_empty());
        // Law 6: what could not be read never moves traffic forward.
        let forward = matches!(effect.action, Action::Weights { .. }) && effect.deadline.is_some();
        assert!(seen.is_some() || !forward, "weights are moved forward, and nothing was read: {effect}");
    }
    assert!(!decision.waiting.to_string().is_empty());
    decision.notices.iter().for_each(told);
    decision
}
