//! What may be put right, and what only a person may.

use super::policies::{cpu, level, tracking, with};
use super::*;
use crate::observation::Reading;
use crate::rollout::{Candidate, Rested, Settled, Target, Wish};

const ALL: Suspended = Suspended::ALL;
const FREE: Suspended = Suspended { scale_in: false, scale_out: false, scheduled: false };

/// Two looks: what is found in both is told, and then asked for.
fn asked(config: &ServiceConfig, status: &Status, sight: &Sight) -> Option<Repair> {
    let subjects = subjects(config, status, Some(Colour::Blue)).expect("the live side is known");
    let judged = judge(config, status, &subjects, sight, &Past::default());
    let mut memory = Memory::default();
    memory.note(&judged, sight.at.minus(Span::mins(10)), APART);
    let first = repair(config, status, &subjects, sight, &judged, &memory);
    assert_eq!(first, None, "one look may be stale");
    memory.note(&judged, sight.at, APART);
    repair(config, status, &subjects, sight, &judged, &memory)
}

fn enforced(scaling: &str) -> ServiceConfig {
    native(&format!("{{ enforce: true, {scaling} }}"))
}

fn bounds(config: &ServiceConfig, sight: &Sight) -> Option<(u32, u32)> {
    asked(config, &Status::default(), sight)?.bounds
}

#[test]
fn declared_bounds_are_registered_unless_they_would_take_tasks_away() {
    let config = enforced("min: 2, max: 10");
    assert_eq!(bounds(&config, &sight(counts(4, 4), Some(target(1, 6)))), Some((2, 10)));
    assert_eq!(bounds(&config, &sight(counts(10, 10), Some(target(1, 20)))), Some((2, 10)));
    assert_eq!(bounds(&config, &sight(counts(11, 11), Some(target(1, 20)))), None, "11 run");
    assert_eq!(bounds(&config, &sight(counts(4, 4), Some(target(2, 10)))), None, "nothing is wrong");
    assert_eq!(bounds(&config, &sight(counts(4, 4), None)), None, "nobody wishes for a target that was taken away");
    let deploying = Counts { deploying: true, ..counts(4, 4) };
    assert_eq!(bounds(&config, &sight(deploying, Some(target(1, 6)))), None);
    assert_eq!(bounds(&enforced("max: 10"), &sight(counts(4, 4), Some(target(1, 6)))), Some((1, 10)), "one alone");
    let off = native("{ min: 2, max: 10 }");
    assert_eq!(bounds(&off, &sight(counts(4, 4), Some(target(1, 6)))), None, "its team did not ask for it");
    let ignored = enforced("min: 2, max: 10, ignore: [otherBounds]");
    assert_eq!(bounds(&ignored, &sight(counts(4, 4), Some(target(1, 6)))), None);
    let mut observes = config.clone();
    observes.mode = crate::config::Mode::Observe;
    assert_eq!(bounds(&observes, &sight(counts(4, 4), Some(target(1, 6)))), None);
}

#[test]
fn what_a_schedule_sets_is_left_to_it() {
    let config = enforced("min: 2, max: 10");
    let mut seen = sight(counts(4, 4), Some(target(4, 20)));
    let action = Scheduled { min: Some(4), max: Some(20) };
    seen.scheduled.insert("shop-api".to_owned(), Reading::Known(vec![action]));
    assert_eq!(bounds(&config, &seen), None);
    seen.scheduled.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    assert_eq!(bounds(&config, &seen), None, "a schedule that could not be read may set it");
}

#[test]
fn nothing_is_asked_for_while_anything_is_deployed_or_was_repaired_within_the_hour() {
    let (config, seen) = (enforced("min: 2, max: 10"), sight(counts(4, 4), Some(target(1, 6))));
    let asks = |status: &Status| asked(&config, status, &seen).is_some();
    assert!(asks(&Status::default()));
    let next = Candidate {
        target: Target::Live,
        wish: Wish::Redeploy,
        at: NOW,
        quiet_until: NOW,
        force: false,
        named: BTreeSet::new(),
        forced: BTreeSet::new(),
    };
    assert!(!asks(&Status { next: Some(next), ..Status::default() }));
    let rolling = Scene::pushed_until("registering").status.rollout;
    assert!(!asks(&Status { rollout: rolling, ..Status::default() }));
    let repaired = |minutes| Status { repaired: Some(NOW.minus(Span::mins(minutes))), ..Status::default() };
    assert!(!asks(&repaired(59)) && asks(&repaired(60)));
}

