//! `template.yaml` is the only list of queues, rules, schedules and functions: the local cloud makes what it says.

mod apply;
mod function;
mod intrinsics;
mod yaml;

pub(crate) use apply::apply;
pub(crate) use function::{Dead, FunctionSpec, Stream, Trigger};

use anyhow::{Context, bail};
use intrinsics::Names;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The template of this repository, for a program that was built from it.
pub(crate) const COMPILED_IN: &str = include_str!("../../../template.yaml");

/// The stack's name in the local cloud; physical names start with it.
const STACK: &str = "flipback";

/// Resource types that are made here.
const MADE: &[&str] = &["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::SecretsManager::Secret"];

/// Resource types that change nothing in a cloud without IAM.
const IGNORED: &[&str] = &["AWS::IAM::Role", "AWS::IAM::Policy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"];

/// Where the template is made.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
    /// Start of every queue URL.
    pub(crate) endpoint: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// A resource with its references resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    pub(crate) logical: String,
    pub(crate) kind: String,
    /// Table, queue, topic or secret name.
    pub(crate) name: String,
    pub(crate) properties: Value,
}

/// The template, read and resolved for one place.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) resources: Vec<Resource>,
    pub(crate) functions: Vec<FunctionSpec>,
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Template {
    /// Reads a template for one place.
    ///
    /// # Errors
    /// No YAML, a reference to nothing, a parameter without a value, a resource or event type the local cloud does not know.
    pub(crate) fn read(text: &str, place: &Place) -> anyhow::Result<Template> {
        let document = yaml::read(text)?;
        let names = names(&document, place)?;
        let mut resources = Vec::new();
        let mut functions = Vec::new();
        let globals = &document["Globals"]["Function"];
        for (logical, resource) in members(&document["Resources"]) {
            let kind = resource["Type"].as_str().with_context(|| format!("{logical} has no Type"))?;
            if let Some(condition) = resource["Condition"].as_str()
                && names.resolve(&json!({ "Condition": condition }))? == json!(false)
            {
                continue;
            }
            let within = || format!("in the template's resource {logical}");
            if kind == "AWS::Serverless::Function" {
                let properties = merged(globals, &resource["Properties"]);
                let properties = names.resolve(&properties).with_context(within)?;
                functions.push(FunctionSpec::read(logical, &properties, &resource["Metadata"]).with_context(within)?);
            } else if MADE.contains(&kind) {
                let name = physical_name(logical, resource, &names).with_context(within)?;
                let properties = names.resolve(&resource["Properties"]).with_context(within)?;
                resources.push(Resource { logical: logical.clone(), kind: kind.to_owned(), name, properties });
            } else if !IGNORED.contains(&kind) {
                bail!("{logical}: the local cloud does not make {kind}");
            }
        }
        functions.sort_by(|a: &FunctionSpec, b| a.name.cmp(&b.name));
        // A queue's dead-letter queue has to be there first: queues without a redrive policy come first.
        resources.sort_by_key(|resource| !resource.properties["RedrivePolicy"].is_null());
        let mut outputs = BTreeMap::new();
        for (name, output) in members(&document["Outputs"]) {
            if let Value::String(value) =
                names.resolve(&output["Value"]).with_context(|| format!("in the output {name}"))?
            {
                outputs.insert(name.clone(), value);
            }
        }
        Ok(Template { resources, functions, outputs })
    }
}

/// Everything that can be referred to: parameters, pseudo parameters, resources and their attributes.
fn names(document: &Value, place: &Place) -> anyhow::Result<Names> {
    let mut names = Names::default();
    for (name, value) in [
        ("AWS::AccountId", place.account.as_str()),
        ("AWS::Region", &place.region),
        ("AWS::Partition", "aws"),
        ("AWS::URLSuffix", "amazonaws.com"),
        ("AWS::StackName", STACK),
    ] {
        names.known.insert(name.to_owned(), json!(value));
    }
    for (name, parameter) in members(&document["Parameters"]) {
        let value = match place.parameters.get(name) {
            Some(given) => json!(given),
            None => parameter["Default"].clone(),
        };
        if value.is_null() {
            bail!("the template's parameter {name} has no default and was not given");
        }
        let value = match (parameter["Type"].as_str(), value.as_str()) {
            (Some("CommaDelimitedList"), Some(list)) => json!(list.split(',').map(str::trim).collect::<Vec<_>>()),
            _ => value,
        };
        names.known.insert(name.clone(), value);
    }
    if let Some(stranger) = place.parameters.keys().find(|name| document["Parameters"][name.as_str()].is_null()) {
        bail!("the template has no parameter {stranger}");
    }
    for (name, condition) in members(&document["Conditions"]) {
        names.conditions.insert(name.clone(), condition.clone());
    }
    for (logical, resource) in members(&document["Resources"]) {
        let kind = resource["Type"].as_str().unwrap_or_default();
        for (attribute, value) in attributes(logical, kind, resource, &names, place)? {
            let name = if attribute.is_empty() { logical.clone() } else { format!("{logical}.{attribute}") };
            names.known.insert(name, json!(value));
        }
    }
    Ok(names)
}

