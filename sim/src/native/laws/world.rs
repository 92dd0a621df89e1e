//! Laws that look at the world by itself: after a look, every second, and at the end.

use std::rc::Rc;

use shared::observation::{AlarmState, Observation, Reading};
use shared::rollout::{Outcome, Phase, Rollout, Status, Wish};

use super::super::truth::{self, Deployment};
use super::{lands_late, own, read, state};
use crate::cloud::Cloud;
use crate::plots::Plot;
use crate::setup::START;

/// Law 2: a process that read an alarm after the first traffic has not gone on.
pub(crate) fn looked(cloud: &mut Cloud, seen: &Observation, status: &Status) {
    let Some(rollout) = status.rollout.as_ref().filter(|rollout| rollout.phase == Phase::Deploying) else { return };
    // The way back is not taken back by the alarms of what it cures: a person is called.
    if rollout.candidate.wish == Wish::RollbackTo {
        return;
    }
    let Some(own) = own(rollout, seen) else { return };
    let rolling = read(seen).is_some_and(|service| service.strategy_of(own) == "ROLLING");
    if !own.status.forward() || own.weight.tenths() == 0 && !rolling {
        return;
    }
    // What only ECS listens to never goes back by our word.
    let listed = rollout.config.alarms.all();
    let fires = seen.alarms.iter().filter(|(name, _)| listed.contains(*name)).find(|(name, reading)| {
        let fires = matches!(reading, Reading::Known(Some(alarm)) if alarm.state == AlarmState::Alarm);
        fires && !rollout.forgiven.contains(name.as_str())
    });
    if let Some((name, _)) = fires {
        cloud.violate(2, format!("{name} was read to fire at {} % of the traffic, and it goes on", own.weight));
    }
}

/// One second has passed.
pub(crate) fn second(cloud: &mut Cloud) {
    let record = Rc::clone(&cloud.record);
    let all = truth::deployments(cloud);
    let now = cloud.now;
    for one in all.iter().filter(|one| one.weight > 0.0) {
        state(cloud).traffic.entry(one.arn.clone()).or_insert(now);
    }
    late(cloud, &all, &record.status);
    let Some(rollout) = &record.status.rollout else {
        state(cloud).harm = None;
        return;
    };
    silent(cloud, rollout);
    harmed(cloud, rollout, &all);
}

/// Law 13: no phase outlives its deadline without a word.
fn silent(cloud: &mut Cloud, rollout: &Rollout) {
    let config = &rollout.config;
    // A native rollout gives ECS the longest bake there is to be expected, and its own patience on top.
    let bake = 15 * 60_000;
    let stage = rollout.native.stage.as_ref().map_or(rollout.since, |(_, since)| *since).max(rollout.since);
    let (since, limit) = match &rollout.phase {
        Phase::Holding => (rollout.since, config.hold_deadline.0),
        Phase::Registering { .. } => (rollout.since, config.start_deadline.0),
        Phase::Deploying => (stage, config.start_deadline.0.max(bake + config.stall_deadline.0)),
        Phase::Stopping { .. } => (rollout.since, 10 * 60_000),
        Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => return,
    };
    let slack = cloud.schedule.pace.bound + cloud.schedule.pace.visibility;
    let late = cloud.now > since.0 + limit + slack && cloud.now > cloud.last_fault + slack;
    // A pause that was told waits for a person; ECS ends it.
    if late && !rollout.called && !rollout.native.paused {
        let (phase, waiting) = (rollout.phase.name(), cloud.record.status.waiting.clone());
        cloud.violate(13, format!("{phase} outlived its deadline without a word; it waits for {waiting}"));
    }
}

/// Law 2 and law 14: the deployment of what was taken back is stopped, and so is one whose alarm fires.
fn harmed(cloud: &mut Cloud, rollout: &Rollout, all: &[Deployment]) {
    let forward = all.first().filter(|one| one.status.forward());
    let mine = forward.filter(|one| rollout.native.deployment.as_ref() == Some(&one.arn)).cloned();
    let stopping = matches!(rollout.phase, Phase::Stopping { .. });
    let harm = match &mine {
        Some(_) if stopping => Some("it is being stopped".to_owned()),
        Some(one) if one.weight > 0.0 => {
            truth::firing(cloud, |name| rollout.forgiven.contains(name)).map(|name| format!("{name} fires"))
        }
        Some(_) | None => None,
    };
    let Some(what) = harm else {
        state(cloud).harm = None;
        return;
    };
    let now = cloud.now;
    let (began, what) = state(cloud).harm.get_or_insert((now, what)).clone();
    let since = began.max(cloud.last_fault).max(cloud.laws.meddled);
    let pace = &cloud.schedule.pace;
    let bound =
        if cloud.fair_since(began.saturating_sub(6_000)) { pace.bound / 3 } else { pace.bound + pace.visibility };
    if now.saturating_sub(since) > bound {
        let seconds = now.saturating_sub(began) / 1_000;
        cloud.violate(2, format!("{what}, and ECS still goes on after {seconds} s"));
    }
}

/// Law 14: a deployment that Flipback made of a rollout it took back does not go on.
fn late(cloud: &mut Cloud, all: &[Deployment], status: &Status) {
    let newest = all.first().filter(|one| one.status.forward()).cloned();
    let of_ended = newest.filter(|one| {
        let taken_back = state(cloud).taken_back.contains(&one.revision);
        let made = state(cloud).made.get(&one.arn).map(|(id, _)| id.clone());
        let running = status.rollout.as_ref().map(|rollout| &rollout.id);
        taken_back && made.is_some_and(|id| Some(&id) != running && cloud.laws.ended.contains(&id))
    });
    let released = cloud.schedule.cues.iter().any(|cue| cue.plot == Plot::Release);
    if of_ended.is_none() || released || cloud.laws.foreign {
        state(cloud).late = None;
        return;
    }
    let now = cloud.now;
    let since = *state(cloud).late.get_or_insert(now);
    let since = since.max(cloud.last_fault);
    let pace = &cloud.schedule.pace;
    // The sweep of settled services finds it, where the event was lost.
    if now.saturating_sub(since) > pace.margins.settled_look.0.max(pace.sweep) + 2 * pace.bound {
        cloud.violate(14, "a late deployment of what was taken back goes on".to_owned());
    }
}

/// Everything is over.
pub(crate) fn end(cloud: &mut Cloud, idle: bool) {
    if !idle || cloud.laws.foreign {
        return;
    }
    let Some(last) = cloud.record.status.last.clone() else { return };
    let newest = truth::deployments(cloud).into_iter().next();
    let ours = newest.as_ref().is_some_and(|newest| state(cloud).made.contains_key(&newest.arn));
    // What landed after all that is believed is told or stopped (law 14), and may have come to its end before.
    if !ours || lands_late(cloud) || state(cloud).meddled.is_some() {
        return;
    }
    let at = (cloud.now - START) / 1_000;
    let live = crate::view::text(&truth::service(cloud), "taskDefinition").to_owned();
    let wanted = match &last.outcome {
        Outcome::Completed => last.revision,
        Outcome::RolledBack(_) | Outcome::Cancelled(_) => last.stable_revision,
        Outcome::Refused(_) | Outcome::GivenUp(_) | Outcome::Observed | Outcome::Superseded(_) => return,
    };
    if wanted.is_some_and(|wanted| wanted.0 != live) {
        cloud.violate(3, format!("all is over at {at} s after {:?}, and {live} is live", last.outcome));
    }
}
