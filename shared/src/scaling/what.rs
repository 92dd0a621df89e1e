//! What was found, with its numbers, and how bad that is.

use serde::{Deserialize, Serialize};

use super::{Differs, Finding, FindingKind, Level, Metric, Severity, Trouble};
use crate::ids::TargetGroupArn;
use crate::observation::Suspended;
use crate::time::Time;

/// What was found, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum What {
    /// See [`FindingKind::Unreadable`].
    Unreadable {
        /// The call, and AWS's words.
        why: String,
    },
    /// See [`FindingKind::Gone`].
    Gone,
    /// See [`FindingKind::NoScalableTarget`].
    NoScalableTarget,
    /// See [`FindingKind::OtherBounds`].
    OtherBounds {
        /// As it is.
        min: u32,
        /// As it is.
        max: u32,
        /// As flipback.yaml wants it.
        wanted_min: u32,
        /// As flipback.yaml wants it.
        wanted_max: u32,
    },
    /// See [`FindingKind::MinIsMax`].
    MinIsMax {
        /// Both bounds.
        bound: u32,
    },
    /// See [`FindingKind::MinZero`].
    MinZero {
        /// The highest count.
        max: u32,
    },
    /// See [`FindingKind::MaxBelowDesired`].
    MaxBelowDesired {
        /// Tasks wanted.
        desired: u32,
        /// The highest count.
        max: u32,
    },
    /// See [`FindingKind::BelowMin`].
    BelowMin {
        /// Tasks wanted.
        desired: u32,
        /// The lowest count.
        min: u32,
    },
    /// See [`FindingKind::AtMax`].
    AtMax {
        /// The highest count.
        max: u32,
        /// The policy whose metric is above its target all the same.
        #[serde(default)]
        above: Option<String>,
        /// When Application Auto Scaling would have added tasks last, within the last quarter of an hour.
        #[serde(default)]
        refused: Option<Time>,
    },
    /// See [`FindingKind::Suspended`].
    Suspended {
        /// What is suspended.
        flags: Suspended,
    },
    /// See [`FindingKind::RunningBelowDesired`].
    RunningBelowDesired {
        /// Tasks RUNNING.
        running: u32,
        /// Tasks PENDING.
        pending: u32,
        /// Tasks wanted.
        desired: u32,
        /// ECS's latest word on why.
        why: Option<String>,
    },
    /// See [`FindingKind::IdleNotAtRest`].
    IdleNotAtRest {
        /// The lowest count.
        min: u32,
        /// What is suspended.
        flags: Suspended,
    },
    /// See [`FindingKind::NoPolicy`].
    NoPolicy,
    /// See [`FindingKind::OtherTarget`].
    OtherTarget {
        /// Which, and how.
        differs: Vec<Differs>,
    },
    /// See [`FindingKind::PolicyAlarms`].
    PolicyAlarms {
        /// Policy by policy.
        troubles: Vec<Trouble>,
    },
    /// See [`FindingKind::DrainedGroup`].
    DrainedGroup {
        /// The policy.
        policy: String,
        /// The target group, as an ARN's suffix.
        group: String,
        /// It is one of two that take turns; else it is none of the service's.
        turns: bool,
    },
    /// See [`FindingKind::Flapping`].
    Flapping {
        /// How often it turned within the last hour.
        turns: u32,
        /// The lowest count of that hour.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// See [`FindingKind::MixedPolicies`].
    MixedPolicies {
        /// A step scaling policy.
        steps: String,
        /// A target tracking policy.
        tracking: String,
    },
    /// See [`FindingKind::SlowScaleOut`].
    SlowScaleOut {
        /// The policy.
        policy: String,
        /// What it tracks.
        metric: Metric,
        /// Its target.
        wanted: Level,
        /// The lowest value of the last quarter of an hour, in percent.
        low: u32,
        /// Tasks wanted.
        desired: u32,
        /// The highest count.
        max: u32,
    },
    /// See [`FindingKind::MemoryNearLimit`].
    MemoryNearLimit {
        /// The highest value of the last quarter of an hour, in percent of a task's limit.
        percent: u32,
        /// Tasks that were killed for it within the last hour.
        #[serde(default)]
        killed: u32,
    },
    /// See [`FindingKind::UnhealthyTargets`].
    UnhealthyTargets {
        /// Targets that fail their health checks.
        unhealthy: u32,
        /// Tasks RUNNING.
        running: u32,
    },
    /// See [`FindingKind::TasksReplaced`].
    TasksReplaced {
        /// Tasks that were started within the last hour, beyond those by which the count grew.
        replaced: u32,
        /// Tasks wanted.
        desired: u32,
        /// ECS's latest word on why.
        why: Option<String>,
    },
    /// See [`FindingKind::LongCooldown`].
    LongCooldown {
        /// The policy.
        policy: String,
        /// What it tracks.
        metric: Metric,
        /// Its target.
        wanted: Level,
        /// The lowest value of the last five minutes, in percent.
        low: u32,
        /// Its ScaleOutCooldown, in seconds.
        cooldown: u32,
    },
    /// See [`FindingKind::ScalingFails`].
    ScalingFails {
        /// Application Auto Scaling's words.
        why: String,
    },
    /// See [`FindingKind::OutOfStep`].
    OutOfStep {
        /// Tasks that the other side wants.
        desired: u32,
        /// Tasks that the live side wants.
        live: u32,
        /// The sides whose scale-in is not suspended.
        shrinks: Vec<String>,
    },
    /// See [`FindingKind::OtherRegion`].
    OtherRegion {
        /// What names the region: a cluster's, a rule's or a listener's ARN.
        named: String,
        /// The region that Flipback runs in.
        here: String,
    },
    /// See [`FindingKind::LateHealthy`].
    LateHealthy {
        /// The target group.
        group: TargetGroupArn,
        /// Seconds from one check to the next.
        interval: u32,
        /// So many must pass in a row.
        threshold: u32,
    },
    /// See [`FindingKind::FewAddresses`].
    FewAddresses {
        /// By id.
        subnets: Vec<String>,
        /// Addresses that are left in all of them.
        free: u32,
        /// Those of them without any.
        full: Vec<String>,
        /// By so many tasks the service may grow.
        more: u32,
    },
    /// See [`FindingKind::OneZone`].
    OneZone {
        /// Its name.
        zone: String,
    },
    /// See [`FindingKind::VcpuQuota`].
    VcpuQuota {
        /// By so many tasks the service may grow.
        more: u32,
        /// CPU units of those.
        units: u64,
        /// The account's quota, in CPU units.
        limit: u64,
        /// What is used of it.
        used: u64,
    },
}

