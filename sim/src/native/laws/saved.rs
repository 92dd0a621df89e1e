//! Laws that look at a saved status, and what is told with it.

use std::rc::Rc;

use shared::ids::TargetGroupArn;
use shared::notice::Milestone;
use shared::observation::{DeploymentStatus, NativeReading, Observation, Reading, ServiceDeployment, Traffic};
use shared::ports::{Record, Save};
use shared::rollout::{Cause, IntentKind, Outcome, Phase, Rollout, Status, Target, Wish};

use super::super::{stage, truth};
use super::{loud, own, owns, read, state};
use crate::cloud::{Cloud, Pid};
use crate::{laws, names};

/// A status was saved.
pub(crate) fn saved(cloud: &mut Cloud, pid: Pid, loaded: &Record, save: &Save<'_>) {
    let (before, after) = (&loaded.status, save.status);
    let (was, is) = (before.rollout.as_ref(), after.rollout.as_ref());
    let honest = cloud.procs.get(&pid).and_then(|proc| proc.honest.clone());
    for id in save.consumed {
        let intent = loaded.inbox.iter().find(|intent| intent.id == *id);
        if let Some(IntentKind::Promote { rollout, .. }) = intent.map(|intent| &intent.what) {
            *state(cloud).promoted.entry(rollout.clone()).or_default() += 1;
        }
    }
    if let (Some(rollout), Some(honest)) = (is.filter(|is| laws::entered(was, is)), &honest) {
        enter(cloud, was, rollout, before, honest);
    }
    if let Some(ended) = was.filter(|was| is.is_none_or(|is| is.id != was.id)) {
        end(cloud, ended, after, honest.as_deref());
    }
    for notice in save.notices {
        told(cloud, was.or(is), &notice.milestone, honest.as_deref());
    }
}

fn enter(cloud: &mut Cloud, was: Option<&Rollout>, rollout: &Rollout, before: &Status, honest: &Observation) {
    let begins = was.is_some_and(|was| was.phase == Phase::Holding);
    match &rollout.phase {
        Phase::Registering { .. } => {
            laws::fresh(cloud, rollout, before);
            begin(cloud, rollout, honest);
        }
        Phase::Deploying => {
            if begins {
                begin(cloud, rollout, honest);
            }
            let registered = cloud.laws.registered.get(&rollout.id).copied().unwrap_or(0);
            if matches!(rollout.candidate.target, Target::Images(_)) && registered == 0 {
                cloud.violate(12, format!("{} deploys no revision of its own", rollout.id));
            }
        }
        Phase::Stopping { cause } => {
            cloud.hit("cause", names::cause(cause));
            if cause.quarantines() && !rollout.candidate.target.digests().is_empty() {
                let revision = rollout.revision.iter().map(|revision| revision.0.clone());
                state(cloud).taken_back.extend(revision);
            }
            blames(cloud, rollout, cause, honest);
        }
        Phase::Holding => {}
        Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => {
            cloud.violate(7, format!("a native rollout comes to {}", rollout.phase.name()));
        }
    }
}

/// Laws 4 and 6 when a rollout leaves its hold.
fn begin(cloud: &mut Cloud, rollout: &Rollout, honest: &Observation) {
    // What was taken back by a person and is wished again starts under a new name.
    if let Some(revision) = &rollout.revision {
        state(cloud).taken_back.remove(revision.as_str());
    }
    let Some(service) = read(honest) else {
        cloud.violate(6, format!("{} starts and the service was not read", rollout.id));
        return;
    };
    // What a person brings back is the cure, whatever cannot be read or hurts.
    let cure = rollout.candidate.wish == Wish::RollbackTo;
    match &service.traffic {
        Reading::Unknown(_) if cure => {}
        Reading::Unknown(why) => {
            cloud.violate(6, format!("{} starts and the production weights were not read: {why}", rollout.id));
        }
        Reading::Known(traffic) => {
            if let Some(dead) = traffic.dead().filter(|_| !rollout.candidate.force) {
                cloud.violate(4, format!("{} starts while {dead} has weight and no healthy target", rollout.id));
            }
        }
    }
    if let Some(other) = service.deployments.iter().find(|one| one.status.running()) {
        cloud.violate(4, format!("{} starts while {} runs", rollout.id, other.arn));
    }
    if let Some(why) = loud(rollout, honest, true).filter(|_| !cure) {
        cloud.violate(6, format!("{} starts although {why}", rollout.id));
    }
}

