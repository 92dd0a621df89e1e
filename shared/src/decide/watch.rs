//! What is watched in every phase that carries traffic: harm, foreign weights, capacity; and how a side has drained.

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::Reading;
use crate::rollout::{Ailing, Cause, Phase, Rollout, ScalingWanted};
use crate::weights::{all_on_stable, candidate_percent, same_shares};

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
    if rollout.phase != Phase::Retiring && hold::superseded(draft, rollout) {
        // 100 % and baked: the new push ends the standby instead of undoing a finished rollout.
        if !matches!(rollout.phase, Phase::Standby { .. }) {
            back::turn(draft, rollout, Cause::Superseded);
            return Watched::Stop;
        }
    }
    if foreign(draft, rollout) {
        return Watched::Stop;
    }
    Watched::Clear
}

fn harm(draft: &mut Draft<'_>, rollout: &mut Rollout, candidate: Colour) -> Option<Cause> {
    if let Some(cause) = alarms::harm(draft, rollout, candidate) {
        return Some(cause);
    }
    let revision = rollout.revision.clone()?;
    match health::ailment(draft, candidate, &revision) {
        None => {
            // Only a look that could see health takes the doubt back.
            if draft.targets(candidate).is_some() {
                rollout.ailing = None;
            }
            None
        }
        Some((what, patience)) => {
            let since = rollout.ailing.as_ref().map_or(draft.now, |ailing| ailing.since);
            if draft.now.since(since) >= patience {
                return Some(Cause::Unhealthy(what));
            }
            rollout.ailing = Some(Ailing { since, what });
            None
        }
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
        return false;
    }
    let text = super::idle::print(&found);
    if confirmed {
        put_right(draft, rollout, &found, &text);
        draft.call(
            rollout,
            format!("somebody else changed the weights: {text}"),
            "flipback resume takes them as a new beginning and goes on; flipback abort brings the traffic back",
        );
    }
    draft.wait(Waiting::ForeignWeights(text));
    true
}

/// The one exception: weight on a side without healthy targets, while the other side is healthy.
fn put_right(
    draft: &mut Draft<'_>,
    rollout: &mut Rollout,
    found: &[(crate::ids::RouteArn, crate::weights::Weights)],
    text: &str,
) {
    let Some(stable) = rollout.stable else { return };
    if rollout.corrected {
        return;
    }
    let on = |draft: &Draft<'_>, colour: Colour| {
        draft
            .sides(colour.other())
            .is_some_and(|sides| found.iter().any(|(_, w)| candidate_percent(w, &sides) != Some(0)))
    };
    for to in [stable, stable.other()] {
        if draft.alive(to) && draft.dead(to.other()) && on(draft, to.other()) {
            let Some(sides) = draft.sides(to) else { return };
            rollout.corrected = true;
            for (route, weights) in found {
                if let Ok(weights) = crate::weights::split(weights, &sides, 0) {
                    draft.back(Action::Weights { route: route.clone(), weights });
                }
            }
            draft.tell(Some(&rollout.id), Milestone::Corrected { found: text.to_owned(), to });
            return;
        }
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
            let from = emptied.ceil(draft.margins.metric_period);
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
