//! What was seen of the world, and what was not: a reading that failed is [`Reading::Unknown`], never a default.

mod native;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, Colour, RevisionArn, RouteArn, TargetGroupArn};
use crate::scaling::Policy;
use crate::time::{Span, Time};
use crate::weights::Weights;

pub use native::{DeploymentStatus, GroupTraffic, Hook, NativeReading, ServiceDeployment, Traffic};

/// A value that was read, or why it could not be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading<T> {
    /// It was read.
    Known(T),
    /// It was not: the reason, for people.
    Unknown(String),
}

impl<T> Reading<T> {
    /// The value, if it was read.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Reading::Known(value) => Some(value),
            Reading::Unknown(_) => None,
        }
    }

    /// A reading nobody asked for.
    #[must_use]
    pub fn not_asked() -> Reading<T> {
        Reading::Unknown("not read in this look".to_owned())
    }
}

/// What a look should read: reads cost shares of AWS's request buckets, so each phase asks for what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// The routes' weights.
    pub routes: bool,
    /// The ECS services of both colours.
    pub services: bool,
    /// Target health of both colours' target groups; implies the services, whose target groups these are.
    pub targets: bool,
    /// The alarms.
    pub alarms: bool,
    /// The scalable targets of both colours.
    pub scaling: bool,
    /// The scaling policies of this colour's service.
    #[serde(default)]
    pub policies: Option<Colour>,
    /// The revision registered for a rollout, found by its tag: the family to search, and the rollout's id.
    pub registered: Option<(RevisionArn, String)>,
    /// The request counts per target group of these colours since a time that lies on a metric period's border.
    pub requests: Option<(BTreeSet<Colour>, Time)>,
    /// The native service, with its service deployments created since then.
    #[serde(default)]
    pub native: Option<Time>,
}

/// One look at the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// When the look began: nothing in it is older than the calls made after this time.
    pub at: Time,
    /// Every configured route.
    pub routes: BTreeMap<RouteArn, Reading<RouteReading>>,
    /// Both colours.
    pub colours: BTreeMap<Colour, ColourReading>,
    /// Every configured alarm; `Known(None)` is an alarm that does not exist.
    pub alarms: BTreeMap<AlarmName, Reading<Option<AlarmReading>>>,
    /// The scaling policies that were asked for.
    #[serde(default = "Reading::not_asked")]
    pub policies: Reading<Vec<Policy>>,
    /// The revision that carries the rollout's tag; `Known(None)`: none does.
    pub registered: Reading<Option<RevisionArn>>,
    /// The native service; `Known(None)`: there is no such ACTIVE service.
    #[serde(default = "Reading::not_asked")]
    pub native: Reading<Option<NativeReading>>,
    /// What effects of this process came to since the last decision.
    pub failures: Vec<EffectFailure>,
}

impl Observation {
    /// A look that read nothing.
    #[must_use]
    pub fn nothing(at: Time) -> Observation {
        Observation {
            at,
            routes: BTreeMap::new(),
            colours: BTreeMap::new(),
            alarms: BTreeMap::new(),
            policies: Reading::not_asked(),
            registered: Reading::not_asked(),
            native: Reading::not_asked(),
            failures: Vec::new(),
        }
    }
}

/// A route as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteReading {
    /// The weight of every target group in the forward action.
    pub weights: Weights,
    /// The target group stickiness of the action, where it is on.
    pub stickiness: Option<Span>,
    /// Why this rule could not be written back exactly, if so.
    pub unwritable: Option<String>,
}

/// One colour as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColourReading {
    /// The ECS service; `Known(None)`: there is no such ACTIVE service.
    pub service: Reading<Option<ServiceReading>>,
    /// Target health per target group of the service.
    pub targets: BTreeMap<TargetGroupArn, Reading<TargetCounts>>,
    /// The scalable target; `Known(None)`: none is registered.
    pub scaling: Reading<Option<ScalingReading>>,
    /// Requests to the colour's target groups.
    pub requests: Reading<RequestCount>,
}

