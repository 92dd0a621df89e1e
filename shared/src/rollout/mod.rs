//! The saved status of a service: the rollout that runs, what was seen settled, and what must not start again.

mod candidate;
mod deployed;
mod intent;
mod margins;
mod native;
mod repairing;
mod settled;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::ServiceConfig;
use crate::ids::{AlarmName, Colour, Digest, RevisionArn, RolloutId, RouteArn};
use crate::observation::{ScalingReading, Suspended};
use crate::time::{Span, Time};
use crate::weights::Weights;

pub use candidate::{Candidate, ImageRef, Images, Target, Wish};
pub use deployed::Deployed;
pub use intent::{Intent, IntentKind};
pub use margins::Margins;
pub use native::{Foreign, NativeRun, Opened};
pub use repairing::Repairing;
pub use settled::{Correcting, Rested, Settled};

/// The version of the saved form. A newer release reads every older one.
pub const FORMAT: u32 = 1;

/// Everything saved about one service besides its configuration and its inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`FORMAT`] when it was saved.
    pub format: u32,
    /// The number of the last rollout.
    #[serde(default)]
    pub rollouts: u64,
    /// The number of the last notice.
    #[serde(default)]
    pub notices: u64,
    /// The rollout that runs.
    #[serde(default)]
    pub rollout: Option<Rollout>,
    /// The candidate that waits for the running rollout to end, or for its quiet time.
    #[serde(default)]
    pub next: Option<Candidate>,
    /// Per repository the image that was taken last, by a push or by a person.
    #[serde(default)]
    pub taken: BTreeMap<String, ImageRef>,
    /// Per repository the image of the last rollout that completed.
    #[serde(default)]
    pub good: BTreeMap<String, ImageRef>,
    /// Per repository what has been pushed so far: neither that again nor anything older starts by itself, also after a
    /// person deployed an older image.
    #[serde(default)]
    pub seen: BTreeMap<String, Seen>,
    /// Image sets that hurt.
    #[serde(default)]
    pub quarantine: Vec<Quarantined>,
    /// The routes as they were last seen settled.
    #[serde(default)]
    pub settled: Option<Settled>,
    /// How the last rollout ended.
    #[serde(default)]
    pub last: Option<Ended>,
    /// What the last rollout that completed brought.
    #[serde(default)]
    pub deployed: Option<Deployed>,
    /// The last deployment of a native service that Flipback did not start.
    #[serde(default)]
    pub foreign: Option<Foreign>,
    /// The live side's scaling is being put right.
    #[serde(default)]
    pub repairing: Option<Repairing>,
    /// When that was begun last.
    #[serde(default)]
    pub repaired: Option<Time>,
    /// The one chain of wakes that is alive.
    #[serde(default)]
    pub wake: Wake,
    /// What the last decision waited for, for people.
    #[serde(default)]
    pub waiting: String,
}

/// The pushes of one repository so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// When the newest was pushed.
    pub at: Time,
    /// The latest digests, newest last.
    pub digests: Vec<Digest>,
}

/// As many digests as a sweep of a repository may find beside the newest.
const SEEN: usize = 50;

impl Status {
    /// Remembers an image as the one taken last.
    pub fn take(&mut self, image: &ImageRef) {
        let seen = self.seen.entry(image.repository.clone()).or_default();
        seen.at = seen.at.max(image.pushed_at);
        seen.digests.retain(|digest| *digest != image.digest);
        seen.digests.push(image.digest.clone());
        let excess = seen.digests.len().saturating_sub(SEEN);
        seen.digests.drain(..excess);
        self.taken.insert(image.repository.clone(), image.clone());
    }

    /// The image of a repository that a version must not be older than: the one taken last, or, where that hurt, the last
    /// good one.
    #[must_use]
    pub fn floor(&self, repository: &str) -> Option<&ImageRef> {
        let hurt = |image: &&ImageRef| self.quarantine.iter().any(|held| held.digests.contains(&image.digest));
        self.taken.get(repository).filter(|image| !hurt(image)).or_else(|| self.good.get(repository))
    }

    /// Why a push is nothing new, if so: it was taken already, or a later one was.
    #[must_use]
    pub fn stale(&self, image: &ImageRef) -> Option<String> {
        let taken = self.taken.get(&image.repository);
        if taken.is_some_and(|taken| taken.digest == image.digest) {
            return Some("this digest was taken already".to_owned());
        }
        let seen = self.seen.get(&image.repository)?;
        let again = image.pushed_at == seen.at && seen.digests.contains(&image.digest);
        (image.pushed_at < seen.at || again).then(|| format!("a push of {} was taken already", seen.at))
    }
}

