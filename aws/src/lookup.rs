//! What the CLI asks of AWS: services, the routes that lead to their target groups, alarms and their periods.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::TaskDefinitionField;
use aws_sdk_elasticloadbalancingv2::types::Action;
use shared::ids::{AlarmName, RouteArn, TargetGroupArn};
use shared::observation::{AlarmReading, Reading, ServiceReading};

use crate::alarms;
use crate::clients::Clients;
use crate::errors::{During, Failure};
use crate::services;

/// The most services in one DescribeServices (ECS API).
const PER_CALL: usize = 10;

/// A container of a task definition and its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// The image as the definition names it.
    pub image: String,
}

/// A route and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRoute {
    /// The rule, or the listener whose default action it is.
    pub arn: RouteArn,
    /// Its priority; none for a default action.
    pub priority: Option<String>,
    /// The listener's port.
    pub port: Option<u16>,
    /// The target groups it forwards to.
    pub target_groups: BTreeSet<TargetGroupArn>,
}

/// The account and region of an ARN.
#[must_use]
pub fn account_and_region(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    (!region.is_empty() && !account.is_empty()).then_some((account, region))
}

/// The ARNs of every cluster.
///
/// # Errors
/// What AWS says.
pub async fn list_clusters(clients: &Clients) -> Result<Vec<String>, Failure> {
    let mut pages = clients.ecs.list_clusters().into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.during("ecs:ListClusters")?);
    }
    Ok(arns)
}

/// The ARNs of every service of a cluster.
///
/// # Errors
/// What AWS says.
pub async fn list_services(clients: &Clients, cluster: &str) -> Result<Vec<String>, Failure> {
    let mut pages = clients.ecs.list_services().cluster(cluster).into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.during("ecs:ListServices")?);
    }
    arns.sort();
    Ok(arns)
}

/// Services of a cluster by name or ARN; `Known(None)` is one that is missing or not ACTIVE.
///
/// # Errors
/// What AWS says.
pub async fn describe_services(
    clients: &Clients,
    cluster: &str,
    names: &[String],
) -> Result<BTreeMap<String, Reading<Option<ServiceReading>>>, Failure> {
    let mut found = BTreeMap::new();
    for chunk in names.chunks(PER_CALL) {
        let readings = services::describe(&clients.ecs, cluster, chunk).await?;
        found.extend(chunk.iter().cloned().zip(readings));
    }
    Ok(found)
}

/// The containers of a revision (`family:number`, or its ARN).
///
/// # Errors
/// What AWS says.
pub async fn containers(clients: &Clients, revision: &str) -> Result<Vec<Container>, Failure> {
    let request = clients.ecs.describe_task_definition().task_definition(revision).include(TaskDefinitionField::Tags);
    let answer = request.send().await.during("ecs:DescribeTaskDefinition")?;
    let definitions = answer.task_definition().map(|definition| definition.container_definitions()).unwrap_or_default();
    let container = |name: Option<&str>, image: Option<&str>| Container {
        name: name.unwrap_or_default().to_owned(),
        image: image.unwrap_or_default().to_owned(),
    };
    Ok(definitions.iter().map(|definition| container(definition.name(), definition.image())).collect())
}

/// Every rule and default action that forwards to one of these target groups, in their load balancers' order.
///
/// # Errors
/// What AWS says.
pub async fn routes_to(clients: &Clients, groups: &BTreeSet<TargetGroupArn>) -> Result<Vec<FoundRoute>, Failure> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let arns = groups.iter().map(|group| group.0.clone()).collect();
    let request = clients.elb.describe_target_groups().set_target_group_arns(Some(arns));
    let answer = request.send().await.during("elasticloadbalancing:DescribeTargetGroups")?;
    let balancers: BTreeSet<&String> =
        answer.target_groups().iter().flat_map(|group| group.load_balancer_arns()).collect();
    let mut found = Vec::new();
    for balancer in balancers {
        let mut listeners =
            clients.elb.describe_listeners().load_balancer_arn(balancer).into_paginator().items().send();
        while let Some(listener) = listeners.next().await {
            let listener = listener.during("elasticloadbalancing:DescribeListeners")?;
            let port = listener.port().and_then(|port| u16::try_from(port).ok());
            let arn = RouteArn::from(listener.listener_arn().unwrap_or_default());
            let leads = |actions: &[Action]| Some(forwards_to(actions)).filter(|led| !led.is_disjoint(groups));
            if let Some(target_groups) = leads(listener.default_actions()) {
                found.push(FoundRoute { arn: arn.clone(), priority: None, port, target_groups });
            }
            let mut rules = clients.elb.describe_rules().listener_arn(arn.as_str()).into_paginator().items().send();
            while let Some(rule) = rules.next().await {
                let rule = rule.during("elasticloadbalancing:DescribeRules")?;
                let Some(target_groups) = leads(rule.actions()).filter(|_| rule.is_default() != Some(true)) else {
                    continue;
                };
                let arn = RouteArn::from(rule.rule_arn().unwrap_or_default());
                found.push(FoundRoute { arn, priority: rule.priority().map(str::to_owned), port, target_groups });
            }
        }
    }
    Ok(found)
}

fn forwards_to(actions: &[Action]) -> BTreeSet<TargetGroupArn> {
    let listed = actions.iter().filter_map(|action| action.forward_config()).flat_map(|config| config.target_groups());
    let listed = listed.filter_map(|tuple| tuple.target_group_arn());
    listed.chain(actions.iter().filter_map(|action| action.target_group_arn())).map(TargetGroupArn::from).collect()
}

/// Alarms by name, for warnings about a configuration; `cluster` tells which ECS services their dimensions mean.
pub async fn alarms(
    clients: &Clients,
    cluster: &str,
    names: &[AlarmName],
) -> BTreeMap<AlarmName, Reading<Option<AlarmReading>>> {
    alarms::read(&clients.cloudwatch, cluster, names).await
}

/// The names of metric alarms that watch one of these target groups, read page by page, a thousand alarms at most.
///
/// # Errors
/// What AWS says.
pub async fn alarms_watching(clients: &Clients, groups: &BTreeSet<TargetGroupArn>) -> Result<Vec<AlarmName>, Failure> {
    const PAGES: usize = 10;
    let suffix = |group: &TargetGroupArn| group.0.find("targetgroup/").map(|at| group.0[at..].to_owned());
    let suffixes: BTreeSet<String> = groups.iter().filter_map(suffix).collect();
    let (mut names, mut token) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request = clients.cloudwatch.describe_alarms().max_records(100).set_next_token(token.take());
        let answer = request.send().await.during("cloudwatch:DescribeAlarms")?;
        for alarm in answer.metric_alarms() {
            let in_metrics = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
            let mut dimensions = alarm.dimensions().iter().chain(in_metrics.flat_map(|metric| metric.dimensions()));
            if dimensions.any(|dimension| dimension.value().is_some_and(|value| suffixes.contains(value))) {
                names.extend(alarm.alarm_name().map(AlarmName::from));
            }
        }
        token = answer.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_region_are_read_from_an_arn() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:service/production/shop";
        assert_eq!(account_and_region(arn), Some(("123456789012", "eu-west-1")));
        assert_eq!(account_and_region("shop"), None);
    }

    #[test]
    fn a_route_leads_where_its_actions_forward_to() {
        let action = Action::builder().target_group_arn("arn:b").build();
        assert_eq!(forwards_to(&[action]), ["arn:b".into()].into());
    }
}
