//! A native deployment while it goes forward.

use super::*;

#[test]
fn law_10_an_alarm_before_there_is_traffic_does_not_blame_the_new_revision() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 10);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_13_a_deployment_that_does_not_come_up_is_stopped_at_its_deadline() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.now = scene.now.plus(Span::mins(14));
    scene.look(&[]);
    assert_eq!(scene.phase(), "deploying");
    scene.now = scene.now.plus(Span::mins(2));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    let cause = scene.told.iter().find_map(|told| match told {
        Milestone::Cancelled { cause, .. } => Some(cause.clone()),
        _ => None,
    });
    assert!(matches!(cause, Some(Cause::NotHealthyInTime(_))), "{cause:?}");
}

#[test]
fn law_8_weights_that_ecs_did_not_set_are_told_on_the_second_look_and_left_alone() {
    let mut scene = paused();
    scene.service().traffic = traffic((40, 2), (60, 2));
    scene.look(&[]);
    assert_eq!(calls(&scene), 0, "one read may be stale");
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((calls(&scene), scene.phase(), scene.stops()), (1, "deploying", 0));
}

#[test]
fn law_8_traffic_that_nobody_answers_goes_back_where_back_is_alive() {
    for (dead, phase, quarantined) in [
        // On the new revision's group, which has no healthy task: it is to blame.
        (traffic((0, 2), (100, 0)), "stopping", 1),
        // The old side died: going back would not help.
        (traffic((100, 0), (0, 2)), "deploying", 0),
    ] {
        let mut scene = paused();
        scene.service().traffic = dead;
        scene.look(&[]);
        assert_eq!(scene.phase(), "deploying", "one read may be stale");
        scene.look(&[]);
        assert_eq!((scene.phase(), scene.status.quarantine.len()), (phase, quarantined));
        assert_eq!(calls(&scene), usize::from(phase == "deploying"));
    }
}

#[test]
fn a_rolling_deployment_has_no_stage_and_is_followed_all_the_same() {
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({});
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert!(matches!(scene.waits(), Waiting::Stage { stage, .. } if stage == "ROLLING"));
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_6_a_long_bake_that_cannot_be_read_is_not_stopped_and_a_person_is_told_when_that_lasts() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.service().configuration["bakeTimeInMinutes"] = json!(300);
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(90));
    let well = scene.seen.native.clone();
    scene.seen.native = Reading::Unknown("throttled".to_owned());
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), calls(&scene)), ("deploying", 0, 0), "one failed read says nothing");
    scene.now = scene.now.plus(Span::mins(61));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), calls(&scene)), ("deploying", 0, 1));
    scene.seen.native = well;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
}

#[test]
fn law_13_linear_steps_and_rolling_tasks_that_move_are_not_standing_still() {
    let mut scene = Scene::at("PRODUCTION_TRAFFIC_SHIFT", 5);
    for weight in 6..26 {
        scene.now = scene.now.plus(Span::mins(10));
        scene.stage("PRODUCTION_TRAFFIC_SHIFT", weight);
    }
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
    scene.now = scene.now.plus(Span::mins(76));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({ "bakeTimeInMinutes": 30 });
    scene.service().desired = 4;
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    for running in 1..=4 {
        scene.now = scene.now.plus(Span::mins(10));
        scene.newest().running = running;
        scene.look(&[]);
    }
    scene.service().running = 4;
    scene.now = scene.now.plus(Span::mins(60));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "all tasks run; it bakes");
    scene.now = scene.now.plus(Span::mins(60));
    scene.look(&[]);
    assert!(scene.status.quarantine.is_empty(), "tasks that came up are not to blame");
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_14_a_deployment_missing_from_an_answer_is_not_started_again_and_is_stopped_by_its_name() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.service().deployments.remove(0);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1));
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops() > 0, scene.deploys()), ("stopping", true, 1));
}

#[test]
fn law_5_rolling_tasks_that_run_beside_the_old_ones_are_not_yet_healthy() {
    let mut scene = rolling(2, 4);
    scene.now = scene.now.plus(Span::mins(16));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), scene.status.quarantine.len()), ("stopping", 1, 1));
}

#[test]
fn law_5_rolling_tasks_that_came_up_between_two_reads_of_one_look_have_not_replaced_the_old_ones() {
    // The service was read before they ran, its deployment after.
    let mut scene = rolling(2, 2);
    scene.service().running = 4;
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(16));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), scene.status.quarantine.len()), ("stopping", 1, 1));
}

