//! The native engine through the real binaries: ECS's own strategies as the local cloud plays them, driven and guarded.
//! Every strategy goes through every outcome; the table is in docs/semantics.md.

use anyhow::{Context as _, ensure};
use local::{Fault, FaultEffect, FaultWhen};
use model::Service;
use serde_json::{Value, json};
use shared::ports::Record;
use shared::rollout::{Cause, IntentKind, Outcome, Rollout};
use tests::traffic::Traffic;
use tests::{SERVICE, Scene};

type Result<T = ()> = anyhow::Result<T>;

/// ECS's strategies. A minute of ECS's is two seconds here; an alarm needs up to 20.
const STRATEGIES: [&str; 4] = ["ROLLING", "BLUE_GREEN", "CANARY", "LINEAR"];

fn configuration(strategy: &str) -> Value {
    let mut all =
        json!({ "strategy": strategy, "bakeTimeInMinutes": 12, "minimumHealthyPercent": 100, "maximumPercent": 200 });
    match strategy {
        "ROLLING" => all["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": true }),
        "CANARY" => all["canaryConfiguration"] = json!({ "canaryPercent": 20.0, "canaryBakeTimeInMinutes": 10 }),
        "LINEAR" => all["linearConfiguration"] = json!({ "stepPercent": 50.0, "stepBakeTimeInMinutes": 10 }),
        _ => {}
    }
    all
}

fn quick(strategy: &str) -> Value {
    let mut all = configuration(strategy);
    all["bakeTimeInMinutes"] = json!(1);
    for (part, member) in
        [("canaryConfiguration", "canaryBakeTimeInMinutes"), ("linearConfiguration", "stepBakeTimeInMinutes")]
    {
        if all[part].is_object() {
            all[part][member] = json!(1);
        }
    }
    all
}

async fn outcome(scene: &Scene) -> Result<Outcome> {
    let last = scene.record().await?.status.last;
    Ok(last.context("no rollout has ended")?.outcome)
}

/// What the functions changed, by operation.
fn changed(scene: &Scene, operation: &str) -> usize {
    scene.cloud.with_world(|world| {
        let of = |entry: &&model::JournalEntry| entry.caller.starts_with("function:") && entry.operation == operation;
        world.journal().iter().filter(of).count()
    })
}

/// Ends a scene. The rule belongs to ECS: no function ever writes it.
async fn end(scene: Scene) -> Result {
    for operation in ["ModifyRule", "ModifyListener", "SetRulePriorities"] {
        ensure!(changed(&scene, operation) == 0, "{operation} by a function");
    }
    scene.end().await
}

async fn rollout(scene: &Scene) -> Result<Rollout> {
    scene.record().await?.status.rollout.context("no rollout runs")
}

/// The image tag that the live service runs.
fn live(scene: &Scene) -> Result<String> {
    let services =
        scene.call(Service::Ecs, "DescribeServices", json!({ "cluster": "tests", "services": [SERVICE] }))?;
    let input = json!({ "taskDefinition": services["services"][0]["taskDefinition"] });
    let definition = scene.call(Service::Ecs, "DescribeTaskDefinition", input)?;
    let image = &definition["taskDefinition"]["containerDefinitions"][0]["image"];
    Ok(image.as_str().unwrap_or_default().to_owned())
}

