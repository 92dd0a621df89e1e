//! Rolling deployments: their start, their end, the circuit breaker.

use serde_json::{Value, json};

use super::native::Status;
use super::{Deployment, Rollout, ServiceKey, Svc};
use crate::{Millis, World, time};

/// The failures at which the breaker of a configuration opens: `ceil(value % of desired)` between 3 and 200, with a value of
/// 50 unless `thresholdConfiguration` says otherwise.
pub(super) fn breaker_threshold(breaker: &Value, desired: u32) -> u32 {
    let threshold = &breaker["thresholdConfiguration"];
    let value = threshold["value"].as_f64().unwrap_or(50.0);
    let percent = (value * f64::from(desired) / 100.0).ceil() as u32;
    match threshold["type"].as_str() {
        Some("COUNT") => value as u32,
        Some("UNBOUNDED_PERCENT") => percent.max(1),
        Some(_) | None => percent.clamp(3, 200),
    }
}

impl Svc {
    /// Adds a service event; the newest hundred are kept.
    pub(super) fn say(&mut self, id: String, now: Millis, message: &str) {
        let message = format!("(service {}) {message}", self.name);
        self.events.push_front(json!({ "id": id, "createdAt": time::stamp(now), "message": message }));
        self.events.truncate(100);
    }

    pub(super) fn alarm_names(&self) -> Vec<String> {
        let alarms = &self.configuration()["alarms"];
        if alarms["enable"] != true {
            return Vec::new();
        }
        let names = alarms["alarmNames"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

impl World {
    /// A new PRIMARY deployment; the one before stays ACTIVE until its tasks are gone.
    pub(super) fn start_deployment(&mut self, key: &ServiceKey, definition: &str, reason: Option<String>, now: Millis) {
        let id = self.core.ids.deployment();
        let Some(service) = self.ecs.services.get(key) else { return };
        let fires = service.alarm_names().iter().any(|name| self.cloudwatch.is_in_alarm(name));
        // The other way, only the way back is not taken back by what began it.
        let alarms_blind =
            if self.core.settings.beliefs.firing_alarm_blinds_a_deployment { fires } else { reason.is_some() };
        let due = now + self.core.settings.ecs.scheduler_delay;
        let stays = self.core.settings.beliefs.rolling_stays_in_its_group;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        // A rolling deployment that goes back stays the same service deployment.
        let back = reason.is_some();
        let reason = reason.unwrap_or_else(|| format!("ECS deployment {id} in progress."));
        service.task_definition = definition.to_owned();
        service.steady = false;
        // A new deployment does not wait for the failures of the one before.
        service.not_before = 0;
        let alternate = stays && service.deployments.first().is_some_and(|before| before.alternate);
        service.deployments.insert(
            0,
            Deployment {
                id: id.clone(),
                task_definition: definition.to_owned(),
                created: now,
                updated: now,
                rollout: Rollout::InProgress,
                reason: reason.clone(),
                failed_tasks: 0,
                alarms_blind,
                alternate,
                bakes_since: None,
            },
        );
        service.wake(due);
        if back {
            self.note_rolling(key, Status::RollbackInProgress, &reason, now);
        } else {
            self.begin_service_deployment(key, &id, now);
        }
        self.deployment_event(key, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", &id, &reason, now);
    }

    pub(super) fn deployment_event(
        &mut self,
        key: &ServiceKey,
        kind: &str,
        name: &str,
        id: &str,
        reason: &str,
        now: Millis,
    ) {
        let Some(service) = self.ecs.services.get(key) else { return };
        let (arn, region) = (service.arn.clone(), service.region.clone());
        let detail = json!({
            "eventType": kind, "eventName": name, "clusterArn": self.cluster_arn(&key.0), "deploymentId": id,
            "updatedAt": time::iso_ms(now), "reason": reason,
        });
        self.core.event(now, &region, "aws.ecs", "ECS Deployment State Change", vec![arn], detail);
    }

    /// A rolling deployment that has replaced all tasks bakes where its configuration says so; one that goes back does not.
    /// True: it is over.
    pub(super) fn baked(&mut self, key: &ServiceKey, now: Millis) -> bool {
        let minute = self.core.settings.ecs.minute;
        let Some(service) = self.ecs.services.get_mut(key) else { return true };
        let minutes = service.configuration()["bakeTimeInMinutes"].as_u64().unwrap_or(0);
        let back = service.native.goes_back();
        let Some(primary) = service.deployments.first_mut() else { return true };
        if minutes == 0 || back {
            return true;
        }
        let until = *primary.bakes_since.get_or_insert(now) + minutes * minute;
        if now < until {
            service.wake(until);
        }
        now >= until
    }

    /// The PRIMARY deployment reached its aim.
    pub(super) fn complete_deployment(&mut self, key: &ServiceKey, now: Millis) {
        let event = self.core.ids.uuid();
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let Some(primary) = service.deployments.first_mut() else { return };
        primary.rollout = Rollout::Completed;
        primary.updated = now;
        let id = primary.id.clone();
        let reason = format!("ECS deployment {id} completed.");
        primary.reason.clone_from(&reason);
        service.last_completed = Some((id.clone(), primary.task_definition.clone()));
        service.deployments.truncate(1);
        service.say(event, now, &format!("(deployment {id}) deployment completed."));
        self.note_rolling(key, Status::Successful, "", now);
        self.deployment_event(key, "INFO", "SERVICE_DEPLOYMENT_COMPLETED", &id, &reason, now);
    }

    /// A task of a deployment ended that should not have.
    pub(super) fn count_failure(&mut self, key: &ServiceKey, deployment: &str, now: Millis) {
        let due = now + self.core.settings.ecs.replace_delay;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        service.not_before = service.not_before.max(due);
        service.steady = false;
        service.wake(due);
        let desired = service.desired;
        let breaker = service.configuration()["deploymentCircuitBreaker"].clone();
        let Some(primary) = service.deployments.first_mut().filter(|primary| primary.id == deployment) else { return };
        let running = primary.rollout == Rollout::InProgress;
        if !running && self.core.settings.beliefs.failed_tasks_end_at_completion {
            return;
        }
        primary.failed_tasks += 1;
        primary.updated = now;
        if !running {
            return;
        }
        if breaker["enable"] == true && primary.failed_tasks >= breaker_threshold(&breaker, desired) {
            let reason = "ECS deployment circuit breaker: tasks failed to start.";
            self.fail_deployment(key, reason, "ECS deployment circuit breaker", breaker["rollback"] == true, now);
        }
    }

    /// Fails the PRIMARY deployment and goes back to the last completed one where the configuration says so.
    pub(super) fn fail_deployment(&mut self, key: &ServiceKey, reason: &str, who: &str, rollback: bool, now: Millis) {
        let event = self.core.ids.uuid();
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let Some(primary) = service.deployments.first_mut() else { return };
        primary.rollout = Rollout::Failed;
        primary.updated = now;
        primary.reason = reason.to_owned();
        let id = primary.id.clone();
        service.say(event, now, &format!("(deployment {id}) deployment failed: {reason}"));
        let target = service.last_completed.clone().filter(|_| rollback);
        if target.is_none() {
            self.note_rolling(key, Status::Stopped, reason, now);
        }
        self.deployment_event(key, "ERROR", "SERVICE_DEPLOYMENT_FAILED", &id, reason, now);
        if let Some((to, definition)) = target {
            self.start_deployment(key, &definition, Some(format!("{who}: rolling back to deploymentId {to}.")), now);
        }
    }

    /// Fails a running deployment whose alarms are in ALARM, unless they were when it started.
    pub(super) fn check_deployment_alarms(&mut self, key: &ServiceKey, now: Millis) {
        let Some(service) = self.ecs.services.get(key) else { return };
        let names = service.alarm_names();
        let rollback = service.configuration()["alarms"]["rollback"] == true;
        let listening = |primary: &Deployment| primary.rollout == Rollout::InProgress && !primary.alarms_blind;
        if service.deployments.first().is_some_and(listening)
            && names.iter().any(|name| self.cloudwatch.is_in_alarm(name))
        {
            self.fail_deployment(key, "ECS deployment alarm: alarm detected.", "ECS deployment alarm", rollback, now);
        }
    }
}

impl World {
    /// An alarm changed: services whose deployments listen to alarms look.
    pub(crate) fn wake_deploying(&mut self, now: Millis) {
        for service in self.ecs.services.values_mut().filter(|service| !service.alarm_names().is_empty()) {
            service.wake(now);
        }
    }
}
