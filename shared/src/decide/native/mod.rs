//! The native engine: ECS's own strategy moves the traffic. Flipback deploys, follows, answers pauses and stops; it never
//! writes the rule.

mod astray;
mod back;
mod clock;
mod follow;
mod gates;
mod hold;
mod served;
mod watch;

use crate::observation::{Ask, NativeReading, Reading, ServiceDeployment};
use crate::rollout::{Phase, Rollout, Status};
use crate::time::{Span, Time};

use super::draft::Draft;

pub(super) use back::{stopping, turn};
pub(super) use follow::deploying;
pub(super) use gates::promote;
pub(super) use hold::{begin, check};
pub(super) use watch::{foreign, idle};

/// Clocks differ: a deployment is looked for from so long before the time at which it was sent.
const SKEW: Span = Span::mins(2);

/// What the look at this time must read.
pub(super) fn ask(status: &Status, at: Time) -> Ask {
    let Some(rollout) = &status.rollout else {
        return Ask { native: Some(at), ..Ask::default() };
    };
    let since = rollout.native.sent.unwrap_or(at).minus(SKEW);
    let native = Ask { native: Some(since), ..Ask::default() };
    match &rollout.phase {
        Phase::Registering { .. } => Ask {
            registered: rollout.stable_revision.clone().map(|base| (base, rollout.id.0.clone())),
            ..Ask::default()
        },
        // Where the traffic really goes, and the alarms that only ECS listens to: before the start, while a pause holds a
        // stage, and once ECS says that it is over.
        Phase::Stopping { .. } => Ask { targets: rollout.native.ended.is_some(), ..native },
        Phase::Holding => Ask { alarms: true, targets: true, ..native },
        Phase::Deploying => {
            let run = &rollout.native;
            let targets = run.deployment.is_none() || run.paused || run.ended.is_some();
            Ask { alarms: true, targets, ..native }
        }
        Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => native,
    }
}

/// The service, or why it is not known.
fn service<'a>(draft: &Draft<'a>) -> Result<&'a NativeReading, String> {
    match &draft.seen.native {
        Reading::Known(Some(service)) => Ok(service),
        Reading::Known(None) => Err("the ECS service does not exist".to_owned()),
        Reading::Unknown(why) => Err(format!("the ECS service: {why}")),
    }
}

/// The deployment of a rollout: the one it knows, else the newest of its revision since it was sent, running or ended. A
/// start whose answer was lost is found so, and one that ECS has taken back already is not started again.
fn own<'a>(rollout: &Rollout, service: &'a NativeReading) -> Option<&'a ServiceDeployment> {
    if let Some(arn) = &rollout.native.deployment {
        return service.deployments.iter().find(|deployment| deployment.arn == *arn);
    }
    let since = rollout.native.sent?.minus(SKEW);
    // ECS's times are compared with ECS's own, where there is one before it.
    let since_then = |created: Time| match rollout.native.after {
        Some(before) => created > before,
        None => created >= since,
    };
    let of_ours = |deployment: &&ServiceDeployment| {
        Some(&deployment.revision) == rollout.revision.as_ref() && since_then(deployment.created)
    };
    service.deployments.iter().find(of_ours)
}

/// Whether the service names the rollout's revision by the rollout's doing: what was sent has landed.
fn named(rollout: &Rollout, service: &NativeReading) -> bool {
    rollout.revision.as_ref() == Some(&service.task_definition) && rollout.stable_revision != rollout.revision
}

/// Another deployment that was created after ours.
fn newer<'a>(own: &ServiceDeployment, service: &'a NativeReading) -> Option<&'a ServiceDeployment> {
    service.deployments.iter().find(|other| other.arn != own.arn && other.created > own.created)
}

#[cfg(test)]
mod tests;
