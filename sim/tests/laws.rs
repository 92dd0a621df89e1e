//! The laws hold over many schedules; every planted bug is caught; nothing of interest is left out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::beliefs;
use sim::bugs::Bug;
use sim::counts::{Counts, RARE, TRANSITIONS};
use sim::laws::words;
use sim::names::PHASES;
use sim::run::run;
use sim::schedule::Schedule;

/// Two threads, as many as the smallest machine that runs this has cores.
const THREADS: usize = 2;

/// Schedules without a bug.
const CLEAN: u64 = 240;

/// The most schedules until a bug must have been caught.
const UNTIL: u64 = 6_000;

fn on_all_threads(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(&work);
        }
    });
}

#[test]
fn no_law_is_broken_and_everything_is_reached() {
    let next = AtomicU64::new(0);
    let all = Mutex::new((Counts::default(), Vec::new()));
    on_all_threads(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= CLEAN {
                return;
            }
            let outcome = run(&Schedule::draw(seed), None, false);
            let mut all = all.lock().unwrap();
            all.0.add(&outcome.counts);
            if let Some(violation) = outcome.violation {
                all.1.push(format!("seed {seed}: {violation}\n  cargo run --profile sim -p sim -- --replay {seed}"));
            }
        }
    });
    let (counts, broken) = all.into_inner().unwrap();
    println!("{counts}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // What is rarer than these is asked of the long runs (`sim --seeds 20000` and more).
    let common = |kind: &str| ["phase", "push", "plot"].contains(&kind);
    assert_eq!(counts.missing_of(common), Vec::<String>::new(), "never reached in {CLEAN} schedules");
}

#[test]
fn every_planted_bug_is_caught_by_the_law_it_breaks() {
    let next = AtomicU64::new(0);
    let lines = Mutex::new(Vec::new());
    let missed = Mutex::new(Vec::new());
    on_all_threads(|| {
        while let Some(bug) = Bug::ALL.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            let caught = (0..UNTIL).find_map(|seed| {
                let violation = run(&Schedule::draw(seed), Some(*bug), false).violation?;
                (violation.law == bug.law()).then_some((seed, violation))
            });
            match caught {
                Some((seed, violation)) => {
                    lines.lock().unwrap().push(format!("{:<24} seed {seed:>4}: {violation}", bug.name()))
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

#[test]
fn a_schedule_plays_the_same_way_twice() {
    for seed in [3, 17] {
        let (one, two) = (run(&Schedule::draw(seed), None, false), run(&Schedule::draw(seed), None, false));
        assert_eq!((one.counts, one.steps), (two.counts, two.steps));
    }
}

#[test]
fn every_law_has_at_least_two_planted_bugs() {
    let bugs = |law: u8| Bug::ALL.iter().filter(|bug| bug.law() == law).map(|bug| bug.name()).collect::<Vec<_>>();
    for law in 1..=15 {
        println!("{law:>2} {:<60} {}", words(law), bugs(law).join(", "));
        assert!(bugs(law).len() >= 2, "law {law} has only {:?}", bugs(law));
    }
}

#[test]
fn every_transition_that_a_table_names_is_between_phases() {
    for (from, to) in TRANSITIONS.iter().chain(RARE) {
        for phase in to.iter().chain([from]) {
            assert!(PHASES.contains(phase) || *phase == "idle", "{phase} is no phase");
        }
    }
    let from: Vec<&str> = TRANSITIONS.iter().map(|(from, _)| *from).collect();
    assert!(PHASES.iter().all(|phase| from.contains(phase)), "a phase without a way out");
}

/// The schedules that each belief about AWS is played with turned over.
const TURNED_OVER: u64 = 12;

/// Beliefs whose being wrong is not safe, each with the law that is broken then (docs/assumptions.md says what follows).
const UNSAFE: &[(&str, u8)] =
    &[("modify_rule_keeps_conditions", 7), ("definitions_are_listed_in_time", 12), ("suspension_keeps_bounds", 9)];

#[test]
fn no_law_is_broken_where_a_belief_about_aws_is_wrong() {
    let names: Vec<&str> = beliefs::managed().collect();
    let next = AtomicU64::new(0);
    let broken = Mutex::new(Vec::new());
    on_all_threads(|| {
        while let Some(name) = names.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            let found = beliefs::play(name, 0..TURNED_OVER, Schedule::draw, "").into_iter();
            let known = |law: u8| UNSAFE.contains(&(name, law));
            broken.lock().unwrap().extend(found.filter(|(law, _)| !known(*law)).map(|(_, line)| line));
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(UNSAFE.iter().all(|(name, _)| names.contains(name)), "a belief that is no more");
}
