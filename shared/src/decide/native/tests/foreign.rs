//! Deployments that are not ours, and late ones that are.

use super::*;

#[test]
fn law_8_the_live_revision_that_somebody_deploys_again_is_not_stopped_after_a_redeploy_was_taken_back() {
    let mut scene = Scene::new("asDeclared");
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert!(matches!(scene.outcome(), Outcome::Cancelled(Cause::Person(_))), "{:?}", scene.outcome());
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::InProgress));
    scene.newest().arn.push_str("-theirs");
    scene.look(&[]);
    assert_eq!(scene.stops(), 0);
}

/// A push that was taken back by a person before it was seen; it has ended.
fn taken_back() -> Scene {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.status.quarantine.len()), ("idle", 1));
    scene
}

#[test]
fn law_14_a_late_deployment_of_what_was_taken_back_is_stopped_while_the_next_push_waits_for_it() {
    let mut scene = taken_back();
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[IntentKind::Push { image: image("1.2.0", 3, now) }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "holding");
    assert!(scene.stops() > 0, "{:?}", scene.waits());
}

#[test]
fn law_15_what_began_and_ended_between_two_looks_is_told() {
    let mut scene = taken_back();
    let now = scene.now;
    let told = scene.told.len();
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::Successful));
    scene.look(&[]);
    assert!(matches!(scene.told.last(), Some(Milestone::Foreign { ended: Some(_), good: true, .. })));
    scene.service().deployments.insert(0, deployment(2, now.plus(Span::secs(20)), DeploymentStatus::Successful));
    scene.look(&[]);
    scene.look(&[]);
    assert!(matches!(scene.told.last(), Some(Milestone::Call { why, .. }) if why.contains("taken back")));
    assert_eq!(scene.told.len(), told + 2, "each once");
}

#[test]
fn a_foreign_deployment_during_ours_ends_ours_as_superseded_and_is_told_to_its_end() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    let now = scene.now;
    scene.newest().status = DeploymentStatus::Stopped;
    scene.service().deployments.insert(0, deployment(3, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert_eq!(scene.outcome(), &Outcome::Superseded("shop-api:3".to_owned()));
    assert_eq!(scene.stops(), 0);
    scene.look(&[]);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    scene.look(&[]);
    let foreign: Vec<bool> = scene
        .told
        .iter()
        .filter_map(|told| match told {
            Milestone::Foreign { ended, .. } => Some(ended.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(foreign, [false, true]);
}

#[test]
fn law_14_a_late_deployment_of_what_was_taken_back_is_stopped() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert_eq!(scene.phase(), "stopping");
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.stops()), ("idle", 0));
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert_eq!(scene.stops(), 1);
}

#[test]
fn law_15_how_ours_ended_is_told_although_another_deployment_came_after_it() {
    for (status, quarantined) in [(DeploymentStatus::RollbackSuccessful, 1), (DeploymentStatus::Successful, 0)] {
        let mut scene = Scene::at("BAKE_TIME", 100);
        let now = scene.now;
        scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        scene.newest().status = status.clone();
        scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!(scene.status.quarantine.len(), quarantined, "{status:?}");
        assert!(!matches!(scene.outcome(), Outcome::Superseded(_)), "{status:?}: {:?}", scene.outcome());
    }
}

#[test]
fn law_8_what_was_taken_back_and_is_deployed_by_a_person_days_later_is_theirs() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    let (stops, told) = (scene.stops(), scene.told.len());
    scene.now = scene.now.plus(Span::mins(3 * 1_440));
    let now = scene.now;
    let mut theirs = deployment(2, now, DeploymentStatus::InProgress);
    theirs.arn.push_str("-again");
    scene.service().deployments.insert(0, theirs);
    scene.look(&[]);
    assert_eq!(scene.stops(), stops);
    assert!(matches!(&scene.told[told..], [Milestone::Foreign { .. }]), "{:?}", &scene.told[told..]);
}

#[test]
fn a_rollback_after_somebody_elses_deployment_goes_to_what_was_live_before_that() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(5, now, DeploymentStatus::Successful));
    scene.service().task_definition = revision(5);
    scene.look(&[]);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(2)));
}

#[test]
fn law_15_a_foreign_deployment_is_told_from_start_to_end_although_a_push_waits_for_it() {
    let mut scene = Scene::new("asDeclared");
    scene.look(&[]);
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, now) }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "holding");
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    scene.look(&[]);
    let foreign = |told: &Milestone| match told {
        Milestone::Foreign { ended, good, .. } => Some((ended.is_some(), *good)),
        _ => None,
    };
    assert_eq!(scene.told.iter().filter_map(foreign).collect::<Vec<_>>(), [(false, false), (true, true)]);
    assert_eq!(scene.phase(), "registering", "{:?}", scene.waits());
}

