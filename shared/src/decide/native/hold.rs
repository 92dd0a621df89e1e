//! Before a native deployment starts.

use crate::config::{Mode, Native, Plan, ServiceConfig};
use crate::decision::Waiting;
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, NativeReading, Reading};
use crate::rollout::{Outcome, Phase, Rollout, Target, Wish};

use super::super::alarms::{Heard, listen};
use super::super::draft::{Draft, what};
use super::super::hold::{Not, alarms, ever, unknown};
use super::{service, watch};

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
    watch::note(draft, service);
    if let Some(running) = service.deployments.iter().find(|deployment| deployment.status.running()) {
        let what = format!("{} ({:?})", running.revision.short(), running.status);
        return Err(Not::Yet(Waiting::OtherDeployment(what)));
    }
    if rollout.candidate.wish == Wish::RollbackTo {
        // It is the cure: neither what hurts nor what cannot be read keeps it back.
        let _ = alarms(draft, rollout, Colour::Blue);
        return if rollout.paused.is_some() { Err(Not::Yet(Waiting::Paused)) } else { Ok(()) };
    }
    match &service.traffic {
        Reading::Unknown(why) => return unknown(format!("the production weights: {why}")),
        // The new image may be the cure; a person says so.
        Reading::Known(traffic) if !rollout.candidate.force => {
            if let Some(why) = traffic.unserved() {
                let advice = "mend that first: ECS would go back to it; flipback deploy --force deploys anyway";
                return ever(why, advice);
            }
        }
        Reading::Known(_) => {}
    }
    // ECS ignores every alarm of a deployment that starts while one of them fires.
    alarms(draft, rollout, Colour::Blue)?;
    unlisted(draft, rollout, draft.config, service).map_err(Not::Yet)?;
    if rollout.paused.is_some() {
        return Err(Not::Yet(Waiting::Paused));
    }
    Ok(())
}

/// The alarms that only ECS listens to are known not to fire. They never roll back by our word, and one without data does not
/// deafen ECS. A person may start it all the same, and so does the way back.
///
/// # Errors
/// What it waits for.
pub(super) fn unlisted(
    draft: &Draft<'_>,
    rollout: &Rollout,
    config: &ServiceConfig,
    service: &NativeReading,
) -> Result<(), Waiting> {
    if rollout.candidate.force || rollout.candidate.wish == Wish::RollbackTo {
        return Ok(());
    }
    let (mut firing, mut unread) = (Vec::new(), None);
    for name in config.unlisted_alarms(&service.configuration) {
        match listen(&name, draft.seen.alarms.get(&name), true) {
            Heard::Firing(_) => firing.push(name.0),
            Heard::Unread(why) => unread = unread.or(Some(why)),
            Heard::Quiet | Heard::NoData(_) => {}
        }
    }
    if !firing.is_empty() {
        return Err(Waiting::AlarmsFiring(firing));
    }
    unread.map_or(Ok(()), |why| Err(Waiting::Unknown(why)))
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
