//! Law 5 while a candidate carries traffic: unhealthy targets roll it back without any alarm.

use std::rc::Rc;

use shared::ids::Colour;
use shared::rollout::{Phase, Rollout};

use super::targets;
use crate::cloud::{Cloud, Pid};
use crate::native;

/// What a look of a step is about: a new step is watched anew.
fn step(rollout: &Rollout) -> String {
    match rollout.phase {
        Phase::Shifting { step } | Phase::Baking { step, .. } => {
            format!("{} {step} since {}", rollout.phase.name(), rollout.since)
        }
        Phase::Holding
        | Phase::Deploying
        | Phase::Stopping { .. }
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => format!("{} since {}", rollout.phase.name(), rollout.since),
    }
}

/// A process of `advance` has done all it wanted after its last look.
pub(crate) fn looked(cloud: &mut Cloud, pid: Pid) {
    let Some(proc) = cloud.procs.get(&pid) else { return };
    let (honest, record) = (proc.honest.clone(), Rc::clone(&cloud.record));
    if cloud.native.is_some() {
        return honest.iter().for_each(|seen| native::laws::looked(cloud, seen, &record.status));
    }
    let flips = record.status.rollout.as_ref().filter(|rollout| rollout.phase.flippable());
    let Some(seen) = honest else { return };
    let Some(rollout) = flips else {
        cloud.laws.sick = None;
        return;
    };
    let Some(candidate) = rollout.stable.map(Colour::other) else { return };
    // What was not read says nothing, and a look at another phase neither.
    let Some(all) = targets(&seen, candidate) else { return };
    let unhealthy: u32 = all.iter().map(|(_, counts)| counts.unhealthy).sum();
    if unhealthy == 0 {
        cloud.laws.sick = None;
        return;
    }
    let now = cloud.now;
    let step = step(rollout);
    let since = match &cloud.laws.sick {
        Some((id, known, since)) if *id == rollout.id && *known == step => *since,
        Some(_) | None => {
            cloud.laws.sick = Some((rollout.id.clone(), step, now));
            return;
        }
    };
    let margins = cloud.margins.confirm.0.max(cloud.schedule.pace.margins.confirm.0);
    // Clocks may differ, and the look began before this.
    if seen.at.0.saturating_sub(since) > margins * 3 / 2 + 2 * cloud.schedule.pace.skew + 1_000 {
        let seconds = (now - since) / 1_000;
        cloud.violate(5, format!("{unhealthy} targets of {candidate} are unhealthy for {seconds} s, and it goes on"));
    }
}
