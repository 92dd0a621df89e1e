//! What the comparison with moto brought to light, each where AWS's own words decide.

use super::*;
use crate::Service::{CloudWatch, Ecr, Ecs, Elb, Sns, Sqs};

#[test]
fn a_new_load_balancer_is_provisioning_and_protection_keeps_it() {
    let mut stage = Stage::new();
    let input = json!({ "Name": "other", "Subnets": ["a", "b"], "Scheme": "internal" });
    let made = stage.ok(Elb, "CreateLoadBalancer", input)["LoadBalancers"][0].clone();
    assert_eq!(made["State"]["Code"], "provisioning");
    assert!(made["DNSName"].as_str().is_some_and(|name| name.starts_with("internal-other-")));
    let arn = made["LoadBalancerArn"].clone();
    let seen = stage.ok(Elb, "DescribeLoadBalancers", json!({ "LoadBalancerArns": [arn] }));
    assert_eq!(seen["LoadBalancers"][0]["State"]["Code"], "active");
    let attributes = |value: &str| json!({ "LoadBalancerArn": arn, "Attributes": [{ "Key": "deletion_protection.enabled", "Value": value }] });
    stage.ok(Elb, "ModifyLoadBalancerAttributes", attributes("true"));
    assert_eq!(stage.refused(Elb, "DeleteLoadBalancer", json!({ "LoadBalancerArn": arn })), "OperationNotPermitted");
    stage.ok(Elb, "ModifyLoadBalancerAttributes", attributes("false"));
    stage.ok(Elb, "DeleteLoadBalancer", json!({ "LoadBalancerArn": arn }));
    assert_eq!(stage.refused(Elb, "CreateLoadBalancer", json!({ "Name": "alone" })), "ValidationError");
}

#[test]
fn attributes_that_there_are_not_are_refused() {
    let mut stage = Stage::new();
    let unknown = json!([{ "Key": "no.such", "Value": "1" }]);
    let group = json!({ "TargetGroupArn": stage.blue, "Attributes": unknown });
    assert_eq!(stage.refused(Elb, "ModifyTargetGroupAttributes", group), "InvalidConfigurationRequest");
    let balancers = stage.ok(Elb, "DescribeLoadBalancers", json!({}));
    let input = json!({ "LoadBalancerArn": balancers["LoadBalancers"][0]["LoadBalancerArn"], "Attributes": unknown });
    assert_eq!(stage.refused(Elb, "ModifyLoadBalancerAttributes", input), "InvalidConfigurationRequest");
}

#[test]
fn a_definition_that_cannot_run_is_refused() {
    let mut stage = Stage::new();
    let web = json!({ "name": "web", "image": "shop" });
    let refused = |stage: &mut Stage, input: Value| stage.refused(Ecs, "RegisterTaskDefinition", input);
    assert_eq!(refused(&mut stage, json!({ "containerDefinitions": [web] })), "ClientException");
    let mut thin = json!({
        "family": "thin", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256",
        "containerDefinitions": [web],
    });
    assert_eq!(refused(&mut stage, thin.clone()), "ClientException");
    thin["memory"] = json!("512");
    let made = stage.ok(Ecs, "RegisterTaskDefinition", thin);
    assert_eq!(made["taskDefinition"]["compatibilities"], json!(["EC2", "FARGATE"]));
    let bridge =
        json!({ "family": "bridge", "containerDefinitions": [{ "name": "web", "image": "shop", "memory": 64 }] });
    let made = stage.ok(Ecs, "RegisterTaskDefinition", bridge);
    assert_eq!(made["taskDefinition"]["compatibilities"], json!(["EC2"]));
    let by = made["taskDefinition"]["registeredBy"].as_str().unwrap_or_default().to_owned();
    assert!(by.starts_with("arn:aws:iam::123456789012:user/") && !by.contains("user:"), "{by}");
}

#[test]
fn a_batch_names_what_failed_also_when_nothing_did() {
    let mut stage = Stage::new();
    let url = stage.ok(Sqs, "CreateQueue", json!({ "QueueName": "wakes" }))["QueueUrl"].clone();
    let batch = |id: &str| json!({ "QueueUrl": url, "Entries": [{ "Id": id, "MessageBody": "x" }] });
    assert_eq!(stage.ok(Sqs, "SendMessageBatch", batch("a"))["Failed"], json!([]));
    let code = stage.refused(Sqs, "SendMessageBatch", batch("no id!"));
    assert_eq!(code, "AWS.SimpleQueueService.InvalidBatchEntryId");
    let body = json!({ "QueueUrl": url, "MessageBody": "bad \u{1} character" });
    assert_eq!(stage.refused(Sqs, "SendMessage", body), "InvalidMessageContents");
    let wait = json!({ "QueueUrl": url, "WaitTimeSeconds": 21 });
    assert_eq!(stage.refused(Sqs, "ReceiveMessage", wait), "InvalidParameterValue");
}

