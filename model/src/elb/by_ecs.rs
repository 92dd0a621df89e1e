//! Weights that ECS itself writes for its native strategies.

use serde_json::{Value, json};

use crate::{JournalEntry, Millis, Service, World};

impl World {
    /// Gives each of these target groups its weight in a rule, everything else as it was; journalled as ECS's own call.
    ///
    /// # Errors
    /// Why it cannot be: no such rule, or it does not forward to all of them.
    pub(crate) fn ecs_weighs(&mut self, arn: &str, weights: &[(&str, u64)], now: Millis) -> Result<(), String> {
        let rule = self.elb.rules.get(arn).ok_or_else(|| format!("The listener rule {arn} does not exist."))?;
        let mut actions = json!(rule.actions);
        let before = actions.clone();
        let mut named = 0;
        let held = actions.as_array_mut().into_iter().flatten();
        for group in held.filter_map(|action| action["ForwardConfig"]["TargetGroups"].as_array_mut()).flatten() {
            if let Some((_, weight)) = weights.iter().find(|(own, _)| group["TargetGroupArn"] == *own) {
                group["Weight"] = json!(weight);
                named += 1;
            }
        }
        if named < weights.len() {
            return Err(format!("The listener rule {arn} does not forward to both target groups."));
        }
        if actions == before {
            return Ok(());
        }
        let secure = self.elb.listeners.get(&rule.listener).is_some_and(|listener| listener.protocol == "HTTPS");
        let input = json!({ "RuleArn": arn, "Actions": actions });
        // Descriptions of rules change by calls only, but for this one.
        self.changed();
        let written = self.write_rule(arn, None, actions.as_array().map(Vec::as_slice), secure, now);
        self.journal_own(JournalEntry {
            at: now,
            caller: "service:ecs".to_owned(),
            service: Service::Elb,
            operation: "ModifyRule".to_owned(),
            input,
            error: written.as_ref().err().map(|error| error.code.clone()),
        });
        written.map_err(|error| error.message)
    }

    /// The target groups and weights of a rule's forward action.
    #[must_use]
    pub fn rule_weights(&self, arn: &str) -> Vec<(String, u64)> {
        let actions = self.elb.rules.get(arn).map(|rule| json!(rule.actions)).unwrap_or_default();
        let groups = actions
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|action| Some(action["ForwardConfig"]["TargetGroups"].as_array()?.clone()));
        let weight = |group: &Value| {
            (group["TargetGroupArn"].as_str().unwrap_or_default().to_owned(), group["Weight"].as_u64().unwrap_or(1))
        };
        groups.flatten().map(|group| weight(&group)).collect()
    }
}
