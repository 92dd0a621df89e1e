//! The machine of a service deployment under a native strategy: one look at a time, from stage to stage, or back.

use serde_json::Value;

use super::hooks::Verdict;
use super::{Back, Revision, Rollback, ServiceDeployment, Stage, Status, step_minutes, steps};
use crate::ecs::{Rollout, ServiceKey, Svc, TaskStatus};
use crate::elb::HealthState;
use crate::{Millis, World};

/// More looks than a deployment has stages end a pass, whatever the configuration says.
const LOOKS: usize = 200;

enum Next {
    Again,
    Wait,
}

impl World {
    pub(super) fn newest(&mut self, key: &ServiceKey) -> Option<&mut ServiceDeployment> {
        self.ecs.services.get_mut(key)?.native.deployments.first_mut()
    }

    pub(super) fn service_of_deployment(&self, arn: &str) -> Option<ServiceKey> {
        let has = |service: &&Svc| service.native.deployments.iter().any(|deployment| deployment.arn == arn);
        let service = self.ecs.services.values().find(has)?;
        Some((service.cluster.clone(), service.name.clone()))
    }

    /// A service deployment for a deployment that starts: its revision, and whatever ran before it ends.
    pub(in crate::ecs) fn begin_service_deployment(&mut self, key: &ServiceKey, id: &str, now: Millis) {
        let (hex, number) = (self.core.ids.hex32(), self.core.ids.bits());
        let stays = self.core.settings.beliefs.rolling_stays_in_its_group;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let of = |kind: &str| service.arn.replace(":service/", &format!(":{kind}/"));
        let doc = Value::Object(service.members().clone());
        let native = service.is_native();
        let source = service.native.source();
        let side = |id: &str| service.deployments.iter().find(|own| own.id == id).map(|own| own.alternate);
        // A rolling deployment that went back left its tasks under an id of their own.
        let back = service.last_completed.as_ref().and_then(|(id, _)| side(id));
        let of_source = |id: &str| side(id).or(back).unwrap_or(false);
        // The new tasks go to the target groups that the live ones are not in; a rolling deployment stays where it is.
        let alternate = source.as_ref().is_some_and(|(id, _)| of_source(id) != native) && (native || stays);
        if let Some(own) = service.deployments.first_mut() {
            own.alternate = alternate;
        }
        let revision = Revision {
            arn: format!("{}/{}", of("service-revision"), number % 10_000_000_000_000_000_000),
            task_definition: service.task_definition.clone(),
            created: now,
            alternate,
            doc,
        };
        let before = service.native.deployments.first_mut().filter(|before| before.status.running());
        if let Some(before) = before {
            before.status = Status::Stopped;
            before.asked = Some(now);
            before.reason = "The service deployment was stopped: a newer one was started.".to_owned();
            before.finished = Some(now);
            before.updated = now;
        }
        let deployment = ServiceDeployment {
            arn: format!("{}/{}", of("service-deployment"), &hex[..21]),
            deployment: id.to_owned(),
            source,
            target: revision.arn.clone(),
            status: if native { Status::Pending } else { Status::InProgress },
            reason: String::new(),
            stage: None,
            entered: now,
            hooked: false,
            step: 0,
            production: 0.0,
            test: 0.0,
            created: now,
            started: (!native).then_some(now),
            finished: None,
            updated: now,
            hooks: Vec::new(),
            rollback: None,
            triggered: Vec::new(),
            breaker_failures: 0,
            execution: hex,
            asked: None,
        };
        service.native.revisions.insert(0, revision);
        service.native.deployments.insert(0, deployment);
        // Three months are kept; so many are enough here.
        service.native.deployments.truncate(100);
    }

    /// A rolling deployment ended, as its service deployment tells it.
    pub(in crate::ecs) fn note_rolling(&mut self, key: &ServiceKey, status: Status, reason: &str, now: Millis) {
        let failures = self.ecs.services.get(key).and_then(|s| s.deployments.first()).map_or(0, |d| d.failed_tasks);
        let Some(deployment) = self.newest(key).filter(|deployment| deployment.status.running()) else { return };
        deployment.breaker_failures = deployment.breaker_failures.max(failures);
        deployment.status = match (status, &deployment.rollback) {
            (Status::Successful, Some(_)) => Status::RollbackSuccessful,
            (status, _) => status,
        };
        deployment.reason = reason.to_owned();
        deployment.updated = now;
        if deployment.status == Status::RollbackInProgress {
            let step = Back::CleanUp;
            deployment.rollback.get_or_insert(Rollback { reason: reason.to_owned(), started: now, step });
        }
        if !deployment.status.running() {
            deployment.finished = Some(now);
        }
    }

