//! Target groups and their targets.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::attributes::{self, OF_TARGET_GROUPS};
use super::load_balancers::paged;
use super::tags::{attribute_list, lay_over};
use super::{Elb, HealthState, Target, TargetGroup, not_found, validation};
use crate::error::Answer;
use crate::input::{In, as_u64};
use crate::{AwsError, Call, Millis, World};

/// The members of a health check, with what AWS takes when they are not given.
fn health_check(input: In<'_>, doc: &mut Map<String, Value>) -> Result<(), AwsError> {
    let ranges = [
        ("HealthCheckIntervalSeconds", 5, 300),
        ("HealthCheckTimeoutSeconds", 2, 120),
        ("HealthyThresholdCount", 2, 10),
        ("UnhealthyThresholdCount", 2, 10),
    ];
    for (member, low, high) in ranges {
        if let Some(value) = input.opt_u64(member)? {
            if !(low..=high).contains(&value) {
                return Err(validation(format!("{member} must be between {low} and {high}")));
            }
            doc.insert(member.to_owned(), json!(value));
        }
    }
    for member in ["HealthCheckProtocol", "HealthCheckPort", "HealthCheckPath", "Matcher"] {
        if let Some(value) = input.get(member) {
            doc.insert(member.to_owned(), value.clone());
        }
    }
    if let Some(enabled) = input.opt_bool("HealthCheckEnabled") {
        doc.insert("HealthCheckEnabled".to_owned(), json!(enabled));
    }
    if doc["HealthCheckTimeoutSeconds"].as_u64() >= doc["HealthCheckIntervalSeconds"].as_u64() {
        return Err(validation("Health check interval must be greater than the timeout."));
    }
    Ok(())
}

impl TargetGroup {
    pub(super) fn seconds(&self, member: &str) -> u64 {
        self.doc.get(member).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.doc.get(member).and_then(Value::as_str)
    }

    pub(super) fn matcher(&self) -> &str {
        self.doc.get("Matcher").and_then(|matcher| matcher["HttpCode"].as_str()).unwrap_or("200")
    }

    pub(super) fn checked(&self) -> bool {
        self.doc.get("HealthCheckEnabled") != Some(&json!(false))
    }

    pub(super) fn deregistration_delay(&self) -> Millis {
        let seconds = self.attributes.get("deregistration_delay.timeout_seconds");
        seconds.and_then(|text| text.parse::<u64>().ok()).unwrap_or(300) * 1_000
    }

    fn describe(&self, elb: &Elb) -> Value {
        let mut doc = self.doc.clone();
        doc.insert("LoadBalancerArns".into(), json!(elb.load_balancers_of(&self.arn)));
        Value::Object(doc)
    }
}

impl World {
    pub(super) fn create_target_group(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("Name")?.to_owned();
        let wrong = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        if name.len() > 32 || name.chars().any(wrong) || name.starts_with('-') || name.ends_with('-') {
            return Err(validation(format!("Target group name '{name}' is not valid")));
        }
        let port = input.opt_u64("Port")?.unwrap_or(80);
        if !(1..=65_535).contains(&port) {
            return Err(input.invalid("Port"));
        }
        if let Some(known) = self.elb.target_groups.values().find(|group| group.name == name) {
            if known.seconds("Port") == port {
                return Ok(json!({ "TargetGroups": [known.describe(&self.elb)] }));
            }
            return Err(AwsError::new(
                "DuplicateTargetGroupName",
                format!("A target group with the same name '{name}' exists, but with different settings"),
            ));
        }
        let id = self.core.ids.hex16();
        let suffix = format!("targetgroup/{name}/{id}");
        let arn = format!("arn:aws:elasticloadbalancing:{}:{}:{suffix}", call.region, self.core.settings.account);
        let protocol = input.opt_str("Protocol").unwrap_or("HTTP");
        if !["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"].contains(&protocol) {
            return Err(input.invalid("Protocol"));
        }
        let mut doc = Map::new();
        for (member, value) in [
            ("TargetGroupArn", json!(arn)),
            ("TargetGroupName", json!(name)),
            ("Protocol", json!(protocol)),
            ("ProtocolVersion", json!(input.opt_str("ProtocolVersion").unwrap_or("HTTP1"))),
            ("Port", json!(port)),
            ("VpcId", json!(input.opt_str("VpcId").unwrap_or("vpc-0f1b0000"))),
            ("TargetType", json!(input.opt_str("TargetType").unwrap_or("instance"))),
            ("IpAddressType", json!(input.opt_str("IpAddressType").unwrap_or("ipv4"))),
            ("HealthCheckEnabled", json!(true)),
            ("HealthCheckProtocol", json!("HTTP")),
            ("HealthCheckPort", json!("traffic-port")),
            ("HealthCheckPath", json!("/")),
            ("HealthCheckIntervalSeconds", json!(30)),
            ("HealthCheckTimeoutSeconds", json!(5)),
            ("HealthyThresholdCount", json!(5)),
            ("UnhealthyThresholdCount", json!(2)),
            ("Matcher", json!({ "HttpCode": "200" })),
        ] {
            doc.insert(member.to_owned(), value);
        }
        health_check(input, &mut doc)?;
        self.elb_set_tags(&arn, input.list("Tags"))?;
        let group = TargetGroup {
            arn: arn.clone(),
            name,
            suffix,
            doc,
            attributes: attributes::defaults(OF_TARGET_GROUPS),
            targets: BTreeMap::new(),
            turn: 0,
        };
        let answer = json!({ "TargetGroups": [group.describe(&self.elb)] });
        self.elb.target_groups.insert(arn, group);
        Ok(answer)
    }

