//! Values that the tests of several modules begin with.

use crate::config::{ServiceConfig, parse};
use crate::decision::{Action, Decision};
use crate::ids::{Colour, Digest, IntentId, RevisionArn, RolloutId, TargetGroupArn};
use crate::observation::{
    AlarmReading, AlarmState, Ask, ColourReading, DeploymentReading, Observation, Reading, RequestCount, RolloutState,
    RouteReading, ScalingReading, ServiceReading, TargetCounts,
};
use crate::rollout::{ImageRef, Intent, IntentKind, Margins, Status};
use crate::scaling::{Mend, Moves, Policy, Repair};
use crate::time::{Span, Time};
use crate::weights::Weights;

use super::{Input, ask, decide};

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";

pub(crate) const FILE: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    images:
      - repository: shop-api
        container: api
        tags: { semver: ">=1.0.0" }
    engine:
      managed:
        blue: shop-api-blue
        green: shop-api-green
        routes:
          - arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3
    strategy:
      canary:
        steps: [ { weight: 10, bake: 3m }, { weight: 50, bake: 3m } ]
        bake: 5m
    alarms: { blue: [ blue-5xx ], green: [ green-5xx ], both: [ lb-5xx ] }
    standby: 10m
"#;

/// A native service's file; more keys of the service may follow.
pub(crate) const NATIVE: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    image: { repository: shop-api, tags: { semver: ">=1.0.0" } }
    engine: { native: { service: shop-api } }
    strategy: asDeclared
    alarms: [ shop-5xx ]
"#;

pub(crate) fn config() -> ServiceConfig {
    parse(FILE).expect("the fixture parses").remove(0)
}

pub(crate) fn image(tag: &str, digest: u8, pushed_at: Time) -> ImageRef {
    ImageRef {
        registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
        repository: "shop-api".to_owned(),
        tag: tag.to_owned(),
        digest: Digest(format!("sha256:{}", format!("{digest:02x}").repeat(32))),
        pushed_at,
    }
}

/// A small world at rest: blue live with two tasks, green at rest, all alarms OK.
pub(crate) struct Scene {
    pub(crate) config: ServiceConfig,
    pub(crate) status: Status,
    pub(crate) seen: Observation,
    pub(crate) now: Time,
    pub(crate) last: Option<Decision>,
    looks: u32,
}

/// More looks than any test needs: one that waits for what does not come fails, instead of running for ever.
const MOST_LOOKS: u32 = 2000;

