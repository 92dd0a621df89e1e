use serde_json::{Value, json};

use super::{Stage, text};
use crate::Service::{Sns, Sqs};

fn queue(stage: &mut Stage, name: &str, attributes: Value) -> String {
    text(&stage.ok(Sqs, "CreateQueue", json!({ "QueueName": name, "Attributes": attributes }))["QueueUrl"])
}

fn fifo(stage: &mut Stage) -> String {
    queue(stage, "work.fifo", json!({ "FifoQueue": "true", "VisibilityTimeout": "30" }))
}

fn send(stage: &mut Stage, url: &str, group: &str, body: &str) {
    let id = format!("{group}-{body}");
    let input = json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id });
    stage.ok(Sqs, "SendMessage", input);
}

fn receive(stage: &mut Stage, url: &str, most: u64) -> Vec<(String, String)> {
    let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": most, "AttributeNames": ["All"] });
    let answer = stage.ok(Sqs, "ReceiveMessage", input);
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| (text(&message["Body"]), text(&message["ReceiptHandle"]))).collect()
}

fn bodies(received: &[(String, String)]) -> Vec<&str> {
    received.iter().map(|(body, _)| body.as_str()).collect()
}

#[test]
fn a_fifo_queue_keeps_the_order_and_holds_a_group_in_flight() {
    let mut stage = Stage::bare();
    let url = fifo(&mut stage);
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        send(&mut stage, &url, group, body);
    }
    let first = receive(&mut stage, &url, 1);
    assert_eq!(bodies(&first), ["a1"]);
    let second = receive(&mut stage, &url, 10);
    assert_eq!(bodies(&second), ["b1"]);
    assert!(receive(&mut stage, &url, 10).is_empty());
    stage.ok(Sqs, "DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": first[0].1 }));
    let rest = receive(&mut stage, &url, 10);
    assert_eq!(bodies(&rest), ["a2", "a3"]);
    // Not deleted in time: the whole group comes again, in order.
    stage.now += 31_000;
    assert_eq!(bodies(&receive(&mut stage, &url, 10)), ["a2", "b1", "a3"]);
}

#[test]
fn a_duplicate_within_five_minutes_is_accepted_and_not_delivered() {
    let mut stage = Stage::bare();
    let url = fifo(&mut stage);
    send(&mut stage, &url, "a", "x");
    send(&mut stage, &url, "a", "x");
    let first = receive(&mut stage, &url, 10);
    assert_eq!(first.len(), 1);
    stage.ok(Sqs, "DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": first[0].1 }));
    stage.now += 300_000;
    send(&mut stage, &url, "a", "x");
    assert_eq!(receive(&mut stage, &url, 10).len(), 1);
    let no_id = json!({ "QueueUrl": url, "MessageBody": "y", "MessageGroupId": "a" });
    assert_eq!(stage.refused(Sqs, "SendMessage", no_id), "InvalidParameterValue");
}

#[test]
fn a_fifo_queue_refuses_a_delay_of_its_own_and_a_standard_queue_honours_it() {
    let mut stage = Stage::bare();
    let url = fifo(&mut stage);
    let late = json!({
        "QueueUrl": url, "MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1", "DelaySeconds": 5,
    });
    assert_eq!(stage.refused(Sqs, "SendMessage", late), "InvalidParameterValue");
    let url = queue(&mut stage, "delay", json!({}));
    stage.ok(Sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "later", "DelaySeconds": 60 }));
    assert!(receive(&mut stage, &url, 1).is_empty());
    stage.now += 59_999;
    assert!(receive(&mut stage, &url, 1).is_empty());
    stage.now += 1;
    assert_eq!(bodies(&receive(&mut stage, &url, 1)), ["later"]);
    let too_late = json!({ "QueueUrl": url, "MessageBody": "x", "DelaySeconds": 901 });
    assert_eq!(stage.refused(Sqs, "SendMessage", too_late), "InvalidParameterValue");
}

#[test]
fn a_message_received_too_often_goes_to_the_dead_letters() {
    let mut stage = Stage::bare();
    let dead = queue(&mut stage, "dead", json!({}));
    let policy = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":2}";
    let url = queue(&mut stage, "work", json!({ "RedrivePolicy": policy, "VisibilityTimeout": "10" }));
    stage.ok(Sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "poison" }));
    for _ in 0..2 {
        assert_eq!(receive(&mut stage, &url, 1).len(), 1);
        stage.now += 10_000;
    }
    assert!(receive(&mut stage, &url, 1).is_empty());
    assert_eq!(bodies(&receive(&mut stage, &dead, 1)), ["poison"]);
}

#[test]
fn visibility_can_be_given_back_at_once() {
    let mut stage = Stage::bare();
    let url = queue(&mut stage, "work", json!({}));
    stage.ok(Sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" }));
    let first = receive(&mut stage, &url, 1);
    let input = json!({ "QueueUrl": url, "ReceiptHandle": first[0].1, "VisibilityTimeout": 0 });
    stage.ok(Sqs, "ChangeMessageVisibility", input);
    assert_eq!(receive(&mut stage, &url, 1).len(), 1);
    assert_eq!(
        stage.refused(Sqs, "SendMessage", json!({ "QueueUrl": "http://q/1/none", "MessageBody": "x" })),
        "AWS.SimpleQueueService.NonExistentQueue"
    );
}

#[test]
fn a_batch_tells_of_each_entry() {
    let mut stage = Stage::bare();
    let url = queue(&mut stage, "work", json!({}));
    let entries = json!([{ "Id": "1", "MessageBody": "a" }, { "Id": "2", "MessageBody": "" }]);
    let answer = stage.ok(Sqs, "SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries }));
    assert_eq!(answer["Successful"][0]["MD5OfMessageBody"], "0cc175b9c0f1b6a831c399e269772661");
    assert_eq!(answer["Failed"][0]["Id"], "2");
}

#[test]
fn a_topic_delivers_to_its_queues() {
    let mut stage = Stage::bare();
    let url = queue(&mut stage, "inbox", json!({}));
    let topic = stage.ok(Sns, "CreateTopic", json!({ "Name": "news" }))["TopicArn"].clone();
    let endpoint = "arn:aws:sqs:us-east-1:123456789012:inbox";
    stage.ok(Sns, "Subscribe", json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint }));
    stage.ok(Sns, "Publish", json!({ "TopicArn": topic, "Subject": "hi", "Message": "hello" }));
    let body: Value = serde_json::from_str(&receive(&mut stage, &url, 1)[0].0).expect("JSON");
    assert_eq!((&body["Message"], &body["Subject"]), (&json!("hello"), &json!("hi")));
    let bad = json!({ "TopicArn": topic, "Subject": "two\nlines", "Message": "x" });
    assert_eq!(stage.refused(Sns, "Publish", bad), "InvalidParameter");
}
