//! Services as they are described.

use serde_json::{Value, json};

use super::{Rollout, ServiceKey, ServiceStatus, Task, TaskStatus, invalid, short};
use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, World, time};

impl World {
    /// A service with its deployments and events.
    pub(super) fn service_doc(&self, key: &ServiceKey, tags: bool) -> Value {
        let service = &self.ecs.services[key];
        let tasks: Vec<&Task> = self.ecs.tasks.values().filter(|task| task.service == *key).collect();
        let running = |task: &&&Task| task.status == TaskStatus::Running;
        let pending = |task: &&&Task| matches!(task.status, TaskStatus::Provisioning | TaskStatus::Pending);
        let deployments: Vec<Value> = service
            .deployments
            .iter()
            .enumerate()
            .map(|(place, deployment)| {
                let own: Vec<&Task> = tasks.iter().filter(|task| task.deployment == deployment.id).copied().collect();
                let wanted = own.iter().filter(|task| task.wanted).count();
                let mut doc = json!({
                    "id": deployment.id,
                    "status": if place == 0 { "PRIMARY" } else { "ACTIVE" },
                    "taskDefinition": deployment.task_definition,
                    "desiredCount": if place == 0 { service.desired as usize } else { wanted },
                    "runningCount": own.iter().filter(running).count(),
                    "pendingCount": own.iter().filter(pending).count(),
                    "failedTasks": deployment.failed_tasks,
                    "createdAt": time::stamp(deployment.created),
                    "updatedAt": time::stamp(deployment.updated),
                    "rolloutState": match deployment.rollout {
                        Rollout::InProgress => "IN_PROGRESS",
                        Rollout::Completed => "COMPLETED",
                        Rollout::Failed => "FAILED",
                    },
                    "rolloutStateReason": deployment.reason,
                });
                for member in ["launchType", "platformVersion", "platformFamily", "networkConfiguration"] {
                    if let Some(value) = service.member(member) {
                        doc[member] = value.clone();
                    }
                }
                doc
            })
            .collect();
        let mut doc = service.members().clone();
        let own = json!({
            "serviceArn": service.arn,
            "serviceName": service.name,
            "clusterArn": self.cluster_arn(&service.cluster),
            "status": match service.status {
                ServiceStatus::Active => "ACTIVE",
                ServiceStatus::Draining => "DRAINING",
                ServiceStatus::Inactive => "INACTIVE",
            },
            "desiredCount": service.desired,
            "runningCount": tasks.iter().filter(running).count(),
            "pendingCount": tasks.iter().filter(pending).count(),
            "taskDefinition": service.task_definition,
            "createdAt": time::stamp(service.created),
            "createdBy": self.core.principal(&service.created_by),
            "roleArn": format!(
                "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", self.core.settings.account
            ),
        });
        if let Value::Object(own) = own {
            doc.extend(own);
        }
        // Moved and cloned: `json!` would write every value anew.
        doc.insert("deployments".into(), Value::Array(deployments));
        doc.insert("events".into(), service.events.iter().cloned().collect());
        self.add_current(service, &mut doc);
        if tags {
            doc.insert("tags".into(), self.ecs_tag_list(&service.arn));
        }
        Value::Object(doc)
    }

    pub(super) fn describe_services(&self, call: &Call<'_>, input: In<'_>) -> Answer {
        let cluster = self.cluster_name(input.opt_str("cluster"))?;
        input.full_list("services")?;
        let references = input.strs("services");
        if references.len() > 10 {
            return Err(invalid("Services cannot have more than 10 elements."));
        }
        let tags = input.strs("include").contains(&"TAGS");
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for reference in references {
            let key = (cluster.clone(), short(reference).to_owned());
            if self.ecs.services.contains_key(&key) {
                let shown = self.core.lagging(&self.ecs.services[&key].shown);
                services.push(shown.cloned().unwrap_or_else(|| self.service_doc(&key, tags)));
            } else if self.core.settings.beliefs.missing_service_is_a_failure {
                let arn = match reference.starts_with("arn:") {
                    true => reference.to_owned(),
                    false => format!(
                        "arn:aws:ecs:{}:{}:service/{cluster}/{reference}",
                        call.region, self.core.settings.account
                    ),
                };
                failures.push(json!({ "arn": arn, "reason": "MISSING" }));
            } else {
                return Err(AwsError::new("ServiceNotFoundException", "Service not found."));
            }
        }
        let mut answer = json!({ "failures": failures });
        answer["services"] = Value::Array(services);
        Ok(answer)
    }
}
