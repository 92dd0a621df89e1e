//! The way back of a native deployment.

use super::*;

#[test]
fn law_15_a_person_takes_back_what_has_traffic_although_no_look_has_seen_it_yet() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().stage = Some("BAKE_TIME".to_owned());
    scene.newest().weight = Share::from(100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(matches!(scene.told.last(), Some(Milestone::GoingBack { weight: 100, .. })), "{:?}", scene.told.last());
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert!(matches!(scene.outcome(), Outcome::RolledBack(Cause::Person(_))));
    assert!(matches!(scene.told.last(), Some(Milestone::RolledBack { .. })));
}

#[test]
fn law_2_an_alarm_in_the_bake_stops_the_deployment_and_it_is_followed_until_ecs_is_back() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    assert!(scene.last.as_ref().is_some_and(|decision| decision.effects[0].is_back()));
    scene.newest().status = DeploymentStatus::RollbackInProgress;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    assert!(!scene.told.iter().any(|told| matches!(told, Milestone::RolledBack { .. })), "not before it was read");
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert!(matches!(scene.outcome(), Outcome::RolledBack(Cause::Alarm { .. })));
    assert!(matches!(scene.told.last(), Some(Milestone::RolledBack { .. })));
    assert_eq!(scene.status.quarantine.len(), 1);
}

#[test]
fn law_2_a_told_alarm_stops_it_although_nothing_can_be_read() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.seen.native = Reading::Unknown("throttled".to_owned());
    let fired = IntentKind::AlarmFired { alarm: "shop-5xx".to_owned(), at: scene.now, reason: "31 > 5".to_owned() };
    scene.look(&[fired]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    scene.look(&[]);
    assert_eq!(scene.stops(), 2, "asked again: nobody knows whether it took");
}

#[test]
fn law_13_a_stop_that_does_not_take_calls_a_person_and_so_does_a_rollback_that_failed() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.now = scene.now.plus(Span::mins(11));
    scene.look(&[]);
    let calls = |scene: &Scene| scene.told.iter().filter(|told| matches!(told, Milestone::Call { .. })).count();
    assert_eq!((scene.phase(), calls(&scene)), ("stopping", 1));
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.newest().status = DeploymentStatus::RollbackFailed;
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((scene.phase(), calls(&scene)), ("stopping", 1));
    scene.look(&[IntentKind::GiveUp { rollout: scene.id() }]);
    assert!(matches!(scene.outcome(), Outcome::GivenUp(_)));
}

#[test]
fn law_15_a_stop_that_came_after_the_end_is_told_and_the_previous_revision_redeployed() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    assert!(
        scene.told.iter().any(|told| matches!(told, Milestone::Call { why, .. } if why.contains("before it could")))
    );
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 2);
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: again, .. }) if *again == revision(1)));
}

#[test]
fn law_13_a_stop_that_is_not_allowed_calls_a_person_at_once() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    let (effect, reason) = ("stop deployment d2".to_owned(), "AccessDenied: StopServiceDeployment".to_owned());
    scene.seen.failures = vec![EffectFailure { effect, reason, permanent: true }];
    scene.look(&[]);
    let told = |told: &&Milestone| matches!(told, Milestone::Call { why, .. } if why.contains("AccessDenied"));
    assert_eq!((scene.phase(), scene.told.iter().filter(told).count()), ("stopping", 1));
    assert_eq!(scene.stops(), 2, "and it is asked again");
}

#[test]
fn law_15_a_stop_that_came_too_late_brings_the_previous_revision_back_before_what_waits() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    let rollout = scene.status.rollout.as_mut().expect("a rollout");
    rollout.config.on_new_push = crate::config::OnNewPush::Queue;
    let newer = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: newer }]);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    scene.look(&[]);
    let brought = scene.status.rollout.as_ref().map(|rollout| rollout.candidate.target.clone());
    assert_eq!(brought, Some(Target::Revision(revision(1))));
    assert!(scene.told.iter().any(|told| matches!(told, Milestone::Refused { what, .. } if what.contains("1.2.0"))));
}

#[test]
fn law_14_a_stop_that_came_too_late_does_not_overwrite_what_somebody_deployed_since() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("idle", 1));
    assert!(matches!(scene.outcome(), Outcome::Superseded(_)));
}

