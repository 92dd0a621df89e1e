//! What services use: CPU and memory by the minute, made from their requests and from loads that are set from outside.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cloudwatch::Sample;
use crate::ecs::{ServiceKey, TaskStatus};
use crate::{Millis, World};

/// CPUUtilization and MemoryUtilization have a value a minute (ECS developer guide).
pub(super) const EVERY: Millis = 60_000;

/// A task at rest uses so many percent of its CPU, and of its memory.
const AT_REST: (f64, f64) = (2.0, 30.0);

/// So many requests a second take all of a task's CPU: this world's own number.
const CAPACITY: f64 = 100.0;

impl World {
    /// A request that a task of a service answered.
    pub(crate) fn note_served(&mut self, address: &str, times: u32) {
        let service = self.ecs.by_ip.get(address).and_then(|id| self.ecs.tasks.get(id)).map(|task| &task.service);
        let Some(service) = service else { return };
        match self.autoscaling.served.get_mut(service) {
            Some(served) => *served += u64::from(times),
            None => {
                self.autoscaling.served.insert(service.clone(), u64::from(times));
            }
        }
    }

    /// Puts a load on a service from now on, in percent of one task's CPU, beside its requests: 200 keeps two tasks busy.
    pub fn set_load(&mut self, cluster: &str, service: &str, percent: f64) {
        self.autoscaling.loads.insert((cluster.to_owned(), service.to_owned()), percent);
    }

    /// Sets how much of their memory a service's tasks use from now on, in percent.
    pub fn set_memory(&mut self, cluster: &str, service: &str, percent: f64) {
        self.autoscaling.memories.insert((cluster.to_owned(), service.to_owned()), percent);
    }

    /// Publishes what each scaled service with tasks uses.
    pub(crate) fn publish_usage(&mut self, now: Millis) {
        self.autoscaling.next_usage = Some((now / EVERY + 1) * EVERY);
        let keys: Vec<ServiceKey> =
            self.autoscaling.targets.keys().filter_map(|resource| super::service_key(resource)).collect();
        self.publish_vcpus(now);
        let served = std::mem::take(&mut self.autoscaling.served);
        let (mut up, mut coming) = (BTreeMap::new(), BTreeMap::new());
        for task in self.ecs.tasks.values().filter(|task| task.wanted) {
            let which = if task.status == TaskStatus::Running { &mut up } else { &mut coming };
            *which.entry(task.service.clone()).or_insert(0_u32) += 1;
        }
        for key in keys {
            let of = |which: &BTreeMap<ServiceKey, u32>| f64::from(which.get(&key).copied().unwrap_or_default());
            let (tasks, pending) = (of(&up), of(&coming));
            self.publish_insights(&key, (tasks, pending), now);
            if tasks == 0.0 {
                continue;
            }
            let requests = served.get(&key).copied().unwrap_or_default() as f64 * 1_000.0 / EVERY as f64;
            let load = self.autoscaling.loads.get(&key).copied().unwrap_or_default() + requests * 100.0 / CAPACITY;
            let cpu = (AT_REST.0 + load / tasks).min(100.0);
            // The minute that has just ended.
            let at = now.saturating_sub(EVERY);
            let memory = self.autoscaling.memories.get(&key).copied().unwrap_or(AT_REST.1);
            for (name, value) in [("CPUUtilization", cpu), ("MemoryUtilization", memory)] {
                let metric = json!({
                    "Namespace": "AWS/ECS", "MetricName": name,
                    "Dimensions": [{ "Name": "ClusterName", "Value": key.0 }, { "Name": "ServiceName", "Value": key.1 }],
                });
                self.cloudwatch.publish(&metric, EVERY, at, Sample::of(value));
            }
        }
    }

    /// What the account uses of its quota of Fargate, on demand (ECS developer guide, Fargate usage metrics).
    fn publish_vcpus(&mut self, now: Millis) {
        let dimension = |(name, value): (&str, &str)| json!({ "Name": name, "Value": value });
        let all = [("Class", "Standard/OnDemand"), ("Resource", "vCPU"), ("Service", "Fargate"), ("Type", "Resource")];
        let metric =
            json!({ "Namespace": "AWS/Usage", "MetricName": "ResourceCount", "Dimensions": all.map(dimension) });
        let used = self.ecs.units as f64 / 1_024.0;
        self.cloudwatch.publish(&metric, EVERY, now.saturating_sub(EVERY), Sample::of(used));
    }

    /// What Container Insights tells of a service, where its cluster has them.
    fn publish_insights(&mut self, key: &ServiceKey, (running, pending): (f64, f64), now: Millis) {
        if !self.has_insights(&key.0) {
            return;
        }
        let desired = self.ecs.services.get(key).map_or(0.0, |service| f64::from(service.desired));
        for (name, value) in
            [("DesiredTaskCount", desired), ("RunningTaskCount", running), ("PendingTaskCount", pending)]
        {
            let metric = json!({
                "Namespace": "ECS/ContainerInsights", "MetricName": name,
                "Dimensions": [{ "Name": "ClusterName", "Value": key.0 }, { "Name": "ServiceName", "Value": key.1 }],
            });
            self.cloudwatch.publish(&metric, EVERY, now.saturating_sub(EVERY), Sample::of(value));
        }
    }
}
