//! Service deployments and service revisions, and ECS's own blue/green, canary and linear strategies: stages in order, two
//! target groups taking turns, weights moved by ECS itself, hooks, bake, rollback.
//!
//! Facts from the ECS developer guide's pages on service deployments and lifecycle hooks. Not known and decided here: a stage
//! that has nothing to do (no test listener rule) is passed at once, and the stage of a canary's or a linear step's bake is
//! shown as PRODUCTION_TRAFFIC_SHIFT.

mod calls;
mod hooks;
mod machine;
mod shown;

use serde_json::Value;

use super::services::strategy;
use super::{Attachment, Svc};
use crate::Millis;

pub(in crate::ecs) use calls::check_strategy;
pub(crate) use hooks::HookRun;

/// The stages of a service deployment, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    ReconcileService,
    PreScaleUp,
    ScaleUp,
    PostScaleUp,
    TestTrafficShift,
    PostTestTrafficShift,
    PreProductionTrafficShift,
    ProductionTrafficShift,
    PostProductionTrafficShift,
    BakeTime,
    CleanUp,
}

impl Stage {
    const ALL: [Stage; 11] = [
        Stage::ReconcileService,
        Stage::PreScaleUp,
        Stage::ScaleUp,
        Stage::PostScaleUp,
        Stage::TestTrafficShift,
        Stage::PostTestTrafficShift,
        Stage::PreProductionTrafficShift,
        Stage::ProductionTrafficShift,
        Stage::PostProductionTrafficShift,
        Stage::BakeTime,
        Stage::CleanUp,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::ReconcileService => "RECONCILE_SERVICE",
            Stage::PreScaleUp => "PRE_SCALE_UP",
            Stage::ScaleUp => "SCALE_UP",
            Stage::PostScaleUp => "POST_SCALE_UP",
            Stage::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Stage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Stage::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            Stage::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            Stage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Stage::BakeTime => "BAKE_TIME",
            Stage::CleanUp => "CLEAN_UP",
        }
    }

    fn next(self) -> Option<Stage> {
        Stage::ALL.iter().copied().find(|stage| *stage > self)
    }
}

/// The status of a service deployment; there is no FAILED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    InProgress,
    Successful,
    Stopped,
    RollbackRequested,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Pending => "PENDING",
            Status::InProgress => "IN_PROGRESS",
            Status::Successful => "SUCCESSFUL",
            Status::Stopped => "STOPPED",
            Status::RollbackRequested => "ROLLBACK_REQUESTED",
            Status::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Status::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Status::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// It goes on by itself.
    pub(crate) fn running(self) -> bool {
        match self {
            Status::Pending | Status::InProgress | Status::RollbackRequested | Status::RollbackInProgress => true,
            Status::Successful | Status::Stopped | Status::RollbackSuccessful | Status::RollbackFailed => false,
        }
    }
}

/// A service's configuration at one time.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) arn: String,
    pub(crate) task_definition: String,
    created: Millis,
    /// Its tasks are in the alternate target groups.
    pub(crate) alternate: bool,
    /// The service's members then.
    doc: Value,
}

/// Back, once it was begun.
#[derive(Debug, Clone)]
struct Rollback {
    reason: String,
    started: Millis,
    /// How far: the weights, and then the tasks.
    step: Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Production,
    Test,
    CleanUp,
}

/// A service deployment.
#[derive(Debug, Clone)]
pub(crate) struct ServiceDeployment {
    pub(crate) arn: String,
    /// The `ecs-svc/N` that it is in `deployments`.
    pub(crate) deployment: String,
    /// The `ecs-svc/N` it goes from, with its revision; none for the first.
    source: Option<(String, String)>,
    target: String,
    pub(crate) status: Status,
    reason: String,
    /// None for rolling ones.
    stage: Option<Stage>,
    entered: Millis,
    /// The hooks of this stage were started.
    hooked: bool,
    /// Which step of a canary or of a linear shift.
    step: usize,
    production: f64,
    test: f64,
    created: Millis,
    started: Option<Millis>,
    finished: Option<Millis>,
    updated: Millis,
    hooks: Vec<HookRun>,
    rollback: Option<Rollback>,
    triggered: Vec<String>,
    breaker_failures: u32,
    execution: String,
    /// When it was asked to stop.
    asked: Option<Millis>,
}

