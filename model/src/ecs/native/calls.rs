//! The API of service deployments and service revisions.

use serde_json::{Value, json};

use super::{Revision, ServiceDeployment, Status, steps};
use crate::ecs::{Svc, Task, TaskStatus, client, invalid};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World, time};

fn not_found() -> AwsError {
    AwsError::new("ServiceDeploymentNotFoundException", "The service deployment does not exist.")
}

impl World {
    fn revision_counts(&self, service: &Svc, id: &str, arn: &str, shares: (f64, f64)) -> Value {
        let own: Vec<&Task> =
            self.ecs.tasks.values().filter(|task| task.service.1 == service.name && task.deployment == id).collect();
        let count = |is: fn(&Task) -> bool| own.iter().filter(|task| is(task)).count();
        json!({
            "arn": arn,
            "requestedTaskCount": count(|task| task.wanted),
            "runningTaskCount": count(|task| task.status == TaskStatus::Running),
            "pendingTaskCount": count(|task| matches!(task.status, TaskStatus::Provisioning | TaskStatus::Pending)),
            "requestedTestTrafficWeight": shares.0,
            "requestedProductionTrafficWeight": shares.1,
        })
    }

    /// What a service's description tells of its deployments and revisions.
    pub(in crate::ecs) fn add_current(&self, service: &Svc, doc: &mut serde_json::Map<String, Value>) {
        let newest = service.native.deployments.first();
        if let Some(deployment) = newest.filter(|deployment| deployment.status.running()) {
            doc.insert("currentServiceDeployment".into(), json!(deployment.arn));
        }
        let of = |id: &str, arn: &str| {
            let mut counts = self.revision_counts(service, id, arn, (0.0, 0.0));
            if let Some(counts) = counts.as_object_mut() {
                counts.retain(|member, _| !member.ends_with("Weight"));
            }
            counts
        };
        let known = service.native.deployments.iter().map(|one| (&one.deployment, &one.target));
        let live = known.filter(|(id, _)| service.deployments.iter().any(|own| own.id == **id));
        let revisions: Vec<Value> = live.map(|(id, arn)| of(id, arn)).collect();
        if !revisions.is_empty() {
            doc.insert("currentServiceRevisions".into(), json!(revisions));
        }
    }

    fn deployment_doc(&self, service: &Svc, deployment: &ServiceDeployment) -> Value {
        let revision = service.native.revision(&deployment.target);
        let configuration =
            revision.map(|revision| revision.doc["deploymentConfiguration"].clone()).unwrap_or_default();
        let shares = (deployment.test, deployment.production);
        let source = deployment.source.as_ref().map(|(id, arn)| {
            self.revision_counts(service, id, arn, (100.0 - deployment.test, 100.0 - deployment.production))
        });
        let own = service.deployments.iter().find(|own| own.id == deployment.deployment);
        let failures = own.map_or(deployment.breaker_failures, |own| own.failed_tasks);
        let breaker = &configuration["deploymentCircuitBreaker"];
        let names = &configuration["alarms"]["alarmNames"];
        let watch = |enabled: bool, triggered: bool| match (enabled, triggered) {
            (false, _) => "DISABLED",
            (true, true) => "TRIGGERED",
            (true, false) if deployment.status.running() => "MONITORING",
            (true, false) => "MONITORING_COMPLETE",
        };
        let threshold = crate::ecs::rollout::breaker_threshold(breaker, service.desired);
        let mut doc = json!({
            "serviceDeploymentArn": deployment.arn,
            "serviceArn": service.arn,
            "clusterArn": self.cluster_arn(&service.cluster),
            "createdAt": time::stamp(deployment.created),
            "updatedAt": time::stamp(deployment.updated),
            "sourceServiceRevisions": source.into_iter().collect::<Vec<_>>(),
            "targetServiceRevision": self.revision_counts(service, &deployment.deployment, &deployment.target, shares),
            "status": deployment.status.name(),
            "deploymentConfiguration": configuration,
            "deploymentCircuitBreaker": {
                "status": watch(breaker["enable"] == true, breaker["enable"] == true && failures >= threshold),
                "failureCount": failures, "threshold": threshold,
            },
            "alarms": {
                "status": watch(configuration["alarms"]["enable"] == true, !deployment.triggered.is_empty()),
                "alarmNames": names.as_array().cloned().unwrap_or_default(),
                "triggeredAlarmNames": deployment.triggered,
            },
        });
        if let Some(stage) = deployment.stage.filter(|_| deployment.status.running()) {
            doc["lifecycleStage"] = json!(stage.name());
            let here = |hook: &&super::HookRun| hook.stage == stage;
            doc["lifecycleHookDetails"] = deployment.hooks.iter().filter(here).map(super::HookRun::doc).collect();
        }
        if let Some(back) = &deployment.rollback {
            let to = deployment.source.as_ref().map(|(_, arn)| arn.clone());
            doc["rollback"] = json!({
                "reason": back.reason, "startedAt": time::stamp(back.started), "serviceRevisionArn": to,
            });
        }
        for (member, at) in [("startedAt", deployment.started), ("finishedAt", deployment.finished)] {
            if let Some(at) = at {
                doc[member] = time::stamp(at);
            }
        }
        if deployment.status == Status::Stopped {
            doc["stoppedAt"] = doc["finishedAt"].clone();
        }
        if !deployment.reason.is_empty() {
            doc["statusReason"] = json!(deployment.reason);
        }
        doc
    }

