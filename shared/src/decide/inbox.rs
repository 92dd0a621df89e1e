//! The inbox: pushes become the next candidate, people's wishes act on the rollout they were meant for, or are declined
//! with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Digest, RevisionArn, RolloutId};
use crate::notice::Milestone;
use crate::rollout::{
    Candidate, Cause, ImageRef, Images, Intent, IntentKind, Outcome, Phase, Quarantined, Rollout, Status, Target, Wish,
};
use crate::time::Time;

use super::draft::{Draft, Fired, what};

/// As many intents as one save can name: a DynamoDB expression takes 4 KB.
const AT_ONCE: usize = 50;

/// Consumes the intents, people's and alarms first where there are more than one look can take. True: some are left to be
/// taken at once.
pub(super) fn take(draft: &mut Draft<'_>, inbox: &[Intent]) -> bool {
    let is_push = |intent: &&Intent| matches!(intent.what, IntentKind::Push { .. });
    let pushes = AT_ONCE.saturating_sub(inbox.iter().filter(|intent| !is_push(intent)).count());
    // Chosen by what it is, taken in the order it came.
    let (mut others, mut some) = (0, 0);
    let chosen = inbox.iter().filter(|intent| {
        let (taken, most) = if is_push(intent) { (&mut some, pushes) } else { (&mut others, AT_ONCE) };
        *taken += 1;
        *taken <= most
    });
    let chosen: Vec<&Intent> = chosen.collect();
    let left = chosen.len() < inbox.len();
    for intent in chosen {
        if let (IntentKind::Push { .. }, Some(Candidate { target: Target::Revision(_) | Target::Live, .. })) =
            (&intent.what, &draft.status.next)
        {
            // A person's wish for a revision stands before a push; that stays in the inbox until its turn comes.
            continue;
        }
        draft.consumed.push(intent.id.clone());
        match &intent.what {
            IntentKind::Push { image } => push(draft, image),
            IntentKind::Deploy { images, force } => deploy(draft, images, *force, intent.at),
            IntentKind::Redeploy => person_candidate(draft, Target::Live, Wish::Redeploy, intent.at),
            IntentKind::Rollback { rollout, to } => {
                rollback(draft, rollout.as_ref(), to.as_ref(), intent);
            }
            IntentKind::Promote { rollout, step } => promote(draft, rollout, *step),
            IntentKind::Pause { rollout } => pause(draft, rollout),
            IntentKind::Resume { rollout } => resume(draft, rollout),
            IntentKind::Abort { rollout } => abort(draft, rollout, intent),
            IntentKind::GiveUp { rollout } => give_up(draft, rollout, intent),
            IntentKind::Release { digest } => release(draft, digest),
            IntentKind::Repair { repair } => super::repair::take(draft, repair, intent.at),
            IntentKind::AlarmFired { alarm, at, reason } => {
                draft.fired.push(Fired { alarm: alarm.clone(), at: *at, reason: reason.clone() });
            }
        }
    }
    left && !draft.consumed.is_empty()
}

