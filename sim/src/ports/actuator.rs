//! The actuator: one effect, read before it is written where the real adapter reads.

use model::Service;
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use shared::decision::{Action, Effect};
use shared::ids::{Colour, RevisionArn, RolloutId, RouteArn};
use shared::observation::{ScalingReading, Suspended};
use shared::ports::{Actuator, EffectError};
use shared::rollout::{ImageRef, ScalingWanted};
use shared::scaling::Mend;
use shared::weights::Weights;

use super::Port;
use crate::bugs::{self, Bug};
use crate::faults::Part;
use crate::view;

/// Between the attempts of a write back, as in the real adapter.
pub(crate) const BACK_PAUSES: [u64; 3] = [100, 300, 1_000];

impl Actuator for Port {
    async fn apply(&self, config: &ServiceConfig, effect: &Effect) -> Result<(), EffectError> {
        if !self.in_time(effect.deadline) {
            return Err(EffectError::TooLate);
        }
        self.cloud.borrow().say(|| format!("p{} applies: {effect}", self.pid));
        let done = match &effect.action {
            Action::Register { base, images, rollout } => self.register(effect, base, images, rollout).await,
            Action::Start { colour, revision, desired } => {
                let to = if self.bug() == Some(Bug::StartsOnLive) { colour.other() } else { *colour };
                let input = json!({
                    "cluster": config.cluster, "service": config.engine.service(to), "taskDefinition": revision.as_str(),
                    "desiredCount": desired,
                });
                self.write(effect, Service::Ecs, "UpdateService", input).await.map(drop)
            }
            Action::Scale { desired: 1.., .. } if self.bug() == Some(Bug::NeverFollows) => Ok(()),
            Action::Scale { colour, desired } => {
                let next_door = self.next_door();
                let service = match (self.bug(), &next_door) {
                    (Some(Bug::RestsNextDoor), Some(other)) => other.engine.service(*colour),
                    _ => config.engine.service(*colour),
                };
                let input = json!({ "cluster": config.cluster, "service": service, "desiredCount": desired });
                self.write(effect, Service::Ecs, "UpdateService", input).await.map(drop)
            }
            Action::Deploy { .. } | Action::Stop { .. } | Action::Continue { .. } => {
                self.apply_native(config, effect).await
            }
            Action::Weights { route, weights } => self.weights(effect, route, weights).await,
            Action::Scaling { colour, wanted } => self.scale(config, effect, *colour, wanted).await,
            Action::Mend { colour, what: Mend::Target { min, max, suspended } } => {
                self.mend(config, effect, *colour, (*min, *max, *suspended)).await
            }
            // No schedule's check asks for a policy; that one is sent is a broken law.
            Action::Mend { what: Mend::Policy { .. }, .. } => Ok(()),
            Action::Tidy { family, keep, in_use } => self.tidy(effect, family, *keep, in_use).await,
        };
        if let Err(error) = &done {
            self.cloud.borrow().say(|| format!("p{} failed: {effect}: {error}", self.pid));
        }
        done
    }
}

impl Port {
    async fn weights(&self, effect: &Effect, route: &RouteArn, weights: &Weights) -> Result<(), EffectError> {
        if effect.is_back() {
            {
                let cloud = &mut *self.cloud.borrow_mut();
                let unsaved = cloud.procs.get(&self.pid).is_some_and(|proc| proc.owes_back);
                if unsaved && cloud.bug == Some(Bug::GivesUpUnsaved) {
                    return Ok(());
                }
                if let Some(proc) = cloud.procs.get_mut(&self.pid) {
                    proc.owes_back = false;
                }
            }
            if self.bug() == Some(Bug::ForgetsBack) {
                return Ok(());
            }
            for pause in BACK_PAUSES {
                match self.weights_once(effect, route, weights).await {
                    Err(EffectError::Transient(_)) => self.sleep(pause).await,
                    done => return done,
                }
            }
        }
        self.weights_once(effect, route, weights).await
    }

    async fn weights_once(&self, effect: &Effect, route: &RouteArn, weights: &Weights) -> Result<(), EffectError> {
        let answer = self.route_doc(route).await.map_err(EffectError::Transient)?;
        let now = view::actions(view::route_of(&answer));
        let changed = || EffectError::Transient("the rule's target groups changed since they were read".to_owned());
        let mut actions = view::with_weights(now, weights).ok_or_else(changed)?;
        if self.bug() == Some(Bug::TrustsItsWrites) {
            self.cloud.borrow_mut().laws.memory.sent.insert(route.clone(), weights.clone());
        }
        if view::weights(now) == *weights {
            return Ok(());
        }
        match self.bug() {
            Some(Bug::LosesLogin) => {
                if let Some(list) = actions.as_array_mut() {
                    list.retain(|action| action["Type"] == "forward");
                }
            }
            Some(Bug::LosesStickiness) => {
                for action in actions.as_array_mut().into_iter().flatten() {
                    if let Some(config) = action["ForwardConfig"].as_object_mut() {
                        config.remove("TargetGroupStickinessConfig");
                    }
                }
            }
            Some(_) | None => {}
        }
        let (operation, input) = match route.is_listener() {
            true => ("ModifyListener", json!({ "ListenerArn": route.0, "DefaultActions": actions })),
            false => ("ModifyRule", json!({ "RuleArn": route.0, "Actions": actions })),
        };
        let next_door = self.next_door();
        if let (Some(Bug::WritesNextDoor), Some(other), false) = (self.bug(), next_door, route.is_listener()) {
            let rule = &other.engine.routes()[0].0;
            let input = json!({ "RuleArn": rule, "Actions": input["Actions"] });
            self.write(effect, Service::Elb, operation, input).await?;
        }
        self.write(effect, Service::Elb, operation, input).await.map(drop)
    }

