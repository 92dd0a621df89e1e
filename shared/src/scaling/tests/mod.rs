//! For each kind what opens it, what must not, and what closes it; and the memory's hysteresis.

mod load;
mod memory;
mod more;
mod past;
mod policies;
mod repair;
mod room;
mod scheduled;

use super::*;
use crate::config::{ServiceConfig, parse};
use crate::decide::fixture::{NATIVE, Scene};
use crate::ids::Colour;
use crate::observation::{Reading, ScalingReading, Suspended};
use crate::rollout::Status;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

const NOW: Time = Time(1_800_000_000_000);
const APART: Span = Span::secs(15);

fn native(scaling: &str) -> ServiceConfig {
    parse(&format!("{NATIVE}    scaling: {scaling}\n")).expect("the fixture parses").remove(0)
}

fn counts(desired: u32, running: u32) -> Counts {
    Counts { desired, running, ..Counts::default() }
}

fn target(min: u32, max: u32) -> ScalingReading {
    ScalingReading { min, max, suspended: Suspended::default() }
}

fn sight(counts: Counts, target: Option<ScalingReading>) -> Sight {
    let name = "shop-api".to_owned();
    Sight {
        at: NOW,
        services: [(name.clone(), Reading::Known(Some(counts)))].into(),
        targets: [(name.clone(), Reading::Known(target))].into(),
        scheduled: [(name, Reading::Known(Vec::new()))].into(),
        ..Sight::default()
    }
}

fn judged(config: &ServiceConfig, sight: &Sight) -> Judged {
    let status = Status::default();
    let subjects = subjects(config, &status, None).expect("a native service is its own live side");
    judge(config, &status, &subjects, sight, &Past::default())
}

fn kinds(config: &ServiceConfig, sight: &Sight) -> Vec<FindingKind> {
    judged(config, sight).found.iter().map(Finding::kind).collect()
}

/// It is told once while it lasts, and its end once, in the second look without it.
fn opens_and_ends(kind: FindingKind, bad: &Judged, good: &Judged) {
    let mut memory = Memory::default();
    let mut look = |judged: &Judged, minutes: u64| {
        let news = memory.note(judged, NOW.plus(Span::mins(minutes)), APART);
        let of = |all: &[Open]| all.iter().filter(|open| open.finding.kind() == kind).count();
        (of(&news.opened), of(&news.closed))
    };
    let lasts: Vec<_> = (0..5).map(|n| look(bad, 5 * n)).collect();
    assert_eq!(lasts.iter().map(|(opened, _)| opened).sum::<usize>(), 1, "{kind:?} {lasts:?}");
    let ends: Vec<_> = (5..9).map(|n| look(good, 5 * n)).collect();
    assert_eq!(ends, [(0, 0), (0, 1), (0, 0), (0, 0)], "{kind:?}");
}

