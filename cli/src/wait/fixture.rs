//! Records that the tests of several modules begin with.

use serde_json::json;
use shared::config::{ServiceConfig, parse};
use shared::ids::{Digest, RolloutId, TargetGroupArn};
use shared::ports::Record;
use shared::rollout::{
    Candidate, Ended, Expected, ImageRef, Intent, IntentKind, Outcome, Phase, Quarantined, Rollout, Status, Target,
    Wish,
};
use shared::time::Time;
use shared::weights::Weights;
use std::collections::BTreeMap;

pub(crate) const FILE: &str = "\
version: 1
services:
  - name: shop-api
    cluster: production
    images:
      - repository: shop-api
        tags: { semver: \">=1.0.0\" }
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
    alarms: [ shop-api-5xx ]
    standby: 10m
";

pub(crate) const START: Time = Time(1_760_000_000_000);

pub(crate) fn config() -> ServiceConfig {
    parse(FILE).expect("the fixture parses").remove(0)
}

pub(crate) fn record() -> Record {
    Record { config: config(), status: Status::default(), inbox: Vec::new(), version: 1 }
}

pub(crate) fn digest() -> Digest {
    Digest(format!("sha256:{}", "ab".repeat(32)))
}

pub(crate) fn image() -> ImageRef {
    ImageRef {
        registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
        repository: "shop-api".to_owned(),
        tag: "v1.4.0".to_owned(),
        digest: digest(),
        pushed_at: START,
    }
}

pub(crate) fn candidate() -> Candidate {
    Candidate {
        target: Target::Images(BTreeMap::from([("shop-api".to_owned(), image())])),
        wish: Wish::Push,
        at: START,
        quiet_until: START,
        force: false,
        named: Default::default(),
        forced: Default::default(),
    }
}

/// Read from JSON, as from the table, so that members with a default need not be named.
pub(crate) fn rollout(number: u64, phase: Phase) -> Rollout {
    let group = |name: &str| {
        TargetGroupArn(format!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef"
        ))
    };
    let weights = |blue, green| Weights::from([(group("shop-blue"), blue), (group("shop-green"), green)]);
    let expected =
        Expected { previous: weights(100, 0), intended: weights(90, 10), foreign_since: None, home: weights(100, 0) };
    let config = config();
    let routes = BTreeMap::from([(config.engine.routes()[0].clone(), expected)]);
    let revision = |n: u8| format!("arn:aws:ecs:us-east-1:123456789012:task-definition/shop-api:{n}");
    let rollout = json!({
        "id": format!("shop-api-{number}"),
        "candidate": candidate(),
        "config": config,
        "startedAt": START,
        "phase": phase,
        "since": START.0 + 40_000,
        "stable": "blue",
        "stableRevision": revision(41),
        "revision": revision(42),
        "routes": routes,
    });
    serde_json::from_value(rollout).expect("the fixture reads")
}

pub(crate) fn ended(number: u64, outcome: Outcome) -> Ended {
    let revision = |n: u64| format!("arn:aws:ecs:us-east-1:123456789012:task-definition/shop-api:{n}");
    Ended {
        rollout: RolloutId(format!("shop-api-{number}")),
        outcome,
        at: START,
        stable_revision: Some(revision(40).into()),
        revision: Some(revision(41).into()),
        deployment: None,
    }
}

pub(crate) fn quarantined() -> Quarantined {
    Quarantined {
        digests: [digest()].into(),
        rollout: "shop-api-9".into(),
        reason: "alarm shop-api-5xx fired: 12 > 5".to_owned(),
        at: START,
    }
}

pub(crate) fn intent(id: &str) -> Intent {
    Intent { id: id.into(), at: START, by: "ana".to_owned(), what: IntentKind::Redeploy }
}
