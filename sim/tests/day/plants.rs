//! What is planted, and what must be found of it.

use model::{Millis, Service};
use serde_json::json;
use shared::scaling::FindingKind;
use shared::time::Span;

use super::{CLUSTER, Day, START, name, target, tracking, waiting};

/// The planted ones; the number is the service's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plant {
    NoTarget,
    OtherBounds,
    OtherTarget,
    NoPolicy,
    Suspended,
    AlarmDeleted,
    AlarmDisabled,
    MinIsMax,
    MinZero,
    AboveMax,
    BelowMin,
    Gone,
    Shortage,
    Full,
    Mixed,
    OtherGroup,
    Flapping,
    Unreadable,
    Memory,
    Slow,
    Replaced,
    Cooldown,
    Fails,
    Addresses,
    Zone,
    Late,
    Quota,
}

pub(crate) const PLANTS: [Plant; 27] = [
    Plant::NoTarget,
    Plant::OtherBounds,
    Plant::OtherTarget,
    Plant::NoPolicy,
    Plant::Suspended,
    Plant::AlarmDeleted,
    Plant::AlarmDisabled,
    Plant::MinIsMax,
    Plant::MinZero,
    Plant::AboveMax,
    Plant::BelowMin,
    Plant::Gone,
    Plant::Shortage,
    Plant::Full,
    Plant::Mixed,
    Plant::OtherGroup,
    Plant::Flapping,
    Plant::Unreadable,
    Plant::Memory,
    Plant::Slow,
    Plant::Replaced,
    Plant::Cooldown,
    Plant::Fails,
    Plant::Addresses,
    Plant::Zone,
    Plant::Late,
    Plant::Quota,
];

impl Plant {
    /// What must be found, and how long it takes the world to be so after it was planted.
    pub(crate) fn finds(self) -> (FindingKind, Span) {
        use FindingKind as Kind;
        let now = |kind: Kind| (kind, Span(0));
        match self {
            Plant::NoTarget => now(Kind::NoScalableTarget),
            Plant::OtherBounds => now(Kind::OtherBounds),
            Plant::OtherTarget => now(Kind::OtherTarget),
            Plant::NoPolicy => now(Kind::NoPolicy),
            Plant::Suspended => now(Kind::Suspended),
            Plant::AlarmDeleted | Plant::AlarmDisabled => now(Kind::PolicyAlarms),
            Plant::MinIsMax => now(Kind::MinIsMax),
            Plant::MinZero => now(Kind::MinZero),
            Plant::AboveMax => now(Kind::MaxBelowDesired),
            Plant::BelowMin => now(Kind::BelowMin),
            Plant::Gone => now(Kind::Gone),
            Plant::Shortage => now(Kind::RunningBelowDesired),
            // The load has to bring it there, step by step.
            Plant::Full => (Kind::AtMax, Span::mins(30)),
            Plant::Mixed => now(Kind::MixedPolicies),
            Plant::OtherGroup => now(Kind::DrainedGroup),
            // Four turns, ten minutes apart.
            Plant::Flapping => (Kind::Flapping, Span::mins(50)),
            Plant::Unreadable => now(Kind::Unreadable),
            // CloudWatch has it some minutes later.
            Plant::Memory => (Kind::MemoryNearLimit, Span::mins(5)),
            // The load must be above for a quarter of an hour.
            Plant::Slow => (Kind::SlowScaleOut, Span::mins(20)),
            // Four tasks, twelve minutes apart.
            Plant::Replaced => (Kind::TasksReplaced, Span::mins(50)),
            // It adds tasks, and five minutes later it has not again.
            Plant::Cooldown => (Kind::LongCooldown, Span::mins(15)),
            // What wants to grow is asked why it does not.
            Plant::Fails => (Kind::ScalingFails, Span::mins(20)),
            Plant::Addresses => now(Kind::FewAddresses),
            // Its tasks are deployed there first.
            Plant::Zone => (Kind::OneZone, Span::mins(5)),
            Plant::Late => now(Kind::LateHealthy),
            Plant::Quota => (Kind::VcpuQuota, Span::mins(5)),
        }
    }

    /// So long what is mended is still seen.
    pub(crate) fn lingers(self) -> Span {
        // The highest value of the last quarter of an hour, as CloudWatch has it.
        match self {
            Plant::Memory => Span::mins(20),
            // Those of the last hour.
            Plant::Replaced => Span::mins(60),
            // CloudWatch has it some minutes later, and its tasks must start.
            Plant::Cooldown | Plant::Fails => Span::mins(15),
            // CloudWatch tells the quota with the usage, some minutes later.
            Plant::Quota => Span::mins(5),
            _ => Span(0),
        }
    }

    /// When: each at another hour's beginning, so that several are seen by several phases of the load.
    pub(crate) fn at(self) -> Millis {
        START + Span::mins(60 + 30 * (self as u64)).0
    }