#[test]
fn each_kind_is_found_by_what_is_wrong_and_by_nothing_else() {
    use FindingKind as Kind;
    let plain = native("{}");
    let fine = sight(counts(4, 4), Some(target(2, 10)));
    assert_eq!(kinds(&plain, &fine), [], "2 to 10, and 4 run");
    let with = |scaling: &str, desired: u32, bounds: (u32, u32)| {
        kinds(&native(scaling), &sight(counts(desired, desired), Some(target(bounds.0, bounds.1))))
    };
    assert_eq!(kinds(&plain, &sight(counts(4, 4), None)), [Kind::NoScalableTarget]);
    assert_eq!(with("{ min: 2, max: 10 }", 4, (2, 10)), []);
    assert_eq!(with("{ min: 2, max: 10 }", 4, (2, 8)), [Kind::OtherBounds]);
    assert_eq!(with("{ min: 3 }", 4, (2, 8)), [Kind::OtherBounds], "one bound alone");
    assert_eq!(with("{}", 3, (3, 3)), [Kind::MinIsMax]);
    assert_eq!(with("{ min: 3, max: 3 }", 3, (3, 3)), [], "it is meant so");
    assert_eq!(with("{}", 2, (0, 8)), [Kind::MinZero]);
    assert_eq!(with("{ min: 0 }", 2, (0, 8)), [], "it is meant so");
    assert_eq!(with("{}", 9, (2, 8)), [Kind::MaxBelowDesired]);
    assert_eq!(with("{}", 1, (2, 8)), [Kind::BelowMin]);
    assert_eq!(with("{}", 8, (2, 8)), [Kind::AtMax]);
    assert_eq!(with("{}", 7, (2, 8)), []);
    assert_eq!(with("{ ignore: [atMax] }", 8, (2, 8)), []);
    let suspended = |flags: Suspended| {
        let target = ScalingReading { suspended: flags, ..target(2, 10) };
        kinds(&plain, &sight(counts(4, 4), Some(target)))
    };
    for flags in [
        Suspended { scale_in: true, ..Suspended::default() },
        Suspended { scale_out: true, ..Suspended::default() },
        Suspended { scheduled: true, ..Suspended::default() },
    ] {
        assert_eq!(suspended(flags), [Kind::Suspended], "{flags:?}");
    }
    assert_eq!(kinds(&plain, &sight(counts(4, 3), Some(target(2, 10)))), [Kind::RunningBelowDesired]);
    let deploying = Counts { deploying: true, ..counts(4, 3) };
    assert_eq!(kinds(&plain, &sight(deploying, Some(target(2, 10)))), [], "tasks come and go");
    let none = Counts { deploying: true, ..counts(4, 0) };
    assert_eq!(kinds(&plain, &sight(none, Some(target(2, 10)))), [Kind::RunningBelowDesired], "but not all of them");
    let mut gone = fine.clone();
    gone.services.insert("shop-api".to_owned(), Reading::Known(None));
    assert_eq!(kinds(&plain, &gone), [Kind::Gone]);
}

#[test]
fn ecs_s_word_on_missing_tasks_is_told_while_it_is_recent() {
    let told = |at: Time| {
        let trouble = Some((at, "unable to place a task: no capacity".to_owned()));
        let seen = sight(Counts { trouble, pending: 1, ..counts(4, 2) }, Some(target(2, 10)));
        judged(&native("{}"), &seen).found[0].to_string()
    };
    assert!(
        told(NOW.minus(Span::mins(2)))
            .ends_with("2 of 4 tasks, 1 pending; ECS says: unable to place a task: no capacity")
    );
    assert!(told(NOW.minus(Span::mins(90))).ends_with("1 pending"));
}

#[test]
fn what_cannot_be_read_is_neither_fine_nor_wrong() {
    let config = native("{}");
    let mut seen = sight(counts(8, 8), Some(target(2, 8)));
    seen.targets.insert("shop-api".to_owned(), Reading::Unknown("AccessDenied".to_owned()));
    let found = judged(&config, &seen);
    assert_eq!(found.found.iter().map(Finding::kind).collect::<Vec<_>>(), [FindingKind::Unreadable]);
    assert!(found.unknown.contains(&(FindingKind::AtMax, Role::Live)));
    seen.services.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    let found = judged(&config, &seen);
    assert_eq!(found.found.len(), 1, "told once: {:?}", found.found);
    assert!(found.unknown.contains(&(FindingKind::RunningBelowDesired, Role::Live)));
    // With the bounds alone what they tell is found.
    seen.targets.insert("shop-api".to_owned(), Reading::Known(Some(target(3, 3))));
    let found = judged(&config, &seen);
    assert!(found.found.iter().any(|finding| finding.kind() == FindingKind::MinIsMax), "{found:?}");
    assert!(found.unknown.contains(&(FindingKind::AtMax, Role::Live)));
}

