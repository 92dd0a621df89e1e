//! The API of service deployments and service revisions.

use serde_json::{Value, json};

use super::{Revision, Status, steps};
use crate::ecs::{Svc, client, invalid};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World, time};

fn not_found() -> AwsError {
    AwsError::new("ServiceDeploymentNotFoundException", "The service deployment does not exist.")
}

impl World {
    pub(in crate::ecs) fn list_service_deployments(&self, input: In<'_>) -> Answer {
        let key = self.service_key(input.opt_str("cluster"), input.str("service")?)?;
        let service = &self.ecs.services[&key];
        let wanted = input.strs("status");
        let bound = |name: &str| input.get("createdAt").and_then(|range| range[name].as_f64()).map(|s| s * 1_000.0);
        let mut briefs: Vec<Value> = service
            .native
            .deployments
            .iter()
            .filter(|deployment| self.is_listed(deployment))
            .filter(|deployment| wanted.is_empty() || wanted.contains(&self.shown_status(deployment)))
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
        // Which order AWS has is not documented, and nothing may rest on this one.
        if !self.core.settings.beliefs.deployments_are_listed_in_time && !self.core.as_is {
            briefs.reverse();
        }
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
        let service = &self.ecs.services[&key];
        let native = service.is_native();
        let conflict = |why: &str| Err(AwsError::new("ConflictException", why));
        let beliefs = &self.core.settings.beliefs;
        if service.native.current().is_some_and(|current| current.arn == arn && current.rollback.is_none()) {
            if !native && !service.rolls_back() && !beliefs.rolling_stop_needs_no_rollback {
                return Err(invalid("The service configures no rollback."));
            }
            if native && service.native.holds_still() && !beliefs.stop_works_at_every_stage {
                return conflict("The service deployment cannot be stopped at this stage.");
            }
        }
        let deployment = self.newest(&key).filter(|deployment| deployment.arn == arn && deployment.status.running());
        let Some(deployment) = deployment else {
            return conflict("The service deployment is not in progress.");
        };
        deployment.asked.get_or_insert(call.now);
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
