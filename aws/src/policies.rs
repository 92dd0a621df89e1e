//! Scaling policies, and the alarms that set them off, for a round of the scaling check.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::operation::describe_scaling_policies::builders::DescribeScalingPoliciesFluentBuilder;
use aws_sdk_applicationautoscaling::types::{
    CustomizedMetricSpecification, MetricStatistic, MetricType, PolicyType, PredefinedMetricSpecification,
    ScalableDimension, ScalingPolicy, ServiceNamespace, TargetTrackingScalingPolicyConfiguration,
};
use shared::observation::Reading;
use shared::scaling::{Level, Metric, Moves, Policy, PolicyAlarm};

use crate::alarms;
use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::world::World;

const CALL: &str = "application-autoscaling:DescribeScalingPolicies";
/// So many services are asked for one by one. For more all policies of the account are listed, ten in a page: a page takes one
/// resource's only.
const ONE_BY_ONE: usize = 10;
/// The most names in one DescribeAlarms (CloudWatch API).
const ALARMS: usize = 100;

/// Policies by resource (`service/CLUSTER/SERVICE`).
pub(crate) type Policies = BTreeMap<String, Reading<Vec<Policy>>>;

/// The policies of these resources, those that are known already as they are, and how many calls that took.
pub(crate) async fn read(world: &World, resources: &BTreeSet<String>, known: &Policies) -> (Policies, usize) {
    let mut found: Policies =
        resources.iter().filter_map(|resource| Some((resource.clone(), known.get(resource)?.clone()))).collect();
    let missing: Vec<&String> = resources.iter().filter(|resource| !found.contains_key(*resource)).collect();
    let mut calls = 0;
    if missing.len() > ONE_BY_ONE {
        let all = list(world, None, &mut calls).await;
        let of = |resource: &String| match &all {
            Ok(all) => Reading::Known(all.get(resource).cloned().unwrap_or_default()),
            Err(failure) => Reading::Unknown(failure.to_string()),
        };
        found.extend(missing.into_iter().map(|resource| (resource.clone(), of(resource))));
        return (found, calls);
    }
    for resource in missing {
        let reading = match list(world, Some(resource), &mut calls).await {
            Ok(mut own) => Reading::Known(own.remove(resource).unwrap_or_default()),
            Err(failure) => Reading::Unknown(failure.to_string()),
        };
        found.insert(resource.clone(), reading);
    }
    (found, calls)
}

/// The policies of one resource, outside of a round.
pub(crate) async fn of(client: &Client, resource: &str) -> Reading<Vec<Policy>> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        match page(client, Some(resource), next).send().await.during(CALL) {
            Ok(answer) => {
                found.extend(answer.scaling_policies().iter().map(policy));
                next = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            }
            Err(failure) => return Reading::Unknown(failure.to_string()),
        }
        if next.is_none() {
            return Reading::Known(found);
        }
    }
}

fn page(client: &Client, resource: Option<&str>, next: Option<String>) -> DescribeScalingPoliciesFluentBuilder {
    client
        .describe_scaling_policies()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .set_resource_id(resource.map(str::to_owned))
        .set_next_token(next)
}

