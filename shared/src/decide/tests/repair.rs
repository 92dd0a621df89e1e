//! The live side's scaling is put right at rest, as the check asked for: laws 3, 8, 9 and 15.

use std::collections::BTreeMap;

use super::{MS, called, push, silent, throttled, told};
use crate::config::Mode;
use crate::decide::fixture::Scene;
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{EffectFailure, Reading, ScalingReading, Suspended};
use crate::rollout::{Intent, IntentKind, Rested};
use crate::scaling::{Level, Mend, Metric, Repair};
use crate::time::Span;

const FREE: Suspended = Suspended { scale_in: false, scale_out: false, scheduled: false };

/// Green is live with two tasks, blue rests; both have a scalable target, and the team lets Flipback put it right.
fn settled() -> Scene {
    let mut scene = Scene::new();
    let live = ScalingReading { min: 2, max: 8, suspended: FREE };
    let rest = ScalingReading { min: 0, max: 8, suspended: Suspended::ALL };
    for (colour, reading) in [(Colour::Blue, live), (Colour::Green, rest)] {
        scene.seen.colours.get_mut(&colour).unwrap().scaling = Reading::Known(Some(reading));
    }
    let scaling = &mut scene.config.scaling;
    (scaling.min, scaling.max, scaling.enforce) = (Some(2), Some(10), true);
    scaling.cpu_target = Level::try_from(70.0).ok();
    scene.look(&[push(2)]);
    scene.until("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    scene.pass(Span::mins(5));
    scene.look(&[]);
    scene
}

fn green(scene: &mut Scene) -> &mut ScalingReading {
    match scene.seen.colours.get_mut(&Colour::Green).map(|reading| &mut reading.scaling) {
        Some(Reading::Known(Some(reading))) => reading,
        other => panic!("{other:?}"),
    }
}

fn wish(bounds: (u32, u32)) -> IntentKind {
    IntentKind::Repair { repair: repair(Colour::Green, bounds) }
}

fn repair(colour: Colour, (min, max): (u32, u32)) -> Repair {
    Repair { colour, min: Some(min), max: Some(max), suspended: None, tracking: BTreeMap::new() }
}

fn sent(scene: &Scene) -> Vec<Mend> {
    let effects = scene.last.iter().flat_map(|decision| &decision.effects);
    let all = effects.map(|effect| match &effect.action {
        Action::Mend { colour: Colour::Green, what } => *what,
        other => panic!("{other:?}"),
    });
    all.collect()
}

const RAISED: Mend = Mend::Target { min: None, max: Some(10), suspended: None };

/// The check's wish was taken, and the next look has written.
fn begun() -> Scene {
    let mut scene = settled();
    let decision = scene.look(&[wish((2, 10))]);
    assert_eq!((sent(&scene), decision.look), (vec![], Some(Span(0))), "nothing is written that was not read");
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!(sent(&scene), [RAISED], "only what is lower");
    scene
}

fn over(scene: &mut Scene) {
    let margins = crate::rollout::Margins::default();
    scene.pass(margins.forward);
    scene.pass(margins.effect_lifetime);
    scene.pass(MS);
    scene.look(&[]);
    assert_eq!(scene.status.repairing, None);
}

#[test]
fn law_15_a_repair_is_told_once_when_it_was_read() {
    let mut scene = begun();
    assert_eq!(told(&scene), []);
    scene.pass(Span(14_999));
    scene.look(&[]);
    assert_eq!((sent(&scene), told(&scene)), (vec![], vec![]), "it may not be read yet");
    scene.pass(MS);
    scene.look(&[]);
    assert_eq!((sent(&scene), told(&scene)), (vec![RAISED], vec![]), "not read so: written again");
    scene.obey();
    scene.pass(Span::secs(10));
    scene.look(&[]);
    let now = ScalingReading { min: 2, max: 10, suspended: FREE };
    assert_eq!(sent(&scene), []);
    assert_eq!(
        told(&scene),
        [Milestone::Repaired { service: "shop-api-green".to_owned(), now, tracking: BTreeMap::new() }]
    );
    scene.pass(Span::secs(10));
    scene.look(&[]);
    assert!(told(&scene).is_empty() && scene.status.repairing.is_some(), "its write may land late");
    over(&mut scene);
    assert_eq!(scene.last.unwrap().waiting, Waiting::Idle);
}

#[test]
fn what_is_right_already_is_not_written_and_not_told() {
    for (min, max) in [(2, 10), (3, 11)] {
        let mut scene = settled();
        (green(&mut scene).min, green(&mut scene).max) = (min, max);
        scene.look(&[wish((2, 10))]);
        scene.pass(Span::secs(1));
        scene.look(&[]);
        assert_eq!((sent(&scene), told(&scene), scene.status.repairing), (vec![], vec![], None), "{min} {max}");
    }
}

#[test]
fn law_9_nothing_is_repaired_while_a_rollout_runs_or_waits() {
    let mut scene = settled();
    scene.config.quiet = Span::secs(30);
    scene.look(&[push(3), wish((2, 10))]);
    assert_eq!((scene.status.repairing.clone(), scene.status.next.is_some()), (None, true), "one waits");
    scene.until("starting");
    scene.look(&[wish((2, 10))]);
    assert_eq!(scene.status.repairing, None, "one runs");
}

#[test]
fn law_3_a_rollout_waits_until_no_repair_can_land_any_more() {
    let mut scene = begun();
    let late = scene.status.repairing.clone().unwrap().until.plus(crate::rollout::Margins::default().effect_lifetime);
    scene.look(&[push(3)]);
    while scene.now <= late {
        scene.look(&[]);
        assert_eq!((scene.phase(), sent(&scene)), ("idle", vec![]), "and no other is written meanwhile");
        scene.pass(Span::secs(5));
    }
    scene.until("registering");
    assert_eq!(scene.status.repairing, None);
    // What was not written yet keeps nobody.
    let mut scene = settled();
    scene.look(&[wish((2, 10)), push(3)]);
    scene.pass(scene.config.quiet);
    scene.look(&[]);
    assert_ne!(scene.phase(), "idle");
}

#[test]
fn law_8_what_is_set_again_within_the_hour_is_not_fought() {
    let mut scene = begun();
    let began = scene.status.repaired.unwrap();
    scene.obey();
    scene.pass(Span::secs(10));
    scene.look(&[]);
    over(&mut scene);
    green(&mut scene).max = 3;
    scene.now = began.plus(Span::mins(60)).minus(MS);
    scene.look(&[wish((2, 10))]);
    assert_eq!(scene.status.repairing, None);
    scene.pass(MS);
    scene.look(&[wish((2, 10))]);
    assert!(scene.status.repairing.is_some());
}

#[test]
fn what_somebody_else_writes_meanwhile_is_given_up_after_five_writes() {
    let mut scene = settled();
    scene.look(&[wish((2, 10))]);
    let (mut writes, mut calls) = (0, Vec::new());
    for _ in 0..10 {
        scene.pass(Span::secs(15));
        scene.look(&[]);
        writes += sent(&scene).len();
        calls.extend(called(&scene));
    }
    assert_eq!(writes, 5);
    assert_eq!(
        calls,
        ["the scaling of shop-api-green was to be put right, and reads 2 to 8 tasks, suspended is nothing"]
    );
    over(&mut scene);
}

#[test]
fn what_aws_does_not_allow_is_told_at_once_in_its_words() {
    let mut scene = begun();
    let effect = scene.last.as_ref().unwrap().effects[0].to_string();
    let reason = "AccessDenied".to_owned();
    scene.seen.failures = vec![EffectFailure { effect: effect.clone(), reason, permanent: true }];
    scene.look(&[]);
    for (effect, permanent) in [("set weights", true), (effect.as_str(), false)] {
        let mut other = begun();
        let reason = "AccessDenied".to_owned();
        other.seen.failures = vec![EffectFailure { effect: effect.to_owned(), reason, permanent }];
        other.look(&[]);
        assert_eq!(called(&other), None, "{effect} {permanent}");
    }
    let why = "the scaling of shop-api-green could not be put right: AccessDenied";
    assert_eq!((called(&scene).as_deref(), sent(&scene)), (Some(why), vec![]));
    over(&mut scene);
}

#[test]
fn a_target_that_cannot_be_read_is_waited_for_ten_minutes() {
    let mut scene = begun();
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = throttled();
    let began = scene.status.repaired.unwrap();
    scene.now = began.plus(Span::mins(10)).minus(MS);
    scene.look(&[]);
    assert_eq!((sent(&scene), called(&scene)), (vec![], None));
    scene.pass(MS);
    scene.look(&[]);
    assert!(called(&scene).unwrap().contains("throttled"));
    // Where nothing was written there is nothing to tell.
    let mut scene = settled();
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = throttled();
    scene.look(&[wish((2, 10))]);
    scene.pass(Span::mins(10));
    scene.look(&[]);
    assert_eq!((told(&scene), scene.status.repairing), (vec![], None));
}

#[test]
fn what_somebody_raised_meanwhile_is_left() {
    let mut scene = settled();
    scene.look(&[wish((2, 10))]);
    green(&mut scene).max = 50;
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!((sent(&scene), scene.status.repairing), (vec![], None));
}

#[test]
fn what_the_configuration_does_not_ask_for_any_more_is_not_written() {
    let changes: [fn(&mut Scene); 5] = [
        |scene| scene.config.scaling.enforce = false,
        |scene| scene.config.mode = Mode::Observe,
        |scene| scene.config.scaling.max = Some(30),
        |scene| scene.config.scaling.max = None,
        |scene| scene.config.scaling.min = Some(3),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut scene = settled();
        scene.look(&[wish((2, 10))]);
        change(&mut scene);
        scene.pass(Span::secs(1));
        scene.look(&[]);
        assert_eq!((sent(&scene), scene.status.repairing), (vec![], None), "{n}");
    }
}

#[test]
fn a_wish_that_comes_late_is_not_taken() {
    for (minutes, taken) in [(9, true), (10, false)] {
        let mut scene = settled();
        let at = scene.now.minus(Span::mins(minutes));
        let intent = Intent { id: "late".into(), at, by: "the scaling check".to_owned(), what: wish((2, 10)) };
        scene.inbox(&[intent]);
        assert_eq!(scene.status.repairing.is_some(), taken);
    }
}

#[test]
fn only_the_side_that_was_read_to_be_live_is_written() {
    let mut scene = settled();
    let repair = repair(Colour::Blue, (2, 10));
    scene.look(&[IntentKind::Repair { repair }]);
    assert_eq!(scene.status.repairing, None, "blue rests");
    scene.look(&[wish((2, 10))]);
    let read = scene.seen.routes.clone();
    scene.seen.routes.values_mut().for_each(|reading| *reading = throttled());
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!(sent(&scene), [], "where the traffic goes was not read");
    scene.seen.routes = read;
    scene.weigh(100, 0);
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!((sent(&scene), scene.status.repairing), (vec![], None), "somebody moves it");
}

#[test]
fn before_the_first_rollout_the_routes_tell_which_side_is_live() {
    for (green, writes) in [(100, 1), (50, 0), (0, 0)] {
        let mut scene = settled();
        scene.status.settled = None;
        scene.weigh(100 - green, green);
        scene.look(&[wish((2, 10))]);
        scene.pass(Span::secs(1));
        scene.look(&[]);
        assert_eq!(sent(&scene).len(), writes, "{green}");
    }
    let mut scene = settled();
    scene.status.settled = None;
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().service = throttled();
    scene.look(&[wish((2, 10))]);
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!(sent(&scene), [], "which target groups are whose is not known");
}

#[test]
fn only_where_the_team_lets_it() {
    let mut scene = settled();
    scene.config.scaling.enforce = false;
    scene.look(&[wish((2, 10))]);
    assert_eq!(scene.status.repairing, None);
    scene.config.scaling.enforce = true;
    scene.config.mode = Mode::Observe;
    scene.look(&[wish((2, 10))]);
    assert_eq!(scene.status.repairing, None);
}

#[test]
fn what_a_side_had_when_it_was_put_to_rest_is_kept_until_it_is_given_back() {
    let mut scene = settled();
    let had = ScalingReading { min: 2, max: 8, suspended: FREE };
    let rested = Rested { colour: Colour::Blue, had };
    assert_eq!(scene.status.settled.as_ref().unwrap().rested, Some(rested));
    assert_eq!(scene.status.settled.as_ref().unwrap().left(Colour::Blue, scene.now), None, "it rests");
    // Somebody brings blue up and moves the traffic there.
    let blue = scene.service(Colour::Blue);
    (blue.desired, blue.running) = (2, 2);
    scene.targets(Colour::Blue).healthy = 2;
    scene.weigh(100, 0);
    for _ in 0..3 {
        scene.pass(Span::secs(15));
        scene.look(&[]);
    }
    let settled = scene.status.settled.as_ref().unwrap();
    assert_eq!((settled.live, settled.left(Colour::Blue, scene.now)), (Colour::Blue, Some(had)));
    let repair = Repair { suspended: Some(FREE), ..repair(Colour::Blue, (2, 10)) };
    scene.look(&[IntentKind::Repair { repair }]);
    scene.pass(Span::secs(1));
    scene.look(&[]);
    let effect = scene.last.as_ref().unwrap().effects[0].clone();
    let what = Mend::Target { min: Some(2), max: Some(10), suspended: Some(FREE) };
    assert_eq!(effect.action, Action::Mend { colour: Colour::Blue, what });
    scene.obey();
    scene.pass(Span::secs(10));
    scene.look(&[]);
    assert!(matches!(told(&scene)[..], [Milestone::Repaired { .. }]));
    assert_eq!(scene.status.settled.unwrap().rested, None, "once");
}

#[test]
fn a_policy_is_made_and_told_once_it_is_read() {
    let mut scene = settled();
    let level = Level::try_from(70.0).unwrap();
    let tracking = BTreeMap::from([(Metric::Cpu, level)]);
    let repair = Repair { colour: Colour::Green, min: None, max: None, suspended: None, tracking: tracking.clone() };
    scene.seen.policies = throttled();
    scene.look(&[IntentKind::Repair { repair }]);
    scene.pass(Span::secs(1));
    let decision = scene.look(&[]);
    assert_eq!((decision.effects, told(&scene)), (vec![], vec![]), "what policies there are is not known");
    scene.seen.policies = Reading::Known(Vec::new());
    scene.pass(Span::secs(10));
    let decision = scene.look(&[]);
    let actions: Vec<Action> = decision.effects.into_iter().map(|effect| effect.action).collect();
    assert_eq!(
        actions,
        [Action::Mend { colour: Colour::Green, what: Mend::Policy { metric: Metric::Cpu, target: level } }]
    );
    scene.obey();
    scene.pass(Span::secs(10));
    scene.look(&[]);
    assert!(matches!(&told(&scene)[..], [Milestone::Repaired { tracking: kept, .. }] if *kept == tracking));
    over(&mut scene);
}

#[test]
fn suspensions_stay_while_more_tasks_are_wanted_than_the_maximum() {
    for (desired, max, writes) in [(8, 8, 1), (9, 8, 0), (10, 8, 0)] {
        let mut scene = settled();
        *green(&mut scene) = ScalingReading { min: 2, max, suspended: Suspended::ALL };
        scene.service(Colour::Green).desired = desired;
        let suspended = Some(FREE);
        let wanted = Repair { colour: Colour::Green, min: None, max: None, suspended, tracking: BTreeMap::new() };
        scene.look(&[IntentKind::Repair { repair: wanted }]);
        scene.pass(Span::secs(1));
        scene.look(&[]);
        assert_eq!(sent(&scene).len(), writes, "{desired}");
    }
}

#[test]
fn the_other_side_need_not_be_read_where_the_live_one_is_known() {
    let mut scene = settled();
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().service = throttled();
    scene.look(&[wish((2, 10))]);
    scene.pass(Span::secs(1));
    scene.look(&[]);
    assert_eq!(sent(&scene), [RAISED]);
}