/// What `Ref` (the empty attribute) and `GetAtt` give for a resource.
fn attributes(
    logical: &str,
    kind: &str,
    resource: &Value,
    names: &Names,
    place: &Place,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (account, region) = (&place.account, &place.region);
    Ok(match kind {
        "AWS::DynamoDB::Table" => {
            let name = physical_name(logical, resource, names)?;
            let arn = format!("arn:aws:dynamodb:{region}:{account}:table/{name}");
            let stream = format!("{arn}/stream/2026-01-01T00:00:00.000");
            vec![("", name), ("Arn", arn), ("StreamArn", stream)]
        }
        "AWS::SQS::Queue" => {
            let name = physical_name(logical, resource, names)?;
            let url = format!("{}/{account}/{name}", place.endpoint);
            let arn = format!("arn:aws:sqs:{region}:{account}:{name}");
            vec![("", url.clone()), ("QueueUrl", url), ("Arn", arn), ("QueueName", name)]
        }
        "AWS::SNS::Topic" => {
            let name = physical_name(logical, resource, names)?;
            let arn = format!("arn:aws:sns:{region}:{account}:{name}");
            vec![("", arn.clone()), ("TopicArn", arn), ("TopicName", name)]
        }
        "AWS::SecretsManager::Secret" => {
            // The name is enough for GetSecretValue; the real ARN ends in six characters nobody can foresee.
            vec![("", physical_name(logical, resource, names)?)]
        }
        "AWS::Serverless::Function" => {
            let name = match &resource["Properties"]["FunctionName"] {
                Value::Null => format!("{STACK}-{logical}"),
                given => names.resolve(given)?.as_str().unwrap_or_default().to_owned(),
            };
            let arn = format!("arn:aws:lambda:{region}:{account}:function:{name}");
            vec![("", name), ("Arn", arn)]
        }
        "AWS::IAM::Role" => {
            let name = format!("{STACK}-{logical}");
            let arn = format!("arn:aws:iam::{account}:role/{name}");
            vec![("", name), ("Arn", arn)]
        }
        _ => Vec::new(),
    })
}

fn physical_name(logical: &str, resource: &Value, names: &Names) -> anyhow::Result<String> {
    let properties = &resource["Properties"];
    let given =
        ["TableName", "QueueName", "TopicName", "Name"].iter().map(|key| &properties[*key]).find(|v| !v.is_null());
    match given {
        Some(given) => match names.resolve(given)? {
            Value::String(name) => Ok(name),
            other => bail!("{other} is no name"),
        },
        None if properties["FifoQueue"] == true => Ok(format!("{STACK}-{logical}.fifo")),
        None => Ok(format!("{STACK}-{logical}")),
    }
}