/// Law 10: before there is traffic an alarm says nothing of the new revision.
fn blames(cloud: &mut Cloud, rollout: &Rollout, cause: &Cause, honest: &Observation) {
    let Cause::Alarm { alarm, .. } = cause else { return };
    let by_ecs = own(rollout, honest).is_some_and(|own| own.triggered.contains(alarm));
    let strategy =
        |service: &NativeReading| own(rollout, honest).is_none_or(|own| service.strategy_of(own) == "ROLLING");
    let rolling = read(honest).is_none_or(strategy);
    let arn = rollout.native.deployment.clone();
    let weight = arn.and_then(|arn| truth::deployment(cloud, &arn)).is_some_and(|one| one.weight > 0.0);
    let had = rollout.native.deployment.as_ref().is_some_and(|arn| state(cloud).traffic.contains_key(arn));
    // Not read while it began to fire: whether there was traffic is not known, and law 2 goes first.
    let read = rollout.native.weight.tenths() > 0 || rollout.native.unread.is_some();
    if !by_ecs && !rolling && !weight && !had && !read {
        cloud.violate(10, format!("{alarm} takes {} back before it has any traffic", rollout.id));
    }
}

/// A rollout's deployment as it was read, also where the saved status does not know it yet.
fn mine<'a>(rollout: &Rollout, seen: &'a Observation) -> Option<&'a ServiceDeployment> {
    let mine = |one: &&ServiceDeployment| match &rollout.native.deployment {
        Some(arn) => one.arn == *arn,
        None => Some(&one.revision) == rollout.revision.as_ref(),
    };
    read(seen)?.deployments.iter().find(mine)
}

