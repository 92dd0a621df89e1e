//! Before and at the start of a native deployment.

use super::*;
use crate::config::OnNewPush;
use crate::observation::AlarmReading;

#[test]
fn a_good_push_is_registered_deployed_followed_and_completed_without_a_weight_written() {
    let mut scene = Scene::at("SCALE_UP", 0);
    assert!(matches!(scene.waits(), Waiting::Stage { stage, .. } if stage == "SCALE_UP"));
    scene.stage("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.outcome()), ("idle", &Outcome::Completed));
    assert!(matches!(scene.told.first(), Some(Milestone::Deploying { .. })));
    assert!(matches!(scene.told.last(), Some(Milestone::Completed { .. })));
    assert_eq!((scene.deploys(), scene.stops()), (1, 0));
    let ours = |action: &Action| match action {
        Action::Register { .. } | Action::Deploy { .. } | Action::Tidy { .. } => true,
        Action::Start { .. }
        | Action::Scale { .. }
        | Action::Weights { .. }
        | Action::Scaling { .. }
        | Action::Mend { .. }
        | Action::Stop { .. }
        | Action::Continue { .. } => false,
    };
    assert!(scene.done.iter().all(ours), "{:?}", scene.done);
}

#[test]
fn only_a_strategy_of_ours_sends_a_configuration_and_then_the_whole_one() {
    let sent = |scene: &Scene| {
        let find = |action: &Action| match action {
            Action::Deploy { configuration, .. } => Some(configuration.clone()),
            _ => None,
        };
        scene.done.iter().find_map(find).expect("a deployment")
    };
    assert_eq!(sent(&Scene::pushed("asDeclared")), None);
    let configuration = sent(&Scene::pushed("{ blueGreen: { bake: 5m } }")).expect("a configuration");
    assert_eq!(configuration, json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5 }));
}

#[test]
fn law_3_a_start_whose_answer_was_lost_is_found_and_not_repeated() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[]);
    assert_eq!(scene.deploys(), 1, "it may still land");
    let created = scene.now.minus(Span::secs(40));
    scene.service().deployments.insert(0, deployment(2, created, DeploymentStatus::InProgress));
    for _ in 0..8 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 1);
}

#[test]
fn law_3_a_start_that_never_landed_is_sent_again_once_it_no_longer_can() {
    let mut scene = Scene::pushed("asDeclared");
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 2);
}

#[test]
fn law_3_a_redeploy_is_not_taken_for_the_deployment_of_the_same_revision_just_before_it() {
    let mut scene = Scene::new("asDeclared");
    let lately = scene.now.minus(Span::secs(30));
    scene.newest().created = lately;
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1), "{:?}", scene.waits());
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::Successful));
    scene.newest().arn.push_str("-again");
    scene.look(&[]);
    assert_eq!(scene.outcome(), &Outcome::Completed);
}

#[test]
fn law_14_a_start_that_ecs_has_taken_back_already_is_not_made_again() {
    let mut scene = Scene::pushed("asDeclared");
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::RollbackSuccessful));
    scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys(), scene.stops()), ("idle", 1, 0));
    assert!(matches!(scene.outcome(), Outcome::Cancelled(Cause::Unhealthy(_))), "{:?}", scene.outcome());
    assert_eq!(scene.status.quarantine.len(), 1);
}