#[test]
fn law_13_what_ecs_ended_without_going_back_gives_way_to_a_rollback_or_a_push() {
    let stuck = || {
        let mut scene = Scene::at("BAKE_TIME", 100);
        scene.newest().status = DeploymentStatus::Stopped;
        scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        scene.service().task_definition = revision(2);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!((scene.phase(), calls(&scene), scene.status.quarantine.len()), ("deploying", 1, 1));
        scene
    };
    let mut scene = stuck();
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(1)));
    assert!(
        !scene.told.iter().any(|told| matches!(told, Milestone::GoingBack { .. })),
        "there is nothing to take back"
    );
    let mut scene = stuck();
    let fix = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: fix }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
    let base = scene.status.rollout.as_ref().and_then(|rollout| rollout.stable_revision.clone());
    assert_eq!(base, Some(revision(1)), "not the failed one");
}

#[test]
fn a_rollback_is_not_taken_back_by_the_alarm_of_what_it_cures_nor_replaced_by_a_push() {
    let mut scene = Scene::new("asDeclared");
    let to = Some(revision(1));
    scene.service().task_definition = revision(2);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[IntentKind::Rollback { rollout: None, to }]);
    let newer = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: newer }]);
    scene.look(&[]);
    assert!(
        matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(1)),
        "{:?} {:?} {:?}",
        scene.phase(),
        scene.waits(),
        scene.told
    );
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::InProgress));
    scene.alarm(AlarmState::Ok);
    scene.stage("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
}

#[test]
fn law_15_what_ecs_could_not_take_back_calls_a_person_who_was_called_before_that() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.newest().status = DeploymentStatus::RollbackInProgress;
    scene.now = scene.now.plus(Span::mins(11));
    scene.look(&[]);
    assert_eq!(calls(&scene), 1, "it takes long");
    scene.newest().status = DeploymentStatus::RollbackFailed;
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!(calls(&scene), 2);
}

/// 1.1.0 is live, and a person rolls back to what was before it; ECS shows that deployment.
fn cure() -> Scene {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    scene
}

#[test]
fn law_6_the_cure_is_neither_held_nor_stopped_by_what_cannot_be_read_or_stands_still() {
    let mut scene = cure();
    scene.seen.alarms.insert("shop-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 2), "{:?}", scene.waits());
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::InProgress));
    scene.stage("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    scene.newest().hooks =
        vec![Hook { id: "p".to_owned(), waits: true, running: None, expires: None, times_out_back: true }];
    scene.look(&[]);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(scene.done.iter().any(|action| matches!(action, Action::Continue { .. })), "{:?}", scene.waits());
    scene.newest().hooks.clear();
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 50);
    scene.now = scene.now.plus(Span::mins(24 * 60));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), calls(&scene)), ("deploying", 0, 1));
    // Once for each stage that stands still.
    scene.stage("BAKE_TIME", 50);
    for _ in 0..2 {
        scene.now = scene.now.plus(Span::mins(24 * 60));
        scene.look(&[]);
    }
    assert_eq!(calls(&scene), 2);
}

#[test]
fn a_rollback_goes_to_what_was_before_what_is_live_whatever_came_to_nothing_since() {
    let refused = |scene: &mut Scene| {
        scene.look(&[IntentKind::Push { image: image("1.2.0", 3, scene.now) }]);
        scene.look(&[]);
        scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
        assert!(matches!(scene.outcome(), Outcome::Refused(_)), "{:?}", scene.outcome());
    };
    for (redeployed, dropped) in [(false, false), (true, false), (false, true)] {
        let mut scene = Scene::at("BAKE_TIME", 100);
        scene.newest().status = DeploymentStatus::Successful;
        scene.service().task_definition = revision(2);
        scene.look(&[]);
        if redeployed {
            scene.look(&[IntentKind::Redeploy]);
            for _ in 0..4 {
                scene.look(&[]);
            }
            let now = scene.now;
            scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::Successful));
            scene.newest().arn.push_str("-again");
            scene.look(&[]);
            assert_eq!((scene.phase(), scene.outcome()), ("idle", &Outcome::Completed), "{:?}", scene.waits());
        }
        if dropped {
            scene.alarm(AlarmState::Alarm);
            refused(&mut scene);
        }
        scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
        let target = scene.status.rollout.as_ref().map(|rollout| rollout.candidate.target.clone());
        let target = target.or(scene.status.next.as_ref().map(|next| next.target.clone()));
        assert_eq!(target, Some(Target::Revision(revision(1))), "{redeployed} {dropped} {:?}", scene.told.last());
    }
}

#[test]
fn what_was_seen_to_go_back_is_not_asked_again_by_a_look_that_reads_nothing() {
    for seen in [true, false] {
        let mut scene = Scene::at("BAKE_TIME", 100);
        scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
        if seen {
            scene.newest().status = DeploymentStatus::RollbackInProgress;
            scene.look(&[]);
        }
        let stops = scene.stops();
        scene.seen.native = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        assert_eq!(scene.stops(), stops + usize::from(!seen));
    }
}

