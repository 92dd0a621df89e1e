//! Growing older: the clock stands still, so what was saved and recorded moves into the past instead.

use shared::rollout::{Candidate, Intent, IntentKind, Phase, Rollout, Status};
use shared::time::{Span, Time};

use crate::place::{HORIZON, NOW};

/// A time as it looks `by` later. Never is never, and what is long ago is equally long ago.
#[must_use]
pub fn older(at: Time, by: Span) -> Time {
    if at == Time(0) { at } else { Time(at.0.saturating_sub(by.0).max(NOW.minus(HORIZON).0)) }
}

/// A time as a process sees it whose clock is behind by so much ageing.
#[must_use]
pub fn younger(at: Time, by: Span) -> Time {
    if at == Time(0) { at } else { at.plus(by) }
}

/// A status, with every time in it changed.
pub fn status(status: &mut Status, f: &impl Fn(Time) -> Time) {
    if let Some(run) = &mut status.rollout {
        rollout(run, f);
    }
    if let Some(next) = &mut status.next {
        candidate(next, f);
    }
    if let Some(settled) = &mut status.settled {
        settled.at = f(settled.at);
        settled.differs_since = settled.differs_since.map(f);
    }
    status.wake.due = f(status.wake.due);
    status.waiting = text(&status.waiting, f);
}

fn candidate(candidate: &mut Candidate, f: &impl Fn(Time) -> Time) {
    candidate.at = f(candidate.at);
    candidate.quiet_until = f(candidate.quiet_until);
}

fn rollout(rollout: &mut Rollout, f: &impl Fn(Time) -> Time) {
    candidate(&mut rollout.candidate, f);
    for time in [&mut rollout.since, &mut rollout.forward_until, &mut rollout.weights_until] {
        *time = f(*time);
    }
    for time in [
        &mut rollout.first_shift,
        &mut rollout.paused,
        &mut rollout.stable_dead,
        &mut rollout.emptied,
        &mut rollout.turned,
    ] {
        *time = time.map(f);
    }
    for expected in rollout.routes.values_mut() {
        expected.foreign_since = expected.foreign_since.map(f);
    }
    if let Some(ailing) = &mut rollout.ailing {
        ailing.since = f(ailing.since);
    }
    match &mut rollout.phase {
        Phase::Registering { sent } => *sent = sent.map(f),
        Phase::Standby { until } => *until = f(*until),
        // The world here has the managed engine only.
        Phase::Deploying | Phase::Stopping { .. } => {}
        Phase::Holding
        | Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => {}
    }
}

/// An intent, with every time in it changed.
pub fn intent(intent: &mut Intent, f: &impl Fn(Time) -> Time) {
    intent.at = f(intent.at);
    if let IntentKind::AlarmFired { at, .. } = &mut intent.what {
        *at = f(*at);
    }
}

/// What is waited for is saved as a sentence: the times in it change as well, or each look would find it changed.
fn text(sentence: &str, f: &impl Fn(Time) -> Time) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([')', ',']);
        match Time::parse(bare) {
            Some(at) => format!("{}{}", f(at), &word[bare.len()..]),
            None => word.to_owned(),
        }
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What nothing depends on is made the same everywhere: numbers of notices and saves, and times that only people read.
pub fn forget(status: &mut Status) {
    status.notices = 0;
    status.wake.token = 1;
    for held in &mut status.quarantine {
        held.at = NOW;
    }
    if let Some(last) = &mut status.last {
        last.at = NOW;
    }
    if let Some(run) = &mut status.rollout {
        run.started_at = NOW;
        run.candidate.at = NOW;
    }
    if let Some(next) = &mut status.next {
        next.at = NOW;
    }
    if let Some(settled) = &mut status.settled
        && !settled.corrected
    {
        settled.at = NOW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::ticks;

    #[test]
    fn a_sentence_grows_older_with_the_times_in_it() {
        let sentence = format!("the emptied side to drain: the margin after weight 0, until {}", NOW.plus(ticks(2)));
        let expected = format!("the emptied side to drain: the margin after weight 0, until {}", NOW.plus(ticks(1)));
        assert_eq!(text(&sentence, &|at| older(at, ticks(1))), expected);
    }

    #[test]
    fn never_stays_never_and_long_ago_ends_somewhere() {
        assert_eq!(older(Time(0), ticks(1)), Time(0));
        assert_eq!(older(NOW, ticks(1_000)), NOW.minus(HORIZON));
        assert_eq!(younger(older(NOW, ticks(1)), ticks(1)), NOW);
    }
}