    /// One look at a service whose native deployment runs.
    pub(in crate::ecs) fn native_pass(&mut self, key: &ServiceKey, now: Millis) {
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.next_pass = None;
        }
        self.listen(key, now);
        for _ in 0..LOOKS {
            match self.native_step(key, now) {
                Next::Again => {}
                Next::Wait => break,
            }
        }
        self.native_tasks(key, now);
    }

    /// The deployment's alarms: unless they were in ALARM when it started.
    fn listen(&mut self, key: &ServiceKey, now: Millis) {
        let Some(service) = self.ecs.services.get(key) else { return };
        let blind = service.deployments.first().is_none_or(|deployment| deployment.alarms_blind);
        let fired: Vec<String> =
            service.alarm_names().into_iter().filter(|name| self.cloudwatch.is_in_alarm(name)).collect();
        let rolls = service.configuration()["alarms"]["rollback"] == true;
        let Some(deployment) = self.newest(key).filter(|deployment| deployment.status == Status::InProgress) else {
            return;
        };
        if blind || fired.is_empty() || deployment.stage == Some(Stage::CleanUp) {
            return;
        }
        let reason = format!("ECS deployment alarm: {} in ALARM.", fired.join(", "));
        deployment.triggered = fired;
        if rolls {
            self.go_back(key, reason, now);
        } else {
            self.end_native(key, Status::Stopped, &reason, now);
        }
    }

    /// Begins the way back.
    pub(super) fn go_back(&mut self, key: &ServiceKey, reason: String, now: Millis) {
        let Some(deployment) = self.newest(key) else { return };
        deployment.updated = now;
        deployment.reason.clone_from(&reason);
        deployment.hooked = false;
        if deployment.source.is_none() {
            self.end_native(key, Status::RollbackFailed, "There is no earlier service revision to go back to.", now);
            return;
        }
        deployment.status = Status::RollbackInProgress;
        deployment.rollback = Some(Rollback { reason: reason.clone(), started: now, step: Back::Production });
        let id = deployment.deployment.clone();
        if let Some(service) = self.ecs.services.get_mut(key) {
            let event = id.clone();
            service.say(event.clone(), now, &format!("(deployment {event}) deployment failed: {reason}"));
            if let Some(own) = service.deployments.iter_mut().find(|own| own.id == id) {
                own.rollout = Rollout::Failed;
                own.reason.clone_from(&reason);
                own.updated = now;
            }
            service.wake(now);
        }
        self.deployment_event(key, "ERROR", "SERVICE_DEPLOYMENT_FAILED", &id, &reason, now);
        self.deployment_event(
            key,
            "INFO",
            "SERVICE_DEPLOYMENT_IN_PROGRESS",
            &id,
            &format!("Rolling back: {reason}"),
            now,
        );
    }

    fn native_step(&mut self, key: &ServiceKey, now: Millis) -> Next {
        let Some(deployment) = self.newest(key).filter(|deployment| deployment.status.running()) else {
            return Next::Wait;
        };
        match (deployment.status, deployment.stage) {
            (Status::RollbackRequested, _) => {
                let reason = deployment.reason.clone();
                self.go_back(key, reason, now);
                Next::Again
            }
            (Status::RollbackInProgress, _) => self.step_back(key, now),
            (_, None) => {
                deployment.status = Status::InProgress;
                deployment.started = Some(now);
                self.enter(key, Stage::ReconcileService, now);
                Next::Again
            }
            (_, Some(stage)) => self.step_on(key, stage, now),
        }
    }

    fn enter(&mut self, key: &ServiceKey, stage: Stage, now: Millis) {
        if let Some(deployment) = self.newest(key) {
            deployment.stage = Some(stage);
            deployment.entered = now;
            deployment.updated = now;
            deployment.hooked = false;
        }
    }

    fn step_on(&mut self, key: &ServiceKey, stage: Stage, now: Millis) -> Next {
        let minute = self.core.settings.ecs.minute;
        let Some(service) = self.ecs.services.get(key) else { return Next::Wait };
        let configuration = service.configuration().clone();
        let Some(deployment) = service.native.deployments.first() else { return Next::Wait };
        let (hooked, entered, step) = (deployment.hooked, deployment.entered, deployment.step);
        let shares = steps(&configuration);
        match stage {
            Stage::ScaleUp => {
                if !self.target_is_healthy(key, now) {
                    return Next::Wait;
                }
            }
            Stage::BakeTime => {
                let until = entered + configuration["bakeTimeInMinutes"].as_u64().unwrap_or(15) * minute;
                if until > now {
                    return self.later(key, until);
                }
            }
            Stage::CleanUp => {
                if self.source_is_gone(key) {
                    self.end_native(key, Status::Successful, "", now);
                }
                return Next::Wait;
            }
            Stage::ReconcileService
            | Stage::PreScaleUp
            | Stage::PostScaleUp
            | Stage::TestTrafficShift
            | Stage::PostTestTrafficShift
            | Stage::PreProductionTrafficShift
            | Stage::ProductionTrafficShift
            | Stage::PostProductionTrafficShift => {
                if !hooked {
                    if let Err(reason) = self.shift(key, stage, shares.get(step).copied().unwrap_or(100.0), now) {
                        self.go_back(key, reason, now);
                        return Next::Again;
                    }
                    if let Some(deployment) = self.newest(key) {
                        deployment.hooked = true;
                    }
                    self.start_hooks(key, stage, false, now);
                }
                match self.check_hooks(key, stage, false, now) {
                    Verdict::Wait => return Next::Wait,
                    Verdict::Back(reason) => {
                        self.go_back(key, reason, now);
                        return Next::Again;
                    }
                    Verdict::Go => {}
                }
            }
        }
        if stage == Stage::ProductionTrafficShift && step + 1 < shares.len() {
            let until = entered + step_minutes(&configuration) * minute;
            if until > now {
                return self.later(key, until);
            }
            if let Some(deployment) = self.newest(key) {
                deployment.step += 1;
            }
            self.enter(key, Stage::PreProductionTrafficShift, now);
            return Next::Again;
        }
        if let Some(next) = stage.next() {
            self.enter(key, next, now);
        }
        Next::Again
    }

    fn later(&mut self, key: &ServiceKey, at: Millis) -> Next {
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.wake(at);
        }
        Next::Wait
    }

    /// Moves the weights of a stage, where it has any.
    fn shift(&mut self, key: &ServiceKey, stage: Stage, share: f64, now: Millis) -> Result<(), String> {
        match stage {
            // A deployment that took another one's place begins with all traffic on what is live.
            Stage::ReconcileService => {
                self.weigh(key, "productionListenerRule", 0.0, now)?;
                self.weigh(key, "testListenerRule", 0.0, now)
            }
            Stage::TestTrafficShift => {
                if let Some(deployment) = self.newest(key) {
                    deployment.test = 100.0;
                }
                self.weigh(key, "testListenerRule", 100.0, now)
            }
            Stage::ProductionTrafficShift => {
                if let Some(deployment) = self.newest(key) {
                    deployment.production = share;
                }
                self.weigh(key, "productionListenerRule", share, now)
            }
            _ => Ok(()),
        }
    }

    fn step_back(&mut self, key: &ServiceKey, now: Millis) -> Next {
        let Some(deployment) = self.newest(key) else { return Next::Wait };
        let (hooked, stage) = (deployment.hooked, deployment.stage);
        let Some(back) = deployment.rollback.as_mut() else { return Next::Wait };
        let (at, rule, next) = match back.step {
            Back::Production => (Stage::ProductionTrafficShift, "productionListenerRule", Back::Test),
            Back::Test => (Stage::TestTrafficShift, "testListenerRule", Back::CleanUp),
            Back::CleanUp => {
                let reason = back.reason.clone();
                if self.target_is_gone(key) {
                    self.end_native(key, Status::RollbackSuccessful, &reason, now);
                }
                return Next::Wait;
            }
        };
        // What was never shifted need not be shifted back.
        if stage.is_none_or(|reached| reached < at) {
            back.step = next;
            return Next::Again;
        }
        if !hooked {
            deployment.hooked = true;
            match at {
                Stage::TestTrafficShift => deployment.test = 0.0,
                _ => deployment.production = 0.0,
            }
            if let Err(reason) = self.weigh(key, rule, 0.0, now) {
                self.end_native(key, Status::RollbackFailed, &reason, now);
                return Next::Wait;
            }
            self.start_hooks(key, at, true, now);
        }
        match self.check_hooks(key, at, true, now) {
            Verdict::Wait => Next::Wait,
            Verdict::Back(reason) => {
                self.end_native(key, Status::RollbackFailed, &reason, now);
                Next::Wait
            }
            Verdict::Go => {
                if let Some(deployment) = self.newest(key) {
                    deployment.hooked = false;
                    if let Some(back) = deployment.rollback.as_mut() {
                        back.step = next;
                    }
                }
                Next::Again
            }
        }
    }

    /// Writes the weights of one listener rule, as ECS does: its two target groups, everything else as it was.
    fn weigh(&mut self, key: &ServiceKey, rule: &str, share: f64, now: Millis) -> Result<(), String> {
        let Some(service) = self.ecs.services.get(key) else { return Ok(()) };
        let Some(deployment) = service.native.deployments.first() else { return Ok(()) };
        let new = service.attachments_of(&deployment.deployment);
        let entries = service.member("loadBalancers").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut writes = Vec::new();
        for (entry, new) in entries.iter().zip(new) {
            let advanced = &entry["advancedConfiguration"];
            let Some(arn) = advanced[rule].as_str() else { continue };
            let share = if deployment.source.is_none() { 100.0 } else { share };
            // Weights are whole numbers up to 999: tenths of a percent need the finer scale.
            let (part, whole) = if share.fract() == 0.0 { (share, 100.0) } else { ((share * 9.99).round(), 999.0) };
            let groups = [&entry["targetGroupArn"], &advanced["alternateTargetGroupArn"]];
            let weight = |group: &str| if group == new.target_group { part as u64 } else { (whole - part) as u64 };
            let weights = groups.iter().filter_map(|group| Some((group.as_str()?, weight(group.as_str()?))));
            writes
                .push((arn.to_owned(), weights.map(|(group, weight)| (group.to_owned(), weight)).collect::<Vec<_>>()));
        }
        for (arn, weights) in writes {
            let weights: Vec<(&str, u64)> = weights.iter().map(|(group, weight)| (group.as_str(), *weight)).collect();
            self.ecs_weighs(&arn, &weights, now)?;
        }
        Ok(())
    }

    /// How many tasks of a deployment shall run now: of the target, of the source.
    fn wanted(service: &Svc) -> Option<[(String, u32); 2]> {
        let deployment = service.native.deployments.first()?;
        let back = deployment.rollback.as_ref().map(|back| back.step);
        let new = match (back, deployment.stage) {
            (Some(Back::CleanUp), _) => 0,
            (_, Some(stage)) if stage >= Stage::ScaleUp => service.desired,
            (_, _) => 0,
        };
        let old = match (back, deployment.stage) {
            (None, Some(Stage::CleanUp)) => 0,
            (_, _) => service.desired,
        };
        let source = deployment.source.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
        Some([(deployment.deployment.clone(), new), (source, old)])
    }

    /// Starts and stops tasks of both revisions as the stage wants them; those of neither go.
    fn native_tasks(&mut self, key: &ServiceKey, now: Millis) {
        let Some(service) = self.ecs.services.get(key).filter(|service| service.native.current().is_some()) else {
            return;
        };
        let Some(wanted) = Self::wanted(service) else { return };
        let mut moved = false;
        for (id, want) in &wanted {
            if id.is_empty() {
                continue;
            }
            let (stops, starts) = self.balance(key, id, *want as usize, now);
            let (placed, lack) = self.placeable(key, starts, false);
            moved |= !stops.is_empty() || placed > 0;
            for (task, reason, failed) in stops {
                self.stop_task(&task, "ServiceSchedulerInitiated", &reason, now);
                if failed {
                    self.count_failure(key, id, now);
                }
            }
            if placed < starts {
                self.not_placed(key, lack, now);
            }
            for zone in 0..placed {
                self.start_task(key, id, zone % 3, now);
            }
        }
        let strays: Vec<String> = self
            .ecs
            .tasks
            .values()
            .filter(|task| task.service == *key && task.wanted && wanted.iter().all(|(id, _)| *id != task.deployment))
            .map(|task| task.id.clone())
            .collect();
        for task in strays {
            self.stop_task(&task, "ServiceSchedulerInitiated", "Scaling activity initiated by a newer deployment", now);
        }
        if moved {
            self.wake_service(key, now);
        }
    }

    /// What to stop (and why, and whether that counts as a failure) and how many to start of one deployment.
    fn balance(&self, key: &ServiceKey, id: &str, want: usize, now: Millis) -> (Vec<(String, String, bool)>, usize) {
        let not_before = self.ecs.services.get(key).map_or(0, |service| service.not_before);
        let grace = self.ecs.services.get(key).map_or(0, Svc::grace);
        let own = self.ecs.tasks.values().filter(|task| task.service == *key && task.deployment == id && task.wanted);
        let (mut stops, mut kept) = (Vec::new(), Vec::new());
        for task in own {
            let unhealthy = task.started.is_some_and(|at| now >= at + grace)
                && self.core.settings.beliefs.unhealthy_tasks_are_replaced
                && task.attachments.iter().any(|at| {
                    self.elb.target_state(&at.target_group, &task.ip, at.port) == Some(HealthState::Unhealthy)
                });
            if unhealthy && want > 0 {
                stops.push((task.id.clone(), self.unhealthy_reason(&task.id), true));
            } else {
                kept.push(task.id.clone());
            }
        }
        let reason = format!("Scaling activity initiated by (deployment {id})");
        stops.extend(kept.iter().skip(want).map(|task| (task.clone(), reason.clone(), false)));
        let starts = if not_before > now { 0 } else { want.saturating_sub(kept.len()) };
        (stops, starts)
    }

    fn target_is_healthy(&self, key: &ServiceKey, now: Millis) -> bool {
        let Some(service) = self.ecs.services.get(key) else { return false };
        let (desired, settle) = (service.desired as usize, self.core.settings.ecs.settle);
        let Some(id) = service.native.deployments.first().map(|deployment| deployment.deployment.clone()) else {
            return false;
        };
        let healthy = self.ecs.tasks.values().filter(|task| {
            task.service == *key
                && task.deployment == id
                && task.wanted
                && task.status == TaskStatus::Running
                && match task.attachments.is_empty() {
                    true => task.started.is_some_and(|started| started + settle <= now),
                    false => task.attachments.iter().all(|at| {
                        self.elb.target_state(&at.target_group, &task.ip, at.port) == Some(HealthState::Healthy)
                    }),
                }
        });
        healthy.count() >= desired
    }

    fn none_left(&self, key: &ServiceKey, id: Option<&String>) -> bool {
        let of = |task: &&crate::ecs::Task| task.service == *key && Some(&task.deployment) == id;
        !self.ecs.tasks.values().any(|task| of(&task) && task.status != TaskStatus::Stopped)
    }

    fn source_is_gone(&self, key: &ServiceKey) -> bool {
        let deployment = self.ecs.services.get(key).and_then(|service| service.native.deployments.first());
        let source = deployment.and_then(|deployment| deployment.source.as_ref()).map(|(id, _)| id);
        source.is_none() || self.none_left(key, source)
    }

    fn target_is_gone(&self, key: &ServiceKey) -> bool {
        let deployment = self.ecs.services.get(key).and_then(|service| service.native.deployments.first());
        self.none_left(key, deployment.map(|deployment| &deployment.deployment))
    }

    /// A service deployment is over: `deployments` shows what is live, and nothing else.
    fn end_native(&mut self, key: &ServiceKey, status: Status, reason: &str, now: Millis) {
        let Some(deployment) = self.newest(key) else { return };
        deployment.status = status;
        deployment.reason = reason.to_owned();
        deployment.finished = Some(now);
        deployment.updated = now;
        let (id, source) = (deployment.deployment.clone(), deployment.source.clone());
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let live = match status {
            Status::RollbackSuccessful => source.map_or(id.clone(), |(source, _)| source),
            _ => id.clone(),
        };
        if let Status::Successful | Status::RollbackSuccessful = status {
            service.deployments.retain(|other| other.id == live);
            if let Some(first) = service.deployments.first_mut() {
                first.rollout = Rollout::Completed;
                first.updated = now;
                first.reason = format!("ECS deployment {live} completed.");
                service.task_definition = first.task_definition.clone();
                service.last_completed = Some((live.clone(), first.task_definition.clone()));
            }
            service.say(id.clone(), now, &format!("(deployment {live}) deployment completed."));
            service.steady = false;
            service.wake(now);
        } else if let Some(first) = service.deployments.iter_mut().find(|other| other.id == id) {
            first.rollout = Rollout::Failed;
            first.reason = reason.to_owned();
            first.updated = now;
        }
        let (kind, name) = match status {
            Status::Successful | Status::RollbackSuccessful => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
            _ => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
        };
        let reason = if reason.is_empty() { format!("ECS deployment {id} completed.") } else { reason.to_owned() };
        self.deployment_event(key, kind, name, &id, &reason, now);
    }
}
