//! A task's life, from PROVISIONING to STOPPED.

use serde_json::Value;

use super::{Container, ServiceKey, Task, TaskStatus, short};
use crate::world::Area;
use crate::{Happening, Manners, Millis, TaskPlan, World};

impl World {
    /// Starts a task of one of a service's deployments, in this zone unless its subnets say where; returns its id.
    pub(super) fn start_task(
        &mut self,
        key: &ServiceKey,
        deployment: &str,
        zone: usize,
        now: Millis,
    ) -> Option<String> {
        let (subnet, zone) = self.next_subnet(key).map_or((None, zone), |(subnet, zone)| (Some(subnet), zone));
        let service = self.ecs.services.get(key)?;
        let own = service.deployments.iter().find(|own| own.id == deployment);
        let definition = own.map_or(&service.task_definition, |own| &own.task_definition).clone();
        let (attachments, region) = (service.attachments_of(deployment), service.region.clone());
        let id = self.core.ids.hex32();
        let doc = self.definition(&definition)?;
        let declared = doc["containerDefinitions"].as_array().cloned().unwrap_or_default();
        let containers = declared
            .iter()
            .map(|container| Container {
                name: container["name"].as_str().unwrap_or_default().to_owned(),
                image: container["image"].as_str().unwrap_or_default().to_owned(),
                tag: String::new(),
                digest: String::new(),
                runtime: format!("{id}-{:010}", self.core.ids.bits() % 10_000_000_000),
            })
            .collect();
        let mappings = declared.iter().flat_map(|container| container["portMappings"].as_array().into_iter().flatten());
        let mut ports: Vec<u16> =
            mappings.filter_map(|mapping| Some(mapping["containerPort"].as_u64()? as u16)).collect();
        if let Some(first) = attachments.first() {
            ports.retain(|port| *port != first.port);
            ports.insert(0, first.port);
        }
        if ports.is_empty() {
            ports.push(80);
        }
        let n = self.ecs.tasks_made;
        self.ecs.tasks_made += 1;
        let ip = format!("127.{}.{}.{}", 1 + n / 65_024 % 250, n / 254 % 256, n % 254 + 1);
        let (account, units) = (&self.core.settings.account, self.units(&definition));
        let task = Task {
            arn: format!("arn:aws:ecs:{region}:{account}:task/{}/{id}", key.0),
            id: id.clone(),
            service: key.clone(),
            region,
            deployment: deployment.to_owned(),
            task_definition: definition,
            status: TaskStatus::Provisioning,
            wanted: true,
            zone,
            subnet,
            units,
            ip: ip.clone(),
            attachments,
            ports,
            containers,
            manners: Manners::default(),
            created: now,
            started: None,
            stopping: None,
            stopped: None,
            stop_code: None,
            stopped_reason: String::new(),
            exit_code: None,
            version: 1,
            was_healthy: false,
            next: Some(now + self.core.settings.ecs.provisioning),
            answered: 0,
        };
        self.ecs.units += units;
        if let Some(subnet) = &task.subnet {
            self.ec2.hold(subnet, true);
        }
        self.ecs.by_ip.insert(ip, id.clone());
        self.ecs.tasks.insert(id.clone(), task);
        self.task_event(&id, now);
        Some(id)
    }

    /// The change that a task's `next` stands for.
    pub(crate) fn task_due(&mut self, id: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.next = None;
        match task.status {
            TaskStatus::Provisioning => self.task_pulls(id, now),
            TaskStatus::Pending if task.stop_code.is_some() => self.task_failed(id, now),
            TaskStatus::Pending => self.task_runs(id, now),
            TaskStatus::Running => self.task_died(id, 1, "Essential container in task exited", now),
            TaskStatus::Deactivating => {
                task.status = TaskStatus::Stopping;
                task.next = Some(now + self.core.settings.ecs.stop_grace);
                self.task_event(id, now);
            }
            TaskStatus::Stopping => self.task_stopped(id, now),
            TaskStatus::Stopped => {}
        }
    }

