//! Healthy is exact (law 5).

use super::{MS, cause, confirmed, look_at, raises, since, started, throttled};
use crate::decide::fixture::{Scene, image, revision};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::observation::{DeploymentReading, Reading, RolloutState, TargetCounts};
use crate::rollout::{Cause, IntentKind, Outcome};
use crate::time::{Span, Time};

#[test]
fn law_5_a_raise_needs_exact_health() {
    type Spoil = fn(&mut Scene);
    let spoils: [(&str, Spoil); 6] = [
        ("deployment in progress", |s| s.service(Colour::Green).deployments[0].state = RolloutState::InProgress),
        ("another revision", |s| s.service(Colour::Green).deployments[0].task_definition = revision(9)),
        ("an older deployment", |s| {
            let old = s.service(Colour::Green).deployments[0].clone();
            s.service(Colour::Green).deployments.push(old);
        }),
        ("a task missing", |s| s.service(Colour::Green).running = 1),
        ("a target not healthy", |s| s.targets(Colour::Green).healthy = 1),
        ("fewer tasks than live", |s| s.service(Colour::Blue).desired = 3),
    ];
    for (name, spoil) in spoils {
        let mut scene = Scene::pushed_until("starting");
        scene.look(&[]);
        scene.obey();
        spoil(&mut scene);
        scene.look(&[]);
        assert!(!raises(&scene), "{name}");
    }
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.look(&[]);
    assert!(raises(&scene), "nothing is wrong");
}

#[test]
fn law_5_unhealthy_targets_in_the_bake_roll_back_without_any_alarm() {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Green) = crate::observation::TargetCounts { unhealthy: 2, ..Default::default() };
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_one_bad_reading_of_several_targets_is_seen_again_first() {
    let mut scene = Scene::pushed_until("baking");
    let counts = scene.targets(Colour::Green);
    (counts.healthy, counts.unhealthy) = (1, 1);
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking");
    scene.pass(Span::secs(15));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_a_colour_that_would_revert_by_itself_is_refused() {
    let mut scene = Scene::new();
    scene.service(Colour::Green).reverts_by_itself = Some("its circuit breaker rolls back".to_owned());
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(why) if why.contains("circuit breaker")));
}

#[test]
fn law_5_a_slow_scale_out_is_no_ailment_but_lost_tasks_are() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..10 {
        scene.look(&[]);
        (scene.service(Colour::Green).desired, scene.service(Colour::Green).running) = (4, 2);
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.phase(), "baking");
    for _ in 0..10 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_a_graver_ailment_is_seen_twice_though_a_slighter_one_came_before() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..6 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    let counts = scene.targets(Colour::Green);
    (counts.healthy, counts.unhealthy) = (1, 1);
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking");
}

#[test]
fn law_5_tasks_that_die_and_are_replaced_again_and_again_are_a_crash_loop() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..3 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
        scene.service(Colour::Green).running = 2;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_a_later_raise_needs_exact_health_as_well() {
    type Spoil = fn(&mut Scene);
    let spoils: [(&str, Spoil); 3] = [
        ("the service names another revision", |s| s.service(Colour::Green).task_definition = revision(9)),
        ("an older deployment", |s| {
            let old = s.service(Colour::Green).deployments[0].clone();
            s.service(Colour::Green).deployments.push(DeploymentReading { primary: false, ..old });
        }),
        ("the live side cannot be read", |s| s.seen.colours.get_mut(&Colour::Blue).unwrap().service = throttled()),
    ];
    for (name, spoil) in spoils {
        let mut scene = Scene::pushed_until("baking");
        scene.pass(Span::mins(3));
        spoil(&mut scene);
        scene.look(&[]);
        assert_eq!((scene.phase(), raises(&scene)), ("baking", false), "{name}");
    }
}

#[test]
fn law_5_a_bake_ends_exactly_at_its_end() {
    let mut scene = Scene::pushed_until("baking");
    let until = since(&scene).plus(Span::mins(3));
    look_at(&mut scene, until.minus(MS));
    assert!(!raises(&scene));
    assert_eq!(scene.last.as_ref().unwrap().waiting, Waiting::Bake { weight: 10, until });
    look_at(&mut scene, until);
    assert!(raises(&scene));
}

#[test]
fn law_5_a_candidate_larger_than_the_live_side_is_fit_and_is_not_made_smaller() {
    let mut scene = started();
    (scene.service(Colour::Green).desired, scene.service(Colour::Green).running) = (4, 4);
    // One target more than tasks: ALB has not taken a stopped one out yet.
    scene.targets(Colour::Green).healthy = 5;
    let decision = scene.look(&[]);
    assert!(raises(&scene));
    assert_eq!(decision.effects.len(), 1, "{:?}", decision.effects);
}

#[test]
fn law_5_a_start_is_sent_anew_when_the_live_side_grew_meanwhile() {
    let mut scene = started();
    scene.service(Colour::Green).deployments[0].state = RolloutState::InProgress;
    scene.look(&[]);
    scene.service(Colour::Blue).desired = 3;
    let decision = scene.look(&[]);
    let start = Action::Start { colour: Colour::Green, revision: revision(2), desired: 3 };
    assert_eq!((&decision.effects[0].action, scene.phase()), (&start, "starting"));
}

#[test]
fn law_5_a_revision_that_somebody_else_deploys_ends_the_rollout() {
    let mut scene = started();
    scene.service(Colour::Green).deployments[0].state = RolloutState::InProgress;
    scene.look(&[]);
    scene.service(Colour::Green).task_definition = revision(9);
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Failed(why)) if why.contains("shop-api:9")));

    let mut scene = Scene::pushed_until("baking");
    scene.service(Colour::Green).deployments[0].task_definition = revision(9);
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking", "seen once");
    scene.pass(Span::secs(10));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(why)) if why.contains("shop-api:9")));
}

#[test]
fn law_5_a_crash_loop_is_three_failed_tasks_or_as_many_as_are_wanted_and_some_missing() {
    for (failed, running, desired, looping) in
        [(3, 1, 2, true), (2, 1, 2, false), (3, 2, 2, false), (4, 4, 5, false), (5, 4, 5, true)]
    {
        let mut scene = started();
        scene.service(Colour::Blue).desired = desired;
        let green = scene.service(Colour::Green);
        (green.desired, green.running, green.deployments[0].failed) = (desired, running, failed);
        scene.look(&[]);
        assert_eq!(matches!(cause(&scene), Some(Cause::Unhealthy(_))), looping, "{failed} {running} {desired}");
    }
    let mut scene = started();
    let deployment = &mut scene.service(Colour::Green).deployments[0];
    (deployment.state, deployment.reason) = (RolloutState::Failed, "tasks failed to start".to_owned());
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(why)) if why.contains("tasks failed to start")));
}

#[test]
fn law_5_an_ailment_is_told_with_its_numbers() {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Green) = TargetCounts { healthy: 1, unhealthy: 2, initial: 3, draining: 7, other: 4 };
    confirmed(&mut scene);
    let ailment = Cause::Unhealthy("2 of 10 targets are unhealthy in shop-green".to_owned());
    assert_eq!(cause(&scene), Some(ailment));

    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Green) = TargetCounts { initial: 2, ..Default::default() };
    confirmed(&mut scene);
    assert_eq!(cause(&scene), Some(Cause::Unhealthy("no target is healthy in shop-green".to_owned())));

    let mut scene = Scene::pushed_until("baking");
    scene.seen.colours.get_mut(&Colour::Green).unwrap().service = Reading::Known(None);
    confirmed(&mut scene);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(why)) if why.contains("does not exist any more")));
}
