//! What there is of a service that shall get a second colour.

use super::script::{Alarm, Container, Found, Group, Network, Rule, Scaling, second};
use crate::errors::plain;
use aws::{Clients, Failure, lookup};
use shared::ids::{RouteArn, TargetGroupArn};
use shared::observation::Reading;
use std::collections::BTreeSet;

/// Reads a service and everything that hangs on it.
pub(super) async fn read(clients: &Clients, cluster: &str, name: &str) -> anyhow::Result<Found> {
    const CALL: &str = "ecs:DescribeServices";
    let answer = clients.ecs.describe_services().cluster(cluster).services(name).send().await;
    let answer = answer.map_err(|error| Failure::of(CALL, &error))?;
    let service = answer.services().iter().find(|service| service.status() == Some("ACTIVE")).ok_or_else(|| {
        plain(
            format!("there is no active ECS service {name} in cluster {cluster}"),
            format!("check the name, --cluster and --region; aws ecs list-services --cluster {cluster} shows those there are"),
        )
    })?;
    let green = second(name);
    if let Some(Reading::Known(Some(_))) =
        lookup::describe_services(clients, cluster, std::slice::from_ref(&green)).await?.remove(&green)
    {
        return Err(plain(
            format!("{green} exists already: {name} has its second colour"),
            format!("flipback init --cluster {cluster} writes the configuration of such pairs"),
        ));
    }
    let balancer = service.load_balancers().iter().find_map(|balancer| {
        let container = Container {
            name: balancer.container_name()?.to_owned(),
            port: balancer.container_port().unwrap_or_default(),
        };
        Some((TargetGroupArn::from(balancer.target_group_arn()?), container))
    });
    let (group, container) = balancer.ok_or_else(|| {
        plain(
            format!("{name} has no target group: no load balancer sends it traffic that could be shifted"),
            "put it behind an Application Load Balancer first",
        )
    })?;
    let vpc = service.network_configuration().and_then(|network| network.awsvpc_configuration());
    let network = vpc.map(|vpc| Network {
        subnets: vpc.subnets().to_vec(),
        security_groups: vpc.security_groups().to_vec(),
        public_ip: vpc.assign_public_ip().map(|assign| assign.as_str().to_owned()),
    });
    let breaker = service.deployment_configuration().and_then(|configured| configured.deployment_circuit_breaker());
    let groups = BTreeSet::from([group.clone()]);
    let alarms = lookup::alarms_watching(clients, &groups).await?;
    Ok(Found {
        cluster: cluster.to_owned(),
        service: service.service_name().unwrap_or(name).to_owned(),
        task_definition: short(service.task_definition().unwrap_or_default()),
        launch_type: service.launch_type().map(|launch| launch.as_str().to_owned()),
        grace: service.health_check_grace_period_seconds(),
        reverts: breaker.is_some_and(|breaker| breaker.rollback()),
        several: service.load_balancers().len() > 1,
        desired: service.desired_count(),
        container,
        network,
        group: target_group(clients, &group).await?,
        rules: rules(clients, &group, &groups).await?,
        alarms: read_alarms(clients, &alarms.iter().map(|name| name.0.clone()).collect::<Vec<_>>(), &group).await?,
        scaling: scaling(clients, cluster, name).await?,
    })
}

fn short(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

async fn target_group(clients: &Clients, arn: &TargetGroupArn) -> anyhow::Result<Group> {
    let answer = clients.elb.describe_target_groups().target_group_arns(arn.as_str()).send().await;
    let answer = answer.map_err(|error| Failure::of("elasticloadbalancing:DescribeTargetGroups", &error))?;
    let group = answer.target_groups().first();
    let group = group.ok_or_else(|| anyhow::anyhow!("there is no target group {arn}"))?;
    let described = clients.elb.describe_target_group_attributes().target_group_arn(arn.as_str()).send().await;
    let described =
        described.map_err(|error| Failure::of("elasticloadbalancing:DescribeTargetGroupAttributes", &error))?;
    let tagged = clients.elb.describe_tags().resource_arns(arn.as_str()).send().await;
    let tagged = tagged.map_err(|error| Failure::of("elasticloadbalancing:DescribeTags", &error))?;
    Ok(Group {
        arn: arn.clone(),
        name: group.target_group_name().unwrap_or_default().to_owned(),
        protocol: group.protocol().map_or("HTTP", |protocol| protocol.as_str()).to_owned(),
        port: group.port().unwrap_or(80),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        target_type: group.target_type().map_or("ip", |kind| kind.as_str()).to_owned(),
        health_path: group.health_check_path().map(str::to_owned),
        health_protocol: group.health_check_protocol().map(|protocol| protocol.as_str().to_owned()),
        health_port: group.health_check_port().map(str::to_owned),
        health_interval: group.health_check_interval_seconds(),
        health_timeout: group.health_check_timeout_seconds(),
        healthy: group.healthy_threshold_count(),
        unhealthy: group.unhealthy_threshold_count(),
        matcher: group.matcher().and_then(|matcher| matcher.http_code()).map(str::to_owned),
        version: group.protocol_version().map(str::to_owned),
        attributes: described
            .attributes()
            .iter()
            .filter_map(|attribute| Some((attribute.key()?.to_owned(), attribute.value()?.to_owned())))
            .collect(),
        tags: tagged
            .tag_descriptions()
            .iter()
            .flat_map(|described| described.tags())
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect(),
    })
}

async fn rules(
    clients: &Clients,
    group: &TargetGroupArn,
    groups: &BTreeSet<TargetGroupArn>,
) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for route in lookup::routes_to(clients, groups).await? {
        let plain = plain_forward(clients, &route.arn).await?;
        let others = route.target_groups.iter().filter(|other| *other != group).cloned().collect();
        rules.push(Rule { arn: route.arn, plain, others });
    }
    Ok(rules)
}

