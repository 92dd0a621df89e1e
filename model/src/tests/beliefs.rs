//! Beliefs turned over: each switch makes the world answer otherwise. The others are tried by cli/tests/check_account.rs.

use serde_json::{Value, json};

use super::{Stage, text};
use crate::Service::{AutoScaling, CloudWatch, Ecr, Ecs, Elb, Sqs};

fn turned(name: &str) -> Stage {
    let mut stage = Stage::new();
    assert!(stage.world.settings_mut().beliefs.turn_over(name), "{name}");
    stage
}

fn first_weight(stage: &mut Stage) -> Value {
    let rules = stage.ok(Elb, "DescribeRules", json!({ "RuleArns": [stage.rule] }));
    rules["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"].clone()
}

#[test]
fn a_rule_is_read_as_it_was_for_a_while_but_not_by_who_looks_at_the_world_as_it_is() {
    let mut stage = turned("rules_read_back_at_once");
    stage.set_weights(0, 1);
    assert_eq!(first_weight(&mut stage), 1);
    // A second write within that time: still what was before the first.
    stage.set_weights(7, 1);
    assert_eq!(first_weight(&mut stage), 1);
    let (rule, now) = (stage.rule.clone(), stage.now);
    let input = json!({ "RuleArns": [rule] });
    let call = crate::Call { service: Elb, operation: "DescribeRules", input: &input, caller: "t", region: "r", now };
    let seen = stage.world.as_is(|world| world.call(call)).unwrap();
    assert_eq!(seen["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"], 7);
    stage.pass(600);
    assert_eq!(first_weight(&mut stage), 7);
}

#[test]
fn nodes_route_by_the_old_rule_beyond_the_effect_lifetime() {
    let mut stage = turned("nodes_follow_in_time");
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    stage.service("blue", &blue, json!({}));
    stage.service("green", &green, json!({}));
    stage.set_weights(0, 1);
    let to_green = |stage: &mut Stage| {
        let (listener, now) = (stage.listener.clone(), stage.now);
        let head = crate::RequestHead {
            method: "GET",
            path: "/",
            query: "",
            host: "shop",
            headers: &[],
            source_ip: "10.0.0.1",
            sticky: None,
        };
        match stage.world.route(&listener, &head, now) {
            crate::Route::Forward { target_group_arn, .. } => target_group_arn == stage.green,
            other => panic!("{other:?}"),
        }
    };
    stage.pass(2_500);
    assert!(!to_green(&mut stage));
    stage.pass(600);
    assert!(to_green(&mut stage));
}

#[test]
fn a_deployment_is_completed_before_its_tasks_are_in_service() {
    let completes_after = |name: &str| {
        let mut stage = turned(name);
        let group = stage.blue.clone();
        let input = json!({
            "cluster": "prod", "serviceName": "blue", "taskDefinition": "api:1", "desiredCount": 2,
            "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }],
        });
        stage.ok(Ecs, "CreateService", input);
        let start = stage.now;
        while stage.look("blue")["deployments"][0]["rolloutState"] != "COMPLETED" && stage.now < start + 60_000 {
            stage.pass(100);
        }
        (stage.now - start, stage.look("blue")["runningCount"].clone())
    };
    let (early, running) = completes_after("completion_means_in_service");
    assert_eq!(running, 0);
    // This one has no part in it.
    assert!(completes_after("single_target_group_is_echoed").0 > early);
}

#[test]
fn failed_tasks_are_counted_on_after_completion() {
    let failed = |name: &str| {
        let mut stage = turned(name);
        let group = stage.blue.clone();
        stage.service("blue", &group, json!({}));
        assert_eq!(stage.look("blue")["deployments"][0]["rolloutState"], "COMPLETED");
        // What replaces a task cannot be pulled any more.
        stage.ok(Ecr, "BatchDeleteImage", json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] }));
        let task = stage.world.running_tasks().remove(0).task_arn;
        stage.ok(Ecs, "StopTask", json!({ "cluster": "prod", "task": task }));
        stage.pass(10_000);
        stage.look("blue")["deployments"][0]["failedTasks"].as_u64().unwrap_or(0)
    };
    assert!(failed("failed_tasks_end_at_completion") > failed("single_target_group_is_echoed"));
}

#[test]
fn a_suspension_may_hold_nothing() {
    let mut stage = turned("suspension_holds");
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let input = json!({
        "ServiceNamespace": "ecs", "ResourceId": "service/prod/blue", "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1, "MaxCapacity": 6, "SuspendedState": { "DynamicScalingInSuspended": true },
    });
    stage.ok(AutoScaling, "RegisterScalableTarget", input);
    let now = stage.now;
    assert_eq!(stage.world.scale("service/prod/blue", 1, now), Some(1));
}

