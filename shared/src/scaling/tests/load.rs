//! What a service uses: for each kind what opens it, what must not, and what neither opens nor closes it.

use super::*;
use crate::rollout::Margins;

/// A load with these values, a period apart, the newest just before now.
pub(super) fn load(cpu: &[u32], memory_high: &[u32], unhealthy: &[u32]) -> Load {
    let series = |values: &[u32]| {
        let at = |n: usize| NOW.minus(Span::mins((values.len() - n) as u64));
        Reading::Known(values.iter().enumerate().map(|(n, &value)| Point { at: at(n), value }).collect())
    };
    Load {
        cpu: series(cpu),
        memory: series(&[30; 15]),
        memory_high: series(memory_high),
        unhealthy: Some(series(unhealthy)),
    }
}

const WELL: [u32; 15] = [40; 15];

/// Four of two to ten tasks, with a policy that keeps a metric at 70 %.
fn scaled(metric: Metric, load: Load) -> Sight {
    let moves = Moves::Tracking {
        metric,
        target: Level::try_from(70.0).expect("a target"),
        group: None,
        only_out: false,
        cooldown: None,
    };
    let policy = Policy { name: "keeps".to_owned(), moves, alarms: vec!["high".to_owned(), "low".to_owned()] };
    let alarm = PolicyAlarm {
        enabled: true,
        above: true,
        state: crate::observation::AlarmState::Ok,
        since: None,
        services: BTreeSet::new(),
    };
    Sight {
        policies: [("shop-api".to_owned(), Reading::Known(vec![policy]))].into(),
        alarms: ["high", "low"].map(|name| (name.to_owned(), Reading::Known(Some(alarm.clone())))).into(),
        loads: [("shop-api".to_owned(), load)].into(),
        ..sight(counts(4, 4), Some(target(2, 10)))
    }
}

/// What is found, and what of the load is not known.
fn seen(sight: &Sight) -> (Vec<FindingKind>, Vec<FindingKind>) {
    let judged = judged(&native("{}"), sight);
    let of_load = [FindingKind::SlowScaleOut, FindingKind::MemoryNearLimit, FindingKind::UnhealthyTargets];
    let unknown = |kind: &FindingKind| judged.unknown.contains(&(*kind, Role::Live));
    (judged.found.iter().map(Finding::kind).collect(), of_load.into_iter().filter(unknown).collect())
}

fn neither(kind: FindingKind) -> (Vec<FindingKind>, Vec<FindingKind>) {
    (vec![], vec![kind])
}

fn found(kind: FindingKind) -> (Vec<FindingKind>, Vec<FindingKind>) {
    (vec![kind], vec![])
}

#[test]
fn scaling_out_is_slow_where_the_metric_stays_above_its_target_though_there_is_room() {
    use FindingKind::SlowScaleOut as Slow;
    let with = |cpu: &[u32]| seen(&scaled(Metric::Cpu, load(cpu, &WELL, &[0; 15])));
    assert_eq!(with(&WELL), (vec![], vec![]));
    assert_eq!(with(&[78; 15]), found(Slow));
    assert_eq!(with(&[77; 15]), neither(Slow), "a tenth above its target at most");
    let mut once = [99; 15];
    once[3] = 70;
    assert_eq!(with(&once), (vec![], vec![]), "it was down at its target within the quarter of an hour");
    once[3] = 71;
    assert_eq!(with(&once), neither(Slow));
    assert_eq!(with(&[99; 12]), found(Slow), "a few values may be missing");
    assert_eq!(with(&[99; 11]), neither(Slow));
    assert_eq!(with(&[]), neither(Slow));
    // The memory is another series, and requests are none of it.
    let mut high = load(&WELL, &WELL, &[0; 15]);
    high.memory = load(&[80; 15], &WELL, &[0; 15]).cpu;
    assert_eq!(seen(&scaled(Metric::Memory, high.clone())), found(Slow));
    assert_eq!(seen(&scaled(Metric::Requests, high)), (vec![], vec![]));
    // What is full, or does not scale at all, is told as that.
    let busy = || scaled(Metric::Cpu, load(&[99; 15], &WELL, &[0; 15]));
    let other = |counts: Counts, target: ScalingReading| Sight {
        policies: busy().policies,
        alarms: busy().alarms,
        loads: busy().loads,
        ..sight(counts, Some(target))
    };
    assert_eq!(seen(&other(counts(10, 10), target(2, 10))), found(FindingKind::AtMax));
    let suspended =
        ScalingReading { suspended: Suspended { scale_out: true, ..Suspended::default() }, ..target(2, 10) };
    assert_eq!(seen(&other(counts(4, 4), suspended)), found(FindingKind::Suspended));
    // While tasks come and go nothing is said.
    let deploying = Counts { deploying: true, ..counts(4, 4) };
    assert_eq!(seen(&other(deploying, target(2, 10))).0, []);
    assert_eq!(seen(&other(Counts { deploying: true, ..counts(4, 4) }, target(2, 10))).1.len(), 3);
    let mut unread = busy();
    unread.policies.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    assert_eq!(seen(&unread), (vec![FindingKind::Unreadable], vec![Slow]));
}

