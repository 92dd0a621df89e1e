//! Limits of the native engine, tried at the limit and just beside it; and conditions that must all hold.

use super::*;
use crate::decide::native::served::SPACED;

const MS: Span = Span(1);

fn look_at(scene: &mut Scene, at: Time) {
    scene.now = at;
    scene.look(&[]);
}

fn rollout(scene: &Scene) -> &crate::rollout::Rollout {
    scene.status.rollout.as_ref().expect("a rollout")
}

#[test]
fn law_13_the_start_deadline_is_that_and_no_earlier() {
    let started = Scene::at("SCALE_UP", 0);
    let until = rollout(&started).native.up_since.expect("seen").plus(rollout(&started).config.start_deadline);
    for (at, phase) in [(until.minus(MS), "deploying"), (until, "stopping")] {
        let mut scene = started.clone();
        look_at(&mut scene, at);
        assert_eq!(scene.phase(), phase);
    }
}

#[test]
fn law_13_a_deployment_that_is_never_seen_is_given_up_at_the_start_deadline_and_blames_nobody() {
    let sent = Scene::pushed("asDeclared");
    let until = rollout(&sent).since.plus(rollout(&sent).config.start_deadline);
    let mut scene = sent.clone();
    look_at(&mut scene, until.minus(MS));
    assert_eq!(scene.phase(), "deploying");
    let mut scene = sent;
    look_at(&mut scene, until);
    assert_ne!(scene.phase(), "deploying", "{:?}", scene.waits());
    assert!(scene.status.quarantine.is_empty());
}

#[test]
fn law_13_a_stage_that_stands_still_is_stopped_however_often_it_is_looked_at() {
    let mut scene = Scene::at("POST_PRODUCTION_TRAFFIC_SHIFT", 100);
    for _ in 0..9 {
        scene.now = scene.now.plus(Span::mins(10));
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.stops() > 0), ("stopping", true));
}

#[test]
fn law_13_what_begins_anew_with_another_stage_begins_at_that_look() {
    let mut scene = Scene::at("PRODUCTION_TRAFFIC_SHIFT", 100);
    scene.now = scene.now.plus(Span::mins(70));
    scene.stage("POST_PRODUCTION_TRAFFIC_SHIFT", 100);
    scene.now = scene.now.plus(Span::mins(70));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn law_15_the_tasks_time_begins_anew_when_a_hook_ends() {
    let mut scene = Scene::at("PRE_SCALE_UP", 0);
    scene.newest().hooks = vec![Hook {
        id: "h".to_owned(),
        waits: false,
        running: Some("arn:aws:lambda:us-east-1:123456789012:function:theirs".to_owned()),
        expires: None,
        times_out_back: true,
    }];
    scene.look(&[]);
    scene.newest().hooks.clear();
    scene.now = scene.now.plus(Span::mins(20));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn law_5_rolling_tasks_that_are_gone_again_have_replaced_nothing() {
    let mut scene = rolling(2, 4);
    // They died, and the old ones are all there is.
    scene.newest().running = 0;
    scene.service().running = 2;
    scene.look(&[]);
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(16));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.status.quarantine.len()), ("stopping", 1));
}

#[test]
fn law_3_the_first_deployment_of_a_service_is_found_by_its_time() {
    for (ago, found) in [(Span::secs(90), true), (Span::mins(5), false)] {
        let mut scene = Scene::new("asDeclared");
        scene.service().deployments.clear();
        let mut scene = scene.push();
        let sent = rollout(&scene).native.sent.expect("sent");
        assert_eq!(rollout(&scene).native.after, None);
        // Clocks differ by two minutes at most.
        scene.service().deployments = vec![deployment(2, sent.minus(ago), DeploymentStatus::InProgress)];
        scene.look(&[]);
        assert_eq!(rollout(&scene).native.deployment.is_some(), found);
    }
}

#[test]
fn law_14_a_deployment_of_the_same_moment_is_not_newer_than_ours() {
    for (later, phase) in [(Span(0), "deploying"), (MS, "idle")] {
        let mut scene = Scene::at("BAKE_TIME", 100);
        let created = scene.newest().created.plus(later);
        scene.service().deployments.push(deployment(9, created, DeploymentStatus::InProgress));
        scene.look(&[]);
        assert_eq!(scene.phase(), phase);
    }
}

