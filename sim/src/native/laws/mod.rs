//! The laws of docs/design.md under the native engine. They judge by the world itself and by what the process was truly
//! answered, as those of the managed engine do.

mod saved;
mod sent;
mod world;

use model::Millis;
use shared::observation::{AlarmState, NativeReading, Observation, Reading, ServiceDeployment};
use shared::rollout::Rollout;

use super::{State, truth};
use crate::cloud::Cloud;

pub(crate) use saved::{not_saved, saved};
pub(crate) use sent::{landed, sent};
pub(crate) use world::{end, looked, second};

fn state(cloud: &mut Cloud) -> &mut State {
    cloud.native.get_or_insert_default()
}

/// The service as a process was truly answered.
fn read(seen: &Observation) -> Option<&NativeReading> {
    seen.native.known()?.as_ref()
}

/// A rollout's own deployment in an answer.
fn own<'a>(rollout: &Rollout, seen: &'a Observation) -> Option<&'a ServiceDeployment> {
    let arn = rollout.native.deployment.as_ref()?;
    read(seen)?.deployments.iter().find(|deployment| deployment.arn == *arn)
}

/// Whether a deployment is a rollout's: made by it, or made by somebody of its revision since it was sent.
fn owns(cloud: &mut Cloud, rollout: &Rollout, arn: &str) -> bool {
    let revision = rollout.revision.as_ref().map(|revision| revision.0.clone());
    let truly = truth::deployment(cloud, arn);
    let skew = 2 * cloud.schedule.pace.skew;
    let made = state(cloud).made.get(arn).map(|(id, _)| id.clone());
    let since = rollout.native.sent.map(|sent| sent.0.saturating_sub(skew));
    let adopted =
        truly.zip(since).is_some_and(|(one, since)| Some(&one.revision) == revision.as_ref() && one.created.0 >= since);
    adopted || made.as_ref() == Some(&rollout.id)
}

/// Whether writes may land after all that is believed of them in this schedule.
pub(crate) fn lands_late(cloud: &Cloud) -> bool {
    cloud.schedule.native.as_ref().is_some_and(|shape| shape.very_late)
}

/// What a process may not know yet.
fn unseen(cloud: &Cloud) -> Millis {
    cloud.schedule.pace.timeout + cloud.schedule.pace.stale
}

/// Law 6: every alarm was read, and is quiet, but for those that a person accepted. The first that is not. Those that only ECS
/// listens to count before a start, where nobody forces it; without data they deafen nobody.
fn loud(rollout: &Rollout, seen: &Observation, starts: bool) -> Option<String> {
    let listed = rollout.config.alarms.all();
    let loud = |(name, reading): (&shared::ids::AlarmName, &Reading<Option<shared::observation::AlarmReading>>)| {
        let only_ecs = !listed.contains(name);
        if rollout.forgiven.contains(name.as_str()) || only_ecs && (!starts || rollout.candidate.force) {
            return None;
        }
        let why = match reading {
            Reading::Known(Some(alarm)) => match alarm.state {
                AlarmState::Ok => return None,
                AlarmState::InsufficientData
                    if only_ecs || alarm.missing_is_quiet || rollout.blind.contains(name.as_str()) =>
                {
                    return None;
                }
                AlarmState::InsufficientData => "has no data",
                AlarmState::Alarm => "fires",
            },
            // One that ECS does not find deafens nobody.
            Reading::Known(None) if only_ecs => return None,
            Reading::Known(None) => "does not exist",
            Reading::Unknown(_) => "was not read",
        };
        Some(format!("alarm {name} {why}"))
    };
    seen.alarms.iter().find_map(loud)
}
