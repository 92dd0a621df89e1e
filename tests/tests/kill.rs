//! That the kill matrix can fail: what it looks for in the end is found. The matrix itself is `make kill-matrix`.

use model::Service;
use serde_json::json;
use tests::kill::{Story, play_and};
use tests::{Scene, functions};

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
