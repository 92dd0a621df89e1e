//! What is known from the looks before: a finding opens once, is updated silently, is told again when it gets worse or lasts too
//! long, and its end is told. A value on the edge opens and closes nothing.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Finding, FindingKind, Judged, Past, Role, Severity};
use crate::time::{Span, Time};

/// In so many looks it must have been seen, or not been seen, before that is told.
const LOOKS: u32 = 2;

/// What is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Each finding that was seen and is not over, by kind and role. One of a kind that this release does not know is left out.
    #[serde(deserialize_with = "known")]
    pub open: Vec<Open>,
    /// How the live count went.
    #[serde(default)]
    pub past: Past,
}

/// Those that can be read: after a release is taken back what it alone finds is nothing to this one.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Open>, D::Error> {
    let all: Vec<serde_json::Value> = Vec::deserialize(from)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

/// A finding that was seen and is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// As it was seen last.
    pub finding: Finding,
    /// Since when.
    pub since: Time,
    /// In how many looks, up to those that are needed.
    pub seen: u32,
    /// In how many looks since it was not.
    pub missed: u32,
    /// When a look was counted last.
    #[serde(default)]
    pub counted: Time,
    /// How bad it was when it was told last; none: it was not yet.
    pub told: Option<Severity>,
}

impl Open {
    /// How bad it is by now.
    #[must_use]
    pub fn severity(&self, now: Time) -> Severity {
        let base = self.finding.severity();
        let worse = self.finding.kind().worsens().is_some_and(|after| now.since(self.since) >= after);
        match (worse, base) {
            (true, Severity::Info) => Severity::Warning,
            (true, Severity::Warning | Severity::Critical) => Severity::Critical,
            (false, base) => base,
        }
    }

    fn key(&self) -> (FindingKind, Role) {
        (self.finding.kind(), self.finding.role)
    }
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Findings that opened, or got worse.
    pub opened: Vec<Open>,
    /// Findings that are over and were told.
    pub closed: Vec<Open>,
}

impl News {
    /// Nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty()
    }
}

impl Memory {
    /// Takes note of a look; what of it is news. Looks come twice where a message does: what comes sooner than `apart` after the
    /// last one counts for nothing.
    pub fn note(&mut self, judged: &Judged, now: Time, apart: Span) -> News {
        let mut news = News::default();
        if let Some(step) = judged.live {
            self.past.note(step);
        }
        for finding in &judged.found {
            let key = (finding.kind(), finding.role);
            match self.open.iter_mut().find(|open| open.key() == key) {
                Some(open) => {
                    open.finding = finding.clone();
                    open.missed = 0;
                    if open.seen < LOOKS && now.since(open.counted) >= apart {
                        open.seen += 1;
                        open.counted = now;
                    }
                }
                None => {
                    let finding = finding.clone();
                    self.open.push(Open { finding, since: now, seen: 1, missed: 0, counted: now, told: None });
                }
            }
        }
        let mut kept = Vec::new();
        for mut open in std::mem::take(&mut self.open) {
            let (key, found) =
                (open.key(), judged.found.iter().any(|finding| (finding.kind(), finding.role) == open.key()));
            if !found && !judged.silent(key) && now.since(open.counted) >= apart {
                open.missed += 1;
                open.counted = now;
            }
            if !found && open.told.is_none() && judged.silent(key) {
                // What was not seen all the while did not last all the while.
                open.since = now;
            }
            if open.missed >= LOOKS || open.missed > 0 && open.told.is_none() {
                if open.told.is_some() {
                    news.closed.push(open);
                }
                continue;
            }
            let severity = open.severity(now);
            let lasts = open.seen >= LOOKS && now.since(open.since) >= open.finding.kind().patience();
            if found && lasts && open.told.is_none_or(|told| severity > told) {
                open.told = Some(severity);
                news.opened.push(open.clone());
            }
            kept.push(open);
        }
        self.open = kept;
        news
    }

    /// What was told and is not over, the worst first.
    #[must_use]
    pub fn told(&self, now: Time) -> Vec<&Open> {
        let mut all: Vec<&Open> = self.open.iter().filter(|open| open.told.is_some()).collect();
        all.sort_by_key(|open| std::cmp::Reverse(open.severity(now)));
        all
    }
}

impl News {
    /// The sentences for people: what opened, and what is over.
    #[must_use]
    pub fn sentences(&self, cluster: &str, now: Time) -> (Vec<String>, Vec<String>) {
        let since = |open: &Open| {
            let lasts = now.since(open.since);
            if lasts < Span::mins(1) { String::new() } else { format!(", for {}", Span::mins(lasts.0 / 60_000)) }
        };
        let opened = self.opened.iter().map(|open| {
            let (severity, finding) = (open.severity(now), &open.finding);
            format!("{severity}: {finding}{} ({})", since(open), finding.remedy(cluster))
        });
        let closed = self.closed.iter().map(|open| format!("{}{}", open.finding, since(open)));
        (opened.collect(), closed.collect())
    }
}
