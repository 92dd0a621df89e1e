//! Laws that look at a saved status, and what the counts take from it.

use shared::ids::Colour;
use shared::notice::Milestone;
use shared::ports::Save;
use shared::rollout::{Cause, Outcome, Phase, Rollout, Status, Target, Wish};

use super::world::healthy;
use super::{dead, read_share, side};
use crate::cloud::{Cloud, Pid};
use crate::plots::Plot;

fn cause_name(cause: &Cause) -> &'static str {
    match cause {
        Cause::Alarm { .. } => "alarm",
        Cause::Unhealthy(_) => "unhealthy",
        Cause::NotHealthyInTime(_) => "not healthy in time",
        Cause::Deadline(_) => "deadline",
        Cause::Person(_) => "person",
        Cause::Superseded => "superseded",
        Cause::Failed(_) => "failed",
    }
}

fn milestone_name(milestone: &Milestone) -> &'static str {
    match milestone {
        Milestone::Started { .. } => "started",
        Milestone::Step { .. } => "step",
        Milestone::Completed { .. } => "completed",
        Milestone::GoingBack { .. } => "going back",
        Milestone::Cancelled { .. } => "cancelled",
        Milestone::RolledBack { .. } => "rolled back",
        Milestone::Refused { .. } => "refused",
        Milestone::Held { .. } => "held",
        Milestone::Observed { .. } => "observed",
        Milestone::Call { .. } => "call",
        Milestone::Corrected { .. } => "corrected",
        Milestone::Changed { .. } => "changed",
        Milestone::Declined { .. } => "declined",
        Milestone::Scaling { .. } => "scaling",
    }
}

/// A status was saved.
pub(crate) fn saved(cloud: &mut Cloud, pid: Pid, before: &Status, save: &Save<'_>) {
    let after = save.status;
    cloud.say(|| {
        let notices: Vec<&str> = save.notices.iter().map(|notice| milestone_name(&notice.milestone)).collect();
        format!("p{pid} saved v{}: {} {}", save.version + 1, save.history.line, notices.join(" "))
    });
    let was = before.rollout.as_ref();
    let is = after.rollout.as_ref();
    if let Some(rollout) = is {
        let entered = was.is_none_or(|was| was.id != rollout.id || was.phase.name() != rollout.phase.name());
        if entered {
            cloud.hit("phase", rollout.phase.name());
            cloud.hit(
                "transition",
                format!("{} -> {}", was.map_or("idle", |was| was.phase.name()), rollout.phase.name()),
            );
            cloud.reached(rollout.phase.name());
            enter(cloud, was, rollout, before);
        }
    }
    if let Some(ended) = was.filter(|was| is.is_none_or(|is| is.id != was.id)) {
        end(cloud, ended, after);
    }
    for notice in save.notices {
        cloud.hit("notice", milestone_name(&notice.milestone));
        truth(cloud, pid, was.or(is), &notice.milestone);
        // Somebody moved the traffic to a side that truly works: that is the new state of rest.
        let works = |cloud: &mut Cloud, colour| !cloud.has_weight(colour) || healthy(cloud, colour) > 0;
        if matches!(notice.milestone, Milestone::Changed { .. }) && Colour::BOTH.into_iter().all(|c| works(cloud, c)) {
            cloud.laws.rest = cloud.weights.clone();
        }
    }
}

fn enter(cloud: &mut Cloud, was: Option<&Rollout>, rollout: &Rollout, before: &Status) {
    match &rollout.phase {
        Phase::Registering { .. } => fresh(cloud, rollout, before),
        Phase::Starting => {
            if let (Target::Images(_), 0) =
                (&rollout.candidate.target, cloud.laws.registered.get(&rollout.id).copied().unwrap_or(0))
            {
                cloud.violate(12, format!("{} starts without a revision of its own", rollout.id));
            }
        }
        Phase::Clearing { cause } if was.is_some_and(|was| !matches!(was.phase, Phase::Returning { .. })) => {
            cloud.hit("cause", cause_name(cause));
        }
        Phase::Returning { cause } => {
            if was.is_some_and(|was| !matches!(was.phase, Phase::Clearing { .. })) {
                cloud.hit("cause", cause_name(cause));
            }
            if let (Cause::Alarm { alarm, .. }, Some(stable)) = (cause, rollout.stable)
                && side(cloud, alarm).is_some_and(|side| !side.covers(stable.other()))
            {
                cloud.violate(10, format!("{alarm}, which watches {stable} only, moves the traffic to {stable}"));
            }
        }
        Phase::Holding
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Clearing { .. } => {}
    }
}

