//! Between rollouts: deployments that Flipback did not start, and late ones that it did.

use crate::decision::{Action, Waiting};
use crate::ids::RevisionArn;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, ServiceDeployment};
use crate::rollout::{Ended, Foreign, Outcome};
use crate::time::Span;

use super::super::draft::Draft;
use super::service;

/// A write of ours can land no longer after its rollout's end, clocks that differ included.
const LANDED: Span = Span::mins(5);

pub(in super::super) fn idle(draft: &mut Draft<'_>) {
    let service = match service(draft) {
        Ok(service) => service,
        Err(why) => {
            // One that was told as begun is owed its end.
            if draft.status.foreign.as_ref().is_some_and(|foreign| !foreign.over) {
                draft.wait(Waiting::Unknown(why));
            }
            return;
        }
    };
    let Some(newest) = service.deployments.first() else { return };
    if late(draft, newest) {
        draft.back(Action::Stop { deployment: newest.arn.clone() });
        if draft.status.foreign.as_ref().is_none_or(|seen| seen.deployment != newest.arn) {
            let why = format!("{}, which was taken back, was deployed late and is stopped", newest.revision.short());
            let advice =
                "flipback status shows it; if it is wanted after all: flipback release, then deploy it".to_owned();
            draft.tell(None, Milestone::Call { why, advice });
            draft.status.foreign = Some(Foreign { deployment: newest.arn.clone(), over: true });
        }
        draft.wait(Waiting::EcsBack(format!("a late deployment of {}", newest.revision.short())));
        return;
    }
    foreign(draft, newest);
}

/// Takes note of the newest deployment while none of the present rollout's is there: what somebody else began is told, and how it
/// ended.
pub(super) fn foreign(draft: &mut Draft<'_>, newest: &ServiceDeployment) {
    let ours = ours(draft, newest);
    // Since the last rollout, or since the first look of all.
    let news = match &draft.status.last {
        Some(last) => newest.created > last.at,
        None => draft.status.foreign.is_some(),
    };
    let known = draft.status.foreign.clone().filter(|seen| seen.deployment == newest.arn);
    let running = newest.status.running();
    match known {
        Some(Foreign { over: true, .. }) => {}
        Some(Foreign { over: false, .. }) if running => {
            draft.wait(Waiting::OtherDeployment(newest.revision.short().to_owned()));
        }
        Some(Foreign { over: false, .. }) => {
            tell(draft, newest, Some(how(newest)));
            draft.status.foreign = Some(Foreign { deployment: newest.arn.clone(), over: true });
        }
        None => {
            if running && !ours {
                tell(draft, newest, None);
                draft.wait(Waiting::OtherDeployment(newest.revision.short().to_owned()));
            } else if !running && !ours && news {
                // It began and ended between two looks.
                tell(draft, newest, Some(how(newest)));
            } else if news && newest.status == DeploymentStatus::Successful && held(draft, newest) {
                let why = format!("a late deployment of {}, which was taken back, is live", newest.revision.short());
                let advice = "flipback rollback --to FAMILY:REVISION deploys the one before".to_owned();
                draft.tell(None, Milestone::Call { why, advice });
            }
            draft.status.foreign = Some(Foreign { deployment: newest.arn.clone(), over: !running || ours });
        }
    }
}

/// It is the last rollout's own: by its ARN, or by its revision where none was seen.
fn ours(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
    draft.status.last.as_ref().is_some_and(|last| match &last.deployment {
        Some(arn) => *arn == deployment.arn,
        None => last.revision.as_ref() == Some(&deployment.revision),
    })
}

/// What was live before what is live now, as far as it is known: under somebody else's deployment it is what the last rollout
/// brought.
pub(in super::super) fn previous(draft: &Draft<'_>) -> Option<RevisionArn> {
    let last = draft.status.last.as_ref()?;
    let newest = service(draft).ok().and_then(|service| service.deployments.first());
    let foreign = newest.is_some_and(|newest| newest.status == DeploymentStatus::Successful && !ours(draft, newest));
    match &last.outcome {
        Outcome::Completed if foreign => last.revision.clone(),
        Outcome::Completed | Outcome::GivenUp(_) => last.stable_revision.clone(),
        Outcome::RolledBack(_)
        | Outcome::Cancelled(_)
        | Outcome::Refused(_)
        | Outcome::Observed
        | Outcome::Superseded(_) => None,
    }
}

fn tell(draft: &mut Draft<'_>, deployment: &ServiceDeployment, ended: Option<String>) {
    let good = deployment.status == DeploymentStatus::Successful;
    draft.tell(None, Milestone::Foreign { revision: deployment.revision.clone(), ended, good });
}

fn how(deployment: &ServiceDeployment) -> String {
    let word = match &deployment.status {
        DeploymentStatus::Successful => "it is live",
        DeploymentStatus::RollbackSuccessful => "ECS went back",
        DeploymentStatus::RollbackFailed => "ECS could not go back: look at the service",
        DeploymentStatus::Stopped => "it was stopped",
        DeploymentStatus::Pending
        | DeploymentStatus::InProgress
        | DeploymentStatus::StopRequested
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::Other(_) => "it runs",
    };
    if deployment.reason.is_empty() { word.to_owned() } else { format!("{word}: {}", deployment.reason) }
}

/// A deployment of a rollout that was taken back, which landed after all, and which goes on.
pub(super) fn late(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
    deployment.status.forward() && held(draft, deployment)
}

/// It is of the last rollout, whose image is to blame and was not released: the live revision that somebody deploys again
/// is not.
fn held(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
    // What was sent has landed by then; later it is somebody who wants it.
    let landed = |last: &Ended| deployment.created <= last.at.plus(LANDED);
    let held = |last: &Ended| draft.status.quarantine.iter().any(|held| held.rollout == last.rollout);
    let of_last = |last: &Ended| last.revision.as_ref() == Some(&deployment.revision);
    draft.status.last.as_ref().is_some_and(|last| of_last(last) && held(last) && landed(last))
}