/// Whether a route does nothing but forward, without stickiness: then its actions can be printed whole.
async fn plain_forward(clients: &Clients, route: &RouteArn) -> anyhow::Result<bool> {
    let actions = if route.is_listener() {
        let answer = clients.elb.describe_listeners().listener_arns(route.as_str()).send().await;
        let answer = answer.map_err(|error| Failure::of("elasticloadbalancing:DescribeListeners", &error))?;
        answer
            .listeners
            .unwrap_or_default()
            .into_iter()
            .flat_map(|listener| listener.default_actions.unwrap_or_default())
            .collect()
    } else {
        let answer = clients.elb.describe_rules().rule_arns(route.as_str()).send().await;
        let answer = answer.map_err(|error| Failure::of("elasticloadbalancing:DescribeRules", &error))?;
        answer
            .rules
            .unwrap_or_default()
            .into_iter()
            .flat_map(|rule| rule.actions.unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let sticky = actions.iter().filter_map(|action| action.forward_config()).any(|forward| {
        forward.target_group_stickiness_config().is_some_and(|stickiness| stickiness.enabled() == Some(true))
    });
    Ok(actions.len() == 1 && !sticky)
}

async fn read_alarms(clients: &Clients, names: &[String], group: &TargetGroupArn) -> anyhow::Result<Vec<Alarm>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let first = names.iter().take(100).cloned().collect();
    let answer = clients.cloudwatch.describe_alarms().set_alarm_names(Some(first)).send().await;
    let answer = answer.map_err(|error| Failure::of("cloudwatch:DescribeAlarms", &error))?;
    let metrics = answer.metric_alarms().iter().filter_map(|found| {
        Some(Metric {
            name: found.alarm_name()?.to_owned(),
            metric: found.metric_name().map(str::to_owned),
            namespace: found.namespace().map(str::to_owned),
            statistic: found.statistic().map(|statistic| statistic.as_str().to_owned()),
            period: found.period(),
            evaluation_periods: found.evaluation_periods(),
            datapoints: found.datapoints_to_alarm(),
            threshold: found.threshold(),
            comparison: found.comparison_operator().map(|operator| operator.as_str().to_owned()),
            missing: found.treat_missing_data().map(str::to_owned),
            dimensions: found
                .dimensions()
                .iter()
                .filter_map(|dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned())))
                .collect(),
        })
    });
    Ok(metrics.filter_map(|metric| plain_alarm(&metric, group)).collect())
}

/// A metric alarm's members.
struct Metric {
    name: String,
    metric: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    period: Option<i32>,
    evaluation_periods: Option<i32>,
    datapoints: Option<i32>,
    threshold: Option<f64>,
    comparison: Option<String>,
    missing: Option<String>,
    dimensions: Vec<(String, String)>,
}

fn plain_alarm(found: &Metric, group: &TargetGroupArn) -> Option<Alarm> {
    let suffix = group.0.find("targetgroup/").map(|at| &group.0[at..])?;
    let copy = || {
        let mut arguments = vec![
            ("--namespace", found.namespace.clone()?),
            ("--metric-name", found.metric.clone()?),
            ("--statistic", found.statistic.clone()?),
            ("--period", found.period?.to_string()),
            ("--evaluation-periods", found.evaluation_periods?.to_string()),
            ("--threshold", found.threshold?.to_string()),
            ("--comparison-operator", found.comparison.clone()?),
        ];
        arguments.extend(found.datapoints.map(|count| ("--datapoints-to-alarm", count.to_string())));
        arguments.push(("--treat-missing-data", found.missing.clone().unwrap_or_else(|| "missing".to_owned())));
        Some(arguments)
    };
    Some(Alarm {
        name: found.name.clone(),
        arguments: copy(),
        dimensions: found
            .dimensions
            .iter()
            .map(|(name, value)| (name.clone(), Some(value.clone()).filter(|value| value != suffix)))
            .collect(),
    })
}

async fn scaling(clients: &Clients, cluster: &str, name: &str) -> anyhow::Result<Option<Scaling>> {
    let request = clients.scaling.describe_scalable_targets().service_namespace("ecs".into());
    let answer = request.resource_ids(format!("service/{cluster}/{name}")).send().await;
    let answer = answer.map_err(|error| Failure::of("application-autoscaling:DescribeScalableTargets", &error))?;
    let target = answer.scalable_targets().first();
    Ok(target.map(|target| Scaling { min: target.min_capacity(), max: target.max_capacity() }))
}
