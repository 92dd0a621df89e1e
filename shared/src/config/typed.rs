//! The file as people write it. Unknown keys are refused; every key has its meaning here, and the JSON Schema takes its
//! descriptions from these comments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, RouteArn, ServiceName};
use crate::scaling::{FindingKind, Level};
use crate::strategy::Share;
use crate::time::Span;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    /// The version of the file's format: 1.
    pub version: u32,
    /// The services that are deployed.
    pub services: Vec<ServiceTyped>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceTyped {
    /// The service's name here; letters, digits and dashes.
    pub name: ServiceName,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The image whose pushes deploy the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageTyped>,
    /// The images whose pushes deploy the service, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageTyped>,
    /// What moves the traffic.
    pub engine: EngineTyped,
    /// The weights to go through.
    pub strategy: StrategyTyped,
    /// Native engine, where Flipback sends the deployment configuration: stages at which ECS waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HooksTyped>,
    /// Native engine: what the function `lifecycle-hook` checks where the service declares it as a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<ChecksTyped>,
    /// The CloudWatch alarms that roll back: a list, or by side.
    #[serde(default)]
    pub alarms: AlarmsTyped,
    /// How the service is meant to scale, for the scheduled check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<ScalingTyped>,
    /// `accept` lets a rollout run although no alarm covers the new side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_alarms: Option<Accept>,
    /// `accept` takes target group stickiness on a route into the bargain: clients stay on the old side after a flip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Accept>,
    /// What a bake without any request means: `hold` (default) or `proceed`.
    #[serde(default)]
    pub no_traffic: NoTraffic,
    /// How long the old side is kept warm after the last bake (default 10m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Span>,
    /// What a push does while a rollout runs: `supersede` (default) or `queue`.
    #[serde(default)]
    pub on_new_push: OnNewPush,
    /// `act` (default), or `observe`: decides, records and tells, changes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// How long pushes are collected into one rollout (default 0s for one image, 30s for several).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Span>,
    /// How many revisions of the task definition stay registered (default 20, at least 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_revisions: Option<u32>,
    /// How long a new revision may take until it is healthy (default 15m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_deadline: Option<Span>,
    /// How long a push is held, for example by a firing alarm, until it is given up with a notice (default 1h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_deadline: Option<Span>,
    /// How long a rollout may stand still beyond its bake (default 1h); then it rolls back, or calls a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_deadline: Option<Span>,
}

/// An image and which of its tags are deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageTyped {
    /// The ECR repository's name.
    pub repository: String,
    /// The container whose image is replaced (default: every container whose image comes from the repository).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Which tags are deployed.
    pub tags: TagRule,
}

/// Which tags are deployed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TagRule {
    /// Tags that are versions in this range (`>=1.0.0`); pre-releases only where the range names one.
    Semver(String),
    /// Tags that match a pattern (`release-*`).
    Glob(String),
    /// One tag that moves (`stable`); deployed by digest each time it does.
    Exact(String),
}

/// What moves the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EngineTyped {
    /// Two ECS services, blue and green, whose weights Flipback moves.
    Managed(ManagedTyped),
    /// One ECS service whose own strategy moves the traffic; Flipback deploys, watches and stops it.
    Native(NativeTyped),
}

/// The native engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NativeTyped {
    /// The ECS service.
    pub service: String,
}

/// Hooks that go with the deployment configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HooksTyped {
    /// The lifecycle stages at which ECS waits until a person promotes or aborts (default: none).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pause: Vec<PauseStage>,
}

/// A lifecycle stage at which ECS can wait; the two shifting stages take no pause, and three others no hook at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PauseStage {
    /// Before anything is started.
    ReconcileService,
    /// Before the new tasks are started.
    PreScaleUp,
    /// When the new tasks are healthy.
    PostScaleUp,
    /// When the test traffic goes to them.
    PostTestTrafficShift,
    /// Before production traffic moves, at every step.
    PreProductionTrafficShift,
    /// When all production traffic has moved.
    PostProductionTrafficShift,
}

/// What the function `lifecycle-hook` checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChecksTyped {
    /// A request to the new tasks, through the test listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheckTyped>,
}

/// A request to the new tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpCheckTyped {
    /// `test`: the service's test listener rule; or a URL such as `https://test.example.com` that leads there.
    pub listener: String,
    /// The path (default `/`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status that is wanted (default 200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u16>,
    /// A text that the body must contain (default: any body).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many right answers in a row (default 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How long it may take until there are so many (default 60s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// The managed engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ManagedTyped {
    /// The ECS service in the blue slot.
    pub blue: String,
    /// The ECS service in the green slot.
    pub green: String,
    /// The production routes: ARNs of listener rules, or of listeners (their default action).
    pub routes: Vec<RouteArn>,
}

