//! The configuration file `flipback.yaml`: what people write, and what it means.
//!
//! [`File`] is the file as written; [`ServiceConfig`] is one service of it, checked, and pinned into a rollout when
//! that starts: `apply` changes the configuration, never a running rollout.

mod advice;
mod check;
mod declared;
mod native;
mod parse;
mod typed;

pub use advice::{Advice, AlarmTiming, advise};
pub use native::{HttpCheck, Native, Plan};
pub use parse::{ConfigError, parse, schema};
pub use typed::{
    AlarmsTyped, BreakerTyped, CanaryStep, ChecksTyped, EngineTyped, File, HooksTyped, HttpCheckTyped, ImageTyped,
    ManagedTyped, Mode, NativeTyped, NoTraffic, OnNewPush, PauseStage, ScalingTyped, ServiceTyped, StrategyTyped,
    TagRule, ThresholdTyped,
};

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{AlarmName, Colour, RouteArn, ServiceName};
use crate::scaling::{FindingKind, Level};
use crate::strategy::Step;
use crate::time::Span;

/// One service as configured, checked and complete.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConfig {
    /// The service's name in Flipback.
    pub name: ServiceName,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The images whose pushes deploy the service; at least one, repositories unique.
    pub images: Vec<ImageRule>,
    /// What moves the traffic.
    pub engine: Engine,
    /// The weights to go through, in order; the last one is 100. None with the native engine: ECS goes through its own.
    pub steps: Vec<Step>,
    /// The alarms that roll back.
    pub alarms: Alarms,
    /// How it is meant to scale.
    #[serde(default)]
    pub scaling: Scaling,
    /// Whether a rollout may run although no alarm covers the candidate.
    pub accept_no_alarms: bool,
    /// Whether target group stickiness on a route is accepted (it keeps clients on the old side after a flip).
    pub accept_stickiness: bool,
    /// What a bake without any request means.
    pub no_traffic: NoTraffic,
    /// How long the old side is kept warm after the last bake.
    pub standby: Span,
    /// What a push does while a rollout runs.
    pub on_new_push: OnNewPush,
    /// Act, or only decide and tell.
    pub mode: Mode,
    /// How long pushes are collected into one rollout.
    pub quiet: Span,
    /// How many revisions of the task definition stay registered.
    pub keep_revisions: u32,
    /// How long a new revision may take until it is healthy.
    pub start_deadline: Span,
    /// How long a push may be held (alarm firing, unreadable state) until it is given up with a notice.
    pub hold_deadline: Span,
    /// How long a rollout may stand still in one step beyond its bake (paused, no traffic, foreign weights).
    pub stall_deadline: Span,
}

/// One image of a service and which of its tags are deployed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRule {
    /// The ECR repository's name.
    pub repository: String,
    /// The container whose image is replaced; none: every container whose image comes from the repository.
    pub container: Option<String>,
    /// Which tags are deployed.
    pub tags: TagRule,
}

/// What moves the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Engine {
    /// Flipback does, between two services.
    Managed(Managed),
    /// ECS does, within one.
    Native(Native),
}

impl Engine {
    /// The ECS service in a slot; with the native engine it is the one there is.
    #[must_use]
    pub fn service(&self, colour: Colour) -> &str {
        match self {
            Engine::Managed(managed) => managed.service(colour),
            Engine::Native(native) => &native.service,
        }
    }

    /// The ECS services, each once.
    #[must_use]
    pub fn services(&self) -> Vec<&str> {
        match self {
            Engine::Managed(managed) => vec![&managed.blue, &managed.green],
            Engine::Native(native) => vec![&native.service],
        }
    }

    /// The routes whose weights Flipback writes: none with the native engine.
    #[must_use]
    pub fn routes(&self) -> &[RouteArn] {
        match self {
            Engine::Managed(managed) => &managed.routes,
            Engine::Native(_) => &[],
        }
    }

    /// An ARN of the region and account it is in: the first route's, or the ECS service's where that is known.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        match self {
            Engine::Managed(managed) => managed.routes.first().map(RouteArn::as_str),
            Engine::Native(native) => native.arn.as_deref(),
        }
    }

    /// The native engine, if it is that.
    #[must_use]
    pub fn native(&self) -> Option<&Native> {
        match self {
            Engine::Managed(_) => None,
            Engine::Native(native) => Some(native),
        }
    }
}

/// The managed engine: two ordinary ECS services whose weights Flipback moves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Managed {
    /// The ECS service in the blue slot.
    pub blue: String,
    /// The ECS service in the green slot.
    pub green: String,
    /// The production routes; their weights move together.
    pub routes: Vec<RouteArn>,
}

impl Managed {
    /// The ECS service's name in a slot.
    #[must_use]
    pub fn service(&self, colour: Colour) -> &str {
        match colour {
            Colour::Blue => &self.blue,
            Colour::Green => &self.green,
        }
    }
}

/// The alarms of a service and the side they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarms {
    /// Alarms that watch blue only.
    #[serde(default)]
    pub blue: Vec<AlarmName>,
    /// Alarms that watch green only.
    #[serde(default)]
    pub green: Vec<AlarmName>,
    /// Alarms that watch whatever carries traffic.
    #[serde(default)]
    pub both: Vec<AlarmName>,
    /// Alarms whose side is told from their dimensions when they are read.
    #[serde(default)]
    pub by_dimension: Vec<AlarmName>,
}

/// How a service is meant to scale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The lowest count its scalable target should have; none: whatever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// The highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The CPU, in percent, that a target tracking policy should keep; none: whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_target: Option<Level>,
    /// The memory, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_target: Option<Level>,
    /// Requests per target and minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_target: Option<Level>,
    /// Kinds of findings that are meant so and not told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", deserialize_with = "known")]
    pub ignore: BTreeSet<FindingKind>,
    /// Whether what is safe and can be taken back is put right by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforce: bool,
}

/// Those that this release knows: what a later one ignores it does not find. (flipback.yaml is read with a type of its own, and
/// refused.)
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<FindingKind>, D::Error> {
    let all: Vec<serde_json::Value> = Vec::deserialize(from)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

impl Alarms {
    /// Every alarm once, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<AlarmName> {
        let mut all: Vec<AlarmName> =
            self.blue.iter().chain(&self.green).chain(&self.both).chain(&self.by_dimension).cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}

impl ServiceConfig {
    /// The rule for a repository's images, if the service has one.
    #[must_use]
    pub fn image(&self, repository: &str) -> Option<&ImageRule> {
        self.images.iter().find(|image| image.repository == repository)
    }

    /// The region and account the service is in, as its first route's ARN tells, or the ECS service's.
    #[must_use]
    pub fn home(&self) -> Option<(&str, &str)> {
        let mut parts = self.engine.arn()?.split(':').skip(3);
        Some((parts.next()?, parts.next()?))
    }

    /// What the service owns; no other service may name one of these (design: one owner per thing).
    #[must_use]
    pub fn claims(&self) -> Vec<String> {
        let services = self.engine.services();
        let mut claims: Vec<String> = services
            .iter()
            .map(|service| format!("ecs-service/{}/{service}", self.cluster))
            .chain(self.engine.routes().iter().map(|route| route.0.clone()))
            .collect();
        claims.sort();
        claims
    }
}

#[cfg(test)]
mod tests;
