//! What a run reached, counted: a phase, fault, cause or outcome that is never reached is not tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names;

/// Counts by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, BTreeMap<String, u64>>);

/// What goes wrong by itself or follows from a fault, beside the faults that are drawn.
const CONSEQUENCES: [&str; 4] =
    ["landed late after its process died", "function timed out", "save lost to a rival", "clock skewed"];

/// From one phase to another, `idle` before the first and after the last: what a decision can do.
pub const TRANSITIONS: &[(&str, &[&str])] = &[
    ("idle", &["holding"]),
    ("holding", &["registering", "starting", "idle"]),
    ("registering", &["starting", "clearing", "idle"]),
    ("starting", &["shifting", "clearing", "idle"]),
    ("shifting", &["baking", "returning", "clearing", "idle"]),
    ("baking", &["shifting", "standby", "returning", "idle"]),
    ("standby", &["shifting", "retiring", "returning", "idle"]),
    ("retiring", &["shifting", "resting", "idle"]),
    ("resting", &["shifting", "idle"]),
    ("returning", &["clearing", "idle"]),
    ("clearing", &["returning", "idle"]),
];

/// Transitions of which a run of thousands may see none: somebody else's hand and a person's wish in one look, and what took the
/// place of a held push, under an id of its own, and began in that look.
pub const RARE: &[(&str, &[&str])] = &[
    ("idle", &["registering", "starting"]),
    ("baking", &["clearing"]),
    ("standby", &["clearing", "baking"]),
    ("retiring", &["baking", "returning"]),
    ("resting", &["baking", "returning"]),
];

/// Where an intent of each kind may be consumed: anywhere, but that on-alarm saves only what it turns back.
fn consumed(kind: &'static str) -> impl Iterator<Item = String> {
    let phases: Vec<&str> = match kind == names::ALARM_FIRED {
        true => vec!["shifting", "baking", "standby"],
        false => names::PHASES.iter().copied().chain(["idle"]).collect(),
    };
    phases.into_iter().map(move |phase| format!("{kind} in {phase}"))
}

/// What every long run must reach, by kind. The lists are those of the enums themselves.
#[must_use]
pub fn expected() -> Vec<(&'static str, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    // How late metrics and definitions come is up to the world's settings, and check-scaling is no part of the loop.
    let settings = ["metrics read stale", "definitions read stale"];
    let faults = names::FAULTS.iter().filter(|name| !settings.contains(name)).chain(&CONSEQUENCES);
    let told = names::MILESTONES.iter().filter(|name| !name.starts_with("scaling"));
    vec![
        ("phase", owned(names::PHASES)),
        ("fault", faults.map(|name| (*name).to_owned()).collect()),
        ("cause", owned(names::CAUSES)),
        ("outcome", owned(names::OUTCOMES)),
        ("plot", owned(names::PLOTS)),
        ("notice", told.map(|name| (*name).to_owned()).collect()),
        ("push", owned(&["refused silently", "found without an event"])),
        ("next door", owned(&["completed", "rolled back"])),
        ("intent", names::INTENTS.iter().flat_map(|kind| consumed(kind)).collect()),
        ("transition", TRANSITIONS.iter().flat_map(|(from, to)| arrows(from, to)).collect()),
    ]
}

fn arrows(from: &str, to: &[&str]) -> Vec<String> {
    to.iter().map(|to| format!("{from} -> {to}")).collect()
}

impl Counts {
    /// Counts one.
    pub fn hit(&mut self, kind: &'static str, name: impl Into<String>) {
        *self.0.entry(kind).or_default().entry(name.into()).or_default() += 1;
    }

    /// How often.
    #[must_use]
    pub fn of(&self, kind: &str, name: &str) -> u64 {
        self.0.get(kind).and_then(|names| names.get(name)).copied().unwrap_or(0)
    }

    /// The names of a kind that were counted.
    pub fn names(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.0.get(kind).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Counts) {
        for (kind, names) in &other.0 {
            for (name, count) in names {
                *self.0.entry(kind).or_default().entry(name.clone()).or_default() += count;
            }
        }
    }

    /// What was expected and not reached, and transitions that no table knows.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = self.missing_of(|_| true);
        let known: BTreeSet<String> = TRANSITIONS.iter().chain(RARE).flat_map(|(from, to)| arrows(from, to)).collect();
        let seen = self.0.get("transition").into_iter().flat_map(BTreeMap::keys);
        missing
            .extend(seen.filter(|name| !known.contains(*name)).map(|name| format!("transition: {name} in any table")));
        missing
    }

    /// What of these kinds was not reached.
    #[must_use]
    pub fn missing_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let all = expected().into_iter().filter(|(kind, _)| wanted(kind));
        let all = all.flat_map(|(kind, names)| names.into_iter().map(move |name| (kind, name)));
        all.filter(|(kind, name)| self.of(kind, name) == 0).map(|(kind, name)| format!("{kind}: {name}")).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, names) in &self.0 {
            writeln!(f, "{kind}")?;
            for (name, count) in names {
                writeln!(f, "  {name:<44} {count:>9}")?;
            }
        }
        Ok(())
    }
}
