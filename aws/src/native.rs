//! A native service: read, and its service deployments started, continued and stopped. ECS owns the rule; nothing here
//! writes one.
//!
//! Read and sent as raw JSON where the SDK knows less than ECS: its lifecycle stages lack documented ones, and a deployment
//! configuration is sent back whole, members newer than the SDK included.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DeploymentLifecycleHookAction, StopServiceDeploymentStopType};
use serde_json::{Value, json};
use shared::config::{Native, ServiceConfig};
use shared::ids::{RevisionArn, RouteArn, TargetGroupArn};
use shared::observation::{GroupTraffic, NativeReading, Reading, Traffic};
use shared::ports::EffectError;
use shared::strategy::Share;
use shared::time::Time;

use crate::clients::Clients;
use crate::clock::{Budget, once};
use crate::errors::{During, Failure};
use crate::raw::{KeepBody, SwapBody};
use crate::{deployments, routes, targets};

const SERVICES: &str = "ecs:DescribeServices";

/// Reads the service and its deployments created since a time, and the newest; with `traffic` also where production traffic
/// goes.
pub(crate) async fn read(
    clients: &Clients,
    config: &ServiceConfig,
    native: &Native,
    since: Time,
    traffic: bool,
) -> Reading<Option<NativeReading>> {
    match whole(clients, config, native, since, traffic).await {
        Ok(reading) => Reading::Known(reading),
        // No cluster, no service: waiting for an answer would not help.
        Err(failure) if failure.code.as_deref() == Some("ClusterNotFoundException") => Reading::Known(None),
        Err(failure) => Reading::Unknown(failure.to_string()),
    }
}

async fn whole(
    clients: &Clients,
    config: &ServiceConfig,
    native: &Native,
    since: Time,
    traffic: bool,
) -> Result<Option<NativeReading>, Failure> {
    let service = document(&clients.ecs, &config.cluster, &native.service).await?;
    let Some(service) = service.filter(|service| service["status"] == "ACTIVE") else { return Ok(None) };
    let current = service["currentServiceDeployment"].as_str().map(str::to_owned);
    let (deployments, traffic) =
        tokio::join!(deployments::read(&clients.ecs, &config.cluster, &native.service, since, current), async {
            if traffic { self::traffic(clients, &service).await } else { Reading::not_asked() }
        });
    let number = |member: &str| service[member].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Ok(Some(NativeReading {
        arn: text(&service["serviceArn"]),
        desired: number("desiredCount"),
        running: number("runningCount"),
        task_definition: RevisionArn(text(&service["taskDefinition"])),
        configuration: service["deploymentConfiguration"].clone(),
        undrivable: undrivable(&service, native.plan.strategy()),
        traffic,
        deployments: deployments?,
    }))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn parse(call: &str, bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure::unreadable(call, format!("no JSON: {error}")))
}

/// The service as DescribeServices shows it, whole; none where it is missing.
pub(crate) async fn document(client: &Client, cluster: &str, service: &str) -> Result<Option<Value>, Failure> {
    let keep = KeepBody::default();
    let request = client.describe_services().cluster(cluster).services(service);
    request.customize().interceptor(keep.clone()).send().await.during(SERVICES)?;
    let answer = parse(SERVICES, &keep.take())?;
    if let Some(found) = list(&answer["services"]).next() {
        return Ok(Some(found.clone()));
    }
    match list(&answer["failures"]).next().map(|failure| text(&failure["reason"])) {
        Some(reason) if reason != "MISSING" => Err(Failure::unreadable(SERVICES, format!("{service}: {reason}"))),
        Some(_) => Ok(None),
        None => Err(Failure::unreadable(SERVICES, format!("{service} is not in the answer"))),
    }
}

/// Why the service cannot be driven, and what to change. `sent`: the strategy that goes with a deployment of ours.
fn undrivable(service: &Value, sent: Option<&str>) -> Option<(String, String)> {
    let not = |why: String, advice: &str| Some((why, advice.to_owned()));
    let controller = service["deploymentController"]["type"].as_str().unwrap_or("ECS");
    if controller != "ECS" {
        let advice = "ECS allows CODE_DEPLOY and EXTERNAL to become ECS: aws ecs update-service --deployment-controller type=ECS";
        return not(format!("its deployment controller is {controller}; the native engine needs ECS"), advice);
    }
    if let Some("DAEMON") = service["schedulingStrategy"].as_str() {
        return not("it is a DAEMON service; the native engine needs REPLICA".to_owned(), "deploy it another way");
    }
    let strategy = sent.or(service["deploymentConfiguration"]["strategy"].as_str()).unwrap_or("ROLLING");
    if strategy == "ROLLING" {
        return None;
    }
    for balancer in list(&service["loadBalancers"]) {
        for (member, what) in [
            ("alternateTargetGroupArn", "a second target group to move the traffic to"),
            ("productionListenerRule", "the listener rule whose weights ECS moves"),
        ] {
            if !balancer["advancedConfiguration"][member].is_string() {
                return not(
                    format!("its load balancer has no advancedConfiguration.{member}, which {strategy} needs"),
                    &format!("name {what} in the service's load balancer"),
                );
            }
        }
    }
    None
}

