//! Ends are told when users are served, not when ECS says that it is over.

use super::*;

/// ECS says that it went back, or that it succeeded.
fn over(back: bool) -> Scene {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.service().traffic = dead_green();
    if back {
        scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
        scene.newest().status = DeploymentStatus::RollbackSuccessful;
    } else {
        scene.newest().status = DeploymentStatus::Successful;
    }
    scene.newest().stage = None;
    scene
}

fn ends(scene: &Scene) -> usize {
    let end = |told: &&Milestone| matches!(told, Milestone::RolledBack { .. } | Milestone::Completed { .. });
    scene.told.iter().filter(end).count()
}

#[test]
fn law_15_an_end_is_not_told_while_production_traffic_goes_to_a_group_that_cannot_answer() {
    for back in [true, false] {
        let mut scene = over(back);
        scene.look(&[]);
        assert_eq!((scene.phase() != "idle", calls(&scene)), (true, 0), "one read may be stale");
        scene.look(&[]);
        scene.look(&[]);
        let nobody =
            |told: &Milestone| matches!(told, Milestone::Call { why, .. } if why.contains("no healthy target"));
        assert_eq!((calls(&scene), ends(&scene)), (1, 0), "{:?}", scene.told);
        assert!(scene.told.iter().any(nobody), "{:?}", scene.told);
        assert!(matches!(scene.waits(), Waiting::Person(_)));
        // Somebody points the rule at the living.
        scene.service().traffic = traffic((100, 2), (0, 0));
        scene.look(&[]);
        assert_eq!((scene.phase(), calls(&scene), ends(&scene)), ("idle", 1, 1));
        assert_eq!(matches!(scene.outcome(), Outcome::RolledBack(_)), back);
    }
}

#[test]
fn law_15_a_read_that_was_stale_calls_nobody() {
    for back in [true, false] {
        let mut scene = over(back);
        scene.look(&[]);
        scene.service().traffic = traffic((100, 2), (0, 0));
        scene.look(&[]);
        assert_eq!((scene.phase(), calls(&scene), ends(&scene)), ("idle", 0, 1));
    }
}

#[test]
fn law_6_an_end_waits_for_the_traffic_to_be_read_and_a_person_is_told_when_that_lasts() {
    for back in [true, false] {
        let mut scene = over(back);
        scene.service().traffic = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!((scene.phase() != "idle", calls(&scene), ends(&scene)), (true, 0, 0));
        scene.now = scene.now.plus(Span::mins(24 * 60));
        scene.look(&[]);
        assert_eq!((calls(&scene), ends(&scene)), (1, 0));
        scene.service().traffic = traffic((100, 2), (0, 0));
        scene.look(&[]);
        assert_eq!((scene.phase(), ends(&scene)), ("idle", 1));
    }
}

#[test]
fn what_nobody_asks_of_the_service_any_more_ends_it() {
    for (desired, another) in [(0, false), (2, true)] {
        let mut scene = over(true);
        scene.service().desired = desired;
        if another {
            let now = scene.now;
            scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
        }
        scene.look(&[]);
        assert_eq!((scene.phase(), calls(&scene), ends(&scene)), ("idle", 0, 1), "{another}");
    }
}

#[test]
fn an_end_that_serves_nobody_gives_way_to_a_persons_wish_and_to_no_push() {
    for back in [true, false] {
        let stuck = || {
            let mut scene = over(back);
            for _ in 0..3 {
                scene.look(&[]);
            }
            assert_eq!(calls(&scene), 1);
            scene
        };
        let mut scene = stuck();
        scene.look(&[IntentKind::Rollback { rollout: Some(scene.id()), to: None }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: to, .. }) if *to == revision(1)));
        // A push would be refused for just that: it waits. What a person forces goes.
        let mut scene = stuck();
        scene.look(&[IntentKind::Push { image: image("1.2.0", 3, scene.now) }]);
        scene.look(&[]);
        assert!(scene.phase() != "idle" && scene.status.next.is_some(), "{:?}", scene.told);
        let mut scene = stuck();
        scene.look(&[IntentKind::Deploy { images: vec![image("1.2.0", 3, scene.now)], force: true }]);
        assert!(matches!(scene.outcome(), Outcome::Superseded(_)));
    }
}

#[test]
fn law_15_it_is_not_told_as_back_while_the_rule_still_points_to_the_new_revision() {
    let mut scene = over(true);
    scene.newest().groups = vec![tg(Colour::Green)];
    scene.service().traffic = traffic((50, 2), (50, 2));
    scene.look(&[]);
    assert_eq!((scene.phase(), ends(&scene)), ("stopping", 0));
    scene.look(&[]);
    assert_eq!((calls(&scene), ends(&scene)), (1, 0), "{:?}", scene.waits());
    scene.service().traffic = traffic((100, 2), (0, 0));
    scene.look(&[]);
    assert_eq!((scene.phase(), ends(&scene)), ("idle", 1));
    // Rolling tasks, old and new, are in one group.
    let mut scene = over(true);
    scene.newest().groups = vec![tg(Colour::Blue)];
    scene.newest().strategy = Some("ROLLING".to_owned());
    scene.service().traffic = traffic((100, 2), (0, 0));
    scene.look(&[]);
    assert_eq!((scene.phase(), ends(&scene)), ("idle", 1));
}

