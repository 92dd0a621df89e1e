//! A native deployment while it runs, forward and back.

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, Hook, NativeReading, ServiceDeployment};
use crate::rollout::{Candidate, Cause, Opened, Outcome, Phase, Rollout, Target, Wish};
use crate::time::{Span, Time};

use super::super::draft::{Draft, what};
use super::super::{alarms, hold, inbox};
use super::watch::late;
use super::{astray, newer, own, service};

/// Stages in which the new tasks are brought up; the start deadline counts for them together.
const BEFORE_TRAFFIC: [&str; 6] =
    ["PENDING", ROLLING, "RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP"];

/// A rolling deployment has no stages: it brings its tasks up until it is over.
const ROLLING: &str = "ROLLING";

/// The stage for people, and for the deadlines.
fn stage_of(own: &ServiceDeployment) -> String {
    let none = if own.status == DeploymentStatus::Pending { "PENDING" } else { ROLLING };
    own.stage.clone().unwrap_or_else(|| none.to_owned())
}

pub(in super::super) fn deploying(draft: &mut Draft<'_>, mut rollout: Rollout) -> Option<Rollout> {
    let service = match service(draft) {
        Ok(service) => service,
        Err(why) => {
            // Law 2: an alarm that was told is acted on although nothing else could be read.
            if let Some(cause) = harm(draft, &rollout) {
                turn(draft, &mut rollout, cause);
            } else {
                overdue(draft, &mut rollout, &why);
                draft.wait(Waiting::Unknown(why));
            }
            return Some(rollout);
        }
    };
    let Some(own) = own(&rollout, service) else { return Some(start(draft, rollout, service)) };
    rollout.native.deployment = Some(own.arn.clone());
    rollout.arrived = true;
    if let Some(other) = newer(own, service) {
        let by = other.revision.clone();
        draft.tell(Some(&rollout.id), Milestone::Superseded { what: what(&rollout.candidate), by: by.clone() });
        draft.end(&rollout, Outcome::Superseded(by.short().to_owned()));
        return None;
    }
    let stage = stage_of(own);
    if rollout.native.stage.as_ref().is_none_or(|(seen, _)| *seen != stage) {
        rollout.native.stage = Some((stage.clone(), draft.now));
        rollout.called = false;
    }
    weigh(&mut rollout, service, own);
    match &own.status {
        DeploymentStatus::Successful => return complete(draft, rollout),
        DeploymentStatus::Stopped | DeploymentStatus::RollbackFailed => {
            let why = format!("ECS ended the deployment without going back: {}", own.reason);
            return stuck(draft, rollout, &why);
        }
        DeploymentStatus::StopRequested
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::RollbackSuccessful => {
            let cause = by_ecs(own);
            turn(draft, &mut rollout, cause);
            return Some(rollout);
        }
        DeploymentStatus::Pending | DeploymentStatus::InProgress | DeploymentStatus::Other(_) => {}
    }
    alarms::end_forgiveness(draft, &mut rollout);
    if let Some(cause) = harm(draft, &rollout) {
        turn(draft, &mut rollout, cause);
        return Some(rollout);
    }
    if hold::superseded(draft, &rollout) {
        turn(draft, &mut rollout, Cause::Superseded);
        return Some(rollout);
    }
    rollout.native.paused = own.hooks.iter().any(|hook| hook.waits);
    open(&mut rollout, service.gate(own, &stage), &stage);
    if !rollout.native.paused {
        rollout.native.astray = None;
    } else if let Some(cause) = astray::check(draft, &mut rollout, service, own) {
        turn(draft, &mut rollout, cause);
        return Some(rollout);
    }
    if gates(draft, &mut rollout, service, own, &stage) || overdue(draft, &mut rollout, &stage) {
        return Some(rollout);
    }
    draft.wait(Waiting::Stage { stage, weight: own.weight });
    Some(rollout)
}

