//! A queue as an event source: batches, order per group, partial answers.

use super::failures;
use crate::functions::Function;
use crate::inner::Inner;
use model::Service;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Between two looks at an empty queue; Lambda's own pollers use long polling.
const POLL: Duration = Duration::from_millis(50);

/// The journal's name for Lambda's poller.
const CALLER: &str = "service:lambda";

/// Batches of one queue at once, where the template does not say.
const CONCURRENCY: usize = 2;

/// Polls one queue for one function.
pub(crate) struct Poller {
    pub(crate) function: Arc<Function>,
    pub(crate) arn: String,
    pub(crate) batch: u64,
    pub(crate) partial: bool,
    pub(crate) concurrency: Option<usize>,
    /// After a failure its messages come back after this instead of the visibility timeout.
    pub(crate) redelivery: Option<Duration>,
}

impl Poller {
    /// Runs until the cloud stops. While `concurrency` batches are at work nothing is received, so no message waits invisible.
    pub(crate) async fn run(self, inner: Arc<Inner>) {
        let poller = Arc::new(self);
        let slots = Arc::new(Semaphore::new(poller.concurrency.unwrap_or(CONCURRENCY).max(1)));
        let url = poller.url(&inner);
        // A batch beyond ten needs a window; this cloud serves ten at most, as SQS gives.
        let receive = json!({"QueueUrl": url, "MaxNumberOfMessages": poller.batch.clamp(1, 10),
            "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]});
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let messages = match poller.call(&inner, "ReceiveMessage", &receive) {
                Ok(out) => out["Messages"].as_array().cloned().unwrap_or_default(),
                Err(error) => {
                    inner.remark(format!("polling {}: {error}", poller.arn));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if messages.is_empty() {
                drop(slot);
                tokio::time::sleep(POLL).await;
                continue;
            }
            let (poller, at_work, url) = (poller.clone(), inner.clone(), url.clone());
            inner.tasks.spawn(async move {
                poller.batch(&at_work, &url, &messages).await;
                drop(slot);
            });
        }
    }

    async fn batch(&self, inner: &Arc<Inner>, url: &str, messages: &[Value]) {
        let records: Vec<Value> = messages.iter().map(|message| record(message, &self.arn, &inner.region)).collect();
        let payload = json!({ "Records": records }).to_string();
        let Ok(answer) = self.function.invoke(inner, payload).await.answer() else {
            // All of them come back when their visibility timeout ends.
            messages.iter().for_each(|message| self.come_back(inner, url, message));
            return;
        };
        let failed = if self.partial { failures(&answer) } else { Ok(Default::default()) };
        let Ok(failed) = failed else {
            inner.remark(format!("{} answered a broken batchItemFailures", self.function.spec.name));
            return;
        };
        for message in messages {
            let id = message["MessageId"].as_str().unwrap_or_default();
            if !failed.contains(id) {
                let delete = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
                let _ = self.call(inner, "DeleteMessage", &delete);
            } else {
                self.come_back(inner, url, message);
            }
        }
    }

    /// Lets a message come back sooner than its queue says, where that is wished: the invocation that had it is over.
    fn come_back(&self, inner: &Arc<Inner>, url: &str, message: &Value) {
        let Some(after) = self.redelivery else { return };
        let change =
            json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": after.as_secs()});
        let _ = self.call(inner, "ChangeMessageVisibility", &change);
    }

    fn call(&self, inner: &Arc<Inner>, operation: &str, input: &Value) -> Result<Value, model::AwsError> {
        let region = inner.region.clone();
        inner.call(Service::Sqs, operation, input, CALLER, &region)
    }

    fn url(&self, inner: &Inner) -> String {
        let name = self.arn.rsplit(':').next().unwrap_or_default();
        format!("{}/{}/{name}", inner.endpoint, inner.account)
    }
}

/// A received message in the shape of Lambda's SQS event.
fn record(message: &Value, arn: &str, region: &str) -> Value {
    let mut attributes = Map::new();
    if let Some(given) = message["MessageAttributes"].as_object() {
        for (name, attribute) in given {
            let mut out = Map::new();
            for (from, to) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue"), ("DataType", "dataType")]
            {
                if let Some(value) = attribute.get(from) {
                    out.insert(to.to_owned(), value.clone());
                }
            }
            out.insert("stringListValues".to_owned(), json!([]));
            out.insert("binaryListValues".to_owned(), json!([]));
            attributes.insert(name.clone(), Value::Object(out));
        }
    }
    json!({
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes").cloned().unwrap_or_else(|| json!({})),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_lambda_record() {
        let message = json!({"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "x",
            "Attributes": {"MessageGroupId": "g"}, "MessageAttributes": {"n": {"StringValue": "7", "DataType": "Number"}}});
        let record = record(&message, "arn:q", "eu-west-1");
        assert_eq!(record["messageId"], "m");
        assert_eq!(record["attributes"]["MessageGroupId"], "g");
        assert_eq!(record["messageAttributes"]["n"]["stringValue"], "7");
        assert_eq!(record["eventSource"], "aws:sqs");
        assert_eq!(record["awsRegion"], "eu-west-1");
    }
}