#[test]
fn law_8_a_tenth_of_a_percent_may_be_rounded_and_more_is_told() {
    for (share, told) in [(1.0, 0), (1.1, 1)] {
        let mut scene = paused();
        let Reading::Known(mut found) = traffic((99, 2), (0, 2)) else { unreachable!() };
        let green = found.groups.get_mut(&tg(Colour::Green)).expect("green");
        green.share = Share::try_from(share).expect("a share");
        scene.service().traffic = Reading::Known(found);
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!(calls(&scene), told, "{share}");
    }
}

#[test]
fn law_8_a_second_read_counts_from_ten_seconds_on() {
    for (apart, told) in [(SPACED.0 - 1, 0), (SPACED.0, 1)] {
        let mut scene = paused();
        scene.service().traffic = traffic((40, 2), (60, 2));
        let first = scene.now;
        scene.look(&[]);
        look_at(&mut scene, first.plus(Span(apart)));
        assert_eq!(calls(&scene), told, "{apart} ms");
    }
}

#[test]
fn law_8_traffic_on_a_dead_group_of_neither_side_goes_back_while_the_old_side_lives() {
    for (old, phase) in [(2, "stopping"), (0, "deploying")] {
        let mut scene = paused();
        let Reading::Known(mut found) = traffic((50, old), (0, 2)) else { unreachable!() };
        let third = crate::ids::TargetGroupArn("arn:aws:elasticloadbalancing:x:1:targetgroup/third/1".to_owned());
        found.groups.insert(third, GroupTraffic { share: 50.into(), healthy: 0, other: 0 });
        scene.service().traffic = Reading::Known(found);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!((scene.phase(), scene.status.quarantine.len()), (phase, 0));
    }
}

/// Aborted after UpdateService was sent, before anything of it was seen; with the time at which it can no longer land.
fn aborted() -> (Scene, Time) {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert_eq!(scene.phase(), "stopping");
    let landed = rollout(&scene).forward_until.plus(Margins::default().effect_lifetime);
    (scene, landed)
}

#[test]
fn law_3_what_was_sent_may_land_up_to_its_last_moment() {
    let (mut scene, landed) = aborted();
    look_at(&mut scene, landed);
    assert_eq!(scene.phase(), "stopping");
    look_at(&mut scene, landed.plus(MS));
    assert_eq!(scene.phase(), "idle");
    // Where the service names its revision it has landed, and its deployment is waited for.
    let (mut scene, landed) = aborted();
    scene.service().task_definition = revision(2);
    look_at(&mut scene, landed);
    assert!(matches!(scene.waits(), Waiting::LateWrites(_)), "{:?}", scene.waits());
    look_at(&mut scene, landed.plus(MS));
    assert!(matches!(scene.waits(), Waiting::Unknown(_)) && scene.phase() == "stopping", "{:?}", scene.waits());
}

#[test]
fn law_13_only_a_stop_that_is_refused_for_good_calls_a_person_at_once() {
    let failed = |effect: &str, permanent: bool| {
        let mut scene = Scene::at("BAKE_TIME", 100);
        scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
        let (effect, reason) = (effect.to_owned(), "refused".to_owned());
        scene.seen.failures = vec![EffectFailure { effect, reason, permanent }];
        scene.look(&[]);
        calls(&scene)
    };
    assert_eq!(failed("stop deployment d2", true), 1);
    assert_eq!((failed("stop deployment d2", false), failed("deploy shop-api:2", true)), (0, 0));
}

#[test]
fn only_a_start_that_is_refused_for_good_ends_the_rollout() {
    let failed = |effect: &str, permanent: bool| {
        let mut scene = Scene::pushed("asDeclared");
        let (effect, reason) = (effect.to_owned(), "refused".to_owned());
        scene.seen.failures = vec![EffectFailure { effect, reason, permanent }];
        scene.look(&[]);
        scene.phase()
    };
    assert_ne!(failed("deploy shop-api:2", true), "deploying");
    for (effect, permanent) in [("deploy shop-api:2", false), ("tidy shop-api", true)] {
        assert_eq!(failed(effect, permanent), "deploying", "{effect} {permanent}");
    }
}

