use serde_json::{Value, json};

use super::{Stage, text};
use crate::Happening;
use crate::Service::Ecs;

fn breaker() -> Value {
    json!({ "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": true } } })
}

#[test]
fn a_rolling_deployment_reaches_completed_and_leaves_nothing_old() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let service = stage.look("blue");
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(service["runningCount"], 2);
    stage.push("v2", "");
    let definition = stage.define("v2");
    let service = stage.update("blue", json!({ "taskDefinition": "api:2" }));
    assert_eq!(service["deployments"][0]["status"], "PRIMARY");
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert_eq!(service["deployments"][1]["status"], "ACTIVE");
    stage.pass(15_000);
    let service = stage.look("blue");
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(service["deployments"][0]["taskDefinition"], definition.as_str());
    assert_eq!(service["runningCount"], 2);
    assert_eq!(stage.states(&group), ["healthy", "healthy"]);
    let names: Vec<String> =
        stage.events("ECS Deployment State Change").iter().map(|d| text(&d["eventName"])).collect();
    let (started, done) = ("SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED");
    assert_eq!(names, [started, done, started, done]);
    let starts = stage.happened.iter().filter(|h| matches!(h, Happening::StartTask(_))).count();
    let stops = stage.happened.iter().filter(|h| matches!(h, Happening::StopTask { .. })).count();
    assert_eq!((starts, stops), (4, 2));
}

#[test]
fn good_traffic_never_fails_during_a_rolling_deployment() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.push("v2", "");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    let statuses = stage.pass_with(15_000, 3);
    assert!(statuses.iter().all(|status| *status == 200));
}

#[test]
fn an_image_that_does_not_exist_never_starts_and_the_old_tasks_stay() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.define("missing");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(30_000);
    let service = stage.look("blue");
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert!(service["deployments"][0]["failedTasks"].as_u64() > Some(3));
    assert_eq!(service["deployments"][1]["runningCount"], 2);
    let stopped: Vec<Value> =
        stage.events("ECS Task State Change").into_iter().filter(|d| d["lastStatus"] == "STOPPED").collect();
    assert!(!stopped.is_empty());
    for detail in stopped {
        assert_eq!(detail["stopCode"], "TaskFailedToStart");
        assert!(text(&detail["stoppedReason"]).starts_with("CannotPullContainerError"));
    }
}

#[test]
fn the_circuit_breaker_opens_at_three_failures_and_rolls_back() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, breaker());
    let first = text(&stage.look("blue")["taskDefinition"]);
    stage.push("v2", "crash");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(30_000);
    let service = stage.look("blue");
    assert_eq!(service["taskDefinition"], first.as_str());
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(service["runningCount"], 2);
    let told = stage.events("ECS Deployment State Change");
    let failed = told.iter().position(|d| d["eventName"] == "SERVICE_DEPLOYMENT_FAILED").expect("it failed");
    assert_eq!(told[failed]["eventType"], "ERROR");
    assert!(text(&told[failed + 1]["reason"]).contains("rolling back to deploymentId ecs-svc/"));
}

#[test]
fn tasks_that_crash_at_once_are_replaced_for_ever_without_a_breaker() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.push("v2", "crash");
    stage.define("v2");
    stage.service("blue", &group, json!({ "taskDefinition": "api:2" }));
    stage.pass(20_000);
    let service = stage.look("blue");
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert!(service["deployments"][0]["failedTasks"].as_u64() > Some(6));
}

#[test]
fn a_dead_task_is_replaced() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let task = stage.world.running_tasks().remove(0);
    let now = stage.now;
    stage.world.task_died(&task.task_id, 137, "killed", now);
    assert_eq!(stage.look("blue")["runningCount"], 1);
    stage.pass(10_000);
    let service = stage.look("blue");
    assert_eq!(service["runningCount"], 2);
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    let dead = stage.ok(Ecs, "DescribeTasks", json!({ "cluster": "prod", "tasks": [task.task_arn] }));
    assert_eq!(dead["tasks"][0]["stopCode"], "EssentialContainerExited");
    assert_eq!(dead["tasks"][0]["containers"][0]["exitCode"], 137);
}

