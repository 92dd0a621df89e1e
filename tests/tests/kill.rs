//! That the kill matrix can fail: what it looks for in the end is found. The matrix itself is `make kill-matrix`.

use anyhow::Context as _;
use model::Service;
use serde_json::json;
use shared::rollout::IntentKind;
use tests::kill::{Story, play_and};
use tests::{SERVICE, Scene, functions};

/// Everything that must not be, after a story that went well.
fn meddle(scene: &Scene) -> anyhow::Result<()> {
    let rule = &scene.colours.rule;
    let conditions = json!([{ "Field": "path-pattern", "Values": ["/other/*"] }]);
    scene.call(Service::Elb, "ModifyRule", json!({ "RuleArn": rule, "Conditions": conditions }))?;
    scene.somebody_weighs(50, 50)?;
    let container = json!({ "name": "app", "image": "other", "essential": true });
    let definition = json!({ "family": "shop", "containerDefinitions": [container] });
    scene.call(Service::Ecs, "RegisterTaskDefinition", definition)?;
    let fewer = json!({ "cluster": "tests", "service": "shop-green", "desiredCount": 1 });
    scene.call(Service::Ecs, "UpdateService", fewer)?;
    let bounds = json!({ "ServiceNamespace": "ecs", "ResourceId": "service/tests/shop-green",
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 9 });
    scene.call(Service::AutoScaling, "RegisterScalableTarget", bounds)?;
    say_and_lose(scene)
}

/// A message that is no notice, and one that nobody took.
fn say_and_lose(scene: &Scene) -> anyhow::Result<()> {
    let topic = scene.cloud.outputs()["TopicArn"].clone();
    let message = json!({ "default": "x", "sqs": "x" }).to_string();
    let publication = json!({ "TopicArn": topic, "Message": message, "MessageStructure": "json" });
    scene.call(Service::Sns, "Publish", publication)?;
    let url = format!("{}/123456789012/flipback-events-dlq", scene.cloud.endpoint());
    scene.call(Service::Sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "lost" }))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_right_in_the_end_is_named() -> anyhow::Result<()> {
    let played = play_and(Story::Good, None, &functions()?, meddle).await;
    let said = played.wrong.join("\n");
    for wrong in [
        "2 revisions were registered",
        "the weights are (50, 50)",
        "the rules differ: Rules/0/Conditions",
        "the scalable targets differ: 1/0/: before 2, after 1",
        "\"shop-green\" wants, runs and starts",
        "changes that are not theirs to make: [\"ModifyRule by test:somebody\"",
        "0 posts and 1 messages are no notice",
        "1 messages in flipback-events-dlq",
    ] {
        assert!(said.contains(wrong), "{wrong:?} is not in\n{said}");
    }
    assert_eq!(played.wrong.len(), 8, "{said}");
    Ok(())
}

/// Everything that must not be, after a native story that went well; as if the functions had done it, where only they may.
fn meddle_with_native(scene: &Scene) -> anyhow::Result<()> {
    let rule = &scene.colours.rule;
    let conditions = json!([{ "Field": "path-pattern", "Values": ["/other/*"] }]);
    scene.cloud.call(
        Service::Elb,
        "ModifyRule",
        json!({ "RuleArn": rule, "Conditions": conditions }),
        "function:advance",
    )?;
    scene.somebody_weighs(50, 50)?;
    let container = json!({ "name": "app", "image": "other", "essential": true });
    let definition = json!({ "family": "shop", "containerDefinitions": [container] });
    scene.call(Service::Ecs, "RegisterTaskDefinition", definition)?;
    let bounds = json!({ "ServiceNamespace": "ecs", "ResourceId": "service/tests/shop",
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 9 });
    scene.cloud.call(Service::AutoScaling, "RegisterScalableTarget", bounds, "function:advance")?;
    // Whole minutes that nobody asked for, and a task less; both start nothing.
    let declared = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 7 });
    let fewer =
        json!({ "cluster": "tests", "service": SERVICE, "desiredCount": 1, "deploymentConfiguration": declared });
    scene.cloud.call(Service::Ecs, "UpdateService", fewer, "function:on-alarm")?;
    say_and_lose(scene)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_right_in_the_end_of_a_native_story_is_named() -> anyhow::Result<()> {
    let played = play_and(Story::NativeGood, None, &functions()?, meddle_with_native).await;
    let said = played.wrong.join("\n");
    for wrong in [
        "2 revisions were registered",
        "the weights are (50, 50)",
        "the rules differ: Rules/0/Conditions",
        "the services differ: 0/deploymentConfiguration/bakeTimeInMinutes",
        "the scalable targets differ: 0/0/: before 2, after 1",
        "\"shop\" wants, runs and starts",
        "UpdateService was sent 2 times",
        "UpdateService was sent with [\"desiredCount\"]",
        "changes that are not theirs to make: [\"ModifyRule by function:advance\", \"ModifyRule by test:somebody\", \
         \"RegisterTaskDefinition by test:somebody\", \"RegisterScalableTarget by function:advance\", \
         \"UpdateService by function:on-alarm\"]",
        "0 posts and 1 messages are no notice",
        "1 messages in flipback-events-dlq",
    ] {
        assert!(said.contains(wrong), "{wrong:?} is not in\n{said}");
    }
    assert_eq!(played.wrong.len(), 11, "{said}");
    Ok(())
}

/// The worst of all: what ECS took back by itself is started again, by the very function that may start it; and its image may
/// start by itself from now on.
fn start_again(scene: &Scene) -> anyhow::Result<()> {
    // First: else advance stops what is in quarantine.
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(release(scene)))?;
    let again = json!({ "cluster": "tests", "service": SERVICE, "taskDefinition": "shop:2" });
    scene.cloud.call(Service::Ecs, "UpdateService", again, "function:advance")?;
    Ok(())
}

async fn release(scene: &Scene) -> anyhow::Result<()> {
    let quarantine = scene.record().await?.status.quarantine;
    let digest = quarantine.first().and_then(|held| held.digests.first()).context("nothing is in quarantine")?;
    scene.wish(IntentKind::Release { digest: digest.clone() }).await?;
    scene.wake().await?;
    scene.until("released", |record| record.is_some_and(|record| record.inbox.is_empty())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_of_what_ecs_took_back_is_named() -> anyhow::Result<()> {
    let played = play_and(Story::NativeCrash, None, &functions()?, start_again).await;
    let said = played.wrong.join("\n");
    for wrong in [
        "ECS has deployed [\"shop:2\", \"shop:2\"]",
        "ECS's word on it is [\"IN_PROGRESS\", \"ROLLBACK_SUCCESSFUL\"]",
        "it went back for nothing",
        "shop:2 is live and",
        "UpdateService was sent 2 times",
        "the quarantine is []",
    ] {
        assert!(said.contains(wrong), "{wrong:?} is not in\n{said}");
    }
    Ok(())
}
