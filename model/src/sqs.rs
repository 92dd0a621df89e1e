//! Amazon SQS: standard and FIFO queues, delays, visibility, dead-letter queues.

mod messages;
mod queues;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Millis, World};

#[derive(Debug, Clone, Default)]
pub(crate) struct Sqs {
    /// By name.
    queues: BTreeMap<String, Queue>,
}

#[derive(Debug, Clone)]
struct Queue {
    arn: String,
    url: String,
    fifo: bool,
    attributes: BTreeMap<String, String>,
    created: Millis,
    changed: Millis,
    /// In the order they were sent.
    messages: Vec<Message>,
    /// What was sent within the last five minutes: until when, with which message id and sequence number.
    recent: BTreeMap<String, (Millis, String, String)>,
    sequence: u64,
    /// Receipts handed out so far.
    receipts: u64,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    attributes: Value,
    system: Value,
    group: Option<String>,
    deduplication: Option<String>,
    sequence: String,
    sender: String,
    sent: Millis,
    first_received: Option<Millis>,
    received: u64,
    /// Nobody gets it before this.
    visible: Millis,
    /// The handle of the latest receipt while it is in flight.
    receipt: Option<String>,
}

/// How long FIFO queues remember what was sent.
const DEDUPLICATION: Millis = 300_000;

fn absent() -> AwsError {
    AwsError::new("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

impl Queue {
    fn number(&self, attribute: &str, default: u64) -> u64 {
        self.attributes.get(attribute).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

impl World {
    pub(crate) fn sqs(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateQueue" => self.create_queue(call, input),
            "GetQueueUrl" => self.get_queue_url(input),
            "GetQueueAttributes" => self.get_queue_attributes(call, input),
            "SetQueueAttributes" => self.set_queue_attributes(call, input),
            "ListQueues" => self.list_queues(input),
            "DeleteQueue" => self.delete_queue(input),
            "PurgeQueue" => self.purge_queue(input),
            "SendMessage" => self.send_message(call, input),
            "SendMessageBatch" => self.send_message_batch(call, input),
            "ReceiveMessage" => self.receive_message(call, input),
            "DeleteMessage" => self.delete_message(input),
            "DeleteMessageBatch" => self.delete_message_batch(input),
            "ChangeMessageVisibility" => self.change_visibility(call, input),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(call, input),
            "ListQueueTags" => {
                let tags = &self.queue(input)?.tags;
                // Without any, AWS leaves the member out.
                Ok(if tags.is_empty() { serde_json::json!({}) } else { serde_json::json!({ "Tags": tags }) })
            }
            "TagQueue" => {
                let tags = queues::tags(input, "Tags");
                self.queue(input)?.tags.extend(tags);
                Ok(serde_json::json!({}))
            }
            "UntagQueue" => {
                let keys = input.strs("TagKeys");
                self.queue(input)?.tags.retain(|key, _| !keys.contains(&key.as_str()));
                Ok(serde_json::json!({}))
            }
            other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
        }
    }

    /// The queue that a URL, wherever it points, names.
    fn queue(&mut self, input: In<'_>) -> Result<&mut Queue, AwsError> {
        let url = input.str("QueueUrl")?;
        let name = url.rsplit('/').next().unwrap_or_default();
        self.sqs.queues.get_mut(name).ok_or_else(absent)
    }
}