async fn list(
    world: &World,
    resource: Option<&String>,
    calls: &mut usize,
) -> Result<BTreeMap<String, Vec<Policy>>, Failure> {
    let mut found: BTreeMap<String, Vec<Policy>> = BTreeMap::new();
    let mut next = None;
    loop {
        // A round goes on without them rather than not at all. Half of a list would tell of policies that are there as missing.
        if world.pace.late() {
            return Err(Failure::unreadable(CALL, "the account's policies could not be listed in time"));
        }
        let request = page(&world.clients.scaling, resource.map(String::as_str), next);
        let ask = async || request.clone().send().await.during(CALL);
        let answer = world.pace.call(Bucket::Others, calls, ask).await?;
        for one in answer.scaling_policies() {
            found.entry(one.resource_id().to_owned()).or_default().push(policy(one));
        }
        next = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn policy(policy: &ScalingPolicy) -> Policy {
    let own = policy.resource_id();
    let tracking = policy.target_tracking_scaling_policy_configuration().and_then(|config| tracking(config, own));
    let moves = match (policy.policy_type(), tracking) {
        (PolicyType::StepScaling, _) => Moves::Steps,
        (PolicyType::TargetTrackingScaling, Some(tracking)) => tracking,
        (other, _) => Moves::Other(other.as_str().to_owned()),
    };
    Policy {
        name: policy.policy_name().to_owned(),
        moves,
        alarms: policy.alarms().iter().map(|alarm| alarm.alarm_name().to_owned()).collect(),
    }
}

fn tracking(tracking: &TargetTrackingScalingPolicyConfiguration, own: &str) -> Option<Moves> {
    let (metric, group) = match (tracking.predefined_metric_specification(), tracking.customized_metric_specification())
    {
        (Some(predefined), _) => of_predefined(predefined),
        (None, Some(custom)) => (of_custom(custom, own), None),
        (None, None) => (Metric::Other, None),
    };
    let target = Level::try_from(tracking.target_value()).ok()?;
    let cooldown = tracking.scale_out_cooldown().and_then(|seconds| u32::try_from(seconds).ok());
    Some(Moves::Tracking { metric, target, group, only_out: tracking.disable_scale_in() == Some(true), cooldown })
}

fn of_predefined(predefined: &PredefinedMetricSpecification) -> (Metric, Option<String>) {
    match predefined.predefined_metric_type() {
        MetricType::EcsServiceAverageCpuUtilization | MetricType::EcsServiceAverageCpuUtilizationHighResolution => {
            (Metric::Cpu, None)
        }
        MetricType::EcsServiceAverageMemoryUtilization
        | MetricType::EcsServiceAverageMemoryUtilizationHighResolution => (Metric::Memory, None),
        MetricType::AlbRequestCountPerTarget => {
            // app/LOAD-BALANCER/ID/targetgroup/NAME/ID
            let group = predefined.resource_label().and_then(|label| label.find("targetgroup/").map(|at| &label[at..]));
            (Metric::Requests, group.map(str::to_owned))
        }
        _ => (Metric::Other, None),
    }
}

/// The service's own metrics, named by hand; or the requests of target groups, by metric math.
fn of_custom(custom: &CustomizedMetricSpecification, own: &str) -> Metric {
    let named = |name: &str| custom.dimensions().iter().find(|one| one.name() == name).map(|one| one.value());
    let is_own = named("ClusterName").zip(named("ServiceName")).is_some_and(|(cluster, service)| {
        own == crate::scaling::resource(cluster, service) && custom.statistic() == Some(&MetricStatistic::Average)
    });
    let in_math = custom.metrics().iter().filter_map(|query| query.metric_stat()?.metric()?.metric_name());
    match (custom.namespace(), custom.metric_name()) {
        (Some("AWS/ECS"), Some("CPUUtilization")) if is_own => Metric::Cpu,
        (Some("AWS/ECS"), Some("MemoryUtilization")) if is_own => Metric::Memory,
        (_, _) if in_math.into_iter().any(|name| name == "RequestCountPerTarget") => Metric::Requests,
        (_, _) => Metric::Other,
    }
}

/// The alarms of policies by name, a hundred per call, and how many calls that took.
pub(crate) async fn read_alarms(
    world: &World,
    policies: &Policies,
) -> (BTreeMap<String, Reading<Option<PolicyAlarm>>>, usize) {
    let of_policy = policies.values().filter_map(Reading::known).flatten().flat_map(|policy| &policy.alarms);
    let names: Vec<String> = of_policy.collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let (mut found, mut calls) = (BTreeMap::new(), 0);
    for names in names.chunks(ALARMS) {
        let ask = async || alarms::of_policies(&world.clients.cloudwatch, names).await;
        match world.pace.call(Bucket::Alarms, &mut calls, ask).await {
            Ok(mut readings) => found
                .extend(names.iter().map(|name| (name.clone(), readings.remove(name).unwrap_or(Reading::Known(None))))),
            Err(failure) => {
                found.extend(names.iter().map(|name| (name.clone(), Reading::Unknown(failure.to_string()))))
            }
        }
    }
    (found, calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_applicationautoscaling::primitives::DateTime;
    use aws_sdk_applicationautoscaling::types::{
        Alarm, MetricDimension, TargetTrackingMetric, TargetTrackingMetricDataQuery, TargetTrackingMetricStat,
    };

    fn put(kind: PolicyType, tracking: Option<TargetTrackingScalingPolicyConfiguration>) -> Policy {
        let built = ScalingPolicy::builder()
            .policy_arn("arn")
            .policy_name("cpu")
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id("service/production/shop")
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .policy_type(kind)
            .set_target_tracking_scaling_policy_configuration(tracking)
            .alarms(Alarm::builder().alarm_name("high").alarm_arn("arn").build().unwrap())
            .creation_time(DateTime::from_secs(1));
        policy(&built.build().unwrap())
    }

    fn of(metric: MetricType, label: Option<&str>) -> Moves {
        let predefined = PredefinedMetricSpecification::builder()
            .predefined_metric_type(metric)
            .set_resource_label(label.map(str::to_owned))
            .build()
            .unwrap();
        let tracking = TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(62.5)
            .disable_scale_in(true)
            .scale_out_cooldown(600)
            .predefined_metric_specification(predefined);
        put(PolicyType::TargetTrackingScaling, Some(tracking.build().unwrap())).moves
    }

    #[test]
    fn policies_tell_what_they_track_whoever_wrote_them() {
        let target = Level::try_from(62.5).unwrap();
        let tracks = |metric, group: Option<&str>| Moves::Tracking {
            metric,
            target,
            group: group.map(str::to_owned),
            only_out: true,
            cooldown: Some(600),
        };
        assert_eq!(of(MetricType::EcsServiceAverageCpuUtilization, None), tracks(Metric::Cpu, None));
        assert_eq!(of(MetricType::EcsServiceAverageCpuUtilizationHighResolution, None), tracks(Metric::Cpu, None));
        assert_eq!(of(MetricType::EcsServiceAverageMemoryUtilization, None), tracks(Metric::Memory, None));
        assert_eq!(
            of(MetricType::AlbRequestCountPerTarget, Some("app/shop/0a/targetgroup/green/1b")),
            tracks(Metric::Requests, Some("targetgroup/green/1b"))
        );
        assert_eq!(of(MetricType::RdsReaderAverageCpuUtilization, None), tracks(Metric::Other, None));
        let dimension = |name: &str, value: &str| MetricDimension::builder().name(name).value(value).build().unwrap();
        let custom = CustomizedMetricSpecification::builder()
            .namespace("AWS/ECS")
            .metric_name("CPUUtilization")
            .statistic(MetricStatistic::Average)
            .dimensions(dimension("ClusterName", "production"))
            .dimensions(dimension("ServiceName", "shop"))
            .build();
        assert_eq!(of_custom(&custom, "service/production/shop"), Metric::Cpu);
        assert_eq!(of_custom(&custom, "service/production/other"), Metric::Other, "another service's");
        let metric = TargetTrackingMetric::builder().metric_name("RequestCountPerTarget").build();
        let stat = TargetTrackingMetricStat::builder().metric(metric).stat("Sum").build().unwrap();
        let query = TargetTrackingMetricDataQuery::builder().id("blue").metric_stat(stat).build().unwrap();
        let math = CustomizedMetricSpecification::builder().metrics(query).build();
        assert_eq!(of_custom(&math, "service/production/shop"), Metric::Requests);
        assert_eq!(put(PolicyType::StepScaling, None).moves, Moves::Steps);
        assert_eq!(put(PolicyType::from("New"), None).moves, Moves::Other("New".to_owned()));
        assert_eq!(put(PolicyType::StepScaling, None).alarms, ["high"]);
    }
}