#[test]
fn law_15_a_rule_that_sends_traffic_nowhere_serves_nobody() {
    for back in [true, false] {
        let mut scene = over(back);
        let rule = crate::ids::RouteArn::from("the-rule");
        scene.service().traffic = Reading::Known(Traffic { nowhere: [rule].into(), ..Traffic::default() });
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!((calls(&scene), ends(&scene)), (1, 0), "{:?}", scene.told);
    }
    let mut scene = Scene::new("asDeclared");
    let rule = crate::ids::RouteArn::from("the-rule");
    scene.service().traffic = Reading::Known(Traffic { nowhere: [rule].into(), ..Traffic::default() });
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.outcome_if_any(), Some(Outcome::Refused(_))), "{:?}", scene.waits());
}

#[test]
fn law_15_it_is_not_completed_where_the_new_revision_gets_nothing() {
    let mut scene = over(false);
    scene.newest().groups = vec![tg(Colour::Green)];
    scene.service().traffic = traffic((100, 2), (0, 2));
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!((calls(&scene), ends(&scene)), (1, 0), "{:?}", scene.told);
}

#[test]
fn law_2_a_persons_wish_does_not_wait_for_traffic_that_cannot_be_read() {
    for back in [true, false] {
        let mut scene = over(back);
        scene.service().traffic = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        scene.look(&[]);
        scene.look(&[IntentKind::Rollback { rollout: None, to: Some(revision(7)) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        assert!(
            matches!(scene.done.last(), Some(Action::Deploy { revision: to, .. }) if *to == revision(7)),
            "{back} {:?} {:?}",
            scene.waits(),
            scene.told
        );
    }
}

#[test]
fn law_15_what_was_seen_to_serve_nobody_is_no_success_when_somebody_deploys_over_it() {
    for back in [true, false] {
        let mut scene = over(back);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!(calls(&scene), 1);
        let now = scene.now;
        scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::Pending));
        scene.look(&[]);
        assert_eq!(ends(&scene), 0, "{:?}", scene.told);
        assert!(matches!(scene.outcome(), Outcome::Superseded(_)));
    }
}

#[test]
fn law_2_an_alarm_while_the_traffic_cannot_be_read_calls_a_person() {
    let mut scene = over(false);
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(calls(&scene), 0);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!(calls(&scene), 1);
}

#[test]
fn law_15_what_a_push_came_too_late_to_stop_is_completed_once_it_serves_users() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.service().traffic = dead_green();
    scene.look(&[IntentKind::Push { image: image("1.2.0", 3, scene.now) }]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "stopping");
    scene.newest().status = DeploymentStatus::Successful;
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), ends(&scene), calls(&scene)), ("stopping", 0, 1), "{:?}", scene.told);
    scene.service().traffic = traffic((0, 2), (100, 2));
    scene.look(&[]);
    assert_eq!((ends(&scene), scene.outcome()), (1, &Outcome::Completed));
}

#[test]
fn law_15_a_newer_deployment_ends_ours_as_what_it_was_seen_to_be() {
    for (seen, completed) in [(dead_green(), false), (Reading::Unknown("throttled".to_owned()), true)] {
        let mut scene = over(false);
        scene.service().traffic = seen;
        scene.look(&[]);
        assert_ne!(scene.phase(), "idle");
        let now = scene.now;
        scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
        scene.look(&[]);
        assert_eq!(*scene.outcome() == Outcome::Completed, completed, "{:?}", scene.outcome());
    }
}

#[test]
fn law_15_a_second_read_counts_from_ten_seconds_on_and_the_call_says_what_ecs_says() {
    use crate::decide::native::served::SPACED;
    for (back, says) in [(true, "it went back"), (false, "the deployment succeeded")] {
        for (apart, called) in [(SPACED.0 - 1, 0), (SPACED.0, 1)] {
            let mut scene = over(back);
            scene.look(&[]);
            let since = scene.status.rollout.as_ref().and_then(|rollout| rollout.native.astray).expect("seen amiss");
            scene.now = since.plus(Span(apart));
            scene.look(&[]);
            assert_eq!(calls(&scene), called, "{apart} ms");
            let said = |told: &Milestone| matches!(told, Milestone::Call { why, .. } if why.contains(says));
            assert_eq!(scene.told.iter().any(said), called == 1);
        }
    }
}

#[test]
fn law_2_only_a_forced_deploy_or_a_rollback_does_not_wait_for_traffic_that_cannot_be_read() {
    for (force, phase) in [(true, "holding"), (false, "deploying")] {
        let mut scene = over(false);
        scene.service().traffic = Reading::Unknown("throttled".to_owned());
        scene.look(&[]);
        scene.status.rollout.as_mut().expect("a rollout").config.on_new_push = crate::config::OnNewPush::Queue;
        scene.look(&[IntentKind::Deploy { images: vec![image("1.2.0", 3, scene.now)], force }]);
        scene.look(&[]);
        assert_eq!(scene.phase() == "deploying", phase == "deploying", "{:?}", scene.waits());
    }
}
