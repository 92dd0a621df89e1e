//! The scaling check through the real binary: what is wrong is told once, its end too, and one service that cannot be read keeps
//! nobody from the others.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use local::{Fault, FaultEffect, FaultWhen};
use model::Service;
use serde_json::{Value, json};
use shared::ids::ServiceName;
use shared::rollout::Margins;
use shared::scaling::FindingKind;
use shared::time::Time;
use tests::{SERVICE, Scene};

type Result<T = ()> = anyhow::Result<T>;

async fn check(scene: &Scene) -> Result {
    let event = json!({ "version": "0", "id": "11111111-1111-4111-8111-111111111111", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": Time(scene.cloud.now()).to_string(),
        "region": "us-east-1", "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/round"],
        "detail": "{}" });
    scene.cloud.invoke("check-scaling", event).await.context("check-scaling")?;
    // Two within the pace of looks are one.
    tokio::time::sleep(Duration::from_millis(Margins::quick().look.0)).await;
    Ok(())
}

fn told(all: &[String]) -> Vec<&String> {
    all.iter().filter(|told| told.contains("scaling")).collect()
}

/// The scalable target of an ECS service.
fn target(scene: &Scene, service: &str, operation: &str, more: &Value) -> Result {
    let mut input = json!({ "ServiceNamespace": "ecs", "ResourceId": format!("service/tests/{service}"),
        "ScalableDimension": "ecs:service:DesiredCount" });
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    scene.call(Service::AutoScaling, operation, input)?;
    Ok(())
}

