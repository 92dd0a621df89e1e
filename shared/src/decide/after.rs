//! After 100 %: standby, the one-way door, and the old side's way to rest.

use crate::decision::{Action, Waiting};
use crate::observation::{Reading, ScalingReading, Suspended};
use crate::rollout::{Cause, Outcome, Phase, Rested, Rollout, ScalingWanted, Settled, Target};
use crate::time::Time;

use super::draft::Draft;
use super::watch::{Watched, drained, follow, scaling, watch};
use super::{alarms, back, hold};

pub(super) fn standby(draft: &mut Draft<'_>, mut rollout: Rollout, until: Time) -> Rollout {
    let Some(stable) = rollout.stable else {
        back::turn(draft, &mut rollout, Cause::Failed("the saved status names no stable side".to_owned()));
        return rollout;
    };
    match watch(draft, &mut rollout, stable) {
        Watched::Stop => return rollout,
        Watched::Clear => {}
    }
    // A newer push may have ended the standby just now.
    let planned = until;
    let until = if hold::superseded(draft, &rollout) { draft.now } else { until };
    if !follow(draft, &mut rollout, stable) {
        if draft.now >= until.plus(rollout.config.stall_deadline) {
            let why = format!("{stable}, kept warm to flip back to, could not follow the live side in size");
            draft.call(&mut rollout, why, "flipback why says what AWS answers; flipback status shows the counts");
        }
        return rollout;
    }
    // A pause keeps the old side warm, but not for ever.
    let forgotten = rollout.paused.is_some_and(|at| draft.now >= at.max(planned).plus(rollout.config.stall_deadline));
    if rollout.paused.is_some() && !forgotten {
        draft.wait(Waiting::Paused);
        return rollout;
    }
    if draft.now >= until {
        // The last way back does not close unseen.
        if let Err(why) = alarms::quiet(draft, &rollout, stable.other())
            && draft.now < until.plus(rollout.config.stall_deadline)
        {
            draft.wait(Waiting::Unknown(why));
            return rollout;
        }
        draft.enter(&mut rollout, Phase::Retiring);
        door(draft, &rollout);
        return rollout;
    }
    draft.wait_until(Waiting::Standby(until), until);
    rollout
}

fn door(draft: &mut Draft<'_>, rollout: &Rollout) -> bool {
    let until = rollout.since.max(rollout.forward_until).plus(draft.margins.effect_lifetime);
    if draft.now >= until {
        return true;
    }
    draft.wait_until(Waiting::Door(until), until);
    false
}

pub(super) fn retiring(draft: &mut Draft<'_>, mut rollout: Rollout) -> Rollout {
    if super::watch::foreign(draft, &mut rollout) {
        return rollout;
    }
    if !door(draft, &rollout) {
        return rollout;
    }
    if all_intended(draft, &rollout) {
        draft.enter(&mut rollout, Phase::Resting);
        return rollout;
    }
    // What reads otherwise is foreign: only a route that could not be read is left.
    if draft.now >= rollout.since.plus(rollout.config.stall_deadline) {
        draft.call(
            &mut rollout,
            "the weights cannot be read after the end of standby".to_owned(),
            "flipback why says what AWS answers; the rollout goes on by itself once they are read at 100 %",
        );
    }
    draft.wait(Waiting::Unknown("the weights after the end of standby".to_owned()));
    rollout
}

fn all_intended(draft: &Draft<'_>, rollout: &Rollout) -> bool {
    rollout.routes.iter().all(|(route, expected)| {
        let reading = draft.seen.routes.get(route).and_then(|reading| reading.known());
        reading.is_some_and(|r| crate::weights::same_shares(&r.weights, &expected.intended))
    })
}

