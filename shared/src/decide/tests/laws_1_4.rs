//! One writer and a deadline, the way back, what settles, and what shrinks (laws 1 to 4).

use super::{MS, failed, fired, look_at, push, raises, silent, since, started, throttled, written};
use crate::decide::fixture::{RULE, Scene, weights};
use crate::decide::watch::drain_window;
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::observation::{Reading, RequestCount, RouteReading, TargetCounts};
use crate::rollout::{IntentKind, Margins, Outcome};
use crate::strategy::Step;
use crate::time::{Span, Time};

#[test]
fn law_1_every_forward_effect_has_a_deadline_and_the_status_remembers_it() {
    let mut scene = Scene::pushed_until("starting");
    let decision = scene.look(&[]);
    let deadline = decision.effects[0].deadline.unwrap();
    assert_eq!(deadline, scene.now.plus(Span::secs(10)));
    assert_eq!(scene.status.rollout.unwrap().forward_until, deadline);
}

#[test]
fn law_2_an_alarm_event_turns_back_in_one_decision_though_nothing_can_be_read() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.routes.insert(RULE.into(), Reading::Unknown("throttled".to_owned()));
    for reading in scene.seen.colours.values_mut() {
        reading.service = Reading::Unknown("throttled".to_owned());
    }
    scene.seen.alarms.clear();
    let decision = scene.look(&[fired("green-5xx", scene.now)]);
    assert_eq!(scene.phase(), "returning");
    let [effect] = &decision.effects[..] else { panic!("{:?}", decision.effects) };
    assert!(effect.is_back());
    assert_eq!(effect.action, Action::Weights { route: RULE.into(), weights: weights(100, 0) });
}

#[test]
fn law_2_behind_the_door_an_alarm_does_not_move_weights() {
    let mut scene = Scene::pushed_until("retiring");
    scene.look(&[fired("green-5xx", scene.now)]);
    assert!(scene.last.unwrap().effects.is_empty());
}

#[test]
fn law_2_a_side_that_lives_is_not_left_for_a_dead_one() {
    let mut scene = Scene::pushed_until("baking");
    scene.targets(Colour::Blue).healthy = 0;
    let decision = scene.look(&[fired("green-5xx", scene.now)]);
    assert!(decision.effects.is_empty(), "{:?}", decision.effects);
    scene.look(&[]);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::Person(_)));
    scene.targets(Colour::Blue).healthy = 2;
    assert_eq!(scene.look(&[]).effects.len(), 1);
}

#[test]
fn law_3_a_forward_write_that_lands_late_is_taken_back_before_it_settles() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("clearing");
    scene.weigh(90, 10);
    scene.look(&[]);
    scene.obey();
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(100, 0));
    assert_eq!(scene.phase(), "returning");
    let told = scene.status.notices;
    scene.until("clearing");
    assert_eq!(scene.status.notices, told, "the rollback is told once");
}

#[test]
fn law_4_a_start_waits_until_weight_0_is_read() {
    let mut scene = Scene::pushed_until("starting");
    scene.seen.routes.insert(RULE.into(), Reading::Unknown("throttled".to_owned()));
    assert!(scene.look(&[]).effects.is_empty());
}

#[test]
fn law_4_nothing_shrinks_while_requests_still_arrive() {
    let mut scene = Scene::pushed_until("resting");
    for _ in 0..20 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(30));
    }
    assert_eq!(scene.service(Colour::Blue).desired, 2);
    assert!(matches!(scene.last.unwrap().waiting, Waiting::Drain(_)));
}

#[test]
fn law_4_one_late_request_does_not_keep_a_side_from_its_rest_for_ever() {
    let scene = Scene::pushed_until("resting");
    let margins = crate::rollout::Margins::default();
    let emptied = scene.status.rollout.as_ref().unwrap().emptied.unwrap();
    let from = |minutes| crate::decide::watch::drain_window(emptied, emptied.plus(Span::mins(minutes)), &margins);
    assert_eq!(from(1), emptied.ceil(Span::mins(1)));
    assert!(from(30) > emptied.plus(Span::mins(20)));
}

#[test]
fn law_2_an_unused_target_group_of_the_stable_side_does_not_forbid_the_flip() {
    let mut scene = Scene::pushed_until("baking");
    let spare: crate::ids::TargetGroupArn = "arn:aws:elasticloadbalancing:r:1:targetgroup/spare/1".into();
    scene.service(Colour::Blue).target_groups.push(spare.clone());
    let unused = crate::observation::TargetCounts { other: 2, ..Default::default() };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().targets.insert(spare, Reading::Known(unused));
    assert_eq!(scene.look(&[fired("green-5xx", scene.now)]).effects.len(), 1);
}