async fn opens_and_closes(scene: &Scene, service: &str) -> Result {
    target(scene, service, "DeregisterScalableTarget", &json!({}))?;
    check(scene).await?;
    ensure!(told(&scene.told().await?).is_empty(), "one look may be stale: {:?}", scene.told().await?);
    check(scene).await?;
    scene.until_told("scaling").await?;
    for _ in 0..2 {
        check(scene).await?;
    }
    let all = scene.told().await?;
    ensure!(told(&all).len() == 1, "told once: {all:?}");
    target(scene, service, "RegisterScalableTarget", &json!({ "MinCapacity": 1, "MaxCapacity": 6 }))?;
    // Its policies went with it.
    let tracking = json!({ "TargetValue": 70.0,
        "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageCPUUtilization" } });
    let policy = json!({ "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking });
    target(scene, service, "PutScalingPolicy", &policy)?;
    for _ in 0..3 {
        check(scene).await?;
    }
    scene.until_told("as it should be again").await?;
    let all = scene.told().await?;
    ensure!(told(&all).len() == 2, "its end once: {all:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scalable_target_that_went_missing_is_told_once_and_so_is_its_return() -> Result {
    let scene = Scene::start(&[]).await?;
    opens_and_closes(&scene, &format!("{SERVICE}-blue")).await?;
    scene.end().await?;
    let scene =
        Scene::native(json!({ "strategy": "ROLLING", "minimumHealthyPercent": 100, "maximumPercent": 200 }), &[])
            .await?;
    opens_and_closes(&scene, SERVICE).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_went_missing_is_told_once_and_so_is_another_one_in_its_place() -> Result {
    let scene = Scene::start(&[]).await?;
    let service = format!("{SERVICE}-blue");
    for _ in 0..2 {
        check(&scene).await?;
    }
    let nothing = scene.told().await?;
    ensure!(told(&nothing).is_empty(), "a good service has no finding: {nothing:?}");
    target(&scene, &service, "DeleteScalingPolicy", &json!({ "PolicyName": "cpu" }))?;
    for _ in 0..3 {
        check(&scene).await?;
    }
    scene.until_told("has a scalable target and no policy").await?;
    let another = json!({ "PolicyName": "memory", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 80.0,
            "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageMemoryUtilization" } } });
    target(&scene, &service, "PutScalingPolicy", &another)?;
    for _ in 0..3 {
        check(&scene).await?;
    }
    scene.until_told("as it should be again").await?;
    let all = scene.told().await?;
    ensure!(told(&all).len() == 2, "its start and its end, once: {all:?}");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_opens_and_closes_nothing() -> Result {
    let scene = Scene::start(&[]).await?;
    let service = format!("{SERVICE}-blue");
    target(&scene, &service, "DeregisterScalableTarget", &json!({}))?;
    check(&scene).await?;
    check(&scene).await?;
    scene.until_told("scaling").await?;
    scene.cloud.add_fault(Fault {
        caller: "check-scaling".to_owned(),
        service: "autoscaling".to_owned(),
        operation: "DescribeScalableTargets".to_owned(),
        when: FaultWhen::ALWAYS,
        effect: FaultEffect::Deny,
    })?;
    for _ in 0..3 {
        check(&scene).await?;
    }
    let all = scene.told().await?;
    ensure!(told(&all).len() == 1, "nothing is over, since nothing is known: {all:?}");
    // Asked for twice, the digest is told once.
    for _ in 0..2 {
        scene.cloud.invoke("check-scaling", json!({ "flipback": "digest" })).await.context("digest")?;
    }
    let digests = || {
        let posts = scene.cloud.slack_posts();
        posts.iter().filter(|post| post.body.to_string().contains("scaling: 1 finding, of 1 services")).count()
    };
    scene.until("the digest is in Slack", |_| digests() > 0).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(digests() == 1, "told {} times", digests());
    scene.end().await
}

/// So many configured services, none of whose ECS services is there.
async fn many(scene: &Scene, count: usize) -> Result<Vec<ServiceName>> {
    let names: Vec<ServiceName> = (0..count).map(|n| ServiceName::from(format!("many-{n:03}"))).collect();
    for name in &names {
        let yaml = format!(
            "version: 1\nservices:\n  - name: {name}\n    cluster: tests\n    image: {{ repository: {name}, tags: {{ semver: '*' }} }}\n    \
             engine: {{ native: {{ service: {name} }} }}\n    strategy: asDeclared\n    withoutAlarms: accept\n"
        );
        for config in shared::config::parse(&yaml)? {
            scene.table.apply_config(&config, "test").await?;
        }
    }
    Ok(names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_is_not_done_yet_is_finished_before_the_next() -> Result {
    let scene = Scene::start(&[]).await?;
    let names = many(&scene, 350).await?;
    // Two parts are at work for some seconds, and others wait meanwhile.
    scene.cloud.add_fault(Fault {
        caller: "check-scaling".to_owned(),
        service: "ecs".to_owned(),
        operation: "DescribeServices".to_owned(),
        when: FaultWhen::first(2),
        effect: FaultEffect::AnswerLate(Duration::from_secs(6)),
    })?;
    for _ in 0..2 {
        check(&scene).await?;
    }
    let logged = |text: &str| scene.cloud.function_log().iter().filter(|line| line.line.contains(text)).count();
    ensure!(logged("no other is begun") > 0, "a second round is begun before the first is done");
    for _ in 0..300 {
        let mut seen = 0;
        for name in &names {
            seen += usize::from(!scene.table.scaling_memory(name).await?.0.open.is_empty());
        }
        if seen == names.len() {
            return scene.end().await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("the first round is never done")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_services_than_one_look_takes_are_checked_in_parts() -> Result {
    let scene = Scene::start(&[]).await?;
    let names = many(&scene, 120).await?;
    // None of their ECS services is there, and that is found in the second round.
    let looks = async |wanted: u32| -> Result {
        check(&scene).await?;
        for _ in 0..300 {
            let mut seen = 0;
            for name in &names {
                let (memory, _) = scene.table.scaling_memory(name).await?;
                seen += usize::from(memory.open.iter().any(|open| open.seen >= wanted));
            }
            if seen == names.len() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::bail!(
            "not every service was looked at: {:?}",
            scene.cloud.function_log().iter().rev().take(20).collect::<Vec<_>>()
        )
    };
    looks(1).await?;
    looks(2).await?;
    for name in &names {
        let told = scene.table.notices(name, 10).await?;
        ensure!(told.len() == 1, "told once of {name}: {told:?}");
    }
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_comes_again_is_the_same_look() -> Result {
    let scene = Scene::start(&[]).await?;
    target(&scene, &format!("{SERVICE}-blue"), "DeregisterScalableTarget", &json!({}))?;
    let part = async |at: u64| -> Result {
        let body = json!({ "at": at, "services": [SERVICE], "policies": {} }).to_string();
        let record = json!({ "messageId": "1", "eventSource": "aws:sqs", "body": body });
        scene.cloud.invoke("check-scaling", json!({ "Records": [record] })).await.context("check-scaling")?;
        Ok(())
    };
    let round = scene.cloud.now();
    for at in [round, round, round, round - 300_000] {
        part(at).await?;
    }
    ensure!(told(&scene.told().await?).is_empty(), "one look, however often: {:?}", scene.told().await?);
    part(round + 300_000).await?;
    scene.until_told("has no scalable target").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_fail_their_health_checks_are_found_by_their_metric() -> Result {
    let scene = Scene::start(&[]).await?;
    let groups = scene.call(Service::Elb, "DescribeTargetGroups", json!({}))?;
    let arns = groups["TargetGroups"].as_array().into_iter().flatten().map(|group| &group["TargetGroupArn"]);
    let blue = arns.into_iter().find(|arn| arn.as_str().is_some_and(|arn| arn.contains("blue")));
    let blue = blue.context("there is a blue group")?;
    // ECS does not take them away meanwhile.
    let service = format!("{SERVICE}-blue");
    let patience = json!({ "cluster": "tests", "service": service, "healthCheckGracePeriodSeconds": 3_600 });
    scene.call(Service::Ecs, "UpdateService", patience)?;
    let never = json!({ "TargetGroupArn": blue, "Matcher": { "HttpCode": "299" } });
    scene.call(Service::Elb, "ModifyTargetGroup", never)?;
    let unhealthy = async || -> anyhow::Result<bool> {
        check(&scene).await?;
        let (memory, _) = scene.table.scaling_memory(&SERVICE.into()).await?;
        Ok(memory.open.iter().any(|open| open.finding.kind() == FindingKind::UnhealthyTargets))
    };
    let until = tokio::time::Instant::now() + Duration::from_secs(180);
    while !unhealthy().await? {
        ensure!(tokio::time::Instant::now() < until, "unhealthy targets are never found");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    scene.end().await
}

/// What the scalable target of an ECS service is now, and its policies.
fn described(scene: &Scene, service: &str) -> Result<(Value, Vec<String>)> {
    let of = json!({ "ServiceNamespace": "ecs", "ResourceId": format!("service/tests/{service}"),
        "ResourceIds": [format!("service/tests/{service}")], "ScalableDimension": "ecs:service:DesiredCount" });
    let target = scene.call(Service::AutoScaling, "DescribeScalableTargets", of.clone())?["ScalableTargets"][0].clone();
    let policies = scene.call(Service::AutoScaling, "DescribeScalingPolicies", of)?["ScalingPolicies"].clone();
    let names = policies.as_array().into_iter().flatten().filter_map(|policy| policy["PolicyName"].as_str());
    Ok((target, names.map(str::to_owned).collect()))
}

async fn is_put_right(scene: &Scene, service: &str) -> Result {
    target(scene, service, "RegisterScalableTarget", &json!({ "MinCapacity": 2, "MaxCapacity": 3 }))?;
    target(scene, service, "DeleteScalingPolicy", &json!({ "PolicyName": "cpu" }))?;
    for _ in 0..3 {
        check(scene).await?;
    }
    scene.until_told("scaling was put right").await?;
    let (now, policies) = described(scene, service)?;
    ensure!((&now["MinCapacity"], &now["MaxCapacity"]) == (&json!(2), &json!(7)), "{now}");
    ensure!(policies == ["flipback-cpu"], "{policies:?}");
    for _ in 0..3 {
        check(scene).await?;
    }
    scene.until_told("scaling is as it should be again").await?;
    // Somebody sets it again: theirs, for an hour.
    target(scene, service, "RegisterScalableTarget", &json!({ "MinCapacity": 2, "MaxCapacity": 4 }))?;
    for _ in 0..4 {
        check(scene).await?;
    }
    let (now, _) = described(scene, service)?;
    ensure!(now["MaxCapacity"] == 4, "fought for: {now}");
    let right = scene.told().await?.iter().filter(|told| told.contains("scaling was put right")).count();
    ensure!(right == 1, "told {right} times");
    let callers: Vec<String> = scene.cloud.with_world(|world| {
        let wrote = world.journal().iter().filter(|entry| entry.operation == "PutScalingPolicy");
        wrote.map(|entry| entry.caller.clone()).filter(|caller| !caller.starts_with("test:")).collect()
    });
    ensure!(callers == ["function:advance"], "only the loop writes, and once: {callers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_team_asked_for_is_put_right_once_by_the_loop() -> Result {
    let scaling = ("scaling", "{ min: 2, max: 7, cpuTarget: 60, enforce: true }");
    let scene = Scene::start(&[scaling]).await?;
    is_put_right(&scene, &format!("{SERVICE}-blue")).await?;
    scene.end().await?;
    let declared = json!({ "strategy": "ROLLING", "minimumHealthyPercent": 100, "maximumPercent": 200 });
    let scene = Scene::native(declared, &[scaling]).await?;
    is_put_right(&scene, SERVICE).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_service_is_asked_what_was_done_with_it() -> Result {
    let scene = Scene::start(&[]).await?;
    let late = scene.cloud.add_fault(Fault {
        caller: "check-scaling".to_owned(),
        service: "autoscaling".to_owned(),
        operation: "DescribeScalingActivities".to_owned(),
        when: FaultWhen::ALWAYS,
        effect: FaultEffect::AnswerLate(Duration::from_millis(1)),
    })?;
    let asked = || scene.cloud.faults().iter().filter(|fault| fault.id == late).map(|fault| fault.calls).sum::<u64>();
    check(&scene).await?;
    ensure!(asked() == 0, "asked of a service that has room");
    target(
        &scene,
        &format!("{SERVICE}-blue"),
        "RegisterScalableTarget",
        &json!({ "MinCapacity": 1, "MaxCapacity": 2 }),
    )?;
    check(&scene).await?;
    ensure!(asked() == 1, "asked {} times of a full one", asked());
    let (memory, _) = scene.table.scaling_memory(&SERVICE.into()).await?;
    let kinds: Vec<FindingKind> = memory.open.iter().map(|open| open.finding.kind()).collect();
    ensure!(kinds == [FindingKind::AtMax], "{kinds:?}");
    scene.end().await
}

/// Looks until these kinds are open, and no others; their sentences.
async fn until_open(scene: &Scene, kinds: &[FindingKind]) -> Result<String> {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        check(scene).await?;
        let (memory, _) = scene.table.scaling_memory(&SERVICE.into()).await?;
        let open: Vec<FindingKind> = memory.open.iter().map(|open| open.finding.kind()).collect();
        if open == kinds {
            let sentences = memory.open.iter().map(|open| open.finding.to_string());
            return Ok(sentences.collect::<Vec<_>>().join("; "));
        }
        ensure!(tokio::time::Instant::now() < until, "{open:?} are open instead of {kinds:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_maximum_needs_is_compared_with_what_is_left() -> Result {
    let scene = Scene::start(&[]).await?;
    let service = format!("{SERVICE}-blue");
    let late = json!({ "HealthCheckIntervalSeconds": 60, "HealthyThresholdCount": 10 });
    let groups = scene.call(Service::Elb, "DescribeTargetGroups", json!({}))?;
    let blue =
        groups["TargetGroups"].as_array().into_iter().flatten().find(|group| group["TargetGroupName"] == "tests-blue");
    let blue = blue.or_else(|| groups["TargetGroups"].get(0)).context("a target group")?["TargetGroupArn"].clone();
    let checks = |doc: &Value| -> Result {
        let mut input = doc.clone();
        input["TargetGroupArn"] = blue.clone();
        scene.call(Service::Elb, "ModifyTargetGroup", input).map(drop)
    };
    until_open(&scene, &[]).await?;
    // Where even the largest tasks fit, their size is not asked for.
    let sizes = scene.cloud.add_fault(Fault {
        caller: "check-scaling".to_owned(),
        service: "ecs".to_owned(),
        operation: "DescribeTaskDefinition".to_owned(),
        when: FaultWhen::ALWAYS,
        effect: FaultEffect::AnswerLate(Duration::from_millis(1)),
    })?;
    let asked = || scene.cloud.faults().iter().filter(|fault| fault.id == sizes).map(|fault| fault.calls).sum::<u64>();
    checks(&late)?;
    until_open(&scene, &[FindingKind::LateHealthy]).await?;
    ensure!(asked() == 0, "asked {} times", asked());
    checks(&json!({ "HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2 }))?;
    until_open(&scene, &[]).await?;
    for subnet in ["subnet-a", "subnet-b"] {
        scene.cloud.with_world(|world| world.take_addresses(subnet, 4_091));
    }
    let few = until_open(&scene, &[FindingKind::FewAddresses]).await?;
    ensure!(few.contains("its subnets (subnet-a, subnet-b) have 0 addresses left"), "{few}");
    for subnet in ["subnet-a", "subnet-b"] {
        scene.cloud.with_world(|world| world.take_addresses(subnet, 0));
    }
    until_open(&scene, &[]).await?;
    // Six more of a quarter of a vCPU.
    target(&scene, &service, "RegisterScalableTarget", &json!({ "MaxCapacity": 8 }))?;
    scene.cloud.with_world(|world| world.set_vcpu_quota(1));
    let quota = until_open(&scene, &[FindingKind::VcpuQuota]).await?;
    ensure!(quota.contains("of the account's 1 Fargate vCPUs"), "{quota}");
    ensure!(asked() == 1, "a revision's size is asked for once: {}", asked());
    scene.cloud.with_world(|world| world.set_vcpu_quota(1_000));
    until_open(&scene, &[]).await?;
    // The fourth subnet is in the zone of the first.
    for subnet in ["subnet-c", "subnet-d"] {
        scene.cloud.with_world(|world| world.take_addresses(subnet, 0));
    }
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-a", "subnet-d"] } });
    let moved = json!({ "cluster": "tests", "service": service, "networkConfiguration": network });
    scene.call(Service::Ecs, "UpdateService", moved)?;
    until_open(&scene, &[FindingKind::OneZone]).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subnets_that_may_not_be_described_are_told_and_nothing_is_said_of_them() -> Result {
    let scene = Scene::start(&[]).await?;
    until_open(&scene, &[]).await?;
    scene.cloud.add_fault(Fault {
        caller: "check-scaling".to_owned(),
        service: "ec2".to_owned(),
        operation: "DescribeSubnets".to_owned(),
        when: FaultWhen::ALWAYS,
        effect: FaultEffect::Deny,
    })?;
    let sentence = until_open(&scene, &[FindingKind::Unreadable]).await?;
    ensure!(sentence.contains("ec2:DescribeSubnets") && sentence.contains("UnauthorizedOperation"), "{sentence}");
    ensure!(sentence.contains("add the permission to the role"), "{sentence}");
    scene.cloud.clear_faults();
    until_open(&scene, &[]).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_task_ended_is_told_with_what_is_missing() -> Result {
    let scene = Scene::start(&[]).await?;
    until_open(&scene, &[]).await?;
    let service = format!("{SERVICE}-blue");
    scene.cloud.with_world(|world| {
        let now = scene.cloud.now();
        world.limit_tasks("tests", Some(1), now);
        let task = world.running_tasks().into_iter().find(|task| task.service == service).context("a task runs")?;
        world.task_died(&task.task_id, 137, "OutOfMemoryError: Container killed due to memory usage", now);
        anyhow::Ok(())
    })?;
    let sentence = until_open(&scene, &[FindingKind::RunningBelowDesired]).await?;
    let why = "Essential container in task exited (app: OutOfMemoryError: Container killed due to memory usage, exit code 137)";
    ensure!(sentence.contains(why), "{sentence}");
    scene.end().await
}
