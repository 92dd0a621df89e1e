//! The lifecycle hook through the real binaries: the local cloud calls it at ECS's stages, as ECS does.

use anyhow::Context as _;
use serde_json::{Value, json};
use shared::rollout::{IntentKind, Outcome};
use tests::Scene;
use tests::traffic::Traffic;

type Result<T = ()> = anyhow::Result<T>;

/// The function as template.yaml names it, in the local cloud.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:flipback-LifecycleHook";

/// The check asks the new tasks for `/`, which a bad image answers with errors while its health checks pass.
const CHECKS: (&str, &str) = ("checks", "{ http: { listener: test, path: /, times: 3, within: 4s } }");

fn configuration(stages: &[&str], details: &Value) -> Value {
    json!({
        "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "minimumHealthyPercent": 100, "maximumPercent": 200,
        "lifecycleHooks": [{
            "targetType": "AWS_LAMBDA", "hookTargetArn": FUNCTION, "roleArn": "arn:aws:iam::123456789012:role/hook",
            "lifecycleStages": stages, "hookDetails": details,
        }],
    })
}

/// What the hook logged, with these words.
fn answered(scene: &Scene, words: &[&str]) -> usize {
    let lines = scene.cloud.function_log();
    lines.iter().filter(|one| one.function == "lifecycle-hook" && words.iter().all(|w| one.line.contains(w))).count()
}

async fn outcome(scene: &Scene) -> Result<Outcome> {
    let last = scene.record().await?.status.last;
    Ok(last.context("no rollout has ended")?.outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_answers_the_check_passes_every_stage() -> Result {
    let stages =
        ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_SCALE_UP"];
    let scene = Scene::native(configuration(&stages, &json!({})), &[CHECKS]).await?;
    scene.push("2.0.0", "")?;
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    assert_eq!(scene.weights(), (0, 100));
    for stage in stages {
        assert!(answered(&scene, &[stage, "SUCCEEDED", "everything that is checked here is well"]) >= 1, "{stage}");
    }
    assert_eq!(answered(&scene, &["FAILED"]), 0);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_fails_the_check_is_taken_back_before_it_has_production_traffic() -> Result {
    let scene = Scene::native(configuration(&["POST_TEST_TRAFFIC_SHIFT"], &json!({})), &[CHECKS]).await?;
    let traffic = Traffic::start(scene.colours.address);
    scene.push("2.0.0", "5xx=100")?;
    scene.until_settled(1).await?;
    let Outcome::Cancelled(cause) = outcome(&scene).await? else { panic!("{:?}", outcome(&scene).await?) };
    assert!(format!("{cause:?}").contains("POST_TEST_TRAFFIC_SHIFT"), "{cause:?}");
    let counted = traffic.end();
    assert!(counted.failed.is_empty() && counted.good > 0, "{counted:?}");
    assert_eq!(scene.deployment()["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(scene.weights(), (100, 0));
    assert!(answered(&scene, &["IN_PROGRESS", "answered 500 instead of 200"]) >= 1);
    assert_eq!(answered(&scene, &["\"FAILED\"", "4s have passed"]), 1);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_waits_for_a_persons_promote() -> Result {
    let gate = json!({ "flipback": { "gate": "promote" }, "team": "kept" });
    // The first deployment of the service is of no rollout, and passes.
    let scene = Scene::native(configuration(&["PRE_PRODUCTION_TRAFFIC_SHIFT"], &gate), &[]).await?;
    scene.push("2.0.0", "")?;
    scene.until_told("waits for you").await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(scene.weights(), (100, 0));
    assert!(answered(&scene, &["IN_PROGRESS", "the gate waits for flipback promote shop"]) >= 1);
    let rollout = scene.record().await?.status.rollout.context("it runs")?;
    assert!(rollout.native.gated);
    scene.wish(IntentKind::Promote { rollout: rollout.id, step: rollout.native.gates }).await?;
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    assert_eq!(scene.weights(), (0, 100));
    scene.end().await
}
