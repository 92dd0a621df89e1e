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
    memory.note(&judged, sight.at.minus(Span::mins(5)), APART);
    repair(config, status, &subjects, sight, &judged, &memory)
}

fn enforced(scaling: &str) -> ServiceConfig {
    native(&format!("{{ enforce: true, {scaling} }}"))
}

fn bounds(config: &ServiceConfig, sight: &Sight) -> (Option<u32>, Option<u32>) {
    asked(config, &Status::default(), sight).map_or((None, None), |repair| (repair.min, repair.max))
}

const NONE: (Option<u32>, Option<u32>) = (None, None);

#[test]
fn declared_bounds_are_raised_and_never_lowered() {
    let config = enforced("min: 2, max: 10");
    let with =
        |config: &ServiceConfig, min: u32, max: u32| bounds(config, &sight(counts(4, 4), Some(target(min, max))));
    assert_eq!(with(&config, 1, 6), (Some(2), Some(10)));
    assert_eq!(with(&config, 1, 20), (Some(2), None), "somebody may have raised it for a busy day");
    assert_eq!(with(&config, 4, 6), (None, Some(10)));
    assert_eq!(with(&config, 4, 20), NONE);
    assert_eq!(with(&config, 2, 10), NONE, "nothing is wrong");
    assert_eq!(with(&enforced("max: 10"), 1, 6), (None, Some(10)), "what is not declared is left");
    assert_eq!(bounds(&config, &sight(counts(4, 4), None)), NONE, "nobody wishes for a target that was taken away");
    let deploying = Counts { deploying: true, ..counts(4, 4) };
    assert_eq!(bounds(&config, &sight(deploying, Some(target(1, 6)))), NONE);
    assert_eq!(with(&native("{ min: 2, max: 10 }"), 1, 6), NONE, "its team did not ask for it");
    assert_eq!(with(&enforced("min: 2, max: 10, ignore: [otherBounds]"), 1, 6), NONE);
    let mut observes = config.clone();
    observes.mode = crate::config::Mode::Observe;
    assert_eq!(with(&observes, 1, 6), NONE);
}

#[test]
fn what_changed_since_it_was_told_is_told_anew_first() {
    let (config, status) = (enforced("min: 2, max: 10"), Status::default());
    let look = |max: u32| {
        let seen = sight(counts(4, 4), Some(target(1, max)));
        let subjects = subjects(&config, &status, None).unwrap();
        let judged = judge(&config, &status, &subjects, &seen, &Past::default());
        (seen, subjects, judged)
    };
    let mut memory = Memory::default();
    for ago in [10, 5] {
        memory.note(&look(6).2, NOW.minus(Span::mins(ago)), APART);
    }
    let repaired = |max: u32| {
        let (seen, subjects, judged) = look(max);
        repair(&config, &status, &subjects, &seen, &judged, &memory).is_some()
    };
    assert!(repaired(6) && !repaired(7));
}

#[test]
fn what_a_schedule_sets_is_left_to_it() {
    let config = enforced("min: 2, max: 10");
    let with = |actions: Reading<Vec<Scheduled>>| {
        let mut seen = sight(counts(4, 4), Some(target(1, 6)));
        seen.scheduled.insert("shop-api".to_owned(), actions);
        bounds(&config, &seen)
    };
    let action = |min: Option<u32>, max: Option<u32>| Reading::Known(vec![Scheduled { min, max }]);
    assert_eq!(with(action(Some(8), None)), (None, Some(10)));
    assert_eq!(with(action(None, Some(20))), (Some(2), None));
    assert_eq!(with(action(Some(8), Some(20))), NONE);
    assert_eq!(with(Reading::Unknown("throttled".to_owned())), NONE, "a schedule that could not be read may set it");
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
    assert_eq!(
        (repair.colour, repair.suspended, repair.min, repair.max),
        (Colour::Green, Some(had.suspended), Some(2), None)
    );
    assert_eq!(asked(&status, &seen(9, ALL)), None, "scaling in to a maximum of 8 would take one away at once");
    let mut old = status.clone();
    old.settled.as_mut().unwrap().at = NOW.minus(Span::mins(24 * 60 + 1));
    assert_eq!(asked(&old, &seen(2, ALL)), None, "a person may have set them since");
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
