//! The laws hold over many schedules; every planted bug is caught; nothing of interest is left out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::bugs::Bug;
use sim::counts::Counts;
use sim::run::run;
use sim::schedule::Schedule;

/// Two threads, as many as the smallest machine that runs this has cores.
const THREADS: usize = 2;

/// Schedules without a bug.
const CLEAN: u64 = 240;

/// The most schedules until a bug must have been caught.
const UNTIL: u64 = 400;

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
                all.1.push(format!("seed {seed}: {violation}\n  cargo run -p sim --release -- --replay {seed}"));
            }
        }
    });
    let (counts, broken) = all.into_inner().unwrap();
    println!("{counts}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(counts.missing(), Vec::<String>::new(), "never reached in {CLEAN} schedules");
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
fn every_law_but_the_stores_has_a_planted_bug() {
    let laws: Vec<u8> = (1..=15).filter(|law| !Bug::ALL.iter().any(|bug| bug.law() == *law)).collect();
    assert_eq!(laws, [11]);
}