#[test]
fn with_two_colours_the_live_one_is_judged_and_the_other_one_rests() {
    let scene = Scene::new();
    let mut status = scene.status.clone();
    assert_eq!(live(&scene.seen), Some(Colour::Blue));
    assert_eq!(subjects(&scene.config, &status, None), None, "nothing was settled yet: the routes tell");
    let both = subjects(&scene.config, &status, Some(Colour::Blue)).expect("both");
    let name = |colour: Colour| scene.config.engine.service(colour).to_owned();
    assert_eq!(
        both,
        [
            Subject { service: name(Colour::Blue), role: Role::Live },
            Subject { service: name(Colour::Green), role: Role::Idle },
        ]
    );
    let rest = |suspended, min| Sight {
        at: NOW,
        services: [
            (name(Colour::Blue), Reading::Known(Some(counts(4, 4)))),
            (name(Colour::Green), Reading::Known(Some(counts(0, 0)))),
        ]
        .into(),
        targets: [
            (name(Colour::Blue), Reading::Known(Some(target(2, 10)))),
            (name(Colour::Green), Reading::Known(Some(ScalingReading { min, max: 10, suspended }))),
        ]
        .into(),
        scheduled: [(name(Colour::Blue), Reading::Known(Vec::new()))].into(),
        ..Sight::default()
    };
    let found = |status: &Status, sight: &Sight| {
        let both = subjects(&scene.config, status, Some(Colour::Blue)).expect("both");
        judge(&scene.config, status, &both, sight, &Past::default())
    };
    assert_eq!(found(&status, &rest(Suspended::ALL, 0)).found, []);
    for (flags, min) in [(Suspended::default(), 0), (Suspended::ALL, 2)] {
        let kinds: Vec<_> = found(&status, &rest(flags, min)).found.iter().map(Finding::kind).collect();
        assert_eq!(kinds, [FindingKind::IdleNotAtRest], "{flags:?} {min}");
    }
    let resting = found(&status, &rest(Suspended::ALL, 0));
    opens_and_ends(FindingKind::IdleNotAtRest, &found(&status, &rest(Suspended::ALL, 2)), &resting);
    // A rollout suspends scale-in, and brings the other side up.
    let pushed = Scene::pushed_until("starting");
    status = pushed.status.clone();
    let mut during = rest(Suspended::default(), 2);
    let suspended = Suspended { scale_in: true, ..Suspended::default() };
    during.targets.insert(name(Colour::Blue), Reading::Known(Some(ScalingReading { suspended, ..target(2, 10) })));
    let found = found(&status, &during);
    assert_eq!(found.found, []);
    assert!(found.unknown.contains(&(FindingKind::Suspended, Role::Live)));
    assert!(found.unknown.contains(&(FindingKind::IdleNotAtRest, Role::Idle)));
}

/// The memory over looks five minutes apart.
struct Days {
    memory: Memory,
    now: Time,
}

impl Days {
    fn look(&mut self, sight: &Sight) -> (usize, usize) {
        self.judge(&judged(&native("{}"), sight))
    }

    fn judge(&mut self, judged: &Judged) -> (usize, usize) {
        self.now = self.now.plus(Span::mins(5));
        let news = self.memory.note(judged, self.now, APART);
        (news.opened.len(), news.closed.len())
    }
}

fn days() -> Days {
    Days { memory: Memory::default(), now: NOW }
}

#[test]
fn a_finding_opens_once_in_its_second_look_and_closes_once_in_the_second_without_it() {
    let (bad, good) = (sight(counts(4, 4), None), sight(counts(4, 4), Some(target(2, 10))));
    let mut days = days();
    let news: Vec<_> = [&bad, &bad, &bad, &bad, &good, &bad, &good, &good, &good].map(|seen| days.look(seen)).into();
    assert_eq!(news, [(0, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, 0)]);
    assert_eq!(days.memory.open, []);
    assert_eq!(days.look(&bad), (0, 0), "a look that may have been stale");
    assert_eq!(days.look(&good), (0, 0), "and nothing of it is told");
}

#[test]
fn a_look_that_comes_twice_counts_once() {
    let (bad, good) = (judged(&native("{}"), &sight(counts(4, 4), None)), Judged::default());
    let mut memory = Memory::default();
    let mut note = |judged: &Judged, seconds: u64| {
        let news = memory.note(judged, NOW.plus(Span::secs(seconds)), APART);
        (news.opened.len(), news.closed.len())
    };
    assert_eq!((note(&bad, 0), note(&bad, 1)), ((0, 0), (0, 0)));
    assert_eq!((note(&bad, 300), note(&bad, 301)), ((1, 0), (0, 0)));
    assert_eq!((note(&good, 600), note(&good, 601)), ((0, 0), (0, 0)));
    assert_eq!(note(&good, 900), (0, 1));
}

