//! Rules keep what is theirs, and weights of somebody else (laws 7 and 8).

use super::{MS, all_at_once, called, confirmed, fired, look_at, push, silent, started, told, written};
use crate::decide::fixture::{RULE, Scene, image, weights};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{Reading, RequestCount, RouteReading, TargetCounts};
use crate::rollout::{IntentKind, Outcome};
use crate::time::{Span, Time};

#[test]
fn law_7_an_unwritable_rule_and_stickiness_are_refused_before_anything_starts() {
    for (stickiness, unwritable) in [(Some(Span::mins(1)), None), (None, Some("an unknown action".to_owned()))] {
        let mut scene = Scene::new();
        let reading = RouteReading { weights: weights(100, 0), stickiness, unwritable };
        scene.seen.routes.insert(RULE.into(), Reading::Known(reading));
        scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
        for _ in 0..4 {
            assert!(scene.look(&[]).effects.is_empty());
            scene.pass(Span::secs(10));
        }
        assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(_)));
    }
}

#[test]
fn law_8_foreign_weights_are_held_told_once_and_not_fought() {
    let mut scene = Scene::pushed_until("baking");
    scene.weigh(70, 30);
    scene.look(&[]);
    let told = scene.status.notices;
    for _ in 0..5 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).effects.is_empty());
    }
    assert_eq!(scene.status.notices, told + 1);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::ForeignWeights(_)));
    let resume = IntentKind::Resume { rollout: scene.id() };
    scene.look(&[resume]);
    scene.until("baking");
    assert_eq!(scene.status.rollout.as_ref().unwrap().paused, None);
}

#[test]
fn law_8_weight_on_a_dead_side_is_put_right_once() {
    let mut scene = Scene::pushed_until("starting");
    scene.weigh(0, 100);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    let decision = scene.look(&[]);
    let put_right = Action::Weights { route: RULE.into(), weights: weights(100, 0) };
    assert!(decision.effects.iter().any(|effect| effect.action == put_right), "{:?}", decision.effects);
    // The write was lost: it is sent again, until it is read back.
    scene.pass(Span::secs(15));
    assert!(scene.look(&[]).effects.iter().any(|effect| effect.action == put_right));
    scene.obey();
    let told = |scene: &Scene| {
        scene.last.iter().flat_map(|d| &d.notices).any(|n| matches!(n.milestone, Milestone::Corrected { .. }))
    };
    assert!(!told(&scene), "not told before it is read");
    scene.look(&[]);
    assert!(told(&scene));
    scene.weigh(0, 100);
    for _ in 0..4 {
        scene.pass(Span::secs(15));
        assert!(!scene.look(&[]).effects.iter().any(|effect| effect.action == put_right), "once only");
    }
}

#[test]
fn law_8_settled_weights_reset_to_the_empty_colour_are_put_right() {
    let mut scene = Scene::pushed_until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    scene.weigh(100, 0);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    let decision = scene.look(&[]);
    assert_eq!(decision.effects[0].action, Action::Weights { route: RULE.into(), weights: weights(0, 100) });
    assert!(decision.notices.is_empty(), "not told before it is read");
    scene.obey();
    assert!(matches!(scene.look(&[]).notices[0].milestone, Milestone::Corrected { .. }));
    // A tool that sets them again a little later is not fought.
    scene.weigh(100, 0);
    for _ in 0..4 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).effects.is_empty());
    }
}

#[test]
fn law_8_the_weights_before_a_step_are_foreign_once_the_step_was_read() {
    let mut scene = all_at_once("baking");
    scene.weigh(100, 0);
    for _ in 0..10 {
        assert!(scene.look(&[]).effects.is_empty(), "neither fought nor raised again");
        scene.pass(Span::secs(15));
    }
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::ForeignWeights(_)));
}

#[test]
fn law_8_weights_reset_to_the_resting_side_are_put_right() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    while scene.service(Colour::Blue).desired > 0 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(10));
    }
    assert_eq!(scene.phase(), "resting");
    scene.weigh(100, 0);
    for _ in 0..4 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
}