/// Laws 3 and 15 at the end of a rollout.
fn end(cloud: &mut Cloud, ended: &Rollout, after: &Status, honest: Option<&Observation>) {
    cloud.laws.ended.insert(ended.id.clone());
    let Some(last) = after.last.as_ref().filter(|last| last.rollout == ended.id) else { return };
    cloud.hit("outcome", names::outcome(&last.outcome));
    let replaced = match &last.outcome {
        Outcome::RolledBack(cause) | Outcome::Cancelled(cause) => *cause == Cause::Superseded,
        Outcome::Refused(_) => matches!(ended.phase, Phase::Registering { .. }) && after.next.is_some(),
        // Its images go along with what replaced it.
        Outcome::Superseded(_) => matches!(ended.phase, Phase::Stopping { cause: Cause::Superseded }),
        Outcome::Completed | Outcome::GivenUp(_) | Outcome::Observed => false,
    };
    if replaced {
        for digest in ended.candidate.target.digests() {
            cloud.laws.started.remove(digest.as_str());
        }
    }
    let seen = honest.and_then(|honest| mine(ended, honest)).cloned();
    if let (Some(revision), true) = (&ended.revision, after.quarantine.iter().any(|held| held.rollout == ended.id)) {
        state(cloud).taken_back.insert(revision.0.clone());
    }
    let status = seen.as_ref().map(|seen| seen.status.clone());
    if let (Outcome::Completed, Some(seen)) = (&last.outcome, &seen)
        && !owns(cloud, ended, &seen.arn)
    {
        cloud.violate(3, format!("{} ends as completed by {}, which is not its own", ended.id, seen.arn));
    }
    let truly = seen.and_then(|seen| truth::deployment(cloud, &seen.arn));
    match &last.outcome {
        Outcome::Completed => {
            let good = status == Some(DeploymentStatus::Successful);
            if !good || truly.is_none_or(|one| one.status != DeploymentStatus::Successful) {
                cloud.violate(3, format!("{} ends as completed, and ECS said {status:?}", ended.id));
            }
        }
        Outcome::RolledBack(_) => match status {
            Some(DeploymentStatus::RollbackSuccessful | DeploymentStatus::Successful) => {}
            other => cloud.violate(3, format!("{} ends as rolled back, and ECS said {other:?}", ended.id)),
        },
        Outcome::Cancelled(_) => match status {
            None | Some(DeploymentStatus::RollbackSuccessful | DeploymentStatus::Successful) => {}
            other => cloud.violate(3, format!("{} ends as cancelled, and ECS said {other:?}", ended.id)),
        },
        Outcome::Superseded(_) => {
            let own = ended.native.deployment.clone().and_then(|arn| truth::deployment(cloud, &arn));
            let newest = truth::deployments(cloud).into_iter().next();
            // What ECS ended without going back, or without users being served, gives way to what shall be deployed next.
            let failed = matches!(status, Some(DeploymentStatus::Stopped | DeploymentStatus::RollbackFailed));
            let unserved = honest.and_then(|seen| {
                let (service, own) = (read(seen)?, mine(ended, seen)?);
                match &service.traffic {
                    Reading::Known(traffic) => amiss(traffic, service, own),
                    Reading::Unknown(why) => ended.native.ended.map(|_| why.clone()),
                }
            });
            let gives_way = after.next.is_some() && (failed || unserved.is_some());
            if let Some((own, newest)) = own.zip(newest)
                && own.arn == newest.arn
                && !gives_way
            {
                cloud.violate(15, format!("{} ends as superseded, and nothing is newer", ended.id));
            }
        }
        Outcome::GivenUp(_) => cloud.laws.foreign = true,
        Outcome::Refused(_) => {
            if matches!(ended.phase, Phase::Deploying | Phase::Stopping { .. }) {
                cloud.violate(15, format!("{} ends as refused, and was sent", ended.id));
            }
        }
        Outcome::Observed => {}
    }
}

/// Law 15: what is told was so.
fn told(cloud: &mut Cloud, rollout: Option<&Rollout>, milestone: &Milestone, honest: Option<&Observation>) {
    let found = rollout.zip(honest).and_then(|(rollout, honest)| mine(rollout, honest)).map(|own| own.arn.clone());
    let known = rollout.and_then(|rollout| rollout.native.deployment.clone());
    let own = known.or(found).and_then(|arn| truth::deployment(cloud, &arn));
    let name = names::milestone(milestone);
    match milestone {
        // An own deployment that was found in this look is not in the status before it.
        Milestone::Completed { .. } => {
            if own.is_some_and(|own| own.status != DeploymentStatus::Successful) {
                cloud.violate(15, format!("`{name}` is told, and ECS has not finished"));
            }
            served(cloud, name, rollout, honest);
        }
        Milestone::RolledBack { .. } => {
            if own.is_none_or(|own| own.status != DeploymentStatus::RollbackSuccessful) {
                cloud.violate(15, format!("`{name}` is told, and ECS is not back"));
            }
            served(cloud, name, rollout, honest);
        }
        Milestone::Cancelled { .. } => {
            let had = rollout.is_some_and(|rollout| rollout.native.weight.tenths() > 0);
            let seen = rollout.zip(honest).and_then(|(rollout, honest)| super::own(rollout, honest));
            if had || seen.is_some_and(|own| own.weight.tenths() > 0) {
                cloud.violate(15, format!("`{name}` is told of a revision that was read to have traffic"));
            }
        }
        Milestone::Foreign { ended: Some(_), revision, good: true } => {
            let good = truth::deployments(cloud)
                .iter()
                .any(|one| one.revision == revision.as_str() && one.status == DeploymentStatus::Successful);
            if !good {
                cloud.violate(15, format!("`{name}` is told as live, and {} is not", revision.short()));
            }
        }
        Milestone::Gate { .. } => stage::gate(cloud),
        // Whoever is told that it was not followed says it again.
        Milestone::Declined { wish, .. } if wish == "promote" && rollout.is_some_and(|r| r.native.paused) => {
            stage::gate(cloud);
        }
        Milestone::Foreign { .. }
        | Milestone::Deploying { .. }
        | Milestone::Superseded { .. }
        | Milestone::GoingBack { .. }
        | Milestone::Refused { .. }
        | Milestone::Held { .. }
        | Milestone::Observed { .. }
        | Milestone::Call { .. }
        | Milestone::Declined { .. } => {}
        Milestone::Started { .. }
        | Milestone::Step { .. }
        | Milestone::Corrected { .. }
        | Milestone::Changed { .. }
        | Milestone::Repaired { .. }
        | Milestone::ScalingDigest { .. }
        | Milestone::Scaling { .. } => {
            cloud.violate(7, format!("`{name}` is told of a native service"));
        }
    }
}

