//! Faults at the port: each effect as a client meets it, in the wire form of its service.

mod common;

use common::{Answered, aws_json, bare, call, get, post, quick, signed, until};
use local::{Cloud, Fault, FaultEffect, FaultWhen, Functions};
use model::Service;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
const DYNAMODB: &str = "DynamoDB_20120810";

fn fault(effect: FaultEffect, service: &str, operation: &str, when: FaultWhen) -> Fault {
    let (caller, service, operation) = ("*".to_owned(), service.to_owned(), operation.to_owned());
    Fault { caller, service, operation, when, effect }
}

fn strike(cloud: &Cloud, effect: FaultEffect, service: &str, operation: &str) {
    cloud.add_fault(fault(effect, service, operation, FaultWhen::nth(1))).unwrap();
}

async fn create(cloud: &Cloud, name: &str) -> Answered {
    aws_json(cloud, &format!("{ECS}.CreateCluster"), &json!({ "clusterName": name }).to_string()).await
}

/// The clusters there are, asked for behind the port.
fn clusters(cloud: &Cloud) -> usize {
    call(cloud, Service::Ecs, "ListClusters", json!({}))["clusterArns"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_and_a_failure_have_no_effect_and_a_lost_answer_has() {
    let cloud = bare().await;
    for (effect, status, code, made) in [
        (FaultEffect::Throttle, 400, "ThrottlingException", 0),
        (FaultEffect::Fail, 500, "ServerException", 0),
        (FaultEffect::FailAfter, 500, "ServerException", 1),
    ] {
        cloud.clear_faults();
        strike(&cloud, effect, "ecs", "CreateCluster");
        let answered = create(&cloud, "one").await;
        assert_eq!((answered.status, answered.json()["__type"].as_str()), (status, Some(code)), "{effect}");
        assert_eq!(clusters(&cloud), made, "{effect}");
    }
    assert_eq!(create(&cloud, "two").await.status, 200, "only the first call was struck");
    assert_eq!((cloud.faults()[0].calls, cloud.faults()[0].struck), (2, 1));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_throttles_in_its_own_words() {
    let cloud = bare().await;
    cloud.add_fault(fault(FaultEffect::Throttle, "*", "*", FaultWhen::ALWAYS)).unwrap();
    let json = async |target: &str| aws_json(&cloud, target, "{}").await;
    let code = |answered: &Answered| answered.json()["__type"].as_str().unwrap_or_default().to_owned();
    let dynamo = json(&format!("{DYNAMODB}.ListTables")).await;
    assert!(code(&dynamo).ends_with("#ProvisionedThroughputExceededException"), "{}", dynamo.text());
    let sqs = json("AmazonSQS.ListQueues").await;
    assert_eq!((sqs.status, code(&sqs).as_str()), (400, "com.amazonaws.sqs#RequestThrottled"));
    for target in ["secretsmanager.ListSecrets", "AnyScaleFrontendService.DescribeScalableTargets"] {
        assert_eq!(code(&json(target).await), "ThrottlingException");
    }
    let form = async |service: &str, body: &str| {
        post(&cloud.endpoint(), &[signed("AKIDTEST", "us-east-1", service)], body.to_owned()).await
    };
    let sns = form("sns", "Action=ListTopics&Version=2010-03-31").await;
    assert!(sns.status == 429 && sns.text().contains("<Code>Throttled</Code>"), "{} {}", sns.status, sns.text());
    let elb = form("elasticloadbalancing", "Action=DescribeRules&Version=2015-12-01").await;
    assert!(elb.status == 400 && elb.text().contains("<Code>ThrottlingException</Code>"), "{}", elb.text());
    let slack = post(&format!("{}/slack/T/B/x", cloud.endpoint()), &[], r#"{"text":"x"}"#).await;
    assert_eq!((slack.status, slack.header("retry-after"), slack.text().as_str()), (429, "1", "rate_limited"));
    assert_eq!(cloud.slack_posts().len(), 0);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_comes_late_and_its_effect_at_once() {
    let cloud = bare().await;
    strike(&cloud, FaultEffect::AnswerLate(Duration::from_millis(400)), "ecs", "CreateCluster");
    let began = Instant::now();
    let (answered, ()) = tokio::join!(create(&cloud, "one"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(clusters(&cloud), 1);
    });
    assert!(answered.status == 200 && began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_effect_comes_after_the_client_has_given_up_also_in_the_database() {
    let cloud = bare().await;
    strike(&cloud, FaultEffect::Late(Duration::from_millis(300)), "ecs", "CreateCluster");
    strike(&cloud, FaultEffect::Late(Duration::from_millis(300)), "dynamodb", "CreateTable");
    let table = json!({"TableName": "late", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]})
    .to_string();
    let patience = Duration::from_millis(400);
    let target = format!("{DYNAMODB}.CreateTable");
    let (cluster, made) = tokio::join!(
        tokio::time::timeout(patience, create(&cloud, "one")),
        tokio::time::timeout(patience, aws_json(&cloud, &target, &table))
    );
    assert!(cluster.is_err() && made.is_err(), "neither is answered");
    assert_eq!(clusters(&cloud), 0, "nothing happens while the client waits, nor right after it has gone");
    until("the cluster", || (clusters(&cloud) == 1).then_some(())).await;
    let mut tables = Value::Null;
    for _ in 0..50 {
        tables = aws_json(&cloud, &format!("{DYNAMODB}.ListTables"), "{}").await.json();
        if tables.to_string().contains("late") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(tables.to_string().contains("late"), "{tables}");
    cloud.stop().await;
}

/// The function that makes one call when it is told to.
const TEMPLATE: &str = "
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: functions/echo, Timeout: 5 }
";

async fn with_echo() -> (Cloud, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_echo-function"), dir.path().join("echo")).unwrap();
    let template = dir.path().join("template.yaml");
    std::fs::write(&template, TEMPLATE).unwrap();
    let mut options = quick();
    options.functions = Functions::Dir(dir.path().to_owned());
    options.template = Some(template);
    (Cloud::start(options).await.unwrap(), dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_killed_before_or_after_its_call_and_no_other_process_is() {
    let (cloud, _dir) = with_echo().await;
    let target = format!("{ECS}.CreateCluster");
    let call = |name: &str| json!({"call": {"target": target, "input": {"clusterName": name}}});
    for (effect, made) in [(FaultEffect::KillBefore, 0), (FaultEffect::KillAfter, 1)] {
        cloud.clear_faults();
        let mut rule = fault(effect, "ecs", "CreateCluster", FaultWhen::nth(1));
        rule.caller = "echo".to_owned();
        cloud.add_fault(rule).unwrap();
        let (killed, other) =
            tokio::join!(cloud.invoke("echo", call("one")), cloud.invoke("echo", json!({"sleep": 700})));
        assert!(killed.unwrap_err().to_string().contains("killed"), "{effect}");
        assert!(other.is_ok(), "{effect}: {other:?}");
        assert_eq!(clusters(&cloud), made, "{effect}");
        let lines = cloud.function_log();
        assert!(!lines.iter().any(|line| line.line.starts_with("called")), "{effect}: it got an answer");
    }
    cloud.invoke("echo", call("two")).await.unwrap();
    assert_eq!(clusters(&cloud), 2);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_adds_lists_and_clears_and_says_what_is_wrong() {
    let cloud = bare().await;
    let url = format!("{}/_local/faults", cloud.endpoint());
    let body =
        json!({"effect": "fail", "service": "elasticloadbalancing", "operation": "modifyrule", "from": 2, "times": 1});
    let added = post(&url, &[], body.to_string()).await.json();
    assert_eq!(
        (&added["id"], &added["service"], &added["operation"]),
        (&json!(1), &json!("elb"), &json!("ModifyRule"))
    );
    assert_eq!(get(&url, &[]).await.json()[0]["when"], "call 2");
    for (body, said) in [
        (json!({"effect": "fail", "service": "elbow"}), "did you mean elb?"),
        (json!({"effect": "fail", "service": "elb", "operation": "ModifyRulez"}), "did you mean ModifyRule?"),
        (json!({"effect": "kill-before", "caller": "advance"}), "without functions"),
        (json!({"effect": "boom"}), "kill-before"),
        (json!({"effect": "fail", "times": 0}), "counted from 1"),
    ] {
        let refused = post(&url, &[], body.to_string()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.text().contains(said), "{body}: {}", refused.text());
    }
    assert_eq!(cloud.faults().len(), 1);
    cloud.stop().await;
}