#[test]
fn law_14_what_waits_behind_a_stop_that_came_too_late_can_be_pushed_again_and_nothing_else_can() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.status.rollout.as_mut().expect("a rollout").config.on_new_push = crate::config::OnNewPush::Queue;
    let other = crate::rollout::ImageRef { repository: "shop-proxy".to_owned(), ..image("7.0.0", 7, scene.now) };
    scene.status.take(&other);
    scene.look(&[IntentKind::Push { image: image("1.2.0", 3, scene.now) }]);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    assert_eq!(scene.status.taken.keys().collect::<Vec<_>>(), ["shop-proxy"]);
}

#[test]
fn law_14_an_image_that_ecs_could_not_take_back_goes_into_quarantine() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::RollbackFailed;
    scene.newest().triggered = vec!["shop-5xx".into()];
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.status.quarantine.len()), ("deploying", 1));
}

#[test]
fn law_10_an_alarm_before_anything_of_ours_was_seen_takes_nothing_back() {
    let mut scene = Scene::pushed("asDeclared");
    scene.seen.native = Reading::Unknown("throttled".to_owned());
    scene.look(&[]);
    let at = scene.now;
    scene.look(&[IntentKind::AlarmFired { alarm: "shop-5xx".to_owned(), at, reason: "5XX".to_owned() }]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn law_3_an_answer_to_a_pause_is_sent_again_once_it_can_no_longer_land() {
    let mut answered = paused();
    answered.look(&[IntentKind::Promote { rollout: answered.id(), step: 0 }]);
    let at = rollout(&answered).native.continued.expect("sent");
    let margins = Margins::default();
    let lost = at.plus(margins.forward).plus(margins.effect_lifetime);
    for (at, sent) in [(lost, 1), (lost.plus(MS), 2)] {
        let mut scene = answered.clone();
        look_at(&mut scene, at);
        let answers = scene.done.iter().filter(|action| matches!(action, Action::Continue { .. })).count();
        assert_eq!(answers, sent);
    }
}

#[test]
fn a_promote_before_ecs_has_shown_anything_is_declined_at_once() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    let declined = |told: &&Milestone| matches!(told, Milestone::Declined { wish, .. } if wish == "promote");
    assert_eq!((scene.told.iter().filter(declined).count(), rollout(&scene).native.asked), (1, None));
}

#[test]
fn what_is_live_is_what_the_service_names_unless_its_newest_deployment_failed() {
    for (newest, live) in [
        (DeploymentStatus::Successful, 4),
        (DeploymentStatus::RollbackSuccessful, 4),
        (DeploymentStatus::Stopped, 1),
        (DeploymentStatus::RollbackFailed, 1),
    ] {
        let mut scene = Scene::new("asDeclared");
        scene.service().task_definition = revision(4);
        let created = scene.now.minus(Span::mins(5));
        scene.service().deployments.insert(0, deployment(4, created, newest.clone()));
        if newest == DeploymentStatus::Successful {
            // A deployment of what it names that is not listed yet.
            scene.service().deployments.remove(0);
        }
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        assert_eq!(rollout(&scene).stable_revision, Some(revision(live)), "{newest:?}");
    }
}

#[test]
fn a_first_deployment_is_one_that_came_from_nothing_where_nothing_runs() {
    for (has_source, running, first) in [(false, 0, true), (true, 0, false), (false, 2, false)] {
        let mut scene = Scene::new("asDeclared");
        scene.service().running = running;
        scene.newest().has_source = has_source;
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        let told = scene.told.iter().find_map(|told| match told {
            Milestone::Deploying { first, .. } => Some(*first),
            _ => None,
        });
        assert_eq!(told, Some(first), "{has_source} {running}");
    }
}

#[test]
fn an_observed_push_is_a_candidate_again_and_no_other_image_is() {
    let mut scene = Scene::new("asDeclared");
    scene.config.mode = crate::config::Mode::Observe;
    let other = crate::rollout::ImageRef { repository: "shop-proxy".to_owned(), ..image("7.0.0", 7, scene.now) };
    scene.status.take(&other);
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!(*scene.outcome(), Outcome::Observed);
    assert_eq!(scene.status.taken.keys().collect::<Vec<_>>(), ["shop-proxy"]);
}