/// Law 14: an older push, a duplicate and a quarantined set start nothing.
fn push(draft: &mut Draft<'_>, image: &ImageRef) {
    if draft.status.stale(image).is_some() {
        return;
    }
    // Judged when it was recorded, and once more: another push may have been taken since, in the same second even. The
    // configuration that a running rollout pinned may not know the repository yet.
    let known = draft.config.image(&image.repository).is_some();
    if let (true, Err(refusal)) = (known, crate::image::judge(draft.config, &draft.status, image)) {
        if refusal.loud {
            let what = format!("{}:{}", image.repository, image.tag);
            draft.tell(None, Milestone::Refused { what, reason: refusal.reason, advice: refusal.advice });
        }
        return;
    }
    let new = Images::from([(image.repository.clone(), image.clone())]);
    if let Some(held) = completed(&draft.status, &new) {
        let (reason, digest) = (held.reason.clone(), image.digest.clone());
        draft.tell(
            None,
            Milestone::Refused {
                what: format!("{}:{}", image.repository, image.tag),
                reason: format!("it is in quarantine: {reason}"),
                advice: format!(
                    "if it is good after all: flipback release {} {digest}, then flipback deploy {} --image {}:{}",
                    draft.config.name, draft.config.name, image.repository, image.tag
                ),
            },
        );
        return;
    }
    draft.status.take(image);
    let quiet_until = draft.now.plus(draft.config.quiet);
    let push = images_candidate(new, Wish::Push, false, (draft.now, quiet_until));
    let held = |rollout: &mut Rollout| {
        rollout.phase == Phase::Holding && matches!(rollout.candidate.target, Target::Images(_))
    };
    // What waits already joins the held one first.
    if draft.status.next.is_none()
        && let Some(mut rollout) = draft.status.rollout.take_if(held)
    {
        super::hold::take_in(draft, &mut rollout, &push);
        draft.status.rollout = Some(rollout);
        return;
    }
    queue(draft, push);
}

fn images_candidate(images: Images, wish: Wish, force: bool, (at, quiet_until): (Time, Time)) -> Candidate {
    let forced = if force { images.keys().cloned().collect() } else { BTreeSet::new() };
    Candidate { target: Target::Images(images), wish, at, quiet_until, force, named: BTreeSet::new(), forced }
}

fn deploy(draft: &mut Draft<'_>, images: &[ImageRef], force: bool, at: Time) {
    let new: Images = images.iter().map(|image| (image.repository.clone(), image.clone())).collect();
    if !force && let Some(held) = completed(&draft.status, &new) {
        let reason = held.reason.clone();
        let name = draft.config.name.clone();
        draft.tell(
            None,
            Milestone::Declined {
                wish: "deploy".to_owned(),
                reason: format!(
                    "the image is in quarantine ({reason}); lift it with flipback release {name} DIGEST, or use --force"
                ),
            },
        );
        return;
    }
    for image in images {
        draft.status.take(image);
    }
    let mut candidate = images_candidate(new, Wish::Deploy, force, (at, draft.now));
    candidate.named = images.iter().map(|image| image.repository.clone()).collect();
    queue(draft, candidate);
}

/// A quarantined set that newer images make whole, with what is held and what waits. That itself may be forced out of quarantine:
/// only what comes is judged here.
fn completed<'a>(status: &'a Status, new: &Images) -> Option<&'a Quarantined> {
    let held = status.rollout.as_ref().filter(|rollout| rollout.phase == Phase::Holding).map(|held| &held.candidate);
    let mut all = Images::new();
    for candidate in held.into_iter().chain(&status.next) {
        if let Target::Images(images) = &candidate.target {
            all.extend(images.clone());
        }
    }
    all.extend(new.clone());
    let brings = |held: &&Quarantined| new.values().any(|image| held.digests.contains(&image.digest));
    status.quarantine.iter().filter(brings).find(|held| is_whole(held, &all))
}

/// Newer images wait, with those of other repositories that wait already.
fn queue(draft: &mut Draft<'_>, newer: Candidate) {
    let (Some(mut next), Target::Images(new)) =
        (draft.status.next.take_if(|next| matches!(next.target, Target::Images(_))), &newer.target)
    else {
        if let Some(waiting) = draft.status.next.replace(newer) {
            decline(draft, &what(&waiting), "another wish came before it could start and takes its place");
        }
        return;
    };
    let replaced = next.replaced(new);
    for old in replaced.iter().filter(|old| next.names(&old.repository)) {
        let Some(new) = new.get(&old.repository) else { continue };
        let reason = format!("{}:{} came before it could start and takes its place", new.repository, new.tag);
        decline(draft, &format!("deploy {}:{}", old.repository, old.tag), &reason);
    }
    let before = next.wish;
    next.take_in(&newer);
    super::back::leave_quarantined(draft, None, &mut next, new, super::back::NOT_ALONG);
    // A person does not wait for what may join, and what is a push now does.
    if newer.wish == Wish::Deploy || before != next.wish {
        (next.at, next.quiet_until) = (newer.at, newer.quiet_until);
    }
    draft.status.next = Some(next);
}

