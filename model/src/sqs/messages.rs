//! Messages: sent, received, deleted, hidden.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{DEDUPLICATION, Message, Queue, absent, invalid};
use crate::error::Answer;
use crate::input::{In, as_u64};
use crate::{AwsError, Call, Millis, World, hash};

/// Lengths in four bytes, one byte for the kind, as the SQS guide describes the digest of attributes.
fn attributes_md5(attributes: &Value) -> Option<String> {
    let attributes = attributes.as_object().filter(|attributes| !attributes.is_empty())?;
    let sorted: std::collections::BTreeMap<&String, &Value> = attributes.iter().collect();
    let mut bytes = Vec::new();
    for (name, value) in sorted {
        let kind = value["DataType"].as_str().unwrap_or_default();
        let (mark, content) = match kind.starts_with("Binary") {
            true => (2, base64(value["BinaryValue"].as_str().unwrap_or_default())),
            false => (1, value["StringValue"].as_str().unwrap_or_default().as_bytes().to_vec()),
        };
        for part in [name.as_bytes(), kind.as_bytes()] {
            bytes.extend((part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.push(mark);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(content);
    }
    Some(hash::md5(&bytes))
}

/// The bytes of a base64 text; anything that is not of its alphabet is skipped.
fn base64(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

impl Queue {
    /// Visible, in flight, delayed.
    pub(super) fn counts(&self, now: Millis) -> (usize, usize, usize) {
        self.messages.iter().fold((0, 0, 0), |(visible, hidden, delayed), message| {
            if message.visible <= now {
                (visible + 1, hidden, delayed)
            } else if message.received > 0 {
                (visible, hidden + 1, delayed)
            } else {
                (visible, hidden, delayed + 1)
            }
        })
    }

    /// `late`: how much later than asked a delayed message comes.
    fn send(&mut self, entry: &Value, id: String, sender: &str, now: Millis, late: Millis) -> Result<Value, AwsError> {
        let body = entry["MessageBody"].as_str().unwrap_or_default();
        if body.is_empty() {
            return Err(AwsError::new("MissingParameter", "The request must contain the parameter MessageBody."));
        }
        // What XML 1.0 can carry, as the API reference lists it.
        if body.chars().any(|c| c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}')) {
            return Err(AwsError::new("InvalidMessageContents", "The message has characters that are not allowed."));
        }
        if body.len() as u64 > self.number("MaximumMessageSize", 1_048_576) {
            return Err(invalid("One or more parameters are invalid. Reason: Message must be shorter than the limit."));
        }
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let group = text("MessageGroupId");
        let mut deduplication = text("MessageDeduplicationId");
        let asked = match &entry["DelaySeconds"] {
            Value::Null => None,
            value => Some(as_u64(value).filter(|seconds| *seconds <= 900).ok_or_else(|| {
                invalid(format!(
                    "Value {value} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
                ))
            })?),
        };
        if self.fifo {
            if let Some(seconds) = asked.filter(|seconds| *seconds > 0) {
                return Err(invalid(format!(
                    "Value {seconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is \
                     not valid for this queue type."
                )));
            }
            if group.is_none() {
                return Err(AwsError::new(
                    "MissingParameter",
                    "The request must contain the parameter MessageGroupId.",
                ));
            }
            if deduplication.is_none() {
                if self.attributes.get("ContentBasedDeduplication").is_none_or(|text| text != "true") {
                    return Err(invalid(
                        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                         explicitly",
                    ));
                }
                deduplication = Some(hash::sha256(body.as_bytes()));
            }
        } else if deduplication.is_some() {
            return Err(invalid("The request include parameter that is not valid for this queue type."));
        }
        let attributes = entry["MessageAttributes"].clone();
        let system = entry["MessageSystemAttributes"].clone();
        let mut answer = json!({ "MessageId": id, "MD5OfMessageBody": hash::md5(body.as_bytes()) });
        if let Some(md5) = attributes_md5(&attributes) {
            answer["MD5OfMessageAttributes"] = json!(md5);
        }
        if let Some(md5) = attributes_md5(&system) {
            answer["MD5OfMessageSystemAttributes"] = json!(md5);
        }
        self.recent.retain(|_, (until, ..)| *until > now);
        if let Some((_, id, sequence)) = deduplication.as_ref().and_then(|key| self.recent.get(key)) {
            // Accepted and not delivered again: the answer is that of the first.
            answer["MessageId"] = json!(id);
            answer["SequenceNumber"] = json!(sequence);
            return Ok(answer);
        }
        self.sequence += 256;
        let sequence = format!("{:020}", self.sequence);
        if self.fifo {
            answer["SequenceNumber"] = json!(sequence);
            if let Some(key) = &deduplication {
                self.recent.insert(key.clone(), (now + DEDUPLICATION, id.clone(), sequence.clone()));
            }
        }
        let delay = asked.filter(|_| !self.fifo).unwrap_or_else(|| self.number("DelaySeconds", 0)) * 1_000;
        self.messages.push(Message {
            id,
            body: body.to_owned(),
            attributes,
            system,
            group,
            deduplication,
            sequence,
            sender: sender.to_owned(),
            sent: now,
            first_received: None,
            received: 0,
            visible: now + delay + if delay > 0 { late } else { 0 },
            receipt: None,
        });
        Ok(answer)
    }

    /// The places of the messages a receiver gets: in order, none of a group that has one in flight.
    fn receivable(&self, most: usize, now: Millis, one_at_a_time: bool) -> Vec<usize> {
        let in_flight = |message: &&Message| message.visible > now && message.received > 0;
        let mut blocked: BTreeSet<&str> = match self.fifo && one_at_a_time {
            true => self.messages.iter().filter(in_flight).filter_map(|message| message.group.as_deref()).collect(),
            false => BTreeSet::new(),
        };
        let mut places = Vec::new();
        for (place, message) in self.messages.iter().enumerate() {
            if places.len() == most {
                break;
            }
            let group = message.group.as_deref().filter(|_| self.fifo);
            if group.is_some_and(|group| blocked.contains(group)) {
                continue;
            }
            if message.visible > now {
                // A delayed message holds back those behind it in its group.
                blocked.extend(group.filter(|_| one_at_a_time || message.received == 0));
                continue;
            }
            places.push(place);
        }
        places
    }

    fn remove(&mut self, handle: &str) -> Result<(), AwsError> {
        let known = handle.split_once('#').is_some();
        if !known {
            return Err(AwsError::new("ReceiptHandleIsInvalid", "The input receipt handle is invalid."));
        }
        // An outdated handle deletes nothing on a FIFO queue; on a standard queue it still finds its message.
        let (id, _) = handle.split_once('#').unwrap_or_default();
        let fifo = self.fifo;
        self.messages.retain(|message| message.id != id || (fifo && message.receipt.as_deref() != Some(handle)));
        Ok(())
    }

    fn hide(&mut self, handle: &str, seconds: &Value, now: Millis) -> Result<(), AwsError> {
        let seconds = as_u64(seconds).filter(|seconds| *seconds <= 43_200);
        let seconds = seconds.ok_or_else(|| invalid("Value for parameter VisibilityTimeout is invalid."))?;
        let message = self.messages.iter_mut().find(|message| message.receipt.as_deref() == Some(handle));
        let message = message.ok_or_else(|| {
            AwsError::new("ReceiptHandleIsInvalid", "The input receipt handle is not valid for this queue.")
        })?;
        if message.visible <= now {
            let text = "Message does not exist or is not available for visibility timeout change.";
            return Err(AwsError::new("AWS.SimpleQueueService.MessageNotInflight", text));
        }
        message.visible = now + seconds * 1_000;
        Ok(())
    }
}

fn chosen(attributes: &Value, names: &[&str]) -> Value {
    let fits = |key: &str| {
        names.iter().any(|name| match name.strip_suffix(".*") {
            Some(prefix) => key.starts_with(prefix),
            None => *name == key || matches!(*name, "All" | "*"),
        })
    };
    let attributes = attributes.as_object().into_iter().flatten().filter(|(key, _)| fits(key));
    Value::Object(attributes.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn shown(message: &Message, fifo: bool, system: &[&str], own: &[&str]) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        let wanted = system.iter().any(|wanted| *wanted == "All" || *wanted == name);
        if let Some(value) = value.filter(|_| wanted) {
            all.insert(name.to_owned(), json!(value));
        }
    };
    put("SenderId", Some(message.sender.clone()));
    put("SentTimestamp", Some(message.sent.to_string()));
    put("ApproximateReceiveCount", Some(message.received.to_string()));
    put("ApproximateFirstReceiveTimestamp", message.first_received.map(|at| at.to_string()));
    put("MessageGroupId", message.group.clone());
    put("MessageDeduplicationId", message.deduplication.clone());
    put("SequenceNumber", fifo.then(|| message.sequence.clone()));
    put("AWSTraceHeader", message.system["AWSTraceHeader"]["StringValue"].as_str().map(str::to_owned));
    let mut answer = json!({
        "MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body,
        "MD5OfBody": hash::md5(message.body.as_bytes()),
    });
    if !all.is_empty() {
        answer["Attributes"] = Value::Object(all);
    }
    let attributes = chosen(&message.attributes, own);
    if let Some(md5) = attributes_md5(&attributes) {
        answer["MD5OfMessageAttributes"] = json!(md5);
        answer["MessageAttributes"] = attributes;
    }
    answer
}

/// Runs each entry of a batch; a failed one does not stop the others.
fn batch(input: In<'_>, mut each: impl FnMut(&Value) -> Answer) -> Answer {
    let entries = input.list("Entries");
    if entries.is_empty() {
        return Err(AwsError::new("AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry."));
    }
    if entries.len() > 10 {
        let text = "Maximum number of entries per request are 10.";
        return Err(AwsError::new("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", text));
    }
    let ids: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["Id"].as_str()).collect();
    if ids.len() != entries.len() {
        return Err(AwsError::new("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Every entry needs its own Id."));
    }
    let named = |id: &str| {
        (1..=80).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if ids.iter().any(|id| !named(id)) {
        let text = "A batch entry id can only contain alphanumeric characters, hyphens and underscores, at most 80.";
        return Err(AwsError::new("AWS.SimpleQueueService.InvalidBatchEntryId", text));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match each(entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                done.push(answer);
            }
            Err(error) => failed.push(json!({
                "Id": entry["Id"], "SenderFault": error.status < 500, "Code": error.code, "Message": error.message,
            })),
        }
    }
    // Both are required members of the answer.
    Ok(json!({ "Successful": done, "Failed": failed }))
}

impl World {
    fn lateness(&self) -> Millis {
        if self.core.settings.beliefs.delays_are_exact { 0 } else { self.core.settings.beyond.delays }
    }

    pub(super) fn send_message(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let (id, late) = (self.core.ids.uuid(), self.lateness());
        self.queue(input)?.send(call.input, id, call.caller, call.now, late)
    }

    pub(super) fn send_message_batch(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        self.queue(input)?;
        batch(input, |entry| {
            let (id, late) = (self.core.ids.uuid(), self.lateness());
            self.queue(input)?.send(entry, id, call.caller, call.now, late)
        })
    }

    /// Puts a message that another service delivers into the queue of an ARN.
    pub(crate) fn sqs_deliver(&mut self, arn: &str, mut entry: Value, now: Millis) {
        let id = self.core.ids.uuid();
        let name = arn.rsplit(':').next().unwrap_or_default();
        if let Some(queue) = self.sqs.queues.get_mut(name) {
            if queue.fifo {
                entry["MessageGroupId"] = json!("sns");
                entry["MessageDeduplicationId"] = json!(id);
            }
            // A message that the queue refuses is lost, as it would be there without a dead-letter queue.
            drop(queue.send(&entry, id, "sns.amazonaws.com", now, 0));
        }
    }

    pub(super) fn receive_message(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let most = input.opt_u64("MaxNumberOfMessages")?.unwrap_or(1);
        if !(1..=10).contains(&most) {
            return Err(input.invalid("MaxNumberOfMessages"));
        }
        if input.opt_u64("WaitTimeSeconds")?.is_some_and(|seconds| seconds > 20) {
            return Err(input.invalid("WaitTimeSeconds"));
        }
        let visibility = input.opt_u64("VisibilityTimeout")?;
        if visibility.is_some_and(|seconds| seconds > 43_200) {
            return Err(input.invalid("VisibilityTimeout"));
        }
        let mut system = input.strs("MessageSystemAttributeNames");
        system.extend(input.strs("AttributeNames"));
        let own = input.strs("MessageAttributeNames");
        self.redrive(input, call.now)?;
        let one_at_a_time = self.core.settings.beliefs.fifo_gives_one_at_a_time;
        let queue = self.queue(input)?;
        let retention = queue.number("MessageRetentionPeriod", 345_600) * 1_000;
        queue.messages.retain(|message| message.sent + retention > call.now);
        let hidden = visibility.unwrap_or_else(|| queue.number("VisibilityTimeout", 30)) * 1_000;
        let mut messages = Vec::new();
        for place in queue.receivable(most as usize, call.now, one_at_a_time) {
            queue.receipts += 1;
            let receipts = queue.receipts;
            let message = &mut queue.messages[place];
            message.received += 1;
            message.first_received.get_or_insert(call.now);
            message.visible = call.now + hidden;
            message.receipt = Some(format!("{}#{receipts}", message.id));
            messages.push(shown(message, queue.fifo, &system, &own));
        }
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    /// Moves messages that were received often enough to the dead-letter queue.
    fn redrive(&mut self, input: In<'_>, now: Millis) -> Result<(), AwsError> {
        let queue = self.queue(input)?;
        let receipts = queue.receipts;
        let Some((name, most)) = queue.redrive() else { return Ok(()) };
        let spent = |message: &Message| message.received >= most && message.visible <= now;
        let (dead, alive): (Vec<Message>, Vec<Message>) =
            std::mem::take(&mut queue.messages).into_iter().partition(spent);
        queue.messages = alive;
        if dead.is_empty() {
            return Ok(());
        }
        let target = self.sqs.queues.get_mut(&name).ok_or_else(absent)?;
        // A handle is never given twice, also not for the same message in another queue.
        target.receipts = target.receipts.max(receipts);
        target.messages.extend(dead.into_iter().map(|message| Message { receipt: None, visible: now, ..message }));
        Ok(())
    }

    pub(super) fn delete_message(&mut self, input: In<'_>) -> Answer {
        let handle = input.str("ReceiptHandle")?;
        self.queue(input)?.remove(handle)?;
        Ok(json!({}))
    }

    pub(super) fn delete_message_batch(&mut self, input: In<'_>) -> Answer {
        self.queue(input)?;
        batch(input, |entry| {
            self.queue(input)?.remove(entry["ReceiptHandle"].as_str().unwrap_or_default())?;
            Ok(json!({}))
        })
    }

    pub(super) fn change_visibility(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let (handle, seconds) = (input.str("ReceiptHandle")?, input.need("VisibilityTimeout")?);
        self.queue(input)?.hide(handle, seconds, call.now)?;
        Ok(json!({}))
    }

    pub(super) fn change_visibility_batch(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        self.queue(input)?;
        batch(input, |entry| {
            let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
            self.queue(input)?.hide(handle, &entry["VisibilityTimeout"], call.now)?;
            Ok(json!({}))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_public_vectors() {
        let one = json!({ "timestamp": { "DataType": "Number", "StringValue": "1493147359900" } });
        assert_eq!(attributes_md5(&one).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        let three = json!({
            "A": { "StringValue": "x", "DataType": "String" },
            "B": { "BinaryValue": "AQID", "DataType": "Binary" },
            "N": { "StringValue": "7", "DataType": "Number" },
        });
        assert_eq!(attributes_md5(&three).as_deref(), Some("f9080a7493222423db7f621cb1c31cba"));
        assert_eq!(attributes_md5(&json!({})), None);
        assert_eq!(hash::md5(b"hello"), "5d41402abc4b2a76b9719d911017c592");
    }
}