/// The chain of wakes: only its saver re-arms it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wake {
    /// Goes up with every save; a wake with another token is stale.
    pub token: u64,
    /// When the next look is due.
    pub due: Time,
}

/// An image set that hurt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The set; a candidate that contains all of it starts nothing.
    pub digests: BTreeSet<Digest>,
    /// The rollout that ended so.
    pub rollout: RolloutId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Time,
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Which rollout.
    pub rollout: RolloutId,
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Time,
    /// The revision that was live before it.
    pub stable_revision: Option<RevisionArn>,
    /// The revision it brought, if it got that far.
    pub revision: Option<RevisionArn>,
    /// Native: its service deployment, where one was seen.
    #[serde(default)]
    pub deployment: Option<String>,
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The candidate carries all traffic and was baked.
    Completed,
    /// The traffic is back (or never left) on the stable side.
    RolledBack(Cause),
    /// It was taken back before it moved any weight.
    Cancelled(Cause),
    /// Nothing was changed: the reason.
    Refused(String),
    /// A person ended it as it stood: who.
    GivenUp(String),
    /// `mode: observe`: it would have been started.
    Observed,
    /// Another deployment of the same service took its place: which.
    Superseded(String),
}

/// Why a rollout goes back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// An alarm fired: its name and CloudWatch's reason.
    Alarm {
        /// The alarm's name.
        alarm: String,
        /// CloudWatch's words, with the numbers.
        reason: String,
    },
    /// The candidate is not healthy: what was seen.
    Unhealthy(String),
    /// The candidate never became healthy in time: what was seen last.
    NotHealthyInTime(String),
    /// A phase did not end in time: which and what it waited for.
    Deadline(String),
    /// A person said so, with the reason given.
    Person(String),
    /// A newer candidate takes its place.
    Superseded,
    /// An effect failed for good: what and why.
    Failed(String),
}

impl Cause {
    /// Whether the images are to blame, and must not start again by themselves.
    #[must_use]
    pub fn quarantines(&self) -> bool {
        match self {
            Cause::Alarm { .. } | Cause::Unhealthy(_) | Cause::NotHealthyInTime(_) | Cause::Person(_) => true,
            Cause::Deadline(_) | Cause::Superseded | Cause::Failed(_) => false,
        }
    }
}

/// One rollout that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// What shall run.
    pub candidate: Candidate,
    /// The service's configuration when it started.
    pub config: ServiceConfig,
    /// When it started.
    pub started_at: Time,
    /// Where it is.
    pub phase: Phase,
    /// Since when it is there.
    pub since: Time,
    /// The side that carried all traffic when it started; none before that was seen.
    pub stable: Option<Colour>,
    /// The stable side's revision.
    pub stable_revision: Option<RevisionArn>,
    /// The candidate's revision, once registered.
    pub revision: Option<RevisionArn>,
    /// Per route what may be read there: `{previous, intended}`, saved before it is written.
    #[serde(default)]
    pub routes: BTreeMap<RouteArn, Expected>,
    /// When the first shift was sent; alarms that fired before say nothing of the candidate.
    #[serde(default)]
    pub first_shift: Option<Time>,
    /// No forward write can be sent after this time.
    #[serde(default)]
    pub forward_until: Time,
    /// No forward write of weights can be sent after this time.
    #[serde(default)]
    pub weights_until: Time,
    /// Each colour's scalable target before the rollout touched it; `None` inside: it had none.
    #[serde(default)]
    pub scaling: BTreeMap<Colour, Option<ScalingReading>>,
    /// Since when the rollout is paused by a person.
    #[serde(default)]
    pub paused: Option<Time>,
    /// Alarms that fired already when a forced rollout started: ignored until they were seen OK.
    #[serde(default)]
    pub forgiven: BTreeSet<String>,
    /// Alarms that had no data when a forced rollout started: having none is no hindrance, firing is harm.
    #[serde(default)]
    pub blind: BTreeSet<String>,
    /// The most tasks of the candidate that were seen running: fewer are lost ones, more wanted ones are not.
    #[serde(default)]
    pub ran: u32,
    /// Which side each alarm watches, told when the rollout started.
    #[serde(default)]
    pub sides: BTreeMap<AlarmName, AlarmSide>,
    /// Whether the candidate's colour was seen to run the candidate's revision.
    #[serde(default)]
    pub arrived: bool,
    /// Since when the candidate has been seen unhealthy, and what was seen.
    #[serde(default)]
    pub ailing: Option<Ailing>,
    /// How often the candidate has ailed in the present phase: what comes and goes is not well.
    #[serde(default)]
    pub relapses: u32,
    /// Since when the stable side has been seen without a healthy target.
    #[serde(default)]
    pub stable_dead: Option<Time>,
    /// The side that was read to hold no weight, and since when; requests must cease before it shrinks.
    #[serde(default)]
    pub emptied: Option<Time>,
    /// Whether a person was called about the present phase.
    #[serde(default)]
    pub called: bool,
    /// Whether weights on a dead side were put right already (it is done once).
    #[serde(default)]
    pub corrected: bool,
    /// They are being put right.
    #[serde(default)]
    pub correcting: Option<Correcting>,
    /// When it turned back.
    #[serde(default)]
    pub turned: Option<Time>,
    /// Whether it was told that the traffic is back.
    #[serde(default)]
    pub told_back: bool,
    /// What is saved under the native engine.
    #[serde(default)]
    pub native: NativeRun,
}

