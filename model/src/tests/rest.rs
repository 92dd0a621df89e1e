use serde_json::{Value, json};

use super::Stage;
use crate::Millis;
use crate::Service::{AutoScaling, CloudWatch, Ecr, Ecs, Elb, SecretsManager, Sns, Sts};

fn target(extra: Value) -> Value {
    let mut input = json!({
        "ServiceNamespace": "ecs", "ResourceId": "service/prod/blue", "ScalableDimension": "ecs:service:DesiredCount",
    });
    for (member, value) in extra.as_object().into_iter().flatten() {
        input[member] = value.clone();
    }
    input
}

#[test]
fn a_scalable_target_moves_the_desired_count_and_flags_alone_keep_the_range() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.ok(AutoScaling, "RegisterScalableTarget", target(json!({ "MinCapacity": 3, "MaxCapacity": 6 })));
    assert_eq!(stage.look("blue")["desiredCount"], 3);
    let flags = json!({ "SuspendedState": { "DynamicScalingInSuspended": true } });
    stage.ok(AutoScaling, "RegisterScalableTarget", target(flags));
    let all = stage.ok(AutoScaling, "DescribeScalableTargets", json!({ "ServiceNamespace": "ecs" }));
    let shown = &all["ScalableTargets"][0];
    assert_eq!((&shown["MinCapacity"], &shown["MaxCapacity"]), (&json!(3), &json!(6)));
    assert_eq!(shown["SuspendedState"]["DynamicScalingInSuspended"], true);
    assert_eq!(shown["SuspendedState"]["DynamicScalingOutSuspended"], false);
    stage.pass(10_000);
    let now = stage.now;
    assert_eq!(stage.world.scale("service/prod/blue", 99, now), Some(6));
    assert_eq!(stage.world.scale("service/prod/blue", 4, now), None);
    let flags = json!({ "SuspendedState": { "DynamicScalingInSuspended": false } });
    stage.ok(AutoScaling, "RegisterScalableTarget", target(flags));
    assert_eq!(stage.world.scale("service/prod/blue", 4, now), Some(4));
    let activities = stage.ok(AutoScaling, "DescribeScalingActivities", json!({ "ServiceNamespace": "ecs" }));
    assert_eq!(activities["ScalingActivities"].as_array().map(Vec::len), Some(3));
    let none = json!({ "ServiceNamespace": "ecs", "ResourceId": "service/prod/no", "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 1 });
    assert_eq!(stage.refused(AutoScaling, "RegisterScalableTarget", none), "ValidationException");
}

#[test]
fn the_autoscaler_does_not_scale_in_while_a_deployment_runs() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.ok(AutoScaling, "RegisterScalableTarget", target(json!({ "MinCapacity": 1, "MaxCapacity": 6 })));
    stage.update("blue", json!({ "forceNewDeployment": true }));
    let now = stage.now;
    assert_eq!(stage.world.scale("service/prod/blue", 1, now), None);
    assert_eq!(stage.world.scale("service/prod/blue", 3, now), Some(3));
}

/// Long times in coarse steps.
fn run(stage: &mut Stage, millis: Millis) {
    let end = stage.now + millis;
    while stage.now < end {
        stage.now += 5_000;
        stage.happened.extend(stage.world.tick(stage.now));
        stage.world.answer_probes(stage.now);
    }
}

fn tracking(more: Value) -> Value {
    let mut policy = json!({
        "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageCPUUtilization" },
        },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        policy["TargetTrackingScalingPolicyConfiguration"][name] = value.clone();
    }
    policy
}

/// A service that scales from 1 to 6, with one task.
fn scaled(policy: Value) -> Stage {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    assert_eq!(stage.refused(AutoScaling, "PutScalingPolicy", target(policy.clone())), "ObjectNotFoundException");
    stage.ok(AutoScaling, "RegisterScalableTarget", target(json!({ "MinCapacity": 1, "MaxCapacity": 6 })));
    stage.ok(AutoScaling, "PutScalingPolicy", target(policy));
    stage
}