/// The production rules' weights and whether what they point at lives. Nothing for a service without such rules.
async fn traffic(clients: &Clients, service: &Value) -> Reading<Traffic> {
    let rules: BTreeSet<RouteArn> = list(&service["loadBalancers"])
        .filter_map(|balancer| balancer["advancedConfiguration"]["productionListenerRule"].as_str())
        .map(RouteArn::from)
        .collect();
    let rules: Vec<RouteArn> = rules.into_iter().collect();
    let mut shares: BTreeMap<TargetGroupArn, Share> = BTreeMap::new();
    let mut traffic = Traffic::default();
    for (rule, reading) in routes::read(&clients.elb, &rules).await {
        let route = match reading {
            Reading::Known(route) => route,
            Reading::Unknown(why) => return Reading::Unknown(format!("{rule}: {why}")),
        };
        let all: u64 = route.weights.values().map(|&weight| u64::from(weight)).sum();
        if all == 0 {
            // Deleted, a fixed answer, a redirect, or weights that are all 0.
            traffic.nowhere.insert(rule);
        }
        for (group, weight) in route.weights {
            let tenths = (u64::from(weight) * 1_000).checked_div(all).unwrap_or(0);
            let share = Share::try_from(tenths as f64 / 10.0).unwrap_or_default();
            let most = shares.entry(group).or_default();
            *most = share.max(*most);
        }
    }
    for (group, reading) in targets::read(&clients.elb, shares.keys().cloned().collect()).await {
        let counts = match reading {
            Reading::Known(counts) => counts,
            Reading::Unknown(why) => return Reading::Unknown(format!("{}: {why}", group.short())),
        };
        let share = shares.get(&group).copied().unwrap_or_default();
        traffic.groups.insert(group, GroupTraffic { share, healthy: counts.healthy, other: counts.other });
    }
    Reading::Known(traffic)
}

/// One UpdateService: the revision, and the configuration where one is given. Nothing else, never the number of tasks.
pub(crate) async fn deploy(
    client: &Client,
    config: &ServiceConfig,
    revision: &RevisionArn,
    configuration: Option<&Value>,
    force: bool,
    budget: &Budget,
) -> Result<(), EffectError> {
    let Some(native) = config.engine.native() else {
        return Err(EffectError::Permanent("the service is not a native one".to_owned()));
    };
    let mut body = json!({ "cluster": config.cluster, "service": native.service, "taskDefinition": revision.as_str() });
    if let Some(configuration) = configuration {
        body["deploymentConfiguration"] = configuration.clone();
    }
    if force {
        body["forceNewDeployment"] = json!(true);
    }
    let body = body.to_string().into_bytes();
    budget
        .run(async || {
            let once = once!(aws_sdk_ecs, budget.left()?);
            let request = client.update_service().service(&native.service).customize().config_override(once);
            request.interceptor(SwapBody(body.clone())).send().await.during("ecs:UpdateService")?;
            Ok(())
        })
        .await
}

/// StopServiceDeployment with ROLLBACK. One that is over answers a conflict: the next look sees how it ended.
pub(crate) async fn stop(client: &Client, deployment: &str, budget: &Budget) -> Result<(), EffectError> {
    budget
        .run(async || {
            let once = once!(aws_sdk_ecs, budget.left()?);
            let request = client.stop_service_deployment().service_deployment_arn(deployment);
            let request = request.stop_type(StopServiceDeploymentStopType::Rollback);
            request.customize().config_override(once).send().await.during("ecs:StopServiceDeployment")?;
            Ok(())
        })
        .await
}

/// ContinueServiceDeployment with CONTINUE, for one pause.
pub(crate) async fn go_on(client: &Client, deployment: &str, hook: &str, budget: &Budget) -> Result<(), EffectError> {
    budget
        .run(async || {
            let once = once!(aws_sdk_ecs, budget.left()?);
            let request = client.continue_service_deployment().service_deployment_arn(deployment).hook_id(hook);
            let request = request.action(DeploymentLifecycleHookAction::Continue);
            request.customize().config_override(once).send().await.during("ecs:ContinueServiceDeployment")?;
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_another_controller_or_nothing_can_move_says_what_to_change() {
        let plain = json!({ "deploymentController": { "type": "ECS" }, "deploymentConfiguration": {} });
        assert_eq!(undrivable(&plain, None), None);
        let code_deploy = json!({ "deploymentController": { "type": "CODE_DEPLOY" } });
        assert!(undrivable(&code_deploy, None).unwrap().0.contains("CODE_DEPLOY"));
        let balanced = json!({ "loadBalancers": [{ "targetGroupArn": "blue" }] });
        assert_eq!(undrivable(&balanced, None), None);
        assert!(undrivable(&balanced, Some("CANARY")).unwrap().0.contains("alternateTargetGroupArn"));
    }
}
