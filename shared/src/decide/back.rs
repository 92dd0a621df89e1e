//! The way back: always allowed until the door, per route, retried at every look, never compensated.

use crate::decision::{Action, Waiting};
use crate::ids::{RolloutId, RouteArn};
use crate::notice::Milestone;
use crate::observation::Reading;
use crate::rollout::{
    Candidate, Cause, Expected, ImageRef, Images, Outcome, Phase, Quarantined, Rollout, ScalingWanted, Target,
};
use crate::weights::{Weights, all_on_stable, candidate_percent, same_shares, split};

use super::draft::{Draft, what};
use super::{after, inbox, watch};

/// Turns a rollout back: saved with the cause, and the weights written in the same decision.
pub(super) fn turn(draft: &mut Draft<'_>, rollout: &mut Rollout, cause: Cause) {
    if rollout.config.engine.native().is_some() {
        return super::native::turn(draft, rollout, cause);
    }
    let quarantined = inbox::put_in_quarantine(draft, rollout, &cause);
    rollout.paused = None;
    let what = what(&rollout.candidate);
    if rollout.first_shift.is_none() {
        // No weight was moved, so none is written: what stands there is not ours to change.
        draft.tell(Some(&rollout.id), Milestone::Cancelled { what, cause: cause.clone(), quarantined });
        draft.enter(rollout, Phase::Clearing { cause });
        rollout.told_back = true;
        rollout.emptied = Some(draft.now);
        draft.again();
        return;
    }
    let weight = percent_now(draft, rollout);
    draft.tell(Some(&rollout.id), Milestone::GoingBack { what, cause: cause.clone(), weight, by_ecs: false });
    rollout.turned = Some(draft.now);
    draft.enter(rollout, Phase::Returning { cause });
    aim(draft, rollout);
    write(draft, rollout);
    draft.wait(Waiting::WeightsBack);
}

fn percent_now(draft: &Draft<'_>, rollout: &Rollout) -> u8 {
    let Some(sides) = rollout.stable.and_then(|stable| draft.sides(stable)) else { return 0 };
    let seen = draft.seen.routes.values().filter_map(|reading| candidate_percent(&reading.known()?.weights, &sides));
    seen.max().unwrap_or(0)
}

/// Where every route goes back to: all of it on the stable side. What was read there is kept as previous.
fn aim(draft: &Draft<'_>, rollout: &mut Rollout) {
    let sides = rollout.stable.and_then(|stable| draft.sides(stable));
    for (route, expected) in &mut rollout.routes {
        let from = draft.seen.routes.get(route).and_then(Reading::known).map_or(&expected.intended, |r| &r.weights);
        // Without the services' target groups the saved weights still tell which group is whose. A route from which
        // somebody took the candidate's group, or which is gone, sends it nothing: it is back as it stands.
        let back = match &sides {
            _ if from.is_empty() => from.clone(),
            Some(sides) if all_on_stable(from, sides) => from.clone(),
            Some(sides) => split(from, sides, 0).unwrap_or_else(|_| expected.home.clone()),
            None => expected.home.clone(),
        };
        let home = expected.home.clone();
        *expected = Expected { previous: from.clone(), intended: back, foreign_since: None, home };
    }
}

/// Writes every route that does not read as it shall; a route that could not be read is written as well. True: all are
/// back.
fn write(draft: &mut Draft<'_>, rollout: &Rollout) -> bool {
    let mut all_back = true;
    let writes: Vec<(RouteArn, Weights)> = rollout
        .routes
        .iter()
        .filter(|(route, expected)| {
            let reading = draft.seen.routes.get(*route).and_then(Reading::known);
            reading.is_none_or(|r| !same_shares(&r.weights, &expected.intended))
        })
        .inspect(|_| all_back = false)
        .filter(|(route, _)| !refuses(draft, rollout, route))
        .map(|(route, expected)| (route.clone(), expected.intended.clone()))
        .collect();
    for (route, weights) in writes {
        draft.back(Action::Weights { route, weights });
    }
    all_back
}

