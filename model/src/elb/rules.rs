//! Listener rules.

use serde_json::{Value, json};
use std::convert::identity;

use super::load_balancers::paged;
use super::{Plan, Rule, conditions, not_found, validation};
use crate::error::Answer;
use crate::input::{In, as_u64};
use crate::{AwsError, Call, Millis, World};

fn priority_of(value: &Value) -> Result<u32, AwsError> {
    let priority = as_u64(value).filter(|priority| (1..=50_000).contains(priority));
    Ok(priority.ok_or_else(|| validation(format!("Priority '{value}' must be between 1 and 50000")))? as u32)
}

impl World {
    fn rule_doc(&self, arn: &str) -> Value {
        let rule = &self.elb.rules[arn];
        json!({
            "RuleArn": arn,
            "Priority": rule.priority.map_or("default".to_owned(), |priority| priority.to_string()),
            "Conditions": rule.conditions,
            "Actions": rule.actions,
            "IsDefault": rule.priority.is_none(),
            "Transforms": rule.transforms,
        })
    }

    /// As DescribeRules shows it.
    fn described_rule(&self, arn: &str) -> Value {
        let mut doc = self.rule_doc(arn);
        if let Some(actions) = self.core.lagging(&self.elb.rules[arn].shown) {
            doc["Actions"] = json!(actions);
        }
        doc
    }

    /// Rules of a listener by priority, the default rule last.
    fn sort_rules(&mut self, listener: &str) {
        let of_this = self.elb.rules.iter().filter(|(_, rule)| rule.listener == listener);
        let mut order: Vec<(u32, String)> =
            of_this.map(|(arn, rule)| (rule.priority.unwrap_or(u32::MAX), arn.clone())).collect();
        order.sort();
        if let Some(listener) = self.elb.listeners.get_mut(listener) {
            listener.order = order.into_iter().map(|(_, arn)| arn).collect();
        }
    }

