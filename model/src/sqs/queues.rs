//! Queues and their attributes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Queue, absent, invalid};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, Millis, World};

/// Attributes with numbers: name, smallest, largest, default.
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1_024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];

fn given(input: In<'_>) -> BTreeMap<String, String> {
    let attributes = input.get("Attributes").and_then(Value::as_object).into_iter().flatten();
    attributes
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// The tags of an input; CreateQueue spells the member in lower case, TagQueue does not.
pub(super) fn tags(input: In<'_>, member: &str) -> BTreeMap<String, String> {
    let tags = input.get(member).and_then(Value::as_object).into_iter().flatten();
    tags.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn check(attributes: &BTreeMap<String, String>) -> Result<(), AwsError> {
    for (name, low, high, _) in NUMBERS {
        let Some(text) = attributes.get(name) else { continue };
        if !text.parse::<u64>().is_ok_and(|value| (low..=high).contains(&value)) {
            return Err(AwsError::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}.")));
        }
    }
    if let Some(policy) = attributes.get("RedrivePolicy").filter(|policy| !policy.is_empty()) {
        let policy: Value = serde_json::from_str(policy).unwrap_or_default();
        if !policy["deadLetterTargetArn"].is_string() || redrive_count(&policy).is_none() {
            return Err(invalid("Value for parameter RedrivePolicy is invalid."));
        }
    }
    Ok(())
}

fn redrive_count(policy: &Value) -> Option<u64> {
    crate::input::as_u64(&policy["maxReceiveCount"]).filter(|count| (1..=1_000).contains(count))
}

impl Queue {
    /// The name of the dead-letter queue, and after how many receipts a message goes there.
    pub(super) fn redrive(&self) -> Option<(String, u64)> {
        let policy: Value = serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()?;
        let name = policy["deadLetterTargetArn"].as_str()?.rsplit(':').next()?.to_owned();
        Some((name, redrive_count(&policy)?))
    }
}

impl World {
    pub(super) fn create_queue(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("QueueName")?;
        let attributes = given(input);
        check(&attributes)?;
        let stem = name.strip_suffix(".fifo");
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.len() > 80 || !stem.unwrap_or(name).chars().all(valid) {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        let fifo = attributes.get("FifoQueue").is_some_and(|text| text == "true");
        if fifo != stem.is_some() {
            return Err(invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                                underscores, must end with .fifo suffix and needs the attribute FifoQueue.",
            ));
        }
        if let Some(known) = self.sqs.queues.get(name) {
            let differs = attributes.iter().any(|(key, value)| known.attributes.get(key) != Some(value));
            if differs {
                return Err(AwsError::new(
                    "QueueAlreadyExists",
                    "A queue already exists with the same name and a different value for an attribute.",
                ));
            }
            return Ok(json!({ "QueueUrl": known.url }));
        }
        let settings = &self.core.settings;
        let url = format!("{}/{}/{name}", settings.endpoint.trim_end_matches('/'), settings.account);
        let mut all: BTreeMap<String, String> =
            NUMBERS.iter().map(|(name, _, _, default)| ((*name).to_owned(), default.to_string())).collect();
        if fifo {
            for (name, default) in [
                ("ContentBasedDeduplication", "false"),
                ("DeduplicationScope", "queue"),
                ("FifoThroughputLimit", "perQueue"),
            ] {
                all.insert(name.to_owned(), default.to_owned());
            }
        }
        all.extend(attributes);
        let queue = Queue {
            arn: format!("arn:aws:sqs:{}:{}:{name}", call.region, settings.account),
            url: url.clone(),
            fifo,
            attributes: all,
            created: call.now,
            changed: call.now,
            messages: Vec::new(),
            recent: BTreeMap::new(),
            sequence: 8_850_000_000_000_000_000,
            receipts: 0,
            tags: tags(input, "tags"),
        };
        self.sqs.queues.insert(name.to_owned(), queue);
        Ok(json!({ "QueueUrl": url }))
    }

    pub(super) fn get_queue_url(&self, input: In<'_>) -> Answer {
        let queue = self.sqs.queues.get(input.str("QueueName")?).ok_or_else(absent)?;
        Ok(json!({ "QueueUrl": queue.url }))
    }

    pub(super) fn get_queue_attributes(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let names = input.strs("AttributeNames");
        let queue = self.queue(input)?;
        let (visible, hidden, delayed) = queue.counts(call.now);
        let mut all = queue.attributes.clone();
        for (name, value) in [
            ("QueueArn", queue.arn.clone()),
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", hidden.to_string()),
            ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
            ("CreatedTimestamp", (queue.created / 1_000).to_string()),
            ("LastModifiedTimestamp", (queue.changed / 1_000).to_string()),
            ("SqsManagedSseEnabled", "true".to_owned()),
        ] {
            all.insert(name.to_owned(), value);
        }
        if !names.contains(&"All") {
            all.retain(|name, _| names.contains(&name.as_str()));
        }
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    pub(super) fn set_queue_attributes(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let attributes = given(input);
        check(&attributes)?;
        let queue = self.queue(input)?;
        queue.attributes.extend(attributes);
        queue.attributes.retain(|_, value| !value.is_empty());
        queue.changed = call.now;
        Ok(json!({}))
    }

    pub(super) fn list_queues(&self, input: In<'_>) -> Answer {
        let prefix = input.opt_str("QueueNamePrefix").unwrap_or_default();
        let urls: Vec<&String> =
            self.sqs.queues.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, queue)| &queue.url).collect();
        let size = input.opt_u64("MaxResults")?.unwrap_or(1_000) as usize;
        let (urls, next) = page(&urls, input.opt_str("NextToken"), size).ok_or_else(|| input.invalid("NextToken"))?;
        let mut answer = json!({});
        if !urls.is_empty() {
            answer["QueueUrls"] = json!(urls);
        }
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn delete_queue(&mut self, input: In<'_>) -> Answer {
        let name = input.str("QueueUrl")?.rsplit('/').next().unwrap_or_default();
        self.sqs.queues.remove(name).ok_or_else(absent)?;
        Ok(json!({}))
    }

    pub(super) fn purge_queue(&mut self, input: In<'_>) -> Answer {
        self.queue(input)?.messages.clear();
        Ok(json!({}))
    }

    /// How many messages a queue holds that a receiver could get now; `None` for an unknown queue.
    pub fn queue_depth(&self, name: &str, now: Millis) -> Option<usize> {
        self.sqs.queues.get(name).map(|queue| queue.counts(now).0)
    }
}
