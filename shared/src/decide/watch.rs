//! What is watched in every phase that carries traffic: harm, foreign weights, capacity; and how a side has drained.

use crate::decision::{Action, Waiting};
use crate::ids::{Colour, RouteArn};
use crate::notice::Milestone;
use crate::observation::Reading;
use crate::rollout::{Ailing, Cause, Correcting, Margins, Phase, Rollout, ScalingWanted};
use crate::time::{Span, Time};
use crate::weights::{Weights, all_on_stable, candidate_percent, same_shares, split};

use super::draft::Draft;
use super::{alarms, back, health, hold};

/// What watching came to.
pub(super) enum Watched {
    /// Nothing in the way.
    Clear,
    /// The rollout was turned back, or must stand still; the draft says why.
    Stop,
}

/// Harm turns back at once; a newer candidate does; foreign weights hold.
pub(super) fn watch(draft: &mut Draft<'_>, rollout: &mut Rollout, stable: Colour) -> Watched {
    let candidate = stable.other();
    alarms::end_forgiveness(draft, rollout);
    if let Some(cause) = harm(draft, rollout, candidate) {
        back::turn(draft, rollout, cause);
        return Watched::Stop;
    }
    if hold::superseded(draft, rollout) {
        // 100 % and baked: the new push ends the standby instead of undoing a finished rollout.
        if !matches!(rollout.phase, Phase::Standby { .. }) {
            back::turn(draft, rollout, Cause::Superseded);
            return Watched::Stop;
        }
    }
    if foreign(draft, rollout) {
        return Watched::Stop;
    }
    let shifting = matches!(rollout.phase, Phase::Shifting { .. } | Phase::Baking { .. });
    if shifting && stable_dead(draft, rollout, stable) {
        return Watched::Stop;
    }
    Watched::Clear
}

fn harm(draft: &mut Draft<'_>, rollout: &mut Rollout, candidate: Colour) -> Option<Cause> {
    if let Some(cause) = alarms::harm(draft, rollout, candidate) {
        return Some(cause);
    }
    let revision = rollout.revision.clone()?;
    if let Some(service) = draft.service(candidate) {
        rollout.ran = rollout.ran.min(service.desired).max(service.running);
    }
    match health::ailment(draft, candidate, &revision, rollout.ran) {
        None => {
            // Only a look that could see health takes the doubt back.
            if draft.targets(candidate).is_some() {
                rollout.ailing = None;
            }
            None
        }
        Some((what, patience)) => {
            let since = match &rollout.ailing {
                Some(ailing) if ailing.patience <= patience => ailing.since,
                Some(_) => draft.now,
                None => {
                    rollout.relapses = rollout.relapses.saturating_add(1);
                    draft.now
                }
            };
            // ECS counts no failed tasks once a deployment is completed: tasks that die and are replaced show only so.
            if rollout.relapses >= RELAPSES {
                return Some(Cause::Unhealthy(format!("{what}, for the {RELAPSES}rd time in this step")));
            }
            if draft.now.since(since) >= patience {
                return Some(Cause::Unhealthy(what));
            }
            rollout.ailing = Some(Ailing { since, what, patience });
            None
        }
    }
}

/// As often as ECS's own circuit breaker lets tasks fail.
const RELAPSES: u32 = 3;

