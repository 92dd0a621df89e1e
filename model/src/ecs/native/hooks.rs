//! Lifecycle hooks: Lambda functions that are called, pauses that a person answers.

use serde_json::{Value, json};

use super::{Stage, Status};
use crate::ecs::ServiceKey;
use crate::world::Area;
use crate::{Happening, Millis, World, time};

/// Without `callBackDelay` ECS calls a hook that is in progress again after this many seconds.
const CALL_BACK: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookStatus {
    AwaitingAction,
    InProgress,
    Succeeded,
    Failed,
    TimedOut,
}

impl HookStatus {
    fn name(self) -> &'static str {
        match self {
            HookStatus::AwaitingAction => "AWAITING_ACTION",
            HookStatus::InProgress => "IN_PROGRESS",
            HookStatus::Succeeded => "SUCCEEDED",
            HookStatus::Failed => "FAILED",
            HookStatus::TimedOut => "TIMED_OUT",
        }
    }
}

/// One hook at one stage.
#[derive(Debug, Clone)]
pub(crate) struct HookRun {
    pub(super) id: String,
    /// The function; a pause has none.
    pub(super) function: Option<String>,
    pub(super) stage: Stage,
    pub(super) status: HookStatus,
    expires: Millis,
    /// A timeout goes on instead of back.
    continues: bool,
    details: Option<Value>,
    /// When the function is called next; none while it works.
    call: Option<Millis>,
    /// Part of the way back.
    pub(super) back: bool,
}

impl HookRun {
    pub(super) fn open(&self) -> bool {
        matches!(self.status, HookStatus::AwaitingAction | HookStatus::InProgress)
    }

    /// As `lifecycleHookDetails` shows it.
    pub(super) fn doc(&self) -> Value {
        let mut doc = json!({
            "hookId": self.id,
            "targetType": if self.function.is_some() { "AWS_LAMBDA" } else { "PAUSE" },
            "status": self.status.name(),
            "expiresAt": time::stamp(self.expires),
            "timeoutAction": if self.continues { "CONTINUE" } else { "ROLLBACK" },
        });
        if let Some(function) = &self.function {
            doc["targetArn"] = json!(function);
        }
        doc
    }
}

/// What the hooks of a stage say.
pub(super) enum Verdict {
    Wait,
    Go,
    Back(String),
}

impl World {
    /// Starts the hooks of a stage.
    pub(super) fn start_hooks(&mut self, key: &ServiceKey, stage: Stage, back: bool, now: Millis) {
        let minute = self.core.settings.ecs.minute;
        let believed = self.core.settings.beliefs.pauses_wait_a_day_and_go_back;
        let Some(service) = self.ecs.services.get(key) else { return };
        let declared = service.configuration()["lifecycleHooks"].as_array().cloned().unwrap_or_default();
        let mut started = Vec::new();
        for hook in declared {
            let here =
                hook["lifecycleStages"].as_array().is_some_and(|stages| stages.iter().any(|s| *s == stage.name()));
            let pause = hook["targetType"] == "PAUSE";
            // Going back only functions are called again.
            if !here || back && pause {
                continue;
            }
            let timeout = &hook["timeoutConfiguration"];
            // The other way: an hour, and on.
            let other = pause && !believed;
            let minutes = timeout["timeoutInMinutes"].as_u64().unwrap_or(if other { 60 } else { 1_440 });
            started.push(HookRun {
                id: format!("ecs-{}-{}", if pause { "pause" } else { "lambda" }, self.core.ids.hex32()),
                function: (!pause).then(|| hook["hookTargetArn"].as_str().unwrap_or_default().to_owned()),
                stage,
                status: if pause { HookStatus::AwaitingAction } else { HookStatus::InProgress },
                expires: now + minutes * minute,
                continues: timeout["action"].as_str().map_or(other, |action| action == "CONTINUE"),
                details: hook.get("hookDetails").cloned(),
                call: (!pause).then_some(now),
                back,
            });
        }
        for run in &started {
            let name = if run.function.is_some() { "HOOK_IN_PROGRESS" } else { "HOOK_AWAITING_ACTION" };
            self.hook_event(key, run, name, now);
        }
        if let Some(deployment) = self.newest(key) {
            deployment.hooks.extend(started);
        }
    }

    fn hook_event(&mut self, key: &ServiceKey, run: &HookRun, name: &str, now: Millis) {
        let Some(service) = self.ecs.services.get(key) else { return };
        let Some(deployment) = service.native.deployments.first() else { return };
        let (arn, region) = (deployment.arn.clone(), service.region.clone());
        let detail = json!({
            "eventType": if name.ends_with("FAILED") || name.ends_with("TIMED_OUT") { "ERROR" } else { "INFO" },
            "eventName": name, "hookId": run.id,
            "hookType": if run.function.is_some() { "AWS_LAMBDA" } else { "PAUSE" },
            "expiresAt": time::iso(run.expires), "lifecycleStage": run.stage.name(),
            "clusterArn": self.cluster_arn(&key.0), "serviceArn": service.arn, "serviceDeploymentArn": arn,
            "updatedAt": time::iso_ms(now),
        });
        self.core.event(now, &region, "aws.ecs", "ECS Hook State Change", vec![arn], detail);
    }