/// Law 14: what begins was pushed later than all that began before, and did not hurt.
fn fresh(cloud: &mut Cloud, rollout: &Rollout, before: &Status) {
    let Target::Images(images) = &rollout.candidate.target else { return };
    let released = cloud.schedule.cues.iter().any(|cue| cue.plot == Plot::Release);
    let digests = rollout.candidate.target.digests();
    if rollout.candidate.wish == Wish::Push && !rollout.candidate.force {
        let held = |held: &shared::rollout::Quarantined| !held.digests.is_empty() && held.digests.is_subset(&digests);
        if before.quarantine.iter().any(held) {
            cloud.violate(14, format!("{} starts an image that is in quarantine", rollout.id));
        }
        for image in images.values() {
            // When it was truly pushed, whatever the product took it for.
            let truly =
                cloud.images.iter().find(|known| known.digest == image.digest).map_or(image.pushed_at, |i| i.pushed_at);
            let newest = cloud.laws.started.values().max().copied();
            if cloud.laws.started.contains_key(image.digest.as_str()) && !released {
                cloud.violate(14, format!("{} starts {} a second time", rollout.id, image.tag));
            } else if newest.is_some_and(|newest| truly < newest) {
                cloud.violate(
                    14,
                    format!("{} starts {}, which is older than what started before", rollout.id, image.tag),
                );
            }
        }
    }
    for image in images.values() {
        let truly =
            cloud.images.iter().find(|known| known.digest == image.digest).map_or(image.pushed_at, |i| i.pushed_at);
        cloud.laws.started.insert(image.digest.0.clone(), truly);
    }
}

fn end(cloud: &mut Cloud, ended: &Rollout, after: &Status) {
    cloud.laws.ended.insert(ended.id.clone());
    cloud.laws.rest = cloud.weights.clone();
    let Some(last) = after.last.as_ref().filter(|last| last.rollout == ended.id) else { return };
    let outcome = match &last.outcome {
        Outcome::Completed => "completed",
        Outcome::RolledBack(_) => "rolled back",
        Outcome::Refused(_) => "refused",
        Outcome::Cancelled(_) => "cancelled",
        Outcome::GivenUp(_) => "given up",
        Outcome::Observed => "observed",
    };
    cloud.hit("outcome", outcome);
    // What a person gave up is that person's to put in order, for all that follows.
    cloud.laws.foreign |= matches!(last.outcome, Outcome::GivenUp(_));
    let lately = cloud.laws.meddled > 0 && cloud.now - cloud.laws.meddled < cloud.schedule.pace.bound;
    let Some(stable) = ended.stable.filter(|_| !lately) else { return };
    let (live, idle) = match &last.outcome {
        Outcome::Completed => (stable.other(), stable),
        Outcome::RolledBack(_) => (stable, stable.other()),
        Outcome::Cancelled(_) | Outcome::Refused(_) | Outcome::GivenUp(_) | Outcome::Observed => return,
    };
    if !cloud.has_weight(live) || cloud.has_weight(idle) {
        cloud.violate(3, format!("{} ends as {outcome}, but {live} does not carry all traffic", ended.id));
    }
}

/// Law 15: what is told was so.
fn truth(cloud: &mut Cloud, pid: Pid, rollout: Option<&Rollout>, milestone: &Milestone) {
    let share = match milestone {
        Milestone::Completed { .. } => 100.0,
        Milestone::RolledBack { .. } => 0.0,
        Milestone::Step { weight, .. } => f64::from(*weight),
        _ => return,
    };
    let name = milestone_name(milestone);
    let Some(candidate) = rollout.and_then(|rollout| rollout.stable).map(Colour::other) else { return };
    let honest = cloud.procs.get(&pid).and_then(|proc| proc.honest.clone());
    let mut read =
        honest.iter().flat_map(|seen| seen.routes.keys().filter_map(|r| read_share(cloud, seen, r, candidate)));
    let wrong = read.find(|read| (read - share).abs() > 0.5);
    if let Some(wrong) = wrong {
        cloud.violate(15, format!("`{name}` is told at {share} %, but {wrong:.0} % was read"));
    }
    // Nothing of ours or somebody else's can have landed since the look: then the world must be so as well.
    let window = 2 * cloud.schedule.pace.margins.effect_lifetime.0 + 2 * cloud.schedule.pace.timeout;
    let quiet = |at: u64| at == 0 || cloud.now - at > window;
    if quiet(cloud.last_fault) && quiet(cloud.laws.meddled) {
        let is = cloud.weights.values().map(|weights| cloud.share(weights, candidate));
        if let Some(wrong) = is.into_iter().find(|is| (is - share).abs() > 0.5) {
            cloud.violate(15, format!("`{name}` is told at {share} %, but the world has {wrong:.0} %"));
        }
    }
}

/// The store refused a status: law 2 says that what it brings back is owed all the same.
pub(crate) fn not_saved(cloud: &mut Cloud, pid: Pid, save: &Save<'_>) {
    let Some(rollout) = &save.status.rollout else { return };
    let (Phase::Returning { .. }, Some(stable)) = (&rollout.phase, rollout.stable) else { return };
    let Some(honest) = cloud.procs.get(&pid).and_then(|proc| proc.honest.clone()) else { return };
    if let Some(proc) = cloud.procs.get_mut(&pid) {
        proc.status = Some(save.status.clone());
    }
    let carries =
        honest.routes.keys().any(|route| read_share(cloud, &honest, route, stable.other()).is_some_and(|s| s > 0.0));
    if let (true, false, Some(proc)) = (carries, dead(&honest, stable), cloud.procs.get_mut(&pid)) {
        proc.owes_back = true;
    }
}
