//! Bad input and bad weather, through the real binaries over the real wire.

use local::{Fault, FaultEffect, FaultWhen};
use model::Service;
use serde_json::json;
use shared::notice::Milestone;
use shared::rollout::{IntentKind, Outcome, Phase};
use tests::{SERVICE, Scene};

type Result = anyhow::Result<()>;

async fn outcome(scene: &Scene) -> anyhow::Result<Outcome> {
    let last = scene.record().await?.status.last;
    last.map(|last| last.outcome).ok_or_else(|| anyhow::anyhow!("no rollout has ended"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicated_late_and_malformed_events_make_exactly_one_revision() -> Result {
    let scene = Scene::start(&[]).await?;
    scene.push("2.0.0", "")?;
    let pushes: Vec<_> = scene.cloud.events().into_iter().filter(|event| event["source"] == "aws.ecr").collect();
    let (older, newer) = (&pushes[0], &pushes[1]);
    for _ in 0..3 {
        scene.cloud.put_event(newer.clone());
    }
    // On a busy machine the older one could be handled first: then it is no late push, and is deployed before the newer.
    scene.until("2.0.0 is taken", |record| record.is_some_and(|r| r.status.seen.contains_key(SERVICE))).await?;
    scene.cloud.put_event(older.clone());
    let mut broken = newer.clone();
    broken["detail"]["image-digest"] = json!("sha256:short");
    scene.cloud.put_event(broken);
    scene.until_settled(1).await?;
    scene.cloud.put_event(newer.clone());
    scene.cloud.put_event(older.clone());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    assert_eq!(scene.revisions(), 2);
    assert_eq!(scene.record().await?.status.rollouts, 1);
    assert_eq!(scene.weights(), (0, 100));
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_does_not_exist_is_refused_and_nothing_is_started() -> Result {
    let scene = Scene::start(&[]).await?;
    let mut event = scene.cloud.events().into_iter().find(|event| event["source"] == "aws.ecr").expect("a push");
    event["detail"]["image-digest"] = json!(format!("sha256:{}", "ab".repeat(32)));
    event["detail"]["image-tag"] = json!("9.0.0");
    event["time"] = json!("2099-01-01T00:00:00Z");
    scene.cloud.put_event(event);
    scene.until_settled(1).await?;
    let Outcome::Refused(why) = outcome(&scene).await? else { panic!("{:?}", outcome(&scene).await?) };
    assert!(why.contains("9.0.0") || why.contains("abab"), "{why}");
    assert_eq!((scene.revisions(), scene.weights()), (1, (100, 0)));
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_alarm_or_service_that_is_not_there_is_refused_by_name() -> Result {
    let cases = [
        ("image", "{ repository: shop, container: web, tags: { semver: \">=1.0.0\" } }", "no container named web"),
        ("alarms", "[ shop-green-5xx, nobody ]", "CloudWatch knows no alarm named nobody"),
        ("cluster", "elsewhere", "in cluster elsewhere"),
    ];
    for (key, value, told) in cases {
        let scene = Scene::start(&[(key, value)]).await?;
        scene.push("2.0.0", "")?;
        scene.until_told(told).await?;
        scene.until_settled(1).await?;
        assert!(matches!(outcome(&scene).await?, Outcome::Refused(_)), "{key}");
        assert_eq!((scene.revisions(), scene.weights()), (1, (100, 0)), "{key}");
        scene.end().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_held_while_an_alarm_fires_and_starts_when_it_is_ok() -> Result {
    let scene = Scene::start(&[("alarms", "{ green: [ shop-green-5xx ], both: [ backlog ] }")]).await?;
    let measure = |value: f64| {
        let data = json!([{ "MetricName": "Backlog", "Value": value }]);
        scene.call(Service::CloudWatch, "PutMetricData", json!({ "Namespace": "Shop", "MetricData": data }))
    };
    let alarm = json!({
        "AlarmName": "backlog", "Namespace": "Shop", "MetricName": "Backlog", "Statistic": "Maximum", "Period": 10,
        "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    });
    scene.call(Service::CloudWatch, "PutMetricAlarm", alarm)?;
    scene
        .until("the alarm fires", |_| {
            // Until a whole period has it.
            let _next_time = measure(50.0);
            let input = json!({ "AlarmNames": ["backlog"] });
            let read = scene.cloud.call(Service::CloudWatch, "DescribeAlarms", input, "test:look").unwrap_or_default();
            read["MetricAlarms"][0]["StateValue"] == "ALARM"
        })
        .await?;
    scene.push("2.0.0", "")?;
    scene.until_told("is held").await?;
    assert_eq!(scene.revisions(), 1);
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_changed_by_somebody_in_the_bake_are_told_not_fought_and_an_abort_brings_them_back() -> Result {
    let scene = Scene::start(&[("strategy", "{ canary: { steps: [ { weight: 20, bake: 60s } ], bake: 2s } }")]).await?;
    scene.push("2.0.0", "")?;
    scene.until_phase("baking").await?;
    scene.somebody_weighs(60, 40)?;
    scene.until_told("Somebody else changed the weights").await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(scene.weights(), (60, 40));
    let rollout = scene.record().await?.status.rollout.expect("it runs").id;
    scene.wish(IntentKind::Abort { rollout }).await?;
    scene.until_settled(1).await?;
    assert!(matches!(outcome(&scene).await?, Outcome::RolledBack(_)));
    assert_eq!(scene.weights(), (100, 0));
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_pushes_at_once_the_newer_ends_live() -> Result {
    let scene = Scene::start(&[]).await?;
    scene.push("2.0.0", "")?;
    scene.push("3.0.0", "")?;
    scene
        .until("the newer one is live", |record| {
            record.is_some_and(|record| {
                let done = record.status.last.as_ref().is_some_and(|last| last.outcome == Outcome::Completed);
                let newest = record.status.taken.get(SERVICE).is_some_and(|image| image.tag == "3.0.0");
                done && newest
                    && record.status.rollout.is_none()
                    && record.status.next.is_none()
                    && record.inbox.is_empty()
            })
        })
        .await?;
    let answer = scene.call(
        Service::Ecs,
        "DescribeServices",
        json!({
        "cluster": "tests", "services": ["shop-blue", "shop-green"] }),
    )?;
    let live = usize::from(scene.weights() == (0, 100));
    let definition = answer["services"][live]["taskDefinition"].clone();
    let definition = scene.call(Service::Ecs, "DescribeTaskDefinition", json!({ "taskDefinition": definition }))?;
    let digest = &scene.record().await?.status.taken[SERVICE].digest;
    let image = definition["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap_or_default();
    assert!(image.ends_with(digest.as_str()), "{image}");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_during_a_rollback_starts_after_it_and_the_bad_image_does_not_come_back() -> Result {
    let scene = Scene::start(&[("strategy", "{ blueGreen: { bake: 10s } }")]).await?;
    let bad = scene.push("2.0.0", "unhealthy after=4s")?;
    scene
        .until("it goes back", |record| {
            record
                .and_then(|record| record.status.rollout.as_ref())
                .is_some_and(|rollout| matches!(rollout.phase, Phase::Returning { .. } | Phase::Clearing { .. }))
        })
        .await?;
    scene.push("3.0.0", "")?;
    scene.until_settled(2).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    let status = scene.record().await?.status;
    assert!(status.quarantine.iter().any(|held| held.digests.iter().any(|digest| digest.as_str() == bad)));
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_writes_only_cost_time() -> Result {
    let scene = Scene::start(&[]).await?;
    let writes = [
        ("ecs", "UpdateService"),
        ("ecs", "RegisterTaskDefinition"),
        ("elb", "ModifyRule"),
        ("autoscaling", "RegisterScalableTarget"),
    ];
    for (service, operation) in writes {
        scene.cloud.add_fault(Fault {
            caller: "advance".to_owned(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            when: FaultWhen::first(2),
            effect: FaultEffect::Throttle,
        })?;
    }
    scene.push("2.0.0", "")?;
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    assert_eq!((scene.revisions(), scene.weights()), (2, (0, 100)));
    assert!(scene.cloud.faults().iter().all(|fault| fault.struck == 2), "{:?}", scene.cloud.faults());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bake_without_any_traffic_holds_until_it_is_promoted() -> Result {
    let scene = Scene::start(&[("noTraffic", "hold"), ("strategy", "{ blueGreen: { bake: 1s } }")]).await?;
    scene.push("2.0.0", "")?;
    scene
        .until("it waits for requests", |record| record.is_some_and(|r| r.status.waiting.contains("requests")))
        .await?;
    let rollout = scene.record().await?.status.rollout.expect("it runs").id;
    scene.wish(IntentKind::Promote { rollout, step: 0 }).await?;
    scene.until_settled(1).await?;
    assert_eq!(outcome(&scene).await?, Outcome::Completed);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_killed_in_the_middle_costs_time_and_nothing_else() -> Result {
    let scene = Scene::start(&[]).await?;
    scene.push("2.0.0", "")?;
    scene.until_phase("baking").await?;
    // Its message comes back after the queue's visibility timeout.
    scene.cloud.kill_function("advance");
    scene
        .until("it completes", |record| {
            record.and_then(|record| record.status.last.as_ref()).is_some_and(|last| last.outcome == Outcome::Completed)
        })
        .await?;
    assert_eq!((scene.revisions(), scene.weights()), (2, (0, 100)));
    let stored = scene.table.notices(&SERVICE.into(), 100).await?;
    let completed = stored.iter().filter(|s| matches!(s.notice.milestone, Milestone::Completed { .. })).count();
    assert_eq!(completed, 1);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_pushes_say_why_and_what_helps() -> Result {
    let scene = Scene::start(&[]).await?;
    scene.push("latest", "")?;
    scene.until_told("aws ecr put-image").await?;
    scene.push("0.5.0", "crash")?;
    scene.until_told("not in >=1.0.0").await?;
    assert_eq!(scene.record().await?.status.rollouts, 0);
    scene.end().await
}
