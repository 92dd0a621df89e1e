//! Between rollouts: deployments that Flipback did not start, and late ones that it did.

use crate::decision::{Action, Waiting};
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, ServiceDeployment};
use crate::rollout::{Foreign, Outcome};

use super::super::draft::Draft;
use super::service;

pub(in super::super) fn idle(draft: &mut Draft<'_>) {
    let Ok(service) = service(draft) else { return };
    let Some(newest) = service.deployments.first() else { return };
    if late(draft, newest) {
        draft.back(Action::Stop { deployment: newest.arn.clone() });
        draft.wait(Waiting::EcsBack(format!("a late deployment of {}", newest.revision.short())));
        return;
    }
    let ours = draft.status.last.as_ref().is_some_and(|last| last.revision.as_ref() == Some(&newest.revision));
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
            }
            draft.status.foreign = Some(Foreign { deployment: newest.arn.clone(), over: !running || ours });
        }
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

/// A deployment of a rollout that was taken back, which landed after all.
fn late(draft: &Draft<'_>, newest: &ServiceDeployment) -> bool {
    let moving = match newest.status {
        DeploymentStatus::Pending | DeploymentStatus::InProgress => true,
        DeploymentStatus::Successful
        | DeploymentStatus::Stopped
        | DeploymentStatus::StopRequested
        | DeploymentStatus::RollbackRequested
        | DeploymentStatus::RollbackInProgress
        | DeploymentStatus::RollbackSuccessful
        | DeploymentStatus::RollbackFailed
        | DeploymentStatus::Other(_) => false,
    };
    moving
        && draft.status.last.as_ref().is_some_and(|last| {
            let taken_back = match &last.outcome {
                Outcome::RolledBack(cause) | Outcome::Cancelled(cause) => cause.quarantines(),
                Outcome::Completed
                | Outcome::Refused(_)
                | Outcome::GivenUp(_)
                | Outcome::Observed
                | Outcome::Superseded(_) => false,
            };
            taken_back && last.revision.as_ref() == Some(&newest.revision)
        })
}
