//! A native service as read: what is live, and its service deployments.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reading;
use crate::hook::is_gate;
use crate::ids::{RevisionArn, RouteArn, TargetGroupArn};
use crate::strategy::Share;
use crate::time::Time;

/// A native service as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeReading {
    /// The service's ARN.
    pub arn: String,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: u32,
    /// The task definition the service names.
    pub task_definition: RevisionArn,
    /// `deploymentConfiguration` as declared, whole.
    pub configuration: Value,
    /// Why Flipback cannot drive it, and what to change.
    pub undrivable: Option<(String, String)>,
    /// Where production traffic goes; read before a start and while a pause holds a stage.
    pub traffic: Reading<Traffic>,
    /// The service deployments since the time asked for, and the newest in any case; the newest first.
    pub deployments: Vec<ServiceDeployment>,
}

impl NativeReading {
    /// The service's own strategy, ROLLING where it names none.
    #[must_use]
    pub fn strategy(&self) -> &str {
        self.configuration["strategy"].as_str().unwrap_or("ROLLING")
    }

    /// The strategy of a deployment: its own, or the service's where it names none.
    #[must_use]
    pub fn strategy_of<'a>(&'a self, deployment: &'a ServiceDeployment) -> &'a str {
        deployment.strategy.as_deref().unwrap_or_else(|| self.strategy())
    }

    /// The function hook of a deployment that is a gate at this stage and waits: declared so by the service.
    #[must_use]
    pub fn gate<'a>(&self, deployment: &'a ServiceDeployment, stage: &str) -> Option<&'a Hook> {
        let declared: Vec<&Value> = self.configuration["lifecycleHooks"].as_array().into_iter().flatten().collect();
        let at = |hook: &&&Value| {
            let stages = hook["lifecycleStages"].as_array();
            stages.is_some_and(|stages| stages.iter().any(|name| name == stage)) && is_gate(&hook["hookDetails"])
        };
        let gates: Vec<&str> = declared.iter().filter(at).filter_map(|hook| hook["hookTargetArn"].as_str()).collect();
        deployment.hooks.iter().find(|hook| hook.running.as_deref().is_some_and(|arn| gates.contains(&arn)))
    }
}

/// The production rules as they are: what every target group gets, and whether it can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Per target group of the production rules; none for a service whose traffic ECS does not weigh.
    pub groups: BTreeMap<TargetGroupArn, GroupTraffic>,
    /// Production rules that forward to no target group, or with no weight: gone, or somebody else's answer.
    #[serde(default)]
    pub nowhere: BTreeSet<RouteArn>,
}

/// One target group of a production rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupTraffic {
    /// Its share of the rule's weight.
    pub share: Share,
    /// Its healthy targets.
    pub healthy: u32,
    /// Its targets in a state that says nothing of health: `unused`, `unavailable` and states this release does not know.
    #[serde(default)]
    pub other: u32,
}

impl Traffic {
    /// The group that has weight and is known to have no healthy target, if there is one. A target whose state says
    /// nothing of health is no proof of death.
    #[must_use]
    pub fn dead(&self) -> Option<&TargetGroupArn> {
        let dead = |group: &GroupTraffic| group.share.tenths() > 0 && group.healthy == 0 && group.other == 0;
        self.groups.iter().find(|(_, group)| dead(group)).map(|(arn, _)| arn)
    }

    /// Why users are not served, if they are known not to be.
    #[must_use]
    pub fn unserved(&self) -> Option<String> {
        if let Some(dead) = self.dead() {
            return Some(format!("production traffic goes to {}, which has no healthy target", dead.short()));
        }
        let rule = self.nowhere.first()?;
        Some(format!("the production rule {rule} sends traffic to no target group"))
    }
}

/// A service deployment as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// The task definition of its target service revision.
    pub revision: RevisionArn,
    /// When it was created.
    pub created: Time,
    /// Its status.
    pub status: DeploymentStatus,
    /// ECS's words on the status.
    pub reason: String,
    /// The lifecycle stage, as ECS writes it; none while it is pending, when it is over, and for rolling ones. No enum: the
    /// model of the API lacks documented stages.
    pub stage: Option<String>,
    /// The strategy it was started with; the service may be shown with the one before for some seconds.
    #[serde(default)]
    pub strategy: Option<String>,
    /// The target revision's share of the production traffic.
    pub weight: Share,
    /// Tasks of its target service revision that are RUNNING.
    pub running: u32,
    /// The target groups its tasks are in.
    pub groups: Vec<TargetGroupArn>,
    /// Whether there is an earlier service revision to go back to.
    pub has_source: bool,
    /// The hooks of the present stage.
    pub hooks: Vec<Hook>,
    /// Alarms that ECS itself saw firing.
    pub triggered: Vec<String>,
    /// ECS's circuit breaker has opened (`deploymentCircuitBreaker.status` is TRIGGERED).
    #[serde(default)]
    pub broken: bool,
    /// Since when ECS takes it back (`rollback.startedAt`).
    #[serde(default)]
    pub back_since: Option<Time>,
}

