//! The laws hold over many schedules of the native engine; every bug planted in it is caught; the usual is reached.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::beliefs;
use sim::counts::Counts;
use sim::native::counts::missing;
use sim::native::{Bug, draw};
use sim::run::run;

/// Two threads, as many as the smallest machine that runs this has cores.
const THREADS: usize = 2;

/// Schedules without a bug.
const CLEAN: u64 = 300;

/// The most schedules until a bug must have been caught.
const UNTIL: u64 = 4_000;

fn on_all_threads(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(&work);
        }
    });
}

#[test]
fn no_law_is_broken_and_the_usual_is_reached() {
    let next = AtomicU64::new(0);
    let all = Mutex::new((Counts::default(), Vec::new()));
    on_all_threads(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= CLEAN {
                return;
            }
            let outcome = run(&draw(seed, None), None, false);
            let mut all = all.lock().unwrap();
            all.0.add(&outcome.counts);
            if let Some(violation) = outcome.violation {
                let again = format!("cargo run --profile sim -p sim -- --engine native --replay {seed}");
                all.1.push(format!("seed {seed}: {violation}\n  {again}"));
            }
        }
    });
    let (counts, broken) = all.into_inner().unwrap();
    println!("{counts}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // What is rarer is asked of the long runs (`sim --engine native --seeds 20000`).
    let common = ["phase", "stage", "status", "strategy", "hook", "cause", "outcome", "notice"];
    let never: Vec<String> =
        missing(&counts).into_iter().filter(|name| common.iter().any(|kind| name.starts_with(kind))).collect();
    assert_eq!(never, Vec::<String>::new(), "never reached in {CLEAN} schedules");
}

#[test]
fn every_planted_bug_is_caught_by_the_law_it_breaks() {
    let next = AtomicU64::new(0);
    let (lines, missed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    on_all_threads(|| {
        while let Some(bug) = Bug::ALL.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            let caught = (0..UNTIL).find_map(|seed| {
                let violation = run(&draw(seed, Some(*bug)), None, false).violation?;
                (violation.law == bug.law()).then_some((seed, violation))
            });
            match caught {
                Some((seed, violation)) => {
                    lines.lock().unwrap().push(format!("{:<24} seed {seed:>4}: {violation}", bug.name()));
                }
                None => missed.lock().unwrap().push(bug.name()),
            }
        }
    });
    for line in lines.into_inner().unwrap() {
        println!("{}", line.chars().take(160).collect::<String>());
    }
    assert_eq!(missed.into_inner().unwrap(), Vec::<&str>::new(), "not caught within {UNTIL} schedules");
}

/// The schedules that each belief about service deployments is played with turned over.
const TURNED_OVER: u64 = 24;

/// Those that each other belief about AWS is played with.
const OTHERS: u64 = 3;

/// Beliefs whose being wrong is not safe under the native engine, each with the law that is broken then (docs/assumptions.md
/// says what follows).
const UNSAFE: &[(&str, u8)] = &[
    ("definitions_are_listed_in_time", 12),
    ("deployments_are_listed_in_time", 3),
    ("rolling_stop_needs_no_rollback", 2),
    ("stop_works_at_every_stage", 2),
    ("traffic_weight_is_shown_at_once", 2),
    ("rollback_successful_means_back", 3),
    ("rollback_successful_means_back", 15),
];

#[test]
fn no_law_is_broken_where_a_belief_about_aws_is_wrong() {
    let native = beliefs::native().map(|name| (name, TURNED_OVER));
    let all: Vec<(&str, u64)> = native.chain(beliefs::managed().map(|name| (name, OTHERS))).collect();
    let next = AtomicU64::new(0);
    let broken = Mutex::new(Vec::new());
    on_all_threads(|| {
        while let Some((name, seeds)) = all.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            let found = beliefs::play(name, 0..*seeds, |seed| draw(seed, None), " --engine native").into_iter();
            let known = |law: u8| UNSAFE.contains(&(*name, law));
            broken.lock().unwrap().extend(found.filter(|(law, _)| !known(*law)).map(|(_, line)| line));
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(UNSAFE.iter().all(|(name, _)| all.iter().any(|(known, _)| known == name)), "a belief that is no more");
}

#[test]
fn a_schedule_plays_the_same_way_twice() {
    for seed in [3, 17] {
        let (one, two) = (run(&draw(seed, None), None, false), run(&draw(seed, None), None, false));
        assert_eq!((one.counts, one.steps), (two.counts, two.steps));
    }
}

#[test]
fn every_law_of_the_native_engine_has_a_planted_bug() {
    for law in [1, 2, 3, 4, 6, 7, 8, 10, 12, 13, 14, 15] {
        assert!(Bug::ALL.iter().any(|bug| bug.law() == law), "law {law} has none");
    }
}
