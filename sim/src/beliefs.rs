//! The model's unproven beliefs about AWS by name, so that a whole run can be made with one of them turned over. The list
//! is the model's own: a belief that is added there is played here.

use std::ops::Range;

use model::Beliefs;

use crate::run::run;
use crate::schedule::Schedule;

/// From this number on they are about service deployments, which the native engine alone reads.
const NATIVE: u32 = 51;

/// Every belief's name.
pub fn all() -> impl Iterator<Item = &'static str> {
    Beliefs::ALL.iter().map(|belief| belief.name)
}

/// Those that the managed engine may rest on.
pub fn managed() -> impl Iterator<Item = &'static str> {
    Beliefs::ALL.iter().filter(|belief| belief.number < NATIVE).map(|belief| belief.name)
}

/// Those about service deployments.
pub fn native() -> impl Iterator<Item = &'static str> {
    Beliefs::ALL.iter().filter(|belief| belief.number >= NATIVE).map(|belief| belief.name)
}

/// Turns a belief over; false: there is none of this name.
pub fn turn_over(beliefs: &mut Beliefs, name: &str) -> bool {
    beliefs.turn_over(name)
}

/// Plays schedules with a belief turned over; the broken laws, each in words with the command that plays it again. `with`
/// is what that command needs beside the seed, for these schedules.
#[must_use]
pub fn play(name: &str, seeds: Range<u64>, draw: impl Fn(u64) -> Schedule, with: &str) -> Vec<(u8, String)> {
    let played = |seed| {
        let mut schedule = draw(seed);
        turn_over(&mut schedule.pace.settings.beliefs, name);
        let violation = run(&schedule, None, false).violation?;
        let again = format!("cargo run --profile sim -p sim -- --replay {seed}{with} --belief {name}");
        Some((violation.law, format!("{name}, seed {seed}: {violation}\n  replay: {again}")))
    };
    seeds.filter_map(played).collect()
}

#[cfg(test)]
mod tests {
    use super::{all, managed, native, turn_over};
    use model::Beliefs;

    #[test]
    fn every_belief_can_be_turned_over_and_back() {
        for name in all() {
            let mut beliefs = Beliefs::default();
            assert!(turn_over(&mut beliefs, name));
            assert_ne!(beliefs, Beliefs::default(), "{name}");
            assert!(turn_over(&mut beliefs, name));
            assert_eq!(beliefs, Beliefs::default(), "{name}");
        }
        assert!(!turn_over(&mut Beliefs::default(), "no such belief"));
    }

    #[test]
    fn every_belief_is_of_one_engine() {
        assert!(managed().chain(native()).eq(all()));
        assert!(native().count() > 10);
    }
}
