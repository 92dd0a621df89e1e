//! What can be named in a fault: services, their operations, callers.

use super::FaultRefused;

/// Webhooks are no AWS service; their one operation is the post.
pub(super) const SLACK: &str = "slack";

/// Each service under its name here, with IAM's or the endpoint's name where that differs, and the operations served.
const SERVICES: &[(&str, &[&str], &[&str])] = &[
    (
        "ecs",
        &[],
        &[
            "ContinueServiceDeployment",
            "CreateCluster",
            "CreateService",
            "DeleteCluster",
            "DeleteService",
            "DeregisterTaskDefinition",
            "DescribeClusters",
            "DescribeServiceDeployments",
            "DescribeServiceRevisions",
            "DescribeServices",
            "DescribeTaskDefinition",
            "DescribeTasks",
            "ListClusters",
            "ListServiceDeployments",
            "ListServices",
            "ListTagsForResource",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
            "ListTasks",
            "RegisterTaskDefinition",
            "StopServiceDeployment",
            "StopTask",
            "TagResource",
            "UntagResource",
            "UpdateService",
        ],
    ),
    (
        "elb",
        &["elasticloadbalancing", "elbv2"],
        &[
            "AddTags",
            "CreateListener",
            "CreateLoadBalancer",
            "CreateRule",
            "CreateTargetGroup",
            "DeleteListener",
            "DeleteLoadBalancer",
            "DeleteRule",
            "DeleteTargetGroup",
            "DeregisterTargets",
            "DescribeListeners",
            "DescribeLoadBalancerAttributes",
            "DescribeLoadBalancers",
            "DescribeRules",
            "DescribeTags",
            "DescribeTargetGroupAttributes",
            "DescribeTargetGroups",
            "DescribeTargetHealth",
            "ModifyListener",
            "ModifyLoadBalancerAttributes",
            "ModifyRule",
            "ModifyTargetGroup",
            "ModifyTargetGroupAttributes",
            "RegisterTargets",
            "RemoveTags",
            "SetRulePriorities",
        ],
    ),
    (
        "cloudwatch",
        &["monitoring"],
        &[
            "DeleteAlarms",
            "DescribeAlarms",
            "DescribeAlarmsForMetric",
            "DisableAlarmActions",
            "EnableAlarmActions",
            "GetMetricData",
            "GetMetricStatistics",
            "ListMetrics",
            "ListTagsForResource",
            "PutCompositeAlarm",
            "PutMetricAlarm",
            "PutMetricData",
            "SetAlarmState",
            "TagResource",
            "UntagResource",
        ],
    ),
    (
        "autoscaling",
        &["application-autoscaling"],
        &[
            "DeleteScalingPolicy",
            "DeleteScheduledAction",
            "DeregisterScalableTarget",
            "DescribeScalableTargets",
            "DescribeScalingActivities",
            "DescribeScalingPolicies",
            "DescribeScheduledActions",
            "ListTagsForResource",
            "PutScalingPolicy",
            "PutScheduledAction",
            "RegisterScalableTarget",
        ],
    ),
    (
        "ecr",
        &[],
        &[
            "BatchDeleteImage",
            "BatchGetImage",
            "CreateRepository",
            "DeleteRepository",
            "DescribeImages",
            "DescribeRepositories",
            "GetAuthorizationToken",
            "ListImages",
            "ListTagsForResource",
            "PutImage",
        ],
    ),
    (
        "sqs",
        &[],
        &[
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "CreateQueue",
            "DeleteMessage",
            "DeleteMessageBatch",
            "DeleteQueue",
            "GetQueueAttributes",
            "GetQueueUrl",
            "ListQueueTags",
            "ListQueues",
            "PurgeQueue",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
            "SetQueueAttributes",
            "TagQueue",
            "UntagQueue",
        ],
    ),
    (
        "sns",
        &[],
        &[
            "CreateTopic",
            "DeleteTopic",
            "GetTopicAttributes",
            "ListSubscriptions",
            "ListSubscriptionsByTopic",
            "ListTagsForResource",
            "ListTopics",
            "Publish",
            "SetTopicAttributes",
            "Subscribe",
            "TagResource",
            "Unsubscribe",
            "UntagResource",
        ],
    ),
    (
        "secretsmanager",
        &["secrets-manager"],
        &["CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "ListSecrets", "PutSecretValue"],
    ),
    ("sts", &[], &["GetCallerIdentity"]),
    ("ec2", &[], &["CreateSubnet", "DeleteSubnet", "DescribeSubnets"]),
    (
        "dynamodb",
        &["dynamo"],
        &[
            "BatchGetItem",
            "BatchWriteItem",
            "CreateTable",
            "DeleteItem",
            "DeleteTable",
            "DescribeStream",
            "DescribeTable",
            "DescribeTimeToLive",
            "GetItem",
            "GetRecords",
            "GetShardIterator",
            "ListStreams",
            "ListTables",
            "PutItem",
            "Query",
            "Scan",
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
            "UpdateTable",
            "UpdateTimeToLive",
        ],
    ),
    (SLACK, &["webhook"], &["PostMessage"]),
];

/// The name of a service here; `*` is every service.
pub(super) fn service(given: &str) -> Result<&'static str, FaultRefused> {
    let wanted = given.to_ascii_lowercase();
    if wanted == "*" {
        return Ok("*");
    }
    let named = |(name, others, _): &&(&str, &[&str], _)| *name == wanted || others.contains(&wanted.as_str());
    if let Some((name, ..)) = SERVICES.iter().find(named) {
        return Ok(name);
    }
    let names = || SERVICES.iter().map(|(name, ..)| *name);
    let all = SERVICES.iter().flat_map(|(name, others, _)| [*name].into_iter().chain(others.iter().copied()));
    let what = format!("no service {given} in this local cloud");
    Err(FaultRefused::new(what, meant(&wanted, all, &names().collect::<Vec<_>>().join(", "))))
}