#[test]
fn law_6_an_alarm_that_fires_holds_the_push_because_ecs_would_ignore_it() {
    let mut scene = Scene::new("asDeclared");
    scene.alarm(AlarmState::Alarm);
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..5 {
        scene.look(&[]);
    }
    assert_eq!(scene.phase(), "holding");
    assert!(matches!(scene.waits(), Waiting::AlarmsFiring(names) if names == &["shop-5xx"]));
    scene.alarm(AlarmState::Ok);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn law_6_an_alarm_that_begins_to_fire_after_the_hold_keeps_the_deployment_from_being_sent() {
    for loud in [alarm(AlarmState::Alarm), Reading::Unknown("throttled".to_owned())] {
        let mut scene = Scene::new("asDeclared");
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!(scene.phase(), "registering", "{:?}", scene.waits());
        scene.seen.registered = Reading::Known(Some(revision(2)));
        scene.seen.alarms.insert("shop-5xx".into(), loud);
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!((scene.phase(), scene.deploys()), ("deploying", 0), "{:?}", scene.waits());
        scene.alarm(AlarmState::Ok);
        scene.look(&[]);
        assert_eq!(scene.deploys(), 1);
    }
}

/// ECS listens to an alarm that flipback.yaml does not list.
fn also_declared(state: Reading<Option<AlarmReading>>) -> Scene {
    let mut scene = Scene::new("asDeclared");
    scene.service().configuration["alarms"] =
        json!({ "enable": true, "rollback": true, "alarmNames": ["shop-5xx", "shop-cpu"] });
    scene.seen.alarms.insert("shop-cpu".into(), state);
    scene
}

#[test]
fn law_6_an_alarm_that_only_ecs_listens_to_holds_a_push_as_well_unless_a_person_forces_it() {
    let held = |state, force| {
        let mut scene = also_declared(state);
        let image = image("1.1.0", 2, scene.now);
        let wish = if force { IntentKind::Deploy { images: vec![image], force } } else { IntentKind::Push { image } };
        scene.look(&[wish]);
        for _ in 0..5 {
            scene.look(&[]);
        }
        scene
    };
    let mut scene = held(alarm(AlarmState::Alarm), false);
    assert_eq!(scene.phase(), "holding");
    assert!(matches!(scene.waits(), Waiting::AlarmsFiring(names) if names == &["shop-cpu"]), "{:?}", scene.waits());
    assert!(scene.told.iter().any(|told| matches!(told, Milestone::Held { .. })));
    scene.seen.alarms.insert("shop-cpu".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
    let unread = held(Reading::Unknown("throttled".to_owned()), false);
    assert!(matches!(unread.waits(), Waiting::Unknown(why) if why.contains("shop-cpu")), "{:?}", unread.waits());
    for quiet in [alarm(AlarmState::InsufficientData), Reading::Known(None)] {
        assert_eq!(held(quiet, false).phase(), "registering", "ECS is not deaf by it");
    }
    assert_eq!(held(alarm(AlarmState::Alarm), true).phase(), "registering");
}

#[test]
fn law_6_an_alarm_that_only_ecs_listens_to_is_read_again_before_the_deployment_is_sent() {
    for loud in [alarm(AlarmState::Alarm), Reading::Unknown("throttled".to_owned())] {
        let mut scene = also_declared(alarm(AlarmState::Ok));
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        scene.look(&[]);
        scene.look(&[]);
        scene.seen.registered = Reading::Known(Some(revision(2)));
        scene.seen.alarms.insert("shop-cpu".into(), loud);
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!((scene.phase(), scene.deploys()), ("deploying", 0), "{:?}", scene.waits());
        scene.seen.alarms.insert("shop-cpu".into(), alarm(AlarmState::Ok));
        scene.look(&[]);
        assert_eq!(scene.deploys(), 1, "{:?}", scene.waits());
    }
}

#[test]
fn an_alarm_that_only_ecs_listens_to_rolls_nothing_back_by_our_word() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.service().configuration["alarms"] = json!({ "enable": true, "rollback": true, "alarmNames": ["shop-cpu"] });
    scene.seen.alarms.insert("shop-cpu".into(), alarm(AlarmState::Alarm));
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{:?}", scene.waits());
}

#[test]
fn a_push_waits_while_somebody_else_deploys_or_ecs_goes_back() {
    let mut scene = Scene::new("asDeclared");
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::RollbackInProgress));
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.waits(), Waiting::OtherDeployment(_)));
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn what_can_never_start_is_refused_with_what_to_change() {
    let refused = |change: &dyn Fn(&mut NativeReading)| {
        let mut scene = Scene::new("asDeclared");
        change(scene.service());
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        match scene.outcome() {
            Outcome::Refused(why) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    let why = refused(&|service| {
        service.undrivable = Some(("its controller is CODE_DEPLOY".to_owned(), "make it ECS".to_owned()));
    });
    assert!(why.contains("CODE_DEPLOY"));
    let why = refused(&|service| service.traffic = dead_green());
    assert!(why.contains("shop-green"), "{why}");
}

#[test]
fn a_person_may_deploy_the_cure_to_a_service_that_is_dead() {
    let mut scene = Scene::new("asDeclared");
    scene.service().traffic = dead_green();
    let image = image("1.1.0", 2, scene.now);
    scene.look(&[IntentKind::Deploy { images: vec![image], force: true }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering", "{:?}", scene.waits());
}

#[test]
fn law_6_weights_that_cannot_be_read_hold_a_start_and_stop_nothing_that_runs() {
    let mut scene = paused();
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), calls(&scene), scene.stops()), ("deploying", 0, 0));
    let mut scene = Scene::new("asDeclared");
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    scene.look(&[]);
    assert!(matches!(scene.waits(), Waiting::Unknown(_)), "{:?}", scene.waits());
}

#[test]
fn a_redeploy_of_what_is_live_is_forced_and_another_revision_never_is() {
    let forced = |scene: &Scene| {
        let find = |action: &Action| match action {
            Action::Deploy { force, .. } => Some(*force),
            _ => None,
        };
        scene.done.iter().filter_map(find).collect::<Vec<bool>>()
    };
    let mut scene = Scene::new("asDeclared");
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!(forced(&scene), [true], "{:?}", scene.waits());
    let mut scene = Scene::pushed("asDeclared");
    // It was lost: sent again, it is still not forced.
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!(forced(&scene), [false, false]);
}

#[test]
fn a_redeploy_takes_the_place_of_what_ecs_deploys_and_a_push_in_the_queue_does_not() {
    let queued = |wish: IntentKind| {
        let mut scene = Scene::at("SCALE_UP", 0);
        scene.status.rollout.as_mut().expect("a rollout").config.on_new_push = OnNewPush::Queue;
        scene.look(&[wish]);
        (scene.phase(), scene.stops())
    };
    assert_eq!(queued(IntentKind::Redeploy), ("stopping", 1));
    let push = IntentKind::Push { image: image("1.2.0", 3, Scene::new("asDeclared").now.plus(Span::mins(5))) };
    assert_eq!(queued(push), ("deploying", 0));
}

#[test]
fn law_3_a_start_that_the_service_names_has_landed_and_is_not_repeated_however_late_it_is_listed() {
    let mut scene = Scene::pushed("asDeclared");
    scene.service().task_definition = revision(2);
    for _ in 0..10 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1), "{:?}", scene.waits());
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.now = scene.now.plus(Span::mins(11));
    scene.look(&[]);
    assert_eq!((scene.phase(), calls(&scene)), ("stopping", 1), "it may be on its way: a person is called");
}

#[test]
fn law_10_the_strategy_that_counts_is_the_deployments_own() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().strategy = Some("BLUE_GREEN".to_owned());
    scene.service().configuration = json!({ "strategy": "ROLLING" });
    scene.status.rollout.as_mut().expect("a rollout").first_shift = None;
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
}