#[test]
fn law_8_traffic_leaves_a_stable_side_that_lost_all_its_tasks_and_a_person_is_called() {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Blue) = crate::observation::TargetCounts { unhealthy: 2, ..Default::default() };
    let mut told = Vec::new();
    for _ in 0..5 {
        let decision = scene.look(&[]);
        told.extend(decision.notices.into_iter().map(|notice| notice.milestone));
        scene.obey();
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
    assert!(told.iter().any(|milestone| matches!(milestone, Milestone::Call { .. })));
    assert!(told.iter().any(|milestone| matches!(milestone, Milestone::Corrected { to: Colour::Green, .. })));
    scene.pass(Span::mins(10));
    assert!(scene.look(&[]).effects.is_empty());
}

#[test]
fn a_settled_route_that_cannot_be_read_does_not_blind_the_watch_over_the_others() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    let other = crate::ids::RouteArn(format!("{RULE}4"));
    if let crate::config::Engine::Managed(managed) = &mut scene.config.engine {
        managed.routes.push(other.clone())
    }
    scene.status.settled.as_mut().unwrap().weights.insert(other.clone(), weights(0, 100));
    scene.seen.routes.insert(other, Reading::Unknown("RuleNotFound".to_owned()));
    scene.weigh(100, 0);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    assert!(!scene.look(&[]).effects.is_empty());
}

#[test]
fn law_8_a_rollout_that_moved_no_weight_writes_none_when_it_is_taken_back() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.weigh(0, 100);
    let decision = scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(decision.effects.is_empty(), "{:?}", decision.effects);
    assert_eq!(scene.phase(), "clearing");
}

#[test]
fn law_8_weights_of_somebody_else_are_taken_for_rest_only_when_their_side_is_seen_to_live() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    scene.weigh(100, 0);
    let read = scene.seen.colours.clone();
    scene.look(&[]);
    for colour in scene.seen.colours.values_mut() {
        colour.targets.clear();
    }
    for _ in 0..3 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).notices.is_empty());
    }
    scene.seen.colours = read;
    scene.pass(Span::secs(15));
    assert!(!scene.look(&[]).effects.is_empty(), "seen to be dead, it is put right");
}

#[test]
fn law_7_stickiness_that_was_accepted_in_words_is_no_hindrance() {
    let mut scene = Scene::new();
    scene.config.accept_stickiness = true;
    let reading = RouteReading { weights: weights(100, 0), stickiness: Some(Span::mins(1)), unwritable: None };
    scene.seen.routes.insert(RULE.into(), Reading::Known(reading));
    scene.look(&[push(2)]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

/// In the first bake the stable side loses all its targets.
fn stable_side_dies() -> Scene {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Blue) = TargetCounts { unhealthy: 2, ..Default::default() };
    scene.look(&[]);
    assert_eq!(written(&scene), None, "seen once");
    scene
}

#[test]
fn law_8_traffic_leaves_a_dead_stable_side_after_exactly_the_confirmation() {
    let mut scene = stable_side_dies();
    let seen = scene.now;
    look_at(&mut scene, seen.plus(Span::secs(10)).minus(MS));
    assert_eq!(written(&scene), None);
    look_at(&mut scene, seen.plus(Span::secs(10)));
    assert_eq!(written(&scene), Some(weights(0, 100)));
}

#[test]
fn law_8_a_correction_that_is_lost_is_repeated_a_few_times_and_a_person_called_once() {
    let mut scene = stable_side_dies();
    let mut calls = 0;
    for n in 0..8 {
        scene.pass(Span::secs(15));
        scene.look(&[]);
        assert_eq!(written(&scene).is_some(), n < 5, "write {n}");
        calls += usize::from(called(&scene).is_some());
    }
    assert_eq!((calls, scene.phase()), (1, "shifting"));
    assert_eq!(scene.last.unwrap().waiting, Waiting::Paused);
}

#[test]
fn law_8_a_paused_bake_is_corrected_too_and_then_stands_at_the_new_weights() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    *scene.targets(Colour::Blue) = TargetCounts { unhealthy: 2, ..Default::default() };
    confirmed(&mut scene);
    assert_eq!((written(&scene), scene.phase()), (Some(weights(0, 100)), "shifting"));
}