#[test]
fn law_1_a_lost_write_is_sent_again_only_when_the_first_can_be_sent_no_more() {
    let mut scene = started();
    scene.look(&[]);
    assert!(raises(&scene));
    let deadline = scene.now.plus(Span::secs(10));
    look_at(&mut scene, deadline.minus(MS));
    assert!(!raises(&scene));
    assert_eq!(scene.last.as_ref().unwrap().waiting, Waiting::WeightsTo(10));
    look_at(&mut scene, deadline);
    assert!(raises(&scene));
    // Known to have failed, it need not be waited for.
    scene.pass(Span::secs(1));
    scene.seen.failures = vec![failed(false)];
    scene.look(&[]);
    assert!(raises(&scene));
    // A person's pause holds the second try too.
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    scene.pass(Span::mins(1));
    scene.look(&[]);
    assert!(!raises(&scene));
    assert_eq!(scene.last.as_ref().unwrap().waiting, Waiting::Paused);
}

#[test]
fn law_2_from_a_dead_side_the_traffic_goes_back_even_to_a_dead_one() {
    let mut scene = Scene::pushed_until("baking");
    scene.targets(Colour::Blue).healthy = 0;
    *scene.targets(Colour::Green) = TargetCounts { unhealthy: 2, ..Default::default() };
    scene.look(&[]);
    assert_eq!(written(&scene), Some(weights(100, 0)));
}

#[test]
fn law_2_a_route_that_forwards_no_more_is_back_as_it_stands() {
    let mut scene = Scene::pushed_until("baking");
    let gone = RouteReading { weights: Default::default(), stickiness: None, unwritable: None };
    scene.seen.routes.insert(RULE.into(), Reading::Known(gone));
    assert!(scene.look(&[fired("green-5xx", scene.now)]).effects.is_empty());
    scene.look(&[]);
    assert_eq!(scene.phase(), "clearing");
}

#[test]
fn law_2_the_door_stands_one_effect_lifetime_before_anything_of_the_old_side_shrinks() {
    let mut scene = Scene::pushed_until("retiring");
    let opened = since(&scene).plus(Span::secs(30));
    look_at(&mut scene, opened.minus(MS));
    assert_eq!((scene.phase(), scene.last.as_ref().unwrap().waiting.clone()), ("retiring", Waiting::Door(opened)));
    // A forward write that was allowed later keeps it shut as much longer.
    scene.status.rollout.as_mut().unwrap().forward_until = since(&scene).plus(Span::secs(10));
    look_at(&mut scene, opened.plus(Span::secs(10)).minus(MS));
    assert_eq!(scene.phase(), "retiring");
    look_at(&mut scene, opened.plus(Span::secs(10)));
    assert_eq!(scene.phase(), "resting");
}

#[test]
fn law_3_a_rollout_settles_only_on_a_read_later_than_the_last_write_can_land() {
    let mut scene = Scene::pushed_until("resting");
    silent(&mut scene, Colour::Blue);
    while scene.look(&[]).effects.is_empty() {
        scene.pass(Span::secs(10));
    }
    assert_eq!(scene.last.as_ref().unwrap().effects[0].action, Action::Scale { colour: Colour::Blue, desired: 0 });
    scene.obey();
    let landed = scene.now.plus(Span::secs(10 + 30));
    look_at(&mut scene, landed);
    assert_eq!((scene.phase(), scene.last.as_ref().unwrap().waiting.clone()), ("resting", Waiting::LateWrites(landed)));
    let read = scene.seen.routes.insert(RULE.into(), throttled()).unwrap();
    look_at(&mut scene, landed.plus(MS));
    assert_eq!(scene.phase(), "resting", "nor on a look that could not read it");
    scene.seen.routes.insert(RULE.into(), read);
    scene.look(&[]);
    assert_eq!(scene.phase(), "idle");
}

#[test]
fn law_3_a_late_forward_write_is_taken_back_though_the_next_push_waits() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("clearing");
    scene.look(&[push(3)]);
    scene.weigh(90, 10);
    scene.look(&[]);
    assert_eq!((scene.phase(), written(&scene)), ("returning", Some(weights(100, 0))));
}