/// The weights to go through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum StrategyTyped {
    /// All at once, then a bake.
    BlueGreen {
        /// How long 100 % is watched.
        bake: Span,
    },
    /// Any list of weights, each with its bake, then 100 % and a last bake.
    Canary {
        /// The weights before 100 %.
        steps: Vec<CanaryStep>,
        /// How long 100 % is watched.
        bake: Span,
    },
    /// Equal steps up to 100 %, then a bake.
    Linear {
        /// How many percent each step adds.
        by: Share,
        /// How long each step before 100 % is watched.
        every: Span,
        /// How long 100 % is watched.
        bake: Span,
    },
    /// Native engine: the service's own deployment configuration counts, nothing of it is sent.
    AsDeclared,
    /// Native engine: tasks are replaced a few at a time, without weights.
    Rolling {
        /// `minimumHealthyPercent` (default: as the service has it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minimum_healthy_percent: Option<u32>,
        /// `maximumPercent` (default: as the service has it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum_percent: Option<u32>,
        /// ECS's own circuit breaker, which rolls back (default: as the service has it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        circuit_breaker: Option<BreakerTyped>,
    },
}

/// ECS's circuit breaker for rolling deployments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BreakerTyped {
    /// So many failed tasks open it (default: ECS's own, half the tasks, between 3 and 200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdTyped>,
    /// Whether a task that becomes healthy takes the failures before it back (default true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_on_healthy_task: Option<bool>,
}

/// When the circuit breaker opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThresholdTyped {
    /// At so many failed tasks.
    Count(u32),
    /// At so many percent of the tasks, at least 3 and at most 200 of them.
    BoundedPercent(u32),
    /// At so many percent of the tasks.
    UnboundedPercent(u32),
}

impl BreakerTyped {
    /// Whether ECS takes it.
    ///
    /// # Errors
    /// Its limits.
    pub fn check(&self) -> Result<(), String> {
        match &self.threshold {
            Some(ThresholdTyped::Count(0)) => Err("rolling.circuitBreaker.threshold: at least one task".to_owned()),
            Some(ThresholdTyped::BoundedPercent(percent) | ThresholdTyped::UnboundedPercent(percent))
                if *percent == 0 || *percent > 100 =>
            {
                Err(format!("rolling.circuitBreaker.threshold: 1 to 100 percent, not {percent}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// `deploymentCircuitBreaker` as ECS writes it.
    #[must_use]
    pub fn declared(&self) -> serde_json::Value {
        let mut all = serde_json::json!({ "enable": true, "rollback": true });
        if let Some(reset) = self.reset_on_healthy_task {
            all["resetOnHealthyTask"] = serde_json::json!(reset);
        }
        if let Some(threshold) = &self.threshold {
            let (kind, value) = match threshold {
                ThresholdTyped::Count(count) => ("COUNT", count),
                ThresholdTyped::BoundedPercent(percent) => ("BOUNDED_PERCENT", percent),
                ThresholdTyped::UnboundedPercent(percent) => ("UNBOUNDED_PERCENT", percent),
            };
            all["thresholdConfiguration"] = serde_json::json!({ "type": kind, "value": value });
        }
        all
    }
}

/// One step of a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CanaryStep {
    /// The new side's share in percent: 1 to 99, or 0.1 to 100 in tenths with the native engine.
    pub weight: Share,
    /// How long it is watched.
    pub bake: Span,
}

/// The alarms: a list whose sides are told from their dimensions, or by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AlarmsTyped {
    /// A list; whose side an alarm is on is told from its dimensions.
    List(Vec<AlarmName>),
    /// By side.
    Sides(SidesTyped),
}

impl Default for AlarmsTyped {
    fn default() -> Self {
        AlarmsTyped::List(Vec::new())
    }
}

/// Alarms by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SidesTyped {
    /// Alarms that watch blue only.
    #[serde(default)]
    pub blue: Vec<AlarmName>,
    /// Alarms that watch green only.
    #[serde(default)]
    pub green: Vec<AlarmName>,
    /// Alarms that watch whatever carries traffic.
    #[serde(default)]
    pub both: Vec<AlarmName>,
}

/// How a service is meant to scale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScalingTyped {
    /// The lowest count its scalable target should have (default: whatever it has).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// The highest (default: whatever it has).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The CPU, in percent, that a target tracking policy should keep (default: whatever there is).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_target: Option<Level>,
    /// The memory, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_target: Option<Level>,
    /// Requests per target and minute, as ALBRequestCountPerTarget counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_target: Option<Level>,
    /// Kinds of findings that are meant so and not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<FindingKind>,
    /// Put right what is safe and can be taken back: the bounds above, and suspensions that a side at rest had when somebody moved the
    /// traffic there (default: false, findings are only told).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforce: bool,
}

/// A risk taken in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Accept {
    /// The risk is known and taken.
    Accept,
}

/// What a bake without any request means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NoTraffic {
    /// Nothing was proved: hold until requests come, roll back at the stall deadline.
    #[default]
    Hold,
    /// Go on.
    Proceed,
}

/// What a push does while a rollout runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnNewPush {
    /// The running rollout goes back, then the new image starts.
    #[default]
    Supersede,
    /// The running rollout ends first.
    Queue,
}

/// Act, or only tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Deploys.
    #[default]
    Act,
    /// Decides, records and tells; changes nothing.
    Observe,
}
