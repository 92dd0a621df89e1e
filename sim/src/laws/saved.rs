//! Laws that look at a saved status, and what the counts take from it.

use std::rc::Rc;

use shared::ids::Colour;
use shared::notice::Milestone;
use shared::ports::{Record, Save};
use shared::rollout::{Cause, Outcome, Phase, Rollout, Status, Target, Wish};

use super::world::healthy;
use super::{dead, read_share, side};
use crate::cloud::{Cloud, Pid};
use crate::names;
use crate::native;
use crate::next_door::Who;
use crate::plots::Plot;

/// A status was saved.
pub(crate) fn saved(cloud: &mut Cloud, pid: Pid, loaded: &Record, save: &Save<'_>) {
    let before = &loaded.status;
    let after = save.status;
    cloud.say(|| {
        let notices: Vec<&str> = save.notices.iter().map(|notice| names::milestone(&notice.milestone)).collect();
        format!("p{pid} saved v{}: {} {}", save.version + 1, save.history.line, notices.join(" "))
    });
    if cloud.procs.get(&pid).is_some_and(|proc| proc.who != Who::Shop) {
        let ended = before.rollout.as_ref().filter(|_| after.rollout.is_none()).and(after.last.as_ref());
        if let Some(ended) = ended {
            cloud.hit("next door", names::outcome(&ended.outcome));
        }
        return;
    }
    count(cloud, loaded, save);
    let was = before.rollout.as_ref();
    let is = after.rollout.as_ref();
    if cloud.native.is_some() {
        return native::laws::saved(cloud, pid, loaded, save);
    }
    if let Some(rollout) = is.filter(|is| entered(was, is)) {
        enter(cloud, was, rollout, before);
    }
    if let Some(ended) = was.filter(|was| is.is_none_or(|is| is.id != was.id)) {
        end(cloud, ended, after);
    }
    for notice in save.notices {
        truth(cloud, pid, was.or(is), &notice.milestone);
        // Somebody moved the traffic to a side that truly works: that is the new state of rest.
        let works = |cloud: &mut Cloud, colour| !cloud.has_weight(colour) || healthy(cloud, colour) > 0;
        if matches!(notice.milestone, Milestone::Changed { .. }) && Colour::BOTH.into_iter().all(|c| works(cloud, c)) {
            cloud.laws.rest = cloud.weights.clone();
        }
    }
}

/// Whether a rollout has come to another phase.
pub(crate) fn entered(was: Option<&Rollout>, is: &Rollout) -> bool {
    was.filter(|was| was.id == is.id).is_none_or(|was| was.phase.name() != is.phase.name())
}

/// What the counts take from a save.
fn count(cloud: &mut Cloud, loaded: &Record, save: &Save<'_>) {
    let (was, is) = (loaded.status.rollout.as_ref(), save.status.rollout.as_ref());
    if let Some(rollout) = is.filter(|is| entered(was, is)) {
        let from = was.filter(|was| was.id == rollout.id).map_or("idle", |was| was.phase.name());
        cloud.hit("phase", rollout.phase.name());
        cloud.hit("transition", format!("{from} -> {}", rollout.phase.name()));
        cloud.reached(rollout.phase.name());
    }
    for id in save.consumed {
        // What is not in the inbox was known to on-alarm alone.
        let intent = loaded.inbox.iter().find(|intent| intent.id == *id);
        let kind = intent.map_or(names::ALARM_FIRED, |intent| names::intent(&intent.what));
        let phase = was.map_or("idle", |was| was.phase.name());
        cloud.hit("intent", format!("{kind} in {phase}"));
    }
    if let Some(ended) = was.filter(|was| is.is_none_or(|is| is.id != was.id)) {
        cloud.hit("transition", format!("{} -> idle", ended.phase.name()));
    }
    for notice in save.notices {
        cloud.hit("notice", names::milestone(&notice.milestone));
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
            cloud.hit("cause", names::cause(cause));
        }
        Phase::Returning { cause } => {
            if was.is_some_and(|was| !matches!(was.phase, Phase::Clearing { .. })) {
                cloud.hit("cause", names::cause(cause));
            }
            if let (Cause::Alarm { alarm, .. }, Some(stable)) = (cause, rollout.stable)
                && side(cloud, alarm).is_some_and(|side| !side.covers(stable.other()))
            {
                cloud.violate(10, format!("{alarm}, which watches {stable} only, moves the traffic to {stable}"));
            }
        }
        Phase::Shifting { .. } => {
            cloud.laws.shifted.insert(rollout.id.clone());
        }
        Phase::Holding
        | Phase::Deploying
        | Phase::Stopping { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Clearing { .. } => {}
    }
}

/// Law 10: some alarm watches the candidate, or the configuration says that none need do so.
fn covered(cloud: &mut Cloud, rollout: &Rollout) {
    let Some(candidate) = rollout.stable.map(Colour::other) else { return };
    let config = &cloud.place.config;
    let watched =
        config.alarms.all().iter().any(|name| side(cloud, name.as_str()).is_some_and(|s| s.covers(candidate)));
    if !watched && !config.accept_no_alarms {
        cloud.violate(10, format!("{} starts on {candidate}, which no alarm watches", rollout.id));
    }
}

