//! Findings in words: what was found, and what to do about it.

use std::fmt;

use super::{AlarmTrouble, Finding, Metric, VCPU, What};
use crate::observation::Suspended;

impl Finding {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self, cluster: &str) -> String {
        let register = |bounds: &str| {
            format!(
                "aws application-autoscaling register-scalable-target --service-namespace ecs --scalable-dimension \
                 ecs:service:DesiredCount --resource-id service/{cluster}/{} {bounds}",
                self.service
            )
        };
        let put = |policy: &str, metric: Metric, target: &str| {
            let predefined = match metric {
                Metric::Cpu => "ECSServiceAverageCPUUtilization",
                Metric::Memory => "ECSServiceAverageMemoryUtilization",
                Metric::Requests | Metric::Other => {
                    "ALBRequestCountPerTarget,ResourceLabel=app/LOAD-BALANCER/ID/targetgroup/NAME/ID"
                }
            };
            format!(
                "aws application-autoscaling put-scaling-policy --service-namespace ecs --scalable-dimension \
                 ecs:service:DesiredCount --resource-id service/{cluster}/{} --policy-name {policy} --policy-type \
                 TargetTrackingScaling --target-tracking-scaling-policy-configuration \
                 'PredefinedMetricSpecification={{PredefinedMetricType={predefined}}},TargetValue={target}'",
                self.service
            )
        };
        let network = || {
            format!(
                "aws ecs update-service --cluster {cluster} --service {} --network-configuration \
                 'awsvpcConfiguration={{subnets=[...],securityGroups=[...],assignPublicIp=...}}' with all that it has now (what is left out \
                 is reset), which starts a deployment; of two colours, on both",
                self.service
            )
        };
        match &self.what {
            What::Unreadable { .. } => "give Flipback's role what it lacks, or wait where AWS throttles".to_owned(),
            What::Gone => "create it, or take it out of flipback.yaml and apply that".to_owned(),
            What::NoScalableTarget => format!("register one: {}", register("--min-capacity MIN --max-capacity MAX")),
            What::OtherBounds { wanted_min, wanted_max, .. } => {
                register(&format!("--min-capacity {wanted_min} --max-capacity {wanted_max}"))
            }
            What::MinIsMax { bound } => {
                format!("raise the maximum: {}", register(&format!("--max-capacity {}", (bound * 2).max(2))))
            }
            What::MinZero { max } => {
                format!("keep some at least: {}", register(&format!("--min-capacity {}", 2.min(*max))))
            }
            What::MaxBelowDesired { desired, .. } => {
                format!("raise the maximum before anything scales: {}", register(&format!("--max-capacity {desired}")))
            }
            What::BelowMin { min, .. } => {
                format!(
                    "somebody set the count by hand, and scaling in leaves it there: {}",
                    register(&format!("--min-capacity {min}"))
                )
            }
            What::TasksReplaced { .. } => format!(
                "its stopped tasks say why: aws ecs list-tasks --cluster {cluster} --service-name {} --desired-status STOPPED, then \
                 describe-tasks; a task that needs long to be healthy wants a longer healthCheckGracePeriodSeconds",
                self.service
            ),
            What::LongCooldown { policy, .. } => {
                format!("put {policy} again with a shorter ScaleOutCooldown (300 is AWS's own) and what else it has")
            }
            What::ScalingFails { .. } => format!(
                "mend what it says: aws application-autoscaling describe-scaling-activities --service-namespace ecs --resource-id \
                 service/{cluster}/{}",
                self.service
            ),
            What::OutOfStep { .. } => {
                "flipback why says what the rollout waits for; flipback pause holds it meanwhile".to_owned()
            }
            What::OtherRegion { .. } => {
                "apply the file to the Flipback of that region, or name this region's resources in it".to_owned()
            }
            What::LateHealthy { group, .. } => format!(
                "aws elbv2 modify-target-group --target-group-arn {group} --healthy-threshold-count 2 (in force at once, without a \
                 deployment; a shorter interval would also take targets out sooner)"
            ),
            What::FewAddresses { .. } => format!("free some, or add subnets that have more: {}", network()),
            What::OneZone { .. } => {
                format!("add a subnet of another zone that the load balancer has too: {}", network())
            }
            What::VcpuQuota { units, used, .. } => format!(
                "aws service-quotas request-service-quota-increase --service-code fargate --quota-code L-3032A538 --desired-value {}",
                ((units + used) * 5 / 4).div_ceil(VCPU)
            ),
            What::AtMax { max, .. } => {
                format!("raise the maximum: {}", register(&format!("--max-capacity {}", max * 2)))
            }
            What::Suspended { .. } => register(
                "--suspended-state DynamicScalingInSuspended=false,DynamicScalingOutSuspended=false,\
                 ScheduledScalingSuspended=false",
            ),
            What::RunningBelowDesired { why: Some(_), .. } => "mend what ECS says; it tries again by itself".to_owned(),
            What::RunningBelowDesired { why: None, .. } => {
                format!("aws ecs describe-services --cluster {cluster} --services {} shows its events", self.service)
            }
            What::IdleNotAtRest { .. } => format!(
                "put it to rest: {}",
                register(
                    "--min-capacity 0 --suspended-state DynamicScalingInSuspended=true,DynamicScalingOutSuspended=true,\
                     ScheduledScalingSuspended=true"
                )
            ),
            What::NoPolicy => format!("give it one: {}", put("cpu", Metric::Cpu, "70")),
            What::OtherTarget { differs } => {
                let each = differs.iter().map(|differs| match (&differs.policy, differs.metric) {
                    // PutScalingPolicy replaces the whole configuration.
                    (Some(policy), _) => format!(
                        "put {policy} again with TargetValue={} and what else it has, cooldowns and all (aws \
                         application-autoscaling describe-scaling-policies --service-namespace ecs --policy-names {policy})",
                        differs.wanted
                    ),
                    (None, Metric::Cpu) => put("cpu", Metric::Cpu, &differs.wanted.to_string()),
                    (None, Metric::Memory) => put("memory", Metric::Memory, &differs.wanted.to_string()),
                    (None, metric @ (Metric::Requests | Metric::Other)) => format!(
                        "{} (where two target groups take turns, docs/operations.md has the policy)",
                        put("requests", metric, &differs.wanted.to_string())
                    ),
                });
                let each: Vec<String> = each.collect();
                each.join("; ")
            }
            What::PolicyAlarms { troubles } => {
                let disabled = troubles.iter().find_map(|trouble| match &trouble.what {
                    AlarmTrouble::Disabled(alarm) => Some(alarm),
                    AlarmTrouble::None
                    | AlarmTrouble::Missing(_)
                    | AlarmTrouble::NoData(_)
                    | AlarmTrouble::Elsewhere { .. } => None,
                });
                match disabled {
                    Some(alarm) => format!("aws cloudwatch enable-alarm-actions --alarm-names '{alarm}'"),
                    None => "put the policy again: AWS makes its alarms anew".to_owned(),
                }
            }
            What::DrainedGroup { turns: true, .. } => {
                "count the requests of both groups: a target tracking policy on metric math, docs/operations.md has it"
                    .to_owned()
            }
            What::DrainedGroup { turns: false, policy, .. } => {
                format!("put {policy} again with the ResourceLabel of a target group that the service has")
            }
            What::Flapping { .. } => {
                "give scaling in more time (ScaleInCooldown of the policy), or set a higher target: tasks that come and go within \
                 minutes are slow when they are needed"
                    .to_owned()
            }
            What::MixedPolicies { .. } => "keep one kind: they undo each other where their alarms overlap".to_owned(),
            What::SlowScaleOut { policy, .. } => format!(
                "shorten ScaleOutCooldown of {policy} or lower its target, so that it begins sooner; and look how long a task takes to be \
                 healthy (image size, health check interval and threshold)"
            ),
            What::MemoryNearLimit { .. } => {
                "give the task definition more memory, or the program a lower limit of its own: at 100 % the task is killed".to_owned()
            }
            What::UnhealthyTargets { .. } => format!(
                "the reasons are in its events and at its target groups: aws ecs describe-services --cluster {cluster} --services {}; \
                 aws elbv2 describe-target-health --target-group-arn ARN",
                self.service
            ),
        }
    }
}