    pub(super) fn create_rule(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let listener_arn = input.str("ListenerArn")?.to_owned();
        let listener = self.elb.listeners.get(&listener_arn).ok_or_else(|| not_found("Listener"))?;
        let priority = priority_of(input.need("Priority")?)?;
        let taken = |rule: &Rule| rule.listener == listener_arn && rule.priority == Some(priority);
        if self.elb.rules.values().any(taken) {
            return Err(AwsError::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
        }
        if listener.order.len() > 100 {
            return Err(AwsError::new("TooManyRules", "The listener has the maximum number of rules"));
        }
        let (shown, compiled) = conditions::check(input.full_list("Conditions")?)?;
        let secure = listener.protocol == "HTTPS";
        let given = input.full_list("Actions")?;
        let beliefs = &self.core.settings.beliefs;
        let checked = self.elb.check_actions(given, &listener.load_balancer, secure, false, beliefs)?;
        let arn = format!("{}/{}", listener_arn.replace(":listener/", ":listener-rule/"), self.core.ids.hex16());
        self.elb_set_tags(&arn, input.list("Tags"))?;
        self.elb.rules.insert(
            arn.clone(),
            Rule {
                listener: listener_arn.clone(),
                priority: Some(priority),
                conditions: shown,
                actions: checked.actions,
                transforms: input.get("Transforms").cloned().unwrap_or_else(|| json!([])),
                secret: checked.secret,
                plan: Plan { conditions: compiled, gates: checked.gates, last: checked.last },
                before: None,
                shown: None,
                owed: Vec::new(),
            },
        );
        self.sort_rules(&listener_arn);
        self.elb_use_changed(call.now);
        Ok(json!({ "Rules": [self.rule_doc(&arn)] }))
    }

    pub(super) fn describe_rules(&self, input: In<'_>) -> Answer {
        let arns = input.strs("RuleArns");
        let mut docs = Vec::new();
        match input.opt_str("ListenerArn") {
            Some(_) if !arns.is_empty() => {
                return Err(validation("Specify either a listener ARN or rule ARNs, not both"));
            }
            Some(listener) => {
                let listener = self.elb.listeners.get(listener).ok_or_else(|| not_found("Listener"))?;
                docs.extend(listener.order.iter().map(|arn| self.described_rule(arn)));
            }
            None if arns.is_empty() => {
                return Err(validation("You must specify either listener ARNs or rule ARNs"));
            }
            None => {
                for arn in arns {
                    if !self.elb.rules.contains_key(arn) {
                        return Err(not_found("Rule"));
                    }
                    docs.push(self.described_rule(arn));
                }
            }
        }
        paged("Rules", &docs, identity, input)
    }

    /// Replaces what is given and keeps the rest; the nodes follow after the propagation time.
    pub(super) fn write_rule(
        &mut self,
        arn: &str,
        conditions: Option<&[Value]>,
        actions: Option<&[Value]>,
        secure: bool,
        now: Millis,
    ) -> Result<(), AwsError> {
        let beliefs = &self.core.settings.beliefs;
        let rule = self.elb.rules.get(arn).ok_or_else(|| not_found("Rule"))?;
        let balancer =
            self.elb.listeners.get(&rule.listener).ok_or_else(|| not_found("Listener"))?.load_balancer.clone();
        let conditions = conditions.map(conditions::check).transpose()?;
        let checked =
            actions.map(|given| self.elb.check_actions(given, &balancer, secure, rule.secret, beliefs)).transpose()?;
        let beyond = &self.core.settings.beyond;
        let propagation = if beliefs.nodes_follow_in_time { self.core.settings.elb.propagation } else { beyond.nodes };
        let shown_until = (!beliefs.rules_read_back_at_once).then_some(now + beyond.reads);
        let Some(rule) = self.elb.rules.get_mut(arn) else { return Ok(()) };
        let old = rule.plan.clone();
        if let Some((shown, compiled)) = conditions {
            rule.conditions = shown;
            rule.plan.conditions = compiled;
        }
        if let Some(checked) = checked {
            if let Some(until) = shown_until {
                // Two quick writes: the reads are as far behind as after one.
                let before = std::mem::take(&mut rule.actions);
                let before = rule.shown.take().filter(|(until, _)| *until > now).map_or(before, |(_, shown)| shown);
                rule.shown = Some((until, before));
            }
            rule.actions = checked.actions;
            rule.secret = checked.secret;
            rule.plan.gates = checked.gates;
            rule.plan.last = checked.last;
        }
        if rule.plan != old {
            rule.owed.clear();
            // Two quick writes: what was in force stays in force until the last one has reached the nodes.
            let in_force = match rule.before.take() {
                Some((until, plan)) if until > now => plan,
                Some(_) | None => old,
            };
            rule.before = (propagation > 0).then_some((now + propagation, in_force));
        }
        self.elb_use_changed(now);
        Ok(())
    }

    pub(super) fn modify_rule(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("RuleArn")?.to_owned();
        let rule = self.elb.rules.get(&arn).ok_or_else(|| not_found("Rule"))?;
        if rule.priority.is_none() && self.core.settings.beliefs.default_rule_refuses_modify {
            return Err(AwsError::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be modified")));
        }
        let named = ["Conditions", "Actions", "Transforms", "ResetTransforms"];
        if named.iter().all(|member| input.get(member).is_none()) {
            return Err(validation("At least one of conditions, actions or transforms must be specified"));
        }
        let secure = self.elb.listeners.get(&rule.listener).is_some_and(|listener| listener.protocol == "HTTPS");
        let conditions = input.get("Conditions").map(|_| input.list("Conditions"));
        let actions = input.get("Actions").map(|_| input.list("Actions"));
        let forgotten = actions.is_some() && conditions.is_none();
        let forgotten = forgotten && !self.core.settings.beliefs.modify_rule_keeps_conditions;
        self.write_rule(&arn, conditions, actions, secure, call.now)?;
        if let Some(rule) = self.elb.rules.get_mut(&arn) {
            if forgotten {
                rule.conditions.clear();
                rule.plan.conditions.clear();
            }
            if input.bool("ResetTransforms") {
                rule.transforms = json!([]);
            } else if let Some(transforms) = input.get("Transforms") {
                rule.transforms = transforms.clone();
            }
        }
        Ok(json!({ "Rules": [self.rule_doc(&arn)] }))
    }

    pub(super) fn set_rule_priorities(&mut self, input: In<'_>) -> Answer {
        let mut wanted = Vec::new();
        for pair in input.full_list("RulePriorities")? {
            let arn = pair["RuleArn"].as_str().unwrap_or_default();
            let rule = self.elb.rules.get(arn).ok_or_else(|| not_found("Rule"))?;
            if rule.priority.is_none() {
                return Err(AwsError::new("OperationNotPermitted", format!("Default rule '{arn}' has no priority")));
            }
            wanted.push((arn.to_owned(), rule.listener.clone(), priority_of(&pair["Priority"])?));
        }
        for (arn, listener, priority) in &wanted {
            let moved = |other: &str| wanted.iter().find(|(arn, ..)| arn == other).map(|(.., priority)| *priority);
            let taken = self.elb.rules.iter().any(|(other, rule)| {
                other != arn && rule.listener == *listener && moved(other).or(rule.priority) == Some(*priority)
            });
            if taken {
                return Err(AwsError::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
            }
        }
        for (arn, _, priority) in &wanted {
            if let Some(rule) = self.elb.rules.get_mut(arn) {
                rule.priority = Some(*priority);
            }
        }
        for (_, listener, _) in &wanted {
            self.sort_rules(listener);
        }
        let docs: Vec<Value> = wanted.iter().map(|(arn, ..)| self.rule_doc(arn)).collect();
        Ok(json!({ "Rules": docs }))
    }

    pub(super) fn delete_rule(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("RuleArn")?;
        let rule = self.elb.rules.get(arn).ok_or_else(|| not_found("Rule"))?;
        if rule.priority.is_none() {
            return Err(AwsError::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be deleted")));
        }
        let listener = rule.listener.clone();
        self.elb.rules.remove(arn);
        self.sort_rules(&listener);
        self.elb_use_changed(call.now);
        Ok(json!({}))
    }
}
