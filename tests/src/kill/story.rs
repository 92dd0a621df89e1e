//! The stories: the demo's, made short, and an abort by a person; with the managed engine, and with each of ECS's own
//! strategies. The sweep and the scaling check run in each of them.

use serde_json::{Value, json};
use shared::rollout::{Cause, Outcome};

/// A story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// A good push, by canary.
    Good,
    /// A push that answers 5XX: an alarm fires in the bake.
    Alarm,
    /// A push whose tasks turn unhealthy in the bake; no alarm fires.
    Unhealthy,
    /// A good push that a person aborts in the bake.
    Abort,
    /// A good push by ECS's blue/green, which Flipback sends: with a pause that a person promotes.
    NativeGood,
    /// A push that answers 5XX, by ECS's canary: an alarm fires in the bake of the first step.
    NativeAlarm,
    /// A push whose tasks end at once, by ECS's rolling strategy: ECS's circuit breaker takes it back by itself.
    NativeCrash,
    /// A good push by ECS's linear strategy, which a person aborts in the bake of the first step.
    NativeAbort,
}

impl Story {
    /// All of them.
    pub const ALL: [Story; 8] = [
        Story::Good,
        Story::Alarm,
        Story::Unhealthy,
        Story::Abort,
        Story::NativeGood,
        Story::NativeAlarm,
        Story::NativeCrash,
        Story::NativeAbort,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Story::Good => "good",
            Story::Alarm => "alarm",
            Story::Unhealthy => "unhealthy",
            Story::Abort => "abort",
            Story::NativeGood => "native-good",
            Story::NativeAlarm => "native-alarm",
            Story::NativeCrash => "native-crash",
            Story::NativeAbort => "native-abort",
        }
    }

    /// What its one ECS service declares; none where two colours are managed. ECS's minute is two seconds here.
    pub(super) fn declared(self) -> Option<Value> {
        match self {
            Story::Good | Story::Alarm | Story::Unhealthy | Story::Abort => None,
            Story::NativeGood => {
                Some(json!({ "strategy": "ROLLING", "minimumHealthyPercent": 100, "maximumPercent": 200 }))
            }
            Story::NativeAlarm => Some(json!({ "strategy": "CANARY", "bakeTimeInMinutes": 1,
                "canaryConfiguration": { "canaryPercent": 50.0, "canaryBakeTimeInMinutes": 150 } })),
            Story::NativeCrash => Some(json!({ "strategy": "ROLLING", "minimumHealthyPercent": 100,
                "maximumPercent": 200, "deploymentCircuitBreaker": { "enable": true, "rollback": true } })),
            Story::NativeAbort => Some(json!({ "strategy": "LINEAR", "bakeTimeInMinutes": 1,
                "linearConfiguration": { "stepPercent": 50.0, "stepBakeTimeInMinutes": 150 } })),
        }
    }

    /// The members of ECS's deployment configuration that Flipback sends.
    pub(super) fn sent(self) -> Option<Value> {
        match self {
            Story::NativeGood => Some(json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "lifecycleHooks": [
                { "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"] }] })),
            Story::Good
            | Story::Alarm
            | Story::Unhealthy
            | Story::Abort
            | Story::NativeAlarm
            | Story::NativeCrash
            | Story::NativeAbort => None,
        }
    }

    /// The lines of its configuration that are its own. A bake that has to end otherwise is longer than any story.
    pub(super) fn lines(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Story::Good => &[("strategy", "{ canary: { steps: [ { weight: 50, bake: 1s } ], bake: 1s } }")],
            Story::Alarm | Story::Abort => {
                &[("strategy", "{ canary: { steps: [ { weight: 50, bake: 5m } ], bake: 1s } }")]
            }
            Story::Unhealthy => &[("strategy", "{ blueGreen: { bake: 5m } }")],
            Story::NativeGood => {
                &[("strategy", "{ blueGreen: { bake: 1m } }"), ("hooks", "{ pause: [ PRE_PRODUCTION_TRAFFIC_SHIFT ] }")]
            }
            Story::NativeAlarm | Story::NativeCrash | Story::NativeAbort => &[],
        }
    }

    /// The manners of the pushed image.
    pub(super) fn manners(self) -> &'static str {
        match self {
            Story::Good | Story::Abort | Story::NativeGood | Story::NativeAbort => "",
            Story::Alarm | Story::NativeAlarm => "5xx=50",
            // Counted from the task's start: by then it was healthy for a while and has all traffic.
            Story::Unhealthy => "unhealthy after=8s",
            Story::NativeCrash => "crash",
        }
    }

    /// The image itself answers users with 5XX until an alarm has taken it back.
    pub(super) fn hurts(self) -> bool {
        match self {
            Story::Alarm | Story::NativeAlarm => true,
            Story::Good
            | Story::Unhealthy
            | Story::Abort
            | Story::NativeGood
            | Story::NativeCrash
            | Story::NativeAbort => false,
        }
    }

    /// What ECS names as its reason to take its service deployment back.
    pub(super) fn back(self) -> &'static str {
        match self {
            Story::NativeAlarm | Story::NativeAbort => "StopServiceDeployment",
            Story::NativeCrash => "circuit breaker",
            Story::Good | Story::Alarm | Story::Unhealthy | Story::Abort | Story::NativeGood => "nothing",
        }
    }

    /// Whether a rollout of this story may end so. One fault does not cost a good push, and does not change why a bad one goes
    /// back; but where a fault holds up the start, unhealthy tasks are found before any weight moved.
    pub(super) fn ends(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Story::Good | Story::NativeGood, Outcome::Completed)
            | (Story::Alarm | Story::NativeAlarm, Outcome::RolledBack(Cause::Alarm { .. }))
            | (Story::Unhealthy | Story::NativeCrash, Outcome::RolledBack(Cause::Unhealthy(_)))
            | (Story::Unhealthy, Outcome::Cancelled(Cause::Unhealthy(_) | Cause::NotHealthyInTime(_)))
            | (Story::Abort | Story::NativeAbort, Outcome::RolledBack(Cause::Person(_))) => true,
            (
                Story::Good
                | Story::Alarm
                | Story::Unhealthy
                | Story::Abort
                | Story::NativeGood
                | Story::NativeAlarm
                | Story::NativeCrash
                | Story::NativeAbort,
                Outcome::Completed
                | Outcome::RolledBack(_)
                | Outcome::Cancelled(_)
                | Outcome::Refused(_)
                | Outcome::GivenUp(_)
                | Outcome::Observed
                | Outcome::Superseded(_),
            ) => false,
        }
    }

    /// What people are told, in order.
    pub(super) fn told(self, outcome: &Outcome) -> &'static [&'static str] {
        match (self, outcome) {
            (Story::Good | Story::Alarm | Story::Unhealthy | Story::Abort, Outcome::Cancelled(_)) => {
                &["started", "cancelled"]
            }
            (Story::Good, _) => &["started", "step", "step", "completed"],
            (Story::Alarm | Story::Unhealthy | Story::Abort, _) => &["started", "step", "goingBack", "rolledBack"],
            (Story::NativeGood, _) => &["deploying", "gate", "completed"],
            (Story::NativeAlarm | Story::NativeCrash | Story::NativeAbort, _) => {
                &["deploying", "goingBack", "rolledBack"]
            }
        }
    }
}
