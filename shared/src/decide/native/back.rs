//! The way back: ECS is asked to stop, and followed until it says that it is back.

use crate::decision::{Action, Waiting};
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, NativeReading, ServiceDeployment};
use crate::rollout::{Candidate, Cause, Outcome, Phase, Rollout, Target, Wish};
use crate::time::{Span, Time};

use super::super::draft::{Draft, what};
use super::super::inbox;
use super::follow::{FAILED, complete, inherit, stuck, superseded, weigh};
use super::served::once_served;
use super::{named, newer, own, service};

/// Turns a native rollout back.
pub(in super::super) fn turn(draft: &mut Draft<'_>, rollout: &mut Rollout, cause: Cause) {
    let quarantined = inbox::put_in_quarantine(draft, rollout, &cause);
    // A person's word is taken before the look that it came with.
    if let Ok(service) = service(draft)
        && let Some(own) = own(rollout, service)
    {
        weigh(draft, rollout, service, own);
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
        // Not read: it may go back by now, but only where it was seen to it is known to.
        None => !rollout.native.going,
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
        if rollout.native.deployment.is_some() {
            // It is there, whatever this answer lacks.
            stop(draft, &rollout);
            slow(draft, &mut rollout);
            draft.wait(Waiting::Unknown("the service deployment is not in the answer".to_owned()));
            return Some(rollout);
        }
        // One that was sent may still land; it is stopped when it does.
        let landed = rollout.forward_until.plus(draft.margins.effect_lifetime);
        // Where the service names it already its deployment will be seen.
        if rollout.native.sent.is_none() || draft.seen.at > landed && !named(&rollout, service) {
            return over(draft, rollout, cause);
        }
        slow(draft, &mut rollout);
        if draft.seen.at > landed {
            draft.wait(Waiting::Unknown("the service deployment is not in the answer".to_owned()));
        } else {
            draft.wait_until(Waiting::LateWrites(landed), landed.max(draft.now.plus(Span::secs(1))));
        }
        return Some(rollout);
    };
    rollout.native.deployment = Some(own.arn.clone());
    weigh(draft, &mut rollout, service, own);
    match &own.status {
        DeploymentStatus::RollbackSuccessful => {
            return once_served(draft, rollout, service, own, |draft, rollout| back(draft, rollout, cause));
        }
        DeploymentStatus::Successful => return too_late(draft, rollout, cause, service, own),
        DeploymentStatus::RollbackFailed | DeploymentStatus::Stopped => {
            if let Some(other) = newer(own, service) {
                return superseded(draft, rollout, other);
            }
            let why = format!("the rollback has not taken: ECS says {:?} ({})", own.status, own.reason);
            return stuck(draft, rollout, &why, FAILED);
        }
        DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::StopRequested
        | DeploymentStatus::Other(_) => {
            // Somebody else's took its place while ours was asked to stop.
            if let Some(other) = newer(own, service) {
                return superseded(draft, rollout, other);
            }
        }
        DeploymentStatus::RollbackRequested | DeploymentStatus::RollbackInProgress => rollout.native.going = true,
    }
    stop(draft, &rollout);
    slow(draft, &mut rollout);
    draft.wait(Waiting::EcsBack(format!("{:?}, {} % of the traffic", own.status, own.weight)));
    Some(rollout)
}

fn slow(draft: &mut Draft<'_>, rollout: &mut Rollout) {
    let of_stop = |effect: &str| effect.starts_with("stop deployment");
    if let Some(refused) = draft.seen.failures.iter().find(|failed| failed.permanent && of_stop(&failed.effect)) {
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
    inherit(draft, &rollout);
    let outcome = if rollout.first_shift.is_some() { Outcome::RolledBack(cause) } else { Outcome::Cancelled(cause) };
    draft.end(&rollout, outcome);
    None
}

/// The stop came after the end: the new revision is live. Back is a redeploy now, and is called that.
fn too_late(
    draft: &mut Draft<'_>,
    rollout: Rollout,
    cause: Cause,
    service: &NativeReading,
    own: &ServiceDeployment,
) -> Option<Rollout> {
    if let Some(other) = newer(own, service) {
        return superseded(draft, rollout, other);
    }
    // A person may have named another one than that which was live before.
    let wished =
        draft.status.next.as_ref().filter(|next| next.wish == Wish::RollbackTo).map(|next| next.target.clone());
    let before = match wished {
        Some(Target::Revision(revision)) => Some(revision),
        Some(Target::Images(_) | Target::Live) | None => rollout.stable_revision.clone(),
    };
    let Some(stable) = before.filter(|_| cause != Cause::Superseded) else {
        // Nothing is wrong with it: it is live, and what shall take its place waits.
        return once_served(draft, rollout, service, own, complete);
    };
    let why = format!(
        "ECS finished {} before it could be stopped ({}); {} is deployed again",
        what(&rollout.candidate),
        crate::notice::cause(&cause),
        stable.short()
    );
    draft.tell(
        Some(&rollout.id),
        Milestone::Call { why, advice: "that is a redeploy, not a flip: it takes as long as a deployment".to_owned() },
    );
    // What waited would start from the bad one; it can be deployed again once that is gone.
    if let Some(waiting) = draft.status.next.take().filter(|waiting| waiting.wish != Wish::RollbackTo) {
        let digests = waiting.target.digests();
        draft.status.taken.retain(|_, image| !digests.contains(&image.digest));
        let milestone = Milestone::Refused {
            what: what(&waiting),
            reason: format!("{} is brought back first", stable.short()),
            advice: format!("push it again, or flipback deploy {} --image REPOSITORY:TAG", draft.config.name),
        };
        draft.tell(None, milestone);
    }
    draft.status.next = Some(Candidate {
        target: Target::Revision(stable),
        wish: Wish::RollbackTo,
        at: draft.now,
        quiet_until: Time(0),
        force: true,
        named: Default::default(),
        forced: Default::default(),
    });
    draft.end(&rollout, Outcome::RolledBack(cause));
    None
}