/// Plays a story under every strategy, all at once.
async fn under_every_strategy<F: Future<Output = Result>>(story: impl Fn(&'static str) -> F) -> Result {
    let stories = STRATEGIES.map(|strategy| {
        // On the heap: four stories at once are more than a test's stack takes.
        let story = Box::pin(story(strategy));
        async move { story.await.with_context(|| strategy.to_owned()) }
    });
    let [a, b, c, d] = stories;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    a.and(b).and(c).and(d)
}

/// Until the new revision has production traffic: with ROLLING as soon as it runs.
async fn until_traffic(scene: &Scene) -> Result {
    scene
        .until("production traffic", |record| {
            let rollout = record.and_then(|record| record.status.rollout.as_ref());
            rollout.is_some_and(|rollout| rollout.first_shift.is_some())
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_push_completes() -> Result {
    under_every_strategy(|strategy| async move {
        let scene = Scene::native(quick(strategy), &[]).await?;
        let traffic = Traffic::start(scene.colours.address);
        scene.push("2.0.0", "")?;
        scene.until_settled(1).await?;
        assert_eq!((strategy, outcome(&scene).await?), (strategy, Outcome::Completed));
        let counted = traffic.end();
        assert!(counted.failed.is_empty() && counted.failed_by.is_empty() && counted.good > 0, "{counted:?}");
        let wanted = if strategy == "ROLLING" { (100, 0) } else { (0, 100) };
        assert_eq!((scene.revisions(), scene.weights()), (2, wanted), "{strategy}");
        assert_eq!((changed(&scene, "UpdateService"), changed(&scene, "StopServiceDeployment")), (1, 0));
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_never_comes_up_gets_no_traffic_and_is_taken_back() -> Result {
    under_every_strategy(|strategy| async move {
        let scene = Scene::native(quick(strategy), &[("startDeadline", "40s")]).await?;
        scene.push("2.0.0", "crash")?;
        scene.until_settled(1).await?;
        // ROLLING: ECS's own circuit breaker is first, and blames the image as the deadline does.
        let (Outcome::Cancelled(cause) | Outcome::RolledBack(cause)) = outcome(&scene).await? else {
            panic!("{strategy}: {:?}", outcome(&scene).await?)
        };
        assert!(matches!(cause, Cause::NotHealthyInTime(_) | Cause::Unhealthy(_)), "{strategy}: {cause:?}");
        assert_eq!((scene.weights(), scene.record().await?.status.quarantine.len()), ((100, 0), 1), "{strategy}");
        assert!(live(&scene)?.contains("1.0.0"), "{strategy}: {}", live(&scene)?);
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_takes_it_back_at_our_word() -> Result {
    under_every_strategy(|strategy| async move {
        let scene = Scene::native(configuration(strategy), &[]).await?;
        let traffic = Traffic::start(scene.colours.address);
        scene.push("2.0.0", "5xx=60")?;
        scene.until_settled(1).await?;
        let outcome = outcome(&scene).await?;
        assert!(matches!(outcome, Outcome::RolledBack(Cause::Alarm { .. })), "{strategy}: {outcome:?}");
        assert_eq!(changed(&scene, "StopServiceDeployment"), 1, "{strategy}");
        assert_eq!(scene.deployment()["status"], "ROLLBACK_SUCCESSFUL", "{strategy}");
        assert_eq!((scene.weights(), scene.record().await?.status.quarantine.len()), ((100, 0), 1), "{strategy}");
        assert!(live(&scene)?.contains("1.0.0"), "{strategy}");
        scene.until_told("ECS said that it was back").await?;
        drop(traffic);
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_takes_it_back_in_the_middle() -> Result {
    under_every_strategy(|strategy| async move {
        let scene = Scene::native(configuration(strategy), &[]).await?;
        scene.push("2.0.0", "")?;
        until_traffic(&scene).await?;
        let id = rollout(&scene).await?.id;
        scene.wish(IntentKind::Abort { rollout: id }).await?;
        scene.until_settled(1).await?;
        let outcome = outcome(&scene).await?;
        assert!(matches!(outcome, Outcome::RolledBack(Cause::Person(_))), "{strategy}: {outcome:?}");
        assert_eq!((scene.deployment()["status"].clone(), scene.weights()), (json!("ROLLBACK_SUCCESSFUL"), (100, 0)));
        assert_eq!(scene.record().await?.status.quarantine.len(), 1, "{strategy}: it does not start by itself again");
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_are_not_healthy_by_the_deadline_are_taken_back() -> Result {
    under_every_strategy(|strategy| async move {
        let mut configuration = quick(strategy);
        configuration["deploymentCircuitBreaker"] = json!({ "enable": false, "rollback": false });
        let scene = Scene::native(configuration, &[("startDeadline", "15s")]).await?;
        scene.push("2.0.0", "unhealthy")?;
        scene.until_settled(1).await?;
        let (Outcome::Cancelled(cause) | Outcome::RolledBack(cause)) = outcome(&scene).await? else {
            panic!("{strategy}: {:?}", outcome(&scene).await?)
        };
        assert!(matches!(cause, Cause::NotHealthyInTime(_)), "{strategy}: {cause:?}");
        assert_eq!((scene.weights(), scene.record().await?.status.quarantine.len()), ((100, 0), 1), "{strategy}");
        assert_eq!(changed(&scene, "StopServiceDeployment"), 1, "{strategy}");
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_deployment_supersedes_ours_and_is_told_to_its_end() -> Result {
    under_every_strategy(|strategy| async move {
        let scene = Scene::native(quick(strategy), &[]).await?;
        scene.push("2.0.0", "start=8s")?;
        let ours = |record: Option<&Record>| {
            record
                .and_then(|record| record.status.rollout.as_ref())
                .is_some_and(|rollout| rollout.native.deployment.is_some())
        };
        scene.until("ECS deploys it", ours).await?;
        let input =
            json!({ "cluster": "tests", "service": SERVICE, "taskDefinition": "shop:1", "forceNewDeployment": true });
        scene.call(Service::Ecs, "UpdateService", input)?;
        scene.until_settled(1).await?;
        let outcome = outcome(&scene).await?;
        assert!(matches!(outcome, Outcome::Superseded(_)), "{strategy}: {outcome:?}");
        scene.until_told("somebody else's deployment of shop:1 has ended").await?;
        assert_eq!(scene.deployment()["status"], "SUCCESSFUL", "{strategy}");
        assert_eq!(changed(&scene, "StopServiceDeployment"), 0, "{strategy}");
        end(scene).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_flipback_sent_waits_for_a_person_and_is_promoted_or_taken_back() -> Result {
    let lines = [("strategy", "{ blueGreen: { bake: 1m } }"), ("hooks", "{ pause: [ PRE_PRODUCTION_TRAFFIC_SHIFT ] }")];
    let scene = Scene::native(rolling(), &lines).await?;
    let second = scene.push("2.0.0", "")?;
    scene.until_told("waits for you").await?;
    assert_eq!(scene.weights(), (100, 0));
    // Somebody else writes ECS's rule while it waits: told, and left alone.
    scene.somebody_weighs(40, 60)?;
    scene.until_told("rule is not as ECS says").await?;
    scene.somebody_weighs(100, 0)?;
    let running = rollout(&scene).await?;
    scene.wish(IntentKind::Promote { rollout: running.id, step: running.native.gates }).await?;
    scene.until_settled(1).await?;
    assert_eq!((outcome(&scene).await?, scene.weights()), (Outcome::Completed, (0, 100)));
    assert_eq!(changed(&scene, "ContinueServiceDeployment"), 1);
    scene.push("3.0.0", "")?;
    scene
        .until("the second pause", |record| {
            record.and_then(|record| record.status.rollout.as_ref()).is_some_and(|rollout| rollout.native.paused)
        })
        .await?;
    let id = rollout(&scene).await?.id;
    scene.wish(IntentKind::Abort { rollout: id }).await?;
    scene.until_settled(2).await?;
    assert!(matches!(outcome(&scene).await?, Outcome::Cancelled(Cause::Person(_))), "{:?}", outcome(&scene).await?);
    assert_eq!((scene.weights(), live(&scene)?.contains(&second)), ((0, 100), true));
    end(scene).await
}

/// The first so many of a function's calls meet this.
fn fault(scene: &Scene, operation: &str, effect: FaultEffect, times: u64) -> Result {
    scene.cloud.add_fault(Fault {
        caller: "advance".to_owned(),
        service: "ecs".to_owned(),
        operation: operation.to_owned(),
        when: FaultWhen::first(times),
        effect,
    })?;
    Ok(())
}

/// A rolling service as ECS makes it.
fn rolling() -> Value {
    json!({ "strategy": "ROLLING", "minimumHealthyPercent": 100, "maximumPercent": 200 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_end_a_rollback_is_a_redeploy_and_a_redeploy_of_the_live_revision_completes() -> Result {
    let scene = Scene::native(quick("BLUE_GREEN"), &[]).await?;
    scene.push("2.0.0", "")?;
    scene.until_settled(1).await?;
    scene.wish(IntentKind::Rollback { rollout: None, to: None }).await?;
    scene.until_settled(2).await?;
    assert_eq!((outcome(&scene).await?, live(&scene)?.contains("1.0.0")), (Outcome::Completed, true));
    scene.until_told("rollback by redeploy").await?;
    scene.wish(IntentKind::Redeploy).await?;
    scene.until_settled(3).await?;
    assert_eq!((outcome(&scene).await?, live(&scene)?.contains("1.0.0")), (Outcome::Completed, true));
    assert_eq!((changed(&scene, "UpdateService"), scene.revisions()), (3, 2));
    end(scene).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_reads_cost_time_and_a_denied_stop_calls_a_person() -> Result {
    let scene = Scene::native(configuration("BLUE_GREEN"), &[]).await?;
    for operation in ["DescribeServiceDeployments", "UpdateService", "ListServiceDeployments"] {
        fault(&scene, operation, FaultEffect::Throttle, 6)?;
    }
    scene.push("2.0.0", "")?;
    until_traffic(&scene).await?;
    assert_eq!(changed(&scene, "UpdateService"), 1);
    fault(&scene, "StopServiceDeployment", FaultEffect::Deny, 3)?;
    let id = rollout(&scene).await?.id;
    scene.wish(IntentKind::Abort { rollout: id }).await?;
    scene.until_told("AccessDenied").await?;
    scene.until_settled(1).await?;
    assert!(matches!(outcome(&scene).await?, Outcome::RolledBack(Cause::Person(_))));
    assert_eq!(scene.weights(), (100, 0));
    end(scene).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_a_load_balancer_rolls_and_its_circuit_breaker_blames_the_image() -> Result {
    let scene = Scene::native(quick("ROLLING"), &[("alarms", "[]"), ("withoutAlarms", "accept")]).await?;
    scene.call(
        Service::Ecs,
        "UpdateService",
        json!({ "cluster": "tests", "service": SERVICE, "loadBalancers": [] }),
    )?;
    scene.until("it runs without one", |_| scene.deployment()["status"] == "SUCCESSFUL").await?;
    let second = scene.push("2.0.0", "")?;
    scene.until_settled(1).await?;
    assert_eq!((outcome(&scene).await?, live(&scene)?.contains(&second)), (Outcome::Completed, true));
    scene.push("3.0.0", "crash")?;
    scene.until_settled(2).await?;
    let (Outcome::Cancelled(cause) | Outcome::RolledBack(cause)) = outcome(&scene).await? else {
        panic!("{:?}", outcome(&scene).await?)
    };
    assert!(matches!(cause, Cause::Unhealthy(_) | Cause::NotHealthyInTime(_)), "{cause:?}");
    assert!(live(&scene)?.contains(&second));
    end(scene).await
}
