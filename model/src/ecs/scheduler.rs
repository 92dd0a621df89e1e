//! The service scheduler: what to start and what to stop so that a service becomes as it should be.

use serde_json::{Value, json};

use super::places::Lack;
use super::{Rollout, ServiceKey, ServiceStatus, Task, TaskStatus};
use crate::elb::HealthState;
use crate::{Millis, World, time};

/// A task as the scheduler sees it.
struct View {
    id: String,
    primary: bool,
    started: Option<Millis>,
    zone: usize,
    /// desiredStatus RUNNING.
    live: bool,
    stopped: bool,
    running: bool,
    healthy: bool,
    /// Its target failed its checks, beyond the grace period.
    unhealthy: bool,
}

impl World {
    fn view(&self, task: &Task, primary: &str, grace: Millis, now: Millis) -> View {
        let running = task.wanted && task.status == TaskStatus::Running;
        let states: Vec<HealthState> = task
            .attachments
            .iter()
            .filter_map(|at| self.elb.target_state(&at.target_group, &task.ip, at.port))
            .collect();
        let since = task.started.map_or(0, |started| now.saturating_sub(started));
        let healthy = running
            && match task.attachments.is_empty() {
                true => since >= self.core.settings.ecs.settle,
                false => states.len() == task.attachments.len() && states.iter().all(|s| *s == HealthState::Healthy),
            };
        let unhealthy = running && since >= grace && states.contains(&HealthState::Unhealthy);
        View {
            id: task.id.clone(),
            primary: task.deployment == primary,
            started: task.started,
            zone: task.zone,
            live: task.wanted,
            stopped: task.status == TaskStatus::Stopped,
            running,
            healthy,
            unhealthy: unhealthy && self.core.settings.beliefs.unhealthy_tasks_are_replaced,
        }
    }