    /// Calls what is due, ends what is too late; whether the stage may end.
    pub(super) fn check_hooks(&mut self, key: &ServiceKey, stage: Stage, back: bool, now: Millis) -> Verdict {
        let Some(deployment) = self.newest(key) else { return Verdict::Wait };
        let mut ended = Vec::new();
        let mut calls = Vec::new();
        let mut due: Option<Millis> = None;
        for run in deployment.hooks.iter_mut().filter(|run| run.stage == stage && run.back == back && run.open()) {
            if run.expires <= now {
                run.status = HookStatus::TimedOut;
                ended.push(run.clone());
                continue;
            }
            if run.call.is_some_and(|at| at <= now) {
                run.call = None;
                calls.push(run.clone());
            }
            let next = run.call.unwrap_or(run.expires).min(run.expires);
            due = Some(due.map_or(next, |due| due.min(next)));
        }
        let (arn, of_stage) = (deployment.arn.clone(), |run: &&HookRun| run.stage == stage && run.back == back);
        let bad = deployment.hooks.iter().filter(of_stage).find(|run| match run.status {
            HookStatus::Failed => true,
            HookStatus::TimedOut => !run.continues,
            HookStatus::AwaitingAction | HookStatus::InProgress | HookStatus::Succeeded => false,
        });
        let bad = bad.map(|run| {
            let what = if run.status == HookStatus::Failed { "failed" } else { "timed out" };
            format!("lifecycle hook {} {what} at {}.", run.id, stage.name())
        });
        let open = deployment.hooks.iter().filter(of_stage).any(|run| run.open());
        for run in &ended {
            self.hook_event(key, run, "HOOK_TIMED_OUT", now);
        }
        for run in calls {
            let Some(payload) = self.hook_payload(key, &run) else { continue };
            let function = run.function.clone().unwrap_or_default();
            self.core.out.push(Happening::CallHook {
                service_deployment_arn: arn.clone(),
                hook_id: run.id.clone(),
                function_arn: function,
                payload,
            });
        }
        if let (Some(at), Some(service)) = (due, self.ecs.services.get_mut(key)) {
            service.wake(at);
        }
        match bad {
            Some(reason) => Verdict::Back(reason),
            None if open => Verdict::Wait,
            None => Verdict::Go,
        }
    }

    /// What a function is called with. Weights are told where they move.
    fn hook_payload(&self, key: &ServiceKey, run: &HookRun) -> Option<Value> {
        let service = self.ecs.services.get(key)?;
        let deployment = service.native.deployments.first()?;
        let weights = |share: f64| {
            let mut weights = json!({ &deployment.target: share });
            if let Some((_, source)) = &deployment.source {
                weights[source] = json!(100.0 - share);
            }
            weights
        };
        let none = json!({});
        let (test, production) = match run.stage {
            Stage::TestTrafficShift => (weights(deployment.test), none),
            Stage::PreProductionTrafficShift | Stage::ProductionTrafficShift => (none, weights(deployment.production)),
            _ => (none.clone(), none),
        };
        let mut payload = json!({
            "executionId": deployment.execution, "lifecycleStage": run.stage.name(), "resourceArn": deployment.arn,
            "executionDetails": {
                "serviceArn": service.arn, "targetServiceRevisionArn": deployment.target,
                "testTrafficWeights": test, "productionTrafficWeights": production,
            },
        });
        if let Some(details) = &run.details {
            payload["hookDetails"] = details.clone();
        }
        Some(payload)
    }

    /// A function answered, or failed: `Err` is a function error, a throttle or a timeout, and a rollback like any answer
    /// without a valid `hookStatus`.
    pub fn hook_answered(&mut self, deployment_arn: &str, hook_id: &str, answer: Result<Value, String>, now: Millis) {
        self.advance(now);
        self.core.touch(Area::Services);
        let second = (self.core.settings.ecs.minute / 60).max(1);
        let kept = self.core.settings.beliefs.hook_details_come_back;
        let Some(key) = self.service_of_deployment(deployment_arn) else { return };
        let Some(deployment) = self.newest(&key).filter(|deployment| deployment.arn == deployment_arn) else { return };
        let Some(run) = deployment.hooks.iter_mut().find(|run| run.id == hook_id && run.open()) else { return };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error }));
        let name = match answer["hookStatus"].as_str() {
            Some("SUCCEEDED") => {
                run.status = HookStatus::Succeeded;
                "HOOK_SUCCEEDED"
            }
            Some("IN_PROGRESS") => {
                run.call = Some(now + answer["callBackDelay"].as_u64().unwrap_or(CALL_BACK) * second);
                if let Some(told) = answer["hookDetails"].as_object().filter(|_| kept) {
                    let details = run.details.get_or_insert_with(|| json!({}));
                    if let Some(details) = details.as_object_mut() {
                        details.extend(told.clone());
                    }
                }
                ""
            }
            Some(_) | None => {
                run.status = HookStatus::Failed;
                "HOOK_FAILED"
            }
        };
        let run = run.clone();
        if !name.is_empty() {
            self.hook_event(&key, &run, name, now);
        }
        self.wake_service(&key, now);
    }

    /// A person's answer to a pause.
    pub(super) fn answer_pause(&mut self, key: &ServiceKey, hook_id: &str, goes_on: bool, now: Millis) -> bool {
        let Some(deployment) = self.newest(key).filter(|deployment| deployment.status == Status::InProgress) else {
            return false;
        };
        let waits = |run: &&mut HookRun| run.id == hook_id && run.status == HookStatus::AwaitingAction;
        let Some(run) = deployment.hooks.iter_mut().find(waits) else { return false };
        run.status = if goes_on { HookStatus::Succeeded } else { HookStatus::Failed };
        let run = run.clone();
        self.hook_event(key, &run, if goes_on { "HOOK_SUCCEEDED" } else { "HOOK_FAILED" }, now);
        self.wake_service(key, now);
        true
    }
}
