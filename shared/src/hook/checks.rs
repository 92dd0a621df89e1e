//! What the service wants checked at a stage: its alarms and its HTTP check.

use super::Tried;
use super::judge::{AGAIN, Seen, Verdict, Whose};
use super::progress::Progress;
use super::request::Request;
use crate::config::{HttpCheck, Native, ServiceConfig};
use crate::decide::{Heard, listen};
use crate::rollout::Wish;
use crate::time::{Span, Time};

pub(super) const TEST: &str = "TEST_TRAFFIC_SHIFT";
const POST_TEST: &str = "POST_TEST_TRAFFIC_SHIFT";
const PRE_PRODUCTION: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";
pub(super) const PRODUCTION: &str = "PRODUCTION_TRAFFIC_SHIFT";
pub(super) const POST_PRODUCTION: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";

/// Between two calls of a check that is under way: its deadline is counted in seconds.
const CHECK_AGAIN: Span = Span::secs(5);

/// Whether alarms are listened to: before these stages there is no traffic that could tell of the new revision, and a
/// person's rollback or forced deployment is the cure of what they tell.
pub(super) fn listens(request: &Request, whose: &Whose<'_>) -> bool {
    let cures = whose.rollout().map(|rollout| &rollout.candidate);
    let cures = cures.is_some_and(|candidate| candidate.wish == Wish::RollbackTo || candidate.force);
    !cures && [PRE_PRODUCTION, PRODUCTION, POST_PRODUCTION].contains(&request.stage.as_str())
}

pub(super) fn alarms(
    request: &Request,
    config: &ServiceConfig,
    whose: &Whose<'_>,
    seen: &Seen,
    progress: &mut Progress,
    unread: &mut Vec<String>,
    now: Time,
) -> Verdict {
    if !listens(request, whose) {
        return Verdict::Go;
    }
    let rollout = whose.rollout();
    let (mut firing, mut loud) = (Vec::new(), Vec::new());
    for name in config.alarms.all() {
        if rollout.is_some_and(|rollout| rollout.forgiven.contains(&name.0)) {
            continue;
        }
        let accepted = rollout.is_some_and(|rollout| rollout.blind.contains(&name.0));
        match listen(&name, seen.alarms.get(&name), accepted) {
            Heard::Quiet => {}
            Heard::Firing(reason) => firing.push(format!("alarm {name} fires: {reason}")),
            Heard::NoData(why) => loud.push(why),
            Heard::Unread(why) => unread.push(why),
        }
    }
    // With traffic on it the new revision may be what fires; before that it is a bad moment to begin.
    let moved = request.moved() || rollout.is_some_and(|rollout| rollout.native.weight.tenths() > 0);
    if !firing.is_empty() && moved {
        return Verdict::Fail(firing.join("; "));
    }
    loud.splice(0..0, firing);
    if loud.is_empty() {
        progress.held = None;
        return Verdict::Go;
    }
    let held = now.since(*progress.held.get_or_insert(now));
    let why = loud.join("; ");
    if held >= config.hold_deadline {
        return Verdict::Fail(format!("{why}; it was held for {held}, and holdDeadline is {}", config.hold_deadline));
    }
    Verdict::Wait(why, AGAIN)
}

/// The HTTP check where it runs: once the test traffic is there, and before production traffic moves where it has not
/// passed by then.
pub(super) fn check_due<'a>(request: &Request, native: &'a Native, progress: &Progress) -> Option<&'a HttpCheck> {
    let here = [POST_TEST, PRE_PRODUCTION].contains(&request.stage.as_str());
    native.check.as_ref().filter(|_| here && !progress.passed)
}

pub(super) fn check(
    request: &Request,
    native: &Native,
    seen: &Seen,
    progress: &mut Progress,
    began: Time,
    now: Time,
) -> Verdict {
    let Some(check) = check_due(request, native, progress) else { return Verdict::Go };
    let since = *progress.checking.get_or_insert(began);
    for tried in &seen.tries {
        match tried {
            Tried::Right => progress.right = progress.right.saturating_add(1),
            Tried::Wrong(what) => {
                progress.right = 0;
                progress.wrong = Some(what.chars().take(200).collect());
            }
            Tried::Never(why) => return Verdict::Fail(why.clone()),
        }
        if progress.right >= check.times {
            progress.passed = true;
            return Verdict::Go;
        }
    }
    let so_far = format!(
        "the HTTP check has {} right answers in a row of {}{}",
        progress.right,
        check.times,
        progress.wrong.as_ref().map_or_else(String::new, |wrong| format!("; last wrong: {wrong}"))
    );
    if now.since(since) >= check.within {
        return Verdict::Fail(format!("{so_far}; {} have passed", check.within));
    }
    Verdict::Wait(so_far, CHECK_AGAIN)
}