impl ColourReading {
    /// A colour nothing was read of.
    #[must_use]
    pub fn nothing() -> ColourReading {
        ColourReading {
            service: Reading::not_asked(),
            targets: BTreeMap::new(),
            scaling: Reading::not_asked(),
            requests: Reading::not_asked(),
        }
    }
}

/// An ECS service as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReading {
    /// The service's ARN.
    pub arn: String,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: u32,
    /// Tasks PENDING.
    pub pending: u32,
    /// The task definition the service names.
    pub task_definition: RevisionArn,
    /// Its deployments, PRIMARY first.
    pub deployments: Vec<DeploymentReading>,
    /// The target groups its tasks register with.
    pub target_groups: Vec<TargetGroupArn>,
    /// Why Flipback cannot drive it (another controller or strategy, daemon), if so.
    pub undrivable: Option<String>,
    /// What would roll it back by itself (circuit breaker, deployment alarms with rollback), if anything.
    pub reverts_by_itself: Option<String>,
}

/// One deployment of an ECS service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentReading {
    /// Its id (`ecs-svc/...`).
    pub id: String,
    /// Whether it is the PRIMARY one; others are ACTIVE and on their way out.
    pub primary: bool,
    /// Its revision.
    pub task_definition: RevisionArn,
    /// Its rollout state.
    pub state: RolloutState,
    /// Tasks that failed to start or to become healthy.
    pub failed: u32,
    /// ECS's own words on the state.
    pub reason: String,
}

/// `rolloutState` of an ECS deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolloutState {
    /// COMPLETED.
    Completed,
    /// IN_PROGRESS.
    InProgress,
    /// FAILED.
    Failed,
    /// A value this release does not know.
    Other,
}

/// The targets of one target group, counted by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetCounts {
    /// `healthy`.
    pub healthy: u32,
    /// `unhealthy`.
    pub unhealthy: u32,
    /// `initial`.
    pub initial: u32,
    /// `draining` and `unhealthy.draining`: on their way out, counted for nothing.
    pub draining: u32,
    /// `unused`, `unavailable` and states this release does not know.
    pub other: u32,
}

/// A scalable target as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingReading {
    /// The lowest desired count it sets.
    pub min: u32,
    /// The highest desired count it sets.
    pub max: u32,
    /// What is suspended.
    pub suspended: Suspended,
}

/// `SuspendedState` of a scalable target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspended {
    /// Scale-in by policies.
    pub scale_in: bool,
    /// Scale-out by policies.
    pub scale_out: bool,
    /// Scheduled actions.
    pub scheduled: bool,
}

impl Suspended {
    /// Everything suspended: the state of a colour at rest.
    pub const ALL: Suspended = Suspended { scale_in: true, scale_out: true, scheduled: true };
}

/// Requests counted over whole metric periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCount {
    /// The sum over the periods.
    pub count: u64,
    /// The end of the last period that CloudWatch is believed to have complete; periods after it are not counted.
    pub complete_until: Time,
}

/// An alarm as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmReading {
    /// Its state.
    pub state: AlarmState,
    /// When it last changed its state.
    pub since: Option<Time>,
    /// CloudWatch's own words on the state.
    pub reason: String,
    /// Whether missing data counts as not breaching.
    pub missing_is_quiet: bool,
    /// How long a breach must last until it fires: period times evaluation periods. None: composite, or no fixed period.
    pub fires_after: Option<Span>,
    /// The target groups it watches, as ARN suffixes (`targetgroup/name/id`).
    pub target_groups: BTreeSet<String>,
    /// The ECS services it watches, by name.
    pub services: BTreeSet<String>,
}

/// The state of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// OK.
    Ok,
    /// ALARM.
    Alarm,
    /// INSUFFICIENT_DATA.
    InsufficientData,
}

/// An effect that did not take, as far as the process knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectFailure {
    /// What was tried, for people.
    pub effect: String,
    /// Why it failed, for people.
    pub reason: String,
    /// Whether trying again cannot help (no such container, no such image, not permitted).
    pub permanent: bool,
}