    pub(super) fn describe_target_groups(&self, input: In<'_>) -> Answer {
        let (arns, names) = (input.strs("TargetGroupArns"), input.strs("Names"));
        let mut found: Vec<&TargetGroup> = Vec::new();
        for arn in &arns {
            found.push(self.elb.target_groups.get(*arn).ok_or_else(|| not_found("TargetGroup"))?);
        }
        for name in &names {
            let named = self.elb.target_groups.values().find(|group| group.name == *name);
            found.push(named.ok_or_else(|| not_found("TargetGroup"))?);
        }
        if arns.is_empty() && names.is_empty() {
            let balancer = input.opt_str("LoadBalancerArn");
            if balancer.is_some_and(|arn| !self.elb.load_balancers.contains_key(arn)) {
                return Err(not_found("LoadBalancer"));
            }
            let of = |group: &&TargetGroup| {
                balancer.is_none_or(|arn| self.elb.load_balancers_of(&group.arn).iter().any(|of| of == arn))
            };
            found.extend(self.elb.target_groups.values().filter(of));
        }
        paged("TargetGroups", &found, |group| group.describe(&self.elb), input)
    }

    pub(super) fn modify_target_group(&mut self, input: In<'_>) -> Answer {
        let arn = input.str("TargetGroupArn")?;
        let group = self.elb.target_groups.get_mut(arn).ok_or_else(|| not_found("TargetGroup"))?;
        let mut doc = group.doc.clone();
        health_check(input, &mut doc)?;
        group.doc = doc;
        let group = &self.elb.target_groups[arn];
        Ok(json!({ "TargetGroups": [group.describe(&self.elb)] }))
    }

    pub(super) fn delete_target_group(&mut self, input: In<'_>) -> Answer {
        let arn = input.str("TargetGroupArn")?;
        if self.elb.used.contains_key(arn) {
            return Err(AwsError::new(
                "ResourceInUse",
                format!("Target group '{arn}' is currently in use by a listener or a rule"),
            ));
        }
        self.elb.target_groups.remove(arn).ok_or_else(|| not_found("TargetGroup"))?;
        Ok(json!({}))
    }

    pub(super) fn target_group_attributes(&self, input: In<'_>) -> Answer {
        let group = self.elb.target_groups.get(input.str("TargetGroupArn")?).ok_or_else(|| not_found("TargetGroup"))?;
        Ok(json!({ "Attributes": attribute_list(&group.attributes) }))
    }

    pub(super) fn modify_target_group_attributes(&mut self, input: In<'_>) -> Answer {
        let group =
            self.elb.target_groups.get_mut(input.str("TargetGroupArn")?).ok_or_else(|| not_found("TargetGroup"))?;
        attributes::check(OF_TARGET_GROUPS, input.list("Attributes"))?;
        let mut attributes = group.attributes.clone();
        lay_over(&mut attributes, input.full_list("Attributes")?);
        let delay = attributes.get("deregistration_delay.timeout_seconds").and_then(|text| text.parse::<u64>().ok());
        if delay.is_none_or(|seconds| seconds > 3_600) {
            return Err(validation("deregistration_delay.timeout_seconds must be between 0 and 3600"));
        }
        group.attributes = attributes;
        Ok(json!({ "Attributes": attribute_list(&group.attributes) }))
    }

