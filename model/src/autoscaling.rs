//! Application Auto Scaling for the desired counts of ECS services. A target tracking policy acts by its alarms, as on AWS; step
//! scaling and schedules are kept and shown only. [`World::scale`] acts from outside.

mod policies;
mod scheduled;
mod usage;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ecs::{Rollout, ServiceKey, ServiceStatus};
use crate::error::Answer;
use crate::input::{In, as_bool, page};
use crate::world::Area;
use crate::{AwsError, Call, Millis, World, time};

const DIMENSION: &str = "ecs:service:DesiredCount";

#[derive(Debug, Clone, Default)]
pub(crate) struct AutoScaling {
    targets: BTreeMap<String, Target>,
    policies: BTreeMap<(String, String), Value>,
    scheduled: BTreeMap<(String, String), Value>,
    /// Newest first.
    activities: Vec<Value>,
    /// By resource, when a policy moved it last.
    acted: BTreeMap<String, Millis>,
    /// Requests by service since they were made into metrics last.
    served: BTreeMap<ServiceKey, u64>,
    /// Load from elsewhere by service, in percent of one task.
    loads: BTreeMap<ServiceKey, f64>,
    memories: BTreeMap<ServiceKey, f64>,
    /// Resources whose count cannot be set, and what AWS says of that.
    fails: BTreeMap<String, String>,
    /// When usage is published next; none while nothing is scaled.
    pub(crate) next_usage: Option<Millis>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
struct Target {
    arn: String,
    min: u32,
    max: u32,
    scaling_in: bool,
    scaling_out: bool,
    scheduled: bool,
    role: String,
    created: Millis,
}

impl Target {
    fn describe(&self, resource: &str) -> Value {
        json!({
            "ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": DIMENSION,
            "MinCapacity": self.min, "MaxCapacity": self.max, "RoleARN": self.role,
            "CreationTime": time::stamp(self.created), "ScalableTargetARN": self.arn,
            "SuspendedState": {
                "DynamicScalingInSuspended": self.scaling_in,
                "DynamicScalingOutSuspended": self.scaling_out,
                "ScheduledScalingSuspended": self.scheduled,
            },
        })
    }
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn service_key(resource: &str) -> Option<ServiceKey> {
    let mut parts = resource.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("service"), Some(cluster), Some(name), None) => Some((cluster.to_owned(), name.to_owned())),
        _ => None,
    }
}

fn check_namespace(input: In<'_>) -> Result<(), AwsError> {
    match (input.str("ServiceNamespace")?, input.opt_str("ScalableDimension")) {
        ("ecs", None | Some(DIMENSION)) => Ok(()),
        ("ecs", Some(other)) => Err(validation(format!("Unsupported scalable dimension: {other}"))),
        (other, _) => Err(validation(format!("The service namespace {other} is not in this local cloud"))),
    }
}

