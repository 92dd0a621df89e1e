//! Every file of `events/` through the intake: what Flipback makes of it.

use std::collections::BTreeMap;

use shared::hook::Request;
use shared::intake::{Event, read};
use shared::observation::AlarmState;

/// What is no event: ECS calls a hook with it.
const HOOK: &str = "ecs_lifecycle_hook_";

fn files() -> BTreeMap<String, serde_json::Value> {
    all().into_iter().filter(|(name, _)| !name.starts_with(HOOK)).collect()
}

fn all() -> BTreeMap<String, serde_json::Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
    std::fs::read_dir(folder)
        .expect("the folder of events")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a file");
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

/// A short word for what an event says.
fn word(event: &Event) -> String {
    match event {
        Event::Push(push) => format!("push {}:{}", push.image.repository, push.image.tag),
        Event::Alarm(change) => format!(
            "{} {}",
            match change.state {
                AlarmState::Ok => "ok",
                AlarmState::Alarm => "alarm",
                AlarmState::InsufficientData => "no data",
            },
            change.alarm
        ),
        Event::Ecs(hint) => format!("look at {}/{}", hint.cluster, hint.service),
        Event::Tick => "tick".to_owned(),
        Event::Ignored(why) => format!("ignored: {why}"),
    }
}

#[test]
fn every_event_is_read_as_what_it_is() {
    let expected = [
        ("cloudwatch_alarm_anomaly_alarm", "alarm "),
        ("cloudwatch_alarm_composite_alarm", "alarm checkout-api-green-rollback"),
        ("cloudwatch_alarm_math_alarm", "alarm "),
        ("cloudwatch_alarm_metric_alarm", "alarm checkout-api-green-5xx"),
        ("cloudwatch_alarm_metric_insufficient_data", "no data "),
        ("cloudwatch_alarm_metric_ok", "ok "),
        ("cloudwatch_alarm_metric_set_alarm_state", "alarm "),
        ("ecr_image_delete", "ignored: an image action other than PUSH: DELETE"),
        ("ecr_image_push_index_tagged", "push "),
        ("ecr_image_push_tagged", "push team/checkout-api:v1.42.0"),
        ("ecr_image_push_untagged_absent", "ignored: untagged push"),
        ("ecr_replication_failed", "ignored: the push did not succeed"),
        ("ecr_replication_success", "push team/checkout-api:v1.42.0"),
        ("ecs_deployment_completed", "look at prod/checkout-api"),
        ("ecs_deployment_failed", "look at prod/checkout-api"),
        ("ecs_deployment_in_progress", "look at prod/checkout-api"),
        ("ecs_deployment_in_progress_rollback", "look at prod/checkout-api"),
        ("ecs_hook_awaiting_action", "look at prod/checkout-api"),
        ("ecs_hook_failed", "look at prod/checkout-api"),
        ("ecs_hook_in_progress_lambda", "look at prod/checkout-api"),
        ("ecs_hook_succeeded", "look at prod/checkout-api"),
        ("ecs_task_state_change_running", "look at prod/checkout-api"),
        ("ecs_task_state_change_stopped_failed_to_start", "look at prod/checkout-api"),
        ("ecs_task_state_change_stopped_spot", "look at prod/checkout-api"),
        ("eventbridge_rule_scheduled_event", "tick"),
    ];
    let files = files();
    let named: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(named, expected.map(|(name, _)| name), "a file and a line for each");
    for (name, start) in expected {
        let read = read(&files[name]).map(|event| word(&event)).unwrap_or_else(|error| error.to_string());
        assert!(read.starts_with(start), "{name}: {read}");
    }
}

#[test]
fn an_alarms_own_time_is_taken_and_not_the_envelopes() {
    let event = &files()["cloudwatch_alarm_metric_alarm"];
    let Ok(Event::Alarm(change)) = read(event) else { panic!("not an alarm") };
    assert_eq!(change.at, shared::time::Time::parse("2026-11-20T09:15:11.243Z").expect("a time"));
    assert!(change.reason.contains("31.0"));
}

#[test]
fn any_one_member_missing_is_an_error_in_words_or_no_matter() {
    for (name, event) in files() {
        let members: Vec<String> = event["detail"].as_object().into_iter().flat_map(|d| d.keys().cloned()).collect();
        for member in members {
            let mut less = event.clone();
            less["detail"].as_object_mut().expect("an object").remove(&member);
            match read(&less) {
                Ok(_) => {}
                Err(error) => assert!(error.to_string().contains(&member), "{name} without {member}: {error}"),
            }
        }
        for member in ["id", "source", "detail-type", "time", "account", "region", "detail"] {
            let mut less = event.clone();
            less.as_object_mut().expect("an object").remove(member);
            assert!(read(&less).unwrap_err().to_string().contains(member), "{name} without {member}");
        }
    }
}

#[test]
fn every_call_of_a_hook_is_read_and_only_the_reversed_one_is_the_way_back() {
    let calls = all().into_iter().filter_map(|(name, payload)| Some((name.strip_prefix(HOOK)?.to_owned(), payload)));
    let mut read = Vec::new();
    for (name, payload) in calls {
        let request = Request::parse(&payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(name == "with_hookdetails" || name.starts_with(&request.stage.to_lowercase()), "{name}");
        assert_eq!(request.back(), name.ends_with("_rollback"), "{name}");
        read.push((request.stage.clone(), request.share()));
    }
    let production = |share: f64| ("PRODUCTION_TRAFFIC_SHIFT".to_owned(), Some(share));
    assert!([0.0, 10.0, 100.0].into_iter().all(|share| read.contains(&production(share))), "{read:?}");
    assert_eq!(read.len(), 11);
}
