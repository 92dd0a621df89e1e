//! The wire forms, as bytes: what any AWS client sends, and what it insists on in the answer.

mod common;

use ciborium::Value as Cbor;
use common::{Answered, Shop, aws_json, bare, call, get, post, quick, signed};
use local::Cloud;
use model::Service;
use serde_json::{Value, json};

async fn form(cloud: &Cloud, service: &str, body: &str) -> Answered {
    let headers =
        [signed("AKIDTEST", "eu-west-1", service), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    post(&cloud.endpoint(), &headers, body.to_owned()).await
}

async fn cbor(cloud: &Cloud, operation: &str, input: Cbor) -> (Answered, Cbor) {
    let mut body = Vec::new();
    ciborium::into_writer(&input, &mut body).unwrap();
    let url = format!("{}/service/GraniteServiceVersion20100801/operation/{operation}", cloud.endpoint());
    let headers = [signed("AKIDTEST", "us-east-1", "monitoring"), ("smithy-protocol", "rpc-v2-cbor".to_owned())];
    let answered = post(&url, &headers, body).await;
    // An operation without output answers without a body.
    let decoded = match answered.body.is_empty() {
        true => Cbor::Null,
        false => ciborium::from_reader(answered.body.as_ref()).unwrap(),
    };
    (answered, decoded)
}

fn map(members: &[(&str, Cbor)]) -> Cbor {
    Cbor::Map(members.iter().map(|(name, value)| (Cbor::Text((*name).to_owned()), value.clone())).collect())
}

fn member<'a>(map: &'a Cbor, name: &str) -> &'a Cbor {
    let members = map.as_map().unwrap();
    &members.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap_or_else(|| panic!("no {name} in {map:?}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn json_services_are_told_by_their_target_and_the_caller_by_the_key() {
    let cloud = bare().await;
    let headers = [
        ("x-amz-target", "AmazonEC2ContainerServiceV20141113.CreateCluster".to_owned()),
        signed("AKIDME", "eu-west-1", "ecs"),
    ];
    let made = post(&cloud.endpoint(), &headers, r#"{"clusterName":"production"}"#).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.header("content-type"), "application/x-amz-json-1.1");
    assert!(!made.header("x-amzn-requestid").is_empty());
    assert_eq!(made.json()["cluster"]["clusterArn"], "arn:aws:ecs:eu-west-1:123456789012:cluster/production");
    let by = cloud.with_world(|world| {
        let entry = world.journal().iter().find(|entry| entry.operation == "CreateCluster").unwrap();
        (entry.caller.clone(), entry.service)
    });
    assert_eq!(by, ("user:AKIDME".to_owned(), Service::Ecs));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_known_by_its_key() {
    let cloud = bare().await;
    let headers = [
        ("x-amz-target", "AmazonEC2ContainerServiceV20141113.CreateCluster".to_owned()),
        signed("FUNCTION.on-alarm", "us-east-1", "ecs"),
    ];
    post(&cloud.endpoint(), &headers, "{}").await;
    let journal = get(&format!("{}/_local/journal", cloud.endpoint()), &[]).await.json();
    let callers: Vec<&Value> = journal.as_array().unwrap().iter().map(|entry| &entry["caller"]).collect();
    assert!(callers.contains(&&json!("function:on-alarm")), "{callers:?}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_errors_carry_their_type() {
    let cloud = bare().await;
    let ecs = "AmazonEC2ContainerServiceV20141113";
    let missing = aws_json(&cloud, &format!("{ecs}.DescribeServices"), r#"{"cluster":"nope","services":["x"]}"#).await;
    assert_eq!((missing.status, missing.json()["__type"].clone()), (400, json!("ClusterNotFoundException")));
    let broken = aws_json(&cloud, &format!("{ecs}.ListClusters"), "{").await;
    assert_eq!((broken.status, broken.json()["__type"].clone()), (400, json!("SerializationException")));
    let stranger = aws_json(&cloud, "Kinesis_20131202.ListStreams", "{}").await;
    assert_eq!((stranger.status, stranger.json()["__type"].clone()), (400, json!("UnknownOperationException")));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_error_is_recognised_by_its_header() {
    let cloud = bare().await;
    let missing = aws_json(&cloud, "AmazonSQS.GetQueueUrl", r#"{"QueueName":"nope"}"#).await;
    assert_eq!(missing.status, 400);
    assert_eq!(missing.header("x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(missing.json()["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    let url = format!("{}/123456789012/flipback-delay", cloud.endpoint());
    let found = aws_json(&cloud, "AmazonSQS.GetQueueUrl", r#"{"QueueName":"flipback-delay"}"#).await;
    assert_eq!(found.json()["QueueUrl"], url, "the template's queues are there without functions too");
    assert_eq!(found.header("content-type"), "application/x-amz-json-1.0");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_queue_is_waited_for_as_long_as_asked() {
    let cloud = bare().await;
    let url = format!("{}/123456789012/flipback-delay", cloud.endpoint());
    let began = tokio::time::Instant::now();
    let input = json!({"QueueUrl": url, "WaitTimeSeconds": 1}).to_string();
    let nothing = aws_json(&cloud, "AmazonSQS.ReceiveMessage", &input).await;
    assert_eq!(nothing.status, 200);
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    call(&cloud, Service::Sqs, "SendMessage", json!({"QueueUrl": url, "MessageBody": "hello"}));
    let began = tokio::time::Instant::now();
    let message = aws_json(&cloud, "AmazonSQS.ReceiveMessage", &input).await.json();
    assert_eq!(message["Messages"][0]["MD5OfBody"], "5d41402abc4b2a76b9719d911017c592");
    assert!(began.elapsed().as_millis() < 500);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_round_trips_through_form_and_xml() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 0).await;
    let modify = format!(
        "Action=ModifyRule&Version=2015-12-01&RuleArn={}&Actions.member.1.Type=forward&Actions.member.1.Order=1\
         &Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={}&Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=90\
         &Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn={}&Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=10\
         &Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=false",
        shop.rule, shop.blue, shop.green
    );
    let modified = form(&cloud, "elasticloadbalancing", &modify).await;
    assert_eq!(modified.status, 200, "{}", modified.text());
    assert_eq!(modified.header("content-type"), "text/xml");
    let describe = format!("Action=DescribeRules&Version=2015-12-01&RuleArns.member.1={}", shop.rule);
    let described = form(&cloud, "elasticloadbalancing", &describe).await.text();
    let start = "<DescribeRulesResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeRulesResult>";
    assert!(described.starts_with(start), "the result is the first child: {described}");
    for part in [
        "<Rules><member>",
        "<Weight>90</Weight>",
        "<Weight>10</Weight>",
        "<IsDefault>false</IsDefault>",
        "<Priority>1</Priority>",
    ] {
        assert!(described.contains(part), "{part} in {described}");
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn query_errors_are_xml() {
    let cloud = bare().await;
    let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/x/1/2/3";
    let missing = form(
        &cloud,
        "elasticloadbalancing",
        &format!("Action=DescribeRules&Version=2015-12-01&RuleArns.member.1={rule}"),
    )
    .await;
    assert_eq!(missing.status, 400);
    assert!(missing.text().contains("<Type>Sender</Type><Code>RuleNotFound</Code>"), "{}", missing.text());
    let stranger = form(&cloud, "ec2", "Action=DescribeVpcs&Version=2016-11-15").await;
    assert!(stranger.text().contains("<Code>InvalidAction</Code>"), "{}", stranger.text());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sns_and_sts_speak_query_too() {
    let cloud = bare().await;
    let who = form(&cloud, "sts", "Action=GetCallerIdentity&Version=2011-06-15").await.text();
    assert!(who.contains("<Account>123456789012</Account>"), "{who}");
    let topic = "arn:aws:sns:us-east-1:123456789012:flipback-notices";
    let publish = format!("Action=Publish&Version=2010-03-31&TopicArn={topic}&Message=hello&Subject=s");
    let published = form(&cloud, "sns", &publish).await;
    assert!(published.text().contains("<MessageId>"), "{}", published.text());
    let messages = cloud.sns_messages();
    assert_eq!(messages.iter().map(|sent| sent.message.as_str()).collect::<Vec<_>>(), ["hello"]);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudwatch_speaks_cbor_with_floats_and_tagged_times() {
    let cloud = bare().await;
    let put = map(&[
        ("AlarmName", Cbor::Text("a".into())),
        ("Namespace", Cbor::Text("N".into())),
        ("MetricName", Cbor::Text("M".into())),
        ("Statistic", Cbor::Text("Sum".into())),
        ("ComparisonOperator", Cbor::Text("GreaterThanOrEqualToThreshold".into())),
        ("Period", Cbor::Integer(60.into())),
        ("EvaluationPeriods", Cbor::Integer(1.into())),
        ("Threshold", Cbor::Float(5.0)),
    ]);
    let (made, _) = cbor(&cloud, "PutMetricAlarm", put).await;
    assert_eq!((made.status, made.header("smithy-protocol")), (200, "rpc-v2-cbor"));
    // Smithy RPC v2: an operation without output answers without body and content type.
    assert_eq!((made.header("content-type"), made.body.len()), ("", 0));
    let (_, described) = cbor(&cloud, "DescribeAlarms", map(&[])).await;
    let alarm = &member(&described, "MetricAlarms").as_array().unwrap()[0];
    assert_eq!(member(alarm, "Threshold"), &Cbor::Float(5.0));
    assert_eq!(member(alarm, "Period"), &Cbor::Integer(60.into()));
    assert!(matches!(member(alarm, "StateUpdatedTimestamp"), Cbor::Tag(1, _)));
    let set = map(&[
        ("AlarmName", Cbor::Text("nobody".into())),
        ("StateValue", Cbor::Text("OK".into())),
        ("StateReason", Cbor::Text("x".into())),
    ]);
    let (refused, body) = cbor(&cloud, "SetAlarmState", set).await;
    assert_eq!((refused.status / 100, refused.header("smithy-protocol")), (4, "rpc-v2-cbor"));
    assert_eq!(refused.header("x-amzn-query-error"), "ResourceNotFound;Sender");
    assert!(member(&body, "__type").as_text().unwrap().ends_with("#ResourceNotFound"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudwatch_speaks_json_and_query_to_other_clients() {
    let cloud = bare().await;
    let put = json!({"AlarmName": "a", "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold"});
    let made = aws_json(&cloud, "GraniteServiceVersion20100801.PutMetricAlarm", &put.to_string()).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let described =
        form(&cloud, "monitoring", "Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1=a").await.text();
    assert!(described.contains("<AlarmName>a</AlarmName>"), "{described}");
    let stamp = described.split("<StateUpdatedTimestamp>").nth(1).unwrap();
    assert!(stamp.starts_with("20") && stamp[..40].contains('T'), "{stamp}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_is_behind_the_same_port() {
    let cloud = bare().await;
    let item = r#"{"TableName":"flipback","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"v":{"N":"1"}}}"#;
    assert_eq!(aws_json(&cloud, "DynamoDB_20120810.PutItem", item).await.status, 200);
    let key = r#"{"TableName":"flipback","Key":{"pk":{"S":"a"},"sk":{"S":"b"}},"ConsistentRead":true}"#;
    assert_eq!(aws_json(&cloud, "DynamoDB_20120810.GetItem", key).await.json()["Item"]["v"]["N"], "1");
    let described =
        aws_json(&cloud, "DynamoDB_20120810.DescribeTimeToLive", r#"{"TableName":"flipback"}"#).await.json();
    assert_eq!(described["TimeToLiveDescription"]["AttributeName"], "expires_at");
    let streams = aws_json(&cloud, "DynamoDBStreams_20120810.ListStreams", "{}").await.json();
    assert_eq!(streams["Streams"][0]["TableName"], "flipback");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_posts_are_taken_by_slacks_rules_and_listed() {
    let cloud = bare().await;
    let secret = cloud
        .call(Service::SecretsManager, "GetSecretValue", json!({"SecretId": "flipback/slack-webhook"}), "test")
        .unwrap();
    let url = secret["SecretString"].as_str().unwrap();
    let taken = post(url, &[], r#"{"text":"hello"}"#).await;
    assert_eq!((taken.status, taken.text().as_str()), (200, "ok"));
    let refused = post(url, &[], r#"{"blocks":[]}"#).await;
    assert_eq!((refused.status, refused.text().as_str()), (400, "no_text"));
    let mut last = post(url, &[], r#"{"text":"more"}"#).await;
    for _ in 0..4 {
        last = post(url, &[], r#"{"text":"more"}"#).await;
    }
    assert_eq!((last.status, last.header("retry-after")), (429, "1"));
    let listed = get(&format!("{}/_local/slack", cloud.endpoint()), &[]).await.json();
    assert_eq!(listed[0]["body"]["text"], "hello");
    assert_eq!(listed.as_array().unwrap().len(), cloud.slack_posts().len());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_and_a_public_one_are_refused() {
    let cloud = bare().await;
    let mut options = quick();
    options.listen = cloud.endpoint().trim_start_matches("http://").parse().unwrap();
    let error = Cloud::start(options).await.unwrap_err().to_string();
    assert!(error.contains("cannot be listened on"), "{error}");
    let mut options = quick();
    options.listen = "0.0.0.0:0".parse().unwrap();
    assert!(Cloud::start(options).await.unwrap_err().to_string().contains("not on loopback"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_every_call_as_it_was_on_the_wire() {
    let directory = tempfile::TempDir::new().unwrap();
    let options = local::Options { record: Some(directory.path().join("new")), ..quick() };
    let cloud = Cloud::start(options).await.unwrap();
    cbor(&cloud, "DescribeAlarms", map(&[])).await;
    form(&cloud, "elasticloadbalancing", "Action=DescribeRules&Version=2015-12-01&RuleArns.member.1=x").await;
    aws_json(&cloud, "DynamoDB_20120810.ListTables", "{}").await;
    form(&cloud, "nobody", "Action=Dance").await;
    cloud.stop().await;
    let text = std::fs::read_to_string(directory.path().join("new/calls.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what = |line: &Value| json!([line["service"], line["operation"], line["protocol"], line["response"]["status"]]);
    let want = [
        json!(["cloudwatch", "DescribeAlarms", "cbor", 200]),
        json!(["elb", "DescribeRules", "query", 400]),
        json!(["dynamodb", "ListTables", "json", 200]),
        json!([null, null, null, 400]),
    ];
    assert_eq!(lines.iter().map(what).collect::<Vec<_>>(), want);
    assert_eq!(lines[0]["request"]["body"]["hex"], "a0".to_owned());
    assert_eq!(lines[1]["request"]["body"], "Action=DescribeRules&Version=2015-12-01&RuleArns.member.1=x");
    assert!(lines[1]["response"]["body"].as_str().unwrap().contains("<Code>"));
    assert_eq!(lines[1]["caller"], "user:AKIDTEST");
    assert!(!text.contains("Signature"), "{text}");
}