#[test]
fn memory_near_the_limit_opens_at_90_percent_and_closes_below_85() {
    use FindingKind::MemoryNearLimit as Near;
    let with = |high: &[u32]| seen(&scaled(Metric::Cpu, load(&WELL, high, &[0; 15])));
    let some = |value: u32, periods: usize, then: u32| {
        let mut high = vec![value; periods];
        high.resize(15, then);
        with(&high)
    };
    assert_eq!(some(90, 15, 90), found(Near));
    assert_eq!(some(100, 5, 86), found(Near));
    assert_eq!(some(90, 4, 86), neither(Near), "a moment");
    assert_eq!(some(89, 15, 89), neither(Near));
    assert_eq!(some(85, 15, 85), neither(Near));
    assert_eq!(some(95, 10, 84), (vec![], vec![]), "it is over");
    assert_eq!(some(95, 11, 84), found(Near), "not yet");
    assert_eq!(with(&[84; 4]), neither(Near));
    assert_eq!(some(95, 10, 101), (vec![], vec![]), "a reservation is no limit");
}

#[test]
fn what_has_no_task_uses_nothing() {
    let none = Sight { services: sight(counts(0, 0), None).services, ..scaled(Metric::Cpu, load(&[], &[], &[])) };
    assert_eq!(seen(&none).1, []);
}

#[test]
fn targets_are_unhealthy_that_were_so_for_five_minutes() {
    use FindingKind::UnhealthyTargets as Sick;
    let with = |hosts: &[u32]| seen(&scaled(Metric::Cpu, load(&WELL, &WELL, hosts)));
    assert_eq!(with(&[0, 0, 1, 1, 1, 1, 1]), found(Sick));
    assert_eq!(with(&[1, 1, 1, 1, 1, 0]), neither(Sick), "it comes and goes");
    assert_eq!(with(&[1, 0, 0, 0, 0, 0]), (vec![], vec![]));
    assert_eq!(with(&[1, 1, 1, 1]), neither(Sick));
    let severity = |hosts: u32| {
        let sight = scaled(Metric::Cpu, load(&WELL, &WELL, &[hosts; 15]));
        judged(&native("{}"), &sight).found[0].severity()
    };
    assert_eq!((severity(3), severity(4)), (Severity::Warning, Severity::Critical), "four tasks run");
    let mut none = scaled(Metric::Cpu, load(&WELL, &WELL, &[]));
    none.loads.values_mut().for_each(|load| load.unhealthy = None);
    assert_eq!(seen(&none), (vec![], vec![]), "it has no target group");
}

#[test]
fn a_load_that_cannot_be_read_opens_and_closes_nothing() {
    let unread = scaled(Metric::Cpu, Load::unknown("AccessDeniedException"));
    let (found, unknown) = seen(&unread);
    assert_eq!((found, unknown.len()), (vec![FindingKind::Unreadable], 3));
    let mut not_asked = unread;
    not_asked.loads.clear();
    let (found, unknown) = seen(&not_asked);
    assert_eq!((found, unknown.len()), (vec![], 3));
}

#[test]
fn the_window_holds_whole_periods_that_cloudwatch_has() {
    let margins = Margins::default();
    let (from, until) = window(Time(NOW.0 + 30_000), &margins);
    assert_eq!((until, from), (NOW.minus(margins.metric_delay), until.minus(Span(margins.metric_period.0 * 15))));
}