/// What a service has of revisions and service deployments; the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Native {
    pub(crate) revisions: Vec<Revision>,
    pub(crate) deployments: Vec<ServiceDeployment>,
}

impl Native {
    fn revision(&self, arn: &str) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.arn == arn)
    }

    /// The newest deployment is on its way back.
    pub(in crate::ecs) fn goes_back(&self) -> bool {
        self.deployments.first().is_some_and(|newest| newest.rollback.is_some())
    }

    /// What is live, to go from and back to: of the newest deployment its target where it succeeded, else its source.
    fn source(&self) -> Option<(String, String)> {
        let newest = self.deployments.first()?;
        match newest.status {
            Status::Successful => Some((newest.deployment.clone(), newest.target.clone())),
            Status::Pending
            | Status::InProgress
            | Status::Stopped
            | Status::RollbackRequested
            | Status::RollbackInProgress
            | Status::RollbackSuccessful
            | Status::RollbackFailed => newest.source.clone(),
        }
    }

    /// The newest has not begun to bring anything up, or a hook holds it.
    fn holds_still(&self) -> bool {
        let early = |newest: &ServiceDeployment| newest.stage.is_none_or(|stage| stage < Stage::ScaleUp);
        self.current().is_some_and(|newest| early(newest) || newest.hooks.iter().any(HookRun::open))
    }

    /// The newest, while it runs.
    pub(crate) fn current(&self) -> Option<&ServiceDeployment> {
        self.deployments.first().filter(|deployment| deployment.status.running())
    }
}

/// The shares of production traffic that a configuration goes through, in percent, the last one 100.
fn steps(configuration: &Value) -> Vec<f64> {
    match strategy(configuration) {
        "CANARY" => {
            let first = configuration["canaryConfiguration"]["canaryPercent"].as_f64().unwrap_or(5.0);
            if first >= 100.0 { vec![100.0] } else { vec![first, 100.0] }
        }
        "LINEAR" => {
            let step = configuration["linearConfiguration"]["stepPercent"].as_f64().unwrap_or(10.0).max(0.1);
            let count = (100.0 / step).floor() as usize;
            let mut shares: Vec<f64> = (1..=count).map(|n| (step * n as f64 * 10.0).round() / 10.0).collect();
            if shares.last().is_none_or(|last| *last < 100.0) {
                shares.push(100.0);
            }
            shares
        }
        _ => vec![100.0],
    }
}

/// The minutes between two shares.
fn step_minutes(configuration: &Value) -> u64 {
    match strategy(configuration) {
        "CANARY" => configuration["canaryConfiguration"]["canaryBakeTimeInMinutes"].as_u64().unwrap_or(10),
        "LINEAR" => configuration["linearConfiguration"]["stepBakeTimeInMinutes"].as_u64().unwrap_or(6),
        _ => 0,
    }
}

impl Svc {
    /// A ROLLING deployment that fails goes back: its circuit breaker or its alarms say so.
    fn rolls_back(&self) -> bool {
        ["deploymentCircuitBreaker", "alarms"].iter().any(|who| {
            let who = &self.configuration()[*who];
            who["enable"] == true && who["rollback"] == true
        })
    }

    /// The strategy moves traffic between two target groups.
    pub(super) fn is_native(&self) -> bool {
        strategy(self.configuration()) != "ROLLING"
    }

    /// Where tasks of a deployment are registered.
    pub(super) fn attachments_of(&self, deployment: &str) -> Vec<Attachment> {
        let mut own = self.attachments();
        let alternate = self.deployments.iter().any(|other| other.id == deployment && other.alternate);
        if alternate {
            let entries = self.member("loadBalancers").and_then(Value::as_array).into_iter().flatten();
            for (at, entry) in own.iter_mut().zip(entries) {
                if let Some(group) = entry["advancedConfiguration"]["alternateTargetGroupArn"].as_str() {
                    group.clone_into(&mut at.target_group);
                }
            }
        }
        own
    }
}