/// Users' traffic on healthy tasks comes first: a route never goes to a side known dead on it, from one known alive.
fn refuses(draft: &Draft<'_>, rollout: &Rollout, route: &RouteArn) -> bool {
    let Some(Reading::Known(reading)) = draft.seen.routes.get(route) else { return false };
    let weights = [&reading.weights];
    rollout.stable.is_some_and(|stable| {
        let carries = draft.sides(stable).is_some_and(|sides| candidate_percent(&reading.weights, &sides) != Some(0));
        carries && draft.dead_on(stable, &weights) && draft.alive_on(stable.other(), &weights)
    })
}

pub(super) fn returning(draft: &mut Draft<'_>, mut rollout: Rollout, cause: Cause) -> Rollout {
    aim(draft, &mut rollout);
    if write(draft, &rollout) {
        tell(draft, &mut rollout, &cause);
        draft.enter(&mut rollout, Phase::Clearing { cause });
        rollout.emptied = Some(draft.now);
        return rollout;
    }
    if rollout.routes.keys().any(|route| refuses(draft, &rollout, route)) {
        let why = "the stable side has no healthy target; the traffic stays where healthy tasks are".to_owned();
        draft.call(&mut rollout, why.clone(), "bring the stable side up; the flip follows by itself");
        draft.wait(Waiting::Person(why));
        return rollout;
    }
    if draft.now >= rollout.since.plus(rollout.config.start_deadline.min(MAX_RETURN)) {
        let seen = draft.seen.failures.first().map_or_else(String::new, |failure| format!(": {}", failure.reason));
        draft.call(
            &mut rollout,
            format!("the rollback has not taken: the weights are not back on the stable side{seen}"),
            "it is tried again at every look; flipback status shows the weights, the AWS CLI can set them",
        );
    }
    draft.wait(Waiting::WeightsBack);
    rollout
}

/// Tells that the traffic is back, once, and not before a reading could show it: until the last forward write has landed
/// and is read back, the weights from before it may be read.
fn tell(draft: &mut Draft<'_>, rollout: &mut Rollout, cause: &Cause) {
    let landed = rollout.weights_until.plus(draft.margins.effect_lifetime);
    if rollout.told_back || draft.seen.at <= landed {
        return;
    }
    rollout.told_back = true;
    let took = draft.now.since(rollout.turned.unwrap_or(rollout.since));
    let quarantined =
        if cause.quarantines() { rollout.candidate.target.digests().into_iter().collect() } else { Vec::new() };
    let what = what(&rollout.candidate);
    draft.tell(
        Some(&rollout.id),
        Milestone::RolledBack { what, cause: cause.clone(), took, quarantined, by_ecs: false },
    );
}

/// A rollback is a matter of seconds; after this a person is called while it goes on.
const MAX_RETURN: crate::time::Span = crate::time::Span::mins(2);

