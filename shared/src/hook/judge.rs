//! The decision: what a call needs to know, and what it is answered.

use std::collections::BTreeMap;

use super::answer::{Answer, Word};
use super::checks::{PRODUCTION, TEST, alarms, check, check_due, listens};
use super::progress::Progress;
use super::request::Request;
use super::{Tried, is_gate};
use crate::config::{HttpCheck, ServiceConfig};
use crate::ids::AlarmName;
use crate::observation::{AlarmReading, Reading};
use crate::ports::Record;
use crate::rollout::{Ended, Outcome, Phase, Rollout};
use crate::time::{Span, Time};

/// So many calls in a row may read nothing: ten minutes, in which a throttle or an outage of a part passes. A state that
/// stays unknown for longer is not healthy (law 6).
const MOST_BLIND: u32 = 20;

/// Between two calls that wait for something outside.
pub(super) const AGAIN: Span = Span::secs(30);

/// Between two looks whether a gate is open: a person waits for what follows.
const GATE_AGAIN: Span = Span::secs(15);

/// The clocks of two functions differ by less.
const SKEW: Span = Span::secs(5);

/// What is known of the service that a call is about.
#[derive(Clone, Debug)]
pub enum Known<'a> {
    /// The store did not answer: why.
    Unreachable(String),
    /// No service of Flipback's is this one.
    NotConfigured,
    /// It is this one.
    Record(&'a Record),
}

/// What a call must read before it can be answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wants {
    /// The alarms.
    pub alarms: Vec<AlarmName>,
    /// The HTTP check, and how many right answers in a row it still needs.
    pub check: Option<(HttpCheck, u32)>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The alarms asked for.
    pub alarms: BTreeMap<AlarmName, Reading<Option<AlarmReading>>>,
    /// The requests of the HTTP check, in their order.
    pub tries: Vec<Tried>,
}

/// Whose deployment a call is about.
pub(super) enum Whose<'a> {
    /// The running rollout's.
    Ours(&'a Rollout),
    /// The running rollout has sent one and not seen it yet.
    Unsettled(&'a Rollout),
    /// Of the last rollout, which a person gave up as it stood.
    GivenUp,
    /// Somebody else's.
    Foreign,
}

/// What one rule says.
pub(super) enum Verdict {
    Go,
    /// Go, for a reason that the log shall have.
    Pass(String),
    Wait(String, Span),
    Fail(String),
}

fn whose<'a>(request: &Request, record: &'a Record) -> Whose<'a> {
    let given_up = |last: &Ended| {
        matches!(last.outcome, Outcome::GivenUp(_)) && last.deployment.as_ref() == Some(&request.deployment)
    };
    if record.status.last.as_ref().is_some_and(given_up) {
        return Whose::GivenUp;
    }
    let Some(rollout) = &record.status.rollout else { return Whose::Foreign };
    match &rollout.native.deployment {
        Some(arn) if *arn == request.deployment => Whose::Ours(rollout),
        Some(_) => Whose::Foreign,
        None if rollout.native.sent.is_some() => Whose::Unsettled(rollout),
        None => Whose::Foreign,
    }
}

impl<'a> Whose<'a> {
    /// The configuration that counts: the one a rollout pinned, for its own deployment.
    fn config(&self, record: &'a Record) -> &'a ServiceConfig {
        match self {
            Whose::Ours(rollout) | Whose::Unsettled(rollout) => &rollout.config,
            Whose::GivenUp | Whose::Foreign => &record.config,
        }
    }

    pub(super) fn rollout(&self) -> Option<&'a Rollout> {
        match self {
            Whose::Ours(rollout) | Whose::Unsettled(rollout) => Some(rollout),
            Whose::GivenUp | Whose::Foreign => None,
        }
    }
}

/// What must be read to answer a call.
#[must_use]
pub fn wants(request: &Request, known: &Known<'_>, now: Time) -> Wants {
    let Known::Record(record) = known else { return Wants::default() };
    let whose = whose(request, record);
    let config = whose.config(record);
    let back = request.back() || stopped(request, &whose);
    let Some(native) = config.engine.native().filter(|_| !back) else { return Wants::default() };
    let progress = Progress::of(request, now);
    let check = check_due(request, native, &progress);
    let left = |check: &HttpCheck| check.times.saturating_sub(progress.right).max(1);
    Wants {
        alarms: if listens(request, &whose) { config.alarms.all() } else { Vec::new() },
        check: check.map(|check| (check.clone(), left(check))),
    }
}