    fn next_door(&self) -> Option<ServiceConfig> {
        self.cloud.borrow().place.next_door.clone()
    }

    async fn register(
        &self,
        effect: &Effect,
        base: &RevisionArn,
        images: &[(ImageRef, Option<String>)],
        rollout: &RolloutId,
    ) -> Result<(), EffectError> {
        if self.registered(base, rollout.as_str()).await.map_err(EffectError::Transient)?.is_some() {
            return Ok(());
        }
        for (image, _) in images {
            let input =
                json!({ "repositoryName": image.repository, "imageIds": [{ "imageDigest": image.digest.as_str() }] });
            self.read(Part::Definitions, Service::Ecr, "DescribeImages", &input).await.map_err(|why| {
                if why.contains("ImageNotFound") { EffectError::Permanent(why) } else { EffectError::Transient(why) }
            })?;
        }
        let document = self.definition(base.as_str()).await.map_err(EffectError::Transient)?;
        let mut next = shared::revision::next(document, images, rollout).map_err(EffectError::Permanent)?;
        if let (Some(Bug::LosesMembers), Some(members)) = (self.bug(), next.as_object_mut()) {
            members.remove("aMemberOfTomorrow");
        }
        if !self.in_time(effect.deadline) {
            return Err(EffectError::TooLate);
        }
        if self.bug() == Some(Bug::RegistersTwice) {
            self.write(effect, Service::Ecs, "RegisterTaskDefinition", next.clone()).await?;
        }
        self.write(effect, Service::Ecs, "RegisterTaskDefinition", next).await.map(drop)
    }

    async fn scale(
        &self,
        config: &ServiceConfig,
        effect: &Effect,
        colour: Colour,
        wanted: &ScalingWanted,
    ) -> Result<(), EffectError> {
        let found = self.scalable(config).await.map_err(EffectError::Transient)?;
        let Some(doc) = found.get(&colour) else {
            return Err(EffectError::Transient("there is no scalable target any more".to_owned()));
        };
        if let Some(Bug::LeavesScaleIn | Bug::KeepsSuspended) = self.bug() {
            let now = view::scaling(doc);
            let (min, max) = wanted.bounds.unwrap_or((now.min, now.max));
            let remembered = ScalingReading { min, max, suspended: wanted.suspended };
            self.cloud.borrow_mut().laws.memory.scaling.insert(colour, remembered);
        }
        let Some(suspended) = bugs::scaling(self.bug(), wanted.suspended) else { return Ok(()) };
        let mut input = json!({
            "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceId": format!("service/{}/{}", config.cluster, config.engine.service(colour)),
            "SuspendedState": { "DynamicScalingInSuspended": suspended.scale_in,
                "DynamicScalingOutSuspended": suspended.scale_out, "ScheduledScalingSuspended": suspended.scheduled },
        });
        if let Some((min, max)) = wanted.bounds {
            input["MinCapacity"] = Value::from(min);
            input["MaxCapacity"] = Value::from(max);
        }
        self.write(effect, Service::AutoScaling, "RegisterScalableTarget", input).await.map(drop)
    }

    async fn mend(
        &self,
        config: &ServiceConfig,
        effect: &Effect,
        colour: Colour,
        (min, max, suspended): (Option<u32>, Option<u32>, Option<Suspended>),
    ) -> Result<(), EffectError> {
        let found = self.scalable(config).await.map_err(EffectError::Transient)?;
        if !found.contains_key(&colour) {
            return Err(EffectError::Transient("there is no scalable target any more".to_owned()));
        }
        let mut input = json!({
            "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceId": format!("service/{}/{}", config.cluster, config.engine.service(colour)),
        });
        for (name, value) in [("MinCapacity", min), ("MaxCapacity", max)] {
            if let Some(value) = value {
                input[name] = Value::from(value);
            }
        }
        if let Some(suspended) = suspended {
            input["SuspendedState"] = json!({ "DynamicScalingInSuspended": suspended.scale_in,
                "DynamicScalingOutSuspended": suspended.scale_out, "ScheduledScalingSuspended": suspended.scheduled });
        }
        self.write(effect, Service::AutoScaling, "RegisterScalableTarget", input).await.map(drop)
    }

    async fn tidy(
        &self,
        effect: &Effect,
        family: &RevisionArn,
        keep: u32,
        in_use: &[RevisionArn],
    ) -> Result<(), EffectError> {
        let input = json!({ "familyPrefix": family.family(), "status": "ACTIVE", "sort": "DESC", "maxResults": 100 });
        let list = self.read(Part::Definitions, Service::Ecs, "ListTaskDefinitions", &input).await;
        let list = list.map_err(EffectError::Transient)?;
        let arns = list["taskDefinitionArns"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let old: Vec<String> = arns
            .skip(keep as usize)
            .filter(|arn| in_use.iter().all(|used| used.as_str() != *arn))
            .map(str::to_owned)
            .collect();
        for arn in old.iter().rev().take(5) {
            let input = json!({ "taskDefinition": arn });
            self.write(effect, Service::Ecs, "DeregisterTaskDefinition", input).await.map(drop)?;
        }
        Ok(())
    }
}