#[test]
fn what_is_at_its_edge_now_and_then_is_told_once_and_what_lasts_gets_worse() {
    let (full, fine) = (sight(counts(10, 10), Some(target(2, 10))), sight(counts(9, 9), Some(target(2, 10))));
    let mut days = days();
    for _ in 0..20 {
        assert_eq!((days.look(&full), days.look(&fine)), ((0, 0), (0, 0)), "never for long");
    }
    let opened: Vec<usize> = (0..4).map(|_| days.look(&full).0).collect();
    assert_eq!(opened, [0, 0, 1, 0], "after ten minutes");
    let mut told = 0;
    for _ in 0..10 {
        assert_eq!(days.look(&fine), (0, 0), "one look without it");
        told += days.look(&full).0;
    }
    assert_eq!(told, 1, "it flaps for more than an hour: worse, once");
    assert_eq!(days.memory.open[0].told, Some(Severity::Critical));
}

#[test]
fn an_unknown_look_opens_and_closes_nothing() {
    let bad = sight(counts(3, 3), Some(target(3, 3)));
    let mut days = days();
    days.look(&bad);
    days.look(&bad);
    let mut unread = bad.clone();
    unread.targets.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    assert_eq!(days.look(&unread), (0, 0));
    assert_eq!(days.look(&unread), (0, 0));
    assert_eq!(days.look(&bad), (0, 0), "it was open all the while");
    assert_eq!(days.memory.open.iter().filter(|open| open.told.is_some()).count(), 1);
}

#[test]
fn a_colour_that_takes_over_brings_its_finding_along() {
    let config = native("{}");
    let mut days = days();
    for name in ["shop-blue", "shop-blue", "shop-green", "shop-green"] {
        let mut found = judged(&config, &sight(counts(4, 4), None));
        found.found.iter_mut().for_each(|finding| finding.service = name.to_owned());
        days.judge(&found);
    }
    assert_eq!(days.memory.open.len(), 1);
    assert_eq!(
        (days.memory.open[0].finding.service.as_str(), days.memory.open[0].since),
        ("shop-green", NOW.plus(Span::mins(5)))
    );
}

#[test]
fn sentences_say_how_bad_since_when_and_what_to_do() {
    let mut memory = Memory::default();
    let found = judged(&native("{}"), &sight(counts(9, 9), Some(target(2, 8))));
    memory.note(&found, NOW, APART);
    let later = NOW.plus(Span::mins(5));
    let news = memory.note(&found, later, APART);
    let (opened, closed) = news.sentences("production", later);
    assert_eq!(closed, Vec::<String>::new());
    assert!(opened[0].starts_with("critical: shop-api wants 9 tasks and its maximum is 8"), "{opened:?}");
    assert!(opened[0].contains(", for 5m (raise the maximum before anything scales: aws "), "{opened:?}");
    assert!(opened[0].contains("service/production/shop-api --max-capacity 9"), "{opened:?}");
}

#[test]
fn every_kind_has_a_name_that_the_file_takes() {
    for kind in FindingKind::ALL {
        assert_eq!(native(&format!("{{ ignore: [{}] }}", kind.name())).scaling.ignore, [*kind].into());
    }
    assert!(
        parse(&format!("{NATIVE}    scaling: {{ ignore: [atMaximum] }}\n")).unwrap_err().to_string().contains("atMax")
    );
    assert!(parse(&format!("{NATIVE}    scaling: {{ min: 5, max: 3 }}\n")).unwrap_err().to_string().contains("min 5"));
}

#[test]
fn what_is_gone_or_not_known_to_be_live_says_nothing_of_what_was_wrong_before() {
    let config = native("{}");
    let full = sight(counts(8, 8), Some(target(2, 8)));
    let mut days = days();
    for _ in 0..4 {
        days.look(&full);
    }
    let mut gone = full.clone();
    gone.services.insert("shop-api".to_owned(), Reading::Known(None));
    let unscaled = sight(counts(8, 8), None);
    for seen in [&gone, &unscaled] {
        let closed: usize = (0..4).map(|_| days.look(seen).1).sum();
        assert!(closed <= 1, "what stood for the one before at most");
        assert!(days.memory.open.iter().any(|open| open.finding.kind() == FindingKind::AtMax), "it is not over");
    }
    let nobody = judge(&config, &Status::default(), &[], &full, &Past::default());
    assert_eq!((nobody.found.len(), days.judge(&nobody), days.judge(&nobody)), (0, (0, 0), (0, 0)));
}