/// Law 14: what begins was pushed later than all that began before, and did not hurt.
pub(crate) fn fresh(cloud: &mut Cloud, rollout: &Rollout, before: &Status) {
    covered(cloud, rollout);
    let Target::Images(images) = &rollout.candidate.target else { return };
    let released = cloud.schedule.cues.iter().any(|cue| cue.plot == Plot::Release);
    let digests = rollout.candidate.target.digests();
    // Whoever forced something else beside it.
    let unforced = |held: &shared::rollout::Quarantined| {
        images
            .values()
            .any(|image| held.digests.contains(&image.digest) && !rollout.candidate.forces(&image.repository))
    };
    let whole = |held: &&shared::rollout::Quarantined| !held.digests.is_empty() && held.digests.is_subset(&digests);
    if before.quarantine.iter().filter(whole).any(unforced) {
        cloud.violate(14, format!("{} starts an image that is in quarantine", rollout.id));
    }
    if rollout.candidate.wish == Wish::Push && !rollout.candidate.force {
        for image in images.values() {
            // When it was truly pushed, whatever the product took it for.
            let truly =
                cloud.images.iter().find(|known| known.digest == image.digest).map_or(image.pushed_at, |i| i.pushed_at);
            let of_it = cloud.laws.started.values().filter(|(repository, _)| *repository == image.repository);
            let newest = of_it.map(|(_, at)| *at).max();
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
        cloud.laws.started.insert(image.digest.0.clone(), (image.repository.clone(), truly));
    }
}

fn end(cloud: &mut Cloud, ended: &Rollout, after: &Status) {
    cloud.laws.ended.insert(ended.id.clone());
    cloud.laws.rest = cloud.weights.clone();
    let Some(last) = after.last.as_ref().filter(|last| last.rollout == ended.id) else { return };
    let outcome = names::outcome(&last.outcome);
    cloud.hit("outcome", outcome);
    // Its images live on in the rollout that takes its place.
    let replaced = match &last.outcome {
        Outcome::RolledBack(cause) | Outcome::Cancelled(cause) => *cause == Cause::Superseded,
        Outcome::Refused(_) => matches!(ended.phase, Phase::Registering { .. }) && after.next.is_some(),
        Outcome::Completed | Outcome::GivenUp(_) | Outcome::Observed | Outcome::Superseded(_) => false,
    };
    if replaced {
        for digest in ended.candidate.target.digests() {
            cloud.laws.started.remove(digest.as_str());
        }
    }
    // What a person gave up is that person's to put in order, for all that follows.
    cloud.laws.foreign |= matches!(last.outcome, Outcome::GivenUp(_));
    let lately = cloud.laws.meddled > 0 && cloud.now - cloud.laws.meddled < cloud.schedule.pace.bound;
    let Some(stable) = ended.stable.filter(|_| !lately) else { return };
    let (live, idle) = match &last.outcome {
        Outcome::Completed => (stable.other(), stable),
        Outcome::RolledBack(_) => (stable, stable.other()),
        Outcome::Cancelled(_)
        | Outcome::Refused(_)
        | Outcome::GivenUp(_)
        | Outcome::Observed
        | Outcome::Superseded(_) => return,
    };
    if !cloud.has_weight(live) || cloud.has_weight(idle) {
        cloud.violate(3, format!("{} ends as {outcome}, but {live} does not carry all traffic", ended.id));
    }
}

/// Law 15: what is told was so.
fn truth(cloud: &mut Cloud, pid: Pid, rollout: Option<&Rollout>, milestone: &Milestone) {
    if let (Milestone::GoingBack { .. } | Milestone::RolledBack { .. }, Some(rollout)) = (milestone, rollout)
        && !cloud.laws.shifted.contains(&rollout.id)
    {
        let told = names::milestone(milestone);
        cloud.violate(15, format!("`{told}` is told of {}, which never moved any weight", rollout.id));
    }
    let share = match milestone {
        Milestone::Completed { .. } => 100.0,
        Milestone::RolledBack { .. } => 0.0,
        Milestone::Step { weight, .. } => f64::from(*weight),
        _ => return,
    };
    let name = names::milestone(milestone);
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
    if cloud.procs.get(&pid).is_some_and(|proc| proc.who != Who::Shop) {
        return;
    }
    if cloud.native.is_some() {
        return native::laws::not_saved(cloud, pid, save);
    }
    let Some(rollout) = &save.status.rollout else { return };
    let (Phase::Returning { .. }, Some(stable)) = (&rollout.phase, rollout.stable) else { return };
    let Some(honest) = cloud.procs.get(&pid).and_then(|proc| proc.honest.clone()) else { return };
    if let Some(proc) = cloud.procs.get_mut(&pid) {
        let acting = proc.loaded.as_deref().map(|record| Record { status: save.status.clone(), ..record.clone() });
        proc.acting = acting.map(Rc::new);
    }
    let carries =
        honest.routes.keys().any(|route| read_share(cloud, &honest, route, stable.other()).is_some_and(|s| s > 0.0));
    if let (true, false, Some(proc)) = (carries, dead(&honest, stable), cloud.procs.get_mut(&pid)) {
        proc.owes_back = true;
    }
}
