use serde_json::{Value, json};

use super::{Stage, text};
use crate::Happening;
use crate::Service::{CloudWatch, Ecs, Elb};

/// One AWS minute at the quick pace.
pub(super) const MINUTE: u64 = 2_000;

/// A service with a strategy of its own, behind both groups, at rest.
pub(super) fn service(configuration: Value) -> Stage {
    let mut stage = Stage::new();
    let (blue, rule) = (stage.blue.clone(), stage.rule.clone());
    let balancers = json!([{
        "targetGroupArn": blue, "containerName": "app", "containerPort": 8080,
        "advancedConfiguration": {
            "alternateTargetGroupArn": stage.green, "productionListenerRule": rule,
            "roleArn": "arn:aws:iam::123456789012:role/ecs",
        },
    }]);
    stage.service("api", &blue, json!({ "deploymentConfiguration": configuration, "loadBalancers": balancers }));
    stage.pass(4 * MINUTE);
    assert_eq!(newest(&mut stage)["status"], "SUCCESSFUL");
    stage
}

pub(super) fn blue_green() -> Value {
    json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3 })
}

pub(super) fn newest(stage: &mut Stage) -> Value {
    let listed = stage.ok(Ecs, "ListServiceDeployments", json!({ "cluster": "prod", "service": "api" }));
    let arn = listed["serviceDeployments"][0]["serviceDeploymentArn"].clone();
    let found = stage.ok(Ecs, "DescribeServiceDeployments", json!({ "serviceDeploymentArns": [arn] }));
    found["serviceDeployments"][0].clone()
}

pub(super) fn deploy(stage: &mut Stage, manners: &str) {
    stage.push("v2", manners);
    stage.define("v2");
    stage.update("api", json!({ "taskDefinition": "api:2" }));
}

/// Blue's and green's weight.
pub(super) fn weights(stage: &Stage) -> (u64, u64) {
    let weights = stage.world.rule_weights(&stage.rule);
    let of = |arn: &str| weights.iter().find(|(group, _)| group == arn).map_or(0, |(_, weight)| *weight);
    (of(&stage.blue), of(&stage.green))
}

/// Passes time until the newest service deployment is so.
pub(super) fn until(stage: &mut Stage, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let now = newest(stage);
        if is(&now) {
            return now;
        }
        stage.pass(200);
    }
    panic!("never {what}: {:#}", newest(stage));
}

pub(super) fn until_stage(stage: &mut Stage, name: &str) -> Value {
    until(stage, name, |deployment| deployment["lifecycleStage"] == name)
}

pub(super) fn until_status(stage: &mut Stage, name: &str) -> Value {
    until(stage, name, |deployment| deployment["status"] == name)
}

pub(super) fn stop(stage: &mut Stage) -> Result<Value, crate::AwsError> {
    let arn = newest(stage)["serviceDeploymentArn"].clone();
    stage.call(Ecs, "StopServiceDeployment", json!({ "serviceDeploymentArn": arn, "stopType": "ROLLBACK" }))
}

#[test]
fn blue_green_moves_all_weight_at_once_bakes_and_cleans_up_and_the_groups_take_turns() {
    let mut stage = service(blue_green());
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    assert_eq!(weights(&stage), (100, 0));
    deploy(&mut stage, "");
    until_stage(&mut stage, "SCALE_UP");
    assert_eq!(weights(&stage), (100, 0));
    let baking = until_stage(&mut stage, "BAKE_TIME");
    assert_eq!(weights(&stage), (0, 100));
    assert_eq!(baking["targetServiceRevision"]["requestedProductionTrafficWeight"], 100.0);
    assert_eq!(baking["sourceServiceRevisions"][0]["runningTaskCount"], 2);
    assert_eq!((stage.states(&blue).len(), stage.states(&green).len()), (2, 2));
    assert!(stage.pass_with(2 * MINUTE, 3).iter().all(|status| *status == 200));
    assert_eq!(newest(&mut stage)["lifecycleStage"], "BAKE_TIME");
    let done = until_status(&mut stage, "SUCCESSFUL");
    assert!(done["lifecycleStage"].is_null());
    assert_eq!(stage.look("api")["deployments"].as_array().map(Vec::len), Some(1));
    assert!(stage.look("api")["currentServiceDeployment"].is_null());
    let revision = done["targetServiceRevision"]["arn"].clone();
    let shown = stage.ok(Ecs, "DescribeServiceRevisions", json!({ "serviceRevisionArns": [revision] }));
    let resolved = &shown["serviceRevisions"][0]["resolvedConfiguration"]["loadBalancers"][0];
    assert_eq!(resolved["targetGroupArn"], green.as_str());
    stage.define("v1");
    stage.update("api", json!({ "taskDefinition": "api:3" }));
    until_status(&mut stage, "SUCCESSFUL");
    assert_eq!(weights(&stage), (100, 0));
    let by_ecs = stage.world.journal().iter().filter(|entry| entry.caller == "service:ecs").count();
    assert_eq!(by_ecs, 3);
}

