//! What the check looks at, and what it saw.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Activity, HealthCheck, Load, Policy, PolicyAlarm, Quota, Role, Scheduled, Stop, Subnet};
use crate::config::ServiceConfig;
use crate::ids::{Colour, TargetGroupArn};
use crate::observation::{Observation, Reading, ScalingReading};
use crate::rollout::{Phase, Rollout, Status};
use crate::time::Time;
use crate::weights::{Sides, all_on_stable};

/// An ECS service to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its name.
    pub service: String,
    /// What it is to the service that is checked.
    pub role: Role,
}

/// The tasks of an ECS service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Wanted.
    pub desired: u32,
    /// RUNNING.
    pub running: u32,
    /// PENDING.
    pub pending: u32,
    /// A deployment is under way: tasks come and go.
    pub deploying: bool,
    /// The newest service event that tells of a failure, if there is one, with its time.
    pub trouble: Option<(Time, String)>,
    /// Its target groups, those that take turns with them included.
    #[serde(default)]
    pub groups: BTreeSet<TargetGroupArn>,
    /// Two target groups take turns: ECS's own blue/green.
    #[serde(default)]
    pub turns: bool,
    /// Tasks that were started since the last deployment ended, as its events tell, the newest first: when, and how many.
    #[serde(default)]
    pub started: Vec<(Time, u32)>,
    /// The subnets of its tasks, by id; none: they have no addresses of their own.
    #[serde(default)]
    pub subnets: BTreeSet<String>,
    /// Its task definition's revision, by ARN.
    #[serde(default)]
    pub definition: String,
    /// All of its tasks run on Fargate, on demand.
    #[serde(default)]
    pub fargate: bool,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sight {
    /// When.
    pub at: Time,
    /// The ECS services by name; none: it does not exist.
    pub services: BTreeMap<String, Reading<Option<Counts>>>,
    /// Their scalable targets; none: there is none.
    pub targets: BTreeMap<String, Reading<Option<ScalingReading>>>,
    /// Their scaling policies; what is not there was not read.
    #[serde(default)]
    pub policies: BTreeMap<String, Reading<Vec<Policy>>>,
    /// Their scheduled actions; what is not there was not read.
    #[serde(default)]
    pub scheduled: BTreeMap<String, Reading<Vec<Scheduled>>>,
    /// The alarms of those, by name; none: there is none of this name.
    #[serde(default)]
    pub alarms: BTreeMap<String, Reading<Option<PolicyAlarm>>>,
    /// What the live ones use; what is not there was not read.
    #[serde(default)]
    pub loads: BTreeMap<String, Load>,
    /// What Application Auto Scaling did with those of which that matters ([`wants_activities`](super::wants_activities)), the newest
    /// first; what is not there was not read.
    #[serde(default)]
    pub activities: BTreeMap<String, Reading<Vec<Activity>>>,
    /// Why tasks of those of which that matters ended ([`wants_stops`](super::wants_stops)), the newest first; what is not there was not
    /// read.
    #[serde(default)]
    pub stops: BTreeMap<String, Reading<Vec<Stop>>>,
    /// The account's target groups whose health checks are [late](HealthCheck::late); none: they were not read.
    #[serde(default)]
    pub late: Option<Reading<BTreeMap<TargetGroupArn, HealthCheck>>>,
    /// Subnets by id; none: there is none of this id. What is not there was not read.
    #[serde(default)]
    pub subnets: BTreeMap<String, Reading<Option<Subnet>>>,
    /// The account's quota of Fargate; none: it was not read, and none in it: CloudWatch does not have it.
    #[serde(default)]
    pub vcpus: Option<Reading<Option<Quota>>>,
    /// CPU units of a task, by its definition's revision, where that matters ([`wants_size`](super::wants_size)).
    #[serde(default)]
    pub sizes: BTreeMap<String, Reading<u32>>,
    /// The region that all this was read in; none: it is not known.
    #[serde(default)]
    pub region: Option<String>,
}

/// Which ECS services to look at, and what each is now. None: which colour is live is not known from the saved status; the routes
/// tell ([`live`]).
#[must_use]
pub fn subjects(config: &ServiceConfig, status: &Status, read: Option<Colour>) -> Option<Vec<Subject>> {
    if let Some(native) = config.engine.native() {
        return Some(vec![Subject { service: native.service.clone(), role: Role::Live }]);
    }
    let rollout = status.rollout.as_ref().filter(|rollout| rollout.phase != Phase::Holding);
    let live = rollout.and_then(carries).or(status.settled.as_ref().map(|settled| settled.live)).or(read)?;
    let other = if rollout.is_some() { Role::Candidate } else { Role::Idle };
    let of = |colour: Colour, role| Subject { service: config.engine.service(colour).to_owned(), role };
    Some(vec![of(live, Role::Live), of(live.other(), other)])
}

/// The side of a rollout that has the traffic: from the last step on it is the new one.
fn carries(rollout: &Rollout) -> Option<Colour> {
    let stable = rollout.stable?;
    match rollout.phase {
        Phase::Standby { .. } | Phase::Retiring | Phase::Resting => Some(stable.other()),
        Phase::Holding
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Deploying
        | Phase::Stopping { .. }
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => Some(stable),
    }
}

/// The colour that holds all weight on every route, if both services and every route were read and there is one.
#[must_use]
pub fn live(seen: &Observation) -> Option<Colour> {
    let groups = |colour: Colour| -> Option<BTreeSet<TargetGroupArn>> {
        let service = seen.colours.get(&colour)?.service.known()?.as_ref()?;
        Some(service.target_groups.iter().cloned().collect())
    };
    let routes: Option<Vec<_>> = seen.routes.values().map(Reading::known).collect();
    let routes = routes.filter(|routes| !routes.is_empty())?;
    Colour::BOTH.into_iter().find(|&colour| {
        groups(colour).zip(groups(colour.other())).is_some_and(|(stable, candidate)| {
            let sides = Sides { stable, candidate };
            routes.iter().all(|route| all_on_stable(&route.weights, &sides))
        })
    })
}