#[test]
fn the_attributes_of_a_published_message_arrive() {
    let mut stage = Stage::new();
    assert_eq!(stage.refused(Sns, "CreateTopic", json!({ "Name": "bad name!" })), "InvalidParameter");
    let topic = stage.ok(Sns, "CreateTopic", json!({ "Name": "notices" }))["TopicArn"].clone();
    for (name, raw) in [("plain", "false"), ("raw", "true")] {
        stage.ok(Sqs, "CreateQueue", json!({ "QueueName": name }));
        let endpoint = format!("arn:aws:sqs:us-east-1:123456789012:{name}");
        let attributes = json!({ "RawMessageDelivery": raw });
        let input = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint, "Attributes": attributes });
        stage.ok(Sns, "Subscribe", input);
    }
    let kind = json!({ "kind": { "DataType": "String", "StringValue": "rollback" } });
    stage.ok(Sns, "Publish", json!({ "TopicArn": topic, "Message": "back", "MessageAttributes": kind }));
    let input = |name: &str| json!({ "QueueUrl": format!("http://queue.local/123456789012/{name}"), "MessageAttributeNames": ["All"] });
    let raw = stage.ok(Sqs, "ReceiveMessage", input("raw"))["Messages"][0].clone();
    assert_eq!((&raw["Body"], &raw["MessageAttributes"]), (&json!("back"), &kind));
    let plain = stage.ok(Sqs, "ReceiveMessage", input("plain"))["Messages"][0].clone();
    assert!(plain["MessageAttributes"].is_null());
    let envelope: Value = serde_json::from_str(plain["Body"].as_str().unwrap_or_default()).unwrap_or_default();
    assert_eq!(envelope["MessageAttributes"], json!({ "kind": { "Type": "String", "Value": "rollback" } }));
    let mail = json!({ "TopicArn": topic, "Protocol": "email", "Endpoint": "team@example.com" });
    assert_eq!(stage.ok(Sns, "Subscribe", mail)["SubscriptionArn"], "pending confirmation");
    let attributes = stage.ok(Sns, "GetTopicAttributes", json!({ "TopicArn": topic }))["Attributes"].clone();
    assert_eq!(
        (&attributes["SubscriptionsConfirmed"], &attributes["SubscriptionsPending"]),
        (&json!("2"), &json!("1"))
    );
}

#[test]
fn values_beyond_the_models_constraints_are_validation_errors() {
    let mut stage = Stage::new();
    let alarm = |name: &str, comparison: &str| {
        json!({
            "AlarmName": name, "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": comparison,
        })
    };
    stage.ok(CloudWatch, "PutMetricAlarm", alarm("a", "GreaterThanThreshold"));
    stage.ok(CloudWatch, "PutMetricAlarm", alarm("b", "GreaterThanThreshold"));
    assert_eq!(stage.refused(CloudWatch, "PutMetricAlarm", alarm("c", "SortOfAbove")), "ValidationError");
    let state = json!({ "AlarmName": "a", "StateValue": "PURPLE", "StateReason": "x" });
    assert_eq!(stage.refused(CloudWatch, "SetAlarmState", state), "ValidationError");
    // A name that is not there does not keep the others.
    assert_eq!(stage.refused(CloudWatch, "DeleteAlarms", json!({ "AlarmNames": ["a", "nobody"] })), "ResourceNotFound");
    let left = stage.ok(CloudWatch, "DescribeAlarms", json!({}))["MetricAlarms"].clone();
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let datum = |more: Value| json!({ "Namespace": "N", "MetricData": [more] });
    let both = datum(json!({ "MetricName": "M", "Value": 1.0, "Values": [1.0] }));
    assert_eq!(stage.refused(CloudWatch, "PutMetricData", both), "InvalidParameterCombination");
    let uneven = datum(json!({ "MetricName": "M", "Values": [1.0, 2.0], "Counts": [1.0] }));
    assert_eq!(stage.refused(CloudWatch, "PutMetricData", uneven), "InvalidParameterValue");
}

#[test]
fn an_image_is_as_large_as_its_manifest_says() {
    let mut stage = Stage::new();
    stage.ok(Ecr, "CreateRepository", json!({ "repositoryName": "sized" }));
    let manifest = json!({ "schemaVersion": 2, "config": { "size": 2 }, "layers": [{ "size": 40 }] }).to_string();
    stage.ok(Ecr, "PutImage", json!({ "repositoryName": "sized", "imageManifest": manifest, "imageTag": "1" }));
    let seen = stage.ok(Ecr, "DescribeImages", json!({ "repositoryName": "sized" }));
    assert_eq!(seen["imageDetails"][0]["imageSizeInBytes"], 42);
}