/// The stable side has lost every healthy target while it still carries traffic, and the candidate is well: the traffic is
/// put on healthy tasks, once, and a person is called. True: the rollout stands still.
fn stable_dead(draft: &mut Draft<'_>, rollout: &mut Rollout, stable: Colour) -> bool {
    if !(draft.dead(stable) && draft.alive(stable.other())) {
        if draft.alive(stable) {
            rollout.stable_dead = None;
        }
        return false;
    }
    let Some(sides) = draft.sides(stable) else { return false };
    let since = *rollout.stable_dead.get_or_insert(draft.now);
    if rollout.corrected || draft.now.since(since) < draft.margins.confirm {
        return false;
    }
    // A route that could not be read is written as well, as on the way back.
    let found: Vec<(RouteArn, Weights)> = rollout
        .routes
        .iter()
        .filter_map(|(route, expected)| {
            let weights = match draft.seen.routes.get(route).and_then(Reading::known) {
                Some(read) if candidate_percent(&read.weights, &sides) == Some(100) => return None,
                Some(read) => &read.weights,
                None => &expected.intended,
            };
            Some((route.clone(), weights.clone()))
        })
        .collect();
    if found.is_empty() {
        corrected(draft, rollout, stable.other());
        return false;
    }
    let text = format!("{}; {stable} has no healthy target", super::idle::print(&found));
    if !Correcting::write(&mut rollout.correcting, &text) {
        return false;
    }
    for (route, weights) in found {
        let Ok(intended) = split(&weights, &sides, 100) else { continue };
        draft.back(Action::Weights { route: route.clone(), weights: intended.clone() });
        if let Some(expected) = rollout.routes.get_mut(&route) {
            (expected.previous, expected.intended) = (weights, intended);
        }
    }
    let step = rollout.config.steps.len().saturating_sub(1);
    if rollout.paused.is_none() || rollout.phase != (Phase::Shifting { step }) {
        rollout.paused = Some(draft.now);
        draft.enter(rollout, Phase::Shifting { step });
    }
    draft.call(
        rollout,
        format!("the stable side ({stable}) lost all its healthy targets in mid rollout"),
        "bring it up, then flipback resume goes on and flipback abort goes back; until then nothing moves",
    );
    draft.wait(Waiting::Paused);
    true
}

/// What was put right is told once it is read so; it is done once.
fn corrected(draft: &mut Draft<'_>, rollout: &mut Rollout, to: Colour) {
    if let Some(done) = rollout.correcting.take() {
        rollout.corrected = true;
        draft.tell(Some(&rollout.id), Milestone::Corrected { found: done.found, to });
    }
}

/// Law 8: weights that are neither the previous nor the intended ones, on two spaced looks, are somebody else's.
pub(super) fn foreign(draft: &mut Draft<'_>, rollout: &mut Rollout) -> bool {
    let mut found = Vec::new();
    let mut confirmed = false;
    for (route, expected) in &mut rollout.routes {
        let Some(Reading::Known(reading)) = draft.seen.routes.get(route) else { continue };
        if same_shares(&reading.weights, &expected.previous) || same_shares(&reading.weights, &expected.intended) {
            expected.foreign_since = None;
            continue;
        }
        let since = *expected.foreign_since.get_or_insert(draft.now);
        confirmed |= draft.now.since(since) >= draft.margins.confirm;
        found.push((route.clone(), reading.weights.clone()));
    }
    if found.is_empty() {
        if let Some(live) = rollout.stable.filter(|_| rollout.stable_dead.is_none()) {
            corrected(draft, rollout, live);
        }
        return false;
    }
    let text = super::idle::print(&found);
    if confirmed {
        put_right(draft, rollout, &found, &text);
        // A flip back of ours is sent although the store cannot save it (law 2), and is not remembered then.
        let home = |route: &RouteArn, now: &Weights| {
            rollout.routes.get(route).is_some_and(|expected| same_shares(now, &expected.home))
        };
        let why = if found.iter().all(|(route, now)| home(route, now)) {
            format!(
                "the traffic is back on the stable side, by somebody else or by a flip that could not be saved: {text}"
            )
        } else {
            format!("somebody else changed the weights: {text}")
        };
        draft.call(
            rollout,
            why,
            "flipback resume takes them as a new beginning and goes on; flipback abort brings the traffic back",
        );
    }
    draft.wait(Waiting::ForeignWeights(text));
    true
}

/// The one exception: weight on a side without healthy targets, while the other side is healthy.
fn put_right(draft: &mut Draft<'_>, rollout: &mut Rollout, found: &[(RouteArn, Weights)], text: &str) {
    let Some(stable) = rollout.stable else { return };
    for to in [stable, stable.other()] {
        let Some(sides) = draft.sides(to) else { return };
        if !(draft.alive(to) && draft.dead(to.other())) {
            continue;
        }
        if !found.iter().any(|(_, weights)| candidate_percent(weights, &sides) != Some(0)) {
            corrected(draft, rollout, to);
        } else if !rollout.corrected && Correcting::write(&mut rollout.correcting, text) {
            for (route, weights) in found {
                if let Ok(weights) = split(weights, &sides, 0) {
                    draft.back(Action::Weights { route: route.clone(), weights });
                }
            }
        }
        return;
    }
}