    fn task_pulls(&mut self, id: &str, now: Millis) {
        let times = self.core.settings.ecs.clone();
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.status = TaskStatus::Pending;
        for container in &mut task.containers {
            match self.ecr.pull(&container.image) {
                Ok(Some(pulled)) => {
                    container.tag = pulled.tag;
                    container.digest = pulled.digest;
                    task.manners = task.manners.join(&pulled.manners);
                }
                Ok(None) => {
                    container.tag = container.image.rsplit_once(':').map(|(_, tag)| tag.to_owned()).unwrap_or_default();
                }
                Err(why) => {
                    task.stop_code = Some("TaskFailedToStart");
                    task.stopped_reason = format!(
                        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {why}"
                    );
                }
            }
        }
        let wait = match task.stop_code {
            Some(_) => times.pull_failure,
            None => times.task_start + task.manners.start,
        };
        task.next = Some((task.created + wait).max(now + 1));
        self.task_event(id, now);
    }

    fn task_runs(&mut self, id: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.status = TaskStatus::Running;
        task.started = Some(now);
        task.next = task.manners.crash_after.map(|after| now + after.max(self.core.settings.ecs.crash_after));
        let (attachments, ip, key) = (task.attachments.clone(), task.ip.clone(), task.service.clone());
        if let Some(plan) = self.plan(id) {
            self.core.out.push(Happening::StartTask(plan));
        }
        for at in &attachments {
            let event = self.core.ids.uuid();
            self.elb_register(&at.target_group, &ip, at.port, now);
            if let Some(service) = self.ecs.services.get_mut(&key) {
                service.say(event, now, &format!("registered 1 targets in (target-group {})", at.target_group));
            }
        }
        self.task_event(id, now);
        self.wake_service(&key, now);
    }

    /// How the task is to be served, once it runs.
    pub(crate) fn plan(&self, id: &str) -> Option<TaskPlan> {
        let task = self.ecs.tasks.get(id)?;
        let first = task.attachments.first().and_then(|at| task.containers.iter().find(|c| c.name == at.container));
        let container = first.or_else(|| task.containers.first())?;
        Some(TaskPlan {
            task_id: task.id.clone(),
            task_arn: task.arn.clone(),
            service: task.service.1.clone(),
            ip: task.ip.clone(),
            port: *task.ports.first()?,
            ports: task.ports.clone(),
            image: container.image.clone(),
            image_tag: container.tag.clone(),
            digest: container.digest.clone(),
            manners: task.manners.clone(),
            started_at: task.started?,
        })
    }

    /// Asks a task to end: out of its target groups first, then SIGTERM, then gone.
    pub(super) fn stop_task(&mut self, id: &str, code: &'static str, reason: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get_mut(id).filter(|task| task.wanted) else { return };
        task.wanted = false;
        task.stop_code = Some(code);
        task.stopped_reason = reason.to_owned();
        task.stopping = Some(now);
        let status = task.status;
        match status {
            TaskStatus::Provisioning | TaskStatus::Pending => self.task_stopped(id, now),
            TaskStatus::Running => {
                let drains = self.leave_target_groups(id, now);
                let grace = self.core.settings.ecs.stop_grace;
                if let Some(task) = self.ecs.tasks.get_mut(id) {
                    task.status = if drains > 0 { TaskStatus::Deactivating } else { TaskStatus::Stopping };
                    task.next = Some(now + if drains > 0 { drains } else { grace });
                }
                self.task_event(id, now);
            }
            TaskStatus::Deactivating | TaskStatus::Stopping | TaskStatus::Stopped => {}
        }
    }

