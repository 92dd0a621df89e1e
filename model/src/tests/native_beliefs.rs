//! Beliefs about service deployments turned over: each switch makes ECS answer otherwise. The others are tried by
//! cli/tests/check_account.rs.

use serde_json::{Value, json};

use super::Stage;
use super::native::{MINUTE, blue_green, deploy, newest, service, stop, until, until_stage, until_status, weights};
use crate::Happening;
use crate::Service::{CloudWatch, Ecs};

fn turned(name: &str, configuration: Value) -> Stage {
    let mut stage = service(configuration);
    assert!(stage.world.settings_mut().beliefs.turn_over(name), "{name}");
    stage
}

fn share(deployment: &Value) -> f64 {
    deployment["targetServiceRevision"]["requestedProductionTrafficWeight"].as_f64().unwrap_or(-1.0)
}

#[test]
fn a_function_is_not_told_again_what_it_answered() {
    let told = |name: &str| {
        let hook = json!({ "targetType": "AWS_LAMBDA", "hookTargetArn": "check", "roleArn": "role",
            "lifecycleStages": ["PRE_SCALE_UP"] });
        let mut stage = turned(name, blue_green());
        let mut with = blue_green();
        with["lifecycleHooks"] = json!([hook]);
        stage.update("api", json!({ "deploymentConfiguration": with }));
        deploy(&mut stage, "");
        stage.pass(400);
        let called = |stage: &mut Stage| {
            let found = stage.happened.iter().rev().find_map(|happening| match happening {
                Happening::CallHook { service_deployment_arn, hook_id, payload, .. } => {
                    Some((service_deployment_arn.clone(), hook_id.clone(), payload.clone()))
                }
                _ => None,
            });
            found.unwrap()
        };
        let (deployment, hook, _) = called(&mut stage);
        let answer = json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 1, "hookDetails": { "tries": 1 } });
        let now = stage.now;
        stage.world.hook_answered(&deployment, &hook, Ok(answer), now);
        stage.happened.clear();
        stage.pass(400);
        called(&mut stage).2["hookDetails"]["tries"].clone()
    };
    assert_eq!(told("rolling_shows_no_stage"), 1);
    assert_eq!(told("hook_details_come_back"), Value::Null);
}

#[test]
fn the_weight_is_told_one_step_late_but_not_to_who_looks_at_the_world_as_it_is() {
    let canary = json!({ "strategy": "CANARY", "bakeTimeInMinutes": 1,
        "canaryConfiguration": { "canaryPercent": 10.0, "canaryBakeTimeInMinutes": 2 } });
    let mut stage = turned("traffic_weight_is_shown_at_once", canary);
    deploy(&mut stage, "");
    let first = until_stage(&mut stage, "PRODUCTION_TRAFFIC_SHIFT");
    stage.pass(200);
    assert_eq!((weights(&stage), share(&first)), ((90, 10), 0.0));
    let (arn, now) = (first["serviceDeploymentArn"].clone(), stage.now);
    let input = json!({ "serviceDeploymentArns": [arn] });
    let operation = "DescribeServiceDeployments";
    let call = crate::Call { service: Ecs, operation, input: &input, caller: "t", region: "r", now };
    let truly = stage.world.as_is(|world| world.call(call)).unwrap();
    assert_eq!(share(&truly["serviceDeployments"][0]), 10.0);
    assert_eq!(share(&until_stage(&mut stage, "BAKE_TIME")), 100.0);
}

#[test]
fn an_alarm_that_fired_before_the_start_brings_the_deployment_back() {
    let ends = |name: &str| {
        let mut stage = turned(
            name,
            json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1,
                "alarms": { "enable": true, "rollback": true, "alarmNames": ["5xx"] } }),
        );
        let alarm = json!({ "AlarmName": "5xx", "Namespace": "Shop", "MetricName": "Bad", "Statistic": "Sum",
            "Period": 60, "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore" });
        stage.ok(CloudWatch, "PutMetricAlarm", alarm);
        let set = json!({ "AlarmName": "5xx", "StateValue": "ALARM", "StateReason": "a test" });
        stage.ok(CloudWatch, "SetAlarmState", set);
        deploy(&mut stage, "");
        let over = until(&mut stage, "over", |now| !now["finishedAt"].is_null());
        over["status"].clone()
    };
    assert_eq!(ends("rolling_shows_no_stage"), "SUCCESSFUL");
    assert_eq!(ends("firing_alarm_blinds_a_deployment"), "ROLLBACK_SUCCESSFUL");
}

