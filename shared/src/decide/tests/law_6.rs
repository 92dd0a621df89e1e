//! Missing is not healthy (law 6).

use super::{cause, fired, forced, push, raises, started, throttled, without_data};
use crate::decide::fixture::{Scene, alarm, image};
use crate::decision::Waiting;
use crate::ids::Colour;
use crate::observation::{AlarmReading, AlarmState, Reading, RequestCount};
use crate::rollout::{Cause, IntentKind};
use crate::time::{Span, Time};

#[test]
fn law_6_an_unknown_alarm_never_moves_traffic_forward() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.alarms.insert("green-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.pass(Span::mins(5));
    scene.look(&[]);
    assert!(!raises(&scene));
    assert_eq!(scene.phase(), "baking");
}

#[test]
fn law_6_insufficient_data_is_quiet_only_where_missing_data_is_not_breaching() {
    for (quiet, raised) in [(true, true), (false, false)] {
        let mut scene = Scene::pushed_until("baking");
        let Reading::Known(Some(mut reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
        reading.missing_is_quiet = quiet;
        scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(reading)));
        scene.pass(Span::mins(5));
        scene.look(&[]);
        assert_eq!(raises(&scene), raised);
    }
}

#[test]
fn law_6_a_bake_without_traffic_holds_and_a_promote_ends_it() {
    let mut scene = Scene::pushed_until("baking");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Green).unwrap().requests = Reading::Known(silent);
    scene.pass(Span::mins(5));
    assert_eq!(scene.look(&[]).waiting, Waiting::Traffic);
    let promote = IntentKind::Promote { rollout: scene.id(), step: 0 };
    scene.look(&[promote]);
    assert!(raises(&scene));
}

// Found by the simulation: the first shift looked for alarms that fire only.
#[test]
fn law_6_an_unknown_alarm_does_not_let_the_first_shift_go() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.seen.alarms.insert("green-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.look(&[]);
    assert!(!raises(&scene));
    assert_eq!(scene.phase(), "starting");
    scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    assert!(raises(&scene));
}

#[test]
fn law_6_a_forced_rollout_is_turned_back_by_an_alarm_that_had_no_data_at_the_start() {
    let mut scene = Scene::new();
    let Reading::Known(Some(mut reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
    reading.missing_is_quiet = false;
    scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(reading)));
    scene.look(&[IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: true }]);
    scene.until("baking");
    scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Alarm { .. })));
}

#[test]
fn law_6_an_alarm_that_cannot_be_read_holds_a_push_by_name() {
    for (reading, words) in [(Some(throttled()), "throttled"), (None, "was not read")] {
        let mut scene = Scene::new();
        scene.seen.alarms.remove(&"green-5xx".into());
        scene.seen.alarms.extend(reading.map(|reading| ("green-5xx".into(), reading)));
        scene.look(&[push(2)]);
        scene.looks(3);
        let Waiting::Unknown(why) = scene.last.clone().unwrap().waiting else { panic!("{:?}", scene.last) };
        assert!(scene.phase() == "holding" && why.contains("green-5xx") && why.contains(words), "{why}");
        scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Ok));
        scene.look(&[]);
        assert_eq!(scene.phase(), "registering");
    }
}

#[test]
fn law_6_an_alarm_of_the_stable_side_that_cannot_be_read_holds_every_raise() {
    let mut baking = Scene::pushed_until("baking");
    baking.pass(Span::mins(3));
    for mut scene in [started(), baking] {
        scene.seen.alarms.insert("blue-5xx".into(), throttled());
        scene.look(&[]);
        assert!(!raises(&scene), "{}", scene.phase());
        assert!(matches!(&scene.last.as_ref().unwrap().waiting, Waiting::Unknown(why) if why.contains("blue-5xx")));
        scene.seen.alarms.insert("blue-5xx".into(), without_data(false));
        scene.look(&[]);
        assert!(raises(&scene), "its missing data says nothing of the candidate");
    }
}

#[test]
fn law_6_a_forced_rollout_forgives_what_it_found_and_nothing_else() {
    // The alarm had data at the start: without it later it is not quiet.
    let mut scene = Scene::new();
    let Reading::Known(Some(ok)) = alarm(AlarmState::Ok) else { unreachable!() };
    let ok = AlarmReading { missing_is_quiet: false, ..ok };
    scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(ok)));
    scene.look(&[forced(2)]);
    scene.until("baking");
    scene.seen.alarms.insert("green-5xx".into(), without_data(false));
    scene.pass(Span::mins(5));
    scene.look(&[]);
    assert!(!raises(&scene));

    // The alarm fired at the start: it is forgiven until it was seen OK, also when an event tells of it.
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[forced(2)]);
    scene.until("baking");
    scene.look(&[fired("lb-5xx", scene.now)]);
    assert_eq!(cause(&scene), None);
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Alarm { .. })));
}

#[test]
fn law_6_what_could_not_be_read_is_named() {
    let mut scene = started();
    scene.seen.colours.get_mut(&Colour::Green).unwrap().service = throttled();
    let decision = scene.look(&[]);
    assert_eq!(decision.waiting, Waiting::Unknown("the green service: throttled".to_owned()));
}
