//! Tasks as they are listed, described and stopped.

use serde_json::{Value, json};

use super::{ServiceStatus, Task, TaskStatus, invalid, short};
use crate::ec2::zone_name;
use crate::error::Answer;
use crate::input::{In, page};
use crate::{Call, Millis, World, time};

impl Task {
    /// That is the reason of its container; the task's own is that a container exited (ECS developer guide, stopped tasks error codes).
    fn killed_for_memory(&self) -> bool {
        self.stopped_reason.starts_with("OutOfMemoryError")
    }
}

impl World {
    /// A task as DescribeTasks and, with `iso` times, the state-change event show it.
    pub(super) fn task_doc(&self, task: &Task, now: Millis, iso: bool) -> Value {
        let at = |time: Millis| if iso { json!(time::iso_ms(time)) } else { time::stamp(time) };
        let definition = self.definition(&task.task_definition);
        let member = |name: &str| definition.and_then(|doc| doc.get(name)).and_then(Value::as_str);
        let attachment = format!("{}-0000-4000-8000-{}", &task.id[..8], &task.id[8..20]);
        let cluster = &task.service.0;
        let account = &self.core.settings.account;
        let ended = task.status == TaskStatus::Stopped;
        let containers: Vec<Value> = task
            .containers
            .iter()
            .map(|container| {
                let mut doc = json!({
                    "containerArn": format!(
                        "arn:aws:ecs:{}:{account}:container/{cluster}/{}/{}", task.region, task.id, container.runtime
                    ),
                    "taskArn": task.arn, "name": container.name, "image": container.image,
                    "lastStatus": match task.status {
                        TaskStatus::Provisioning | TaskStatus::Pending => "PENDING",
                        TaskStatus::Running | TaskStatus::Deactivating | TaskStatus::Stopping => "RUNNING",
                        TaskStatus::Stopped => "STOPPED",
                    },
                    "runtimeId": container.runtime, "cpu": "0",
                    "networkInterfaces": [{ "attachmentId": attachment, "privateIpv4Address": task.ip }],
                });
                if !container.digest.is_empty() {
                    doc["imageDigest"] = json!(container.digest);
                }
                if ended && let Some(code) = task.exit_code {
                    doc["exitCode"] = json!(code);
                }
                if ended && (task.stop_code == Some("TaskFailedToStart") || task.killed_for_memory()) {
                    doc["reason"] = json!(task.stopped_reason);
                }
                doc
            })
            .collect();
        let subnet = task.subnet.iter().map(|id| json!({ "name": "subnetId", "value": id }));
        let mut doc = json!({
            "attachments": [{
                "id": attachment, "type": "eni",
                "status": if ended { "DELETED" } else { "ATTACHED" },
                "details": subnet.chain([json!({ "name": "privateIPv4Address", "value": task.ip })]).collect::<Vec<_>>(),
            }],
            "attributes": [{ "name": "ecs.cpu-architecture", "value": "arm64" }],
            "availabilityZone": zone_name(&task.region, task.zone),
            "clusterArn": self.cluster_arn(cluster),
            "containers": containers,
            "cpu": member("cpu").unwrap_or("256"),
            "memory": member("memory").unwrap_or("512"),
            "createdAt": at(task.created),
            "desiredStatus": if task.wanted { "RUNNING" } else { "STOPPED" },
            "enableExecuteCommand": false,
            "group": format!("service:{}", task.service.1),
            "lastStatus": task.status.name(),
            "launchType": "FARGATE",
            "overrides": { "containerOverrides": [] },
            "platformVersion": "1.4.0",
            "startedBy": task.deployment,
            "taskArn": task.arn,
            "taskDefinitionArn": task.task_definition,
            "version": task.version,
        });
        if iso {
            doc["updatedAt"] = at(now);
        } else {
            doc["healthStatus"] = json!("UNKNOWN");
            doc["tags"] = json!([]);
        }
        let moments = [("startedAt", task.started), ("stoppingAt", task.stopping), ("stoppedAt", task.stopped)];
        for (name, moment) in moments {
            if let Some(moment) = moment {
                doc[name] = at(moment);
            }
        }
        if let Some(code) = task.stop_code.filter(|_| !task.wanted) {
            doc["stopCode"] = json!(code);
            let of_container = task.killed_for_memory();
            let reason = if of_container { "Essential container in task exited" } else { task.stopped_reason.as_str() };
            doc["stoppedReason"] = json!(reason);
        }
        doc
    }

    pub(super) fn list_tasks(&self, input: In<'_>) -> Answer {
        let cluster = self.cluster_name(input.opt_str("cluster"))?;
        if let Some(service) = input.opt_str("serviceName") {
            let key = self.service_key(input.opt_str("cluster"), service)?;
            if self.ecs.services[&key].status == ServiceStatus::Inactive {
                return Err(crate::AwsError::new("ServiceNotFoundException", "Service not found."));
            }
        }
        let wanted = input.opt_str("desiredStatus").unwrap_or("RUNNING") == "RUNNING";
        let listed = |task: &&Task| {
            task.service.0 == cluster
                && task.wanted == wanted
                && input.opt_str("serviceName").is_none_or(|name| task.service.1 == short(name))
                && input.opt_str("startedBy").is_none_or(|by| task.deployment == by)
                && input
                    .opt_str("family")
                    .is_none_or(|family| short(&task.task_definition).split(':').next() == Some(family))
        };
        let arns: Vec<&str> = self.ecs.tasks.values().filter(listed).map(|task| task.arn.as_str()).collect();
        let size = input.opt_u64("maxResults")?.unwrap_or(100).clamp(1, 100) as usize;
        let (arns, next) = page(&arns, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "taskArns": arns });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn describe_tasks(&self, input: In<'_>) -> Answer {
        let cluster = self.cluster_name(input.opt_str("cluster"))?;
        input.full_list("tasks")?;
        let references = input.strs("tasks");
        if references.len() > 100 {
            return Err(invalid("Tasks cannot have more than 100 elements."));
        }
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for reference in references {
            match self.ecs.tasks.get(short(reference)).filter(|task| task.service.0 == cluster) {
                Some(task) => tasks.push(self.task_doc(task, task.created, false)),
                None => failures.push(json!({
                    "arn": self.missing_arn("task", reference), "reason": "MISSING",
                })),
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    pub(super) fn stop_task_call(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        self.cluster_name(input.opt_str("cluster"))?;
        let id = short(input.str("task")?).to_owned();
        if !self.ecs.tasks.contains_key(&id) {
            return Err(invalid("The referenced task was not found."));
        }
        let reason = input.opt_str("reason").unwrap_or("Task stopped by user");
        self.stop_task(&id, "UserInitiated", reason, call.now);
        let key = self.ecs.tasks[&id].service.clone();
        self.wake_service(&key, call.now);
        Ok(json!({ "task": self.task_doc(&self.ecs.tasks[&id], call.now, false) }))
    }
}
