//! Before a native deployment starts.

use crate::config::{Mode, Native, Plan};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, Reading};
use crate::rollout::{Outcome, Phase, Rollout, Target};

use super::super::draft::{Draft, what};
use super::super::hold::{Not, alarms, ever, unknown};
use super::service;
use super::watch::{foreign, late};

/// Every precondition of a native deployment.
pub(in super::super) fn check(draft: &mut Draft<'_>, rollout: &mut Rollout, native: &Native) -> Result<(), Not> {
    let seen = draft.seen;
    let service = match &seen.native {
        Reading::Unknown(why) => return unknown(format!("{}: {why}", native.service)),
        Reading::Known(None) => {
            return ever(
                format!("there is no active ECS service {} in cluster {}", native.service, draft.config.cluster),
                "create it, or name the right one in flipback.yaml and apply that",
            );
        }
        Reading::Known(Some(service)) => service,
    };
    if let Some((why, advice)) = &service.undrivable {
        return ever(format!("{}: {why}", native.service), advice.clone());
    }
    if let Some(newest) = service.deployments.first().filter(|newest| !late(draft, newest)) {
        foreign(draft, newest);
    }
    if let Some(running) = service.deployments.iter().find(|deployment| deployment.status.running()) {
        // Law 14: what was taken back and landed after all is not waited for.
        if late(draft, running) {
            draft.back(Action::Stop { deployment: running.arn.clone() });
        }
        let what = format!("{} ({:?})", running.revision.short(), running.status);
        return Err(Not::Yet(Waiting::OtherDeployment(what)));
    }
    match &service.traffic {
        Reading::Unknown(why) => return unknown(format!("the production weights: {why}")),
        // The new image may be the cure; a person says so.
        Reading::Known(traffic) if !rollout.candidate.force => {
            if let Some(dead) = traffic.dead() {
                return ever(
                    format!("production traffic goes to {}, which has no healthy target", dead.short()),
                    "bring the live tasks up first: ECS would go back to them; flipback deploy --force deploys anyway",
                );
            }
        }
        Reading::Known(_) => {}
    }
    // ECS ignores every alarm of a deployment that starts while one of them fires.
    alarms(draft, rollout, Colour::Blue)?;
    if rollout.paused.is_some() {
        return Err(Not::Yet(Waiting::Paused));
    }
    Ok(())
}

/// Everything was seen: the rollout starts.
pub(in super::super) fn begin(draft: &mut Draft<'_>, mut rollout: Rollout, native: &Native) -> Option<Rollout> {
    let service = service(draft).ok()?;
    // After a deployment that failed the service may still name its revision; what last succeeded is what to go back to.
    let good = service.deployments.iter().find(|deployment| deployment.status == DeploymentStatus::Successful);
    let failed = service.deployments.first().is_some_and(|newest| match newest.status {
        DeploymentStatus::Stopped | DeploymentStatus::RollbackFailed => newest.revision == service.task_definition,
        DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::Successful
        | DeploymentStatus::StopRequested
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::RollbackSuccessful
        | DeploymentStatus::Other(_) => false,
    });
    let live = match good {
        Some(good) if failed => good.revision.clone(),
        Some(_) | None => service.task_definition.clone(),
    };
    rollout.stable_revision = Some(live.clone());
    if draft.config.mode == Mode::Observe {
        draft.tell(Some(&rollout.id), Milestone::Observed { what: what(&rollout.candidate), colour: None });
        // Once it may act, the same push is a candidate again.
        let digests = rollout.candidate.target.digests();
        draft.status.taken.retain(|_, image| !digests.contains(&image.digest));
        draft.end(&rollout, Outcome::Observed);
        return None;
    }
    rollout.config = draft.config.clone();
    let strategy = match &native.plan {
        Plan::AsDeclared => format!("{}, as declared", service.strategy()),
        plan => plan.strategy().unwrap_or("as declared").to_owned(),
    };
    // A service that has run before has a deployment that says what it came from; none at all says nothing.
    let first = service.deployments.first().is_some_and(|deployment| !deployment.has_source && service.running == 0);
    let milestone = Milestone::Deploying {
        what: what(&rollout.candidate),
        service: native.service.clone(),
        from: live.clone(),
        strategy,
        first,
    };
    draft.tell(Some(&rollout.id), milestone);
    let phase = match &rollout.candidate.target {
        Target::Images(_) => Phase::Registering { sent: None },
        Target::Revision(revision) => {
            rollout.revision = Some(revision.clone());
            Phase::Deploying
        }
        Target::Live => {
            rollout.revision = Some(live);
            Phase::Deploying
        }
    };
    draft.enter(&mut rollout, phase);
    Some(rollout)
}