#[test]
fn a_canary_takes_two_steps_and_a_linear_shift_as_many_as_fit() {
    let canary = json!({ "strategy": "CANARY", "bakeTimeInMinutes": 1,
        "canaryConfiguration": { "canaryPercent": 2.5, "canaryBakeTimeInMinutes": 2 } });
    let mut stage = service(canary);
    deploy(&mut stage, "");
    until(&mut stage, "a canary", |now| now["targetServiceRevision"]["requestedProductionTrafficWeight"] == 2.5);
    assert_eq!(weights(&stage), (974, 25));
    until_status(&mut stage, "SUCCESSFUL");
    assert_eq!(weights(&stage), (0, 100));
    let linear = json!({ "strategy": "LINEAR", "bakeTimeInMinutes": 0,
        "linearConfiguration": { "stepPercent": 30.0, "stepBakeTimeInMinutes": 1 } });
    let mut stage = service(linear);
    deploy(&mut stage, "");
    let mut seen = Vec::new();
    while newest(&mut stage)["status"] != "SUCCESSFUL" {
        let now = weights(&stage).1;
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        stage.pass(200);
    }
    assert_eq!(seen, [0, 30, 60, 90, 100]);
}

#[test]
fn an_alarm_in_the_bake_brings_the_traffic_back_and_one_that_fired_before_is_ignored() {
    let alarms = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3,
        "alarms": { "enable": true, "rollback": true, "alarmNames": ["5xx"] } });
    let mut stage = service(alarms);
    let alarm = json!({ "AlarmName": "5xx", "Namespace": "Shop", "MetricName": "Bad", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore" });
    stage.ok(CloudWatch, "PutMetricAlarm", alarm);
    let set = |stage: &mut Stage, state: &str| {
        let input = json!({ "AlarmName": "5xx", "StateValue": state, "StateReason": "a test" });
        stage.ok(CloudWatch, "SetAlarmState", input);
    };
    set(&mut stage, "OK");
    deploy(&mut stage, "");
    until_stage(&mut stage, "BAKE_TIME");
    set(&mut stage, "ALARM");
    stage.pass(400);
    assert_eq!(weights(&stage), (100, 0));
    let back = until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
    assert_eq!(back["alarms"]["triggeredAlarmNames"], json!(["5xx"]));
    assert_eq!(back["rollback"]["serviceRevisionArn"], back["sourceServiceRevisions"][0]["arn"]);
    assert!(text(&stage.look("api")["taskDefinition"]).ends_with("api:1"));
    // It still fires: ECS does not listen to it in the next deployment.
    stage.update("api", json!({ "taskDefinition": "api:2" }));
    until_status(&mut stage, "SUCCESSFUL");
}

#[test]
fn a_pause_waits_for_its_answer_and_times_out_as_declared() {
    let hooked = |action: &str| {
        json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "lifecycleHooks": [{ "targetType": "PAUSE",
            "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": { "timeoutInMinutes": 5, "action": action } }] })
    };
    // The first deployment of the service waits as well, and is continued by its timeout.
    let answered = |answer: &str| {
        let mut stage = service(hooked("CONTINUE"));
        deploy(&mut stage, "");
        let waiting = until(&mut stage, "a pause", |now| now["lifecycleHookDetails"][0]["status"] == "AWAITING_ACTION");
        assert_eq!(waiting["lifecycleStage"], "PRE_PRODUCTION_TRAFFIC_SHIFT");
        assert_eq!(weights(&stage), (100, 0));
        let hook = waiting["lifecycleHookDetails"][0]["hookId"].clone();
        let input =
            json!({ "serviceDeploymentArn": waiting["serviceDeploymentArn"], "hookId": hook, "action": answer });
        stage.ok(Ecs, "ContinueServiceDeployment", input.clone());
        assert_eq!(stage.refused(Ecs, "ContinueServiceDeployment", input), "InvalidParameterException");
        stage
    };
    until_status(&mut answered("CONTINUE"), "SUCCESSFUL");
    until_status(&mut answered("ROLLBACK"), "ROLLBACK_SUCCESSFUL");
    let mut stage = service(hooked("CONTINUE"));
    let input = json!({ "deploymentConfiguration": hooked("ROLLBACK") });
    stage.update("api", input);
    deploy(&mut stage, "");
    let back = until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
    assert!(text(&back["statusReason"]).contains("timed out at PRE_PRODUCTION_TRAFFIC_SHIFT"), "{back:#}");
    let names: Vec<String> = stage.events("ECS Hook State Change").iter().map(|d| text(&d["eventName"])).collect();
    assert!(names.contains(&"HOOK_AWAITING_ACTION".to_owned()) && names.contains(&"HOOK_TIMED_OUT".to_owned()));
}