#[test]
fn tasks_that_turn_unhealthy_are_replaced_and_seen_as_unhealthy_before() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.push("v2", "unhealthy after=6s");
    stage.define("v2");
    stage.service("blue", &group, json!({ "taskDefinition": "api:2", "desiredCount": 1 }));
    assert_eq!(stage.look("blue")["deployments"][0]["rolloutState"], "COMPLETED");
    let mut seen = false;
    for _ in 0..40 {
        stage.pass(250);
        seen |= stage.states(&group).contains(&"unhealthy".to_owned());
    }
    assert!(seen);
    let told = stage.events("ECS Task State Change");
    assert!(told.iter().any(|d| text(&d["stoppedReason"]).contains("failed ELB health checks")));
}

#[test]
fn an_unchanged_update_starts_no_deployment_and_a_forced_one_does() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let before = stage.look("blue")["deployments"][0]["id"].clone();
    stage.update("blue", json!({ "taskDefinition": "api:1", "desiredCount": 2 }));
    assert_eq!(stage.look("blue")["deployments"][0]["id"], before);
    stage.update("blue", json!({ "forceNewDeployment": true }));
    assert_ne!(stage.look("blue")["deployments"][0]["id"], before);
}

#[test]
fn a_service_scales_up_and_down_to_zero() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.update("blue", json!({ "desiredCount": 5 }));
    stage.pass(10_000);
    assert_eq!(stage.look("blue")["runningCount"], 5);
    let zones: std::collections::BTreeSet<String> =
        stage.events("ECS Task State Change").iter().map(|detail| text(&detail["availabilityZone"])).collect();
    assert_eq!(zones.len(), 3);
    stage.update("blue", json!({ "desiredCount": 0 }));
    stage.pass(10_000);
    assert_eq!(stage.look("blue")["runningCount"], 0);
    assert!(stage.states(&group).is_empty());
    stage.push("v2", "");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2", "desiredCount": 3 }));
    stage.pass(10_000);
    let service = stage.look("blue");
    assert_eq!(
        (&service["runningCount"], &service["deployments"][0]["rolloutState"]),
        (&json!(3), &json!("COMPLETED"))
    );
}

#[test]
fn a_superseded_deployment_ends_and_the_newest_wins() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    for tag in ["v2", "v3"] {
        stage.push(tag, "");
        stage.define(tag);
    }
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(1_000);
    stage.update("blue", json!({ "taskDefinition": "api:3" }));
    stage.pass(15_000);
    let service = stage.look("blue");
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1));
    assert!(text(&service["deployments"][0]["taskDefinition"]).ends_with(":3"));
    assert_eq!(service["runningCount"], 2);
}

#[test]
fn half_may_be_stopped_first_where_nothing_more_may_run() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    let tight = json!({ "deploymentConfiguration": { "minimumHealthyPercent": 50, "maximumPercent": 100 } });
    stage.service("blue", &group, tight);
    stage.push("v2", "");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    let mut most = 0;
    for _ in 0..300 {
        stage.pass(100);
        let live = stage.ok(Ecs, "ListTasks", json!({ "cluster": "prod" }))["taskArns"].as_array().map_or(0, Vec::len);
        most = most.max(live);
    }
    assert_eq!(most, 2);
    assert_eq!(stage.look("blue")["deployments"][0]["rolloutState"], "COMPLETED");
    assert!(text(&stage.look("blue")["taskDefinition"]).ends_with(":2"));
}

