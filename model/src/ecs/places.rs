//! Where a task goes, and whether there is room for it: in the cluster, in its subnets, in the account's quota of Fargate.

use super::{ServiceKey, Task, TaskStatus};
use crate::World;

/// CPU units of a task whose definition names none.
const UNITS: u64 = 256;

/// Why a task is not placed, as ECS tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The cluster is full.
    Capacity,
    /// No subnet has an address left.
    Addresses,
    /// The account uses all of its Fargate vCPUs.
    Quota,
}

impl Lack {
    /// ECS's words, which no page of its documentation lists completely.
    pub(super) fn words(self) -> &'static str {
        match self {
            Lack::Capacity => {
                "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different \
                 availability zone. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
            }
            Lack::Addresses => {
                "failed to launch a task with (error ECS was unable to assign a private IP address: \
                 InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request.)."
            }
            Lack::Quota => {
                "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
            }
        }
    }
}

impl World {
    /// The account's quota of Fargate vCPUs on demand from now on.
    pub fn set_vcpu_quota(&mut self, vcpus: u32) {
        self.ecs.vcpus = vcpus;
        self.changed();
    }

    /// CPU units of a task of this definition.
    pub(super) fn units(&self, definition: &str) -> u64 {
        let named = self.definition(definition).and_then(|doc| doc.get("cpu")?.as_str()?.parse().ok());
        named.unwrap_or(UNITS)
    }

    /// How many of these tasks have room, and what the others lack.
    pub(super) fn placeable(&self, key: &ServiceKey, starts: usize, in_cluster: bool) -> (usize, Lack) {
        let mut least = (starts, Lack::Capacity);
        let mut narrow = |room: usize, lack: Lack| {
            if room < least.0 {
                least = (room, lack);
            }
        };
        if in_cluster {
            narrow(self.room(&key.0), Lack::Capacity);
        }
        if let Some(subnets) = self.subnets_of(key) {
            let free = subnets.iter().filter_map(|id| Some(self.ec2.room(id)?.1 as usize)).sum();
            narrow(free, Lack::Addresses);
        }
        if let Some(service) = self.ecs.services.get(key) {
            let free = (u64::from(self.ecs.vcpus) * 1_024).saturating_sub(self.ecs.units);
            narrow((free / self.units(&service.task_definition).max(1)) as usize, Lack::Quota);
        }
        least
    }

    /// The subnets that a service names; none: it names none, and its tasks have whatever the cluster has.
    fn subnets_of(&self, key: &ServiceKey) -> Option<Vec<&str>> {
        let vpc = self.ecs.services.get(key)?.member("networkConfiguration")?.get("awsvpcConfiguration")?;
        let named: Vec<&str> = vpc["subnets"].as_array()?.iter().filter_map(|id| id.as_str()).collect();
        (!named.is_empty()).then_some(named)
    }

    /// The subnet and its zone for the service's next task: of those with an address left the one that has the fewest of its tasks.
    pub(super) fn next_subnet(&self, key: &ServiceKey) -> Option<(String, usize)> {
        let own = |id: &str| {
            let there = |task: &&Task| task.service == *key && task.wanted && task.subnet.as_deref() == Some(id);
            self.ecs.tasks.values().filter(there).count()
        };
        let free = self.subnets_of(key)?.into_iter().filter(|id| self.ec2.room(id).is_some_and(|(_, free)| free > 0));
        let id = free.min_by_key(|id| own(id))?;
        Some((id.to_owned(), self.ec2.room(id)?.0))
    }

    /// How many more tasks the cluster has room for.
    fn room(&self, cluster: &str) -> usize {
        let Some(most) = self.ecs.room.get(cluster) else { return usize::MAX };
        let there = |task: &&Task| task.service.0 == cluster && task.status != TaskStatus::Stopped;
        most.saturating_sub(self.ecs.tasks.values().filter(there).count())
    }
}