#[test]
fn a_push_is_told_late_and_with_its_platform_beside_it() {
    let mut stage = turned("a_push_is_one_event");
    stage.pass(100);
    stage.happened.clear();
    let digest = stage.push("v2", "");
    stage.pass(100);
    let told = stage.events("ECR Image Action");
    assert_eq!(told.len(), 2);
    assert_eq!((text(&told[0]["image-tag"]), text(&told[1]["image-tag"])), (String::new(), "v2".to_owned()));
    assert!(told[0]["image-digest"] != digest.as_str() && told[1]["image-digest"] == digest.as_str());

    let time = |name: &str| {
        let mut stage = turned(name);
        stage.pass(100);
        stage.happened.clear();
        stage.push("v2", "");
        stage.pass(100);
        let event = stage.happened.iter().find_map(|happening| {
            let crate::Happening::Event(event) = happening else { return None };
            (event["source"] == "aws.ecr").then(|| text(&event["time"]))
        });
        event.unwrap_or_default()
    };
    assert!(time("push_event_has_push_time") > time("single_target_group_is_echoed"));
}

#[test]
fn datapoints_come_late_and_alarm_events_without_the_time_of_the_transition() {
    let sums = |name: &str| {
        let mut stage = turned(name);
        let group = stage.blue.clone();
        stage.service("blue", &group, json!({}));
        stage.pass_with(10_000, 1);
        stage.pass(4_000);
        let dimension = |marker: &str, arn: &str| arn.find(marker).map_or("", |at| &arn[at..]).to_owned();
        let balancer = stage.listener.replace(":listener/", ":loadbalancer/");
        let balancer = balancer.rsplit_once('/').map_or(String::new(), |(arn, _)| arn.replace("loadbalancer/", "@"));
        let balancer = balancer.split('@').nth(1).unwrap_or_default().to_owned();
        let input = json!({
            "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Statistics": ["Sum"], "Period": 10,
            "StartTime": stage.now as f64 / 1_000.0 - 20.0, "EndTime": stage.now as f64 / 1_000.0,
            "Dimensions": [{ "Name": "LoadBalancer", "Value": balancer },
                { "Name": "TargetGroup", "Value": dimension("targetgroup/", &group) }],
        });
        let answer = stage.ok(CloudWatch, "GetMetricStatistics", input);
        answer["Datapoints"].as_array().map_or(0, Vec::len)
    };
    assert!(sums("absent_datapoints_are_final") < sums("single_target_group_is_echoed"));

    let mut stage = turned("alarm_event_has_transition_time");
    let input = json!({
        "AlarmName": "any", "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1,
        "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    });
    stage.ok(CloudWatch, "PutMetricAlarm", input);
    stage.ok(CloudWatch, "SetAlarmState", json!({ "AlarmName": "any", "StateValue": "ALARM", "StateReason": "test" }));
    stage.pass(100);
    let told = stage.events("CloudWatch Alarm State Change");
    assert!(told.iter().any(|detail| detail["state"]["value"] == "ALARM"));
    assert!(told.iter().all(|detail| detail["state"].get("timestamp").is_none()));
}

#[test]
fn tags_of_queues_and_deleted_revisions_are_as_aws_shows_them() {
    let mut stage = Stage::new();
    let queue = stage.ok(Sqs, "CreateQueue", json!({ "QueueName": "q", "tags": { "a": "1" } }));
    let url = queue["QueueUrl"].clone();
    stage.ok(Sqs, "TagQueue", json!({ "QueueUrl": url, "Tags": { "b": "2" } }));
    stage.ok(Sqs, "UntagQueue", json!({ "QueueUrl": url, "TagKeys": ["a"] }));
    assert_eq!(stage.ok(Sqs, "ListQueueTags", json!({ "QueueUrl": url })), json!({ "Tags": { "b": "2" } }));

    let delete = json!({ "taskDefinitions": ["api:1"] });
    let answer = stage.ok(Ecs, "DeleteTaskDefinitions", delete.clone());
    assert!(text(&answer["failures"][0]["reason"]).contains("ACTIVE"));
    stage.ok(Ecs, "DeregisterTaskDefinition", json!({ "taskDefinition": "api:1" }));
    let answer = stage.ok(Ecs, "DeleteTaskDefinitions", delete);
    assert_eq!(answer["taskDefinitions"][0]["status"], "DELETE_IN_PROGRESS");
    for status in ["ACTIVE", "INACTIVE"] {
        let listed = stage.ok(Ecs, "ListTaskDefinitions", json!({ "status": status }));
        assert_eq!(listed["taskDefinitionArns"], json!([]));
    }
}