#[test]
fn law_8_a_stable_side_that_lives_again_is_not_left() {
    let mut scene = stable_side_dies();
    let dead = std::mem::replace(scene.targets(Colour::Blue), TargetCounts { healthy: 2, ..Default::default() });
    scene.pass(Span::secs(15));
    scene.look(&[]);
    *scene.targets(Colour::Blue) = dead;
    scene.pass(Span::secs(15));
    scene.look(&[]);
    assert_eq!(written(&scene), None, "it counts anew");
}

#[test]
fn law_8_weights_moved_in_standby_to_a_dead_old_side_are_put_right_to_the_new_one() {
    let mut scene = Scene::pushed_until("standby");
    *scene.targets(Colour::Blue) = TargetCounts { unhealthy: 2, ..Default::default() };
    scene.weigh(50, 50);
    confirmed(&mut scene);
    assert_eq!(written(&scene), Some(weights(0, 100)));
}

#[test]
fn law_8_foreign_weights_on_the_side_that_lives_are_left_there() {
    let mut scene = Scene::pushed_until("baking");
    scene.weigh(100, 0);
    scene.look(&[]);
    *scene.targets(Colour::Green) = TargetCounts { initial: 2, ..Default::default() };
    scene.pass(Span::secs(9));
    scene.look(&[]);
    assert_eq!(written(&scene), None);
    // Nobody is known to live: nothing is better than what stands there.
    let mut scene = Scene::pushed_until("starting");
    scene.targets(Colour::Blue).healthy = 0;
    scene.weigh(50, 50);
    confirmed(&mut scene);
    assert_eq!((written(&scene), called(&scene).is_some()), (None, true));
}

#[test]
fn law_8_foreign_weights_after_a_rollback_are_told_and_left() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("clearing");
    scene.pass(Span::mins(10));
    scene.weigh(70, 30);
    scene.look(&[]);
    assert_eq!((scene.phase(), written(&scene)), ("clearing", None));
    assert!(called(&scene).is_some_and(|why| why.contains("somebody else's weights")));
    assert!(matches!(scene.last.unwrap().waiting, Waiting::ForeignWeights(_)));
}

#[test]
fn law_8_a_cancelled_rollout_leaves_foreign_weights_to_the_push_that_waits() {
    for waits in [false, true] {
        let mut scene = started();
        scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
        scene.weigh(0, 100);
        scene.pass(Span::mins(2));
        scene.look(if waits { &[IntentKind::Redeploy] } else { &[] });
        assert_eq!(scene.phase(), if waits { "idle" } else { "clearing" });
        assert_eq!((called(&scene).is_some(), written(&scene)), (!waits, None));
        assert_eq!(scene.status.settled, None, "what stands there is no rest of ours");
    }
}

#[test]
fn law_15_a_step_is_not_told_while_a_route_that_could_not_be_read_stays_behind() {
    let mut scene = Scene::pushed_until("baking");
    let other = crate::ids::RouteArn(format!("{RULE}4"));
    let rollout = scene.status.rollout.as_mut().unwrap();
    let expected = rollout.routes[&RULE.into()].clone();
    rollout.routes.insert(other.clone(), expected);
    let read = scene.seen.routes[&RULE.into()].clone();
    scene.seen.routes.insert(other.clone(), Reading::Unknown("throttled".to_owned()));
    *scene.targets(Colour::Blue) = TargetCounts { unhealthy: 2, ..Default::default() };
    confirmed(&mut scene);
    let to_other = |scene: &Scene| {
        let effects = scene.last.iter().flat_map(|decision| &decision.effects);
        effects.filter(|e| matches!(&e.action, Action::Weights { route, .. } if *route == other)).count()
    };
    assert_eq!(to_other(&scene), 1, "it is written as well");
    scene.weigh(0, 100);
    scene.seen.routes.insert(other.clone(), read);
    scene.pass(Span::secs(10));
    scene.look(&[]);
    assert_eq!(scene.phase(), "shifting", "one route still has the weights from before");
    assert!(!told(&scene).iter().any(|milestone| matches!(milestone, Milestone::Step { .. })));
}
