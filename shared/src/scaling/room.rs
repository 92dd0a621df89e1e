//! What a service needs around it to grow: healthy targets in time, addresses, zones, and a part of the account's quota.

use serde::{Deserialize, Serialize};

/// How a target group comes to call a target healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Seconds from one check to the next.
    pub interval: u32,
    /// So many must pass in a row.
    pub threshold: u32,
}

/// Application Auto Scaling gives an ECS service so many seconds to show what its last scale-out did (its user guide,
/// ScaleOutCooldown).
pub(super) const COOLDOWN: u32 = 300;

impl HealthCheck {
    /// Seconds until a target that failed its checks is called healthy again, where they pass from then on. A new target needs one
    /// check only (Elastic Load Balancing user guides), but one that starts slowly has failed some.
    #[must_use]
    pub fn takes(&self) -> u32 {
        self.interval.saturating_mul(self.threshold)
    }

    /// It takes longer than a scale-out is given to show what it did.
    #[must_use]
    pub fn late(&self) -> bool {
        self.takes() > COOLDOWN
    }
}

/// A subnet of tasks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    /// Its availability zone's name.
    pub zone: String,
    /// IPv4 addresses that nothing has; none: it has none at all, and more IPv6 addresses than anybody needs.
    pub free: Option<u32>,
}

/// How many CPU units of Fargate an account may use in a region at once, on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// At most.
    pub limit: u64,
    /// Now.
    pub used: u64,
}

/// CPU units of one vCPU (ECS developer guide, task size).
pub const VCPU: u64 = 1024;

impl Quota {
    /// What is left.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}
