//! What the check finds: typed, with its numbers, how bad it is, and what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Differs, Level, Metric, Trouble};
use crate::observation::Suspended;
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
            | FindingKind::SlowScaleOut => Span(0),
        }
    }

    /// After so long it is told once more, as worse; none: it does not get worse by lasting.
    #[must_use]
    pub fn worsens(self) -> Option<Span> {
        match self {
            FindingKind::AtMax
            | FindingKind::RunningBelowDesired
            | FindingKind::SlowScaleOut
            | FindingKind::UnhealthyTargets => Some(Span::mins(60)),
            FindingKind::Suspended | FindingKind::Unreadable => Some(Span::mins(24 * 60)),
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
    },
    /// See [`FindingKind::UnhealthyTargets`].
    UnhealthyTargets {
        /// Targets that fail their health checks.
        unhealthy: u32,
        /// Tasks RUNNING.
        running: u32,
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
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.what {
            What::Gone | What::MaxBelowDesired { .. } => Severity::Critical,
            What::RunningBelowDesired { running: 0, .. } => Severity::Critical,
            What::Suspended { flags } if flags.scale_out => Severity::Critical,
            What::AtMax { above: Some(_), .. } => Severity::Critical,
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
            | What::DrainedGroup { .. } => Severity::Warning,
            What::BelowMin { .. } | What::IdleNotAtRest { .. } | What::MixedPolicies { .. } => Severity::Info,
        }
    }
}