/// Answers a call that began at `began`.
#[must_use]
pub fn answer(request: &Request, known: &Known<'_>, seen: &Seen, began: Time, now: Time) -> Answer {
    if request.back() {
        return Answer::last(Word::Succeeded, "this is the way back: nothing is checked on it");
    }
    let mut progress = Progress::of(request, began);
    let record = match known {
        Known::Record(record) => record,
        Known::NotConfigured => {
            return Answer::last(Word::Succeeded, "no service of Flipback's is this one: it has no say here");
        }
        Known::Unreachable(why) => {
            let verdict = blind(&mut progress, why.clone());
            return told(request, &progress, vec![verdict]);
        }
    };
    let whose = whose(request, record);
    let config = whose.config(record);
    let Some(native) = config.engine.native() else {
        return Answer::last(Word::Succeeded, "the service has the managed engine: ECS's stages are not its steps");
    };
    if stopped(request, &whose) {
        return Answer::last(
            Word::Succeeded,
            "its rollout goes back, and this may be the way: nothing is checked on it",
        );
    }
    let mut unread = Vec::new();
    let mut verdicts = vec![
        going_back(&whose, &mut unread),
        alarms(request, config, &whose, seen, &mut progress, &mut unread, now),
        check(request, native, seen, &mut progress, began, now),
        gate(request, &whose, &progress),
    ];
    match unread.is_empty() {
        true => progress.blind = 0,
        false => verdicts.push(blind(&mut progress, unread.join("; "))),
    }
    told(request, &progress, verdicts)
}

/// The worst verdict, with every reason of its kind.
fn told(request: &Request, progress: &Progress, verdicts: Vec<Verdict>) -> Answer {
    let (mut failed, mut waits, mut soonest) = (Vec::new(), Vec::new(), None::<Span>);
    let mut well = "everything that is checked here is well".to_owned();
    for verdict in verdicts {
        match verdict {
            Verdict::Go => {}
            Verdict::Pass(why) => well = format!("{well}; {why}"),
            Verdict::Fail(why) => failed.push(why),
            Verdict::Wait(why, delay) => {
                waits.push(why);
                soonest = Some(soonest.map_or(delay, |soonest| soonest.min(delay)));
            }
        }
    }
    match soonest {
        _ if !failed.is_empty() => Answer::last(Word::Failed, failed.join("; ")),
        Some(delay) => {
            Answer { word: Word::InProgress(delay), why: waits.join("; "), details: progress.details(request) }
        }
        None => Answer::last(Word::Succeeded, well),
    }
}

/// One more call that read too little.
fn blind(progress: &mut Progress, why: String) -> Verdict {
    progress.blind = progress.blind.saturating_add(1);
    if progress.blind > MOST_BLIND {
        return Verdict::Fail(format!("{why}; it was so at {MOST_BLIND} calls before, and unknown is not healthy"));
    }
    Verdict::Wait(why, AGAIN)
}

/// Whether this may be a call of the way back that does not say so: ECS comes to the shifting stages again, and where it
/// tells no weights the two ways look alike. The deployment was told to stop already; FAILED would fail the way back.
fn stopped(request: &Request, whose: &Whose<'_>) -> bool {
    let shifts = [TEST, PRODUCTION].contains(&request.stage.as_str());
    match whose {
        Whose::Ours(rollout) => shifts && matches!(rollout.phase, Phase::Stopping { .. }),
        Whose::Unsettled(_) | Whose::GivenUp | Whose::Foreign => false,
    }
}

/// A rollout that goes back wants no stage of its deployment to pass.
fn going_back(whose: &Whose<'_>, unread: &mut Vec<String>) -> Verdict {
    let Some(Rollout { phase: Phase::Stopping { .. }, .. }) = whose.rollout() else { return Verdict::Go };
    match whose {
        Whose::Ours(rollout) => Verdict::Fail(format!("{} goes back", rollout.id)),
        Whose::Unsettled(rollout) => {
            unread.push(format!("{} goes back, and whether this is its deployment is not known yet", rollout.id));
            Verdict::Go
        }
        Whose::GivenUp | Whose::Foreign => Verdict::Go,
    }
}

/// A gate waits for a person's promote of this rollout at this stage; ECS's own timeout ends it. Nobody can promote a
/// deployment of no rollout: it would wait for that timeout, a day, and keep everything else waiting.
fn gate(request: &Request, whose: &Whose<'_>, progress: &Progress) -> Verdict {
    let Some(gate) = request.gate() else { return Verdict::Go };
    if !is_gate(&serde_json::Value::Object(request.details.clone())) {
        return Verdict::Fail(format!("hookDetails.flipback.gate is {gate}; the only gate there is is \"promote\""));
    }
    let opened = match whose {
        Whose::Ours(rollout) => rollout.native.opened.as_ref(),
        Whose::Unsettled(_) | Whose::GivenUp | Whose::Foreign => None,
    };
    let here = opened.filter(|opened| opened.stage == request.stage && opened.at.plus(SKEW) >= progress.since);
    match (here, whose) {
        (Some(_), _) => Verdict::Go,
        (None, Whose::Ours(rollout)) => Verdict::Wait(
            format!("the gate waits for flipback promote {} ({})", rollout.config.name, rollout.id),
            GATE_AGAIN,
        ),
        (None, Whose::Unsettled(_)) => {
            Verdict::Wait("the gate waits: the rollout has not seen its deployment yet".to_owned(), GATE_AGAIN)
        }
        // Its end as it stood is no promote.
        (None, Whose::GivenUp) => Verdict::Wait(
            "its rollout was given up: the gate stays closed until the deployment is stopped in the ECS console, or times out"
                .to_owned(),
            GATE_AGAIN,
        ),
        (None, Whose::Foreign) => {
            Verdict::Pass("the gate is for Flipback's rollouts, and this deployment is of none that runs".to_owned())
        }
    }
}
