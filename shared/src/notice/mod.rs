//! Everything a person is told. Each sentence is built here and has a snapshot; channels ([`slack`], [`sns`]) only lay out.

pub mod slack;
pub mod sns;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{Colour, RevisionArn, RolloutId, ServiceName};
use crate::observation::ScalingReading;
use crate::rollout::Cause;
use crate::scaling::{Level, Metric};
use crate::strategy::Step;
use crate::time::{Span, Time};

pub use text::{Telling, Tone, cause, tell};

/// Something worth telling, numbered per service; it leaves through the table's stream at least once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Whose.
    pub service: ServiceName,
    /// The rollout it is about, if it is about one.
    pub rollout: Option<RolloutId>,
    /// Goes up by one per notice of the service; 0 for notices that no decision made.
    pub number: u64,
    /// When it was decided.
    pub at: Time,
    /// What happened.
    pub milestone: Milestone,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Milestone {
    /// A rollout started to change things.
    Started {
        /// What is deployed, for people (`shop-api:v1.4.0`).
        what: String,
        /// The colour it goes to.
        colour: Colour,
        /// The revision that is live now.
        from: RevisionArn,
        /// The steps to come.
        steps: Vec<Step>,
    },
    /// Native: ECS was told to deploy.
    Deploying {
        /// What is deployed, for people.
        what: String,
        /// The ECS service.
        service: String,
        /// The revision that is live now.
        from: RevisionArn,
        /// ECS's strategy.
        strategy: String,
        /// Whether there is something to go back to.
        first: bool,
    },
    /// Native: a pause waits for an answer.
    Gate {
        /// What is deployed.
        what: String,
        /// The lifecycle stage.
        stage: String,
        /// The share of the production traffic in percent.
        weight: crate::strategy::Share,
        /// When ECS ends the wait.
        until: Option<Time>,
        /// ECS goes back then, rather than on.
        back: bool,
    },
    /// Native: a deployment that Flipback did not start.
    Foreign {
        /// Its revision.
        revision: RevisionArn,
        /// How it stands; none: it has just been seen.
        ended: Option<String>,
        /// It went well.
        good: bool,
    },
    /// Native: another deployment took the place of a rollout.
    Superseded {
        /// What was being deployed.
        what: String,
        /// The revision that is deployed instead.
        by: RevisionArn,
    },
    /// A step's weight was read back from every route.
    Step {
        /// What is deployed.
        what: String,
        /// The candidate's percentage.
        weight: u8,
        /// How long it bakes.
        bake: Span,
        /// Which step, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// 100 %, read back and baked.
    Completed {
        /// What is deployed.
        what: String,
        /// Its revision.
        revision: Option<RevisionArn>,
        /// From the start to here.
        took: Span,
        /// How long the old side is kept warm.
        standby: Span,
        /// ECS said so of its own deployment.
        #[serde(default)]
        by_ecs: bool,
    },
    /// A rollout turns back; the weights are being written.
    GoingBack {
        /// What is taken back.
        what: String,
        /// Why.
        cause: Cause,
        /// The percentage it had.
        weight: u8,
        /// ECS takes it back, which moves its own weights and tasks.
        #[serde(default)]
        by_ecs: bool,
    },
    /// A rollout was taken back before it moved any weight.
    Cancelled {
        /// What is taken back.
        what: String,
        /// Why.
        cause: Cause,
        /// Whether the image set is in quarantine now: its digests.
        quarantined: Vec<crate::ids::Digest>,
    },
    /// The stable side was read to carry all traffic again.
    RolledBack {
        /// What was taken back.
        what: String,
        /// Why.
        cause: Cause,
        /// From the decision to the reading.
        took: Span,
        /// Whether the image set is in quarantine now: its digests.
        quarantined: Vec<crate::ids::Digest>,
        /// What was read is ECS's word that it went back.
        #[serde(default)]
        by_ecs: bool,
    },
    /// A push or a rollout came to nothing before anything was changed.
    Refused {
        /// What was refused.
        what: String,
        /// Why.
        reason: String,
        /// What a person can do.
        advice: String,
    },
    /// A push is held.
    Held {
        /// What is held.
        what: String,
        /// What it waits for.
        waits_for: String,
        /// Until when at most.
        until: Time,
    },
    /// `mode: observe`: what would have been done.
    Observed {
        /// What would have been deployed.
        what: String,
        /// To which colour; none with the native engine.
        colour: Option<Colour>,
    },
    /// A person must look.
    Call {
        /// Why.
        why: String,
        /// What they can do.
        advice: String,
    },
    /// Weights on a dead side were put right, once.
    Corrected {
        /// What was read.
        found: String,
        /// Which colour carries the traffic now.
        to: Colour,
    },
    /// Weights of a settled service were changed by somebody else, to a healthy side.
    Changed {
        /// What is read now.
        found: String,
    },
    /// A person's wish could not be followed.
    Declined {
        /// The wish.
        wish: String,
        /// Why.
        reason: String,
    },
    /// The live side's scaling was put right, and read so.
    Repaired {
        /// The ECS service.
        service: String,
        /// How its scalable target is now.
        now: ScalingReading,
        /// The targets that a policy of ours keeps now.
        #[serde(default)]
        tracking: BTreeMap<Metric, Level>,
    },
    /// The scaling check has news.
    Scaling {
        /// What opened or got worse, one sentence each.
        findings: Vec<String>,
        /// What is over.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        closed: Vec<String>,
    },
    /// What the scaling check has open over all services.
    ScalingDigest {
        /// How many services are configured.
        services: usize,
        /// How many of them the check has not looked at yet.
        #[serde(default)]
        unseen: usize,
        /// How many of them have something open.
        affected: usize,
        /// How many findings are critical.
        critical: usize,
        /// The worst, one sentence each.
        findings: Vec<String>,
        /// How many more there are.
        more: usize,
    },
}

#[cfg(test)]
mod tests;
