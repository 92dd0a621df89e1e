//! Capacity never shrinks, and alarms belong to a side (laws 9 and 10).

use super::{MS, called, confirmed, fired, look_at, push, raises, silent, since, started, throttled};
use crate::decide::fixture::{RULE, Scene, alarm, image, tg, weights};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{AlarmReading, AlarmState, Reading, RequestCount, ScalingReading, Suspended};
use crate::rollout::{AlarmSide, Cause, IntentKind, Outcome, ScalingWanted};
use crate::time::{Span, Time};

#[test]
fn law_9_scale_in_is_suspended_before_the_first_shift_and_restored_at_the_end() {
    let mut scene = Scene::new();
    let prior = ScalingReading { min: 2, max: 8, suspended: Suspended { scheduled: true, ..Suspended::default() } };
    let rest = ScalingReading { min: 0, max: 8, suspended: Suspended::ALL };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().scaling = Reading::Known(Some(prior));
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = Reading::Known(Some(rest));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until("starting");
    scene.look(&[]);
    let start = scene.last.clone().unwrap();
    assert!(matches!(start.effects[..], [crate::decision::Effect { action: Action::Start { .. }, .. }]));
    scene.obey();
    scene.until("shifting");
    for colour in Colour::BOTH {
        let now = scene.seen.colours[&colour].scaling.known().unwrap().unwrap();
        assert_eq!((now.min, now.max, now.suspended.scale_in), (2, 8, true), "{colour}");
    }
    scene.until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    assert_eq!(scene.seen.colours[&Colour::Green].scaling, Reading::Known(Some(prior)));
    assert_eq!(scene.seen.colours[&Colour::Blue].scaling, Reading::Known(Some(rest)));
}

#[test]
fn law_9_the_rest_bounds_are_written_before_desired_0() {
    let mut scene = Scene::new();
    let target = ScalingReading { min: 2, max: 8, suspended: Suspended::default() };
    for reading in scene.seen.colours.values_mut() {
        reading.scaling = Reading::Known(Some(target));
        reading.requests = Reading::Known(RequestCount { count: 0, complete_until: Time(u64::MAX) });
    }
    scene.config.no_traffic = crate::config::NoTraffic::Proceed;
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until("resting");
    let mut order = Vec::new();
    while scene.phase() == "resting" {
        for effect in scene.look(&[]).effects {
            match effect.action {
                Action::Scaling { colour: Colour::Blue, wanted } => order.push(format!("{:?}", wanted.bounds)),
                Action::Scale { colour: Colour::Blue, desired } => order.push(desired.to_string()),
                _ => {}
            }
        }
        scene.obey();
        scene.pass(Span::secs(70));
    }
    assert_eq!(order, ["Some((0, 8))", "0"]);
}

#[test]
fn law_9_the_candidate_follows_the_live_side_in_size() {
    let mut scene = Scene::pushed_until("baking");
    scene.service(Colour::Blue).desired = 4;
    let decision = scene.look(&[]);
    assert_eq!(decision.effects[0].action, Action::Scale { colour: Colour::Green, desired: 4 });
}

#[test]
fn law_10_an_alarm_of_the_stable_side_holds_and_calls_a_person() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.alarms.insert("blue-5xx".into(), alarm(AlarmState::Alarm));
    scene.pass(Span::mins(5));
    let decision = scene.look(&[fired("blue-5xx", scene.now)]);
    assert!(decision.effects.is_empty());
    assert!(matches!(decision.waiting, Waiting::StableAlarm(_)));
    assert!(matches!(decision.notices[0].milestone, Milestone::Call { .. }));
    scene.pass(Span::mins(120));
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking", "no deadline moves traffic to a side that hurts");
}

#[test]
fn law_10_a_rollout_whose_candidate_no_alarm_covers_is_refused() {
    let mut scene = Scene::new();
    scene.config.alarms.green.clear();
    scene.config.alarms.both.clear();
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    assert!(
        matches!(scene.status.last.clone().unwrap().outcome, Outcome::Refused(why) if why.contains("no alarm covers green"))
    );
}

