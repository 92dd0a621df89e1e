//! Elastic Load Balancing v2: load balancers, target groups, listeners, rules; health checks and routing.

mod actions;
mod attributes;
mod by_ecs;
mod conditions;
mod health;
mod listeners;
mod load_balancers;
mod rules;
mod tags;
mod target_groups;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Millis, World};

#[derive(Debug, Clone, Default)]
pub(crate) struct Elb {
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    pub(crate) rules: BTreeMap<String, Rule>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The load balancers that a target group's rules belong to; groups without any are not here.
    used: BTreeMap<String, BTreeSet<String>>,
    /// When host counts are published next; `None` while no group is in use.
    pub(crate) next_gauge: Option<Millis>,
}

#[derive(Debug, Clone)]
pub(crate) struct LoadBalancer {
    name: String,
    region: String,
    /// `app/NAME/ID`, as in metrics and in the ARNs of what belongs to it.
    pub(crate) suffix: String,
    doc: Value,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    name: String,
    /// `targetgroup/NAME/ID`, as in metrics.
    pub(crate) suffix: String,
    doc: serde_json::Map<String, Value>,
    attributes: BTreeMap<String, String>,
    targets: BTreeMap<(String, u16), Target>,
    /// Whose turn it is.
    turn: usize,
}

/// What a target's health is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HealthState {
    Initial,
    Healthy,
    Unhealthy,
    Unused,
    Draining,
}

#[derive(Debug, Clone)]
struct Target {
    state: HealthState,
    reason: &'static str,
    description: String,
    passed: u64,
    failed: u64,
    next_probe: Option<Millis>,
    drained: Option<Millis>,
}

#[derive(Debug, Clone)]
pub(crate) struct Listener {
    load_balancer: String,
    port: u16,
    protocol: String,
    doc: serde_json::Map<String, Value>,
    /// Its rules by priority, the default rule last.
    order: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    listener: String,
    /// `None` is the default rule.
    priority: Option<u32>,
    conditions: Vec<Value>,
    actions: Vec<Value>,
    transforms: Value,
    /// A client secret was given with an authenticate-oidc action.
    secret: bool,
    plan: Plan,
    /// What the nodes still route by, and until when.
    before: Option<(Millis, Plan)>,
    /// What reads still show, and until when.
    shown: Option<(Millis, Vec<Value>)>,
    /// Smooth weighted round robin: what each group is owed.
    owed: Vec<i64>,
}

/// Conditions and actions in a form to route by.
#[derive(Debug, Clone, Default, PartialEq)]
struct Plan {
    conditions: Vec<conditions::Condition>,
    gates: Vec<actions::Gate>,
    last: actions::Last,
}

fn not_found(what: &str) -> AwsError {
    let sentence = match what {
        "LoadBalancer" => "load balancers",
        "TargetGroup" => "target groups",
        "Listener" => "listeners",
        _ => "rules",
    };
    AwsError::new(&format!("{what}NotFound"), format!("One or more {sentence} not found"))
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

impl World {
    pub(crate) fn elb(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateLoadBalancer" => self.create_load_balancer(call, input),
            "DescribeLoadBalancers" => self.describe_load_balancers(input),
            "DeleteLoadBalancer" => self.delete_load_balancer(call, input),
            "DescribeLoadBalancerAttributes" => self.load_balancer_attributes(input),
            "ModifyLoadBalancerAttributes" => self.modify_load_balancer_attributes(input),
            "CreateTargetGroup" => self.create_target_group(call, input),
            "DescribeTargetGroups" => self.describe_target_groups(input),
            "ModifyTargetGroup" => self.modify_target_group(input),
            "DeleteTargetGroup" => self.delete_target_group(input),
            "DescribeTargetGroupAttributes" => self.target_group_attributes(input),
            "ModifyTargetGroupAttributes" => self.modify_target_group_attributes(input),
            "RegisterTargets" => self.register_targets(call, input),
            "DeregisterTargets" => self.deregister_targets(call, input),
            "DescribeTargetHealth" => self.describe_target_health(input),
            "CreateListener" => self.create_listener(call, input),
            "DescribeListeners" => self.describe_listeners(input),
            "ModifyListener" => self.modify_listener(call, input),
            "DeleteListener" => self.delete_listener(call, input),
            "CreateRule" => self.create_rule(call, input),
            "DescribeRules" => self.describe_rules(input),
            "ModifyRule" => self.modify_rule(call, input),
            "SetRulePriorities" => self.set_rule_priorities(input),
            "DeleteRule" => self.delete_rule(call, input),
            "AddTags" => self.elb_add_tags(input),
            "RemoveTags" => self.elb_remove_tags(input),
            "DescribeTags" => self.elb_describe_tags(input),
            other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
        }
    }
}
