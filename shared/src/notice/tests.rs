//! A snapshot of every sentence a person reads.

use super::{Milestone, Notice, slack, tell};
use crate::decide::fixture::revision;
use crate::ids::Colour;
use crate::observation::{ScalingReading, Suspended};
use crate::rollout::Cause;
use crate::scaling::{Level, Metric};
use crate::strategy::Step;
use crate::time::{Span, Time};

fn every() -> Vec<Milestone> {
    let what = || "shop-api:v2.0.0".to_owned();
    let alarm = || Cause::Alarm {
        alarm: "green-5xx".to_owned(),
        reason: "Threshold Crossed: 1 datapoint [31.0] was greater than the threshold (5.0).".to_owned(),
    };
    let digest = || crate::ids::Digest(format!("sha256:{}", "ab".repeat(32)));
    let steps = vec![Step { weight: 10, bake: Span::mins(3) }, Step { weight: 100, bake: Span::mins(5) }];
    let rolled_back = |cause, quarantined| Milestone::RolledBack {
        what: what(),
        cause,
        took: Span(1234),
        quarantined,
        by_ecs: false,
    };
    vec![
        Milestone::Started { what: what(), colour: Colour::Green, from: revision(41), steps },
        Milestone::Step { what: what(), weight: 10, bake: Span::mins(3), number: 1, of: 2 },
        Milestone::Completed {
            what: what(),
            revision: Some(revision(42)),
            took: Span::secs(754),
            standby: Span::mins(10),
            by_ecs: false,
        },
        Milestone::Completed { what: what(), revision: None, took: Span::secs(754), standby: Span(0), by_ecs: false },
        Milestone::GoingBack { what: what(), cause: alarm(), weight: 10, by_ecs: false },
        Milestone::Cancelled { what: what(), cause: Cause::Superseded, quarantined: vec![] },
        Milestone::Cancelled {
            what: what(),
            cause: Cause::NotHealthyInTime("1 of 2 tasks run on green".to_owned()),
            quarantined: vec![digest()],
        },
        rolled_back(alarm(), vec![digest()]),
        rolled_back(Cause::Unhealthy("2 of 2 targets are unhealthy in shop-green".to_owned()), vec![digest()]),
        rolled_back(Cause::NotHealthyInTime("1 of 2 tasks run on green".to_owned()), vec![digest()]),
        rolled_back(Cause::Deadline("at 10 % it waited for requests".to_owned()), vec![]),
        rolled_back(Cause::Person("ada asked for it".to_owned()), vec![digest()]),
        rolled_back(Cause::Superseded, vec![]),
        rolled_back(Cause::Failed("start: access denied".to_owned()), vec![]),
        Milestone::Refused {
            what: what(),
            reason: "tag main is not a version".to_owned(),
            advice: "retag it".to_owned(),
        },
        Milestone::Held { what: what(), waits_for: "alarms to be OK: lb-5xx".to_owned(), until: Time(3_600_000) },
        Milestone::Observed { what: what(), colour: Some(Colour::Green) },
        Milestone::Call { why: "the rollback has not taken".to_owned(), advice: "flipback status shows it".to_owned() },
        Milestone::GoingBack { what: what(), cause: alarm(), weight: 10, by_ecs: true },
        Milestone::GoingBack { what: what(), cause: alarm(), weight: 0, by_ecs: true },
        Milestone::RolledBack { what: what(), cause: alarm(), took: Span(1234), quarantined: Vec::new(), by_ecs: true },
        Milestone::Completed { what: what(), revision: None, took: Span::secs(754), standby: Span(0), by_ecs: true },
        Milestone::Deploying {
            what: what(),
            service: "shop".to_owned(),
            from: "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:1".into(),
            strategy: "BLUE_GREEN, as declared".to_owned(),
            first: true,
        },
        Milestone::Gate {
            what: what(),
            stage: "PRE_PRODUCTION_TRAFFIC_SHIFT".to_owned(),
            weight: 0.into(),
            until: Some(Time(3_600_000)),
            back: true,
        },
        Milestone::Foreign { revision: "a/shop:7".into(), ended: None, good: false },
        Milestone::Foreign {
            revision: "a/shop:7".into(),
            ended: Some("ECS went back: tasks failed.".to_owned()),
            good: false,
        },
        Milestone::Superseded { what: what(), by: "a/shop:7".into() },
        Milestone::Corrected { found: "0123: blue=100 green=0".to_owned(), to: Colour::Green },
        Milestone::Changed { found: "0123: blue=100 green=0".to_owned() },
        Milestone::Declined { wish: "promote".to_owned(), reason: "the step is over".to_owned() },
        Milestone::ScalingDigest {
            services: 14,
            unseen: 3,
            affected: 2,
            critical: 1,
            findings: vec!["critical: shop is at its maximum of 8 tasks, for 3h".to_owned()],
            more: 2,
        },
        Milestone::ScalingDigest { services: 14, unseen: 0, affected: 0, critical: 0, findings: Vec::new(), more: 0 },
        Milestone::Repaired {
            service: "shop-blue".to_owned(),
            now: ScalingReading { min: 2, max: 10, suspended: Suspended::default() },
            tracking: [(Metric::Cpu, Level::try_from(70.0).unwrap())].into(),
        },
        Milestone::Scaling { findings: vec!["blue is at its maximum of 8 tasks".to_owned()], closed: Vec::new() },
    ]
}

fn notice(milestone: Milestone) -> Notice {
    Notice { service: "shop-api".into(), rollout: Some("shop-api-17".into()), number: 3, at: Time(0), milestone }
}

#[test]
fn every_sentence_reads_well() {
    let texts: Vec<String> = every()
        .into_iter()
        .map(|milestone| {
            let words = tell(&notice(milestone));
            format!("{} {}\n  {}\n  {}", words.tone.symbol(), words.title, words.body, words.advice)
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_slack_card_has_title_words_advice_and_foot() {
    let card = slack::card(&notice(every().remove(7)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&card).unwrap());
}