#[test]
fn law_5_rolling_tasks_that_replaced_the_old_ones_while_nothing_could_be_read_are_not_to_blame() {
    let mut scene = rolling(2, 4);
    // By the next look that reads something the old ones are gone.
    scene.now = scene.now.plus(Span::mins(16));
    scene.service().running = 2;
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn law_10_an_alarm_told_late_of_before_the_shift_does_not_blame_the_new_revision() {
    let mut scene = Scene::at("SCALE_UP", 0);
    let before = scene.now;
    scene.now = before.plus(Span::mins(5));
    scene.stage("POST_SCALE_UP", 0);
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 100);
    let fired = |at: Time| IntentKind::AlarmFired { alarm: "shop-5xx".to_owned(), at, reason: "5XX".to_owned() };
    scene.look(&[fired(before)]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
    let since = scene.now;
    scene.look(&[fired(since)]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn an_image_that_ecs_circuit_breaker_took_back_is_to_blame_whatever_ecs_says() {
    for (broken, held) in [(true, 1), (false, 0)] {
        let mut scene = Scene::at("SCALE_UP", 0);
        scene.newest().status = DeploymentStatus::RollbackInProgress;
        scene.newest().reason = "tasks failed to start".to_owned();
        scene.newest().broken = broken;
        scene.look(&[]);
        assert_eq!((scene.phase(), scene.status.quarantine.len()), ("stopping", held));
    }
}

#[test]
fn law_5_a_rolling_deployment_that_came_up_is_not_blamed_for_a_scale_out_in_its_bake() {
    let mut scene = Scene::at("", 0);
    scene.service().configuration = json!({ "strategy": "ROLLING", "bakeTimeInMinutes": 60 });
    scene.newest().stage = None;
    scene.newest().running = 2;
    scene.look(&[]);
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(40));
    scene.service().desired = 5;
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn law_15_a_hooks_own_time_is_not_the_tasks_and_only_tasks_that_do_not_come_up_are_to_blame() {
    let mut scene = Scene::at("PRE_SCALE_UP", 0);
    let hook = |running: Option<&str>| Hook {
        id: "h".to_owned(),
        waits: false,
        running: running.map(str::to_owned),
        expires: None,
        times_out_back: true,
    };
    scene.newest().hooks = vec![hook(Some("arn:aws:lambda:us-east-1:123456789012:function:theirs"))];
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(20));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
    scene.newest().hooks = vec![hook(None)];
    scene.stage("SCALE_UP", 0);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
    scene.stage("POST_SCALE_UP", 0);
    scene.now = scene.now.plus(Span::mins(16));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.status.quarantine.len()), ("stopping", 0));
}

#[test]
fn law_2_an_alarm_that_begins_while_nothing_can_be_read_stops_what_had_no_traffic_at_the_last_look() {
    for seen_before in [true, false] {
        let mut scene = Scene::at("POST_SCALE_UP", 0);
        let now = scene.now;
        scene.seen.native = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        let at = if seen_before { now.minus(Span::mins(5)) } else { scene.now };
        scene.look(&[IntentKind::AlarmFired { alarm: "shop-5xx".to_owned(), at, reason: "5XX".to_owned() }]);
        let expected = if seen_before { ("deploying", 0) } else { ("stopping", 1) };
        assert_eq!((scene.phase(), scene.stops()), expected, "{:?}", scene.waits());
    }
}

#[test]
fn a_look_that_sees_no_traffic_is_not_worth_a_save_each() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.look(&[]);
    let before = scene.status.clone();
    scene.look(&[]);
    assert_eq!(scene.status, before);
}

#[test]
fn law_10_an_alarm_that_is_read_as_older_than_the_last_look_is_not_the_new_revisions() {
    for (ago, expected) in [(Span::mins(5), ("deploying", 0)), (Span(0), ("stopping", 1))] {
        let mut scene = Scene::at("POST_SCALE_UP", 0);
        let since = scene.now.minus(ago);
        scene.seen.native = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        scene.alarm(AlarmState::Alarm);
        if let Some(Reading::Known(Some(alarm))) = scene.seen.alarms.get_mut(&"shop-5xx".into()) {
            alarm.since = Some(since);
        }
        scene.look(&[]);
        assert_eq!((scene.phase(), scene.stops()), expected, "{:?}", scene.waits());
    }
}
