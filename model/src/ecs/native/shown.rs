//! Service deployments as they are described, and the other way wherever a belief about that is turned over: what is shown
//! then is not what is.

use serde_json::{Value, json};

use super::{ServiceDeployment, Stage, Status, steps, strategy};
use crate::ecs::{Svc, Task, TaskStatus};
use crate::{Millis, World, time};

impl World {
    fn revision_counts(&self, service: &Svc, id: &str, arn: &str, shares: (f64, f64)) -> Value {
        let own: Vec<&Task> =
            self.ecs.tasks.values().filter(|task| task.service.1 == service.name && task.deployment == id).collect();
        let count = |is: fn(&Task) -> bool| own.iter().filter(|task| is(task)).count();
        json!({
            "arn": arn,
            "requestedTaskCount": count(|task| task.wanted),
            "runningTaskCount": count(|task| task.status == TaskStatus::Running),
            "pendingTaskCount": count(|task| matches!(task.status, TaskStatus::Provisioning | TaskStatus::Pending)),
            "requestedTestTrafficWeight": shares.0,
            "requestedProductionTrafficWeight": shares.1,
        })
    }

    /// What a service's description tells of its deployments and revisions.
    pub(in crate::ecs) fn add_current(&self, service: &Svc, doc: &mut serde_json::Map<String, Value>) {
        if let Some(deployment) = service.native.current().filter(|deployment| self.is_listed(deployment)) {
            doc.insert("currentServiceDeployment".into(), json!(deployment.arn));
        }
        let of = |id: &str, arn: &str| {
            let mut counts = self.revision_counts(service, id, arn, (0.0, 0.0));
            if let Some(counts) = counts.as_object_mut() {
                counts.retain(|member, _| !member.ends_with("Weight"));
            }
            counts
        };
        let known = service.native.deployments.iter().map(|one| (&one.deployment, &one.target));
        let live = known.filter(|(id, _)| service.deployments.iter().any(|own| own.id == **id));
        let revisions: Vec<Value> = live.map(|(id, arn)| of(id, arn)).collect();
        if !revisions.is_empty() {
            doc.insert("currentServiceRevisions".into(), json!(revisions));
        }
    }

    /// A new service deployment is found.
    pub(super) fn is_listed(&self, deployment: &ServiceDeployment) -> bool {
        let settings = &self.core.settings;
        let (in_time, late) = (settings.beliefs.deployments_are_listed_in_time, settings.beyond.lists);
        in_time || self.core.as_is || deployment.created + late <= self.core.now
    }