impl Finding {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        match &self.what {
            What::Unreadable { .. } => FindingKind::Unreadable,
            What::Gone => FindingKind::Gone,
            What::NoScalableTarget => FindingKind::NoScalableTarget,
            What::OtherBounds { .. } => FindingKind::OtherBounds,
            What::MinIsMax { .. } => FindingKind::MinIsMax,
            What::MinZero { .. } => FindingKind::MinZero,
            What::MaxBelowDesired { .. } => FindingKind::MaxBelowDesired,
            What::BelowMin { .. } => FindingKind::BelowMin,
            What::AtMax { .. } => FindingKind::AtMax,
            What::Suspended { .. } => FindingKind::Suspended,
            What::RunningBelowDesired { .. } => FindingKind::RunningBelowDesired,
            What::IdleNotAtRest { .. } => FindingKind::IdleNotAtRest,
            What::NoPolicy => FindingKind::NoPolicy,
            What::OtherTarget { .. } => FindingKind::OtherTarget,
            What::PolicyAlarms { .. } => FindingKind::PolicyAlarms,
            What::DrainedGroup { .. } => FindingKind::DrainedGroup,
            What::Flapping { .. } => FindingKind::Flapping,
            What::MixedPolicies { .. } => FindingKind::MixedPolicies,
            What::SlowScaleOut { .. } => FindingKind::SlowScaleOut,
            What::MemoryNearLimit { .. } => FindingKind::MemoryNearLimit,
            What::UnhealthyTargets { .. } => FindingKind::UnhealthyTargets,
            What::TasksReplaced { .. } => FindingKind::TasksReplaced,
            What::LongCooldown { .. } => FindingKind::LongCooldown,
            What::ScalingFails { .. } => FindingKind::ScalingFails,
            What::OutOfStep { .. } => FindingKind::OutOfStep,
            What::OtherRegion { .. } => FindingKind::OtherRegion,
            What::LateHealthy { .. } => FindingKind::LateHealthy,
            What::FewAddresses { .. } => FindingKind::FewAddresses,
            What::OneZone { .. } => FindingKind::OneZone,
            What::VcpuQuota { .. } => FindingKind::VcpuQuota,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.what {
            What::Gone | What::MaxBelowDesired { .. } | What::ScalingFails { .. } | What::OtherRegion { .. } => {
                Severity::Critical
            }
            What::RunningBelowDesired { running: 0, .. } => Severity::Critical,
            What::Suspended { flags } if flags.scale_out => Severity::Critical,
            What::AtMax { above: Some(_), .. } | What::AtMax { refused: Some(_), .. } => Severity::Critical,
            What::FewAddresses { free: 0, .. } => Severity::Critical,
            What::MemoryNearLimit { killed, .. } if *killed > 0 => Severity::Critical,
            // Not even one.
            What::VcpuQuota { more, units, limit, used } if limit.saturating_sub(*used) * u64::from(*more) < *units => {
                Severity::Critical
            }
            What::UnhealthyTargets { unhealthy, running } if unhealthy >= running => Severity::Critical,
            What::Unreadable { .. }
            | What::NoScalableTarget
            | What::OtherBounds { .. }
            | What::MinIsMax { .. }
            | What::MinZero { .. }
            | What::AtMax { .. }
            | What::Suspended { .. }
            | What::RunningBelowDesired { .. }
            | What::NoPolicy
            | What::OtherTarget { .. }
            | What::PolicyAlarms { .. }
            | What::Flapping { .. }
            | What::SlowScaleOut { .. }
            | What::MemoryNearLimit { .. }
            | What::UnhealthyTargets { .. }
            | What::TasksReplaced { .. }
            | What::LongCooldown { .. }
            | What::OutOfStep { .. }
            | What::FewAddresses { .. }
            | What::OneZone { .. }
            | What::VcpuQuota { .. }
            | What::DrainedGroup { .. } => Severity::Warning,
            What::BelowMin { .. }
            | What::IdleNotAtRest { .. }
            | What::MixedPolicies { .. }
            | What::LateHealthy { .. } => Severity::Info,
        }
    }
}
