//! From AWS's answers to readings, as the real adapter does it.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::ids::{RevisionArn, TargetGroupArn};
use shared::observation::{
    AlarmReading, AlarmState, DeploymentReading, RolloutState, RouteReading, ScalingReading, ServiceReading, Suspended,
    TargetCounts,
};
use shared::time::{Span, Time};
use shared::weights::Weights;

pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

pub(crate) fn count(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The one route of an answer.
pub(crate) fn route_of(answer: &Value) -> &Value {
    if answer["Rules"].is_array() { &answer["Rules"][0] } else { &answer["Listeners"][0] }
}

/// The actions of a route's document.
pub(crate) fn actions(doc: &Value) -> &Value {
    if doc["Actions"].is_array() { &doc["Actions"] } else { &doc["DefaultActions"] }
}

pub(crate) fn weights(actions: &Value) -> Weights {
    let forward = list(actions).find(|action| action["Type"] == "forward");
    let tuples = forward.map(|action| &action["ForwardConfig"]["TargetGroups"]);
    tuples
        .into_iter()
        .flat_map(list)
        .map(|tuple| {
            (TargetGroupArn::from(text(tuple, "TargetGroupArn")), tuple["Weight"].as_u64().map_or(1, |w| w as u32))
        })
        .collect()
}

/// The same actions with other weights; `None` where the target groups are not the ones the weights are for.
pub(crate) fn with_weights(actions: &Value, weights: &Weights) -> Option<Value> {
    if self::weights(actions).keys().ne(weights.keys()) {
        return None;
    }
    let mut actions = actions.clone();
    for action in actions.as_array_mut()? {
        if action["Type"] == "forward" {
            for tuple in action["ForwardConfig"]["TargetGroups"].as_array_mut()? {
                let group = TargetGroupArn::from(text(tuple, "TargetGroupArn"));
                tuple["Weight"] = Value::from(*weights.get(&group)?);
            }
            if let Some(action) = action.as_object_mut() {
                action.remove("TargetGroupArn");
            }
        }
        if action["Type"] == "authenticate-oidc" {
            action["AuthenticateOidcConfig"]["UseExistingClientSecret"] = Value::Bool(true);
        }
    }
    Some(actions)
}

pub(crate) fn route(actions: &Value) -> RouteReading {
    let forward = list(actions).find(|action| action["Type"] == "forward").unwrap_or(&Value::Null);
    let sticky = &forward["ForwardConfig"]["TargetGroupStickinessConfig"];
    RouteReading {
        weights: weights(actions),
        stickiness: (sticky["Enabled"] == true).then(|| Span::secs(sticky["DurationSeconds"].as_u64().unwrap_or(0))),
        unwritable: None,
    }
}

pub(crate) fn service(doc: &Value) -> ServiceReading {
    let mut deployments: Vec<DeploymentReading> = list(&doc["deployments"])
        .filter(|deployment| deployment["status"] != "INACTIVE")
        .map(|deployment| DeploymentReading {
            id: text(deployment, "id").to_owned(),
            primary: deployment["status"] == "PRIMARY",
            task_definition: RevisionArn::from(text(deployment, "taskDefinition")),
            state: match text(deployment, "rolloutState") {
                "COMPLETED" => RolloutState::Completed,
                "IN_PROGRESS" => RolloutState::InProgress,
                "FAILED" => RolloutState::Failed,
                _ => RolloutState::Other,
            },
            failed: count(&deployment["failedTasks"]),
            reason: text(deployment, "rolloutStateReason").to_owned(),
        })
        .collect();
    deployments.sort_by_key(|deployment| !deployment.primary);
    ServiceReading {
        arn: text(doc, "serviceArn").to_owned(),
        desired: count(&doc["desiredCount"]),
        running: count(&doc["runningCount"]),
        pending: count(&doc["pendingCount"]),
        task_definition: RevisionArn::from(text(doc, "taskDefinition")),
        deployments,
        target_groups: list(&doc["loadBalancers"]).map(|lb| TargetGroupArn::from(text(lb, "targetGroupArn"))).collect(),
        undrivable: None,
        reverts_by_itself: reverts_by_itself(&doc["deploymentConfiguration"]),
    }
}

fn reverts_by_itself(configuration: &Value) -> Option<String> {
    let (breaker, alarms) = (&configuration["deploymentCircuitBreaker"], &configuration["alarms"]);
    let on = |what: &Value| what["enable"] == true && what["rollback"] == true;
    if on(breaker) {
        return Some("its deployment circuit breaker has rollback on".to_owned());
    }
    on(alarms).then(|| "its deployment alarms have rollback on".to_owned())
}

pub(crate) fn targets(answer: &Value) -> TargetCounts {
    let mut counts = TargetCounts::default();
    for target in list(&answer["TargetHealthDescriptions"]) {
        *match text(&target["TargetHealth"], "State") {
            "healthy" => &mut counts.healthy,
            "unhealthy" => &mut counts.unhealthy,
            "initial" => &mut counts.initial,
            "draining" | "unhealthy.draining" => &mut counts.draining,
            _ => &mut counts.other,
        } += 1;
    }
    counts
}

pub(crate) fn scaling(doc: &Value) -> ScalingReading {
    let state = &doc["SuspendedState"];
    ScalingReading {
        min: count(&doc["MinCapacity"]),
        max: count(&doc["MaxCapacity"]),
        suspended: Suspended {
            scale_in: state["DynamicScalingInSuspended"] == true,
            scale_out: state["DynamicScalingOutSuspended"] == true,
            scheduled: state["ScheduledScalingSuspended"] == true,
        },
    }
}

pub(crate) fn alarm(doc: &Value) -> AlarmReading {
    let dimension = |name: &str| -> BTreeSet<String> {
        list(&doc["Dimensions"]).filter(|d| d["Name"] == name).map(|d| text(d, "Value").to_owned()).collect()
    };
    AlarmReading {
        state: match text(doc, "StateValue") {
            "OK" => AlarmState::Ok,
            "ALARM" => AlarmState::Alarm,
            _ => AlarmState::InsufficientData,
        },
        since: doc["StateTransitionedTimestamp"].as_f64().map(|seconds| Time((seconds * 1_000.0) as u64)),
        reason: text(doc, "StateReason").to_owned(),
        missing_is_quiet: doc["TreatMissingData"] == "notBreaching",
        fires_after: doc["Period"].as_u64().zip(doc["EvaluationPeriods"].as_u64()).map(|(p, n)| Span::secs(p * n)),
        target_groups: dimension("TargetGroup"),
        services: dimension("ServiceName"),
    }
}

/// The request counts of one answer of GetMetricData.
pub(crate) fn sum(answer: &Value) -> u64 {
    let values = list(&answer["MetricDataResults"]).flat_map(|result| list(&result["Values"]));
    values.filter_map(Value::as_f64).sum::<f64>().max(0.0).round() as u64
}
