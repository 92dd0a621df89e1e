//! What was decided: effects to apply, what to tell, what is waited for and when to look again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{Colour, IntentId, RevisionArn, RolloutId, RouteArn};
use crate::notice::Notice;
use crate::rollout::{ImageRef, ScalingWanted, Status};
use crate::scaling::Mend;
use crate::strategy::Share;
use crate::time::{Span, Time};
use crate::weights::Weights;

/// The outcome of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The next status. Equal to the old one: nothing needs saving.
    pub status: Status,
    /// Inbox entries that are dealt with.
    pub consumed: Vec<IntentId>,
    /// What to do, in this order, after the status was saved.
    pub effects: Vec<Effect>,
    /// What to tell, saved with the status.
    pub notices: Vec<Notice>,
    /// What it waits for.
    pub waiting: Waiting,
    /// When to look again; none: nothing runs.
    pub look: Option<Span>,
    /// How a rollout ended with this decision, for the metrics.
    pub ended: bool,
}

/// One change to the world, told as how the world shall be. Applying it twice is applying it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// What.
    pub action: Action,
    /// Forward effects are not sent, and not retried, past this time; effects that bring traffic back have none.
    pub deadline: Option<Time>,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Register the base revision's definition with new images, tagged with the rollout's id.
    Register {
        /// The live revision.
        base: RevisionArn,
        /// The new images with the container each is for.
        images: Vec<(ImageRef, Option<String>)>,
        /// The rollout.
        rollout: RolloutId,
    },
    /// One UpdateService: this revision, this many tasks.
    Start {
        /// Whose service.
        colour: Colour,
        /// The revision.
        revision: RevisionArn,
        /// How many tasks.
        desired: u32,
    },
    /// Native: one UpdateService with this revision, and with this deployment configuration where one is given; nothing else.
    Deploy {
        /// The revision.
        revision: RevisionArn,
        /// The whole `deploymentConfiguration`; none: the declared one counts.
        configuration: Option<serde_json::Value>,
        /// `forceNewDeployment`: the revision is the live one, and without it ECS would start nothing.
        #[serde(default)]
        force: bool,
    },
    /// Native: StopServiceDeployment with ROLLBACK.
    Stop {
        /// The service deployment.
        deployment: String,
    },
    /// Native: ContinueServiceDeployment with CONTINUE, the answer to a pause.
    Continue {
        /// The service deployment.
        deployment: String,
        /// The pause.
        hook: String,
    },
    /// Only the number of tasks.
    Scale {
        /// Whose service.
        colour: Colour,
        /// How many tasks.
        desired: u32,
    },
    /// The weights of one route; everything else of it is kept.
    Weights {
        /// The route.
        route: RouteArn,
        /// Every target group's weight.
        weights: Weights,
    },
    /// The scalable target's bounds and suspensions.
    Scaling {
        /// Whose service.
        colour: Colour,
        /// How it shall be.
        wanted: ScalingWanted,
    },
    /// Something of a service's scaling that is put right at rest.
    Mend {
        /// Whose service.
        colour: Colour,
        /// What.
        what: Mend,
    },
    /// Deregister old revisions of a family.
    Tidy {
        /// A revision of the family.
        family: RevisionArn,
        /// How many ACTIVE ones to keep.
        keep: u32,
        /// Revisions that stay in any case.
        in_use: Vec<RevisionArn>,
    },
}

impl Effect {
    /// Whether this brings traffic back: sent by anyone, at any time, before everything else.
    #[must_use]
    pub fn is_back(&self) -> bool {
        match self.action {
            Action::Weights { .. } | Action::Stop { .. } => self.deadline.is_none(),
            Action::Register { .. }
            | Action::Start { .. }
            | Action::Deploy { .. }
            | Action::Continue { .. }
            | Action::Scale { .. }
            | Action::Scaling { .. }
            | Action::Mend { .. }
            | Action::Tidy { .. } => false,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Register { base, images, .. } => {
                let list: Vec<String> =
                    images.iter().map(|(image, _)| format!("{}:{}", image.repository, image.tag)).collect();
                write!(f, "register {} with {}", base.short(), list.join(", "))
            }
            Action::Start { colour, revision, desired } => {
                write!(f, "start {} on {colour} with {desired} tasks", revision.short())
            }
            Action::Deploy { revision, configuration, .. } => match configuration {
                Some(all) => {
                    write!(f, "deploy {} as {}", revision.short(), all["strategy"].as_str().unwrap_or("declared"))
                }
                None => write!(f, "deploy {}", revision.short()),
            },
            Action::Stop { deployment } => write!(f, "stop deployment {}", last(deployment)),
            Action::Continue { hook, .. } => write!(f, "continue from the pause {hook}"),
            Action::Scale { colour, desired } => write!(f, "set {colour} to {desired} tasks"),
            Action::Weights { weights, .. } => {
                let list: Vec<String> = weights
                    .iter()
                    .map(|(tg, weight)| format!("{}={weight}", tg.0.rsplit('/').nth(1).unwrap_or(&tg.0)))
                    .collect();
                write!(f, "set weights {}", list.join(" "))
            }
            Action::Scaling { colour, wanted } => match wanted.bounds {
                Some((min, max)) => write!(f, "set {colour}'s scaling to {min}-{max}, {}", suspended(wanted)),
                None => write!(f, "set {colour}'s scaling to {}", suspended(wanted)),
            },
            Action::Mend { colour, what } => write!(f, "put {colour}'s scaling right: {what}"),
            Action::Tidy { family, keep, .. } => write!(f, "keep {keep} revisions of {}", family.family()),
        }
    }
}

