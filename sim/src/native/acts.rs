//! The effects of the native engine on ECS, each one call, as the real adapter sends it.

use model::Service;
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use shared::decision::{Action, Effect};
use shared::ports::EffectError;

use super::Bug;
use crate::cloud::{route_ask, route_input};
use crate::ports::{BACK_PAUSES, Port};
use crate::view;

impl Port {
    /// Applies an effect of the native engine.
    pub(crate) async fn apply_native(&self, config: &ServiceConfig, effect: &Effect) -> Result<(), EffectError> {
        let Some(native) = config.engine.native() else {
            return Err(EffectError::Permanent("the service is not a native one".to_owned()));
        };
        match &effect.action {
            Action::Deploy { revision, configuration, force } => {
                let mut input = json!({
                    "cluster": config.cluster, "service": native.service, "taskDefinition": revision.as_str(),
                });
                if let Some(configuration) = configuration {
                    input["deploymentConfiguration"] = configuration.clone();
                }
                if *force || self.native_bug() == Some(Bug::DeploysAnew) {
                    input["forceNewDeployment"] = json!(true);
                }
                self.write(effect, Service::Ecs, "UpdateService", input).await.map(drop)
            }
            Action::Stop { deployment } => self.stop(effect, deployment).await,
            Action::Continue { deployment, hook } => {
                let input = json!({ "serviceDeploymentArn": deployment, "hookId": hook, "action": "CONTINUE" });
                self.write(effect, Service::Ecs, "ContinueServiceDeployment", input).await.map(drop)
            }
            Action::Register { .. }
            | Action::Start { .. }
            | Action::Scale { .. }
            | Action::Weights { .. }
            | Action::Scaling { .. }
            | Action::Mend { .. }
            | Action::Tidy { .. } => Ok(()),
        }
    }

    async fn stop(&self, effect: &Effect, deployment: &str) -> Result<(), EffectError> {
        {
            let cloud = &mut *self.cloud.borrow_mut();
            let bug = cloud.native_bug();
            let unsaved = cloud.procs.get(&self.pid).is_some_and(|proc| proc.owes_back);
            if bug == Some(Bug::NeverStops) || bug == Some(Bug::GivesUpUnsaved) && unsaved {
                return Ok(());
            }
            if let Some(proc) = cloud.procs.get_mut(&self.pid) {
                proc.owes_back = false;
            }
            if let Some(state) = &mut cloud.native {
                state.stops.insert(deployment.to_owned());
            }
        }
        if self.native_bug() == Some(Bug::WritesTheRule) {
            self.write_the_rule(effect).await?;
        }
        let input = json!({ "serviceDeploymentArn": deployment, "stopType": "ROLLBACK" });
        for pause in BACK_PAUSES {
            match self.write(effect, Service::Ecs, "StopServiceDeployment", input.clone()).await {
                Err(EffectError::Transient(_)) => self.sleep(pause).await,
                done => return done.map(drop),
            }
        }
        self.write(effect, Service::Ecs, "StopServiceDeployment", input).await.map(drop)
    }

    /// A planted bug: the weights are put back by hand as well.
    async fn write_the_rule(&self, effect: &Effect) -> Result<(), EffectError> {
        let rule = self.cloud.borrow().place.rules[0].clone();
        let answer = self.describe(route_ask(&rule), || route_input(&rule)).await.map_err(EffectError::Transient)?;
        let mut actions: Value = view::actions(view::route_of(&answer)).clone();
        for (place, group) in
            actions[0]["ForwardConfig"]["TargetGroups"].as_array_mut().into_iter().flatten().enumerate()
        {
            group["Weight"] = json!(if place == 0 { 100 } else { 0 });
        }
        let input = json!({ "RuleArn": rule.0, "Actions": actions });
        self.write(effect, Service::Elb, "ModifyRule", input).await.map(drop)
    }

    pub(crate) fn native_bug(&self) -> Option<Bug> {
        self.cloud.borrow().native_bug()
    }
}