    pub(in crate::ecs) fn list_service_deployments(&self, input: In<'_>) -> Answer {
        let key = self.service_key(input.opt_str("cluster"), input.str("service")?)?;
        let service = &self.ecs.services[&key];
        let wanted = input.strs("status");
        let bound = |name: &str| input.get("createdAt").and_then(|range| range[name].as_f64()).map(|s| s * 1_000.0);
        let briefs: Vec<Value> = service
            .native
            .deployments
            .iter()
            .filter(|deployment| wanted.is_empty() || wanted.contains(&deployment.status.name()))
            .filter(|deployment| bound("after").is_none_or(|after| deployment.created as f64 >= after))
            .filter(|deployment| bound("before").is_none_or(|before| deployment.created as f64 <= before))
            .map(|deployment| {
                let mut brief = self.deployment_doc(service, deployment);
                brief["targetServiceRevisionArn"] = brief["targetServiceRevision"]["arn"].clone();
                let shown = [
                    "serviceDeploymentArn",
                    "serviceArn",
                    "clusterArn",
                    "startedAt",
                    "createdAt",
                    "finishedAt",
                    "targetServiceRevisionArn",
                    "status",
                    "statusReason",
                ];
                if let Some(brief) = brief.as_object_mut() {
                    brief.retain(|member, _| shown.contains(&member.as_str()));
                }
                brief
            })
            .collect();
        let size = input.opt_u64("maxResults")?.unwrap_or(20).clamp(1, 100) as usize;
        let token = input.opt_str("nextToken");
        let (briefs, next) = page(&briefs, token, size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "serviceDeployments": briefs });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(in crate::ecs) fn describe_service_deployments(&self, input: In<'_>) -> Answer {
        let arns = input.strs("serviceDeploymentArns");
        if arns.is_empty() || arns.len() > 20 {
            return Err(invalid("serviceDeploymentArns must have 1 to 20 elements."));
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in arns {
            let of = |service: &'_ Svc| service.native.deployments.iter().find(|one| one.arn == arn).cloned();
            match self.ecs.services.values().find_map(|service| Some((service, of(service)?))) {
                Some((service, deployment)) => found.push(self.deployment_doc(service, &deployment)),
                None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "serviceDeployments": found, "failures": failures }))
    }

    fn revision_doc(&self, service: &Svc, revision: &Revision) -> Value {
        let mut doc = json!({
            "serviceRevisionArn": revision.arn,
            "serviceArn": service.arn,
            "clusterArn": self.cluster_arn(&service.cluster),
            "taskDefinition": revision.task_definition,
            "createdAt": time::stamp(revision.created),
        });
        for member in ["launchType", "platformVersion", "platformFamily", "networkConfiguration", "loadBalancers"] {
            if let Some(value) = revision.doc.get(member) {
                doc[member] = value.clone();
            }
        }
        let balancers = revision.doc["loadBalancers"].as_array().cloned().unwrap_or_default();
        let resolved: Vec<Value> = balancers
            .iter()
            .map(|entry| {
                let advanced = &entry["advancedConfiguration"];
                let group = if revision.alternate && advanced["alternateTargetGroupArn"].is_string() {
                    &advanced["alternateTargetGroupArn"]
                } else {
                    &entry["targetGroupArn"]
                };
                let mut one = json!({ "targetGroupArn": group });
                if advanced["productionListenerRule"].is_string() {
                    one["productionListenerRule"] = advanced["productionListenerRule"].clone();
                }
                one
            })
            .collect();
        doc["resolvedConfiguration"] = json!({ "loadBalancers": resolved });
        let containers = self.definition(&revision.task_definition).map(|doc| doc["containerDefinitions"].clone());
        let images: Vec<Value> = containers
            .iter()
            .flat_map(|list| list.as_array().into_iter().flatten())
            .map(|container| {
                let image = container["image"].as_str().unwrap_or_default();
                let mut one = json!({ "containerName": container["name"], "image": image });
                if let Ok(Some(pulled)) = self.ecr.pull(image) {
                    one["imageDigest"] = json!(pulled.digest);
                }
                one
            })
            .collect();
        doc["containerImages"] = json!(images);
        doc
    }