    /// Deregisters a task's targets; returns how long they drain.
    fn leave_target_groups(&mut self, id: &str, now: Millis) -> Millis {
        let Some(task) = self.ecs.tasks.get(id) else { return 0 };
        let (attachments, ip, key) = (task.attachments.clone(), task.ip.clone(), task.service.clone());
        let mut longest = 0;
        for at in &attachments {
            longest = longest.max(self.elb_deregister(&at.target_group, &ip, at.port, now));
            let event = self.core.ids.uuid();
            if let Some(service) = self.ecs.services.get_mut(&key) {
                service.say(event, now, &format!("deregistered 1 targets in (target-group {})", at.target_group));
            }
        }
        longest.min(self.core.settings.ecs.deregistration_cap)
    }

    fn task_stopped(&mut self, id: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.status = TaskStatus::Stopped;
        task.wanted = false;
        task.next = None;
        task.stopped = Some(now);
        task.stopping.get_or_insert(now);
        let (key, ip, served) = (task.service.clone(), task.ip.clone(), task.started.is_some());
        if served {
            task.exit_code.get_or_insert(0);
            self.core.out.push(Happening::StopTask { task_id: id.to_owned() });
        }
        self.ecs.units = self.ecs.units.saturating_sub(task.units);
        if let Some(subnet) = &task.subnet {
            self.ec2.hold(subnet, false);
        }
        self.ecs.by_ip.remove(&ip);
        self.task_event(id, now);
        self.wake_service(&key, now);
        // ECS shows a stopped task for about an hour.
        self.ecs.tasks.retain(|_, task| task.stopped.is_none_or(|at| at + 3_600_000 > now));
    }

    fn task_failed(&mut self, id: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let (key, deployment) = (task.service.clone(), task.deployment.clone());
        self.task_stopped(id, now);
        self.count_failure(&key, &deployment, now);
    }

    /// A task's process ended by itself.
    pub fn task_died(&mut self, task_id: &str, exit_code: i64, reason: &str, now: Millis) {
        self.core.touch(Area::Services);
        self.core.touch(Area::Targets);
        let Some(task) = self.ecs.tasks.get_mut(short(task_id)) else { return };
        let id = task.id.clone();
        match task.status {
            TaskStatus::Running => {
                task.exit_code = Some(exit_code);
                task.stop_code = Some("EssentialContainerExited");
                task.stopped_reason = reason.to_owned();
                task.stopping = Some(now);
                task.wanted = false;
                self.leave_target_groups(&id, now);
                self.task_failed(&id, now);
            }
            TaskStatus::Provisioning | TaskStatus::Pending => {
                task.exit_code = Some(exit_code);
                task.stop_code = Some("TaskFailedToStart");
                task.stopped_reason = reason.to_owned();
                self.task_failed(&id, now);
            }
            TaskStatus::Deactivating | TaskStatus::Stopping => {
                task.exit_code = Some(exit_code);
                self.task_stopped(&id, now);
            }
            TaskStatus::Stopped => {}
        }
    }

    /// A running task's health checks fail from now on, whatever its image says.
    pub fn task_sickens(&mut self, task_id: &str) {
        if let Some(task) = self.ecs.tasks.get_mut(short(task_id)) {
            task.manners.unhealthy_after = Some(0);
        }
    }

    /// Every task that must be served now.
    pub fn running_tasks(&self) -> Vec<TaskPlan> {
        let served = |task: &&Task| task.started.is_some() && task.status != TaskStatus::Stopped;
        self.ecs.tasks.values().filter(served).filter_map(|task| self.plan(&task.id)).collect()
    }

    /// The scheduler looks at a service soon.
    pub(crate) fn wake_service(&mut self, key: &ServiceKey, now: Millis) {
        let due = now + self.core.settings.ecs.scheduler_delay;
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.wake(due);
        }
    }

    fn task_event(&mut self, id: &str, now: Millis) {
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.version += 1;
        let (arn, region) = (task.arn.clone(), task.region.clone());
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let detail: Value = self.task_doc(task, now, true);
        self.core.event(now, &region, "aws.ecs", "ECS Task State Change", vec![arn], detail);
    }
}
