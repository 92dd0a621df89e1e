use serde_json::{Value, json};

use super::{Stage, text};
use crate::Service::{CloudWatch, Ecs};

fn dimensions(stage: &Stage, group: &str) -> Value {
    let balancer = stage.listener.split(":listener/").nth(1).unwrap_or_default();
    let balancer = balancer.rsplit_once('/').map(|(balancer, _)| balancer).unwrap_or_default();
    let group = group.rsplit(':').next().unwrap_or_default();
    json!([{ "Name": "LoadBalancer", "Value": balancer }, { "Name": "TargetGroup", "Value": group }])
}

fn alarm(stage: &mut Stage, name: &str, extra: Value) {
    let group = stage.blue.clone();
    let mut input = json!({
        "AlarmName": name, "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count", "Statistic": "Sum",
        "Dimensions": dimensions(stage, &group), "Period": 10, "EvaluationPeriods": 1, "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    });
    for (member, value) in extra.as_object().into_iter().flatten() {
        input[member] = value.clone();
    }
    stage.ok(CloudWatch, "PutMetricAlarm", input);
}

fn state(stage: &mut Stage, name: &str) -> String {
    let types = json!(["MetricAlarm", "CompositeAlarm"]);
    let answer = stage.ok(CloudWatch, "DescribeAlarms", json!({ "AlarmNames": [name], "AlarmTypes": types }));
    let all = [&answer["MetricAlarms"], &answer["CompositeAlarms"]];
    all.iter().find_map(|list| Some(text(list.get(0)?.get("StateValue")?))).unwrap_or_default()
}

/// A service whose tasks answer 30 % of requests with 500 from 30 s on, for as long as the task runs.
fn failing() -> Stage {
    let mut stage = Stage::new();
    stage.push("v2", "5xx=30 after=20s");
    stage.define("v2");
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({ "taskDefinition": "api:2" }));
    stage
}

#[test]
fn a_5xx_alarm_is_ok_then_fires_then_recovers() {
    let mut stage = failing();
    alarm(&mut stage, "5xx", json!({}));
    assert_eq!(state(&mut stage, "5xx"), "INSUFFICIENT_DATA");
    stage.pass_with(5_000, 2);
    assert_eq!(state(&mut stage, "5xx"), "OK");
    let mut first_failure = None;
    let mut fired = None;
    for _ in 0..400 {
        let statuses = stage.pass_with(100, 2);
        if statuses.contains(&500) {
            first_failure.get_or_insert(stage.now);
        }
        if state(&mut stage, "5xx") == "ALARM" {
            fired = Some(stage.now);
            break;
        }
    }
    let waited = fired.expect("it fired") - first_failure.expect("it failed");
    assert!(waited <= 22_000, "{waited}");
    // No more traffic: the count is missing, and missing is not breaching.
    stage.pass(60_000);
    assert_eq!(state(&mut stage, "5xx"), "OK");
    let told = stage.events("CloudWatch Alarm State Change");
    let values: Vec<String> = told.iter().map(|detail| text(&detail["state"]["value"])).collect();
    assert_eq!(values, ["OK", "ALARM", "OK"]);
    let detail = &told[1];
    assert_eq!(detail["previousState"]["value"], "OK");
    assert!(
        text(&detail["state"]["reason"])
            .contains("was greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM")
    );
    let data: Value = serde_json::from_str(&text(&detail["state"]["reasonData"])).expect("a JSON text");
    assert_eq!((&data["statistic"], &data["period"]), (&json!("Sum"), &json!(10)));
    let metric = &detail["configuration"]["metrics"][0]["metricStat"]["metric"];
    assert_eq!(metric["name"], "HTTPCode_Target_5XX_Count");
    assert!(text(&metric["dimensions"]["TargetGroup"]).starts_with("targetgroup/blue/"));
}

#[test]
fn a_ratio_alarm_by_metric_math_fires() {
    let mut stage = failing();
    let group = stage.blue.clone();
    let dimensions = dimensions(&stage, &group);
    let stat = |id: &str, name: &str| {
        json!({ "Id": id, "ReturnData": false, "MetricStat": { "Period": 10, "Stat": "Sum", "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions,
        }}})
    };
    let expression = json!({ "Id": "e1", "Expression": "IF(m2>0,100*FILL(m1,0)/m2,0)", "ReturnData": true });
    let input = json!({
        "AlarmName": "ratio", "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Metrics": [expression, stat("m1", "HTTPCode_Target_5XX_Count"), stat("m2", "RequestCount")],
    });
    stage.ok(CloudWatch, "PutMetricAlarm", input);
    stage.pass_with(12_000, 2);
    assert_eq!(state(&mut stage, "ratio"), "OK");
    stage.pass_with(40_000, 2);
    assert_eq!(state(&mut stage, "ratio"), "ALARM");
    let told = stage.events("CloudWatch Alarm State Change");
    assert_eq!(told[0]["configuration"]["metrics"][0]["expression"], "IF(m2>0,100*FILL(m1,0)/m2,0)");
}

#[test]
fn a_set_state_is_told_without_reason_data_and_judged_anew() {
    let mut stage = failing();
    alarm(&mut stage, "5xx", json!({}));
    stage.pass_with(5_000, 1);
    let set = json!({ "AlarmName": "5xx", "StateValue": "ALARM", "StateReason": "game day" });
    stage.ok(CloudWatch, "SetAlarmState", set);
    assert_eq!(state(&mut stage, "5xx"), "ALARM");
    stage.pass(2_000);
    assert_eq!(state(&mut stage, "5xx"), "OK");
    let told = stage.events("CloudWatch Alarm State Change");
    let set = told.iter().find(|detail| detail["state"]["value"] == "ALARM").expect("it was told");
    assert!(set["state"].get("reasonData").is_none());
    assert_eq!(set["state"]["reason"], "game day");
}