impl World {
    pub(crate) fn autoscaling(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "RegisterScalableTarget" => self.register_scalable_target(call, input),
            "DeregisterScalableTarget" => {
                check_namespace(input)?;
                let resource = input.str("ResourceId")?;
                self.autoscaling.targets.remove(resource).ok_or_else(|| absent(resource))?;
                self.remove_policies_of(resource);
                self.autoscaling.scheduled.retain(|(of, _), _| of != resource);
                Ok(json!({}))
            }
            "DescribeScalableTargets" => self.describe_scalable_targets(input),
            "PutScalingPolicy" => self.put_scaling_policy(call, input),
            "DeleteScalingPolicy" => self.delete_scaling_policy(input),
            "DescribeScalingPolicies" => self.describe_scaling_policies(input),
            "DescribeScalingActivities" => self.describe_scaling_activities(input),
            "PutScheduledAction" => self.put_scheduled_action(call, input),
            "DeleteScheduledAction" => self.delete_scheduled_action(input),
            "DescribeScheduledActions" => self.describe_scheduled_actions(input),
            "ListTagsForResource" => {
                let tags = self.autoscaling.tags.get(input.str("ResourceARN")?).cloned().unwrap_or_default();
                Ok(json!({ "Tags": tags }))
            }
            other => Err(AwsError::new("UnknownOperationException", format!("{other} is not in this local cloud"))),
        }
    }

    fn register_scalable_target(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        check_namespace(input)?;
        input.str("ScalableDimension")?;
        let resource = input.str("ResourceId")?.to_owned();
        let key = service_key(&resource).ok_or_else(|| validation(format!("Unsupported resource id: {resource}")))?;
        let known = self.autoscaling.targets.get(&resource);
        if !self.ecs.services.get(&key).is_some_and(|service| service.status == ServiceStatus::Active) {
            return Err(validation(format!("ECS service doesn't exist: {resource}")));
        }
        let keeps = self.core.settings.beliefs.suspension_keeps_bounds;
        let capacity = |name: &str, old: Option<u32>| -> Result<u32, AwsError> {
            match (input.opt_u64(name)?, old) {
                (Some(given), _) => u32::try_from(given).map_err(|_| input.invalid(name)),
                (None, Some(old)) if keeps => Ok(old),
                (None, Some(_)) => Ok(0),
                (None, None) => Err(validation(format!("{name} is required to register a new scalable target"))),
            }
        };
        let min = capacity("MinCapacity", known.map(|target| target.min))?;
        let max = capacity("MaxCapacity", known.map(|target| target.max))?;
        if min > max {
            return Err(validation("Maximum capacity cannot be less than minimum capacity"));
        }
        let suspended = input.get("SuspendedState").cloned().unwrap_or_default();
        let flag = |name: &str, old: Option<bool>| as_bool(&suspended[name]).or(old).unwrap_or(false);
        let account = &self.core.settings.account;
        let arn = match known {
            Some(known) => known.arn.clone(),
            None => {
                let id = &self.core.ids.uuid().replace('-', "")[..22].to_owned();
                format!("arn:aws:application-autoscaling:{}:{account}:scalable-target/{id}", call.region)
            }
        };
        let role = format!(
            "arn:aws:iam::{account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_ECSService"
        );
        let known = self.autoscaling.targets.get(&resource);
        let target = Target {
            arn: arn.clone(),
            min,
            max,
            scaling_in: flag("DynamicScalingInSuspended", known.map(|target| target.scaling_in)),
            scaling_out: flag("DynamicScalingOutSuspended", known.map(|target| target.scaling_out)),
            scheduled: flag("ScheduledScalingSuspended", known.map(|target| target.scheduled)),
            role: input.opt_str("RoleARN").map_or(role, str::to_owned),
            created: known.map_or(call.now, |target| target.created),
        };
        let tags = input.get("Tags").and_then(Value::as_object).into_iter().flatten();
        let tags = tags.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        self.autoscaling.tags.entry(arn.clone()).or_default().extend(tags);
        self.autoscaling.targets.insert(resource.clone(), target);
        self.autoscaling.next_usage.get_or_insert((call.now / usage::EVERY + 1) * usage::EVERY);
        if self.core.settings.beliefs.scalable_target_moves_desired {
            let desired = self.ecs.services.get(&key).map_or(0, |service| service.desired);
            let moved = desired.clamp(min, max);
            if moved != desired {
                let which = if moved == min { "minimum" } else { "maximum" };
                let cause = format!("{which} capacity was set to {moved}");
                self.set_desired(&key, &resource, moved, &cause, call.now);
            }
        }
        Ok(json!({ "ScalableTargetARN": arn }))
    }

    fn set_desired(&mut self, key: &ServiceKey, resource: &str, to: u32, cause: &str, now: Millis) {
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        service.desired = to;
        self.wake_service(key, now);
        self.note_activity(
            resource,
            now,
            json!({
                "Description": format!("Setting desired count to {to}."), "Cause": cause, "StatusCode": "Successful",
                "StatusMessage": format!("Successfully set desired count to {to}. Change successfully fulfilled by ecs."),
            }),
        );
    }

    fn note_activity(&mut self, resource: &str, now: Millis, told: Value) {
        let mut activity = json!({
            "ActivityId": self.core.ids.uuid(), "ServiceNamespace": "ecs", "ResourceId": resource,
            "ScalableDimension": DIMENSION, "StartTime": time::stamp(now), "EndTime": time::stamp(now),
        });
        if let (Some(activity), Value::Object(told)) = (activity.as_object_mut(), told) {
            activity.extend(told);
        }
        self.autoscaling.activities.insert(0, activity);
        self.autoscaling.activities.truncate(500);
    }

    /// Does as the autoscaler does: moves the desired count of a scalable target, within its bounds and unless suspended.
    /// Returns the count that was set, `None` when nothing was.
    pub fn scale(&mut self, resource_id: &str, to: u32, now: Millis) -> Option<u32> {
        self.scale_by(resource_id, to, "monitor alarm in state ALARM triggered policy", now)
    }

    fn scale_by(&mut self, resource_id: &str, to: u32, cause: &str, now: Millis) -> Option<u32> {
        let target = self.autoscaling.targets.get(resource_id)?;
        let key = service_key(resource_id)?;
        let service = self.ecs.services.get(&key).filter(|service| service.status == ServiceStatus::Active)?;
        let wanted = to.clamp(target.min, target.max);
        let deploying = service.deployments.first().is_some_and(|primary| primary.rollout == Rollout::InProgress);
        let barred = match wanted.cmp(&service.desired) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => {
                target.scaling_in || (deploying && self.core.settings.beliefs.scale_in_waits_for_deployment)
            }
            std::cmp::Ordering::Greater => target.scaling_out,
        };
        let holds = self.core.settings.beliefs.suspension_holds || wanted == service.desired;
        if barred && holds {
            return None;
        }
        if let Some(why) = self.autoscaling.fails.get(resource_id).cloned() {
            let told = json!({ "Description": format!("Setting desired count to {wanted}."), "Cause": cause,
                "StatusCode": "Failed", "StatusMessage": format!("Failed to set desired count to {wanted}. Reason: {why}") });
            self.note_activity(resource_id, now, told);
            return None;
        }
        self.core.touch(Area::Services);
        self.set_desired(&key, resource_id, wanted, cause, now);
        Some(wanted)
    }

    /// From now on Application Auto Scaling cannot set the count of a service, for this reason; none: it can again.
    pub fn fail_scaling(&mut self, cluster: &str, service: &str, why: Option<&str>) {
        let resource = format!("service/{cluster}/{service}");
        match why {
            Some(why) => self.autoscaling.fails.insert(resource, why.to_owned()),
            None => self.autoscaling.fails.remove(&resource),
        };
    }

    fn describe_scalable_targets(&self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let wanted = input.strs("ResourceIds");
        if wanted.len() > 50 {
            return Err(validation("ResourceIds can have at most 50 elements"));
        }
        let targets = self.autoscaling.targets.iter();
        let found: Vec<(&String, &Target)> =
            targets.filter(|(resource, _)| wanted.is_empty() || wanted.contains(&resource.as_str())).collect();
        paged("ScalableTargets", &found, |(resource, target)| target.describe(resource), 50, input)
    }

    fn describe_scaling_activities(&self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let all = input.bool("IncludeNotScaledActivities");
        let of = |activity: &&Value| {
            input.opt_str("ResourceId").is_none_or(|wanted| activity["ResourceId"] == wanted)
                && (all || activity["NotScaledReasons"].is_null())
        };
        let found: Vec<&Value> = self.autoscaling.activities.iter().filter(of).collect();
        paged("ScalingActivities", &found, Value::clone, 50, input)
    }
}

fn absent(resource: &str) -> AwsError {
    AwsError::new(
        "ObjectNotFoundException",
        format!(
            "No scalable target found for service namespace: ecs, resource ID: {resource}, scalable dimension: {DIMENSION}"
        ),
    )
}

fn paged<T: Clone>(member: &str, items: &[T], shown: impl Fn(T) -> Value, most: usize, input: In<'_>) -> Answer {
    let size = input.opt_u64("MaxResults")?.map_or(most, |size| (size as usize).clamp(1, most));
    let (items, next) = page(items, input.opt_str("NextToken"), size)
        .ok_or_else(|| AwsError::new("InvalidNextTokenException", "The next token is not valid"))?;
    let mut answer = json!({ member: items.into_iter().map(shown).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}