#[test]
fn law_2_a_named_revision_is_what_is_deployed_where_the_stop_came_too_late() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[IntentKind::Rollback { rollout: Some(scene.id()), to: Some(revision(7)) }]);
    for _ in 0..5 {
        scene.look(&[]);
    }
    assert!(
        matches!(scene.done.last(), Some(Action::Deploy { revision: to, .. }) if *to == revision(7)),
        "{:?} {:?}",
        scene.waits(),
        scene.told
    );
    assert!(!scene.told.iter().any(|told| matches!(told, Milestone::Refused { .. })), "{:?}", scene.told);
}

#[test]
fn law_15_the_images_of_what_a_push_replaced_go_along_where_ecs_could_not_go_back() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    let proxy = crate::rollout::ImageRef { repository: "shop-proxy".to_owned(), ..image("7.0.0", 7, scene.now) };
    scene.look(&[IntentKind::Deploy { images: vec![proxy], force: false }]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "stopping");
    scene.newest().status = DeploymentStatus::RollbackFailed;
    scene.look(&[]);
    let next = scene.status.next.as_ref().or(scene.status.rollout.as_ref().map(|rollout| &rollout.candidate));
    assert_eq!(next.map(|next| next.target.digests().len()), Some(2), "{:?}", scene.told);
}

#[test]
fn law_15_a_stop_that_nobody_recorded_is_the_alarms_that_began_under_the_new_revision_and_else_somebodys() {
    // Traffic came at 0, ECS went back a minute later, and the alarm began so many seconds after the traffic.
    let ended = |began: Option<i64>, reason: &str| {
        let mut scene = Scene::at("BAKE_TIME", 100);
        let first = scene.status.rollout.as_ref().and_then(|rollout| rollout.first_shift).expect("it has traffic");
        scene.newest().status = DeploymentStatus::RollbackSuccessful;
        scene.newest().reason = reason.to_owned();
        scene.newest().back_since = Some(first.plus(Span::mins(1)));
        if let Some(seconds) = began {
            scene.alarm(AlarmState::Alarm);
            let at = Time(first.0.saturating_add_signed(seconds * 1_000));
            if let Some(Reading::Known(Some(alarm))) = scene.seen.alarms.get_mut(&"shop-5xx".into()) {
                alarm.since = Some(at);
            }
        }
        scene.look(&[]);
        scene.look(&[]);
        (scene.outcome().clone(), scene.status.quarantine.len())
    };
    let stopped = "Service deployment rolled back because of StopServiceDeployment.";
    for seconds in [0, 30, 60] {
        let (outcome, quarantined) = ended(Some(seconds), stopped);
        assert!(matches!(outcome, Outcome::RolledBack(Cause::Alarm { .. })), "{seconds}: {outcome:?}");
        assert_eq!(quarantined, 1);
    }
    for began in [None, Some(-1), Some(61)] {
        let (outcome, _) = ended(began, stopped);
        assert!(matches!(outcome, Outcome::RolledBack(Cause::Failed(_))), "{began:?}: {outcome:?}");
    }
    // While it is only asked for, ECS does not say since when; once it is over, nothing is known without that.
    for (status, blamed) in [(DeploymentStatus::RollbackRequested, true), (DeploymentStatus::RollbackSuccessful, false)]
    {
        let mut scene = Scene::at("BAKE_TIME", 100);
        (scene.newest().status, scene.newest().reason) = (status, stopped.to_owned());
        scene.alarm(AlarmState::Alarm);
        let now = scene.now;
        if let Some(Reading::Known(Some(alarm))) = scene.seen.alarms.get_mut(&"shop-5xx".into()) {
            alarm.since = Some(now);
        }
        scene.look(&[]);
        assert_eq!(scene.status.quarantine.len(), usize::from(blamed));
    }
    let failed = |reason: &str| matches!(ended(Some(30), reason).0, Outcome::RolledBack(Cause::Failed(_)));
    assert!(failed("a hook answered FAILED"), "ECS's own word");
    let breaker = "the deployment circuit breaker was triggered";
    assert!(matches!(ended(Some(30), breaker), (Outcome::RolledBack(Cause::Unhealthy(_)), 1)));
}

#[test]
fn a_persons_rollback_takes_back_what_ecs_still_deploys() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    assert_eq!((scene.phase(), scene.stops(), scene.status.next.clone()), ("stopping", 1, None));
}
