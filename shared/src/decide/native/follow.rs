//! A native deployment from its start to its end, while it goes forward.

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, NativeReading, ServiceDeployment};
use crate::rollout::{Candidate, Cause, Outcome, Phase, Rollout, Target, Wish};
use crate::time::{Span, Time};

use super::super::draft::{Draft, what};
use super::super::{alarms, hold, inbox};
use super::back::turn;
use super::hold::unlisted;
use super::served::once_served;
use super::{astray, clock, gates, named, newer, own, service, watch};

/// A rolling deployment has no stages: it brings its tasks up until it is over.
pub(super) const ROLLING: &str = "ROLLING";

/// The stage for people, and for the deadlines.
pub(super) fn stage_of(own: &ServiceDeployment) -> String {
    let none = if own.status == DeploymentStatus::Pending { "PENDING" } else { ROLLING };
    own.stage.clone().unwrap_or_else(|| none.to_owned())
}

pub(in super::super) fn deploying(draft: &mut Draft<'_>, mut rollout: Rollout) -> Option<Rollout> {
    let service = match service(draft) {
        Ok(service) => service,
        Err(why) => {
            // Law 2: an alarm that was told is acted on although nothing else could be read.
            blind(draft, &mut rollout, why);
            return Some(rollout);
        }
    };
    let Some(own) = own(&rollout, service) else {
        if rollout.native.deployment.is_none() {
            return Some(start(draft, rollout, service));
        }
        // It is there, whatever this answer lacks: never started again.
        let why = "its service deployment is not in the answer".to_owned();
        blind(draft, &mut rollout, why);
        return Some(rollout);
    };
    rollout.native.deployment = Some(own.arn.clone());
    rollout.arrived = true;
    if let (Some(since), false) = (unseen_since(draft, &rollout), own.status.forward()) {
        // It went back, or ended, while nothing was read: that it got no traffic was not seen.
        rollout.first_shift.get_or_insert(since);
    }
    clock::note(draft, &mut rollout, service, own);
    weigh(draft, &mut rollout, service, own);
    let stage = stage_of(own);
    // How ours ended comes first: what came after it does not change that.
    match &own.status {
        DeploymentStatus::Successful => return once_served(draft, rollout, service, own, complete),
        DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::RollbackSuccessful => {
            let cause = stopped_for(draft, &rollout, own).unwrap_or_else(|| by_ecs(own));
            turn(draft, &mut rollout, cause);
            return Some(rollout);
        }
        DeploymentStatus::Stopped
        | DeploymentStatus::StopRequested
        | DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::Other(_) => {
            if let Some(other) = newer(own, service) {
                return superseded(draft, rollout, other);
            }
        }
        DeploymentStatus::RollbackFailed => {}
    }
    match &own.status {
        DeploymentStatus::Stopped | DeploymentStatus::RollbackFailed => {
            if !rollout.native.stuck {
                inbox::put_in_quarantine(draft, &rollout, &by_ecs(own));
            }
            let why = format!("ECS ended the deployment without going back: {}", own.reason);
            return stuck(draft, rollout, &why, FAILED);
        }
        DeploymentStatus::StopRequested => {
            // Somebody stops it, or another one takes its place: the next look tells which.
            draft.wait(Waiting::EcsBack("STOP_REQUESTED by somebody else".to_owned()));
            clock::overdue(draft, &mut rollout);
            return Some(rollout);
        }
        DeploymentStatus::Successful
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::RollbackSuccessful
        | DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::Other(_) => {}
    }
    alarms::end_forgiveness(draft, &mut rollout);
    if let Some(cause) = harm(draft, &rollout) {
        if rollout.candidate.wish == Wish::RollbackTo {
            // It is the cure: taking it back would bring what hurts.
            let why = format!("{} while {} is brought back", crate::notice::cause(&cause), what(&rollout.candidate));
            draft.call(&mut rollout, why, "it goes on; flipback abort takes it back");
        } else {
            turn(draft, &mut rollout, cause);
            return Some(rollout);
        }
    }
    if hold::superseded(draft, &rollout) && !hold::cures(draft, &rollout) {
        turn(draft, &mut rollout, Cause::Superseded);
        return Some(rollout);
    }
    gates::note(draft, &mut rollout, service, own);
    gates::asked(draft, &mut rollout, service);
    if !rollout.native.paused {
        rollout.native.astray = None;
    } else if let Some(cause) = astray::check(draft, &mut rollout, service, own) {
        turn(draft, &mut rollout, cause);
        return Some(rollout);
    }
    if gates::gates(draft, &mut rollout, service, own, &stage) || clock::overdue(draft, &mut rollout) {
        return Some(rollout);
    }
    draft.wait(Waiting::Stage { stage, weight: own.weight });
    Some(rollout)
}