#[test]
fn a_composite_alarm_follows_its_children_and_is_described_only_when_asked_for() {
    let mut stage = Stage::new();
    alarm(&mut stage, "a", json!({ "Period": 60, "TreatMissingData": "ignore" }));
    alarm(&mut stage, "b", json!({ "Period": 60, "TreatMissingData": "ignore" }));
    let rule = "ALARM(\"a\") AND NOT (ALARM(b) OR OK(b))";
    stage.ok(CloudWatch, "PutCompositeAlarm", json!({ "AlarmName": "both", "AlarmRule": rule }));
    assert_eq!(state(&mut stage, "both"), "OK");
    let set = |name: &str, value: &str| json!({ "AlarmName": name, "StateValue": value, "StateReason": "test" });
    stage.ok(CloudWatch, "SetAlarmState", set("a", "ALARM"));
    assert_eq!(state(&mut stage, "both"), "ALARM");
    stage.ok(CloudWatch, "SetAlarmState", set("b", "OK"));
    assert_eq!(state(&mut stage, "both"), "OK");
    let plain = stage.ok(CloudWatch, "DescribeAlarms", json!({ "AlarmNames": ["both", "nobody", "a"] }));
    assert_eq!(plain["MetricAlarms"].as_array().map(Vec::len), Some(1));
    assert_eq!(plain["CompositeAlarms"].as_array().map(Vec::len), Some(0));
    let bad = json!({ "AlarmName": "x", "AlarmRule": "ALARM(a" });
    assert_eq!(stage.refused(CloudWatch, "PutCompositeAlarm", bad), "ValidationError");
}

#[test]
fn counts_are_published_only_when_there_was_something_to_count() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.pass_with(22_000, 1);
    let metrics = stage.ok(CloudWatch, "ListMetrics", json!({ "Namespace": "AWS/ApplicationELB" }));
    let names: Vec<String> =
        metrics["Metrics"].as_array().into_iter().flatten().map(|metric| text(&metric["MetricName"])).collect();
    for name in ["RequestCount", "HTTPCode_Target_2XX_Count", "TargetResponseTime", "HealthyHostCount"] {
        assert!(names.contains(&name.to_owned()), "{name} is missing");
    }
    assert!(!names.iter().any(|name| name.contains("5XX")));
    let query = json!([{ "Id": "m1", "MetricStat": { "Period": 10, "Stat": "Sum", "Metric": {
        "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": dimensions(&stage, &group),
    }}}]);
    let (start, end) = (stage.now / 1_000 - 60, stage.now / 1_000 + 60);
    let input = json!({ "MetricDataQueries": query, "StartTime": start, "EndTime": end });
    let data = stage.ok(CloudWatch, "GetMetricData", input);
    let result = &data["MetricDataResults"][0];
    assert_eq!(result["Values"][0], json!(100.0));
    assert!(
        result["Timestamps"][0].as_f64()
            > result["Timestamps"].as_array().and_then(|t| t.last()).and_then(Value::as_f64)
    );
}

#[test]
fn own_metrics_are_read_back_by_statistic() {
    let mut stage = Stage::bare();
    let data =
        json!([{ "MetricName": "Latency", "Values": [1.0, 3.0], "Counts": [3, 1], "Timestamp": stage.now / 1_000 }]);
    stage.ok(CloudWatch, "PutMetricData", json!({ "Namespace": "Shop", "MetricData": data }));
    let input = json!({
        "Namespace": "Shop", "MetricName": "Latency", "Period": 60, "StartTime": stage.now / 1_000 - 120,
        "EndTime": stage.now / 1_000 + 60, "Statistics": ["Average", "Maximum", "SampleCount"], "ExtendedStatistics": ["p50"],
    });
    let answer = stage.ok(CloudWatch, "GetMetricStatistics", input);
    let point = &answer["Datapoints"][0];
    assert_eq!((&point["Average"], &point["Maximum"]), (&json!(1.5), &json!(3.0)));
    assert_eq!((&point["SampleCount"], &point["ExtendedStatistics"]["p50"]), (&json!(4.0), &json!(1.0)));
    let aws = json!({ "Namespace": "AWS/ECS", "MetricData": [{ "MetricName": "x", "Value": 1 }] });
    assert_eq!(stage.refused(CloudWatch, "PutMetricData", aws), "InvalidParameterValue");
}

#[test]
fn a_deployment_alarm_rolls_back_and_one_that_rang_before_is_not_heard() {
    let mut stage = Stage::new();
    alarm(&mut stage, "bad", json!({ "Period": 60, "TreatMissingData": "ignore" }));
    let group = stage.blue.clone();
    let listening = json!({ "deploymentConfiguration": {
        "alarms": { "enable": true, "rollback": true, "alarmNames": ["bad"] },
    }});
    stage.service("blue", &group, listening);
    stage.push("v2", "");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(1_000);
    stage.ok(CloudWatch, "SetAlarmState", json!({ "AlarmName": "bad", "StateValue": "ALARM", "StateReason": "x" }));
    stage.pass(15_000);
    assert!(text(&stage.look("blue")["taskDefinition"]).ends_with(":1"));
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(15_000);
    assert!(text(&stage.look("blue")["taskDefinition"]).ends_with(":2"));
    assert_eq!(stage.look("blue")["deployments"][0]["rolloutState"], "COMPLETED");
    stage.ok(Ecs, "DescribeClusters", json!({ "clusters": ["prod"] }));
}