    pub(in crate::ecs) fn describe_service_revisions(&self, input: In<'_>) -> Answer {
        let arns = input.strs("serviceRevisionArns");
        if arns.is_empty() || arns.len() > 20 {
            return Err(invalid("serviceRevisionArns must have 1 to 20 elements."));
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in arns {
            let services = self.ecs.services.values();
            match services.into_iter().find_map(|service| Some((service, service.native.revision(arn)?))) {
                Some((service, revision)) => found.push(self.revision_doc(service, revision)),
                None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "serviceRevisions": found, "failures": failures }))
    }

    pub(in crate::ecs) fn stop_service_deployment(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("serviceDeploymentArn")?;
        if input.opt_str("stopType").is_some_and(|kind| kind != "ROLLBACK") {
            return Err(AwsError::new("UnsupportedFeatureException", "Only the stop type ROLLBACK is supported."));
        }
        let key = self.service_of_deployment(arn).ok_or_else(not_found)?;
        let native = self.ecs.services[&key].is_native();
        let deployment = self.newest(&key).filter(|deployment| deployment.arn == arn && deployment.status.running());
        let Some(deployment) = deployment else {
            return Err(AwsError::new("ConflictException", "The service deployment is not in progress."));
        };
        let reason = "Service deployment rolled back because of StopServiceDeployment.";
        match deployment.status {
            Status::Pending | Status::InProgress if native => {
                deployment.status = Status::RollbackRequested;
                deployment.reason = reason.to_owned();
                deployment.updated = call.now;
                self.wake_service(&key, call.now);
            }
            Status::Pending | Status::InProgress => {
                self.fail_deployment(&key, reason, "Service deployment stopped", true, call.now);
            }
            // It goes back already.
            _ => {}
        }
        Ok(json!({ "serviceDeploymentArn": arn }))
    }

    pub(in crate::ecs) fn continue_service_deployment(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("serviceDeploymentArn")?.to_owned();
        let hook = input.str("hookId")?.to_owned();
        let goes_on = match input.opt_str("action") {
            None | Some("CONTINUE") => true,
            Some("ROLLBACK") => false,
            Some(other) => return Err(invalid(format!("action must be CONTINUE or ROLLBACK, not {other}."))),
        };
        let key = self.service_of_deployment(&arn).ok_or_else(not_found)?;
        if self.newest(&key).is_none_or(|deployment| deployment.arn != arn) {
            return Err(client("The service deployment is not in progress."));
        }
        if !self.answer_pause(&key, &hook, goes_on, call.now) {
            return Err(invalid(format!("The hook {hook} is not awaiting an action.")));
        }
        Ok(json!({ "serviceDeploymentArn": arn }))
    }
}

/// Refuses a strategy's configuration that AWS refuses.
pub(in crate::ecs) fn check_strategy(configuration: &Value, balancers: Option<&Value>) -> Result<(), AwsError> {
    let strategy = crate::ecs::services::strategy(configuration);
    if !["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"].contains(&strategy) {
        return Err(invalid(format!("The deployment strategy {strategy} is not valid.")));
    }
    let tenths = |value: f64| ((value * 10.0).round() - value * 10.0).abs() < 1e-6;
    let within = |what: &str, value: Option<f64>, low: f64| match value {
        Some(value) if !(low..=100.0).contains(&value) || !tenths(value) => {
            Err(invalid(format!("{what} must be between {low} and 100 in steps of 0.1.")))
        }
        Some(_) | None => Ok(()),
    };
    within("canaryPercent", configuration["canaryConfiguration"]["canaryPercent"].as_f64(), 0.1)?;
    within("stepPercent", configuration["linearConfiguration"]["stepPercent"].as_f64(), 3.0)?;
    for minutes in [
        &configuration["bakeTimeInMinutes"],
        &configuration["canaryConfiguration"]["canaryBakeTimeInMinutes"],
        &configuration["linearConfiguration"]["stepBakeTimeInMinutes"],
    ] {
        if !minutes.is_null() && minutes.as_u64().is_none_or(|minutes| minutes > 1_440) {
            return Err(invalid("Bake times must be whole minutes between 0 and 1440."));
        }
    }
    let pauses =
        configuration["lifecycleHooks"].as_array().into_iter().flatten().filter(|h| h["targetType"] == "PAUSE");
    for stage in pauses.flat_map(|hook| hook["lifecycleStages"].as_array().into_iter().flatten()) {
        if *stage == "TEST_TRAFFIC_SHIFT" || *stage == "PRODUCTION_TRAFFIC_SHIFT" {
            return Err(invalid(format!("A PAUSE hook is not allowed at the lifecycle stage {stage}.")));
        }
    }
    if strategy == "ROLLING" {
        return Ok(());
    }
    for entry in balancers.and_then(Value::as_array).into_iter().flatten() {
        for member in ["alternateTargetGroupArn", "productionListenerRule", "roleArn"] {
            if !entry["advancedConfiguration"][member].is_string() {
                return Err(invalid(format!(
                    "The strategy {strategy} needs advancedConfiguration.{member} for every load balancer."
                )));
            }
        }
    }
    debug_assert!(!steps(configuration).is_empty());
    Ok(())
}
