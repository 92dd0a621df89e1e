//! Tags of ECS resources.

use serde_json::{Value, json};

use super::invalid;
use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, World};

impl World {
    /// Adds tags (lower-case `key`, `value`); the reserved prefix `aws:` is refused.
    pub(super) fn ecs_set_tags(&mut self, arn: &str, tags: &[Value]) -> Result<(), AwsError> {
        let key = |tag: &Value| tag["key"].as_str().unwrap_or_default().to_owned();
        if tags.iter().any(|tag| key(tag).is_empty()) {
            return Err(invalid("Tag key must not be empty."));
        }
        if tags.iter().any(|tag| key(tag).to_ascii_lowercase().starts_with("aws:")) {
            return Err(invalid("aws: prefixed tag key names are not allowed for external use."));
        }
        let mut all = self.ecs.tags.get(arn).cloned().unwrap_or_default();
        all.extend(tags.iter().map(|tag| (key(tag), tag["value"].as_str().unwrap_or_default().to_owned())));
        if all.len() > 50 {
            return Err(invalid("The maximum number of tags per resource is 50."));
        }
        if !all.is_empty() {
            self.ecs.tags.insert(arn.to_owned(), all);
        }
        Ok(())
    }

    pub(super) fn ecs_tag_list(&self, arn: &str) -> Value {
        let tags = self.ecs.tags.get(arn).into_iter().flatten();
        Value::Array(tags.map(|(key, value)| json!({ "key": key, "value": value })).collect())
    }

    fn ecs_has(&self, arn: &str) -> Result<(), AwsError> {
        let known = self.ecs.services.values().any(|service| service.arn == arn)
            || self.ecs.clusters.values().any(|cluster| cluster.arn == arn)
            || self.ecs.families.values().flatten().any(|definition| definition.arn == arn)
            || self.ecs.tasks.values().any(|task| task.arn == arn);
        if known { Ok(()) } else { Err(invalid("The specified resource ARN was not found.")) }
    }

    pub(super) fn ecs_tag(&mut self, input: In<'_>) -> Answer {
        let arn = input.str("resourceArn")?;
        self.ecs_has(arn)?;
        self.ecs_set_tags(arn, input.list("tags"))?;
        Ok(json!({}))
    }

    pub(super) fn ecs_untag(&mut self, input: In<'_>) -> Answer {
        let arn = input.str("resourceArn")?;
        self.ecs_has(arn)?;
        if let Some(tags) = self.ecs.tags.get_mut(arn) {
            for key in input.strs("tagKeys") {
                tags.remove(key);
            }
        }
        Ok(json!({}))
    }

    pub(super) fn ecs_tags(&self, input: In<'_>) -> Answer {
        let arn = input.str("resourceArn")?;
        self.ecs_has(arn)?;
        Ok(json!({ "tags": self.ecs_tag_list(arn) }))
    }
}