pub(crate) fn tg(colour: Colour) -> TargetGroupArn {
    TargetGroupArn(format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-{colour}/0123"))
}

pub(crate) fn revision(number: u32) -> RevisionArn {
    RevisionArn(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/shop-api:{number}"))
}

pub(crate) fn weights(blue: u32, green: u32) -> Weights {
    [(tg(Colour::Blue), blue), (tg(Colour::Green), green)].into_iter().collect()
}

fn colour(colour: Colour, desired: u32, number: u32) -> ColourReading {
    let deployment = DeploymentReading {
        id: format!("ecs-svc/{number}"),
        primary: true,
        task_definition: revision(number),
        state: RolloutState::Completed,
        failed: 0,
        reason: String::new(),
    };
    let service = ServiceReading {
        arn: format!("arn:aws:ecs:us-east-1:123456789012:service/production/shop-api-{colour}"),
        desired,
        running: desired,
        pending: 0,
        task_definition: revision(number),
        deployments: vec![deployment],
        target_groups: vec![tg(colour)],
        undrivable: None,
        reverts_by_itself: None,
    };
    let counts = TargetCounts { healthy: desired, ..TargetCounts::default() };
    ColourReading {
        service: Reading::Known(Some(service)),
        targets: [(tg(colour), Reading::Known(counts))].into_iter().collect(),
        scaling: Reading::Known(None),
        requests: Reading::Known(RequestCount { count: 100, complete_until: Time(u64::MAX) }),
    }
}

pub(crate) fn alarm(state: AlarmState) -> Reading<Option<AlarmReading>> {
    Reading::Known(Some(AlarmReading {
        state,
        since: None,
        reason: "Threshold Crossed: 1 datapoint [31.0] was greater than the threshold (5.0).".to_owned(),
        missing_is_quiet: true,
        fires_after: Some(Span::mins(1)),
        target_groups: Default::default(),
        services: Default::default(),
    }))
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let now = Time(1_800_000_000_000);
        let mut seen = Observation::nothing(now);
        let reading = RouteReading { weights: weights(100, 0), stickiness: None, unwritable: None };
        seen.routes.insert(RULE.into(), Reading::Known(reading));
        seen.colours.insert(Colour::Blue, colour(Colour::Blue, 2, 1));
        seen.colours.insert(Colour::Green, colour(Colour::Green, 0, 1));
        for name in ["blue-5xx", "green-5xx", "lb-5xx"] {
            seen.alarms.insert(name.into(), alarm(AlarmState::Ok));
        }
        seen.registered = Reading::Known(None);
        Scene { config: config(), status: Status::default(), seen, now, last: None, looks: 0 }
    }

    /// Decides on the scene as it stands, and keeps the status.
    pub(crate) fn look(&mut self, inbox: &[IntentKind]) -> Decision {
        let inbox: Vec<Intent> = inbox
            .iter()
            .enumerate()
            .map(|(n, what)| Intent {
                id: IntentId(format!("i{n}")),
                at: self.now,
                by: "ada".to_owned(),
                what: what.clone(),
            })
            .collect();
        self.inbox(&inbox)
    }

    /// The same, with intents as they were recorded.
    pub(crate) fn inbox(&mut self, inbox: &[Intent]) -> Decision {
        self.looks += 1;
        assert!(self.looks < MOST_LOOKS, "it is still in {} and waits for {}", self.phase(), self.status.waiting);
        self.seen.at = self.now;
        let margins = Margins::default();
        let config = self.config.clone();
        let seen = self.asked(&ask(&config, &self.status, &margins, self.now));
        let input =
            Input { config: &config, status: &self.status, inbox, seen: &seen, margins: &margins, now: self.now };
        let decision = decide(&input);
        self.status = decision.status.clone();
        self.seen.failures.clear();
        self.last = Some(decision.clone());
        decision
    }

    /// As an observer answers: what was not asked for was not read.
    fn asked(&self, ask: &Ask) -> Observation {
        let mut seen = self.seen.clone();
        if !ask.routes {
            seen.routes.values_mut().for_each(|reading| *reading = Reading::not_asked());
        }
        if !ask.alarms {
            seen.alarms.values_mut().for_each(|reading| *reading = Reading::not_asked());
        }
        if ask.registered.is_none() {
            seen.registered = Reading::not_asked();
        }
        if ask.policies.is_none() {
            seen.policies = Reading::not_asked();
        }
        for (colour, reading) in &mut seen.colours {
            let requests = ask.requests.as_ref().is_some_and(|(colours, _)| colours.contains(colour));
            if !ask.scaling {
                reading.scaling = Reading::not_asked();
            }
            if !requests {
                reading.requests = Reading::not_asked();
            }
            if !ask.targets {
                reading.targets.clear();
            }
            if !(ask.services || ask.targets || ask.requests.is_some()) {
                reading.service = Reading::not_asked();
            }
        }
        seen
    }

    pub(crate) fn pass(&mut self, span: Span) {
        self.now = self.now.plus(span);
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.status.rollout.as_ref().map_or("idle", |rollout| rollout.phase.name())
    }

    pub(crate) fn service(&mut self, colour: Colour) -> &mut ServiceReading {
        match self.seen.colours.get_mut(&colour).map(|reading| &mut reading.service) {
            Some(Reading::Known(Some(service))) => service,
            other => panic!("no service: {other:?}"),
        }
    }

    pub(crate) fn targets(&mut self, colour: Colour) -> &mut TargetCounts {
        match self.seen.colours.get_mut(&colour).and_then(|reading| reading.targets.get_mut(&tg(colour))) {
            Some(Reading::Known(counts)) => counts,
            other => panic!("no targets: {other:?}"),
        }
    }

    pub(crate) fn weigh(&mut self, blue: u32, green: u32) {
        let reading = RouteReading { weights: weights(blue, green), stickiness: None, unwritable: None };
        self.seen.routes.insert(RULE.into(), Reading::Known(reading));
    }

    /// Does to the scene what the last decision's effects do to the world.
    pub(crate) fn obey(&mut self) {
        let effects = self.last.as_ref().map(|decision| decision.effects.clone()).unwrap_or_default();
        for effect in effects {
            match effect.action {
                Action::Register { .. } => self.seen.registered = Reading::Known(Some(revision(2))),
                Action::Start { colour: c, revision, desired } => {
                    let number = revision.short().rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                    let ColourReading { requests, scaling, .. } = self.seen.colours[&c].clone();
                    self.seen.colours.insert(c, ColourReading { requests, scaling, ..colour(c, desired, number) });
                }
                Action::Scale { colour, desired } => {
                    let service = self.service(colour);
                    (service.desired, service.running) = (desired, desired);
                    self.targets(colour).healthy = desired;
                }
                Action::Weights { weights, .. } => {
                    self.weigh(weights[&tg(Colour::Blue)], weights[&tg(Colour::Green)]);
                }
                Action::Scaling { colour, wanted } => {
                    if let Some(reading) = self.seen.colours.get_mut(&colour)
                        && let Reading::Known(Some(now)) = &mut reading.scaling
                    {
                        now.suspended = wanted.suspended;
                        if let Some((min, max)) = wanted.bounds {
                            (now.min, now.max) = (min, max);
                        }
                    }
                }
                Action::Mend { colour, what: Mend::Target { min, max, suspended } } => {
                    if let Some(reading) = self.seen.colours.get_mut(&colour)
                        && let Reading::Known(Some(now)) = &mut reading.scaling
                    {
                        let (least, most) = (min.unwrap_or(now.min), max.unwrap_or(now.max));
                        *now = ScalingReading { min: least, max: most, suspended: suspended.unwrap_or(now.suspended) };
                    }
                }
                Action::Mend { what: Mend::Policy { metric, target }, .. } => {
                    let name = Repair::policy(metric).expect("a policy of ours").to_owned();
                    let moves = Moves::Tracking { metric, target, group: None, only_out: false, cooldown: None };
                    let made = Policy { name, moves, alarms: Vec::new() };
                    self.seen.policies = Reading::Known(vec![made]);
                }
                Action::Deploy { .. } | Action::Stop { .. } | Action::Continue { .. } | Action::Tidy { .. } => {}
            }
        }
    }

    /// So many looks at a world in which nothing happens.
    pub(crate) fn looks(&mut self, times: u32) {
        for _ in 0..times {
            self.look(&[]);
            self.pass(Span::secs(10));
        }
    }

    /// Looks and obeys until a phase is reached, the usual time between looks passing.
    pub(crate) fn until(&mut self, phase: &str) {
        for _ in 0..500 {
            if self.phase() == phase {
                return;
            }
            self.look(&[]);
            self.obey();
            self.pass(Span::secs(10));
        }
        panic!("{phase} was not reached; it is in {} waiting for {}", self.phase(), self.status.waiting);
    }

    /// A push of v2 has been taken, and the rollout is in a phase.
    pub(crate) fn pushed_until(phase: &str) -> Scene {
        let mut scene = Scene::new();
        scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
        scene.until(phase);
        scene
    }

    pub(crate) fn id(&self) -> RolloutId {
        self.status.rollout.as_ref().map_or_else(|| "none".into(), |rollout| rollout.id.clone())
    }
}
