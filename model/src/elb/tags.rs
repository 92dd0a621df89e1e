//! Tags of ELBv2 resources.

use serde_json::{Value, json};

use super::validation;
use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, World};

impl World {
    pub(super) fn elb_set_tags(&mut self, arn: &str, tags: &[Value]) -> Result<(), AwsError> {
        for tag in tags {
            let key = tag["Key"].as_str().unwrap_or_default();
            if key.is_empty() || key.to_ascii_lowercase().starts_with("aws:") {
                return Err(validation(format!("Tag key '{key}' is not allowed")));
            }
            let value = tag["Value"].as_str().unwrap_or_default();
            self.elb.tags.entry(arn.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    fn elb_known(&self, arn: &str) -> Result<(), AwsError> {
        for (kind, known) in [
            ("LoadBalancer", self.elb.load_balancers.contains_key(arn)),
            ("TargetGroup", self.elb.target_groups.contains_key(arn)),
            ("Listener", self.elb.listeners.contains_key(arn)),
            ("Rule", self.elb.rules.contains_key(arn)),
        ] {
            let named = match kind {
                "LoadBalancer" => arn.contains(":loadbalancer/"),
                "TargetGroup" => arn.contains(":targetgroup/"),
                "Listener" => arn.contains(":listener/"),
                _ => arn.contains(":listener-rule/"),
            };
            if named {
                return if known { Ok(()) } else { Err(super::not_found(kind)) };
            }
        }
        Err(validation(format!("'{arn}' is not a valid ARN")))
    }

    pub(super) fn elb_add_tags(&mut self, input: In<'_>) -> Answer {
        input.full_list("ResourceArns")?;
        for arn in input.strs("ResourceArns") {
            self.elb_known(arn)?;
            self.elb_set_tags(arn, input.list("Tags"))?;
        }
        Ok(json!({}))
    }

    pub(super) fn elb_remove_tags(&mut self, input: In<'_>) -> Answer {
        for arn in input.strs("ResourceArns") {
            self.elb_known(arn)?;
            if let Some(tags) = self.elb.tags.get_mut(arn) {
                for key in input.strs("TagKeys") {
                    tags.remove(key);
                }
            }
        }
        Ok(json!({}))
    }

    pub(super) fn elb_describe_tags(&self, input: In<'_>) -> Answer {
        input.full_list("ResourceArns")?;
        let arns = input.strs("ResourceArns");
        if arns.len() > 20 {
            return Err(validation("At most 20 resources can be described at once"));
        }
        let mut all = Vec::new();
        for arn in arns {
            self.elb_known(arn)?;
            let tags = self.elb.tags.get(arn).into_iter().flatten();
            let tags: Vec<Value> = tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            all.push(json!({ "ResourceArn": arn, "Tags": tags }));
        }
        Ok(json!({ "TagDescriptions": all }))
    }
}

/// An attribute list of a Modify call laid over `attributes`.
pub(super) fn lay_over(attributes: &mut std::collections::BTreeMap<String, String>, list: &[Value]) {
    for attribute in list {
        let key = attribute["Key"].as_str().unwrap_or_default();
        let value = match &attribute["Value"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        attributes.insert(key.to_owned(), value);
    }
}

pub(super) fn attribute_list(attributes: &std::collections::BTreeMap<String, String>) -> Value {
    Value::Array(attributes.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect())
}
