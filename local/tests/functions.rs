//! Real processes under the Runtime API, and everything that starts them.

mod common;

use common::{aws_json, call, quick, until};
use local::{CallSeen, Cloud, Functions, Options};
use model::Service;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// One function `echo` with every kind of trigger.
const TEMPLATE: &str = r##"
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_IMAGE }
  Work:
    Type: AWS::SQS::Queue
    Properties: { QueueName: work.fifo, FifoQueue: true, VisibilityTimeout: 1 }
  Dead:
    Type: AWS::SQS::Queue
    Properties: { QueueName: dead }
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/echo
      Timeout: 1
      Environment: { Variables: { TABLE: !Ref Table, QUEUE: !Ref Work } }
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt Dead.Arn } }
      Events:
        Rule:
          Type: EventBridgeRule
          Properties: { Pattern: { source: [test], detail-type: [Wanted] } }
        Work:
          Type: SQS
          Properties: { Queue: !GetAtt Work.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures] }
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: { Filters: [{ Pattern: '{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"notice#"}]}}}}' }] }
        Round:
          Type: ScheduleV2
          Properties: { ScheduleExpression: rate(1 hour), Input: '{"round":1}' }
"##;

/// The function alone.
const ALONE: &str = r"
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: functions/echo, Timeout: 1, Environment: { Variables: { TABLE: things } } }
";

struct Stage {
    cloud: Cloud,
    _dir: TempDir,
}

async fn stage_with(template_text: &str, change: impl FnOnce(&mut Options)) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_echo-function"), dir.path().join("echo")).unwrap();
    let template = dir.path().join("template.yaml");
    std::fs::write(&template, template_text).unwrap();
    let mut options = quick();
    options.functions = Functions::Dir(dir.path().to_owned());
    options.template = Some(template);
    change(&mut options);
    Stage { cloud: Cloud::start(options).await.unwrap(), _dir: dir }
}

async fn stage() -> Stage {
    stage_with(TEMPLATE, |_| ()).await
}

async fn alone() -> Stage {
    stage_with(ALONE, |_| ()).await
}

impl Stage {
    /// The payloads the function printed, in order.
    fn got(&self) -> Vec<Value> {
        let lines = self.cloud.function_log();
        lines.iter().filter_map(|line| serde_json::from_str(line.line.strip_prefix("got ")?).ok()).collect()
    }

    fn bodies(&self) -> Vec<String> {
        let records = self.got().into_iter().flat_map(|got| got["Records"].as_array().cloned().unwrap_or_default());
        records.filter_map(|record| record["body"].as_str().map(str::to_owned)).collect()
    }

    fn send(&self, group: &str, body: &str) {
        let url = format!("{}/123456789012/work.fifo", self.cloud.endpoint());
        let input =
            json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": body});
        call(&self.cloud, Service::Sqs, "SendMessage", input);
    }

    fn event(&self, kind: &str, detail: Value) {
        self.cloud.put_event(json!({"source": "test", "detail-type": kind, "detail": detail}));
    }
}

