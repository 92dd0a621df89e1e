//! From ECS's answers to readings of a native service, as the real adapter does it.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::ids::{RevisionArn, TargetGroupArn};
use shared::observation::{DeploymentStatus, Hook, ServiceDeployment};
use shared::strategy::Share;
use shared::time::Time;
use shared::weights::Weights;

use crate::view::text;

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn time(value: &Value) -> Option<Time> {
    value.as_f64().map(|seconds| Time((seconds * 1_000.0).round() as u64))
}

/// The task definition and the target groups of each service revision.
pub(super) fn revisions(answer: &Value) -> BTreeMap<String, (RevisionArn, Vec<TargetGroupArn>)> {
    let of = |one: &Value| {
        let resolved = list(&one["resolvedConfiguration"]["loadBalancers"]);
        let groups = resolved.map(|balancer| TargetGroupArn::from(text(balancer, "targetGroupArn"))).collect();
        (text(one, "serviceRevisionArn").to_owned(), (RevisionArn::from(text(one, "taskDefinition")), groups))
    };
    list(&answer["serviceRevisions"]).map(of).collect()
}

pub(super) fn deployment(one: &Value, revision: RevisionArn, groups: Vec<TargetGroupArn>) -> ServiceDeployment {
    let weight = one["targetServiceRevision"]["requestedProductionTrafficWeight"].as_f64().unwrap_or(0.0);
    let reason = one["statusReason"].as_str().or(one["rollback"]["reason"].as_str());
    ServiceDeployment {
        arn: text(one, "serviceDeploymentArn").to_owned(),
        revision,
        created: time(&one["createdAt"]).unwrap_or_default(),
        status: DeploymentStatus::of(text(one, "status")),
        reason: reason.unwrap_or_default().to_owned(),
        stage: one["lifecycleStage"].as_str().map(str::to_owned),
        weight: Share::try_from((weight * 10.0).ceil() / 10.0).unwrap_or_default(),
        running: one["targetServiceRevision"]["runningTaskCount"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        groups,
        has_source: list(&one["sourceServiceRevisions"]).next().is_some(),
        hooks: list(&one["lifecycleHookDetails"])
            .map(|hook| Hook {
                id: text(hook, "hookId").to_owned(),
                waits: hook["targetType"] == "PAUSE" && hook["status"] == "AWAITING_ACTION",
                running: hook["targetArn"].as_str().filter(|_| hook["status"] == "IN_PROGRESS").map(str::to_owned),
                expires: time(&hook["expiresAt"]),
                times_out_back: hook["timeoutAction"] != "CONTINUE",
            })
            .collect(),
        triggered: list(&one["alarms"]["triggeredAlarmNames"]).filter_map(Value::as_str).map(str::to_owned).collect(),
        strategy: one["deploymentConfiguration"]["strategy"].as_str().map(str::to_owned),
        broken: one["deploymentCircuitBreaker"]["status"] == "TRIGGERED",
        back_since: time(&one["rollback"]["startedAt"]),
    }
}

/// Every group's share of the whole weight of a rule.
pub(super) fn shares(weights: &Weights) -> BTreeMap<TargetGroupArn, Share> {
    let all: u64 = weights.values().map(|&weight| u64::from(weight)).sum();
    let of = |weight: u32| {
        let tenths = (u64::from(weight) * 1_000).checked_div(all).unwrap_or(0);
        Share::try_from(tenths as f64 / 10.0).unwrap_or_default()
    };
    weights.iter().map(|(group, &weight)| (group.clone(), of(weight))).collect()
}
