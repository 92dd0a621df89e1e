//! What a run reached, counted: a phase, fault, cause or outcome that is never reached is not tested.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, BTreeMap<String, u64>>);

/// What every long run must reach.
pub const EXPECTED: &[(&str, &[&str])] = &[
    (
        "phase",
        &[
            "holding",
            "registering",
            "starting",
            "shifting",
            "baking",
            "standby",
            "retiring",
            "resting",
            "returning",
            "clearing",
        ],
    ),
    (
        "fault",
        &[
            "error before the call",
            "throttled before the call",
            "answer lost after the effect",
            "landed late",
            "landed late after its process died",
            "stale read",
            "one part unreadable",
            "function timed out",
            "process crashed",
            "process paused",
            "store unavailable",
            "save lost to a rival",
            "event lost",
            "event doubled",
            "event delayed",
            "wake lost",
            "wake doubled",
            "clock skewed",
        ],
    ),
    ("cause", &["alarm", "unhealthy", "not healthy in time", "deadline", "person", "superseded"]),
    ("push", &["refused silently", "found without an event"]),
    ("outcome", &["completed", "rolled back", "refused"]),
    (
        "plot",
        &[
            "push",
            "old push",
            "same push",
            "promote",
            "pause",
            "resume",
            "abort",
            "rollback",
            "redeploy",
            "release",
            "force",
            "weights moved",
            "colour updated",
            "count changed",
            "tasks killed",
            "alarm set",
            "traffic stopped",
            "autoscaled",
            "weights to the idle side",
        ],
    ),
    ("notice", &["started", "step", "completed", "going back", "rolled back", "refused", "held", "call", "declined"]),
];

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

    /// Adds another run's.
    pub fn add(&mut self, other: &Counts) {
        for (kind, names) in &other.0 {
            for (name, count) in names {
                *self.0.entry(kind).or_default().entry(name.clone()).or_default() += count;
            }
        }
    }

    /// What of [`EXPECTED`] was not reached.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let all = EXPECTED.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, *name)));
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
        for missing in self.missing() {
            writeln!(f, "never reached: {missing}")?;
        }
        Ok(())
    }
}