/// `status` of a service deployment. There is no FAILED.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentStatus {
    /// PENDING.
    Pending,
    /// IN_PROGRESS.
    InProgress,
    /// SUCCESSFUL.
    Successful,
    /// STOPPED: it failed and did not go back.
    Stopped,
    /// STOP_REQUESTED.
    StopRequested,
    /// ROLLBACK_REQUESTED.
    RollbackRequested,
    /// ROLLBACK_IN_PROGRESS.
    RollbackInProgress,
    /// ROLLBACK_SUCCESSFUL.
    RollbackSuccessful,
    /// ROLLBACK_FAILED.
    RollbackFailed,
    /// A value this release does not know.
    Other(String),
}

impl DeploymentStatus {
    /// The status of ECS's word.
    #[must_use]
    pub fn of(word: &str) -> DeploymentStatus {
        match word {
            "PENDING" => DeploymentStatus::Pending,
            "IN_PROGRESS" => DeploymentStatus::InProgress,
            "SUCCESSFUL" => DeploymentStatus::Successful,
            "STOPPED" => DeploymentStatus::Stopped,
            "STOP_REQUESTED" => DeploymentStatus::StopRequested,
            "ROLLBACK_REQUESTED" => DeploymentStatus::RollbackRequested,
            "ROLLBACK_IN_PROGRESS" => DeploymentStatus::RollbackInProgress,
            "ROLLBACK_SUCCESSFUL" => DeploymentStatus::RollbackSuccessful,
            "ROLLBACK_FAILED" => DeploymentStatus::RollbackFailed,
            other => DeploymentStatus::Other(other.to_owned()),
        }
    }

    /// Whether it goes forward, as far as this release knows its word.
    #[must_use]
    pub fn forward(&self) -> bool {
        match self {
            DeploymentStatus::Pending | DeploymentStatus::InProgress => true,
            DeploymentStatus::Successful
            | DeploymentStatus::Stopped
            | DeploymentStatus::StopRequested
            | DeploymentStatus::RollbackRequested
            | DeploymentStatus::RollbackInProgress
            | DeploymentStatus::RollbackSuccessful
            | DeploymentStatus::RollbackFailed
            | DeploymentStatus::Other(_) => false,
        }
    }

    /// Whether it goes on by itself. A word this release does not know may.
    #[must_use]
    pub fn running(&self) -> bool {
        match self {
            DeploymentStatus::Pending
            | DeploymentStatus::InProgress
            | DeploymentStatus::StopRequested
            | DeploymentStatus::RollbackRequested
            | DeploymentStatus::RollbackInProgress
            | DeploymentStatus::Other(_) => true,
            DeploymentStatus::Successful
            | DeploymentStatus::Stopped
            | DeploymentStatus::RollbackSuccessful
            | DeploymentStatus::RollbackFailed => false,
        }
    }
}

/// A lifecycle hook of the present stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Its id in the deployment: a canary's pause has a new one at each step.
    pub id: String,
    /// A pause that waits for an answer (AWAITING_ACTION).
    pub waits: bool,
    /// The function, while its answer is IN_PROGRESS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// When ECS ends the wait.
    pub expires: Option<Time>,
    /// ECS goes back when the wait ends, rather than on.
    pub times_out_back: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_whose_targets_say_nothing_of_health_is_not_dead() {
        let with = |share: u8, healthy, other| {
            let group = GroupTraffic { share: share.into(), healthy, other };
            Traffic { groups: [(TargetGroupArn::from("blue"), group)].into(), ..Traffic::default() }
        };
        assert_eq!(with(100, 0, 0).dead(), Some(&TargetGroupArn::from("blue")));
        assert_eq!(with(100, 0, 1).dead(), None, "unavailable: ELB could not tell");
        assert_eq!(with(100, 1, 0).dead(), None);
        assert_eq!(with(0, 0, 0).dead(), None, "it gets nothing");
        assert_eq!((with(100, 1, 0).unserved(), with(100, 0, 0).unserved().is_some()), (None, true));
        let nowhere = Traffic { nowhere: [RouteArn::from("rule")].into(), ..with(100, 1, 0) };
        assert!(nowhere.unserved().is_some_and(|why| why.contains("no target group")));
    }

    #[test]
    fn a_reading_of_an_older_release_has_no_such_targets() {
        let old: GroupTraffic = serde_json::from_value(serde_json::json!({ "share": 100, "healthy": 2 })).unwrap();
        assert_eq!((old.healthy, old.other), (2, 0));
    }
}
