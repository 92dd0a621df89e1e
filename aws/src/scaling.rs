//! Scalable targets of Application Auto Scaling.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::error::BuildError;
use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ScalableTarget, ServiceNamespace,
    SuspendedState, TargetTrackingScalingPolicyConfiguration,
};
use shared::config::ServiceConfig;
use shared::ids::Colour;
use shared::observation::{Reading, ScalingReading, Suspended};
use shared::ports::EffectError;
use shared::rollout::ScalingWanted;
use shared::scaling::{Level, Metric, Repair};

use crate::clock::{Budget, once};
use crate::count::{count, number};
use crate::errors::{During, Failure};

/// `service/CLUSTER/SERVICE`, as Application Auto Scaling names an ECS service.
pub(crate) fn resource_id(config: &ServiceConfig, colour: Colour) -> String {
    resource(&config.cluster, config.engine.service(colour))
}

pub(crate) fn resource(cluster: &str, service: &str) -> String {
    format!("service/{}/{service}", cluster.rsplit('/').next().unwrap_or(cluster))
}

/// Reads both colours in one call.
pub(crate) async fn read(client: &Client, config: &ServiceConfig) -> BTreeMap<Colour, Reading<Option<ScalingReading>>> {
    // A native service is both.
    let ids = BTreeSet::from(Colour::BOTH.map(|colour| resource_id(config, colour)));
    let found = describe(client, ids.into_iter().collect()).await;
    let reading_of = |colour| match &found {
        Ok(targets) => Reading::Known(targets.get(&resource_id(config, colour)).copied()),
        Err(failure) => Reading::Unknown(failure.to_string()),
    };
    Colour::BOTH.into_iter().map(|colour| (colour, reading_of(colour))).collect()
}

/// The scalable targets of these resources, fifty at most.
pub(crate) async fn describe(client: &Client, ids: Vec<String>) -> Result<BTreeMap<String, ScalingReading>, Failure> {
    let request = client
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .set_resource_ids(Some(ids));
    let answer = request.send().await.during("application-autoscaling:DescribeScalableTargets")?;
    Ok(answer.scalable_targets().iter().map(|target| (target.resource_id().to_owned(), reading(target))).collect())
}

fn reading(target: &ScalableTarget) -> ScalingReading {
    let flag = |flag: Option<bool>| flag == Some(true);
    let state = target.suspended_state();
    ScalingReading {
        min: count(target.min_capacity()),
        max: count(target.max_capacity()),
        suspended: Suspended {
            scale_in: flag(state.and_then(SuspendedState::dynamic_scaling_in_suspended)),
            scale_out: flag(state.and_then(SuspendedState::dynamic_scaling_out_suspended)),
            scheduled: flag(state.and_then(SuspendedState::scheduled_scaling_suspended)),
        },
    }
}

/// Sets bounds and suspensions of a scalable target that exists. RegisterScalableTarget would make a missing one anew,
/// and nobody wished for one: so it is looked for just before.
pub(crate) async fn set(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
    wanted: &ScalingWanted,
    budget: &Budget,
) -> Result<(), EffectError> {
    let (min, max) = wanted.bounds.unzip();
    mend(client, config, colour, (min, max, Some(wanted.suspended)), budget).await
}

/// The same, of what is given; the rest stays as it is.
pub(crate) async fn mend(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
    (min, max, suspended): (Option<u32>, Option<u32>, Option<Suspended>),
    budget: &Budget,
) -> Result<(), EffectError> {
    let id = resource_id(config, colour);
    budget
        .run(async || {
            let found = budget.read(describe(client, vec![id.clone()])).await?;
            if !found.contains_key(&id) {
                return Err(EffectError::Transient(format!("not written: there is no scalable target {id} any more")));
            }
            let suspended = suspended.map(|flags| {
                SuspendedState::builder()
                    .dynamic_scaling_in_suspended(flags.scale_in)
                    .dynamic_scaling_out_suspended(flags.scale_out)
                    .scheduled_scaling_suspended(flags.scheduled)
                    .build()
            });
            let request = client
                .register_scalable_target()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .resource_id(&id)
                .set_min_capacity(min.map(number))
                .set_max_capacity(max.map(number))
                .set_suspended_state(suspended);
            let once = once!(aws_sdk_applicationautoscaling, budget.left()?);
            let call = "application-autoscaling:RegisterScalableTarget";
            request.customize().config_override(once).send().await.during(call)?;
            Ok(())
        })
        .await
}

/// Makes a target tracking policy of ours, or gives it another target; with the cooldowns that Application Auto Scaling has by itself.
pub(crate) async fn track(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
    (metric, target): (Metric, Level),
    budget: &Budget,
) -> Result<(), EffectError> {
    let known = match metric {
        Metric::Cpu => Some(MetricType::EcsServiceAverageCpuUtilization),
        Metric::Memory => Some(MetricType::EcsServiceAverageMemoryUtilization),
        Metric::Requests | Metric::Other => None,
    };
    let (Some(kind), Some(name)) = (known, Repair::policy(metric)) else {
        return Err(EffectError::Permanent(format!("no policy is made for {}", metric.at(target))));
    };
    let invalid = |error: BuildError| EffectError::Permanent(error.to_string());
    let kind = PredefinedMetricSpecification::builder().predefined_metric_type(kind).build().map_err(invalid)?;
    let tracking = TargetTrackingScalingPolicyConfiguration::builder()
        .predefined_metric_specification(kind)
        .target_value(target.into())
        .build()
        .map_err(invalid)?;
    budget
        .run(async || {
            let request = client
                .put_scaling_policy()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .resource_id(resource_id(config, colour))
                .policy_name(name)
                .policy_type(PolicyType::TargetTrackingScaling)
                .target_tracking_scaling_policy_configuration(tracking.clone());
            let once = once!(aws_sdk_applicationautoscaling, budget.left()?);
            let call = "application-autoscaling:PutScalingPolicy";
            request.customize().config_override(once).send().await.during(call)?;
            Ok(())
        })
        .await
}