/// CPU units as vCPUs.
fn vcpus(units: u64) -> f64 {
    units as f64 / VCPU as f64
}

impl fmt::Display for Suspended {
    /// What is suspended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(self.scale_out, "scaling out"), (self.scale_in, "scaling in"), (self.scheduled, "scheduled scaling")];
        let set: Vec<&str> = names.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        f.write_str(if set.is_empty() { "nothing" } else { "" })?;
        f.write_str(&set.join(", "))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match &self.what {
            What::Unreadable { why } => write!(f, "{service} cannot be checked: {why}"),
            What::Gone => write!(f, "there is no active ECS service {service}"),
            What::NoScalableTarget => write!(f, "{service} has no scalable target: it cannot scale"),
            What::OtherBounds { min, max, wanted_min, wanted_max } => {
                write!(
                    f,
                    "{service} scales from {min} to {max} tasks; flipback.yaml wants {wanted_min} to {wanted_max}"
                )
            }
            What::MinIsMax { bound } => write!(f, "{service} has min = max = {bound}: it cannot scale"),
            What::MinZero { max } => write!(f, "{service} scales from 0 to {max} tasks: it may be left without any"),
            What::MaxBelowDesired { desired, max } => write!(
                f,
                "{service} wants {desired} tasks and its maximum is {max}: it cannot grow, and the next scale-in takes {} away \
                 at once",
                desired - max
            ),
            What::BelowMin { desired, min } => {
                write!(f, "{service} wants {desired} tasks, below its minimum of {min}")
            }
            What::AtMax { max, above, refused } => {
                write!(f, "{service} is at its maximum of {max} tasks")?;
                above.as_ref().map_or(Ok(()), |policy| write!(f, ", and policy {policy} is above its target"))?;
                refused.map_or(Ok(()), |at| write!(f, ", and was to grow at {at}"))?;
                f.write_str(": it cannot grow any more")
            }
            What::Suspended { flags } => write!(f, "{service} is live, and suspended is {flags}"),
            What::RunningBelowDesired { running, pending, desired, why } => {
                write!(f, "{service} runs {running} of {desired} tasks, {pending} pending")?;
                why.as_ref().map_or(Ok(()), |why| write!(f, "; ECS says: {why}"))
            }
            What::IdleNotAtRest { min, flags } => write!(
                f,
                "{service} rests, and its scalable target may start tasks there: min {min}, suspended is {flags}"
            ),
            What::NoPolicy => {
                write!(f, "{service} has a scalable target and no policy or schedule: only people change its count")
            }
            What::OtherTarget { differs } => {
                let each: Vec<String> = differs.iter().map(ToString::to_string).collect();
                write!(f, "{service}: flipback.yaml wants {}", each.join("; "))
            }
            What::PolicyAlarms { troubles } => {
                let each: Vec<String> = troubles.iter().map(ToString::to_string).collect();
                write!(f, "{service} may not scale: {}", each.join("; "))
            }
            What::DrainedGroup { policy, group, turns: true } => write!(
                f,
                "{service}: policy {policy} counts the requests of {group}, which has the traffic only every other \
                 deployment"
            ),
            What::DrainedGroup { policy, group, turns: false } => {
                write!(f, "{service}: policy {policy} counts the requests of {group}, which is not the service's")
            }
            What::Flapping { turns, low, high } => {
                write!(f, "{service} went up and down {turns} times within the hour, between {low} and {high} tasks")
            }
            What::MixedPolicies { steps, tracking } => {
                write!(f, "{service}: step scaling ({steps}) and target tracking ({tracking}) move the same count")
            }
            What::SlowScaleOut { policy, metric, wanted, low, desired, max } => {
                let what = if *metric == Metric::Memory { "memory" } else { "CPU" };
                write!(
                    f,
                    "{service} has been at {low} % {what} or more for a quarter of an hour, and policy {policy} wants {wanted} %: it does \
                     not scale out fast enough, with {desired} of {max} tasks wanted"
                )
            }
            What::TasksReplaced { replaced, desired, why } => {
                write!(
                    f,
                    "{service} started {replaced} tasks in the place of others within the hour, and wants {desired}"
                )?;
                why.as_ref().map_or(Ok(()), |why| write!(f, "; ECS says: {why}"))
            }
            What::LongCooldown { policy, metric, wanted, low, cooldown } => {
                let what = if *metric == Metric::Memory { "memory" } else { "CPU" };
                write!(
                    f,
                    "{service} is at {low} % {what} or more while policy {policy} (target {wanted} %) waits {cooldown} seconds after it \
                     added tasks: the load rises faster"
                )
            }
            What::ScalingFails { why } => {
                write!(f, "Application Auto Scaling did not get the count of {service} set: {why}")
            }
            What::OutOfStep { desired, live, shrinks } => {
                write!(f, "{service} may get traffic with {desired} tasks wanted; the other side wants {live}")?;
                if shrinks.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; scale-in is not suspended on {}", shrinks.join(" and "))
                }
            }
            What::OtherRegion { named, here } => {
                write!(f, "the configuration names {named}, and Flipback runs in {here}: nothing of it can be checked")
            }
            What::LateHealthy { group, interval, threshold } => write!(
                f,
                "{service}: {group} calls a target that failed its checks healthy after {threshold} of them, {interval} seconds apart: a task \
                 that starts slowly is of no use for {} seconds",
                interval.saturating_mul(*threshold)
            ),
            What::FewAddresses { subnets, free, full, more } => {
                let subnets = subnets.join(", ");
                write!(
                    f,
                    "{service} may grow by {more} tasks, and its subnets ({subnets}) have {free} addresses left"
                )?;
                if full.is_empty() || *free == 0 { Ok(()) } else { write!(f, ", {} none", full.join(" and ")) }
            }
            What::OneZone { zone } => {
                write!(f, "{service} has subnets in {zone} only: with the zone all of its tasks are gone")
            }
            What::VcpuQuota { more, units, limit, used } => write!(
                f,
                "{service} may grow by {more} tasks of {} vCPUs in all, and {} are left of the account's {} Fargate vCPUs",
                vcpus(*units),
                vcpus(limit.saturating_sub(*used)),
                vcpus(*limit)
            ),
            What::MemoryNearLimit { percent, killed } => {
                write!(f, "a task of {service} uses {percent} % of its memory")?;
                if *killed == 0 { Ok(()) } else { write!(f, ", and {killed} were killed for it within the hour") }
            }
            What::UnhealthyTargets { unhealthy, running } => {
                write!(f, "{service}: {unhealthy} targets fail their health checks, {running} tasks run")
            }
        }
    }
}
