//! Load balancers.

use serde_json::{Value, json};

use super::attributes::{self, OF_LOAD_BALANCERS};
use super::tags::{attribute_list, lay_over};
use super::{LoadBalancer, not_found, validation};
use crate::ec2::zone_name;
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World, time};

impl World {
    pub(super) fn create_load_balancer(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("Name")?.to_owned();
        let kind = input.opt_str("Type").unwrap_or("application");
        if kind != "application" {
            return Err(validation(format!("Load balancers of type '{kind}' are not in this local cloud yet")));
        }
        let wrong = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        if name.len() > 32 || name.chars().any(wrong) || name.starts_with('-') || name.ends_with('-') {
            return Err(validation(format!("The load balancer name '{name}' is not valid")));
        }
        if let Some(known) = self.elb.load_balancers.values().find(|lb| lb.name == name && lb.region == call.region) {
            return Ok(json!({ "LoadBalancers": [known.doc] }));
        }
        let id = self.core.ids.hex16();
        let account = &self.core.settings.account;
        let suffix = format!("app/{name}/{id}");
        let arn = format!("arn:aws:elasticloadbalancing:{}:{account}:loadbalancer/{suffix}", call.region);
        let mut zones: Vec<Value> = Vec::new();
        let mapped = input.list("SubnetMappings").iter().filter_map(|mapping| mapping["SubnetId"].as_str());
        for subnet in input.strs("Subnets").into_iter().chain(mapped) {
            let zone = zone_name(call.region, self.ec2.name(subnet, call.region));
            zones.push(json!({ "ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": [] }));
        }
        if zones.len() < 2 {
            let text = "At least two subnets in two different Availability Zones must be specified";
            return Err(validation(text));
        }
        let scheme = input.opt_str("Scheme").unwrap_or("internet-facing");
        let doc = json!({
            "LoadBalancerArn": arn,
            "DNSName": format!(
                "{}{name}-{}.{}.elb.amazonaws.com",
                if scheme == "internal" { "internal-" } else { "" },
                self.core.ids.bits() % 1_000_000_000,
                call.region
            ),
            "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
            "CreatedTime": time::stamp(call.now),
            "LoadBalancerName": name,
            "Scheme": scheme,
            "VpcId": "vpc-0f1b0000",
            "State": { "Code": "active" },
            "Type": "application",
            "AvailabilityZones": zones,
            "SecurityGroups": input.strs("SecurityGroups"),
            "IpAddressType": input.opt_str("IpAddressType").unwrap_or("ipv4"),
        });
        self.elb_set_tags(&arn, input.list("Tags"))?;
        let attributes = attributes::defaults(OF_LOAD_BALANCERS);
        let balancer = LoadBalancer { name, region: call.region.to_owned(), suffix, doc: doc.clone(), attributes };
        self.elb.load_balancers.insert(arn, balancer);
        // Every later read says `active`: here it takes no time.
        let mut doc = doc;
        doc["State"]["Code"] = json!("provisioning");
        Ok(json!({ "LoadBalancers": [doc] }))
    }

    pub(super) fn describe_load_balancers(&self, input: In<'_>) -> Answer {
        let (arns, names) = (input.strs("LoadBalancerArns"), input.strs("Names"));
        let mut found: Vec<&Value> = Vec::new();
        for arn in &arns {
            found.push(&self.elb.load_balancers.get(*arn).ok_or_else(|| not_found("LoadBalancer"))?.doc);
        }
        for name in &names {
            let named = self.elb.load_balancers.values().find(|lb| lb.name == *name);
            found.push(&named.ok_or_else(|| not_found("LoadBalancer"))?.doc);
        }
        if arns.is_empty() && names.is_empty() {
            found.extend(self.elb.load_balancers.values().map(|lb| &lb.doc));
        }
        let found: Vec<Value> = found.into_iter().cloned().collect();
        paged("LoadBalancers", &found, std::convert::identity, input)
    }

    pub(super) fn delete_load_balancer(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("LoadBalancerArn")?;
        let known = self.elb.load_balancers.get(arn);
        if known.is_some_and(|balancer| balancer.attributes["deletion_protection.enabled"] == "true") {
            let message = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
            return Err(AwsError::new("OperationNotPermitted", message));
        }
        let of_this = |(_, listener): &(&String, &super::Listener)| listener.load_balancer == arn;
        let listeners: Vec<String> = self.elb.listeners.iter().filter(of_this).map(|(arn, _)| arn.clone()).collect();
        for listener in listeners {
            self.remove_listener(&listener, call.now);
        }
        // Deleting one that is gone succeeds, as the API reference says.
        self.elb.load_balancers.remove(arn);
        Ok(json!({}))
    }

    pub(super) fn load_balancer_attributes(&self, input: In<'_>) -> Answer {
        let balancer = self.elb.load_balancers.get(input.str("LoadBalancerArn")?);
        let balancer = balancer.ok_or_else(|| not_found("LoadBalancer"))?;
        Ok(json!({ "Attributes": attribute_list(&balancer.attributes) }))
    }

    pub(super) fn modify_load_balancer_attributes(&mut self, input: In<'_>) -> Answer {
        let balancer = self.elb.load_balancers.get_mut(input.str("LoadBalancerArn")?);
        let balancer = balancer.ok_or_else(|| not_found("LoadBalancer"))?;
        attributes::check(OF_LOAD_BALANCERS, input.list("Attributes"))?;
        lay_over(&mut balancer.attributes, input.list("Attributes"));
        Ok(json!({ "Attributes": attribute_list(&balancer.attributes) }))
    }
}

/// One page of a Describe answer, with `NextMarker`.
pub(super) fn paged<T: Clone>(
    member: &str,
    items: &[T],
    shown: impl Fn(T) -> Value,
    input: In<'_>,
) -> Result<Value, AwsError> {
    let size = input.opt_u64("PageSize")?.unwrap_or(400).clamp(1, 400) as usize;
    let (items, next) = page(items, input.opt_str("Marker"), size).ok_or_else(|| input.invalid("Marker"))?;
    let mut answer = json!({});
    answer[member] = items.into_iter().map(shown).collect();
    if let Some(next) = next {
        answer["NextMarker"] = json!(next);
    }
    Ok(answer)
}