    /// One look of the scheduler at a service.
    pub(crate) fn service_pass(&mut self, key: &ServiceKey, now: Millis) {
        // A deleted service drains, whatever its deployment waits for.
        let deploys = |service: &super::Svc| {
            service.is_native() && service.status == ServiceStatus::Active && service.native.current().is_some()
        };
        if self.ecs.services.get(key).is_some_and(deploys) {
            return self.native_pass(key, now);
        }
        self.check_deployment_alarms(key, now);
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        service.next_pass = None;
        if service.status == ServiceStatus::Inactive {
            return;
        }
        let Some(primary) = service.deployments.first() else { return };
        let (primary_id, rollout) = (primary.id.clone(), primary.rollout);
        let service = &self.ecs.services[key];
        let (grace, desired, not_before) = (service.grace(), service.desired as usize, service.not_before);
        let percent = |name: &str, default: u64| service.configuration()[name].as_u64().unwrap_or(default) as usize;
        let most = desired * percent("maximumPercent", 200) / 100;
        let least = (desired * percent("minimumHealthyPercent", 100)).div_ceil(100);
        let mut views: Vec<View> = Vec::new();
        for task in self.ecs.tasks.values().filter(|task| task.service == *key && task.status != TaskStatus::Stopped) {
            views.push(self.view(task, &primary_id, grace, now));
        }
        self.note_health(key, &views);

        let live = views.iter().filter(|v| v.live).count();
        let useful: Vec<&View> = views.iter().filter(|v| v.primary && v.live && !v.unhealthy).collect();
        let waits = self.core.settings.beliefs.unhealthy_wait_for_healthy_ones;
        let replaced = useful.iter().filter(|v| if waits { v.healthy } else { v.running }).count() >= desired;
        let mut stops: Vec<(String, String)> = Vec::new();
        let halted = rollout == Rollout::Failed;
        let want = if halted { 0 } else { desired.saturating_sub(useful.len()) };
        let room = most.max(desired.min(1)).saturating_sub(live);

        // Too many of the new: the youngest go first.
        if useful.len() > desired {
            let mut surplus: Vec<&&View> = useful.iter().collect();
            surplus.sort_by_key(|v| (v.healthy, v.running, std::cmp::Reverse(v.started), v.id.clone()));
            let reason = format!("Scaling activity initiated by (deployment {primary_id})");
            stops.extend(surplus.iter().take(useful.len() - desired).map(|v| (v.id.clone(), reason.clone())));
        }
        // The unhealthy go when their replacements are healthy, or when there is no room for one beside them (ECS developer guide,
        // "Amazon ECS services").
        for view in views.iter().filter(|v| v.primary && v.unhealthy) {
            if desired == 0 || replaced || (want > 0 && room == 0) {
                stops.push((view.id.clone(), self.unhealthy_reason(&view.id)));
            }
        }
        // The old go as far as the healthy stay enough.
        let healthy = views.iter().filter(|v| v.live && v.healthy).count();
        let old: Vec<&View> = views.iter().filter(|v| !v.primary && v.live).collect();
        let spare = if room < want {
            healthy.saturating_sub(least).min(want - room)
        } else if halted {
            0
        } else {
            healthy.saturating_sub(least.max(desired.min(live)))
        };
        let reason = format!("Scaling activity initiated by (deployment {primary_id})");
        let healthy_old = old.iter().filter(|v| v.healthy).count();
        let old_may_go = if desired == 0 { healthy_old } else { spare };
        if !halted || desired == 0 {
            stops.extend(
                old.iter()
                    .filter(|v| !v.healthy && (desired == 0 || !self.serves_alone(v, healthy)))
                    .map(|v| (v.id.clone(), reason.clone())),
            );
            stops.extend(old.iter().filter(|v| v.healthy).take(old_may_go).map(|v| (v.id.clone(), reason.clone())));
        } else if old.len() > desired {
            stops.extend(old.iter().take(old.len() - desired).map(|v| (v.id.clone(), reason.clone())));
        }

        let mut starts = want.min(room);
        if starts > 0 && not_before > now {
            starts = 0;
            if let Some(service) = self.ecs.services.get_mut(key) {
                service.wake(not_before);
            }
        }
        let (placed, lack) = self.placeable(key, starts, true);
        if placed < starts {
            self.not_placed(key, lack, now);
            starts = placed;
        }
        let mut zones: Vec<usize> = views.iter().filter(|v| v.live).map(|v| v.zone).collect();
        let mut started = Vec::new();
        for _ in 0..starts {
            let zone = (0..3).min_by_key(|zone| zones.iter().filter(|z| *z == zone).count()).unwrap_or(0);
            zones.push(zone);
            started.extend(self.start_task(key, &primary_id, zone, now));
        }
        self.tell(key, "has started", &started, now);
        let stopped: Vec<String> = stops.iter().map(|(id, _)| id.clone()).collect();
        self.tell(key, "has stopped", &stopped, now);
        for (id, reason) in &stops {
            let failed = reason.contains("failed ELB health checks");
            let deployment = self.ecs.tasks.get(id).map(|task| task.deployment.clone()).unwrap_or_default();
            self.stop_task(id, "ServiceSchedulerInitiated", reason, now);
            if failed {
                self.count_failure(key, &deployment, now);
            }
        }
        self.settle_service(key, &views, desired, !stops.is_empty() || !started.is_empty(), now);
    }

    /// There is a shortage of capacity: the cluster has room for so many tasks and no more, or for any number again.
    pub fn limit_tasks(&mut self, cluster: &str, most: Option<usize>, now: Millis) {
        match most {
            Some(most) => self.ecs.room.insert(cluster.to_owned(), most),
            None => self.ecs.room.remove(cluster),
        };
        let keys: Vec<ServiceKey> = self.ecs.services.keys().filter(|key| key.0 == cluster).cloned().collect();
        for key in keys {
            self.wake_service(&key, now);
        }
    }

    /// A task could not be placed: told as ECS tells it (once until something else is told), and tried again.
    pub(super) fn not_placed(&mut self, key: &ServiceKey, lack: Lack, now: Millis) {
        let (id, again) = (self.core.ids.uuid(), now + self.core.settings.ecs.replace_delay);
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        service.wake(again);
        let what = lack.words();
        let told = |event: &Value| event["message"].as_str().is_some_and(|message| message.ends_with(what));
        if service.events.front().is_some_and(told) {
            return;
        }
        service.say(id, now, what);
        service.steady = false;
        let (arn, region) = (service.arn.clone(), service.region.clone());
        let detail = json!({
            "eventType": "ERROR", "eventName": "SERVICE_TASK_PLACEMENT_FAILURE", "clusterArn": self.cluster_arn(&key.0),
            "reason": "RESOURCE:FARGATE", "createdAt": time::iso_ms(now),
        });
        self.core.event(now, &region, "aws.ecs", "ECS Service Action", vec![arn], detail);
    }