/// What may be read on a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The weights before the last write.
    pub previous: Weights,
    /// The weights of the last write.
    pub intended: Weights,
    /// Since when something else is read there.
    #[serde(default)]
    pub foreign_since: Option<Time>,
    /// The weights when the rollout started: where back is, even when nothing else can be read.
    pub home: Weights,
}

/// Which side an alarm watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AlarmSide {
    /// One colour only.
    Only(Colour),
    /// Whatever carries traffic.
    Both,
}

impl AlarmSide {
    /// Whether it watches a colour.
    #[must_use]
    pub fn covers(self, colour: Colour) -> bool {
        match self {
            AlarmSide::Only(only) => only == colour,
            AlarmSide::Both => true,
        }
    }
}

/// An ailment of the candidate, seen but not yet confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ailing {
    /// First seen.
    pub since: Time,
    /// What.
    pub what: String,
    /// How long it must be seen. A graver ailment, which needs less, is seen anew.
    #[serde(default)]
    pub patience: Span,
}

/// Where a rollout is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "name")]
pub enum Phase {
    /// Nothing was touched: preconditions are being seen.
    Holding,
    /// The revision is being registered.
    Registering {
        /// When the registration was last sent, if it was: its answer may have been lost.
        sent: Option<Time>,
    },
    /// The candidate's colour is brought up.
    Starting,
    /// Native: ECS deploys; it is followed through its stages.
    Deploying,
    /// Native: the deployment is stopped, and followed until ECS has gone back.
    Stopping {
        /// Why.
        cause: Cause,
    },
    /// The weights of a step are being written and read back.
    Shifting {
        /// Index into the steps.
        step: usize,
    },
    /// A step is being watched.
    Baking {
        /// Index into the steps.
        step: usize,
        /// A person's `promote` ends it now.
        promoted: bool,
    },
    /// 100 % and baked; the old side is kept warm.
    Standby {
        /// Until when.
        until: Time,
    },
    /// The one-way door: the old side will shrink. Back is a redeploy from here on.
    Retiring,
    /// The old side is brought to rest.
    Resting,
    /// The weights are going back.
    Returning {
        /// Why.
        cause: Cause,
    },
    /// The weights are back; the candidate's side drains, late writes are watched out for, then it rests.
    Clearing {
        /// Why.
        cause: Cause,
    },
}

impl Phase {
    /// The phase's name, for people and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Holding => "holding",
            Phase::Registering { .. } => "registering",
            Phase::Starting => "starting",
            Phase::Deploying => "deploying",
            Phase::Stopping { .. } => "stopping",
            Phase::Shifting { .. } => "shifting",
            Phase::Baking { .. } => "baking",
            Phase::Standby { .. } => "standby",
            Phase::Retiring => "retiring",
            Phase::Resting => "resting",
            Phase::Returning { .. } => "returning",
            Phase::Clearing { .. } => "clearing",
        }
    }

    /// What it goes back for, if it does.
    #[must_use]
    pub fn going_back(&self) -> Option<&Cause> {
        match self {
            Phase::Returning { cause } | Phase::Clearing { cause } | Phase::Stopping { cause } => Some(cause),
            Phase::Holding
            | Phase::Registering { .. }
            | Phase::Starting
            | Phase::Deploying
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Standby { .. }
            | Phase::Retiring
            | Phase::Resting => None,
        }
    }

    /// Whether the weights may still be flipped back.
    #[must_use]
    pub fn flippable(&self) -> bool {
        match self {
            Phase::Shifting { .. } | Phase::Baking { .. } | Phase::Standby { .. } => true,
            Phase::Holding
            | Phase::Registering { .. }
            | Phase::Starting
            | Phase::Deploying
            | Phase::Stopping { .. }
            | Phase::Retiring
            | Phase::Resting
            | Phase::Returning { .. }
            | Phase::Clearing { .. } => false,
        }
    }
}

/// The scaling bounds and suspensions a colour shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingWanted {
    /// New bounds; none leaves them.
    pub bounds: Option<(u32, u32)>,
    /// New suspensions.
    pub suspended: Suspended,
}