/// The last part of an ARN.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn suspended(wanted: &ScalingWanted) -> &'static str {
    match (wanted.suspended.scale_in, wanted.suspended.scale_out) {
        (true, true) => "suspended",
        (true, false) => "scale-in suspended",
        (false, true) => "scale-out suspended",
        (false, false) => "active",
    }
}

/// Why nothing (more) happens now. "Nothing happened" always has one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// No rollout runs and none is wished.
    Idle,
    /// Nothing: it goes on in the next look, at once.
    NextLook,
    /// More pushes may join until this time.
    Quiet(Time),
    /// These alarms fire already; a push is held until they are OK.
    AlarmsFiring(Vec<String>),
    /// Something could not be read: what and why.
    Unknown(String),
    /// The idle colour still drains or runs other tasks.
    IdleColourBusy(String),
    /// The revision is being registered.
    Registration,
    /// The candidate is not healthy yet: what is missing.
    Healthy(String),
    /// The weights of a step are not read back yet.
    WeightsTo(u8),
    /// A step bakes until this time.
    Bake {
        /// The candidate's percentage.
        weight: u8,
        /// Until when.
        until: Time,
    },
    /// A bake has ended and no request was seen in it.
    Traffic,
    /// A person paused it.
    Paused,
    /// The other side must follow in size first.
    Capacity(String),
    /// Weights that nobody of ours wrote: what is read.
    ForeignWeights(String),
    /// An alarm of the stable side fires; traffic is not moved to it.
    StableAlarm(Vec<String>),
    /// The old side is kept warm until this time.
    Standby(Time),
    /// The door: effects sent before it must have landed.
    Door(Time),
    /// Weights on their way back are not read back yet.
    WeightsBack,
    /// Late forward writes are watched out for until this time.
    LateWrites(Time),
    /// Requests to the emptied side have not ceased.
    Drain(String),
    /// The emptied side is on its way to rest.
    Rest(String),
    /// Native: another deployment of the service is under way.
    OtherDeployment(String),
    /// Native: ECS is at this stage.
    Stage {
        /// The stage, or the status where there is none.
        stage: String,
        /// The share of the production traffic.
        weight: Share,
    },
    /// Native: a pause waits for a person's answer.
    Gate {
        /// At which stage.
        stage: String,
        /// Until ECS ends the wait.
        until: Option<Time>,
    },
    /// Native: ECS goes back.
    EcsBack(String),
    /// A person must look: why.
    Person(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::Idle => f.write_str("nothing: no rollout runs"),
            Waiting::NextLook => f.write_str("the next look, at once"),
            Waiting::Quiet(until) => write!(f, "more pushes that may join, until {until}"),
            Waiting::AlarmsFiring(names) => write!(f, "alarms to be OK: {}", names.join(", ")),
            Waiting::Unknown(what) => write!(f, "a reading: {what}"),
            Waiting::IdleColourBusy(what) => write!(f, "the idle colour to be free: {what}"),
            Waiting::Registration => f.write_str("the revision to be registered"),
            Waiting::Healthy(what) => write!(f, "the new tasks to be healthy: {what}"),
            Waiting::WeightsTo(percent) => write!(f, "{percent} % to be read back from every route"),
            Waiting::Bake { weight, until } => write!(f, "the bake at {weight} % to end at {until}"),
            Waiting::Traffic => f.write_str("requests: CloudWatch shows none for this bake yet"),
            Waiting::Paused => f.write_str("a person: it is paused"),
            Waiting::Capacity(what) => write!(f, "capacity: {what}"),
            Waiting::ForeignWeights(what) => write!(f, "a person: weights were changed by somebody else ({what})"),
            Waiting::StableAlarm(names) => {
                write!(f, "a person: alarms of the stable side fire: {}", names.join(", "))
            }
            Waiting::Standby(until) => write!(f, "the end of standby at {until}"),
            Waiting::Door(until) => write!(f, "the last writes to land, until {until}"),
            Waiting::WeightsBack => f.write_str("the weights to be read back on the stable side"),
            Waiting::LateWrites(until) => write!(f, "late writes, until {until}"),
            Waiting::Drain(what) => write!(f, "the emptied side to drain: {what}"),
            Waiting::Rest(what) => write!(f, "the emptied side to rest: {what}"),
            Waiting::OtherDeployment(what) => write!(f, "another deployment to end: {what}"),
            Waiting::Stage { stage, weight } => write!(f, "ECS: {stage}, {weight} % of the traffic"),
            Waiting::Gate { stage, until: Some(until) } => {
                write!(f, "a person: the pause at {stage} wants promote or abort until {until}")
            }
            Waiting::Gate { stage, until: None } => {
                write!(f, "a person: the pause at {stage} wants promote or abort")
            }
            Waiting::EcsBack(what) => write!(f, "ECS to go back: {what}"),
            Waiting::Person(what) => write!(f, "a person: {what}"),
        }
    }
}