    /// An old task that is the only thing serving is not stopped merely because its checks fail.
    fn serves_alone(&self, view: &View, healthy: usize) -> bool {
        view.running && healthy == 0
    }

    /// The first healthy task of a deployment takes its failures back.
    fn note_health(&mut self, key: &ServiceKey, views: &[View]) {
        let mut fresh = false;
        for view in views.iter().filter(|v| v.primary && v.healthy) {
            if let Some(task) = self.ecs.tasks.get_mut(&view.id).filter(|task| !task.was_healthy) {
                task.was_healthy = true;
                fresh = true;
            }
        }
        let service = self.ecs.services.get_mut(key);
        if let Some(service) = service.filter(|_| fresh) {
            let resets = service.configuration()["deploymentCircuitBreaker"]["resetOnHealthyTask"] != false;
            if let Some(primary) = service.deployments.first_mut().filter(|_| resets) {
                primary.failed_tasks = 0;
            }
        }
    }

    pub(super) fn unhealthy_reason(&self, id: &str) -> String {
        let Some(task) = self.ecs.tasks.get(id) else { return String::new() };
        let bad = task
            .attachments
            .iter()
            .find(|at| self.elb.target_state(&at.target_group, &task.ip, at.port) == Some(HealthState::Unhealthy));
        let group = bad.map(|at| at.target_group.as_str()).unwrap_or_default();
        format!("Task failed ELB health checks in (target-group {group})")
    }

    fn tell(&mut self, key: &ServiceKey, what: &str, tasks: &[String], now: Millis) {
        if tasks.is_empty() {
            return;
        }
        let id = self.core.ids.uuid();
        let list: Vec<String> = tasks.iter().map(|task| format!("(task {task})")).collect();
        if let Some(service) = self.ecs.services.get_mut(key) {
            let running = if what == "has stopped" { "running " } else { "" };
            service.say(id, now, &format!("{what} {} {running}tasks: {}.", tasks.len(), list.join(" ")));
            service.steady = false;
        }
    }

    /// Completes the deployment, drops those that are over, and says when to look again.
    fn settle_service(&mut self, key: &ServiceKey, views: &[View], desired: usize, moved: bool, now: Millis) {
        let settle = self.core.settings.ecs.settle;
        let waits = self.core.settings.beliefs.completion_waits_for_draining;
        let remaining: Vec<String> = self
            .ecs
            .tasks
            .values()
            .filter(|task| task.service == *key && task.status != TaskStatus::Stopped)
            .map(|task| task.deployment.clone())
            .collect();
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let mut place = 0;
        service.deployments.retain(|deployment| {
            place += 1;
            place == 1 || remaining.contains(&deployment.id)
        });
        if service.status == ServiceStatus::Draining && remaining.is_empty() {
            service.status = ServiceStatus::Inactive;
            service.deployments.clear();
            return;
        }
        // Tasks without a load balancer become healthy by time alone.
        let settling = views.iter().filter(|v| v.running && !v.healthy).filter_map(|v| v.started);
        if let Some(next) = settling.map(|started| started + settle).filter(|at| *at > now).min() {
            service.wake(next);
        }
        let grace = service.grace();
        if let Some(next) = views.iter().filter_map(|v| v.started).map(|s| s + grace).filter(|at| *at > now).min() {
            service.wake(next);
        }
        if moved {
            self.wake_service(key, now);
            return;
        }
        let new: Vec<&View> = views.iter().filter(|v| v.primary && v.live).collect();
        let old = views.iter().filter(|v| !v.primary && (v.live || waits) && !v.stopped).count();
        let reached = old == 0 && new.len() == desired && new.iter().all(|v| v.healthy);
        let early = !self.core.settings.beliefs.completion_means_in_service && new.len() == desired;
        let in_progress = service.deployments.first().is_some_and(|d| d.rollout == Rollout::InProgress);
        let was_steady = service.steady;
        if (reached || early) && in_progress && self.baked(key, now) {
            self.complete_deployment(key, now);
        }
        if reached && !was_steady {
            let id = self.core.ids.uuid();
            if let Some(service) = self.ecs.services.get_mut(key) {
                service.steady = true;
                service.say(id, now, "has reached a steady state.");
            }
        }
    }
}