fn is_running(pid: &Value) -> bool {
    // A killed child that nobody waited for yet is still listed, as a zombie.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_reused_and_sees_a_lambdas_environment() {
    let stage = alone().await;
    let first = stage.cloud.invoke("echo", json!({"n": 1})).await.unwrap();
    let second = stage.cloud.invoke("echo", json!({"n": 2})).await.unwrap();
    assert_eq!((&first["count"], &second["count"]), (&json!(1), &json!(2)));
    assert_eq!(second["echo"], json!({"n": 2}));
    let environment: BTreeMap<String, String> = serde_json::from_value(first["environment"].clone()).unwrap();
    assert_eq!(environment["AWS_ENDPOINT_URL"], stage.cloud.endpoint());
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], "FUNCTION.echo");
    assert_eq!(environment["AWS_REGION"], "us-east-1");
    assert_eq!(environment["TABLE"], "things");
    assert!(!environment.contains_key("CARGO_MANIFEST_DIR"), "the host's environment stays outside");
    let deadline: u64 = first["deadline"].as_str().unwrap().parse().unwrap();
    assert!(deadline.abs_diff(stage.cloud.now()) < 2_000);
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_a_death_and_a_timeout_are_errors_and_the_next_invocation_works() {
    let stage = alone().await;
    let failed = stage.cloud.invoke("echo", json!({"fail": "no luck"})).await.unwrap_err();
    assert!(failed.to_string().contains("no luck"), "{failed}");
    let died = stage.cloud.invoke("echo", json!({"die": 3})).await.unwrap_err();
    assert!(died.to_string().contains("exit status: 3"), "{died}");
    let began = Instant::now();
    let late = stage.cloud.invoke("echo", json!({"sleep": 5000})).await.unwrap_err();
    assert!(late.to_string().contains("timed out"), "{late}");
    assert!(began.elapsed() < Duration::from_secs(3), "the template says one second");
    let fresh = stage.cloud.invoke("echo", json!({})).await.unwrap();
    assert_eq!(fresh["count"], 1, "a killed process is replaced by a new one");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_before_it_asks_for_work_is_an_error() {
    let stage = stage_with(ALONE, |options| {
        options.function_env.insert("BROKEN".into(), "1".into());
    })
    .await;
    let error = stage.cloud.invoke("echo", json!({})).await.unwrap_err();
    assert!(error.to_string().contains("before it asked for work"), "{error}");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_function_loses_its_invocation_at_once() {
    let stage = alone().await;
    stage.cloud.invoke("echo", json!({})).await.unwrap();
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(stage.cloud.invoke("echo", json!({"sleep": 900})), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(stage.cloud.kill_function("echo"));
    });
    assert!(outcome.unwrap_err().to_string().contains("killed"));
    assert!(began.elapsed() < Duration::from_millis(700));
    assert!(!stage.cloud.kill_function("nobody"));
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_sees_each_call_of_a_function_before_and_after_its_effect() {
    let stage = alone().await;
    let seen: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let notes = seen.clone();
    stage.cloud.on_call(Arc::new(move |call: &CallSeen<'_>| {
        let CallSeen { caller, service, operation, moment, nth } = call;
        notes.lock().unwrap().push(format!("{caller} {service} {operation} {moment:?} {nth}"));
    }));
    let target = "AmazonEC2ContainerServiceV20141113.ListClusters";
    stage.cloud.invoke("echo", json!({"call": {"target": target, "input": {}}})).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, ["function:echo ecs ListClusters Before 1", "function:echo ecs ListClusters After 1"]);
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_group_come_in_order_and_a_failed_one_comes_again() {
    let stage = stage().await;
    for body in ["a1", "bad", "a3"] {
        stage.send("a", body);
    }
    until("the bad message comes a second time", || {
        let bodies = stage.bodies();
        (bodies.iter().filter(|body| *body == "bad").count() >= 2).then_some(())
    })
    .await;
    let bodies = stage.bodies();
    assert_eq!(bodies[..2], ["a1", "bad"], "{bodies:?}");
    let first = &stage.got()[0]["Records"][0];
    assert_eq!(first["attributes"]["MessageGroupId"], "a");
    assert_eq!(first["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(first["eventSourceARN"], "arn:aws:sqs:us-east-1:123456789012:work.fifo");
    assert_eq!(bodies.iter().filter(|body| *body == "a1").count(), 1, "what succeeded is deleted: {bodies:?}");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_can_be_told_to_come_back_soon_and_a_running_one_stays_hidden() {
    let slow = TEMPLATE.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60");
    let stage = stage_with(&slow, |options| options.redelivery = Some(Duration::from_secs(1))).await;
    stage.send("a", "bad");
    let began = Instant::now();
    until("it comes a second time", || (stage.bodies().len() >= 2).then_some(())).await;
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_passes_what_it_matches_and_a_hopeless_event_ends_in_the_dead_letter_queue() {
    let stage = stage().await;
    stage.event("Unwanted", json!({"n": 1}));
    stage.event("Wanted", json!({"n": 2}));
    stage.event("Wanted", json!({"fail": "always"}));
    let url = format!("{}/123456789012/dead", stage.cloud.endpoint());
    let dead = until("the dead letter", || {
        let out = call(&stage.cloud, Service::Sqs, "ReceiveMessage", json!({"QueueUrl": url}));
        out["Messages"][0]["Body"].as_str().map(str::to_owned)
    })
    .await;
    let dead: Value = serde_json::from_str(&dead).unwrap();
    assert_eq!(dead["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(dead["requestContext"]["approximateInvokeCount"], 2, "one retry, as the template says");
    assert_eq!(dead["requestPayload"]["detail"]["fail"], "always");
    assert_eq!(dead["responsePayload"]["errorMessage"], "always");
    let got: Vec<Value> = stage.got().into_iter().map(|got| got["detail"].clone()).collect();
    assert!(got.contains(&json!({"n": 2})) && !got.contains(&json!({"n": 1})), "{got:?}");
    assert_eq!(stage.cloud.events().len(), 3);
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_passes_what_its_filter_matches_and_repeats_from_the_failed_record() {
    let stage = stage().await;
    for key in ["state", "notice#1", "notice#2", "notice#bad"] {
        let input = json!({"TableName": "things", "Item": {"pk": {"S": key}}});
        let put = aws_json(&stage.cloud, "DynamoDB_20120810.PutItem", &input.to_string()).await;
        assert_eq!(put.status, 200, "{}", put.text());
    }
    let keys = until("the bad record comes a second time", || {
        let records = stage.got().into_iter().flat_map(|got| got["Records"].as_array().cloned().unwrap_or_default());
        let keys: Vec<String> =
            records.map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap_or("?").to_owned()).collect();
        (keys.iter().filter(|key| *key == "notice#bad").count() >= 2).then_some(keys)
    })
    .await;
    assert!(!keys.contains(&"state".to_owned()), "{keys:?}");
    assert_eq!(keys.iter().filter(|key| *key == "notice#1").count(), 1, "{keys:?}");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_at_its_rate_and_can_be_told_to_hurry() {
    let stage = stage_with(TEMPLATE, |options| options.schedule_speed = 3600 * 4).await;
    until("two rounds", || (stage.got().iter().filter(|got| got["round"] == 1).count() >= 2).then_some(())).await;
    stage.cloud.stop().await;
    let stage = stage_with(TEMPLATE, |_| ()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.got(), Vec::<Value>::new(), "real time by default");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_the_stop() {
    let stage = stage().await;
    let idle = stage.cloud.invoke("echo", json!({})).await.unwrap()["pid"].clone();
    stage.event("Wanted", json!({}));
    stage.cloud.invoke("echo", json!({})).await.unwrap();
    let endpoint = stage.cloud.endpoint();
    assert!(is_running(&idle));
    stage.cloud.stop().await;
    assert!(!is_running(&idle), "the function's process is gone");
    let port = endpoint.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binary_is_named() {
    let mut options = quick();
    options.functions = Functions::Dir(Path::new("/nonexistent").to_owned());
    let error = Cloud::start(options).await.unwrap_err().to_string();
    assert!(error.contains("no function advance in /nonexistent"), "{error}");
}