/// The new revision's traffic as ECS says it; from the first on alarms speak of it, and going back is no cancelling.
fn weigh(rollout: &mut Rollout, service: &NativeReading, own: &ServiceDeployment) {
    rollout.native.weight = own.weight;
    let moves = service.strategy() != "ROLLING";
    if rollout.first_shift.is_none() && (own.weight.tenths() > 0 || !moves) {
        rollout.first_shift = Some(own.created.max(rollout.started_at));
    }
}

/// What says that the new revision hurts. Before it has traffic an alarm speaks of the old one.
fn harm(draft: &Draft<'_>, rollout: &Rollout) -> Option<Cause> {
    rollout.first_shift?;
    alarms::harm(draft, rollout, Colour::Blue)
}

/// ECS's own reason as a cause: its alarms and its circuit breaker blame the image.
fn by_ecs(own: &ServiceDeployment) -> Cause {
    let reason = if own.reason.is_empty() { "ECS goes back by itself".to_owned() } else { own.reason.clone() };
    match own.triggered.first() {
        Some(alarm) => Cause::Alarm { alarm: alarm.clone(), reason },
        None if reason.contains("circuit breaker") => Cause::Unhealthy(reason),
        None => Cause::Failed(reason),
    }
}

/// Sends the deployment; again only once the last one can no longer land.
fn start(draft: &mut Draft<'_>, mut rollout: Rollout, service: &NativeReading) -> Rollout {
    let Some(revision) = rollout.revision.clone() else {
        turn(draft, &mut rollout, Cause::Failed("the saved status names no revision to deploy".to_owned()));
        return rollout;
    };
    if hold::superseded(draft, &rollout) {
        turn(draft, &mut rollout, Cause::Superseded);
        return rollout;
    }
    if let Some(failure) = draft.seen.failures.iter().find(|failure| failure.permanent) {
        let cause = Cause::Failed(format!("{}: {}", failure.effect, failure.reason));
        turn(draft, &mut rollout, cause);
        return rollout;
    }
    if overdue(draft, &mut rollout, "no service deployment of the new revision was seen") {
        return rollout;
    }
    let lost_after = draft.margins.forward.0 + draft.margins.effect_lifetime.0;
    let in_flight = rollout.native.resent.is_some_and(|at| draft.now.since(at).0 <= lost_after);
    let other = service.deployments.iter().find(|deployment| deployment.status.running());
    if let Some(other) = other {
        if late(draft, other) {
            draft.back(Action::Stop { deployment: other.arn.clone() });
        }
        draft.wait(Waiting::OtherDeployment(other.revision.short().to_owned()));
    } else if in_flight {
        draft.wait(Waiting::Healthy("the deployment to be seen".to_owned()));
    } else if let Err(why) = alarms::quiet(draft, &rollout, Colour::Blue) {
        // One may have begun to fire since the hold: ECS would ignore every alarm of this deployment.
        draft.wait(Waiting::Unknown(format!("to start: {why}")));
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

/// What waits at the function's gate, and whether a person has opened it: an opened one that is passed is forgotten.
fn open(rollout: &mut Rollout, gate: Option<&Hook>, stage: &str) {
    let native = &mut rollout.native;
    let of_this = |opened: &Opened| opened.stage == stage && gate.is_some_and(|hook| hook.id == opened.hook);
    if native.opened.as_ref().is_some_and(|opened| !of_this(opened)) {
        native.opened = None;
        native.gates += 1;
    }
    native.gated = gate.is_some() && native.opened.is_none();
}

/// Pauses and gates that wait: pauses are answered at a person's word, and each is told once. True: one waits.
fn gates(
    draft: &mut Draft<'_>,
    rollout: &mut Rollout,
    service: &NativeReading,
    own: &ServiceDeployment,
    stage: &str,
) -> bool {
    let pause = own.hooks.iter().find(|hook| hook.waits);
    // The pauses of two stages may follow one another with no look between them.
    if rollout.native.promoted.as_ref().is_some_and(|before| pause.is_none_or(|hook| hook.id != *before)) {
        rollout.native.promoted = None;
        rollout.native.gates += 1;
    }
    let gate = service.gate(own, stage).filter(|_| rollout.native.gated);
    let Some(hook) = pause.or(gate) else { return false };
    if rollout.native.promoted.as_ref() == Some(&hook.id) {
        if let Err(why) = alarms::quiet(draft, rollout, Colour::Blue) {
            draft.wait(Waiting::Unknown(format!("to go on: {why}")));
            return true;
        }
        let (deployment, hook) = (own.arn.clone(), hook.id.clone());
        // Forward, though ECS does the shifting: it has a deadline like every other forward effect.
        draft.forward(rollout, Action::Continue { deployment, hook });
        draft.wait(Waiting::Stage { stage: stage.to_owned(), weight: own.weight });
        return true;
    }
    if rollout.native.told.insert(hook.id.clone()) {
        let milestone = Milestone::Gate {
            what: what(&rollout.candidate),
            stage: stage.to_owned(),
            weight: own.weight,
            until: hook.expires,
            back: hook.times_out_back,
        };
        draft.tell(Some(&rollout.id), milestone);
    }
    draft.wait(Waiting::Gate { stage: stage.to_owned(), until: hook.expires });
    true
}

/// A person's promote: bound to the pause that waits now.
pub(in super::super) fn promote(draft: &mut Draft<'_>, wished: usize) {
    let seen = match service(draft) {
        Ok(service) => Some(service),
        Err(why) => {
            let reason = format!("{why}; whether a pause waits is not known: promote it again");
            inbox::decline(draft, "promote", &reason);
            return;
        }
    };
    let Some(rollout) = &mut draft.status.rollout else { return };
    let own = seen.and_then(|service| own(rollout, service));
    let pause = own.and_then(|own| own.hooks.iter().find(|hook| hook.waits));
    let gate = seen.zip(own).and_then(|(service, own)| service.gate(own, &stage_of(own)));
    // What was opened before may have been passed since the last look, and another one wait.
    if let (Some(pause), Some(before)) = (pause, &rollout.native.promoted)
        && pause.id != *before
    {
        rollout.native.promoted = None;
        rollout.native.gates += 1;
    }
    if let Some(own) = own {
        open(rollout, gate, &stage_of(own));
    }
    let reason = match (pause, gate) {
        (None, None) => {
            let stage = rollout.native.stage.as_ref().map_or("its start", |(stage, _)| stage.as_str());
            format!(
                "ECS is at {stage} and nothing waits for a person there; only a PAUSE hook of the service, or a gate of \
                 lifecycle-hook, can be promoted"
            )
        }
        (Some(_), _) | (None, Some(_)) if rollout.native.gates != wished => {
            "the pause it was meant for has passed; another one waits now".to_owned()
        }
        (Some(hook), _) => {
            rollout.native.promoted = Some(hook.id.clone());
            return;
        }
        (None, Some(hook)) => {
            let stage = own.map(stage_of).unwrap_or_default();
            rollout.native.opened = Some(Opened { stage, hook: hook.id.clone(), at: draft.now });
            return;
        }
    };
    inbox::decline(draft, "promote", &reason);
}

/// Law 13: past its deadline a stage that has not brought traffic yet is stopped, and so is one that stands still. True:
/// it was.
fn overdue(draft: &mut Draft<'_>, rollout: &mut Rollout, what: &str) -> bool {
    let config = &rollout.config;
    let stage = rollout.native.stage.as_ref().map_or("PENDING", |(stage, _)| stage.as_str());
    let coming_up = BEFORE_TRAFFIC.contains(&stage);
    let until = if coming_up {
        rollout.since.plus(config.start_deadline)
    } else {
        let since = rollout.native.stage.as_ref().map_or(rollout.since, |(_, since)| *since);
        since.plus(bake(draft)).plus(config.stall_deadline)
    };
    if draft.now < until {
        return false;
    }
    let seen = rollout.native.deployment.is_some() && draft.seen.native.known().is_some();
    // Only tasks that were seen not to come up are to blame: an answer that did not come is not the image's fault.
    let cause = if seen && coming_up {
        Cause::NotHealthyInTime(format!("ECS is still at {what}"))
    } else {
        Cause::Deadline(format!("ECS is still at {what}"))
    };
    turn(draft, rollout, cause);
    true
}

/// What the service's configuration bakes at one stage at most.
fn bake(draft: &Draft<'_>) -> Span {
    let Ok(service) = service(draft) else { return Span(0) };
    let declared = &service.configuration;
    let minutes = [
        &declared["bakeTimeInMinutes"],
        &declared["canaryConfiguration"]["canaryBakeTimeInMinutes"],
        &declared["linearConfiguration"]["stepBakeTimeInMinutes"],
    ];
    // ECS bakes 15 minutes where nothing is declared.
    Span::mins(minutes.into_iter().filter_map(serde_json::Value::as_u64).max().unwrap_or(15).max(15))
}

fn complete(draft: &mut Draft<'_>, rollout: Rollout) -> Option<Rollout> {
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

/// A person must look: it stays until they give it up.
fn stuck(draft: &mut Draft<'_>, mut rollout: Rollout, why: &str) -> Option<Rollout> {
    let advice =
        "flipback rollback redeploys the previous revision; flipback abort --give-up ends the rollout as it is";
    draft.call(&mut rollout, why.to_owned(), advice);
    draft.wait(Waiting::Person(why.to_owned()));
    Some(rollout)
}

/// Turns a native rollout back.
pub(in super::super) fn turn(draft: &mut Draft<'_>, rollout: &mut Rollout, cause: Cause) {
    let quarantined = inbox::put_in_quarantine(draft, rollout, &cause);
    // A person's word is taken before the look that it came with.
    if let Ok(service) = service(draft)
        && let Some(own) = own(rollout, service)
    {
        weigh(rollout, service, own);
    }
    let what = what(&rollout.candidate);
    let weight = rollout.native.weight.ceil();
    let milestone = match rollout.first_shift {
        None => Milestone::Cancelled { what, cause: cause.clone(), quarantined },
        Some(_) => Milestone::GoingBack { what, cause: cause.clone(), weight, by_ecs: true },
    };
    draft.tell(Some(&rollout.id), milestone);
    draft.enter(rollout, Phase::Stopping { cause });
    stop(draft, rollout);
    draft.again();
}

/// Asks ECS to go back where that is not under way. Saying it twice is saying it once.
fn stop(draft: &mut Draft<'_>, rollout: &Rollout) {
    let status = service(draft).ok().and_then(|service| own(rollout, service)).map(|own| own.status.clone());
    let wanted = match status {
        None => true,
        Some(
            DeploymentStatus::Pending
            | DeploymentStatus::InProgress
            | DeploymentStatus::StopRequested
            | DeploymentStatus::Other(_),
        ) => true,
        Some(
            DeploymentStatus::Successful
            | DeploymentStatus::Stopped
            | DeploymentStatus::RollbackRequested
            | DeploymentStatus::RollbackInProgress
            | DeploymentStatus::RollbackSuccessful
            | DeploymentStatus::RollbackFailed,
        ) => false,
    };
    let known = service(draft).ok().and_then(|service| own(rollout, service)).map(|own| own.arn.clone());
    if let (true, Some(deployment)) = (wanted, rollout.native.deployment.clone().or(known)) {
        draft.back(Action::Stop { deployment });
    }
}

/// A rollback of ECS's that moves no weight takes minutes; after this a person is called while it goes on.
const MAX_STOPPING: Span = Span::mins(10);

pub(in super::super) fn stopping(draft: &mut Draft<'_>, mut rollout: Rollout, cause: Cause) -> Option<Rollout> {
    let service = match service(draft) {
        Ok(service) => service,
        Err(why) => {
            stop(draft, &rollout);
            slow(draft, &mut rollout);
            draft.wait(Waiting::Unknown(why));
            return Some(rollout);
        }
    };
    let Some(own) = own(&rollout, service) else {
        // One that was sent may still land; it is stopped when it does.
        let landed = rollout.forward_until.plus(draft.margins.effect_lifetime);
        if rollout.native.deployment.is_none() && (rollout.native.sent.is_none() || draft.seen.at > landed) {
            return over(draft, rollout, cause);
        }
        slow(draft, &mut rollout);
        draft.wait_until(Waiting::LateWrites(landed), landed.max(draft.now.plus(Span::secs(1))));
        return Some(rollout);
    };
    rollout.native.deployment = Some(own.arn.clone());
    weigh(&mut rollout, service, own);
    match &own.status {
        DeploymentStatus::RollbackSuccessful => return back(draft, rollout, cause),
        DeploymentStatus::Successful => return too_late(draft, rollout, cause),
        DeploymentStatus::RollbackFailed | DeploymentStatus::Stopped => {
            if let Some(other) = newer(own, service) {
                draft.end(&rollout, Outcome::Superseded(other.revision.short().to_owned()));
                return None;
            }
            let why = format!("the rollback has not taken: ECS says {:?} ({})", own.status, own.reason);
            return stuck(draft, rollout, &why);
        }
        DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::StopRequested
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::Other(_) => {}
    }
    stop(draft, &rollout);
    slow(draft, &mut rollout);
    draft.wait(Waiting::EcsBack(format!("{:?}, {} % of the traffic", own.status, own.weight)));
    Some(rollout)
}

fn slow(draft: &mut Draft<'_>, rollout: &mut Rollout) {
    if let Some(refused) = draft.seen.failures.iter().find(|failure| failure.permanent) {
        let why = format!("{}: {}", refused.effect, refused.reason);
        let advice =
            "stop the deployment in the ECS console, or give the role what it lacks: it is asked again at every look";
        draft.call(rollout, why, advice);
    }
    if draft.now >= rollout.since.plus(MAX_STOPPING) {
        let why = "ECS has not gone back yet".to_owned();
        draft.call(
            rollout,
            why,
            "it is asked again at every look; flipback status and the ECS console show its events",
        );
    }
}

/// ECS went back, as read.
fn back(draft: &mut Draft<'_>, rollout: Rollout, cause: Cause) -> Option<Rollout> {
    if rollout.first_shift.is_some() {
        let quarantined =
            if cause.quarantines() { rollout.candidate.target.digests().into_iter().collect() } else { Vec::new() };
        let (what, took) = (what(&rollout.candidate), draft.now.since(rollout.since));
        draft.tell(
            Some(&rollout.id),
            Milestone::RolledBack { what, cause: cause.clone(), took, quarantined, by_ecs: true },
        );
    }
    over(draft, rollout, cause)
}

fn over(draft: &mut Draft<'_>, rollout: Rollout, cause: Cause) -> Option<Rollout> {
    if cause == Cause::Superseded {
        super::super::back::inherit(draft, &rollout);
    }
    let outcome = if rollout.first_shift.is_some() { Outcome::RolledBack(cause) } else { Outcome::Cancelled(cause) };
    draft.end(&rollout, outcome);
    None
}

/// The stop came after the end: the new revision is live. Back is a redeploy now, and is called that.
fn too_late(draft: &mut Draft<'_>, rollout: Rollout, cause: Cause) -> Option<Rollout> {
    let why = format!(
        "ECS finished {} before it could be stopped ({}); the previous revision is deployed again",
        what(&rollout.candidate),
        crate::notice::cause(&cause)
    );
    draft.tell(
        Some(&rollout.id),
        Milestone::Call { why, advice: "that is a redeploy, not a flip: it takes as long as a deployment".to_owned() },
    );
    if let (None, Some(stable)) = (&draft.status.next, &rollout.stable_revision) {
        draft.status.next = Some(Candidate {
            target: Target::Revision(stable.clone()),
            wish: Wish::RollbackTo,
            at: draft.now,
            quiet_until: Time(0),
            force: true,
        });
    }
    draft.end(&rollout, Outcome::RolledBack(cause));
    None
}