fn person_candidate(draft: &mut Draft<'_>, target: Target, wish: Wish, at: Time) {
    if let Some(waiting @ Candidate { target: Target::Images(_), .. }) = &draft.status.next {
        let milestone = Milestone::Refused {
            what: what(waiting),
            reason: "a person's wish for another revision came while it waited".to_owned(),
            advice: format!("to deploy it after all: flipback deploy {} --image REPOSITORY:TAG", draft.config.name),
        };
        draft.tell(None, milestone);
    }
    if let Some(Candidate { target: waiting @ (Target::Revision(_) | Target::Live), .. }) = &draft.status.next
        && *waiting != target
    {
        let waiting = draft.status.next.as_ref().map(what).unwrap_or_default();
        decline(draft, &waiting, "another wish came before it could start and takes its place");
    }
    let force = wish == Wish::RollbackTo;
    let quiet_until = draft.now;
    let (named, forced) = (BTreeSet::new(), BTreeSet::new());
    draft.status.next = Some(Candidate { target, wish, at, quiet_until, force, named, forced });
}

fn rollback(draft: &mut Draft<'_>, bound: Option<&RolloutId>, to: Option<&RevisionArn>, intent: &Intent) {
    let wish = "rollback";
    if let Some(rollout) = &draft.status.rollout {
        // A held one may have taken the place of that one; nothing was touched yet, and a named revision is wished whatever is held.
        let named = to.is_some() && rollout.phase == Phase::Holding;
        if bound.is_some_and(|id| *id != rollout.id) && !named {
            decline(draft, wish, "the rollout it was meant for has ended");
            return;
        }
        let stable = rollout.stable_revision.clone();
        match rollout.phase {
            // ECS has ended it: there is nothing to take back any more.
            Phase::Deploying | Phase::Stopping { .. } if rollout.native.stuck => {
                if let Some(revision) = to.or(stable.as_ref()) {
                    person_candidate(draft, Target::Revision(revision.clone()), Wish::RollbackTo, intent.at);
                    return;
                }
            }
            Phase::Holding => {
                if to.is_none() {
                    abandon(draft, intent);
                    return;
                }
            }
            Phase::Registering { .. }
            | Phase::Starting
            | Phase::Deploying
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Standby { .. } => go_back(draft, intent),
            Phase::Retiring | Phase::Resting => {
                if let Some(revision) = to.or(stable.as_ref()) {
                    person_candidate(draft, Target::Revision(revision.clone()), Wish::RollbackTo, intent.at);
                    return;
                }
            }
            Phase::Returning { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } if to.is_none() => {
                decline(draft, wish, "it is going back already");
            }
            Phase::Returning { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } => {}
        }
        if let Some(revision) = to {
            person_candidate(draft, Target::Revision(revision.clone()), Wish::RollbackTo, intent.at);
        }
        return;
    }
    let ended = draft.status.last.as_ref().filter(|last| bound == Some(&last.rollout));
    if to.is_none() && ended.is_some_and(|last| last.outcome != Outcome::Completed) {
        decline(draft, wish, "the rollout it was meant for has ended, and its revision is not live");
        return;
    }
    let foreign = super::native::foreign(draft).filter(|_| draft.config.engine.native().is_some());
    let before = draft.status.before(foreign).cloned();
    match to.cloned().or(before) {
        Some(revision) => person_candidate(draft, Target::Revision(revision), Wish::RollbackTo, intent.at),
        None => decline(draft, wish, "no earlier revision is known; name one with --to FAMILY:REVISION"),
    }
}