/// The colour follows the other in size (law 9): neither side may be the smaller one while it can get all traffic.
/// True: it is large enough.
pub(super) fn follow(draft: &mut Draft<'_>, rollout: &mut Rollout, follower: Colour) -> bool {
    let (Some(service), Some(leader)) = (draft.service(follower), draft.service(follower.other())) else {
        draft.wait(Waiting::Unknown(draft.service_doubt(follower)));
        return false;
    };
    if service.desired >= leader.desired {
        return true;
    }
    draft.forward(rollout, Action::Scale { colour: follower, desired: leader.desired });
    draft.wait(Waiting::Capacity(format!("{follower} follows to {} tasks", leader.desired)));
    false
}

/// A colour's scalable target shall be so; true when it was read so, or when there is none.
pub(super) fn scaling(draft: &mut Draft<'_>, rollout: &mut Rollout, colour: Colour, wanted: ScalingWanted) -> bool {
    if !matches!(rollout.scaling.get(&colour), Some(Some(_))) {
        return true;
    }
    match draft.colour(colour).map(|reading| &reading.scaling) {
        Some(Reading::Known(Some(now))) => {
            let same = now.suspended == wanted.suspended && wanted.bounds.is_none_or(|b| b == (now.min, now.max));
            if !same {
                draft.forward(rollout, Action::Scaling { colour, wanted });
                draft.wait(Waiting::Capacity(format!("{colour}'s scalable target")));
            }
            same
        }
        // Somebody deregistered it meanwhile: nothing scales this colour any more.
        Some(Reading::Known(None)) => true,
        Some(Reading::Unknown(why)) => {
            draft.wait(Waiting::Unknown(format!("{colour}'s scalable target: {why}")));
            false
        }
        None => {
            draft.wait(Waiting::Unknown(format!("{colour}'s scalable target was not read")));
            false
        }
    }
}

/// From when on requests to an emptied side are counted: since it was emptied, but no further back than the last two
/// periods that CloudWatch has complete. One late request must not keep a side from its rest for ever.
pub(super) fn drain_window(emptied: Time, at: Time, margins: &Margins) -> Time {
    let period = margins.metric_period;
    let lately = at.minus(margins.metric_delay).minus(Span(2 * period.0)).floor(period);
    emptied.ceil(period).max(lately)
}

/// Whether the emptied side may shrink (law 4): weight 0 in this look, the margin passed, and requests ceased.
///
/// # Errors
/// What is missing, for people.
pub(super) fn drained(draft: &Draft<'_>, rollout: &Rollout, colour: Colour) -> Result<(), String> {
    let emptied = rollout.emptied.ok_or("its weight was not read 0 yet")?;
    let sides = draft.sides(colour.other()).ok_or_else(|| draft.service_doubt(colour))?;
    let empty = draft.config_routes(rollout).iter().all(|route| {
        draft.seen.routes.get(route).and_then(Reading::known).is_some_and(|r| all_on_stable(&r.weights, &sides))
    });
    if !empty {
        return Err("its weight is not read 0 on every route".to_owned());
    }
    let until = emptied.plus(draft.margins.drain);
    if draft.now < until {
        return Err(format!("the margin after weight 0, until {until}"));
    }
    match draft.colour(colour).map(|reading| &reading.requests) {
        Some(Reading::Known(requests)) => {
            let from = drain_window(emptied, draft.seen.at, draft.margins);
            if requests.complete_until < from.plus(draft.margins.metric_period) {
                Err("no metric period without requests is complete yet".to_owned())
            } else if requests.count > 0 {
                Err("requests still reach it".to_owned())
            } else {
                Ok(())
            }
        }
        Some(Reading::Unknown(why)) => Err(format!("its request count: {why}")),
        None => Err("its request count was not read".to_owned()),
    }
}