    /// The scaling that flipback.yaml wants.
    pub(crate) fn wants(n: usize) -> &'static str {
        let plain = [Plant::NoPolicy, Plant::MinIsMax, Plant::MinZero];
        if plain.iter().any(|plant| *plant as usize == n) { "{}" } else { "{ min: 2, max: 10, cpuTarget: 70 }" }
    }

    pub(crate) fn plant(self, day: &mut Day) {
        let n = self as usize;
        let bounds = |min: u32, max: u32| target(n, json!({ "MinCapacity": min, "MaxCapacity": max }));
        match self {
            Plant::NoTarget => day.scaling("DeregisterScalableTarget", target(n, json!({}))),
            Plant::OtherBounds => day.scaling("RegisterScalableTarget", bounds(2, 9)),
            Plant::OtherTarget => day.scaling("PutScalingPolicy", tracking(n, 55.0)),
            Plant::NoPolicy => day.scaling("DeleteScalingPolicy", target(n, json!({ "PolicyName": "cpu" }))),
            Plant::Suspended => {
                let flags = json!({ "SuspendedState": { "DynamicScalingOutSuspended": true } });
                day.scaling("RegisterScalableTarget", target(n, flags));
            }
            Plant::AlarmDeleted => day.alarm(n, "DeleteAlarms"),
            Plant::AlarmDisabled => day.alarm(n, "DisableAlarmActions"),
            Plant::MinIsMax => day.scaling("RegisterScalableTarget", bounds(10, 10)),
            Plant::MinZero => day.scaling("RegisterScalableTarget", bounds(0, 10)),
            Plant::AboveMax => day.desired(n, 12),
            Plant::BelowMin => day.desired(n, 1),
            Plant::Gone => {
                let input = json!({ "cluster": CLUSTER, "service": name(n), "force": true });
                day.call(Service::Ecs, "DeleteService", input);
            }
            Plant::Shortage => day.desired(n, 4),
            Plant::Full => {}
            Plant::Mixed => {
                let steps = json!({ "AdjustmentType": "ChangeInCapacity",
                    "StepAdjustments": [{ "MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1 }] });
                let policy = json!({ "PolicyName": "steps", "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": steps });
                day.scaling("PutScalingPolicy", target(n, policy));
            }
            Plant::OtherGroup => {
                let predefined = json!({ "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": "app/shop/0a/targetgroup/another/0b" });
                let policy = json!({ "PolicyName": "requests", "PolicyType": "TargetTrackingScaling",
                    "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 1000.0, "PredefinedMetricSpecification": predefined } });
                day.scaling("PutScalingPolicy", target(n, policy));
            }
            Plant::Flapping => {}
            Plant::Unreadable => {
                day.unreadable.insert(n);
            }
            Plant::Memory => day.world.set_memory(CLUSTER, &name(n), 96.0),
            // The load rises, and the alarm sets nothing off.
            Plant::Slow => day.alarm(n, "DisableAlarmActions"),
            Plant::Replaced => {}
            Plant::Cooldown => day.scaling("PutScalingPolicy", waiting(n, 3_600)),
            Plant::Fails => day.world.fail_scaling(CLUSTER, &name(n), Some("the role may not update the service")),
            Plant::Addresses => day.fill(4_091),
            Plant::Zone => day.move_to(n, &["subnet-a", "subnet-d"]),
            Plant::Late => day.checks(60),
            // Enough for all the others, whose tasks have a quarter of a vCPU.
            Plant::Quota => day.world.set_vcpu_quota(200),
        }
    }

    /// Mends it, where a person would with one call.
    pub(crate) fn mend(self, day: &mut Day) -> bool {
        let n = self as usize;
        match self {
            Plant::OtherBounds => {
                day.scaling("RegisterScalableTarget", target(n, json!({ "MinCapacity": 2, "MaxCapacity": 10 })));
            }
            Plant::OtherTarget | Plant::NoPolicy | Plant::AlarmDeleted => {
                day.scaling("PutScalingPolicy", tracking(n, 70.0));
            }
            Plant::AlarmDisabled => day.alarm(n, "EnableAlarmActions"),
            Plant::Suspended => {
                let flags = json!({ "SuspendedState": { "DynamicScalingOutSuspended": false } });
                day.scaling("RegisterScalableTarget", target(n, flags));
            }
            Plant::Mixed => day.scaling("DeleteScalingPolicy", target(n, json!({ "PolicyName": "steps" }))),
            Plant::OtherGroup => day.scaling("DeleteScalingPolicy", target(n, json!({ "PolicyName": "requests" }))),
            Plant::Unreadable => {
                day.unreadable.remove(&n);
            }
            Plant::Memory => day.world.set_memory(CLUSTER, &name(n), 40.0),
            Plant::Slow => day.alarm(n, "EnableAlarmActions"),
            Plant::Replaced => {}
            Plant::Cooldown => day.scaling("PutScalingPolicy", tracking(n, 70.0)),
            Plant::Fails => day.world.fail_scaling(CLUSTER, &name(n), None),
            Plant::Addresses => day.fill(0),
            Plant::Zone => day.move_to(n, &["subnet-a", "subnet-b"]),
            Plant::Late => day.checks(30),
            Plant::Quota => day.world.set_vcpu_quota(2_000),
            Plant::NoTarget
            | Plant::MinIsMax
            | Plant::MinZero
            | Plant::AboveMax
            | Plant::BelowMin
            | Plant::Gone
            | Plant::Shortage
            | Plant::Full
            | Plant::Flapping => return false,
        }
        true
    }
}