pub(super) fn resting(draft: &mut Draft<'_>, mut rollout: Rollout) -> Option<Rollout> {
    let stable = rollout.stable?;
    let candidate = stable.other();
    if draft.now >= rollout.since.plus(rollout.config.stall_deadline) {
        draft.call(
            &mut rollout,
            "the old side does not come to rest".to_owned(),
            "flipback why says what is waited for; the new side carries all traffic meanwhile",
        );
    }
    if super::watch::foreign(draft, &mut rollout) {
        return Some(rollout);
    }
    // A newer candidate needs this colour, not its rest: it waits for the drain itself.
    let handed_on = hold::superseded(draft, &rollout);
    if !handed_on && !rest(draft, &mut rollout, stable) {
        return Some(rollout);
    }
    // The new live side gets the old one's bounds and flags: it has taken its place.
    let prior = rollout.scaling.get(&stable).copied().flatten();
    let own = rollout.scaling.get(&candidate).copied().flatten();
    if let Some(prior) = prior.or(own) {
        let wanted = ScalingWanted { bounds: Some((prior.min, prior.max)), suspended: prior.suspended };
        if !scaling(draft, &mut rollout, candidate, wanted) {
            return Some(rollout);
        }
    }
    let settled_after = rollout.forward_until.plus(draft.margins.effect_lifetime);
    if draft.seen.at <= settled_after {
        draft.wait_until(Waiting::LateWrites(settled_after), settled_after);
        return Some(rollout);
    }
    if !all_intended(draft, &rollout) {
        draft.wait(Waiting::Unknown("the weights at the end".to_owned()));
        return Some(rollout);
    }
    settle(draft, &rollout, candidate);
    if let Some(revision) = rollout.revision.clone() {
        let in_use = [rollout.stable_revision.clone(), Some(revision.clone())].into_iter().flatten().collect();
        let keep = rollout.config.keep_revisions;
        draft.forward(&mut rollout, Action::Tidy { family: revision, keep, in_use });
    }
    if let Target::Images(images) = &rollout.candidate.target {
        draft.status.good.extend(images.clone());
    }
    draft.end(&rollout, Outcome::Completed);
    None
}

/// Remembers the routes as they stand.
pub(super) fn settle(draft: &mut Draft<'_>, rollout: &Rollout, live: crate::ids::Colour) {
    let weights = draft
        .seen
        .routes
        .iter()
        .filter_map(|(route, reading)| Some((route.clone(), reading.known()?.weights.clone())))
        .filter(|(route, _)| rollout.routes.contains_key(route))
        .collect();
    let other = live.other();
    let scaling = |colour| draft.colour(colour)?.scaling.known().copied().flatten();
    let rests = scaling(other).is_some_and(|now: ScalingReading| now.suspended == Suspended::ALL);
    let had = rollout.stable.and_then(|stable| rollout.scaling.get(&stable).copied().flatten());
    draft.status.settled = Some(Settled {
        live,
        weights,
        at: draft.now,
        differs_since: None,
        corrected: false,
        correcting: None,
        rested: had.filter(|_| rests).map(|had| Rested { colour: other, had }),
    });
}

/// Brings an emptied colour to rest: drained, then its scaling, then its tasks; true when it rests.
pub(super) fn rest(draft: &mut Draft<'_>, rollout: &mut Rollout, colour: crate::ids::Colour) -> bool {
    let Some(service) = draft.service(colour) else {
        // A service that somebody deleted rests for good.
        if draft.colour(colour).is_some_and(|reading| reading.service == Reading::Known(None)) {
            return true;
        }
        draft.wait(Waiting::Unknown(draft.service_doubt(colour)));
        return false;
    };
    if service.desired > 0
        && let Err(why) = drained(draft, rollout, colour)
    {
        draft.wait(Waiting::Drain(why));
        return false;
    }
    let max = rollout.scaling.get(&colour).copied().flatten().map_or(0, |prior| prior.max);
    let wanted = ScalingWanted { bounds: Some((0, max)), suspended: Suspended::ALL };
    if !scaling(draft, rollout, colour, wanted) {
        return false;
    }
    if service.desired > 0 {
        draft.forward(rollout, Action::Scale { colour, desired: 0 });
        draft.wait(Waiting::Rest(format!("{colour} scales to 0")));
        return false;
    }
    true
}
