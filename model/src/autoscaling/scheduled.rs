//! Scheduled actions: kept and shown. They do not act: whoever plays the schedule sets the bounds, as the action would.

use serde_json::{Value, json};

use super::{absent, check_namespace, paged, validation};
use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, World, time};

impl World {
    pub(super) fn put_scheduled_action(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        check_namespace(input)?;
        input.str("ScalableDimension")?;
        let (name, resource) = (input.str("ScheduledActionName")?.to_owned(), input.str("ResourceId")?.to_owned());
        if !self.autoscaling.targets.contains_key(&resource) {
            return Err(absent(&resource));
        }
        let key = (resource.clone(), name.clone());
        let known = self.autoscaling.scheduled.get(&key);
        let mut action = known.cloned().unwrap_or_default();
        if known.is_none() && input.opt_str("Schedule").is_none() {
            return Err(validation("Schedule is required for a new scheduled action"));
        }
        if input.get("ScalableTargetAction").is_none() {
            return Err(validation("ScalableTargetAction is required"));
        }
        for (member, value) in call.input.as_object().into_iter().flatten() {
            action[member] = value.clone();
        }
        if known.is_none() {
            let id = self.core.ids.uuid();
            action["ScheduledActionARN"] = json!(format!(
                "arn:aws:autoscaling:{}:{}:scheduledAction:{id}:resource/ecs/{resource}:scheduledActionName/{name}",
                call.region, self.core.settings.account
            ));
            action["CreationTime"] = time::stamp(call.now);
        }
        self.autoscaling.scheduled.insert(key, action);
        Ok(json!({}))
    }

    pub(super) fn delete_scheduled_action(&mut self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let key = (input.str("ResourceId")?.to_owned(), input.str("ScheduledActionName")?.to_owned());
        let gone = self.autoscaling.scheduled.remove(&key);
        let none = || AwsError::new("ObjectNotFoundException", format!("No scheduled action found: {}", key.1));
        gone.map(|_| json!({})).ok_or_else(none)
    }

    pub(super) fn describe_scheduled_actions(&self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let names = input.strs("ScheduledActionNames");
        let wanted = |(resource, name): &(String, String)| {
            input.opt_str("ResourceId").is_none_or(|wanted| wanted == resource)
                && (names.is_empty() || names.contains(&name.as_str()))
        };
        let all = self.autoscaling.scheduled.iter();
        let found: Vec<&Value> = all.filter(|(key, _)| wanted(key)).map(|(_, action)| action).collect();
        paged("ScheduledActions", &found, Value::clone, 50, input)
    }
}