pub(super) fn clearing(draft: &mut Draft<'_>, mut rollout: Rollout, cause: Cause) -> Option<Rollout> {
    let stable = rollout.stable?;
    let late = draft.seen.routes.iter().any(|(route, reading)| {
        let expected = rollout.routes.get(route);
        match (reading.known(), expected) {
            (Some(reading), Some(expected)) => !same_shares(&reading.weights, &expected.intended),
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    });
    let handed_on = draft.status.next.is_some();
    if late && !(rollout.first_shift.is_none() && handed_on) {
        // A forward write that landed late, or somebody else: before the watch ends it goes back again.
        let until = rollout.weights_until.plus(draft.margins.effect_lifetime);
        if rollout.first_shift.is_some() && draft.now <= until.plus(draft.margins.effect_lifetime) {
            draft.enter(&mut rollout, Phase::Returning { cause });
            aim(draft, &mut rollout);
            write(draft, &rollout);
            draft.wait(Waiting::WeightsBack);
            return Some(rollout);
        }
        let why = "somebody else's weights stand on the route of a rollout that went back".to_owned();
        draft.call(&mut rollout, why.clone(), "flipback status shows them; nothing is written over them");
        draft.wait(Waiting::ForeignWeights(why));
        return Some(rollout);
    }
    if draft.now >= rollout.since.plus(rollout.config.stall_deadline) {
        let why = "the rolled-back side does not come to rest".to_owned();
        draft.call(&mut rollout, why, "flipback why says what is waited for; the stable side carries all traffic");
    }
    let landed = rollout.weights_until.plus(draft.margins.effect_lifetime);
    if draft.seen.at <= landed {
        draft.wait_until(Waiting::LateWrites(landed), landed);
        return Some(rollout);
    }
    let read_all = rollout.routes.keys().all(|route| draft.seen.routes.get(route).is_some_and(|r| r.known().is_some()));
    if !read_all {
        draft.wait(Waiting::Unknown("the weights after the rollback".to_owned()));
        return Some(rollout);
    }
    tell(draft, &mut rollout, &cause);
    if !handed_on && !after::rest(draft, &mut rollout, stable.other()) {
        return Some(rollout);
    }
    if let Some(prior) = rollout.scaling.get(&stable).copied().flatten() {
        let wanted = ScalingWanted { bounds: None, suspended: prior.suspended };
        if !watch::scaling(draft, &mut rollout, stable, wanted) {
            return Some(rollout);
        }
    }
    let settled = rollout.forward_until.plus(draft.margins.effect_lifetime);
    if draft.seen.at <= settled {
        draft.wait_until(Waiting::LateWrites(settled), settled);
        return Some(rollout);
    }
    if cause == Cause::Superseded {
        inherit(draft, &rollout);
    }
    if !late {
        after::settle(draft, &rollout, stable);
    }
    let moved = rollout.first_shift.is_some();
    draft.end(&rollout, if moved { Outcome::RolledBack(cause) } else { Outcome::Cancelled(cause) });
    None
}

/// A superseded rollout's images live on in the one that takes its place, unless that brings its own. What a person forced
/// although it is in quarantine goes no further by itself.
pub(super) fn inherit(draft: &mut Draft<'_>, rollout: &Rollout) {
    let Some(Candidate { target: Target::Images(new), .. }) = &draft.status.next else { return };
    let new = new.clone();
    let Some(mut next) = draft.status.next.take() else { return };
    next.inherit(&rollout.candidate);
    leave_quarantined(draft, Some(&rollout.id), &mut next, &new, NOT_ALONG);
    draft.status.next = Some(next);
}

/// Why something is left behind.
pub(super) const NOT_ALONG: &str = "it is in quarantine, and does not go along with what came later";

/// Takes out of a candidate what is in quarantine and only goes along with what is new, and says so.
pub(super) fn leave_quarantined(
    draft: &mut Draft<'_>,
    rollout: Option<&RolloutId>,
    candidate: &mut Candidate,
    new: &Images,
    reason: &str,
) {
    let mut left = Vec::new();
    while let Some(image) = left_behind(&draft.status.quarantine, candidate, new) {
        candidate.leave(&image.repository);
        left.push(format!("{}:{}", image.repository, image.tag));
    }
    if !left.is_empty() {
        let wish = format!("deploy {}", left.join(" and "));
        let reason = reason.to_owned();
        draft.tell(rollout, Milestone::Declined { wish, reason });
    }
}

/// An image of a quarantined set that lies whole in a candidate, and is not new itself.
pub(super) fn left_behind(quarantine: &[Quarantined], candidate: &Candidate, new: &Images) -> Option<ImageRef> {
    let Target::Images(all) = &candidate.target else { return None };
    // What a person forced as it is, in quarantine or not, stays.
    let forced = |held: &Quarantined| {
        all.values()
            .filter(|image| held.digests.contains(&image.digest))
            .all(|image| candidate.forces(&image.repository))
    };
    let whole = quarantine.iter().filter(|held| inbox::is_whole(held, all) && !forced(held));
    let mut own = whole.flat_map(|held| {
        let stays = |image: &ImageRef| new.contains_key(&image.repository) || candidate.forces(&image.repository);
        all.values().filter(move |image| held.digests.contains(&image.digest) && !stays(image))
    });
    own.next().cloned()
}