#[test]
fn members_that_no_sdk_knows_are_kept_in_a_task_definition() {
    let mut stage = Stage::new();
    let shown = stage.ok(Ecs, "DescribeTaskDefinition", json!({ "taskDefinition": "api" }));
    assert_eq!(shown["taskDefinition"]["memberOfTomorrow"], json!({ "a": [1] }));
    assert_eq!(shown["taskDefinition"]["containerDefinitions"][0]["futureMember"], 7);
    assert!(shown.get("tags").is_none());
    let tags = json!([{ "key": "team", "value": "shop" }]);
    let input = json!({ "family": "api", "containerDefinitions": [{ "name": "a", "image": "b" }], "tags": tags });
    stage.ok(Ecs, "RegisterTaskDefinition", input);
    let shown = stage.ok(Ecs, "DescribeTaskDefinition", json!({ "taskDefinition": "api:2", "include": ["TAGS"] }));
    assert_eq!(shown["tags"], tags);
    assert!(shown["taskDefinition"].get("tags").is_none());
}

#[test]
fn an_inactive_revision_is_listed_apart_and_not_deployable() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.define("v1");
    stage.ok(Ecs, "DeregisterTaskDefinition", json!({ "taskDefinition": "api:2" }));
    let list = |stage: &mut Stage, status: &str| {
        stage.ok(Ecs, "ListTaskDefinitions", json!({ "familyPrefix": "api", "status": status, "sort": "DESC" }))
            ["taskDefinitionArns"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!((list(&mut stage, "ACTIVE"), list(&mut stage, "INACTIVE")), (1, 1));
    let update = json!({ "cluster": "prod", "service": "blue", "taskDefinition": "api:2" });
    assert_eq!(stage.refused(Ecs, "UpdateService", update), "ClientException");
}

#[test]
fn what_is_not_there_is_said_as_ecs_says_it() {
    let mut stage = Stage::new();
    let gone = stage.ok(Ecs, "DescribeServices", json!({ "cluster": "prod", "services": ["nobody"] }));
    assert_eq!(gone["failures"][0]["reason"], "MISSING");
    let none = json!({ "cluster": "prod", "service": "nobody" });
    assert_eq!(stage.refused(Ecs, "UpdateService", none), "ServiceNotFoundException");
    assert_eq!(
        stage.refused(Ecs, "DescribeServices", json!({ "cluster": "nowhere", "services": ["a"] })),
        "ClusterNotFoundException"
    );
    let elsewhere = json!({
        "cluster": "prod", "serviceName": "x", "taskDefinition": "api", "deploymentController": { "type": "CODE_DEPLOY" },
    });
    assert_eq!(stage.refused(Ecs, "CreateService", elsewhere), "UnsupportedFeatureException");
    let wrong = json!({
        "cluster": "prod", "serviceName": "x", "taskDefinition": "api",
        "loadBalancers": [{ "targetGroupArn": stage.blue, "containerName": "nobody", "containerPort": 8080 }],
    });
    assert_eq!(stage.refused(Ecs, "CreateService", wrong), "InvalidParameterException");
}

#[test]
fn a_deleted_service_drains_and_becomes_inactive() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let delete = json!({ "cluster": "prod", "service": "blue" });
    assert_eq!(stage.refused(Ecs, "DeleteService", delete), "InvalidParameterException");
    stage.ok(Ecs, "DeleteService", json!({ "cluster": "prod", "service": "blue", "force": true }));
    stage.pass(10_000);
    assert_eq!(stage.look("blue")["status"], "INACTIVE");
    let update = json!({ "cluster": "prod", "service": "blue", "desiredCount": 1 });
    assert_eq!(stage.refused(Ecs, "UpdateService", update), "ServiceNotActiveException");
}

#[test]
fn members_of_the_deployment_configuration_that_are_not_sent_stay_as_they_were() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, breaker());
    let only = json!({ "deploymentConfiguration": { "maximumPercent": 150 } });
    let service = stage.update("blue", only.clone());
    assert_eq!(service["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"], true);
    assert_eq!(service["deploymentConfiguration"]["maximumPercent"], 150);
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1));
    stage.world.settings_mut().beliefs.deployment_configuration_merges = false;
    let service = stage.update("blue", only);
    assert!(service["deploymentConfiguration"].get("deploymentCircuitBreaker").is_none());
}