fn alarms(stage: &mut Stage) -> Vec<Value> {
    let shown = stage.ok(AutoScaling, "DescribeScalingPolicies", json!({ "ServiceNamespace": "ecs" }));
    let names: Vec<Value> = shown["ScalingPolicies"][0]["Alarms"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|alarm| alarm["AlarmName"].clone())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let shown = stage.ok(CloudWatch, "DescribeAlarms", json!({ "AlarmNames": names }));
    shown["MetricAlarms"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_tracking_policy_has_two_alarms_that_live_as_long_as_it_does() {
    let mut stage = scaled(tracking(json!({})));
    let made = alarms(&mut stage);
    let thresholds: Vec<&Value> = made.iter().map(|alarm| &alarm["Threshold"]).collect();
    assert_eq!(thresholds, [&json!(60.0), &json!(54.0)]);
    assert_eq!(made[0]["Dimensions"][1], json!({ "Name": "ServiceName", "Value": "blue" }));
    assert!(made[0]["AlarmActions"][0].as_str().unwrap_or_default().contains(":scalingPolicy:"));
    // Put again it keeps their names.
    stage.ok(AutoScaling, "PutScalingPolicy", target(tracking(json!({ "TargetValue": 50.0 }))));
    let again = alarms(&mut stage);
    assert_eq!((&again[0]["AlarmName"], &again[0]["Threshold"]), (&made[0]["AlarmName"], &json!(50.0)));
    stage.ok(AutoScaling, "DeleteScalingPolicy", target(json!({ "PolicyName": "cpu" })));
    let left = stage.ok(CloudWatch, "DescribeAlarms", json!({ "AlarmNamePrefix": "TargetTracking" }));
    assert_eq!(left["MetricAlarms"], json!([]));
}

#[test]
fn the_documented_policy_on_the_requests_of_two_groups_can_be_put() {
    let page = include_str!("../../../docs/operations.md");
    let (_, from) = page.split_once("```json\n{ \"TargetValue\"").expect("the policy");
    let (text, _) = from.split_once("```").expect("its end");
    let configuration: Value = serde_json::from_str(&format!("{{ \"TargetValue\"{text}")).expect("JSON");
    let policy = json!({ "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration });
    let mut stage = scaled(policy);
    let made = alarms(&mut stage);
    assert_eq!((made.len(), made[0]["Metrics"].as_array().map(Vec::len)), (2, Some(3)));
}

#[test]
fn a_load_scales_the_service_out_and_its_end_scales_it_in() {
    let mut stage = scaled(tracking(json!({ "ScaleOutCooldown": 60, "ScaleInCooldown": 60 })));
    let desired = |stage: &mut Stage| stage.look("blue")["desiredCount"].clone();
    run(&mut stage, 600_000);
    let at_rest = desired(&mut stage);
    stage.world.set_load("prod", "blue", 200.0);
    run(&mut stage, 900_000);
    assert_eq!(desired(&mut stage), 4, "200 % over four tasks is below 60 %, and was {at_rest}");
    stage.world.set_load("prod", "blue", 900.0);
    run(&mut stage, 900_000);
    assert_eq!(desired(&mut stage), 6, "its maximum");
    let ask = json!({ "ServiceNamespace": "ecs", "IncludeNotScaledActivities": true });
    let all = stage.ok(AutoScaling, "DescribeScalingActivities", ask)["ScalingActivities"].clone();
    assert_eq!(all[0]["NotScaledReasons"][0]["Code"], "AlreadyAtMaxCapacity");
    let scaled = stage.ok(AutoScaling, "DescribeScalingActivities", json!({ "ServiceNamespace": "ecs" }));
    assert_eq!(scaled["ScalingActivities"][0]["StatusCode"], "Successful");
    stage.world.set_load("prod", "blue", 0.0);
    run(&mut stage, 3_600_000);
    assert_eq!(desired(&mut stage), 1, "fifteen minutes below nine tenths of it");
}

#[test]
fn requests_are_load() {
    let mut stage = scaled(tracking(json!({})));
    run(&mut stage, 120_000);
    let cpu = |stage: &mut Stage| {
        let now = stage.now;
        let input = json!({
            "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistics": ["Average"], "Period": 60,
            "Dimensions": [{ "Name": "ClusterName", "Value": "prod" }, { "Name": "ServiceName", "Value": "blue" }],
            "StartTime": (now - 300_000) as f64 / 1_000.0, "EndTime": now as f64 / 1_000.0,
        });
        let points = stage.ok(CloudWatch, "GetMetricStatistics", input)["Datapoints"].clone();
        let values = points.as_array().into_iter().flatten().filter_map(|point| point["Average"].as_f64());
        values.fold(0.0, f64::max)
    };
    let before = cpu(&mut stage);
    let (listener, now) = (stage.listener.clone(), stage.now);
    stage.world.send_traffic(&listener, 3_000, now);
    run(&mut stage, 240_000);
    assert!(before < 5.0 && cpu(&mut stage) > 20.0, "{before} then {}", cpu(&mut stage));
}

#[test]
fn secrets_have_versions() {
    let mut stage = Stage::bare();
    let made = stage.ok(SecretsManager, "CreateSecret", json!({ "Name": "hook", "SecretString": "one" }));
    stage.ok(SecretsManager, "PutSecretValue", json!({ "SecretId": "hook", "SecretString": "two" }));
    let by_arn = stage.ok(SecretsManager, "GetSecretValue", json!({ "SecretId": made["ARN"] }));
    assert_eq!(by_arn["SecretString"], "two");
    let before = json!({ "SecretId": "hook", "VersionStage": "AWSPREVIOUS" });
    assert_eq!(stage.ok(SecretsManager, "GetSecretValue", before)["SecretString"], "one");
    let none = json!({ "SecretId": "nothing" });
    assert_eq!(stage.refused(SecretsManager, "GetSecretValue", none), "ResourceNotFoundException");
}

#[test]
fn the_journal_keeps_writes_and_no_reads() {
    let mut stage = Stage::new();
    stage.world.clear_journal();
    stage.ok(Ecs, "DescribeClusters", json!({ "clusters": ["prod"] }));
    stage.ok(Ecs, "CreateCluster", json!({ "clusterName": "two" }));
    assert_eq!(stage.world.journal().len(), 1);
    assert_eq!(stage.world.journal()[0].caller, "tester");
    assert_eq!(stage.refused(Ecs, "DanceService", json!({})), "UnknownOperationException");
    assert_eq!(stage.refused(Elb, "DanceRule", json!({})), "InvalidAction");
    assert_eq!(stage.ok(Sts, "GetCallerIdentity", json!({}))["Account"], "123456789012");
}

#[test]
fn a_cloned_world_goes_the_same_way() {
    let mut one = Stage::new();
    let group = one.blue.clone();
    one.service("blue", &group, json!({}));
    one.pass(100);
    let mut other = one.world.clone();
    one.happened.clear();
    one.update("blue", json!({ "forceNewDeployment": true }));
    one.pass(5_000);
    let mut two = Stage::bare();
    std::mem::swap(&mut two.world, &mut other);
    two.now = one.now - 5_000;
    two.update("blue", json!({ "forceNewDeployment": true }));
    two.pass(5_000);
    assert_eq!(one.happened, two.happened);
    assert!(!one.happened.is_empty());
}

#[test]
fn tags_of_repositories_and_topics_are_kept() {
    let mut stage = Stage::new();
    let tags = json!([{ "Key": "team", "Value": "shop" }]);
    let made = stage.ok(Ecr, "CreateRepository", json!({ "repositoryName": "tagged", "tags": tags }));
    let arn = &made["repository"]["repositoryArn"];
    assert_eq!(stage.ok(Ecr, "ListTagsForResource", json!({ "resourceArn": arn }))["tags"], tags);
    let arn = stage.ok(Sns, "CreateTopic", json!({ "Name": "tagged", "Tags": tags }))["TopicArn"].clone();
    stage.ok(Sns, "TagResource", json!({ "ResourceArn": arn, "Tags": [{ "Key": "more", "Value": "x" }] }));
    stage.ok(Sns, "UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["more"] }));
    assert_eq!(stage.ok(Sns, "ListTagsForResource", json!({ "ResourceArn": arn }))["Tags"], tags);
    assert_eq!(
        stage.refused(Sns, "TagResource", json!({ "ResourceArn": "arn:nobody", "Tags": tags })),
        "ResourceNotFound"
    );
}

#[test]
fn a_port_range_has_no_host_port_and_a_network_configuration_is_completed() {
    let mut stage = Stage::new();
    let mapping = json!([{ "containerPortRange": "8000-8010" }, { "containerPort": 80 }]);
    let container = json!({ "name": "app", "image": "app:1", "memory": 64, "portMappings": mapping });
    let input = json!({ "family": "ranged", "containerDefinitions": [container] });
    let made = stage.ok(Ecs, "RegisterTaskDefinition", input);
    let shown = &made["taskDefinition"]["containerDefinitions"][0]["portMappings"];
    let want = json!([{ "containerPortRange": "8000-8010", "protocol": "tcp" },
        { "containerPort": 80, "hostPort": 80, "protocol": "tcp" }]);
    assert_eq!(*shown, want);
    let group = stage.blue.clone();
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    stage.service("blue", &group, json!({ "networkConfiguration": network }));
    let shown = stage.look("blue")["networkConfiguration"]["awsvpcConfiguration"].clone();
    assert_eq!(shown, json!({ "subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": "DISABLED" }));
    let deployments = stage.look("blue")["deployments"].clone();
    let again = json!({ "cluster": "prod", "service": "blue", "networkConfiguration": network });
    stage.ok(Ecs, "UpdateService", again);
    assert_eq!(stage.look("blue")["deployments"][0]["id"], deployments[0]["id"], "what is as it was deploys nothing");
}

#[test]
fn a_service_that_wants_none_stops_old_tasks_that_were_never_healthy() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({ "desiredCount": 0 }));
    stage.push("v2", "unhealthy");
    stage.define("v2");
    stage.update("blue", json!({ "taskDefinition": "api:2", "desiredCount": 1 }));
    for _ in 0..100 {
        if stage.look("blue")["runningCount"] == 1 {
            break;
        }
        stage.pass(100);
    }
    stage.update("blue", json!({ "forceNewDeployment": true, "desiredCount": 0 }));
    stage.pass(30_000);
    assert_eq!(stage.look("blue")["runningCount"], 0);
}

#[test]
fn container_insights_are_told_where_the_cluster_has_them() {
    for (setting, values) in [("enabled", 3), ("enhanced", 3), ("disabled", 0)] {
        let mut stage = Stage::new();
        let settings = json!([{ "name": "containerInsights", "value": setting }]);
        stage.ok(Ecs, "CreateCluster", json!({ "clusterName": "seen", "settings": settings }));
        let service = json!({ "cluster": "seen", "serviceName": "blue", "taskDefinition": "api:1", "desiredCount": 1 });
        stage.ok(Ecs, "CreateService", service);
        let bounds = json!({ "ResourceId": "service/seen/blue", "MinCapacity": 1, "MaxCapacity": 2 });
        stage.ok(AutoScaling, "RegisterScalableTarget", target(bounds));
        run(&mut stage, 300_000);
        let now = stage.now;
        let known = ["DesiredTaskCount", "RunningTaskCount", "PendingTaskCount"].into_iter().filter(|name| {
            let input = json!({
                "Namespace": "ECS/ContainerInsights", "MetricName": name, "Statistics": ["Maximum"], "Period": 60,
                "StartTime": crate::time::iso(now - 180_000), "EndTime": crate::time::iso(now),
                "Dimensions": [{ "Name": "ClusterName", "Value": "seen" }, { "Name": "ServiceName", "Value": "blue" }],
            });
            let points = stage.ok(CloudWatch, "GetMetricStatistics", input)["Datapoints"].clone();
            points.as_array().is_some_and(|points| !points.is_empty())
        });
        assert_eq!(known.count(), values, "{setting}");
    }
}

#[test]
fn a_count_that_cannot_be_set_is_an_activity_that_failed() {
    let mut stage = scaled(tracking(json!({ "ScaleOutCooldown": 60 })));
    stage.world.fail_scaling("prod", "blue", Some("access denied"));
    stage.world.set_load("prod", "blue", 400.0);
    run(&mut stage, 600_000);
    let activities = |stage: &mut Stage| {
        stage.ok(AutoScaling, "DescribeScalingActivities", json!({ "ServiceNamespace": "ecs" }))["ScalingActivities"]
            .clone()
    };
    let before = stage.look("blue")["desiredCount"].clone();
    let newest = activities(&mut stage)[0].clone();
    assert_eq!(newest["StatusCode"], "Failed");
    assert!(newest["StatusMessage"].as_str().is_some_and(|text| text.ends_with("Reason: access denied")), "{newest}");
    stage.world.fail_scaling("prod", "blue", None);
    run(&mut stage, 300_000);
    assert_eq!(activities(&mut stage)[0]["StatusCode"], "Successful");
    assert_ne!(stage.look("blue")["desiredCount"], before);
}