#[test]
fn law_14_a_late_deployment_is_followed_to_its_end_and_told_if_it_cannot_be_stopped() {
    let mut scene = taken_back();
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    let told = calls(&scene);
    scene.seen.failures = vec![EffectFailure {
        effect: "stop deployment d2".to_owned(),
        reason: "AccessDenied".to_owned(),
        permanent: true,
    }];
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(calls(&scene), told + 1, "refused");
    scene.seen.failures.clear();
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(calls(&scene), told + 2, "live");
    assert!(matches!(scene.told.last(), Some(Milestone::Call { why, .. }) if why.contains("is live")));
}

#[test]
fn law_15_a_deployment_that_lands_after_its_rollout_ended_without_it_is_told() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Push { image: image("1.2.0", 3, scene.now) }]);
    for _ in 0..8 {
        scene.look(&[]);
        if matches!(scene.outcome_if_any(), Some(Outcome::Cancelled(Cause::Superseded))) {
            break;
        }
    }
    assert!(matches!(scene.outcome(), Outcome::Cancelled(Cause::Superseded)), "{:?}", scene.outcome());
    let (now, told) = (scene.now, calls(&scene));
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(calls(&scene), told + 1, "{:?}", scene.told.last());
}

#[test]
fn law_15_only_what_came_after_our_end_is_news() {
    for (later, told) in [(0, 0), (1, 1)] {
        let mut scene = taken_back();
        let before = scene.told.len();
        let at = scene.status.last.as_ref().expect("an end").at.plus(Span(later));
        scene.service().deployments.insert(0, deployment(9, at, DeploymentStatus::Successful));
        scene.look(&[]);
        assert_eq!(scene.told.len() - before, told, "{later} ms");
    }
}

#[test]
fn law_15_what_is_left_of_ours_is_not_told_as_somebody_elses() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.status.rollout.as_mut().expect("a rollout").called = true;
    scene.look(&[IntentKind::GiveUp { rollout: scene.id() }]);
    assert_eq!(scene.phase(), "idle");
    scene.look(&[]);
    scene.look(&[]);
    assert!(!scene.told.iter().any(|told| matches!(told, Milestone::Foreign { .. })), "{:?}", scene.told);
}

#[test]
fn law_15_what_was_told_as_begun_is_waited_for_although_nothing_can_be_read() {
    for foreign in [true, false] {
        let mut scene = Scene::new("asDeclared");
        scene.look(&[]);
        if foreign {
            let now = scene.now;
            scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
            scene.look(&[]);
        }
        scene.seen.native = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        assert_eq!(matches!(scene.waits(), Waiting::Unknown(_)), foreign, "{:?}", scene.waits());
    }
}

#[test]
fn law_13_a_late_deployment_calls_once_more_only_where_it_cannot_be_stopped_for_good() {
    let called = |effect: &str, permanent: bool| {
        let mut scene = taken_back();
        let now = scene.now;
        scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
        let (effect, reason) = (effect.to_owned(), "refused".to_owned());
        scene.seen.failures = vec![EffectFailure { effect, reason, permanent }];
        scene.look(&[]);
        scene.look(&[]);
        calls(&scene)
    };
    assert_eq!(called("stop deployment d2", true), 2);
    assert_eq!((called("stop deployment d2", false), called("tidy the family", true)), (1, 1));
}

#[test]
fn law_15_how_somebody_elses_deployment_ended_is_told_in_ecs_words() {
    for (status, word) in [
        (DeploymentStatus::Successful, "it is live"),
        (DeploymentStatus::RollbackSuccessful, "ECS went back"),
        (DeploymentStatus::RollbackFailed, "ECS could not go back: look at the service"),
        (DeploymentStatus::Stopped, "it was stopped"),
    ] {
        for (reason, told) in [("", word.to_owned()), ("tasks failed", format!("{word}: tasks failed"))] {
            let mut scene = Scene::new("asDeclared");
            scene.look(&[]);
            let now = scene.now;
            scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
            scene.look(&[]);
            scene.newest().status = status.clone();
            scene.newest().reason = reason.to_owned();
            scene.look(&[]);
            let ended = scene.told.iter().find_map(|told| match told {
                Milestone::Foreign { ended, .. } => ended.clone(),
                _ => None,
            });
            assert_eq!(ended, Some(told));
        }
    }
}

#[test]
fn a_rollback_after_somebody_elses_deployment_that_went_back_goes_to_what_was_before_ours() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(5, now, DeploymentStatus::RollbackSuccessful));
    scene.look(&[]);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(1)));
}