#[test]
fn a_deployment_waits_for_the_draining_of_the_old_tasks_unless_believed_otherwise() {
    let completes_after = |waits: bool| {
        let mut stage = Stage::new();
        stage.world.settings_mut().beliefs.completion_waits_for_draining = waits;
        let group = stage.blue.clone();
        stage.service("blue", &group, json!({}));
        stage.update("blue", json!({ "forceNewDeployment": true }));
        let start = stage.now;
        while stage.look("blue")["deployments"][0]["rolloutState"] != "COMPLETED" && stage.now < start + 60_000 {
            stage.pass(100);
        }
        stage.now - start
    };
    // The target group drains for three seconds.
    assert!(completes_after(true) >= completes_after(false) + 2_900);
}

#[test]
fn a_failed_deployment_without_rollback_stands_still_and_keeps_the_old_tasks() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    let alone =
        json!({ "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": false } } });
    stage.service("blue", &group, alone);
    stage.define("missing");
    stage.update("blue", json!({ "taskDefinition": "api:2" }));
    stage.pass(20_000);
    let service = stage.look("blue");
    assert_eq!(service["deployments"][0]["rolloutState"], "FAILED");
    assert_eq!(service["deployments"][0]["failedTasks"], 3);
    assert_eq!(service["deployments"][1]["runningCount"], 2);
}

#[test]
fn a_task_that_is_stopped_by_a_person_is_replaced_and_counts_as_no_failure() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let task = stage.world.running_tasks().remove(0).task_arn;
    stage.ok(Ecs, "StopTask", json!({ "cluster": "prod", "task": task, "reason": "test" }));
    stage.pass(10_000);
    assert_eq!(stage.look("blue")["runningCount"], 2);
    assert_eq!(stage.look("blue")["deployments"][0]["failedTasks"], 0);
    let shown = stage.ok(Ecs, "DescribeTasks", json!({ "cluster": "prod", "tasks": [task] }));
    assert_eq!(
        (&shown["tasks"][0]["stopCode"], &shown["tasks"][0]["lastStatus"]),
        (&json!("UserInitiated"), &json!("STOPPED"))
    );
}

#[test]
fn without_capacity_no_task_is_placed_and_ecs_says_so_once() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let now = stage.now;
    stage.world.limit_tasks("prod", Some(2), now);
    stage.update("blue", json!({ "desiredCount": 4 }));
    stage.pass(20_000);
    let service = stage.look("blue");
    assert_eq!((&service["desiredCount"], &service["runningCount"]), (&json!(4), &json!(2)));
    let unable = |service: &Value| {
        let events = service["events"].as_array().cloned().unwrap_or_default();
        events.iter().filter(|event| text(&event["message"]).contains("unable to place a task")).count()
    };
    assert_eq!(unable(&service), 1);
    let told = stage.events("ECS Service Action");
    assert_eq!((told.len(), &told[0]["eventName"]), (1, &json!("SERVICE_TASK_PLACEMENT_FAILURE")));
    // A task that dies meanwhile is not replaced either.
    let task = stage.world.running_tasks().remove(0);
    let now = stage.now;
    stage.world.task_died(&task.task_id, 137, "killed", now);
    stage.world.limit_tasks("prod", Some(1), now);
    stage.pass(20_000);
    assert_eq!(stage.look("blue")["runningCount"], 1);
    let now = stage.now;
    stage.world.limit_tasks("prod", None, now);
    stage.pass(10_000);
    assert_eq!(stage.look("blue")["runningCount"], 4);
}

#[test]
fn one_task_may_fall_sick_and_is_replaced() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    let sick = stage.world.running_tasks().remove(0);
    stage.world.task_sickens(&sick.task_id);
    stage.pass(3_000);
    assert!(stage.states(&group).contains(&"unhealthy".to_owned()), "{:?}", stage.states(&group));
    assert!(stage.states(&group).contains(&"healthy".to_owned()));
    stage.pass(15_000);
    assert!(stage.world.running_tasks().iter().all(|task| task.task_id != sick.task_id));
}