    /// Its status, as it is shown.
    pub(super) fn shown_status(&self, deployment: &ServiceDeployment) -> &'static str {
        let settings = &self.core.settings;
        let truly = deployment.status.name();
        if self.core.as_is {
            return truly;
        }
        let asked = deployment.asked.is_some_and(|at| self.core.now < at + settings.beyond.stops);
        if asked && !settings.beliefs.stop_is_seen_as_the_way_back {
            return "STOP_REQUESTED";
        }
        match deployment.status {
            Status::RollbackRequested | Status::RollbackInProgress
                if !settings.beliefs.rollback_successful_means_back =>
            {
                Status::RollbackSuccessful.name()
            }
            Status::Pending
            | Status::InProgress
            | Status::Successful
            | Status::Stopped
            | Status::RollbackRequested
            | Status::RollbackInProgress
            | Status::RollbackSuccessful
            | Status::RollbackFailed => truly,
        }
    }

    /// A time by the clock that service deployments are written with.
    fn ecs_stamp(&self, at: Millis) -> Value {
        let settings = &self.core.settings;
        let same = settings.beliefs.deployment_times_are_ours || self.core.as_is;
        time::stamp(at.saturating_sub(if same { 0 } else { settings.beyond.clock }))
    }

    /// The new revision's share of the production traffic, as it is shown: the other way, one step late.
    fn shown_share(&self, deployment: &ServiceDeployment, configuration: &Value) -> f64 {
        let at_once = self.core.settings.beliefs.traffic_weight_is_shown_at_once || self.core.as_is;
        let moves = deployment.stage == Some(Stage::ProductionTrafficShift) && deployment.rollback.is_none();
        if at_once || !moves {
            return deployment.production;
        }
        let before = deployment.step.checked_sub(1).and_then(|step| steps(configuration).get(step).copied());
        before.unwrap_or(0.0)
    }

    /// The stage, as it is shown; the other way, a ROLLING deployment has two.
    fn shown_stage(&self, service: &Svc, deployment: &ServiceDeployment, configuration: &Value) -> Option<Stage> {
        if strategy(configuration) != "ROLLING" || self.core.settings.beliefs.rolling_shows_no_stage {
            return deployment.stage;
        }
        let own = service.deployments.iter().find(|own| own.id == deployment.deployment);
        let bakes = own.is_some_and(|own| own.bakes_since.is_some());
        Some(if bakes { Stage::BakeTime } else { Stage::ScaleUp })
    }

    pub(super) fn deployment_doc(&self, service: &Svc, deployment: &ServiceDeployment) -> Value {
        let revision = service.native.revision(&deployment.target);
        let configuration =
            revision.map(|revision| revision.doc["deploymentConfiguration"].clone()).unwrap_or_default();
        let shares = (deployment.test, self.shown_share(deployment, &configuration));
        let source = deployment
            .source
            .as_ref()
            .map(|(id, arn)| self.revision_counts(service, id, arn, (100.0 - shares.0, 100.0 - shares.1)));
        let told = self.core.settings.beliefs.who_went_back_is_told;
        let own = service.deployments.iter().find(|own| own.id == deployment.deployment);
        let failures = own.map_or(deployment.breaker_failures, |own| own.failed_tasks);
        let breaker = &configuration["deploymentCircuitBreaker"];
        let names = &configuration["alarms"]["alarmNames"];
        let watch = |enabled: bool, triggered: bool| match (enabled, triggered && told) {
            (false, _) => "DISABLED",
            (true, true) => "TRIGGERED",
            (true, false) if deployment.status.running() => "MONITORING",
            (true, false) => "MONITORING_COMPLETE",
        };
        let threshold = crate::ecs::rollout::breaker_threshold(breaker, service.desired);
        let mut doc = json!({
            "serviceDeploymentArn": deployment.arn,
            "serviceArn": service.arn,
            "clusterArn": self.cluster_arn(&service.cluster),
            "createdAt": self.ecs_stamp(deployment.created),
            "updatedAt": self.ecs_stamp(deployment.updated),
            "sourceServiceRevisions": source.into_iter().collect::<Vec<_>>(),
            "targetServiceRevision": self.revision_counts(service, &deployment.deployment, &deployment.target, shares),
            "status": self.shown_status(deployment),
            "deploymentConfiguration": configuration,
            "deploymentCircuitBreaker": {
                "status": watch(breaker["enable"] == true, breaker["enable"] == true && failures >= threshold),
                "failureCount": failures, "threshold": threshold,
            },
            "alarms": {
                "status": watch(configuration["alarms"]["enable"] == true, !deployment.triggered.is_empty()),
                "alarmNames": names.as_array().cloned().unwrap_or_default(),
                "triggeredAlarmNames": if told { deployment.triggered.as_slice() } else { &[] },
            },
        });
        let stage = self.shown_stage(service, deployment, &configuration);
        if let Some(stage) = stage.filter(|_| deployment.status.running()) {
            doc["lifecycleStage"] = json!(stage.name());
            let here = |hook: &&super::HookRun| hook.stage == stage;
            doc["lifecycleHookDetails"] = deployment.hooks.iter().filter(here).map(super::HookRun::doc).collect();
        }
        let reason =
            |reason: &str| if told { reason.to_owned() } else { "The service deployment has ended.".to_owned() };
        if let Some(back) = &deployment.rollback {
            let to = deployment.source.as_ref().map(|(_, arn)| arn.clone());
            doc["rollback"] = json!({
                "reason": reason(&back.reason), "startedAt": self.ecs_stamp(back.started), "serviceRevisionArn": to,
            });
        }
        for (member, at) in [("startedAt", deployment.started), ("finishedAt", deployment.finished)] {
            if let Some(at) = at {
                doc[member] = self.ecs_stamp(at);
            }
        }
        if deployment.status == Status::Stopped {
            doc["stoppedAt"] = doc["finishedAt"].clone();
        }
        if !deployment.reason.is_empty() {
            doc["statusReason"] = json!(reason(&deployment.reason));
        }
        doc
    }
}
