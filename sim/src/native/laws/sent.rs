//! Laws that look at a write: when it is sent, and when it lands.

use model::Service;
use shared::decision::{Action, Effect};
use shared::observation::Observation;
use shared::rollout::{Rollout, Status, Wish};

use super::super::truth;
use super::{lands_late, loud, own, owns, read, state, unseen};
use crate::cloud::{Cloud, Landing, Pid, Role};
use crate::laws;

/// A process sends a write.
pub(crate) fn sent(cloud: &mut Cloud, pid: Pid, effect: &Effect, status: &Status, honest: &Observation) {
    let role = cloud.procs.get(&pid).map_or(Role::Advance, |proc| proc.role.clone());
    if !effect.is_back() {
        laws::forward(cloud, pid, &role, effect, status);
    }
    match &effect.action {
        Action::Deploy { revision, .. } => match &status.rollout {
            Some(rollout) => deploy(cloud, rollout, effect, revision.as_str(), honest),
            None => cloud.violate(1, "an UpdateService without a rollout".to_owned()),
        },
        Action::Continue { hook, .. } => match &status.rollout {
            Some(rollout) => go_on(cloud, rollout, hook, honest),
            None => cloud.violate(1, "a pause is answered without a rollout".to_owned()),
        },
        Action::Stop { deployment } => {
            // Nobody else's deployment is stopped, but for one of an image that is in quarantine.
            let adopted = status.rollout.as_ref().is_some_and(|rollout| owns(cloud, rollout, deployment));
            let held =
                truth::deployment(cloud, deployment).is_some_and(|one| state(cloud).taken_back.contains(&one.revision));
            let adopted = adopted || held;
            if !adopted && !state(cloud).made.contains_key(deployment) {
                cloud.violate(8, format!("a deployment that Flipback did not make is stopped: {deployment}"));
            }
        }
        Action::Mend { .. } => cloud.violate(1, format!("nobody asked for a repair: {effect}")),
        Action::Weights { .. } | Action::Start { .. } | Action::Scale { .. } | Action::Scaling { .. } => {
            cloud.violate(7, format!("the native engine sends an effect of the managed one: {effect}"));
        }
        Action::Register { .. } | Action::Tidy { .. } => {}
    }
}

/// Laws 3, 4, 6 and 14 before a deployment is sent.
fn deploy(cloud: &mut Cloud, rollout: &Rollout, effect: &Effect, revision: &str, honest: &Observation) {
    let pace = &cloud.schedule.pace;
    // Until then the one before may land; clocks differ.
    let late = pace.late.saturating_sub(2 * pace.skew);
    let (now, unseen) = (cloud.now, unseen(cloud));
    let before = state(cloud).deploys.insert(rollout.id.clone(), effect.deadline.map_or(now, |at| at.0));
    if before.is_some_and(|deadline| now < deadline + late) {
        cloud.violate(3, format!("{revision} is sent again although the first UpdateService may still land"));
    }
    let made = state(cloud).made.iter().find(|(_, (id, at))| *id == rollout.id && at + unseen < now);
    if let Some(arn) = made.map(|(arn, _)| arn.clone()) {
        cloud.violate(3, format!("{revision} is sent again although {arn} was made of it"));
    }
    let Some(service) = read(honest) else {
        cloud.violate(6, format!("{revision} is sent although the service was not read"));
        return;
    };
    if let Some(other) = service.deployments.iter().find(|one| one.status.running()) {
        cloud.violate(4, format!("{revision} is sent while {} runs ({:?})", other.arn, other.status));
    }
    // The way back is not held by the alarms of what it cures.
    let cures = rollout.candidate.wish == Wish::RollbackTo;
    if let Some(why) = loud(rollout, honest, true).filter(|_| !cures) {
        cloud.violate(6, format!("{revision} is sent although {why}"));
    }
}

/// Laws 4 and 6 before a pause is answered.
fn go_on(cloud: &mut Cloud, rollout: &Rollout, hook: &str, honest: &Observation) {
    let promoted = state(cloud).promoted.get(&rollout.id).copied().unwrap_or(0);
    let answered = state(cloud).continued.entry(rollout.id.clone()).or_default();
    answered.insert(hook.to_owned());
    if answered.len() > promoted {
        cloud.violate(4, format!("{hook} is answered and nobody asked for it"));
    }
    if let Some(why) = loud(rollout, honest, false) {
        cloud.violate(6, format!("{hook} is answered although {why}"));
    }
    let waits = own(rollout, honest).is_some_and(|own| own.hooks.iter().any(|one| one.id == hook && one.waits));
    if !waits {
        cloud.violate(6, format!("{hook} is answered and was not read to wait"));
    }
}

/// A write took effect.
pub(crate) fn landed(cloud: &mut Cloud, landing: &Landing) {
    let meddles = landing.operation.starts_with("Modify") || landing.operation.starts_with("SetRule");
    if landing.service == Service::Elb && meddles {
        cloud.violate(7, format!("{} is sent: the rule belongs to ECS", landing.operation));
    }
    let Action::Deploy { revision, .. } = &landing.effect.action else { return };
    let Some(rollout) = landing.rollout.clone() else { return };
    let now = cloud.now;
    let newest = truth::deployments(cloud).into_iter().next();
    let Some(newest) = newest.filter(|one| one.revision == revision.as_str() && one.created.0 == now) else { return };
    let others = state(cloud).made.values().filter(|(id, _)| *id == rollout).count();
    state(cloud).made.insert(newest.arn.clone(), (rollout.clone(), now));
    if others > 0 && !lands_late(cloud) {
        cloud.violate(3, format!("{rollout} has {} service deployments", others + 1));
    }
}