#[test]
fn a_function_hook_is_called_answered_called_again_and_called_with_reversed_weights_on_the_way_back() {
    let hook = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "lifecycleHooks": [{ "targetType": "AWS_LAMBDA",
        "hookTargetArn": "arn:aws:lambda:us-east-1:123456789012:function:check", "roleArn": "arn:aws:iam::1:role/hook",
        "lifecycleStages": ["POST_SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT"], "hookDetails": { "gate": 1 } }] });
    let mut stage = service(blue_green());
    stage.update("api", json!({ "deploymentConfiguration": hook }));
    deploy(&mut stage, "");
    let mut answered = 0;
    // What each call gets, one after the other.
    let answers = [
        Ok(json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 30, "hookDetails": { "tries": 1 } })),
        Ok(json!({ "hookStatus": "SUCCEEDED" })),
        Err("Unhandled".to_owned()),
        Ok(json!({ "hookStatus": "SUCCEEDED" })),
    ];
    let mut payloads = Vec::new();
    for _ in 0..200 {
        stage.pass(100);
        let calls: Vec<Happening> = std::mem::take(&mut stage.happened);
        for call in calls {
            let Happening::CallHook { service_deployment_arn, hook_id, payload, .. } = call else { continue };
            payloads.push(payload);
            let answer = answers[answered].clone();
            answered += 1;
            let now = stage.now;
            stage.world.hook_answered(&service_deployment_arn, &hook_id, answer, now);
        }
    }
    let stages: Vec<&Value> = payloads.iter().map(|payload| &payload["lifecycleStage"]).collect();
    assert_eq!(stages, ["POST_SCALE_UP", "POST_SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"]);
    assert_eq!(payloads[0]["executionDetails"]["productionTrafficWeights"], json!({}));
    assert_eq!(payloads[1]["hookDetails"], json!({ "gate": 1, "tries": 1 }));
    let target = text(&payloads[2]["executionDetails"]["targetServiceRevisionArn"]);
    assert_eq!(payloads[2]["executionDetails"]["productionTrafficWeights"][&target], 100.0);
    assert_eq!(payloads[3]["executionDetails"]["productionTrafficWeights"][&target], 0.0);
    let back = newest(&mut stage);
    assert_eq!(back["status"], "ROLLBACK_SUCCESSFUL");
    assert!(text(&back["rollback"]["reason"]).contains("failed at PRODUCTION_TRAFFIC_SHIFT"));
    assert_eq!(weights(&stage), (100, 0));
}

#[test]
fn a_deployment_is_stopped_at_any_stage_and_no_more_when_it_is_over() {
    for name in ["RECONCILE_SERVICE", "SCALE_UP", "BAKE_TIME"] {
        let mut stage = service(blue_green());
        deploy(&mut stage, "");
        if name != "RECONCILE_SERVICE" {
            until_stage(&mut stage, name);
        }
        stop(&mut stage).unwrap();
        assert_eq!(newest(&mut stage)["status"], "ROLLBACK_REQUESTED");
        until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
        assert_eq!((weights(&stage), stage.look("api")["runningCount"].clone()), ((100, 0), json!(2)), "{name}");
        assert_eq!(stop(&mut stage).unwrap_err().code, "ConflictException");
    }
    let mut stage = service(json!({ "strategy": "ROLLING" }));
    deploy(&mut stage, "");
    stage.pass(300);
    stop(&mut stage).unwrap();
    assert_eq!(newest(&mut stage)["status"], "ROLLBACK_IN_PROGRESS");
    until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
}

#[test]
fn a_second_update_takes_the_place_of_a_running_deployment_and_goes_back_to_what_was_live() {
    let mut stage = service(blue_green());
    deploy(&mut stage, "");
    until_stage(&mut stage, "BAKE_TIME");
    let first = newest(&mut stage)["serviceDeploymentArn"].clone();
    stage.define("v1");
    stage.update("api", json!({ "taskDefinition": "api:3" }));
    let listed =
        stage.ok(Ecs, "ListServiceDeployments", json!({ "cluster": "prod", "service": "api", "status": ["STOPPED"] }));
    assert_eq!(listed["serviceDeployments"][0]["serviceDeploymentArn"], first);
    assert!(stage.pass_with(2 * MINUTE, 3).iter().all(|status| *status == 200));
    until_status(&mut stage, "SUCCESSFUL");
    assert_eq!(weights(&stage), (0, 100));
    assert!(text(&stage.look("api")["taskDefinition"]).ends_with("api:3"));
}

