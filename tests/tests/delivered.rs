//! Every file of `events/` through the real functions under the Runtime API host: first on the bus, so that the rules of
//! template.yaml say who gets it; then by hand to the function of its source, which must take or drop it in words.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shared::ids::ServiceName;
use shared::ports::Store as _;
use tests::Scene;

/// A service with the names that the files use; nothing of it exists in the scene's AWS.
const CHECKOUT: &str = r#"
version: 1
services:
  - name: checkout
    cluster: prod
    image: { repository: team/checkout-api, tags: { semver: ">=1.0.0" } }
    engine: { managed: { blue: checkout-api, green: checkout-api-green, routes:
      [ "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/prod/0123456789abcdef/0123456789abcdef/0123456789abcdef" ] } }
    strategy: { canary: { steps: [ { weight: 20, bake: 2s } ], bake: 2s } }
    alarms: { green: [ checkout-api-green-5xx, checkout-api-green-5xx-ratio, checkout-api-latency-anomaly, checkout-api-green-rollback ] }
"#;

/// A file, who gets it by the template's rules, the function of its source, and what that one says of it.
struct Case(&'static str, &'static [&'static str], &'static str, &'static str);

const CASES: [Case; 25] = [
    Case("cloudwatch_alarm_anomaly_alarm", &["on-alarm"], "on-alarm", "nothing to flip back"),
    Case("cloudwatch_alarm_composite_alarm", &["on-alarm"], "on-alarm", "nothing to flip back"),
    Case("cloudwatch_alarm_math_alarm", &["on-alarm"], "on-alarm", "nothing to flip back"),
    Case("cloudwatch_alarm_metric_alarm", &["on-alarm"], "on-alarm", "nothing to flip back"),
    Case("cloudwatch_alarm_metric_insufficient_data", &["on-alarm"], "on-alarm", "InsufficientData"),
    Case("cloudwatch_alarm_metric_ok", &["on-alarm"], "on-alarm", "Ok"),
    Case("cloudwatch_alarm_metric_set_alarm_state", &["on-alarm"], "on-alarm", "nothing to flip back"),
    Case("ecr_image_delete", &[], "on-image-push", "an image action other than PUSH: DELETE"),
    Case("ecr_image_push_index_tagged", &["on-image-push"], "on-image-push", "pushed"),
    Case("ecr_image_push_tagged", &["on-image-push"], "on-image-push", "pushed"),
    Case("ecr_image_push_untagged_absent", &["on-image-push"], "on-image-push", "untagged push"),
    Case("ecr_replication_failed", &[], "on-image-push", "the push did not succeed"),
    Case("ecr_replication_success", &["on-image-push"], "on-image-push", "pushed"),
    Case("ecs_deployment_completed", &["advance"], "advance", "hinted"),
    Case("ecs_deployment_failed", &["advance"], "advance", "hinted"),
    Case("ecs_deployment_in_progress", &["advance"], "advance", "hinted"),
    Case("ecs_deployment_in_progress_rollback", &["advance"], "advance", "hinted"),
    Case("ecs_hook_awaiting_action", &["advance"], "advance", "hinted"),
    Case("ecs_hook_failed", &["advance"], "advance", "hinted"),
    Case("ecs_hook_in_progress_lambda", &["advance"], "advance", "hinted"),
    Case("ecs_hook_succeeded", &["advance"], "advance", "hinted"),
    Case("ecs_task_state_change_running", &[], "advance", "hinted"),
    Case("ecs_task_state_change_stopped_failed_to_start", &["advance"], "advance", "hinted"),
    Case("ecs_task_state_change_stopped_spot", &["advance"], "advance", "hinted"),
    Case("eventbridge_rule_scheduled_event", &[], "check-scaling", "checked"),
];

/// What ECS calls the hook with, no event, and what it is answered where [`NATIVE`] is configured: no alarm of that name
/// is there, and nobody answers the HTTP check.
const HOOKS: [(&str, &str); 11] = [
    ("ecs_lifecycle_hook_post_production_traffic_shift", "IN_PROGRESS"),
    ("ecs_lifecycle_hook_post_scale_up", "SUCCEEDED"),
    ("ecs_lifecycle_hook_post_test_traffic_shift", "IN_PROGRESS"),
    ("ecs_lifecycle_hook_pre_production_traffic_shift", "IN_PROGRESS"),
    ("ecs_lifecycle_hook_pre_scale_up", "SUCCEEDED"),
    ("ecs_lifecycle_hook_production_traffic_shift", "IN_PROGRESS"),
    ("ecs_lifecycle_hook_production_traffic_shift_canary_step", "IN_PROGRESS"),
    ("ecs_lifecycle_hook_production_traffic_shift_rollback", "SUCCEEDED"),
    ("ecs_lifecycle_hook_reconcile_service", "SUCCEEDED"),
    ("ecs_lifecycle_hook_test_traffic_shift", "SUCCEEDED"),
    ("ecs_lifecycle_hook_with_hookdetails", "IN_PROGRESS"),
];

const NATIVE: &str = r#"
version: 1
services:
  - name: checkout
    cluster: prod
    image: { repository: team/checkout-api, tags: { semver: ">=1.0.0" } }
    engine: { native: { service: checkout-api } }
    strategy: asDeclared
    alarms: [ checkout-api-5xx ]
    checks: { http: { listener: "http://127.0.0.1:1" } }
"#;

fn event(name: &str) -> Value {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

/// What the functions wrote about an event, as (function, line).
fn said(scene: &Scene, id: &str) -> Vec<(String, String)> {
    let lines = scene.cloud.function_log().into_iter().filter(|line| line.line.contains(id));
    lines.map(|line| (line.function, line.line)).collect()
}

/// The same, once the words are among it, or after some seconds: a line comes after its function's answer.
async fn until_said(scene: &Scene, id: &str, words: &str) -> Vec<(String, String)> {
    for _ in 0..100 {
        let lines = said(scene, id);
        if lines.iter().any(|(_, line)| line.contains(words)) {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    said(scene, id)
}

async fn scene() -> anyhow::Result<Scene> {
    let scene = Scene::start(&[]).await?;
    for config in shared::config::parse(CHECKOUT)? {
        scene.table.apply_config(&config, "test").await?;
    }
    Ok(scene)
}

#[test]
fn every_file_has_a_line() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
    let files = std::fs::read_dir(folder).expect(folder).map(|entry| entry.expect(folder).file_name());
    let files: BTreeSet<String> =
        files.filter_map(|name| Some(name.to_str()?.strip_suffix(".json")?.to_owned())).collect();
    let hooks = HOOKS.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(files, CASES.iter().map(|case| case.0.to_owned()).chain(hooks).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_hook_is_answered_in_a_word_whatever_comes() -> anyhow::Result<()> {
    let scene = Scene::start(&[]).await?;
    let ask = async |payload: Value| scene.cloud.invoke("lifecycle-hook", payload).await;
    let word = |answer: anyhow::Result<Value>| answer.map(|answer| answer["hookStatus"].clone());
    for (name, _) in HOOKS {
        assert_eq!(word(ask(event(name)).await)?, "SUCCEEDED", "{name}: nothing of it is configured");
    }
    for config in shared::config::parse(NATIVE)? {
        scene.table.apply_config(&config, "test").await?;
    }
    for (name, answer) in HOOKS {
        assert_eq!(word(ask(event(name)).await)?, answer, "{name}");
    }
    let kept = ask(event("ecs_lifecycle_hook_with_hookdetails")).await?;
    assert_eq!((&kept["hookDetails"]["attempt"], &kept["callBackDelay"]), (&json!(3), &json!(5)));
    let mut without_weights = event("ecs_lifecycle_hook_production_traffic_shift");
    without_weights["executionDetails"]["productionTrafficWeights"] = Value::Null;
    assert_eq!(word(ask(without_weights).await)?, "IN_PROGRESS");
    let mut elsewhere = event("ecs_lifecycle_hook_post_test_traffic_shift");
    elsewhere["executionDetails"]["serviceArn"] = json!("arn:aws:ecs:eu-west-1:123456789012:service/prod/unknown");
    assert_eq!(word(ask(elsewhere).await)?, "SUCCEEDED");
    for nonsense in [json!(null), json!([]), json!("text"), json!({}), json!({ "lifecycleStage": 7 })] {
        assert_eq!(word(ask(nonsense.clone()).await)?, "FAILED", "{nonsense}");
    }
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_reaches_its_function_alone_and_is_taken_or_dropped_in_words() -> anyhow::Result<()> {
    let scene = scene().await?;
    for Case(name, routed, function, says) in CASES {
        let mut event = event(name);
        event["id"] = json!(format!("bus-{name}."));
        scene.cloud.put_event(event.clone());
        event["id"] = json!(format!("hand-{name}."));
        let answer = scene.cloud.invoke(function, event).await;
        assert!(answer.is_ok(), "{name}: {answer:?}");
        let by_hand = until_said(&scene, &format!("hand-{name}."), says).await;
        assert!(by_hand.iter().any(|(_, line)| line.contains(says)), "{name}: {says:?} is not in {by_hand:#?}");
        if !routed.is_empty() {
            until_said(&scene, &format!("bus-{name}."), says).await;
        }
    }
    // Whoever got one although no rule should have brought it has had time to say so.
    for Case(name, routed, _, says) in CASES {
        let lines = said(&scene, &format!("bus-{name}."));
        let got: BTreeSet<&str> = lines.iter().map(|(function, _)| function.as_str()).collect();
        assert_eq!(got, routed.iter().copied().collect(), "{name}: {lines:#?}");
        assert!(routed.is_empty() || lines.iter().any(|(_, line)| line.contains(says)), "{name}: {lines:#?}");
    }
    // The pushes were one image, and its service's cluster is not there: one rollout at most, and it says why not.
    let checkout = ServiceName::from("checkout");
    let record = scene.table.load(&checkout).await?;
    let recorded = record.status.rollouts + record.inbox.len() as u64 + u64::from(record.status.next.is_some());
    assert!(recorded >= 1, "the push is nowhere: {record:?}");
    assert_eq!(scene.weights(), (100, 0));
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_dropped_in_words_by_every_function_and_none_of_them_ends() -> anyhow::Result<()> {
    let scene = scene().await?;
    let push = event("ecr_image_push_tagged");
    let with = |pointer: &str, value: Value| {
        let mut event = push.clone();
        *event.pointer_mut(pointer).expect(pointer) = value;
        event
    };
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let cases = [
        json!(null),
        json!([]),
        json!("text"),
        json!({}),
        with("/detail", json!({})),
        with("/detail", json!(7)),
        with("/detail/image-digest", json!("sha256:short")),
        with("/detail/image-tag", json!("x".repeat(100_000))),
        with("/detail/repository-name", json!(null)),
        with("/detail/repository-name", deep),
        with("/detail-type", json!("Something New")),
        with("/source", json!("aws.tomorrow")),
        with("/time", json!("yesterday")),
        json!({ "Records": "no list" }),
        json!({ "Records": [7, {}, { "messageId": "1", "body": "{" }] }),
    ];
    for function in ["on-image-push", "on-alarm", "advance", "check-scaling", "notify"] {
        for case in &cases {
            let answer = scene.cloud.invoke(function, case.clone()).await;
            assert!(
                answer.is_ok(),
                "{function}: {answer:?} to {}",
                case.to_string().chars().take(200).collect::<String>()
            );
        }
    }
    let log = scene.cloud.function_log();
    let bad: Vec<&str> = log
        .iter()
        .map(|line| line.line.as_str())
        .filter(|line| line.contains("panicked") || line.contains("exited"))
        .collect();
    assert_eq!(bad, Vec::<&str>::new());
    let dropped = log.iter().filter(|line| line.line.contains("dropped") || line.line.contains("ignored")).count();
    assert!(dropped >= cases.len() * 3, "{dropped} of them dropped in words");
    scene.end().await
}