#[test]
fn it_is_told_as_back_before_it_is() {
    let mut stage = turned("rollback_successful_means_back", blue_green());
    deploy(&mut stage, "");
    until_stage(&mut stage, "BAKE_TIME");
    stop(&mut stage).unwrap();
    let said = newest(&mut stage);
    assert_eq!((weights(&stage), &said["status"]), ((0, 100), &json!("ROLLBACK_SUCCESSFUL")));
    assert!(said["finishedAt"].is_null());
}

#[test]
fn nothing_tells_that_the_circuit_breaker_opened() {
    let told = |name: &str| {
        let breaker = json!({ "enable": true, "rollback": true });
        let mut stage = turned(name, json!({ "strategy": "ROLLING", "deploymentCircuitBreaker": breaker }));
        deploy(&mut stage, "crash");
        let back = until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
        let words = back["rollback"]["reason"].to_string().contains("circuit breaker");
        (words, back["deploymentCircuitBreaker"]["status"] == "TRIGGERED")
    };
    assert!(told("rolling_shows_no_stage").0);
    assert_eq!(told("who_went_back_is_told"), (false, false));
}

#[test]
fn what_gave_way_to_a_newer_deployment_is_shown_as_asked_to_stop_for_a_while() {
    let mut stage = turned("stop_is_seen_as_the_way_back", blue_green());
    deploy(&mut stage, "");
    let arn = until_stage(&mut stage, "SCALE_UP")["serviceDeploymentArn"].clone();
    stage.update("api", json!({ "forceNewDeployment": true }));
    let status = |stage: &mut Stage| {
        let found = stage.ok(Ecs, "DescribeServiceDeployments", json!({ "serviceDeploymentArns": [arn] }));
        found["serviceDeployments"][0]["status"].clone()
    };
    assert_eq!(status(&mut stage), "STOP_REQUESTED");
    stage.pass(2 * MINUTE);
    assert_eq!(status(&mut stage), "STOPPED");
}

#[test]
fn the_way_back_of_a_rolling_deployment_stays_where_the_traffic_is_or_goes_to_the_first_group() {
    let groups = |name: &str| {
        let mut stage = turned(name, blue_green());
        deploy(&mut stage, "");
        until_status(&mut stage, "SUCCESSFUL");
        let rolling =
            json!({ "strategy": "ROLLING", "deploymentCircuitBreaker": { "enable": true, "rollback": true } });
        stage.update("api", json!({ "deploymentConfiguration": rolling }));
        stage.push("v3", "crash");
        stage.define("v3");
        stage.update("api", json!({ "taskDefinition": "api:3" }));
        until_status(&mut stage, "ROLLBACK_SUCCESSFUL");
        stage.pass(MINUTE);
        let (blue, green) = (stage.blue.clone(), stage.green.clone());
        let empty = |stage: &mut Stage| (stage.states(&blue).is_empty(), stage.states(&green).is_empty());
        let back = empty(&mut stage);
        // And a good one after that.
        stage.push("v4", "");
        stage.define("v4");
        stage.update("api", json!({ "taskDefinition": "api:4" }));
        until_status(&mut stage, "SUCCESSFUL");
        stage.pass(MINUTE);
        assert_eq!(empty(&mut stage), back, "{name}");
        (weights(&stage), back.0, back.1)
    };
    assert_eq!(groups("rolling_shows_no_stage"), ((0, 100), true, false));
    assert_eq!(groups("rolling_stays_in_its_group"), ((0, 100), false, true));
}