#[test]
fn a_crashing_image_never_gets_traffic_and_a_first_deployment_has_nothing_to_go_back_to() {
    let mut stage = service(blue_green());
    deploy(&mut stage, "crash");
    stage.pass(20_000);
    assert_eq!((newest(&mut stage)["lifecycleStage"].clone(), weights(&stage)), (json!("SCALE_UP"), (100, 0)));
    stop(&mut stage).unwrap();
    until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
    let mut stage = Stage::new();
    let (blue, green, rule) = (stage.blue.clone(), stage.green.clone(), stage.rule.clone());
    let advanced = json!({ "alternateTargetGroupArn": green, "productionListenerRule": rule, "roleArn": "r" });
    let balancers = json!([{ "targetGroupArn": blue, "containerName": "app", "containerPort": 8080, "advancedConfiguration": advanced }]);
    let long = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 30 });
    stage.service("api", &blue, json!({ "deploymentConfiguration": long, "loadBalancers": balancers }));
    stop(&mut stage).unwrap();
    until_status(&mut stage, "ROLLBACK_FAILED");
}

#[test]
fn what_aws_refuses_is_refused() {
    let mut stage = service(blue_green());
    let mut refused = |configuration: Value| {
        let input = json!({ "cluster": "prod", "service": "api", "deploymentConfiguration": configuration });
        assert_eq!(stage.refused(Ecs, "UpdateService", input), "InvalidParameterException");
    };
    refused(json!({ "strategy": "SIDEWAYS" }));
    refused(json!({ "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 2.9 } }));
    refused(json!({ "strategy": "CANARY", "canaryConfiguration": { "canaryPercent": 0.25 } }));
    refused(json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1.5 }));
    refused(json!({ "lifecycleHooks": [{ "targetType": "PAUSE", "lifecycleStages": ["TEST_TRAFFIC_SHIFT"] }] }));
    let mut plain = Stage::new();
    let blue = plain.blue.clone();
    plain.service("api", &blue, json!({}));
    let input = json!({ "cluster": "prod", "service": "api", "deploymentConfiguration": blue_green() });
    assert_eq!(plain.refused(Ecs, "UpdateService", input), "InvalidParameterException");
}

#[test]
fn a_rule_that_lost_a_group_ends_in_a_rollback_that_says_so() {
    let mut stage = service(blue_green());
    let (blue, rule) = (stage.blue.clone(), stage.rule.clone());
    let only =
        json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": [{ "TargetGroupArn": blue, "Weight": 1 }] } }]);
    deploy(&mut stage, "");
    until_stage(&mut stage, "SCALE_UP");
    stage.ok(Elb, "ModifyRule", json!({ "RuleArn": rule, "Actions": only }));
    // Its new tasks are in a group that nothing uses: they never become healthy, and it is stopped.
    stage.pass(10_000);
    assert_eq!(newest(&mut stage)["lifecycleStage"], "SCALE_UP");
    stop(&mut stage).unwrap();
    until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
}

#[test]
fn a_service_deleted_in_the_middle_of_its_deployment_drains_to_its_end() {
    let pause = json!({ "targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"] });
    let mut configuration = blue_green();
    let mut stage = service(configuration.clone());
    configuration["lifecycleHooks"] = json!([pause]);
    stage.update("api", json!({ "deploymentConfiguration": configuration }));
    deploy(&mut stage, "");
    until_stage(&mut stage, "PRE_SCALE_UP");
    stage.ok(Ecs, "DeleteService", json!({ "cluster": "prod", "service": "api", "force": true }));
    stage.pass(4 * MINUTE);
    let deleted = stage.look("api");
    assert_eq!((&deleted["status"], &deleted["runningCount"]), (&json!("INACTIVE"), &json!(0)));
}

#[test]
fn a_rolling_deployment_with_a_bake_time_listens_to_its_alarms_until_that_is_over() {
    let mut stage = service(json!({ "strategy": "ROLLING", "bakeTimeInMinutes": 5 }));
    deploy(&mut stage, "");
    let in_place = |stage: &mut Stage| stage.look("api")["deployments"].as_array().map_or(0, Vec::len) == 1;
    for _ in 0..600 {
        if in_place(&mut stage) {
            break;
        }
        stage.pass(200);
    }
    assert_eq!(newest(&mut stage)["status"], "IN_PROGRESS");
    stage.pass(4 * MINUTE);
    assert_eq!(newest(&mut stage)["status"], "IN_PROGRESS");
    stop(&mut stage).unwrap();
    until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
    deploy_again(&mut stage);
    until_status(&mut stage, "SUCCESSFUL");
}

/// The second revision once more.
fn deploy_again(stage: &mut Stage) {
    stage.update("api", json!({ "taskDefinition": "api:2" }));
    assert_ne!(newest(stage)["status"], "ROLLBACK_SUCCESSFUL");
}
