//! The smallest schedule that still breaks the same law: what happens and what goes wrong is left out as far as it may be,
//! then the service is made plainer.

use std::fmt;
use std::str::FromStr;

use shared::time::Span;

use crate::bugs::Bug;
use crate::laws::Violation;
use crate::run::run;
use crate::schedule::Schedule;

/// A way to make a schedule's service plainer.
type Plainer = (&'static str, fn(&mut Schedule));

/// Every way, in the order they are tried.
const PLAINER: &[Plainer] = &[
    ("next-door", |s| s.next_door = false),
    ("sidecar", |s| s.sidecar = false),
    ("routes", |s| {
        s.routes = 1;
        s.own_groups = false;
    }),
    ("groups", |s| s.own_groups = false),
    ("legacy", |s| s.legacy = 0),
    ("login", |s| s.login = false),
    ("sticky", |s| s.sticky = false),
    ("scalable", |s| s.scalable = false),
    ("tasks", |s| s.tasks = 1),
    ("steps", |s| drop(s.steps.drain(..s.steps.len().saturating_sub(1)))),
    ("standby", |s| s.standby = Span(0)),
    ("skew", |s| s.skewed = 0),
    ("data", |s| s.wants_data = false),
    ("covered", |s| s.uncovered = false),
    ("acts", |s| s.observes = false),
    ("named", |s| s.named_sides = true),
    ("blue", |s| s.green_first = false),
];

/// What is left of a schedule, written `c0,c3,f1,-login,-steps`: the cues and the faults that are kept, by their places,
/// and what was made plainer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    cues: Vec<usize>,
    faults: Vec<usize>,
    plainer: Vec<&'static str>,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cues = self.cues.iter().map(|place| format!("c{place}"));
        let faults = self.faults.iter().map(|place| format!("f{place}"));
        let plainer = self.plainer.iter().map(|name| format!("-{name}"));
        let parts: Vec<String> = cues.chain(faults).chain(plainer).collect();
        f.write_str(&if parts.is_empty() { "nothing".to_owned() } else { parts.join(",") })
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        let mut keep = Keep::default();
        for part in text.split(',').filter(|part| *part != "nothing") {
            let unknown = || format!("--keep has `{part}`; it takes what --shrink prints, such as c0,c3,f1,-login");
            let place = |digits: &str| digits.parse::<usize>().map_err(|_| unknown());
            match part.split_at_checked(1) {
                Some(("c", digits)) => keep.cues.push(place(digits)?),
                Some(("f", digits)) => keep.faults.push(place(digits)?),
                Some(("-", name)) => {
                    let known = PLAINER.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
                    keep.plainer.push(known.0);
                }
                Some(_) | None => return Err(unknown()),
            }
        }
        Ok(keep)
    }
}

impl Keep {
    /// Everything of a schedule.
    #[must_use]
    pub fn all(schedule: &Schedule) -> Keep {
        let (cues, faults) = ((0..schedule.cues.len()).collect(), (0..schedule.faults.len()).collect());
        Keep { cues, faults, plainer: Vec::new() }
    }

    fn cues(&mut self) -> &mut Vec<usize> {
        &mut self.cues
    }

    fn faults(&mut self) -> &mut Vec<usize> {
        &mut self.faults
    }

    /// How much is kept: cues, faults, and what was not made plainer.
    #[must_use]
    pub fn size(&self) -> usize {
        self.cues.len() + self.faults.len() + PLAINER.len() - self.plainer.len()
    }

    /// What is left of the schedule.
    #[must_use]
    pub fn of(&self, schedule: &Schedule) -> Schedule {
        let mut left = schedule.clone();
        left.cues = self.cues.iter().filter_map(|place| schedule.cues.get(*place).cloned()).collect();
        left.faults = self.faults.iter().filter_map(|place| schedule.faults.get(*place).copied()).collect();
        for (_, plainer) in PLAINER.iter().filter(|(name, _)| self.plainer.contains(name)) {
            plainer(&mut left);
        }
        left
    }
}

/// What a schedule was shrunk to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is kept.
    pub keep: Keep,
    /// The law it still breaks.
    pub violation: Violation,
    /// How many schedules were played on the way.
    pub played: u64,
}

/// Shrinks a schedule that breaks a law; `None` where it breaks none.
#[must_use]
pub fn shrink(schedule: &Schedule, bug: Option<Bug>) -> Option<Shrunk> {
    let first = run(schedule, bug, false).violation?;
    let mut found = Shrunk { keep: Keep::all(schedule), violation: first, played: 1 };
    loop {
        let before = found.keep.size();
        leave_out(&mut found, schedule, bug, Keep::cues);
        leave_out(&mut found, schedule, bug, Keep::faults);
        for (name, _) in PLAINER {
            if !found.keep.plainer.contains(name) {
                let mut keep = found.keep.clone();
                keep.plainer.push(name);
                try_out(&mut found, schedule, bug, keep);
            }
        }
        if found.keep.size() == before {
            return Some(found);
        }
    }
}

/// Leaves out of a list: halves first, then quarters, at last one by one.
fn leave_out(found: &mut Shrunk, schedule: &Schedule, bug: Option<Bug>, list: fn(&mut Keep) -> &mut Vec<usize>) {
    let mut length = list(&mut found.keep).len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < list(&mut found.keep).len() {
            let mut keep = found.keep.clone();
            let places = list(&mut keep);
            let end = places.len().min(at + length);
            places.drain(at..end);
            if !try_out(found, schedule, bug, keep) {
                at += length;
            }
        }
        length /= 2;
    }
}

/// Takes what is left where it breaks the same law.
fn try_out(found: &mut Shrunk, schedule: &Schedule, bug: Option<Bug>, keep: Keep) -> bool {
    found.played += 1;
    match run(&keep.of(schedule), bug, false).violation {
        Some(violation) if violation.law == found.violation.law => {
            found.keep = keep;
            found.violation = violation;
            true
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_written_and_read() {
        let keep: Keep = "c0,c3,f1,-login,-steps".parse().expect("understood");
        assert_eq!((keep.cues.as_slice(), keep.faults.as_slice()), ([0, 3].as_slice(), [1].as_slice()));
        assert_eq!(keep.to_string(), "c0,c3,f1,-login,-steps");
        assert_eq!("nothing".parse(), Ok(Keep::default()));
        assert_eq!(Keep::default().to_string(), "nothing");
        for wrong in ["", "c", "x1", "-nothing-known", "c1;f2"] {
            assert!(wrong.parse::<Keep>().is_err_and(|error| error.contains("--keep")), "{wrong}");
        }
    }

    #[test]
    fn a_shrunk_schedule_breaks_the_same_law_and_nothing_more_can_be_left_out() {
        let bug = Bug::named("no-drain");
        let broken = |schedule: &Schedule| run(schedule, bug, false).violation.map(|violation| violation.law);
        let schedule = (0..400).map(Schedule::draw).find(|schedule| broken(schedule) == Some(4)).expect("caught");
        let shrunk = shrink(&schedule, bug).expect("it breaks a law");
        let keep: Keep = shrunk.keep.to_string().parse().expect("what is printed is read");
        assert_eq!(keep, shrunk.keep);
        assert_eq!(broken(&keep.of(&schedule)), Some(4));
        assert!(keep.size() < Keep::all(&schedule).size());
        for place in 0..keep.cues.len() {
            let mut less = keep.clone();
            less.cues.remove(place);
            assert_ne!(broken(&less.of(&schedule)), Some(4), "cue {place} can go");
        }
    }
}