/// The operation as it is spelled; `*` is every operation.
pub(super) fn operation(service: &str, given: &str) -> Result<String, FaultRefused> {
    if given == "*" {
        return Ok("*".to_owned());
    }
    let of = SERVICES.iter().filter(|(name, ..)| service == "*" || *name == service);
    let known: Vec<&str> = of.flat_map(|(.., operations)| operations.iter().copied()).collect();
    if let Some(found) = known.iter().find(|name| name.eq_ignore_ascii_case(given)) {
        return Ok((*found).to_owned());
    }
    let whose = if service == "*" { "no service here has".to_owned() } else { format!("{service} has here") };
    let what = match service {
        "*" => format!("{whose} an operation {given}"),
        _ => format!("{whose} no operation {given}"),
    };
    let all = if service == "*" { "name a service to see its operations".to_owned() } else { known.join(", ") };
    Err(FaultRefused::new(what, meant(given, known.iter().copied(), &all)))
}

/// A function, `user:KEY`, or `*`.
pub(super) fn caller(given: &str, functions: &[&str]) -> Result<String, FaultRefused> {
    let given = given.strip_prefix("function:").unwrap_or(given);
    if given == "*" || given.starts_with("user:") || functions.contains(&given) {
        return Ok(given.to_owned());
    }
    let what = format!("no function {given} runs here");
    if functions.is_empty() {
        return Err(FaultRefused::new(what, "this cloud was started without functions; others are named user:KEY"));
    }
    let all = format!("{}; others are named user:KEY", functions.join(", "));
    Err(FaultRefused::new(what, meant(given, functions.iter().copied(), &all)))
}

/// Did you mean the nearest, if one is near; else what there is.
fn meant<'a>(given: &str, known: impl Iterator<Item = &'a str>, all: &str) -> String {
    let near = |name: &&str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let nearest = known.min_by_key(near).filter(|name| near(name) <= 1 + name.len() / 3);
    nearest.map_or_else(|| format!("there are {all}"), |name| format!("did you mean {name}?"))
}

/// Every operation of a service of the model, for the test that they are served.
#[cfg(test)]
fn operations(service: &str) -> &'static [&'static str] {
    SERVICES.iter().find(|(name, ..)| *name == service).map_or(&[], |(.., operations)| operations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inner::service_name;
    use model::{Call, Service, Settings, World};
    use serde_json::json;

    #[test]
    fn every_operation_that_can_be_named_is_served() {
        let services = [
            Service::Ecs,
            Service::Elb,
            Service::CloudWatch,
            Service::AutoScaling,
            Service::Ecr,
            Service::Sqs,
            Service::Sns,
            Service::SecretsManager,
            Service::Sts,
        ];
        for service in services {
            let known = operations(service_name(service));
            assert!(!known.is_empty(), "{service:?}");
            let unknown = |operation: &str| {
                let mut world = World::new(Settings::quick());
                let call = Call { service, operation, input: &json!({}), caller: "t", region: "us-east-1", now: 1 };
                world.call(call).err().map(|error| (error.code, error.message.replace(operation, "?")))
            };
            let nonsense = unknown("Frobnicate");
            for operation in known {
                assert_ne!(unknown(operation), nonsense, "{service:?} {operation}");
            }
        }
    }

    #[test]
    fn names_are_taken_as_iam_writes_them() {
        assert_eq!(service("elasticloadbalancing"), Ok("elb"));
        assert_eq!(service("ECS"), Ok("ecs"));
        assert_eq!(operation("elb", "modifyrule"), Ok("ModifyRule".to_owned()));
        assert_eq!(operation("*", "*"), Ok("*".to_owned()));
        assert_eq!(caller("function:advance", &["advance"]), Ok("advance".to_owned()));
    }

    #[test]
    fn what_is_unknown_is_named_with_the_nearest() {
        let todo = |refused: Result<_, FaultRefused>| refused.map(|_: String| ()).unwrap_err().todo;
        let service = |name| super::service(name).map(str::to_owned);
        assert_eq!(todo(service("dynmodb")), "did you mean dynamodb?");
        assert!(todo(service("lambda")).starts_with("there are ecs, elb"), "{}", todo(service("lambda")));
        assert_eq!(todo(operation("elb", "ModifyRules")), "did you mean ModifyRule?");
        assert!(todo(operation("sts", "AssumeRole")).contains("GetCallerIdentity"));
        assert_eq!(todo(operation("*", "ModifyRulez")), "did you mean ModifyRule?");
        assert_eq!(todo(caller("advanced", &["advance", "notify"])), "did you mean advance?");
        assert!(todo(caller("advance", &[])).contains("without functions"));
    }
}