#[test]
fn an_old_alarm_event_from_before_the_first_shift_is_no_harm() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", Time(1))]);
    assert_eq!(scene.phase(), "baking");
}

/// Both sides have a scalable target; the candidate was started.
fn scaled() -> Scene {
    let mut scene = Scene::new();
    let live = ScalingReading { min: 2, max: 8, suspended: Suspended::default() };
    let rest = ScalingReading { min: 0, max: 8, suspended: Suspended::ALL };
    for (colour, reading) in [(Colour::Blue, live), (Colour::Green, rest)] {
        scene.seen.colours.get_mut(&colour).unwrap().scaling = Reading::Known(Some(reading));
    }
    scene.look(&[push(2)]);
    scene.until("starting");
    scene.look(&[]);
    scene.obey();
    scene
}

#[test]
fn law_9_traffic_is_raised_only_while_both_scalable_targets_read_as_they_shall() {
    for colour in Colour::BOTH {
        let mut scene = scaled();
        scene.look(&[]);
        scene.obey();
        let right = scene.seen.colours[&colour].scaling.clone();
        let ScalingReading { min, max, suspended } = right.known().unwrap().unwrap();
        let scale_in = ScalingReading { min, max, suspended: Suspended { scale_in: false, ..suspended } };
        for (wrong, sent) in [(throttled(), false), (Reading::Known(Some(scale_in)), true)] {
            scene.seen.colours.get_mut(&colour).unwrap().scaling = wrong;
            let decision = scene.look(&[]);
            assert!(!raises(&scene), "{colour}");
            let acts = |action: &Action| matches!(action, Action::Scaling { colour: whose, .. } if *whose == colour);
            assert_eq!(decision.effects.iter().any(|effect| acts(&effect.action)), sent, "{colour}");
        }
        scene.seen.colours.get_mut(&colour).unwrap().scaling = right;
        scene.look(&[]);
        assert!(raises(&scene));
    }
    // The candidate's bounds are the live side's.
    let mut scene = scaled();
    scene.look(&[]);
    scene.obey();
    let Reading::Known(Some(green)) = &mut scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling else {
        panic!()
    };
    green.max = 3;
    let wanted =
        ScalingWanted { bounds: Some((2, 8)), suspended: Suspended { scale_in: true, ..Suspended::default() } };
    assert_eq!(scene.look(&[]).effects[0].action, Action::Scaling { colour: Colour::Green, wanted });
}

#[test]
fn law_9_a_scalable_target_that_somebody_took_away_is_not_waited_for() {
    let mut scene = scaled();
    for reading in scene.seen.colours.values_mut() {
        reading.scaling = Reading::Known(None);
    }
    scene.look(&[]);
    assert!(raises(&scene));
}

#[test]
fn law_9_a_rollback_restores_the_stable_sides_scaling_and_brings_the_candidate_to_rest() {
    let mut scene = scaled();
    let prior = ScalingReading { min: 2, max: 8, suspended: Suspended::default() };
    scene.until("baking");
    silent(&mut scene, Colour::Green);
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("idle");
    assert_eq!(scene.service(Colour::Green).desired, 0);
    let rest = ScalingReading { min: 0, max: 8, suspended: Suspended::ALL };
    assert_eq!(scene.seen.colours[&Colour::Green].scaling, Reading::Known(Some(rest)));
    assert_eq!(scene.seen.colours[&Colour::Blue].scaling, Reading::Known(Some(prior)));
    let settled = scene.status.settled.unwrap();
    assert_eq!((settled.live, &settled.weights[&RULE.into()]), (Colour::Blue, &weights(100, 0)));
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::RolledBack(Cause::Alarm { .. })));
}

#[test]
fn law_9_the_live_side_follows_a_larger_candidate() {
    let mut scene = Scene::pushed_until("baking");
    let green = scene.service(Colour::Green);
    (green.desired, green.running) = (4, 4);
    scene.targets(Colour::Green).healthy = 4;
    let decision = scene.look(&[]);
    assert_eq!(decision.effects[0].action, Action::Scale { colour: Colour::Blue, desired: 4 });
}