/// Green is live. It was put to rest by a rollout before, when blue had this.
fn moved(scene: &Scene, had: ScalingReading) -> Status {
    let settled = Settled {
        live: Colour::Green,
        weights: BTreeMap::new(),
        at: NOW,
        differs_since: None,
        corrected: false,
        correcting: None,
        rested: Some(Rested { colour: Colour::Green, had }),
    };
    Status { settled: Some(settled), ..scene.status.clone() }
}

#[test]
fn suspensions_are_lifted_only_where_flipback_left_them() {
    let mut scene = Scene::new();
    scene.config.scaling.enforce = true;
    let had = ScalingReading { suspended: Suspended { scheduled: true, ..FREE }, ..target(2, 8) };
    let seen = |desired: u32, flags: Suspended| {
        let target = ScalingReading { suspended: flags, ..target(0, 8) };
        let name = |name: &str| format!("shop-api-{name}");
        let mut seen = sight(counts(desired, desired), Some(target));
        let (counts, target) = (seen.services.remove("shop-api").unwrap(), seen.targets.remove("shop-api").unwrap());
        seen.services.insert(name("green"), counts);
        seen.targets.insert(name("green"), target);
        seen.scheduled.insert(name("green"), Reading::Known(Vec::new()));
        seen
    };
    let asked = |status: &Status, seen: &Sight| asked(&scene.config, status, seen);
    let status = moved(&scene, had);
    let repair = asked(&status, &seen(2, ALL)).unwrap();
    assert_eq!((repair.colour, repair.suspended, repair.bounds), (Colour::Green, Some(had.suspended), Some((2, 8))));
    assert_eq!(asked(&status, &seen(9, ALL)).unwrap().bounds, None, "a maximum of 8 would take one away");
    let some = Suspended { scale_in: true, ..FREE };
    assert_eq!(asked(&status, &seen(2, some)), None, "a person's");
    let mut others = status.clone();
    others.settled.as_mut().unwrap().rested = None;
    assert_eq!(asked(&others, &seen(2, ALL)), None, "not left by Flipback");
    let mut other = status.clone();
    other.settled.as_mut().unwrap().rested = Some(Rested { colour: Colour::Blue, had });
    assert_eq!(asked(&other, &seen(2, ALL)), None, "of the other side");
    let mut moving = status;
    moving.settled.as_mut().unwrap().differs_since = Some(NOW);
    assert_eq!(asked(&moving, &seen(2, ALL)), None, "somebody moves the traffic");
}

#[test]
fn a_declared_target_without_a_policy_gets_one_of_ours() {
    let config = enforced("cpuTarget: 70, memoryTarget: 80, requestsPerTarget: 500");
    let asked = |policies: Vec<Policy>| {
        let repair = asked(&config, &Status::default(), &with(policies));
        repair.map(|repair| repair.tracking.into_iter().collect::<Vec<_>>()).unwrap_or_default()
    };
    let (cpu70, memory80) = ((Metric::Cpu, level(70.0)), (Metric::Memory, level(80.0)));
    assert_eq!(asked(vec![]), [cpu70, memory80], "which requests count is the team's choice");
    assert_eq!(asked(vec![cpu()]), [memory80]);
    let other = tracking("their-own", Metric::Cpu, 50.0);
    assert_eq!(asked(vec![other]), [memory80], "another target of theirs is told only");
    let ours = tracking("flipback-cpu", Metric::Cpu, 50.0);
    assert_eq!(asked(vec![ours]), [cpu70, memory80], "one of ours gets the new target");
    let steps = Policy { name: "steps".to_owned(), moves: Moves::Steps, alarms: vec!["a".to_owned()] };
    assert_eq!(asked(vec![steps]), [], "they would fight");
}