fn promote(draft: &mut Draft<'_>, id: &RolloutId, wished: usize) {
    let now = draft.now;
    if draft.status.rollout.as_ref().is_some_and(|rollout| rollout.id == *id && rollout.paused.is_some()) {
        decline(draft, "promote", "it is paused; flipback resume lets it go on first");
        return;
    }
    if let Some(rollout) = &mut draft.status.rollout
        && rollout.id == *id
    {
        match &mut rollout.phase {
            Phase::Baking { step, promoted } if *step == wished => {
                *promoted = true;
                return;
            }
            Phase::Standby { until } if wished.saturating_add(1) >= rollout.config.steps.len() => {
                *until = (*until).min(now);
                return;
            }
            Phase::Deploying => {
                super::native::promote(draft, wished);
                return;
            }
            Phase::Holding
            | Phase::Registering { .. }
            | Phase::Starting
            | Phase::Stopping { .. }
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Standby { .. }
            | Phase::Retiring
            | Phase::Resting
            | Phase::Returning { .. }
            | Phase::Clearing { .. } => {}
        }
    }
    decline(draft, "promote", "the step it was meant for is not being baked any more");
}

fn pause(draft: &mut Draft<'_>, id: &RolloutId) {
    if draft.config.engine.native().is_some() {
        let why = "ECS moves the traffic by itself; declare a PAUSE hook at the stage that should wait for you";
        decline(draft, "pause", why);
        return;
    }
    let now = draft.now;
    match &mut draft.status.rollout {
        Some(rollout) if rollout.id == *id => rollout.paused = rollout.paused.or(Some(now)),
        Some(_) | None => decline(draft, "pause", "the rollout it was meant for has ended"),
    }
}

fn resume(draft: &mut Draft<'_>, id: &RolloutId) {
    let read: BTreeMap<_, _> = draft
        .seen
        .routes
        .iter()
        .filter_map(|(route, reading)| Some((route, reading.known()?.weights.clone())))
        .collect();
    let now = draft.now;
    match &mut draft.status.rollout {
        Some(rollout) if rollout.id == *id => {
            rollout.paused = None;
            rollout.called = false;
            let mut taken = false;
            for (route, expected) in &mut rollout.routes {
                if let (Some(_), Some(found)) = (expected.foreign_since, read.get(route)) {
                    expected.previous = found.clone();
                    taken = true;
                }
            }
            // From the weights found the present step is shifted to anew.
            let last = rollout.config.steps.len().saturating_sub(1);
            let again = match rollout.phase {
                Phase::Baking { step, .. } => Some(step),
                Phase::Standby { .. } | Phase::Retiring | Phase::Resting => Some(last),
                Phase::Holding
                | Phase::Registering { .. }
                | Phase::Starting
                | Phase::Deploying
                | Phase::Stopping { .. }
                | Phase::Shifting { .. }
                | Phase::Returning { .. }
                | Phase::Clearing { .. } => None,
            };
            if let (true, Some(step)) = (taken, again) {
                rollout.phase = Phase::Shifting { step };
                rollout.since = now;
            }
        }
        Some(_) | None => decline(draft, "resume", "the rollout it was meant for has ended"),
    }
}

fn abort(draft: &mut Draft<'_>, id: &RolloutId, intent: &Intent) {
    match &draft.status.rollout {
        Some(rollout) if rollout.id == *id => match rollout.phase {
            Phase::Holding => abandon(draft, intent),
            Phase::Registering { .. }
            | Phase::Starting
            | Phase::Deploying
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Standby { .. } => go_back(draft, intent),
            Phase::Retiring | Phase::Resting => decline(
                draft,
                "abort",
                "the old side is already being retired; flipback rollback starts the previous revision again",
            ),
            Phase::Returning { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } => decline(
                draft,
                "abort",
                "it is going back already; flipback abort --give-up ends it as it stands, once a person was called",
            ),
        },
        Some(_) | None => decline(draft, "abort", "the rollout it was meant for has ended"),
    }
}