/// SAM's Globals: objects are merged member by member, everything else is the function's own if it has it.
fn merged(globals: &Value, own: &Value) -> Value {
    match (globals, own) {
        (Value::Object(globals), Value::Object(own)) => {
            let mut out = globals.clone();
            for (name, value) in own {
                let value = merged(out.get(name).unwrap_or(&Value::Null), value);
                out.insert(name.clone(), value);
            }
            Value::Object(out)
        }
        (globals, Value::Null) => globals.clone(),
        (_, own) => own.clone(),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn place(parameters: &[(&str, &str)]) -> Place {
        Place {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            endpoint: "http://127.0.0.1:4566".into(),
            parameters: parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        }
    }

    #[test]
    fn the_projects_own_template_is_understood_whole() {
        let template = Template::read(COMPILED_IN, &place(&[("SlackWebhookSecretArn", "arn:secret")])).unwrap();
        let names: Vec<&str> = template.functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["advance", "check-scaling", "lifecycle-hook", "notify", "on-alarm", "on-image-push"]);
        let advance = &template.functions[0];
        assert_eq!(advance.timeout.as_secs(), 20);
        assert_eq!(advance.environment["FLIPBACK_WORK_QUEUE"], "http://127.0.0.1:4566/123456789012/flipback-work.fifo");
        assert_eq!(advance.environment["FLIPBACK_TOPIC"], "arn:aws:sns:eu-west-1:123456789012:flipback-notices");
        assert_eq!(advance.environment["FLIPBACK_SLACK_SECRET"], "arn:secret");
        assert_eq!(advance.environment["AWS_LAMBDA_LOG_FORMAT"], "JSON");
        assert_eq!(advance.triggers.len(), 6);
        let work = template.resources.iter().find(|resource| resource.logical == "WorkQueue").unwrap();
        assert_eq!(work.name, "flipback-work.fifo");
        let dlq = "arn:aws:sqs:eu-west-1:123456789012:flipback-work-dlq.fifo";
        assert_eq!(work.properties["RedrivePolicy"]["deadLetterTargetArn"], dlq);
        assert_eq!(template.outputs["TableName"], "flipback");
        let hook = "arn:aws:lambda:eu-west-1:123456789012:function:flipback-LifecycleHook";
        assert_eq!(template.outputs["LifecycleHookArn"], hook);
        assert_eq!(template.functions[2].concurrency, Some(25));
    }

    #[test]
    fn a_network_that_is_not_given_is_no_list_of_one_empty_name() {
        let document = yaml::read(COMPILED_IN).unwrap();
        let network = |parameters: &[(&str, &str)]| {
            let names = names(&document, &place(parameters)).unwrap();
            names.resolve(&document["Resources"]["LifecycleHook"]["Properties"]["VpcConfig"]).unwrap()
        };
        assert_eq!(network(&[]), Value::Null);
        assert_eq!(network(&[("HookSubnetIds", "subnet-1")]), json!({ "SubnetIds": ["subnet-1"] }));
        let both = network(&[("HookSubnetIds", "subnet-1,subnet-2"), ("HookSecurityGroupIds", "sg-1")]);
        assert_eq!(both, json!({ "SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"] }));
    }

    #[test]
    fn the_role_that_calls_the_hook_asks_nothing_of_ecs_that_it_may_not_send() {
        let document = yaml::read(COMPILED_IN).unwrap();
        let trust = &document["Resources"]["LifecycleHookInvokeRole"]["Properties"]["AssumeRolePolicyDocument"];
        let statement = &trust["Statement"][0];
        assert_eq!(statement["Principal"]["Service"], "ecs.amazonaws.com");
        assert!(statement["Condition"].is_null(), "{statement}");
    }

    #[test]
    fn the_functions_may_use_every_queue_that_is_theirs() {
        let document = yaml::read(COMPILED_IN).unwrap();
        let of =
            |value: &Value| value["Fn::GetAtt"][0].as_str().or(value["Ref"].as_str()).unwrap_or_default().to_owned();
        let mut theirs: BTreeSet<String> = members(&document["Globals"]["Function"]["Environment"]["Variables"])
            .filter(|(name, _)| name.ends_with("_QUEUE"))
            .map(|(_, value)| of(value))
            .collect();
        for (_, resource) in members(&document["Resources"]) {
            let events = members(&resource["Properties"]["Events"]).map(|(_, event)| &event["Properties"]["Queue"]);
            theirs.extend(events.filter(|queue| !queue.is_null()).map(of));
        }
        assert!(theirs.len() >= 3, "{theirs:?}");
        let policies = &document["Resources"]["FunctionRole"]["Properties"]["Policies"];
        let statements = policies
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap().iter());
        let queues = statements
            .filter(|statement| statement["Sid"] == "Queues")
            .flat_map(|statement| statement["Resource"].as_array().unwrap().iter().map(of));
        let granted: BTreeSet<String> = queues.collect();
        assert!(theirs.is_subset(&granted), "{theirs:?} {granted:?}");
    }

    #[test]
    fn a_queue_comes_after_its_dead_letter_queue() {
        let template = Template::read(COMPILED_IN, &place(&[])).unwrap();
        let at = |logical: &str| template.resources.iter().position(|resource| resource.logical == logical).unwrap();
        assert!(at("WorkDlq") < at("WorkQueue"));
        assert!(at("DelayDlq") < at("DelayQueue"));
    }

    #[test]
    fn what_the_local_cloud_cannot_make_is_named() {
        let refused = |text: &str, parameters| format!("{:#}", Template::read(text, &place(parameters)).unwrap_err());
        let bucket = "Resources:\n  Files:\n    Type: AWS::S3::Bucket\n";
        assert_eq!(refused(bucket, &[]), "Files: the local cloud does not make AWS::S3::Bucket");
        let dangling = "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref Nobody\n";
        assert!(refused(dangling, &[]).contains("Nobody is not known"));
        assert_eq!(refused("Resources: {}\n", &[("Color", "red")]), "the template has no parameter Color");
    }
}
