//! Between rollouts: deployments that Flipback did not start, and late ones that it did.

use crate::decision::{Action, Waiting};
use crate::ids::RevisionArn;
use crate::notice::Milestone;
use crate::observation::{DeploymentStatus, NativeReading, ServiceDeployment};
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
    note(draft, service);
}

/// Takes note of the newest deployment while none of a running rollout is there: what somebody else began is told, and how it
/// ended; what was taken back and landed after all is stopped (law 14), and followed to its end.
pub(super) fn note(draft: &mut Draft<'_>, service: &NativeReading) {
    let Some(newest) = service.deployments.first() else { return };
    let known = draft.status.foreign.clone().filter(|seen| seen.deployment == newest.arn);
    let running = newest.status.running();
    let strays = strays(draft, newest);
    // Since the last rollout, or since the first look of all.
    let news = match &draft.status.last {
        Some(last) => newest.created > last.at,
        None => draft.status.foreign.is_some(),
    };
    let ours = ours(draft, newest) && !strays;
    let unseen = draft.status.last.as_ref().is_some_and(|last| last.deployment.is_none());
    let told = known.is_some();
    let mut seen = known.unwrap_or(Foreign { deployment: newest.arn.clone(), over: false, called: false });
    if late(draft, newest) {
        stop(draft, newest, &mut seen, told);
    } else if running {
        // Of ours nothing is owed but what becomes of a late one.
        seen.over |= ours && !told;
        if !seen.over {
            if !told {
                began(draft, newest, strays);
            }
            draft.wait(Waiting::OtherDeployment(newest.revision.short().to_owned()));
        }
    } else if !seen.over {
        if told || news && !ours || strays || unseen && held(draft, newest) {
            ended(draft, newest, strays);
        }
        seen.over = true;
    }
    draft.status.foreign = Some(seen);
}

/// Stops what was taken back and landed after all.
fn stop(draft: &mut Draft<'_>, newest: &ServiceDeployment, seen: &mut Foreign, told: bool) {
    draft.back(Action::Stop { deployment: newest.arn.clone() });
    let revision = newest.revision.short();
    if !told {
        let why = format!("{revision}, which was taken back, was deployed late and is being stopped");
        let advice = "flipback status shows it; if it is wanted after all: flipback release, then deploy it".to_owned();
        draft.tell(None, Milestone::Call { why, advice });
    }
    let of_stop = |effect: &str| effect.starts_with("stop deployment");
    let refused = draft.seen.failures.iter().find(|failed| failed.permanent && of_stop(&failed.effect));
    if let (Some(refused), false) = (refused, seen.called) {
        let why = format!("{revision} goes live although it was taken back: {}: {}", refused.effect, refused.reason);
        let advice = "stop the deployment in the ECS console, or give the role what it lacks".to_owned();
        draft.tell(None, Milestone::Call { why, advice });
        seen.called = true;
    }
    draft.wait(Waiting::EcsBack(format!("a late deployment of {revision}")));
}

fn began(draft: &mut Draft<'_>, newest: &ServiceDeployment, strays: bool) {
    if strays {
        stray(draft, newest, "runs");
    } else {
        tell(draft, newest, None);
    }
}

fn ended(draft: &mut Draft<'_>, newest: &ServiceDeployment, strays: bool) {
    let live = newest.status == DeploymentStatus::Successful;
    if held(draft, newest) && live {
        let why = format!("a late deployment of {}, which was taken back, is live", newest.revision.short());
        let advice = "flipback rollback --to FAMILY:REVISION deploys the one before".to_owned();
        draft.tell(None, Milestone::Call { why, advice });
    } else if strays && live {
        stray(draft, newest, "is live");
    } else {
        tell(draft, newest, Some(how(newest)));
    }
}

/// Sent by a rollout that has ended without it.
fn stray(draft: &mut Draft<'_>, newest: &ServiceDeployment, what: &str) {
    let why = format!("a deployment of {}, whose rollout had ended without it, {what}", newest.revision.short());
    let advice = "flipback deploy or rollback --to FAMILY:REVISION brings what is wanted".to_owned();
    draft.tell(None, Milestone::Call { why, advice });
}

/// It is of the last rollout, which ended before it was seen, and is not held: it landed late.
fn strays(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
    draft.status.last.as_ref().is_some_and(|last| {
        last.deployment.is_none()
            && last.revision.as_ref() == Some(&deployment.revision)
            && last.stable_revision != last.revision
            && last.outcome != Outcome::Completed
            && deployment.created <= last.at.plus(LANDED)
    }) && !held(draft, deployment)
}

/// It is the last rollout's own: by its ARN, or by its revision where none was seen.
fn ours(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
    draft.status.last.as_ref().is_some_and(|last| match &last.deployment {
        Some(arn) => *arn == deployment.arn,
        None => last.revision.as_ref() == Some(&deployment.revision),
    })
}

/// What is live by somebody else's deployment.
pub(in super::super) fn foreign<'a>(draft: &Draft<'a>) -> Option<&'a RevisionArn> {
    let newest = service(draft).ok()?.deployments.first()?;
    let foreign = newest.status == DeploymentStatus::Successful && !ours(draft, newest);
    foreign.then_some(&newest.revision)
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
fn late(draft: &Draft<'_>, deployment: &ServiceDeployment) -> bool {
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
