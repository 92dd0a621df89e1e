//! Many schedules on several threads. What comes out depends on the seeds alone, never on the threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bugs::Bug;
use crate::counts::Counts;
use crate::laws::Violation;
use crate::run::{Outcome, run};
use crate::schedule::Schedule;

/// What many schedules came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// The steps of every schedule that was played.
    pub steps: Vec<u64>,
    /// What was reached.
    pub counts: Counts,
    /// The schedules that broke a law, by seed.
    pub broken: Vec<(u64, Violation)>,
}

impl Played {
    /// The steps of the schedule in the middle.
    #[must_use]
    pub fn median(&self) -> u64 {
        let mut steps = self.steps.clone();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(0)
    }
}

/// So many schedules are played before their outcomes are put together, in the order of their seeds: enough that threads
/// seldom wait for one another, few enough that a broken law is told soon.
const BATCH: u64 = 512;

/// Plays schedules; without `keep_going` the lowest seed that breaks a law is the last one that counts. `progress` is told
/// after each batch.
pub fn play(
    seeds: Range<u64>,
    threads: usize,
    bug: Option<Bug>,
    keep_going: bool,
    draw: impl Fn(u64) -> Schedule + Sync,
    mut progress: impl FnMut(&Played),
) -> Played {
    let mut played = Played::default();
    let mut from = seeds.start;
    while from < seeds.end {
        let to = seeds.end.min(from.saturating_add(BATCH));
        for (seed, outcome) in batch(from..to, threads, bug, &draw) {
            played.steps.push(outcome.steps);
            played.counts.add(&outcome.counts);
            if let Some(violation) = outcome.violation {
                played.broken.push((seed, violation));
                if !keep_going {
                    return played;
                }
            }
        }
        progress(&played);
        from = to;
    }
    played
}

fn batch(
    seeds: Range<u64>,
    threads: usize,
    bug: Option<Bug>,
    draw: &(impl Fn(u64) -> Schedule + Sync),
) -> Vec<(u64, Outcome)> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        let mut own = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            own.push((seed, run(&draw(seed), bug, false)));
        }
        // A thread that panicked takes the whole run with it, when the scope ends.
        outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(own);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|(seed, _)| *seed);
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_the_same_for_any_number_of_threads() {
        let played = |threads, bug, keep_going| play(0..24, threads, bug, keep_going, Schedule::draw, |_| {});
        assert_eq!(played(1, None, true), played(3, None, true));
        let bug = Bug::named("no-drain");
        let (one, three) = (played(1, bug, false), played(3, bug, false));
        assert_eq!(one, three);
        assert_eq!(one.broken.len(), 1, "the first broken law is the last schedule that counts");
    }
}