#[test]
fn from_the_standby_on_the_new_side_is_the_live_one() {
    for (phase, live) in [("baking", Colour::Blue), ("standby", Colour::Green), ("retiring", Colour::Green)] {
        let scene = Scene::pushed_until(phase);
        let both = subjects(&scene.config, &scene.status, None).expect("a rollout runs");
        assert_eq!(
            (both[0].role, &both[0].service),
            (Role::Live, &scene.config.engine.service(live).to_owned()),
            "{phase}"
        );
        assert_eq!(both[1].role, Role::Candidate);
    }
}

/// For each kind a sight that has it, beside one that has nothing.
fn wrong(kind: FindingKind, good: &Sight) -> (Sight, Past) {
    use FindingKind as Kind;
    let (mut seen, mut past) = (good.clone(), Past::default());
    let name = || "shop-api".to_owned();
    let group = |turns: bool| Counts { turns, ..counts(4, 4) };
    let mut put = |counts: Counts, target: ScalingReading| {
        seen.services.insert(name(), Reading::Known(Some(room::placed(counts))));
        seen.targets.insert(name(), Reading::Known(Some(target)));
    };
    match kind {
        Kind::NoScalableTarget => drop(seen.targets.insert(name(), Reading::Known(None))),
        Kind::Unreadable => drop(seen.targets.insert(name(), Reading::Unknown("denied".to_owned()))),
        Kind::Gone => drop(seen.services.insert(name(), Reading::Known(None))),
        Kind::OtherBounds => put(counts(4, 4), target(3, 10)),
        Kind::MinIsMax => put(counts(4, 4), target(4, 4)),
        Kind::MinZero => put(counts(4, 4), target(0, 10)),
        Kind::MaxBelowDesired => put(counts(12, 12), target(2, 10)),
        Kind::BelowMin => put(counts(1, 1), target(2, 10)),
        Kind::AtMax => put(counts(10, 10), target(2, 10)),
        Kind::RunningBelowDesired => put(counts(4, 3), target(2, 10)),
        Kind::Suspended => put(counts(4, 4), ScalingReading { suspended: Suspended::ALL, ..target(2, 10) }),
        Kind::NoPolicy => drop(seen.policies.insert(name(), Reading::Known(vec![]))),
        Kind::OtherTarget | Kind::PolicyAlarms | Kind::MixedPolicies | Kind::DrainedGroup => {
            let (metric, value, alarms) = match kind {
                Kind::OtherTarget => (Metric::Cpu, 50.0, 2),
                Kind::DrainedGroup => (Metric::Requests, 70.0, 2),
                _ => (Metric::Cpu, 70.0, if kind == Kind::PolicyAlarms { 0 } else { 2 }),
            };
            put(group(kind == Kind::DrainedGroup), target(2, 10));
            let group = (metric == Metric::Requests).then(|| "targetgroup/another/1".to_owned());
            let level = Level::try_from(value).expect("a target");
            let moves = Moves::Tracking { metric, target: level, group, only_out: false, cooldown: None };
            let alarms = ["high", "low"].iter().take(alarms).map(ToString::to_string).collect();
            let steps = Policy { name: "steps".to_owned(), moves: Moves::Steps, alarms: vec!["busy".to_owned()] };
            let mut all = vec![Policy { name: "p".to_owned(), moves, alarms }];
            all.extend((kind == Kind::MixedPolicies).then_some(steps));
            seen.policies.insert(name(), Reading::Known(all));
        }
        Kind::Flapping => {
            for (ago, desired) in [(50, 4), (40, 8), (30, 4), (20, 8), (10, 4)] {
                past.note(Step { at: seen.at.minus(Span::mins(ago)), desired, running: desired, max: Some(10) });
            }
            put(counts(8, 8), target(2, 10));
        }
        Kind::SlowScaleOut => drop(seen.loads.insert(name(), load::load(&[90; 15], &[30; 15], &[0; 15]))),
        Kind::MemoryNearLimit => drop(seen.loads.insert(name(), load::load(&[40; 15], &[95; 15], &[0; 15]))),
        Kind::UnhealthyTargets => drop(seen.loads.insert(name(), load::load(&[40; 15], &[30; 15], &[1; 15]))),
        Kind::TasksReplaced => {
            past.note(Step { at: seen.at.minus(Span::mins(90)), desired: 4, running: 4, max: Some(10) });
            let started = [5, 15, 25, 35].map(|ago| (seen.at.minus(Span::mins(ago)), 1)).to_vec();
            put(Counts { started, ..counts(4, 4) }, target(2, 10));
        }
        Kind::LongCooldown => {
            past.note(Step { at: seen.at.minus(Span::mins(8)), desired: 3, running: 3, max: Some(10) });
            seen.loads.insert(name(), load::load(&[90; 15], &[30; 15], &[0; 15]));
            if let Some(Reading::Known(all)) = seen.policies.get_mut("shop-api")
                && let Moves::Tracking { cooldown, .. } = &mut all[0].moves
            {
                *cooldown = Some(600);
            }
        }
        Kind::LateHealthy | Kind::FewAddresses | Kind::OneZone | Kind::VcpuQuota => room::without(kind, &mut seen),
        // These have tests of their own: with two colours, with another finding, or with another configuration.
        Kind::IdleNotAtRest | Kind::OutOfStep | Kind::ScalingFails | Kind::OtherRegion => {}
    }
    (seen, past)
}

