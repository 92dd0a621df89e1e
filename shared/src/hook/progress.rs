//! What a hook remembers from one call to the next.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::{OURS, Request};
use crate::time::{Span, Time};

/// ECS calls back after seconds. A longer silence means that a canary has come to the same stage again.
const SAME: Span = Span::mins(10);

/// Members of `flipback` in `hookDetails`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Progress {
    /// The deployment it belongs to.
    pub(super) deployment: String,
    /// The stage.
    pub(super) stage: String,
    /// The target's share of the production traffic: a canary comes to a stage with another one each time.
    pub(super) share: Option<f64>,
    /// The first call at this stage.
    pub(super) since: Time,
    /// The last call.
    pub(super) at: Time,
    /// How many calls in a row something could not be read.
    pub(super) blind: u32,
    /// Since when alarms have not been quiet.
    pub(super) held: Option<Time>,
    /// When the HTTP check began.
    pub(super) checking: Option<Time>,
    /// Its right answers in a row.
    pub(super) right: u32,
    /// Its last wrong one.
    pub(super) wrong: Option<String>,
    /// It passed, at whatever stage of this deployment.
    pub(super) passed: bool,
}

impl Progress {
    /// What the last call left, as far as it is of this deployment and stage. What cannot be read is nothing.
    pub(super) fn of(request: &Request, now: Time) -> Progress {
        let ours = request.details.get(OURS).cloned().unwrap_or_default();
        let kept: Progress = serde_json::from_value(ours).unwrap_or_default();
        let (deployment, stage, share) = (request.deployment.clone(), request.stage.clone(), request.share());
        let here = kept.deployment == deployment;
        if here && kept.stage == stage && kept.share == share && now.since(kept.at) < SAME {
            return Progress { at: now, ..kept };
        }
        let passed = here && kept.passed;
        Progress { deployment, stage, share, since: now, at: now, passed, ..Progress::default() }
    }

    /// `hookDetails` for the next call: as they came, with this in them.
    pub(super) fn details(&self, request: &Request) -> Map<String, Value> {
        let mut all = request.details.clone();
        let mut ours = all.get(OURS).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Ok(Value::Object(members)) = serde_json::to_value(self) {
            ours.extend(members);
        }
        all.insert(OURS.to_owned(), Value::Object(ours));
        all
    }
}
