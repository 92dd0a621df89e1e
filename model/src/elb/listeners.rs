//! Listeners and their default actions.

use serde_json::{Map, Value, json};
use std::convert::identity;

use super::load_balancers::paged;
use super::{Listener, Plan, Rule, not_found, validation};
use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Happening, Millis, World};

impl World {
    fn listener_doc(&self, arn: &str) -> Value {
        let listener = &self.elb.listeners[arn];
        let default = listener.order.iter().filter_map(|rule| self.elb.rules.get(rule)).find(|r| r.priority.is_none());
        let mut doc = listener.doc.clone();
        doc.insert("ListenerArn".into(), json!(arn));
        doc.insert("LoadBalancerArn".into(), json!(listener.load_balancer));
        doc.insert("Port".into(), json!(listener.port));
        doc.insert("Protocol".into(), json!(listener.protocol));
        doc.insert("DefaultActions".into(), json!(default.map(|rule| rule.actions.clone()).unwrap_or_default()));
        Value::Object(doc)
    }

    /// As DescribeListeners shows it.
    fn described_listener(&self, arn: &str) -> Value {
        let mut doc = self.listener_doc(arn);
        let rules = self.elb.listeners[arn].order.iter().filter_map(|rule| self.elb.rules.get(rule));
        let shown = rules.filter(|rule| rule.priority.is_none()).find_map(|rule| self.core.lagging(&rule.shown));
        if let Some(actions) = shown {
            doc["DefaultActions"] = json!(actions);
        }
        doc
    }

    pub(super) fn create_listener(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let balancer = input.str("LoadBalancerArn")?.to_owned();
        let suffix = self.elb.load_balancers.get(&balancer).ok_or_else(|| not_found("LoadBalancer"))?.suffix.clone();
        let port = input.opt_u64("Port")?.filter(|port| (1..=65_535).contains(port));
        let port = port.ok_or_else(|| validation("A listener needs a port between 1 and 65535"))? as u16;
        let protocol = input.str("Protocol")?.to_owned();
        if !matches!(protocol.as_str(), "HTTP" | "HTTPS") {
            return Err(validation(format!("Listener protocol '{protocol}' must be one of 'HTTP, HTTPS'")));
        }
        if protocol == "HTTPS" && input.list("Certificates").is_empty() {
            return Err(validation("A certificate must be specified for HTTPS listeners"));
        }
        if self.elb.listeners.values().any(|known| known.load_balancer == balancer && known.port == port) {
            return Err(AwsError::new(
                "DuplicateListener",
                "A listener already exists on this port for this load balancer",
            ));
        }
        let secure = protocol == "HTTPS";
        let checked = self.elb.check_actions(
            input.full_list("DefaultActions")?,
            &balancer,
            secure,
            false,
            &self.core.settings.beliefs,
        )?;
        let prefix = format!("arn:aws:elasticloadbalancing:{}:{}", call.region, self.core.settings.account);
        let id = self.core.ids.hex16();
        let arn = format!("{prefix}:listener/{suffix}/{id}");
        let rule = format!("{prefix}:listener-rule/{suffix}/{id}/{}", self.core.ids.hex16());
        let mut doc = Map::new();
        for member in ["Certificates", "SslPolicy", "AlpnPolicy"] {
            if let Some(value) = input.get(member) {
                doc.insert(member.to_owned(), value.clone());
            }
        }
        if secure {
            // What the API takes when none is named.
            doc.entry("SslPolicy").or_insert(json!("ELBSecurityPolicy-2016-08"));
        }
        self.elb_set_tags(&arn, input.list("Tags"))?;
        self.elb.rules.insert(
            rule.clone(),
            Rule {
                listener: arn.clone(),
                priority: None,
                conditions: Vec::new(),
                actions: checked.actions,
                transforms: json!([]),
                secret: checked.secret,
                plan: Plan { conditions: Vec::new(), gates: checked.gates, last: checked.last },
                before: None,
                shown: None,
                owed: Vec::new(),
            },
        );
        let listener = Listener { load_balancer: balancer.clone(), port, protocol, doc, order: vec![rule] };
        self.elb.listeners.insert(arn.clone(), listener);
        self.elb_use_changed(call.now);
        let up = Happening::ListenerUp { listener_arn: arn.clone(), load_balancer_arn: balancer, port };
        self.core.out.push(up);
        Ok(json!({ "Listeners": [self.listener_doc(&arn)] }))
    }

    pub(super) fn describe_listeners(&self, input: In<'_>) -> Answer {
        let arns = input.strs("ListenerArns");
        let mut docs = Vec::new();
        for arn in &arns {
            if !self.elb.listeners.contains_key(*arn) {
                return Err(not_found("Listener"));
            }
            docs.push(self.described_listener(arn));
        }
        if arns.is_empty() {
            let balancer = input.opt_str("LoadBalancerArn");
            let balancer = balancer.ok_or_else(|| validation("Specify either listener ARNs or a load balancer ARN"))?;
            if !self.elb.load_balancers.contains_key(balancer) {
                return Err(not_found("LoadBalancer"));
            }
            let of_this = self.elb.listeners.iter().filter(|(_, listener)| listener.load_balancer == balancer);
            docs.extend(of_this.map(|(arn, _)| self.described_listener(arn)));
        }
        paged("Listeners", &docs, identity, input)
    }

    pub(super) fn modify_listener(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("ListenerArn")?.to_owned();
        let listener = self.elb.listeners.get(&arn).ok_or_else(|| not_found("Listener"))?;
        let (balancer, before) = (listener.load_balancer.clone(), listener.port);
        let port = match input.opt_u64("Port")? {
            Some(port) => u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| input.invalid("Port"))?,
            None => before,
        };
        let taken = |other: &Listener| other.load_balancer == balancer && other.port == port;
        if port != before && self.elb.listeners.values().any(taken) {
            return Err(AwsError::new(
                "DuplicateListener",
                "A listener already exists on this port for this load balancer",
            ));
        }
        let protocol = input.opt_str("Protocol").unwrap_or(&listener.protocol).to_owned();
        let default = listener.order.iter().find(|rule| self.elb.rules[*rule].priority.is_none()).cloned();
        if let (Some(rule), Some(_)) = (&default, input.get("DefaultActions")) {
            self.write_rule(rule, None, Some(input.list("DefaultActions")), protocol == "HTTPS", call.now)?;
        }
        let listener = self.elb.listeners.get_mut(&arn).ok_or_else(|| not_found("Listener"))?;
        listener.port = port;
        listener.protocol = protocol;
        for member in ["Certificates", "SslPolicy", "AlpnPolicy"] {
            if let Some(value) = input.get(member) {
                listener.doc.insert(member.to_owned(), value.clone());
            }
        }
        if port != before {
            self.core.out.push(Happening::ListenerDown { listener_arn: arn.clone() });
            let up = Happening::ListenerUp { listener_arn: arn.clone(), load_balancer_arn: balancer, port };
            self.core.out.push(up);
        }
        Ok(json!({ "Listeners": [self.listener_doc(&arn)] }))
    }

    pub(super) fn delete_listener(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let arn = input.str("ListenerArn")?;
        if !self.elb.listeners.contains_key(arn) {
            return Err(not_found("Listener"));
        }
        self.remove_listener(arn, call.now);
        Ok(json!({}))
    }

    pub(super) fn remove_listener(&mut self, arn: &str, now: Millis) {
        self.elb.listeners.remove(arn);
        self.elb.rules.retain(|_, rule| rule.listener != arn);
        self.core.out.push(Happening::ListenerDown { listener_arn: arn.to_owned() });
        self.elb_use_changed(now);
    }
}
