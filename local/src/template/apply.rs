//! Makes a template's resources: the table through DynamoDB's own API, the rest in the model.

use super::{Resource, Template};
use crate::inner::Inner;
use anyhow::{Context, anyhow, bail};
use model::Service;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The journal's name for what the template made.
const CALLER: &str = "template";

/// Makes every table, queue, topic and secret of the template.
pub(crate) async fn apply(inner: &Arc<Inner>, template: &Template) -> anyhow::Result<()> {
    for resource in &template.resources {
        let made = match resource.kind.as_str() {
            "AWS::DynamoDB::Table" => table(inner, resource).await,
            "AWS::SQS::Queue" => call(inner, Service::Sqs, "CreateQueue", &queue(resource)),
            "AWS::SNS::Topic" => call(inner, Service::Sns, "CreateTopic", &json!({"Name": resource.name})),
            "AWS::SecretsManager::Secret" => call(inner, Service::SecretsManager, "CreateSecret", &secret(resource)),
            other => bail!("{}: nothing here makes {other}", resource.logical),
        };
        made.with_context(|| format!("making the template's {}", resource.logical))?;
    }
    Ok(())
}

fn call(inner: &Arc<Inner>, service: Service, operation: &str, input: &Value) -> anyhow::Result<()> {
    let region = inner.region.clone();
    inner.call(service, operation, input, CALLER, &region).map(|_| ()).map_err(|error| anyhow!("{operation}: {error}"))
}

async fn table(inner: &Arc<Inner>, resource: &Resource) -> anyhow::Result<()> {
    let properties = &resource.properties;
    let mut input = Map::new();
    input.insert("TableName".into(), json!(resource.name));
    for name in [
        "AttributeDefinitions",
        "KeySchema",
        "BillingMode",
        "ProvisionedThroughput",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
    ] {
        if !properties[name].is_null() {
            input.insert(name.into(), properties[name].clone());
        }
    }
    if let Some(view) = properties["StreamSpecification"]["StreamViewType"].as_str() {
        // CloudFormation has no StreamEnabled, the API demands it.
        input.insert("StreamSpecification".into(), json!({"StreamEnabled": true, "StreamViewType": view}));
    }
    inner.database.call(&inner.client, "CreateTable", &Value::Object(input)).await?;
    let ttl = &properties["TimeToLiveSpecification"];
    if ttl["Enabled"] == true {
        let input = json!({"TableName": resource.name, "TimeToLiveSpecification": ttl});
        inner.database.call(&inner.client, "UpdateTimeToLive", &input).await?;
    }
    Ok(())
}

/// Queue attributes are strings in the API, and the redrive policy is JSON in a string.
fn queue(resource: &Resource) -> Value {
    let mut attributes = Map::new();
    for (name, value) in super::members(&resource.properties) {
        match (name.as_str(), value) {
            ("QueueName" | "Tags", _) => {}
            // The API refuses a FIFO attribute on a standard queue, false included.
            ("FifoQueue" | "ContentBasedDeduplication", Value::Bool(false)) => {}
            (_, Value::String(text)) => {
                attributes.insert(name.clone(), json!(text));
            }
            (_, value) => {
                attributes.insert(name.clone(), json!(value.to_string()));
            }
        }
    }
    json!({"QueueName": resource.name, "Attributes": attributes})
}

fn secret(resource: &Resource) -> Value {
    let text = resource.properties["SecretString"].as_str().unwrap_or_default();
    json!({"Name": resource.name, "SecretString": text, "ClientRequestToken": format!("template-{:0>24}", resource.logical)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_attributes_are_strings_and_the_policy_is_json_in_a_string() {
        let resource = Resource {
            logical: "Work".into(),
            kind: "AWS::SQS::Queue".into(),
            name: "w.fifo".into(),
            properties: json!({"QueueName": "w.fifo", "FifoQueue": true, "ContentBasedDeduplication": false, "VisibilityTimeout": 180,
                "RedrivePolicy": {"deadLetterTargetArn": "arn:d", "maxReceiveCount": 20}}),
        };
        let want = json!({"QueueName": "w.fifo", "Attributes": {"FifoQueue": "true", "VisibilityTimeout": "180",
            "RedrivePolicy": "{\"deadLetterTargetArn\":\"arn:d\",\"maxReceiveCount\":20}"}});
        assert_eq!(queue(&resource), want);
    }
}