/// Somebody else's deployment took the place of ours.
pub(super) fn superseded(draft: &mut Draft<'_>, rollout: Rollout, other: &ServiceDeployment) -> Option<Rollout> {
    let by = other.revision.clone();
    draft.tell(Some(&rollout.id), Milestone::Superseded { what: what(&rollout.candidate), by: by.clone() });
    draft.end(&rollout, Outcome::Superseded(by.short().to_owned()));
    None
}

/// How much older than its time a look at ECS may be, clocks that differ included.
const STALE: Span = Span::secs(10);

/// Stages that come after the new revision got traffic: the weight that ECS tells may be late.
const AFTER_SHIFT: [&str; 3] = ["POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"];

/// How often a look that saw no traffic is noted: not each is worth a save.
const NOTED: Span = Span::mins(1);

/// The new revision's traffic as ECS says it; from the first on alarms speak of it, and going back is no cancelling.
pub(super) fn weigh(draft: &Draft<'_>, rollout: &mut Rollout, service: &NativeReading, own: &ServiceDeployment) {
    rollout.native.weight = own.weight;
    if rollout.first_shift.is_some() {
        return;
    }
    let traffic = own.stage.as_deref().is_some_and(|stage| AFTER_SHIFT.contains(&stage));
    if own.weight.tenths() > 0 || traffic || service.strategy_of(own) == ROLLING {
        // When ECS moved the first is not told: after the last look that saw none.
        let none = rollout.native.none_at.map_or(Time(0), |at| at.minus(STALE));
        rollout.first_shift = Some(own.created.max(rollout.started_at).max(none));
    } else if rollout.native.none_at.is_none_or(|at| draft.seen.at.since(at) >= NOTED) {
        rollout.native.none_at = Some(draft.seen.at);
    }
}

/// Its deployment could not be read. An alarm is acted on all the same, also one that began to fire since the last look: whether
/// there was traffic by then is not known (law 2).
fn blind(draft: &mut Draft<'_>, rollout: &mut Rollout, why: String) {
    clock::unread(draft, rollout, &why);
    if let Some(cause) = harm(draft, rollout) {
        turn(draft, rollout, cause);
    } else if let Some((since, cause)) = unseen_since(draft, rollout)
        .and_then(|since| Some((since, alarms::began(draft, rollout, Colour::Blue, &(since..=draft.now))?)))
    {
        rollout.first_shift = Some(since);
        turn(draft, rollout, cause);
    } else {
        draft.wait(Waiting::Unknown(why));
    }
}

/// Since when a deployment that had no traffic yet has not been read: since the look before the first that failed.
fn unseen_since(draft: &Draft<'_>, rollout: &Rollout) -> Option<Time> {
    let seen = rollout.native.deployment.is_some() && rollout.first_shift.is_none();
    rollout.native.unread.filter(|_| seen).map(|at| at.minus(draft.margins.look))
}

/// What says that the new revision hurts. Before it has traffic an alarm speaks of the old one.
pub(super) fn harm(draft: &Draft<'_>, rollout: &Rollout) -> Option<Cause> {
    rollout.first_shift?;
    alarms::harm(draft, rollout, Colour::Blue)
}

/// The alarm for which somebody stopped what nobody recorded: on-alarm, whose save was lost, or a person who saw it fire. It
/// still fires, and began between the new revision's first traffic and the way back.
fn stopped_for(draft: &Draft<'_>, rollout: &Rollout, own: &ServiceDeployment) -> Option<Cause> {
    let first = rollout.first_shift?;
    // Until it begins its way ECS does not say when.
    let requested = (own.status == DeploymentStatus::RollbackRequested).then_some(draft.now);
    let back = own.back_since.or(requested)?;
    let stopped = own.reason.contains("StopServiceDeployment") && rollout.candidate.wish != Wish::RollbackTo;
    alarms::began(draft, rollout, Colour::Blue, &(first..=back)).filter(|_| stopped)
}

/// ECS's own reason as a cause: its alarms and its circuit breaker blame the image.
fn by_ecs(own: &ServiceDeployment) -> Cause {
    let reason = if own.reason.is_empty() { "ECS goes back by itself".to_owned() } else { own.reason.clone() };
    match own.triggered.first() {
        Some(alarm) => Cause::Alarm { alarm: alarm.clone(), reason },
        None if own.broken || reason.contains("circuit breaker") => Cause::Unhealthy(reason),
        None => Cause::Failed(reason),
    }
}