    /// The targets of an API call, the group's port where they name none.
    fn named_targets(&self, input: In<'_>, group: &TargetGroup) -> Result<Vec<(String, u16)>, AwsError> {
        let port = group.seconds("Port");
        let mut named = Vec::new();
        for target in input.list("Targets") {
            let id = target["Id"].as_str().ok_or_else(|| validation("A target needs an Id"))?;
            named.push((id.to_owned(), as_u64(&target["Port"]).unwrap_or(port) as u16));
        }
        Ok(named)
    }

    pub(super) fn register_targets(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("TargetGroupArn")?;
        let group = self.elb.target_groups.get(arn).ok_or_else(|| not_found("TargetGroup"))?;
        input.full_list("Targets")?;
        for (id, port) in self.named_targets(input, group)? {
            self.elb_register(arn, &id, port, call.now);
        }
        Ok(json!({}))
    }

    pub(super) fn deregister_targets(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("TargetGroupArn")?;
        let group = self.elb.target_groups.get(arn).ok_or_else(|| not_found("TargetGroup"))?;
        let ported = input.list("Targets").iter().any(|target| !target["Port"].is_null());
        let mut named = self.named_targets(input, group)?;
        if !ported {
            // Without a port every registration of the id goes.
            let ids: Vec<String> = named.into_iter().map(|(id, _)| id).collect();
            named = group.targets.keys().filter(|(id, _)| ids.contains(id)).cloned().collect();
        }
        for (id, port) in named {
            self.elb_deregister(arn, &id, port, call.now);
        }
        Ok(json!({}))
    }

    /// Registers a target; one that drains is taken back.
    pub(crate) fn elb_register(&mut self, group: &str, id: &str, port: u16, now: Millis) {
        let used = self.elb.in_use(group, &self.core.settings.beliefs);
        let first = now + self.core.settings.elb.registration;
        let Some(group) = self.elb.target_groups.get_mut(group) else { return };
        let target = group.targets.entry((id.to_owned(), port)).or_insert_with(Target::new);
        if target.state == HealthState::Draining || target.state == HealthState::Unused {
            *target = Target::new();
            if used {
                target.enter(first);
            }
        }
    }

    /// Deregisters a target; returns how long it drains.
    pub(crate) fn elb_deregister(&mut self, group: &str, id: &str, port: u16, now: Millis) -> Millis {
        let used = self.elb.used.contains_key(group);
        let Some(group) = self.elb.target_groups.get_mut(group) else { return 0 };
        let delay = if used { group.deregistration_delay() } else { 0 };
        let key = (id.to_owned(), port);
        let Some(target) = group.targets.get_mut(&key) else { return 0 };
        if target.state == HealthState::Draining {
            return target.drained.map_or(0, |at| at.saturating_sub(now));
        }
        if delay == 0 {
            group.targets.remove(&key);
            return 0;
        }
        target.state = HealthState::Draining;
        target.reason = "Target.DeregistrationInProgress";
        target.description = "Target deregistration is in progress".to_owned();
        target.next_probe = None;
        target.drained = Some(now + delay);
        delay
    }

    pub(super) fn describe_target_health(&self, input: In<'_>) -> Answer {
        let group = self.elb.target_groups.get(input.str("TargetGroupArn")?).ok_or_else(|| not_found("TargetGroup"))?;
        let asked = self.named_targets(input, group)?;
        let mut all = Vec::new();
        let mut add = |(id, port): &(String, u16), target: Option<&Target>| {
            let mut health = json!({ "State": "unused" });
            match target {
                Some(target) => {
                    health["State"] = json!(target.state.name());
                    if target.state != HealthState::Healthy {
                        health["Reason"] = json!(target.reason);
                        health["Description"] = json!(target.description);
                    }
                }
                None => {
                    health["Reason"] = json!("Target.NotRegistered");
                    health["Description"] = json!("Target is not registered to the target group");
                }
            }
            let check = match group.text("HealthCheckPort") {
                Some("traffic-port") | None => port.to_string(),
                Some(fixed) => fixed.to_owned(),
            };
            all.push(json!({
                "Target": { "Id": id, "Port": port, "AvailabilityZone": "all" },
                "HealthCheckPort": check, "TargetHealth": health,
            }));
        };
        if input.list("Targets").is_empty() {
            for (key, target) in &group.targets {
                add(key, Some(target));
            }
        } else {
            for key in &asked {
                add(key, group.targets.get(key));
            }
        }
        let mut answer = json!({});
        answer["TargetHealthDescriptions"] = Value::Array(all);
        Ok(answer)
    }
}
