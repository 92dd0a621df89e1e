//! What the check finds: typed, with its numbers, how bad it is, and what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::What;
use crate::time::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It will hurt on a busy day.
    Warning,
    /// It hurts now, or at the next step of scaling.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// What an ECS service is to the service that is checked. Findings are remembered by it: with two colours the live one changes
/// its name at every rollout, and a finding about it stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It has the traffic.
    Live,
    /// The other colour, at rest.
    Idle,
    /// The other colour, while a rollout brings it up or down.
    Candidate,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $what:literal;)*) => {
        /// The kinds of findings, as `scaling.ignore` names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum FindingKind {
            $(#[doc = $what] $kind,)*
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &[FindingKind] = &[$(FindingKind::$kind,)*];

            /// Its name in flipback.yaml and in JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(FindingKind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Unreadable "unreadable" "Something could not be read, for a while.";
    Gone "gone" "The ECS service does not exist, or is on its way out.";
    NoScalableTarget "noScalableTarget" "Nothing scales the service.";
    OtherBounds "otherBounds" "The scalable target's bounds are not those of flipback.yaml.";
    MinIsMax "minIsMax" "It can neither grow nor shrink.";
    MinZero "minZero" "It may be scaled to no task at all.";
    MaxBelowDesired "maxBelowDesired" "More tasks are wanted than the maximum.";
    BelowMin "belowMin" "Fewer tasks are wanted than the minimum.";
    AtMax "atMax" "It is at its maximum, for a while.";
    Suspended "suspended" "Scaling is suspended on the live side.";
    RunningBelowDesired "runningBelowDesired" "Fewer tasks run than are wanted, for a while.";
    IdleNotAtRest "idleNotAtRest" "The scalable target of the idle colour would start tasks there.";
    NoPolicy "noPolicy" "It has a scalable target, and no policy that moves it.";
    OtherTarget "otherTarget" "The policies' targets are not those of flipback.yaml.";
    PolicyAlarms "policyAlarms" "A policy's alarms do not set it off.";
    DrainedGroup "drainedGroup" "A policy counts the requests of a target group without the service's traffic.";
    Flapping "flapping" "Its count goes up and down again and again.";
    MixedPolicies "mixedPolicies" "Step scaling and target tracking move the same count.";
    SlowScaleOut "slowScaleOut" "A metric has been above its target for long, though there is room to grow.";
    MemoryNearLimit "memoryNearLimit" "A task uses nearly all of its memory.";
    UnhealthyTargets "unhealthyTargets" "Targets fail their health checks, for a while.";
    TasksReplaced "tasksReplaced" "Tasks are replaced again and again.";
    LongCooldown "longCooldown" "A policy waits longer than its load takes to rise.";
    ScalingFails "scalingFails" "Application Auto Scaling cannot set the count.";
    OutOfStep "outOfStep" "While a rollout moves traffic, the other side is smaller than the live one, or one of them may be scaled in.";
    OtherRegion "otherRegion" "The configuration names another region.";
    LateHealthy "lateHealthy" "Health checks take longer to call a target healthy than a scale-out is given.";
    FewAddresses "fewAddresses" "The subnets have fewer addresses left than the maximum needs.";
    OneZone "oneZone" "All of its subnets are in one zone.";
    VcpuQuota "vcpuQuota" "The account's Fargate quota leaves less than the maximum needs.";
}

impl FindingKind {
    /// So long it must have been seen until it is told, and in two looks at least: what passes by itself is no finding.
    #[must_use]
    pub fn patience(self) -> Span {
        match self {
            FindingKind::AtMax
            | FindingKind::BelowMin
            | FindingKind::RunningBelowDesired
            | FindingKind::Unreadable
            | FindingKind::PolicyAlarms
            | FindingKind::UnhealthyTargets
            | FindingKind::MemoryNearLimit
            | FindingKind::OutOfStep
            | FindingKind::IdleNotAtRest => Span::mins(10),
            FindingKind::Gone
            | FindingKind::NoScalableTarget
            | FindingKind::OtherBounds
            | FindingKind::MinIsMax
            | FindingKind::MinZero
            | FindingKind::MaxBelowDesired
            | FindingKind::Suspended
            | FindingKind::NoPolicy
            | FindingKind::OtherTarget
            | FindingKind::DrainedGroup
            | FindingKind::Flapping
            | FindingKind::MixedPolicies
            | FindingKind::TasksReplaced
            | FindingKind::LongCooldown
            | FindingKind::ScalingFails
            | FindingKind::OtherRegion
            | FindingKind::LateHealthy
            | FindingKind::OneZone
            | FindingKind::SlowScaleOut => Span(0),
            // What others use while they deploy, and what is counted some minutes later.
            FindingKind::FewAddresses | FindingKind::VcpuQuota => Span::mins(20),
        }
    }

    /// After so long it is told once more, as worse; none: it does not get worse by lasting.
    #[must_use]
    pub fn worsens(self) -> Option<Span> {
        match self {
            FindingKind::AtMax
            | FindingKind::RunningBelowDesired
            | FindingKind::SlowScaleOut
            | FindingKind::LongCooldown
            | FindingKind::OutOfStep
            | FindingKind::UnhealthyTargets => Some(Span::mins(60)),
            FindingKind::Suspended | FindingKind::Unreadable | FindingKind::TasksReplaced => Some(Span::mins(24 * 60)),
            FindingKind::Gone
            | FindingKind::NoScalableTarget
            | FindingKind::OtherBounds
            | FindingKind::MinIsMax
            | FindingKind::MinZero
            | FindingKind::MaxBelowDesired
            | FindingKind::BelowMin
            | FindingKind::IdleNotAtRest
            | FindingKind::NoPolicy
            | FindingKind::OtherTarget
            | FindingKind::PolicyAlarms
            | FindingKind::DrainedGroup
            | FindingKind::Flapping
            | FindingKind::MixedPolicies
            | FindingKind::ScalingFails
            | FindingKind::OtherRegion
            | FindingKind::LateHealthy
            | FindingKind::FewAddresses
            | FindingKind::OneZone
            | FindingKind::VcpuQuota
            | FindingKind::MemoryNearLimit => None,
        }
    }
}

/// One finding on one ECS service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What the ECS service is to the checked one.
    pub role: Role,
    /// The ECS service's name.
    pub service: String,
    /// What was found.
    pub what: What,
}