/// Sends the deployment; again only once the last one can no longer land.
fn start(draft: &mut Draft<'_>, mut rollout: Rollout, service: &NativeReading) -> Rollout {
    let Some(revision) = rollout.revision.clone() else {
        turn(draft, &mut rollout, Cause::Failed("the saved status names no revision to deploy".to_owned()));
        return rollout;
    };
    if hold::superseded(draft, &rollout) && !hold::cures(draft, &rollout) {
        turn(draft, &mut rollout, Cause::Superseded);
        return rollout;
    }
    let of_deploy = |effect: &str| effect.starts_with("deploy ");
    if let Some(failure) = draft.seen.failures.iter().find(|failed| failed.permanent && of_deploy(&failed.effect)) {
        let cause = Cause::Failed(format!("{}: {}", failure.effect, failure.reason));
        turn(draft, &mut rollout, cause);
        return rollout;
    }
    if clock::unseen(draft, &mut rollout) {
        return rollout;
    }
    let lost_after = draft.margins.forward.0 + draft.margins.effect_lifetime.0;
    let in_flight = rollout.native.resent.is_some_and(|at| draft.now.since(at).0 <= lost_after)
        || rollout.native.sent.is_some() && named(&rollout, service);
    watch::note(draft, service);
    let other = service.deployments.iter().find(|deployment| deployment.status.running());
    if let Some(other) = other {
        draft.wait(Waiting::OtherDeployment(other.revision.short().to_owned()));
    } else if in_flight {
        draft.wait(Waiting::Healthy("the deployment to be seen".to_owned()));
    } else if let (false, Err(why)) =
        (rollout.candidate.wish == Wish::RollbackTo, alarms::quiet(draft, &rollout, Colour::Blue))
    {
        // One may have begun to fire since the hold: ECS would ignore every alarm of this deployment.
        draft.wait(Waiting::Unknown(format!("to start: {why}")));
    } else if let Err(waiting) = unlisted(draft, &rollout, &rollout.config, service) {
        draft.wait(waiting);
    } else {
        let native = rollout.config.engine.native();
        let configuration = native.and_then(|native| native.configuration(&service.configuration));
        if rollout.native.sent.is_none() {
            rollout.native.sent = Some(draft.now);
            rollout.native.after = service.deployments.first().map(|newest| newest.created);
        }
        rollout.native.resent = Some(draft.now);
        // What was live when it began starts nothing by itself. Not what is live now: that may be the first one's doing.
        let force = rollout.stable_revision.as_ref() == Some(&revision);
        draft.forward(&mut rollout, Action::Deploy { revision, configuration, force });
        draft.wait(Waiting::Healthy("the start".to_owned()));
    }
    rollout
}

pub(super) fn complete(draft: &mut Draft<'_>, rollout: Rollout) -> Option<Rollout> {
    let milestone = Milestone::Completed {
        what: what(&rollout.candidate),
        revision: rollout.revision.clone(),
        took: draft.now.since(rollout.started_at),
        standby: Span(0),
        by_ecs: true,
    };
    draft.tell(Some(&rollout.id), milestone);
    if let Target::Images(images) = &rollout.candidate.target {
        draft.status.good.extend(images.clone());
    }
    if let Some(family) = rollout.revision.clone() {
        let in_use = rollout.stable_revision.iter().chain(&rollout.revision).cloned().collect();
        let keep = rollout.config.keep_revisions;
        let mut last = rollout.clone();
        draft.forward(&mut last, Action::Tidy { family, keep, in_use });
    }
    draft.end(&rollout, Outcome::Completed);
    None
}

/// What to do where ECS ended it without going back.
pub(super) const FAILED: &str = "flipback rollback deploys the previous revision, a push the next one; flipback abort --give-up ends \
                                 the rollout as it is";

/// A person must look: it stays until they give it up, or something else shall be deployed.
pub(super) fn stuck(draft: &mut Draft<'_>, mut rollout: Rollout, why: &str, advice: &str) -> Option<Rollout> {
    // Told whatever was told before: it is over, and not as it should be.
    if !rollout.native.stuck {
        rollout.called = false;
    }
    rollout.native.stuck = true;
    draft.call(&mut rollout, why.to_owned(), advice);
    // Where users are not served a push would be refused for just that; it waits for the end of it.
    let unserved = rollout.native.ended.is_some();
    let goes = |next: &&Candidate| !unserved || next.force || next.wish == Wish::RollbackTo;
    if let Some(next) = draft.status.next.as_ref().filter(goes) {
        let by = what(next);
        inherit(draft, &rollout);
        draft.end(&rollout, Outcome::Superseded(by));
        return None;
    }
    draft.wait(Waiting::Person(why.to_owned()));
    Some(rollout)
}

/// The images of a rollout that a newer push replaced live on in that.
pub(super) fn inherit(draft: &mut Draft<'_>, rollout: &Rollout) {
    if let Phase::Stopping { cause: Cause::Superseded } = rollout.phase {
        super::super::back::inherit(draft, rollout);
    }
}