#[test]
fn law_9_a_side_kept_warm_that_cannot_follow_calls_a_person_in_time() {
    let mut scene = Scene::pushed_until("standby");
    let ends = since(&scene).plus(Span::mins(10 + 60));
    scene.service(Colour::Green).desired = 4;
    look_at(&mut scene, ends.minus(MS));
    assert_eq!(called(&scene), None);
    look_at(&mut scene, ends);
    assert!(called(&scene).is_some_and(|why| why.contains("blue") && why.contains("could not follow")));
    assert_eq!(scene.phase(), "standby");
}

#[test]
fn law_10_an_alarm_is_told_to_a_side_by_its_dimensions() {
    let group = |colour| tg(colour).0.split_once(":targetgroup/").map(|(_, id)| format!("targetgroup/{id}")).unwrap();
    let cases: [(&[&str], Vec<String>, AlarmSide); 6] = [
        (&["shop-api-blue"], vec![], AlarmSide::Only(Colour::Blue)),
        (&["shop-api-green"], vec![], AlarmSide::Only(Colour::Green)),
        (&[], vec![group(Colour::Blue)], AlarmSide::Only(Colour::Blue)),
        (&[], vec![group(Colour::Green)], AlarmSide::Only(Colour::Green)),
        (&["shop-api-blue"], vec![group(Colour::Green)], AlarmSide::Both),
        (&["another"], vec!["targetgroup/another/9".to_owned()], AlarmSide::Both),
    ];
    for (services, groups, side) in cases {
        let mut scene = Scene::new();
        scene.config.alarms.by_dimension = vec!["listed".into()];
        let Reading::Known(Some(ok)) = alarm(AlarmState::Ok) else { unreachable!() };
        let services = services.iter().map(|&name| name.to_owned()).collect();
        let reading = AlarmReading { services, target_groups: groups.into_iter().collect(), ..ok };
        scene.seen.alarms.insert("listed".into(), Reading::Known(Some(reading)));
        scene.look(&[push(2)]);
        scene.until("registering");
        assert_eq!(scene.status.rollout.unwrap().sides[&"listed".into()], side);
    }
}

#[test]
fn law_10_a_candidate_without_alarms_may_go_where_that_was_accepted_in_words() {
    let mut scene = Scene::new();
    scene.config.accept_no_alarms = true;
    scene.config.alarms.green.clear();
    scene.config.alarms.both.clear();
    scene.look(&[push(2)]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn law_10_an_alarm_of_the_stable_side_holds_the_first_raise_too() {
    let mut scene = started();
    scene.seen.alarms.insert("blue-5xx".into(), alarm(AlarmState::Alarm));
    let decision = scene.look(&[]);
    assert!(!raises(&scene) && matches!(decision.waiting, Waiting::StableAlarm(_)));
    assert!(called(&scene).is_some_and(|why| why.contains("blue-5xx")));
    scene.seen.alarms.insert("blue-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    assert!(raises(&scene));
}

#[test]
fn law_10_an_alarm_of_the_candidate_holds_the_first_raise_by_name() {
    let mut scene = started();
    scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Alarm));
    let decision = scene.look(&[]);
    assert_eq!((raises(&scene), decision.waiting), (false, Waiting::AlarmsFiring(vec!["green-5xx".to_owned()])));
}

#[test]
fn law_9_a_rollout_that_a_person_lets_go_on_from_its_rest_suspends_scale_in_again_first() {
    let mut scene = scaled();
    scene.until("resting");
    let active = ScalingReading { min: 2, max: 8, suspended: Suspended::default() };
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = Reading::Known(Some(active));
    let free = |scene: &Scene| {
        let reading = scene.seen.colours[&Colour::Green].scaling.known().copied().flatten();
        reading.is_some_and(|reading| !reading.suspended.scale_in)
    };
    assert!(free(&scene), "the new side scales again");
    scene.weigh(30, 70);
    confirmed(&mut scene);
    scene.look(&[IntentKind::Resume { rollout: scene.id() }]);
    for _ in 0..6 {
        scene.look(&[]);
        assert!(!(raises(&scene) && free(&scene)), "traffic is raised while green may scale in");
        scene.obey();
        scene.pass(Span::secs(10));
    }
    assert!(!free(&scene));
}