#[test]
fn law_4_the_idle_colour_is_not_taken_before_its_weight_was_0_for_the_margin_and_a_whole_period() {
    let mut scene = Scene::new();
    (scene.service(Colour::Green).desired, scene.service(Colour::Green).running) = (1, 1);
    let requests = |scene: &mut Scene, complete_until| {
        let count = RequestCount { count: 0, complete_until };
        scene.seen.colours.get_mut(&Colour::Green).unwrap().requests = Reading::Known(count);
    };
    requests(&mut scene, Time(u64::MAX));
    scene.look(&[push(2)]);
    scene.look(&[]);
    let emptied = scene.now;
    look_at(&mut scene, emptied.plus(Span::mins(1)).minus(MS));
    assert!(matches!(&scene.last.as_ref().unwrap().waiting, Waiting::IdleColourBusy(_)));
    requests(&mut scene, emptied.plus(Span::mins(1)).minus(MS));
    look_at(&mut scene, emptied.plus(Span::mins(1)));
    assert!(matches!(&scene.last.as_ref().unwrap().waiting, Waiting::IdleColourBusy(why) if why.contains("period")));
    requests(&mut scene, emptied.plus(Span::mins(1)));
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn law_4_an_idle_colour_that_wants_tasks_or_runs_some_is_busy() {
    for (desired, running) in [(1, 0), (0, 1)] {
        let mut scene = Scene::new();
        (scene.service(Colour::Green).desired, scene.service(Colour::Green).running) = (desired, running);
        scene.look(&[push(2)]);
        scene.looks(20);
        assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::IdleColourBusy(_)), "{desired} {running}");
    }
}

#[test]
fn law_4_the_margin_counts_from_the_first_read_of_weight_0() {
    let mut scene = Scene::new();
    scene.config.steps = vec![Step { weight: 50, bake: MS }, Step { weight: 100, bake: MS }];
    scene.config.standby = Span(0);
    silent(&mut scene, Colour::Blue);
    scene.look(&[push(2)]);
    while scene.seen.routes[&RULE.into()].known().unwrap().weights != weights(0, 100) {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(1));
    }
    let read = scene.now;
    while scene.service(Colour::Blue).desired > 0 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(1));
    }
    assert!(scene.now.since(read) > Span::mins(1), "{}", scene.now.since(read));
}

#[test]
fn law_4_nothing_shrinks_while_a_weight_cannot_be_read() {
    let mut scene = Scene::pushed_until("resting");
    silent(&mut scene, Colour::Blue);
    scene.seen.routes.insert(RULE.into(), throttled());
    for _ in 0..20 {
        assert!(scene.look(&[]).effects.is_empty());
        scene.pass(Span::secs(30));
    }
    assert!(matches!(scene.last.unwrap().waiting, Waiting::Drain(_)));
}

#[test]
fn law_4_a_side_that_somebody_brought_to_rest_or_deleted_is_not_waited_for() {
    for deleted in [false, true] {
        let mut scene = Scene::pushed_until("resting");
        if deleted {
            scene.seen.colours.get_mut(&Colour::Blue).unwrap().service = throttled();
            scene.looks(20);
            assert_eq!(scene.phase(), "resting", "not read is not deleted");
            scene.seen.colours.get_mut(&Colour::Blue).unwrap().service = Reading::Known(None);
        } else {
            (scene.service(Colour::Blue).desired, scene.service(Colour::Blue).running) = (0, 0);
        }
        scene.until("idle");
        assert_eq!(scene.status.last.unwrap().outcome, Outcome::Completed);
    }
}

#[test]
fn law_4_the_drain_window_reaches_back_two_periods_that_are_complete() {
    let from = |emptied, at| drain_window(Time(emptied), Time(at), &Margins::default());
    assert_eq!(from(90_000, 100_000), Time(120_000), "whole periods since it was emptied");
    assert_eq!(from(90_000, 3_599_000), Time(3_300_000), "no further back than two periods and the delay");
}

#[test]
fn law_4_a_group_of_another_route_that_cannot_be_read_does_not_hide_that_this_one_is_dead() {
    let mut scene = Scene::pushed_until("baking");
    let elsewhere = crate::ids::TargetGroupArn("arn:aws:elasticloadbalancing:r:1:targetgroup/elsewhere/1".to_owned());
    let blue = scene.seen.colours.get_mut(&Colour::Blue).unwrap();
    if let Reading::Known(Some(service)) = &mut blue.service {
        service.target_groups.push(elsewhere.clone());
    }
    blue.targets.insert(elsewhere, Reading::Unknown("throttled".to_owned()));
    *scene.targets(Colour::Blue) = crate::observation::TargetCounts { unhealthy: 2, ..Default::default() };
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert_eq!((scene.phase(), written(&scene)), ("returning", None));
}
