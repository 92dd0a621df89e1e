//! The scaling check through the real binary: what is wrong is told once, its end too, and one service that cannot be read keeps
//! nobody from the others.

use anyhow::{Context as _, ensure};
use local::{Fault, FaultEffect, FaultWhen};
use model::Service;
use serde_json::{Value, json};
use shared::time::Time;
use tests::{SERVICE, Scene};

type Result<T = ()> = anyhow::Result<T>;

async fn check(scene: &Scene) -> Result {
    let event = json!({ "version": "0", "id": "11111111-1111-4111-8111-111111111111", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": Time(scene.cloud.now()).to_string(),
        "region": "us-east-1", "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/round"],
        "detail": "{}" });
    scene.cloud.invoke("check-scaling", event).await.context("check-scaling")?;
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
    scene.end().await
}