#[test]
fn each_kind_of_the_live_side_opens_once_and_closes_once() {
    let quiet = PolicyAlarm {
        enabled: true,
        above: true,
        state: crate::observation::AlarmState::Ok,
        since: None,
        services: Default::default(),
    };
    let mut good = room::roomy(counts(4, 4));
    good.loads = [("shop-api".to_owned(), load::load(&[40; 15], &[30; 15], &[0; 15]))].into();
    good.alarms = ["high", "low"].map(|name| (name.to_owned(), Reading::Known(Some(quiet.clone())))).into();
    for kind in FindingKind::ALL {
        use FindingKind::{IdleNotAtRest, OtherRegion, OutOfStep, ScalingFails};
        if [IdleNotAtRest, OutOfStep, ScalingFails, OtherRegion].contains(kind) {
            continue;
        }
        let (status, config) = (
            Status::default(),
            native(match kind {
                FindingKind::OtherBounds => "{ min: 2, max: 10 }",
                FindingKind::OtherTarget => "{ cpuTarget: 70 }",
                _ => "{}",
            }),
        );
        let mut days = days();
        // What is well tracks CPU at 70 %.
        let tracks = Moves::Tracking {
            metric: Metric::Cpu,
            target: Level::try_from(70.0).expect("a target"),
            group: None,
            only_out: false,
            cooldown: None,
        };
        let alarms = vec!["high".to_owned(), "low".to_owned()];
        let cpu = Policy { name: "cpu".to_owned(), moves: tracks, alarms };
        good.policies = [("shop-api".to_owned(), Reading::Known(vec![cpu]))].into();
        let mut look = |bad: bool| {
            let at = days.now;
            let here = Sight { at, ..good.clone() };
            let (seen, past) = if bad { wrong(*kind, &here) } else { (here, Past::default()) };
            let both = subjects(&config, &status, None).expect("one");
            days.judge(&judge(&config, &status, &both, &seen, &past))
        };
        let opened: Vec<usize> = (0..6).map(|_| look(true).0).collect();
        let closed: Vec<usize> = (0..6).map(|_| look(false).1).collect();
        assert_eq!(
            (opened.iter().sum::<usize>(), closed.iter().sum::<usize>()),
            (1, 1),
            "{kind:?} {opened:?} {closed:?}"
        );
        assert_eq!(closed[1], 1, "{kind:?} ends in the second look without it");
    }
}