/// Laws 6 and 15: an end is told where the production rule was read to point at those who can answer, and not at what was
/// taken back.
fn served(cloud: &mut Cloud, name: &str, rollout: Option<&Rollout>, honest: Option<&Observation>) {
    let Some((service, own)) = rollout.zip(honest).and_then(|(rollout, seen)| read(seen).zip(mine(rollout, seen)))
    else {
        return;
    };
    // Whoever came after it moves the traffic, and a service without tasks serves nobody.
    if service.desired == 0 || service.deployments.iter().any(|other| other.created > own.created) {
        return;
    }
    let Reading::Known(traffic) = &service.traffic else {
        // A stop that came too late goes on by a redeploy, and what waited then is told of by its own deployment.
        if own.status != DeploymentStatus::Successful
            || rollout.is_some_and(|rollout| rollout.phase == Phase::Deploying)
        {
            cloud.violate(6, format!("`{name}` is told, and where the traffic goes was not read"));
        }
        return;
    };
    if let Some(why) = amiss(traffic, service, own) {
        cloud.violate(15, format!("`{name}` is told, and {why}"));
    }
}

/// Users are not served by what the rule points to.
fn amiss(traffic: &Traffic, service: &NativeReading, own: &ServiceDeployment) -> Option<String> {
    if let Some(dead) = traffic.dead() {
        return Some(format!("production traffic goes to {dead}, which cannot answer"));
    }
    if let Some(rule) = traffic.nowhere.first() {
        return Some(format!("{rule} sends traffic nowhere"));
    }
    let back = own.status == DeploymentStatus::RollbackSuccessful && service.strategy_of(own) != "ROLLING";
    let share = |group: &TargetGroupArn| traffic.groups.get(group).map_or(0, |now| now.share.tenths());
    if let Some(new) = own.groups.iter().find(|group| back && share(group) > 0) {
        return Some(format!("production traffic still goes to {new}"));
    }
    let forward = own.status == DeploymentStatus::Successful && service.strategy_of(own) != "ROLLING";
    let mut routed = own.groups.iter().filter(|group| traffic.groups.contains_key(*group)).peekable();
    let none = forward && routed.peek().is_some() && routed.all(|group| share(group) == 0);
    none.then(|| "none of the production traffic goes to the new revision".to_owned())
}

/// The store refused a status: law 2 says that the stop in it is owed all the same.
pub(crate) fn not_saved(cloud: &mut Cloud, pid: Pid, save: &Save<'_>) {
    let Some(rollout) = &save.status.rollout else { return };
    let Phase::Stopping { .. } = rollout.phase else { return };
    let Some(proc) = cloud.procs.get_mut(&pid) else { return };
    let acting = proc.loaded.as_deref().map(|record| Record { status: save.status.clone(), ..record.clone() });
    proc.acting = acting.map(Rc::new);
    let Some(honest) = proc.honest.clone() else { return };
    if own(rollout, &honest).is_some_and(|own| own.status.forward()) {
        proc.owes_back = true;
    }
}