/// A rollout that has not touched anything ends at a person's word.
fn abandon(draft: &mut Draft<'_>, intent: &Intent) {
    if let Some(rollout) = draft.status.rollout.take() {
        let kept = draft.refuse(&rollout, &format!("{} ended it", intent.by), "");
        draft.status.rollout = kept;
    }
}

/// A person was called and takes over: the rollout ends as it stands, and nothing more is written.
fn give_up(draft: &mut Draft<'_>, id: &RolloutId, intent: &Intent) {
    match draft.status.rollout.take() {
        Some(rollout) if rollout.id == *id && rollout.called => {
            let landed = rollout.forward_until.plus(draft.margins.effect_lifetime);
            let late =
                if draft.now <= landed { format!("; what was sent may land until {landed}") } else { String::new() };
            let why = format!("{} gave {} up as it stood; nothing more is written{late}", intent.by, rollout.id);
            let advice = "check the weights, task counts and scalable targets by hand: flipback status".to_owned();
            draft.tell(Some(&rollout.id), Milestone::Call { why, advice });
            draft.end(&rollout, Outcome::GivenUp(intent.by.clone()));
        }
        kept => {
            draft.status.rollout = kept;
            decline(
                draft,
                "give up",
                "only a rollout that waits for a person can be given up; flipback abort takes it back",
            );
        }
    }
}

fn go_back(draft: &mut Draft<'_>, intent: &Intent) {
    if let Some(mut rollout) = draft.status.rollout.take() {
        super::back::turn(draft, &mut rollout, Cause::Person(format!("{} asked for it", intent.by)));
        draft.status.rollout = Some(rollout);
    }
}

fn release(draft: &mut Draft<'_>, digest: &Digest) {
    let held = |held: &Quarantined| held.digests.contains(digest);
    if !draft.status.quarantine.iter().any(held) {
        // What was taken stays taken: a push that arrives twice must not start again.
        decline(draft, "release", "no image with this digest is in quarantine");
        return;
    }
    draft.status.quarantine.retain(|other| !held(other));
    draft.status.taken.retain(|_, image| image.digest != *digest);
    for seen in draft.status.seen.values_mut() {
        seen.digests.retain(|other| other != digest);
    }
}

pub(super) fn decline(draft: &mut Draft<'_>, wish: &str, reason: &str) {
    let rollout = draft.status.rollout.as_ref().map(|rollout: &Rollout| rollout.id.clone());
    draft.tell(rollout.as_ref(), Milestone::Declined { wish: wish.to_owned(), reason: reason.to_owned() });
}

/// A candidate contains the whole quarantined set.
pub(super) fn is_whole(held: &Quarantined, images: &Images) -> bool {
    !held.digests.is_empty() && held.digests.iter().all(|digest| images.values().any(|image| image.digest == *digest))
}

/// Puts a rollout's images into quarantine; the digests that are in it now.
pub(super) fn put_in_quarantine(draft: &mut Draft<'_>, rollout: &Rollout, cause: &Cause) -> Vec<Digest> {
    let digests = rollout.candidate.target.digests();
    if !cause.quarantines() || digests.is_empty() {
        return Vec::new();
    }
    draft.status.quarantine.retain(|held| held.digests != digests);
    draft.status.quarantine.push(Quarantined {
        digests: digests.clone(),
        rollout: rollout.id.clone(),
        reason: format!("{} was rolled back: {}", what(&rollout.candidate), crate::notice::cause(cause)),
        at: draft.now,
    });
    // Old entries give way: the newest are those whose pushes may still arrive.
    let excess = draft.status.quarantine.len().saturating_sub(MAX_QUARANTINE);
    draft.status.quarantine.drain(..excess);
    digests.into_iter().collect()
}

/// As many sets as keep the status far below DynamoDB's 400 KB per item.
const MAX_QUARANTINE: usize = 100;
