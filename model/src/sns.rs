//! Amazon SNS: topics that hand their messages to queues and to whoever watches the world.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, Happening, World, time};

#[derive(Debug, Clone, Default)]
pub(crate) struct Sns {
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Clone)]
struct Topic {
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone)]
struct Subscription {
    arn: String,
    protocol: String,
    endpoint: String,
    raw: bool,
}

/// The tags of an input.
fn tags(input: In<'_>) -> BTreeMap<String, String> {
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    input.list("Tags").iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

fn not_found() -> AwsError {
    AwsError { status: 404, ..AwsError::new("NotFound", "Topic does not exist") }
}

impl Subscription {
    /// These must say yes first, and here nobody reads what would ask them.
    fn pending(&self) -> bool {
        matches!(self.protocol.as_str(), "email" | "email-json" | "http" | "https")
    }

    fn describe(&self, topic: &str, account: &str) -> Value {
        let shown = if self.pending() { "PendingConfirmation" } else { &self.arn };
        json!({
            "SubscriptionArn": shown, "Owner": account, "Protocol": self.protocol, "Endpoint": self.endpoint,
            "TopicArn": topic,
        })
    }
}

/// Message attributes as they stand in an envelope.
fn enveloped(attributes: &Value) -> Value {
    let each = attributes.as_object().into_iter().flatten().map(|(name, attribute)| {
        let value = ["StringValue", "BinaryValue"].into_iter().find_map(|member| attribute[member].as_str());
        (name.clone(), json!({ "Type": attribute["DataType"], "Value": value }))
    });
    Value::Object(each.collect())
}

impl World {
    pub(crate) fn sns(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateTopic" => {
                let name = input.str("Name")?;
                if name.ends_with(".fifo") {
                    return Err(AwsError::new("InvalidParameter", "FIFO topics are not in this local cloud yet"));
                }
                let wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
                if name.len() > 256 || name.chars().any(wrong) {
                    return Err(AwsError::new("InvalidParameter", "Invalid parameter: Topic Name"));
                }
                let account = &self.core.settings.account;
                let arn = format!("arn:aws:sns:{}:{account}:{name}", call.region);
                let given = input.get("Attributes").and_then(Value::as_object).into_iter().flatten();
                let mut attributes: BTreeMap<String, String> =
                    given.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
                attributes.insert("TopicArn".into(), arn.clone());
                attributes.insert("Owner".into(), account.clone());
                let fresh = Topic { attributes, tags: tags(input), subscriptions: Vec::new() };
                self.sns.topics.entry(arn.clone()).or_insert(fresh);
                Ok(json!({ "TopicArn": arn }))
            }
            "DeleteTopic" => {
                self.sns.topics.remove(input.str("TopicArn")?);
                Ok(json!({}))
            }
            "ListTopics" => {
                let arns: Vec<&String> = self.sns.topics.keys().collect();
                let paged = page(&arns, input.opt_str("NextToken"), 100);
                let (arns, next) = paged.ok_or_else(|| input.invalid("NextToken"))?;
                let topics: Vec<Value> = arns.into_iter().map(|arn| json!({ "TopicArn": arn })).collect();
                let mut answer = json!({ "Topics": topics });
                if let Some(next) = next {
                    answer["NextToken"] = json!(next);
                }
                Ok(answer)
            }
            "GetTopicAttributes" => {
                let topic = self.sns.topics.get(input.str("TopicArn")?).ok_or_else(not_found)?;
                let mut attributes = topic.attributes.clone();
                let pending = topic.subscriptions.iter().filter(|subscription| subscription.pending()).count();
                for (name, value) in [
                    ("SubscriptionsConfirmed", (topic.subscriptions.len() - pending).to_string()),
                    ("SubscriptionsPending", pending.to_string()),
                    ("SubscriptionsDeleted", "0".to_owned()),
                ] {
                    attributes.insert(name.to_owned(), value);
                }
                attributes.entry("DisplayName".into()).or_default();
                Ok(json!({ "Attributes": attributes }))
            }
            "SetTopicAttributes" => {
                let topic = self.sns.topics.get_mut(input.str("TopicArn")?).ok_or_else(not_found)?;
                let value = input.opt_str("AttributeValue").unwrap_or_default();
                topic.attributes.insert(input.str("AttributeName")?.to_owned(), value.to_owned());
                Ok(json!({}))
            }
            "Subscribe" => self.subscribe(input),
            "Unsubscribe" => {
                let arn = input.str("SubscriptionArn")?;
                for topic in self.sns.topics.values_mut() {
                    topic.subscriptions.retain(|subscription| subscription.arn != arn);
                }
                Ok(json!({}))
            }
            "ListSubscriptions" | "ListSubscriptionsByTopic" => {
                let only = input.opt_str("TopicArn");
                if only.is_some_and(|arn| !self.sns.topics.contains_key(arn)) {
                    return Err(not_found());
                }
                let account = &self.core.settings.account;
                let mut all = Vec::new();
                for (arn, topic) in self.sns.topics.iter().filter(|(arn, _)| only.is_none_or(|only| only == *arn)) {
                    all.extend(topic.subscriptions.iter().map(|subscription| subscription.describe(arn, account)));
                }
                Ok(json!({ "Subscriptions": all }))
            }
            "Publish" => self.publish(call, input),
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                let absent =
                    || AwsError { status: 404, ..AwsError::new("ResourceNotFound", "Resource does not exist") };
                let topic = self.sns.topics.get_mut(input.str("ResourceArn")?).ok_or_else(absent)?;
                topic.tags.extend(tags(input));
                for key in input.strs("TagKeys") {
                    topic.tags.remove(key);
                }
                if call.operation != "ListTagsForResource" {
                    return Ok(json!({}));
                }
                let shown = topic.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
                Ok(json!({ "Tags": shown.collect::<Vec<_>>() }))
            }
            other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
        }
    }

    fn subscribe(&mut self, input: In<'_>) -> Answer {
        let topic_arn = input.str("TopicArn")?;
        let (protocol, endpoint) = (input.str("Protocol")?, input.opt_str("Endpoint").unwrap_or_default());
        let raw = input.get("Attributes").is_some_and(|attributes| attributes["RawMessageDelivery"] == "true");
        let id = self.core.ids.uuid();
        let topic = self.sns.topics.get_mut(topic_arn).ok_or_else(not_found)?;
        let same = |known: &&Subscription| known.protocol == protocol && known.endpoint == endpoint;
        let whole = input.bool("ReturnSubscriptionArn");
        let answer = |subscription: &Subscription| match subscription.pending() && !whole {
            true => Ok(json!({ "SubscriptionArn": "pending confirmation" })),
            false => Ok(json!({ "SubscriptionArn": subscription.arn })),
        };
        if let Some(known) = topic.subscriptions.iter().find(same) {
            return answer(known);
        }
        let arn = format!("{topic_arn}:{id}");
        let (protocol, endpoint) = (protocol.to_owned(), endpoint.to_owned());
        let subscription = Subscription { arn, protocol, endpoint, raw };
        topic.subscriptions.push(subscription.clone());
        answer(&subscription)
    }

    fn publish(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let topic_arn = input.str("TopicArn")?.to_owned();
        let message = input.str("Message")?.to_owned();
        let subject = input.opt_str("Subject").map(str::to_owned);
        let topic = self.sns.topics.get(&topic_arn).ok_or_else(not_found)?;
        if message.len() > 256 * 1_024 {
            return Err(AwsError::new("InvalidParameter", "Invalid parameter: Message too long"));
        }
        let clean =
            |text: &String| !text.is_empty() && text.chars().count() < 100 && !text.chars().any(char::is_control);
        if subject.as_ref().is_some_and(|subject| !clean(subject)) {
            return Err(AwsError::new("InvalidParameter", "Invalid parameter: Subject"));
        }
        let structured = input.opt_str("MessageStructure") == Some("json");
        let parts: Value = if structured { serde_json::from_str(&message).unwrap_or_default() } else { Value::Null };
        if structured && !parts["default"].is_string() {
            return Err(AwsError::new(
                "InvalidParameter",
                "Invalid parameter: Message Structure - No default entry in JSON message body",
            ));
        }
        let message_id = self.core.ids.uuid();
        let attributes = input.get("MessageAttributes").cloned().unwrap_or_else(|| json!({}));
        for subscription in topic.subscriptions.clone().iter().filter(|subscription| subscription.protocol == "sqs") {
            let text = match structured {
                true => parts["sqs"].as_str().or_else(|| parts["default"].as_str()).unwrap_or_default(),
                false => message.as_str(),
            };
            let mut body = json!({
                "Type": "Notification", "MessageId": message_id, "TopicArn": topic_arn, "Message": text,
                "Timestamp": time::iso_ms(call.now), "SignatureVersion": "1", "Signature": "EXAMPLE",
                "SigningCertURL": "https://sns.local/cert.pem", "UnsubscribeURL": "https://sns.local/unsubscribe",
            });
            if let Some(subject) = &subject {
                body["Subject"] = json!(subject);
            }
            let mut entry = json!({});
            if attributes.as_object().is_some_and(|attributes| !attributes.is_empty()) {
                // Raw ones travel as the message's own; else they are a part of the envelope.
                match subscription.raw {
                    true => entry["MessageAttributes"] = attributes.clone(),
                    false => body["MessageAttributes"] = enveloped(&attributes),
                }
            }
            entry["MessageBody"] = json!(if subscription.raw { text.to_owned() } else { body.to_string() });
            self.sqs_deliver(&subscription.endpoint, entry, call.now);
        }
        let happened = Happening::SnsPublished {
            topic_arn,
            message_id: message_id.clone(),
            subject,
            message,
            attributes,
            at: call.now,
        };
        self.core.out.push(happened);
        Ok(json!({ "MessageId": message_id }))
    }
}
