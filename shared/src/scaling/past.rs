//! How the live count went over the last day: kept as steps, since most looks see nothing new.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// A count, from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Since when.
    pub at: Time,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: u32,
    /// The highest count; none: nothing scales it.
    pub max: Option<u32>,
}

/// The steps of the last day, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Past(Vec<Step>);

/// So long they are kept.
const KEPT: Span = Span::mins(24 * 60);

/// As many as keep the item small.
const MOST: usize = 300;

/// The count turns when it goes down after it went up, or the other way: looked for in so much time.
const RECENT: Span = Span::mins(60);

impl Past {
    /// Takes note of what a look saw; nothing changes where it is as before.
    pub fn note(&mut self, step: Step) {
        let same = |last: &Step| (last.desired, last.running, last.max) == (step.desired, step.running, step.max);
        if self.0.last().is_some_and(|last| same(last) || last.at >= step.at) {
            return;
        }
        self.0.push(step);
        // What was in force when the day began is kept.
        let from = step.at.minus(KEPT);
        let over = self.0.iter().take_while(|step| step.at <= from).count().saturating_sub(1);
        self.0.drain(..over.max(self.0.len().saturating_sub(MOST)));
    }

    /// The steps, oldest first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// How often the wanted count has turned in the last hour, with what is wanted now, and between which counts it goes.
    #[must_use]
    pub fn turns(&self, now: Time, desired: u32) -> (u32, u32, u32) {
        let from = now.minus(RECENT);
        let first = self.0.iter().rposition(|step| step.at <= from).unwrap_or(0);
        let seen = self.0.iter().skip(first).map(|step| step.desired).chain([desired]);
        let (mut turns, mut up, mut last) = (0, None, None);
        let (mut low, mut high) = (desired, desired);
        for wanted in seen {
            (low, high) = (low.min(wanted), high.max(wanted));
            let goes_up = match last {
                Some(before) if wanted > before => Some(true),
                Some(before) if wanted < before => Some(false),
                Some(_) | None => up,
            };
            turns += u32::from(up.is_some() && goes_up != up);
            (up, last) = (goes_up, Some(wanted));
        }
        (turns, low, high)
    }

    /// By how many tasks the wanted count grew since then, with what is wanted now.
    #[must_use]
    pub fn grew(&self, since: Time, desired: u32) -> u32 {
        let first = self.0.iter().rposition(|step| step.at <= since).unwrap_or(0);
        let seen: Vec<u32> = self.0.iter().skip(first).map(|step| step.desired).chain([desired]).collect();
        seen.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).sum()
    }

    /// A count at the end of each of so many equal parts of the day that ends now; none before the first look.
    #[must_use]
    pub fn day(&self, now: Time, parts: u64, count: impl Fn(&Step) -> Option<u32>) -> Vec<Option<u32>> {
        let at = |time: Time| self.0.iter().rev().find(|step| step.at <= time).and_then(&count);
        (1..=parts).map(|part| at(now.minus(Span(KEPT.0 / parts * (parts - part))))).collect()
    }
}
