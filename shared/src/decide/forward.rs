//! The way forward: register, start, shift, bake. Each raise has its preconditions read in the same look.

use crate::config::NoTraffic;
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;

use crate::observation::{Reading, ScalingReading, Suspended};
use crate::rollout::{Cause, Expected, ImageRef, Phase, Rollout, ScalingWanted, Target};
use crate::time::Time;
use crate::weights::{same_shares, split};

use super::draft::{Draft, what};
use super::watch::{Watched, follow, scaling, watch};
use super::{alarms, back, health, hold};

pub(super) fn registering(draft: &mut Draft<'_>, mut rollout: Rollout, sent: Option<Time>) -> Option<Rollout> {
    if hold::superseded(draft, &rollout) {
        back::inherit(draft, &rollout);
        let kept = draft.refuse(&rollout, "a newer push takes its place", "");
        return kept;
    }
    if let Some(failure) = draft.seen.failures.iter().find(|failure| failure.permanent) {
        let reason = failure.reason.clone();
        return draft.refuse(&rollout, &reason, "mend that, then push or flipback deploy again");
    }
    let registered = &draft.seen.registered;
    if let Reading::Known(Some(revision)) = registered {
        rollout.revision = Some(revision.clone());
        let next = if draft.config.engine.native().is_some() { Phase::Deploying } else { Phase::Starting };
        draft.enter(&mut rollout, next);
        draft.wait(Waiting::Healthy("its start".to_owned()));
        return Some(rollout);
    }
    let deadline = rollout.since.plus(rollout.config.start_deadline);
    if draft.now >= deadline {
        let reason = match registered {
            Reading::Unknown(why) => format!("the new revision could not be registered in time: {why}"),
            Reading::Known(_) => "the new revision could not be registered in time".to_owned(),
        };
        return draft.refuse(&rollout, &reason, "see flipback history for what AWS answered");
    }
    // A registration that was sent may still land: a second one before that would make a second revision.
    let lost_after = draft.margins.forward.0 + draft.margins.effect_lifetime.0;
    let in_flight = sent.is_some_and(|at| draft.now.since(at).0 <= lost_after);
    if let (Reading::Known(None), false) = (registered, in_flight)
        && let (Target::Images(images), Some(base)) = (&rollout.candidate.target, &rollout.stable_revision)
    {
        let images: Vec<(ImageRef, Option<String>)> = images
            .values()
            .map(|image| {
                let container = rollout.config.image(&image.repository).and_then(|rule| rule.container.clone());
                (image.clone(), container)
            })
            .collect();
        let action = Action::Register { base: base.clone(), images, rollout: rollout.id.clone() };
        rollout.phase = Phase::Registering { sent: Some(draft.now) };
        draft.forward(&mut rollout, action);
    }
    draft.wait(Waiting::Registration);
    Some(rollout)
}

pub(super) fn starting(draft: &mut Draft<'_>, mut rollout: Rollout) -> Rollout {
    let (Some(stable), Some(revision)) = (rollout.stable, rollout.revision.clone()) else {
        back::turn(draft, &mut rollout, Cause::Failed("the saved status names no revision to start".to_owned()));
        return rollout;
    };
    let candidate = stable.other();
    if hold::superseded(draft, &rollout) {
        back::turn(draft, &mut rollout, Cause::Superseded);
        return rollout;
    }
    if let Some(failure) = draft.seen.failures.iter().find(|failure| failure.permanent) {
        let cause = Cause::Failed(format!("{}: {}", failure.effect, failure.reason));
        back::turn(draft, &mut rollout, cause);
        return rollout;
    }
    // Before the deadline: going back would write weights over somebody else's.
    if super::watch::foreign(draft, &mut rollout) {
        return rollout;
    }
    let fit = health::fit(draft, candidate, &revision);
    let deadline = rollout.since.plus(rollout.config.start_deadline);
    let deadline = rollout.paused.map_or(deadline, |at| deadline.max(at.plus(rollout.config.stall_deadline)));
    if draft.now >= deadline {
        // Only tasks that were seen not to be healthy are to blame: an answer that did not come is not the image's fault.
        let seen_all = draft.targets(candidate).is_some() && draft.service(stable).is_some();
        let cause = match fit {
            Err(missing) if seen_all && rollout.paused.is_none() => Cause::NotHealthyInTime(missing),
            Err(unknown) => Cause::Deadline(unknown),
            Ok(()) => Cause::Deadline(format!("it was healthy, but waited for {}", draft.status.waiting)),
        };
        back::turn(draft, &mut rollout, cause);
        return rollout;
    }
    let (Some(service), Some(live)) = (draft.service(candidate), draft.service(stable)) else {
        draft.wait(Waiting::Unknown(draft.service_doubt(candidate)));
        return rollout;
    };
    if rollout.paused.is_some() && !rollout.arrived {
        draft.wait(Waiting::Paused);
        return rollout;
    }
    if service.task_definition != revision || service.desired < live.desired {
        if rollout.arrived && service.task_definition != revision {
            let found = service.task_definition.short();
            let cause = Cause::Failed(format!("somebody deployed {found} to {candidate} meanwhile"));
            back::turn(draft, &mut rollout, cause);
            return rollout;
        }
        let empty = rollout.routes.iter().all(|(route, expected)| {
            draft
                .seen
                .routes
                .get(route)
                .and_then(Reading::known)
                .is_some_and(|r| same_shares(&r.weights, &expected.intended))
        });
        if !empty {
            draft.wait(Waiting::Unknown("the weights before the start".to_owned()));
            return rollout;
        }
        let action = Action::Start { colour: candidate, revision, desired: live.desired };
        draft.forward(&mut rollout, action);
        draft.wait(Waiting::Healthy("the start".to_owned()));
        return rollout;
    }
    rollout.arrived = true;
    if let Some(looping) = health::crash_loop(draft, candidate) {
        back::turn(draft, &mut rollout, Cause::Unhealthy(looping));
        return rollout;
    }
    if !bounds(draft, &mut rollout, stable) {
        return rollout;
    }
    if let Err(missing) = fit {
        draft.wait(Waiting::Healthy(missing));
        return rollout;
    }
    let firing = alarms::firing(draft, &rollout, candidate);
    if !firing.is_empty() {
        draft.wait(Waiting::AlarmsFiring(firing));
        return rollout;
    }
    // Laws 6 and 10 hold for the first raise as for every other.
    if let Some(waiting) = no_raise(draft, &mut rollout, stable) {
        draft.wait(waiting);
        return rollout;
    }
    if rollout.paused.is_some() {
        draft.wait(Waiting::Paused);
        return rollout;
    }
    shift(draft, &mut rollout, stable, 0);
    rollout
}

/// Law 9: before the first shift scale-in is suspended on both sides, and the candidate has the live side's bounds.
fn bounds(draft: &mut Draft<'_>, rollout: &mut Rollout, stable: Colour) -> bool {
    let prior = |rollout: &Rollout, colour: Colour| rollout.scaling.get(&colour).copied().flatten();
    let live: Option<ScalingReading> = prior(rollout, stable);
    let flags = |prior: Option<ScalingReading>| Suspended {
        scale_in: true,
        ..prior.map_or(Suspended::default(), |reading| reading.suspended)
    };
    let wanted = ScalingWanted { bounds: live.map(|reading| (reading.min, reading.max)), suspended: flags(live) };
    let candidate_ready = scaling(draft, rollout, stable.other(), wanted);
    let stable_ready = scaling(draft, rollout, stable, ScalingWanted { bounds: None, suspended: flags(live) });
    candidate_ready && stable_ready
}

/// Sends the weights of a step. The caller has seen every precondition in this look.
fn shift(draft: &mut Draft<'_>, rollout: &mut Rollout, stable: Colour, step: usize) {
    let Some(percent) = rollout.config.steps.get(step).map(|step| step.weight) else { return };
    let Some(sides) = draft.sides(stable) else {
        draft.wait(Waiting::Unknown(draft.service_doubt(stable)));
        return;
    };
    let mut writes = Vec::new();
    for (route, expected) in &rollout.routes {
        let Some(Reading::Known(reading)) = draft.seen.routes.get(route) else {
            draft.wait(Waiting::Unknown(format!("route {route}")));
            return;
        };
        match split(&reading.weights, &sides, percent) {
            Ok(weights) => {
                // Foreign weights were held before: what is read is what was there, or what was sent.
                let previous = reading.weights.clone();
                writes.push((
                    route.clone(),
                    Expected { previous, intended: weights, foreign_since: None, home: expected.home.clone() },
                ));
            }
            Err(why) => {
                back::turn(draft, rollout, Cause::Failed(format!("route {route}: {why}")));
                return;
            }
        }
    }
    if rollout.first_shift.is_none() {
        rollout.first_shift = Some(draft.now);
    }
    if rollout.phase != (Phase::Shifting { step }) {
        draft.enter(rollout, Phase::Shifting { step });
    }
    for (route, expected) in writes {
        let weights = expected.intended.clone();
        rollout.routes.insert(route.clone(), expected);
        draft.forward(rollout, Action::Weights { route, weights });
    }
    draft.wait(Waiting::WeightsTo(percent));
}

pub(super) fn shifting(draft: &mut Draft<'_>, mut rollout: Rollout, step: usize) -> Rollout {
    let Some((stable, percent)) = rollout.stable.zip(rollout.config.steps.get(step).map(|step| step.weight)) else {
        back::turn(draft, &mut rollout, Cause::Failed("the saved status names no such step".to_owned()));
        return rollout;
    };
    match watch(draft, &mut rollout, stable) {
        Watched::Stop => return rollout,
        Watched::Clear => {}
    }
    let read = |route| draft.seen.routes.get(route).and_then(Reading::known);
    let all_there = rollout
        .routes
        .iter()
        .all(|(route, expected)| read(route).is_some_and(|r| same_shares(&r.weights, &expected.intended)));
    if all_there {
        // From now on the weights before are somebody else's as well, should they be read again.
        for expected in rollout.routes.values_mut() {
            expected.previous = expected.intended.clone();
        }
        draft.enter(&mut rollout, Phase::Baking { step, promoted: false });
        if percent == 100 {
            rollout.emptied = Some(draft.now);
        }
        let bake = rollout.config.steps[step].bake;
        let milestone = Milestone::Step {
            what: what(&rollout.candidate),
            weight: percent,
            bake,
            number: step + 1,
            of: rollout.config.steps.len(),
        };
        draft.tell(Some(&rollout.id), milestone);
        return rollout;
    }
    if draft.now >= rollout.since.plus(rollout.config.stall_deadline) {
        let seen = draft.seen.failures.first().map_or_else(String::new, |failure| format!(": {}", failure.reason));
        let cause = Cause::Deadline(format!("{percent} % was not read back from every route in time{seen}"));
        back::turn(draft, &mut rollout, cause);
        return rollout;
    }
    if let Some(failure) = draft.seen.failures.iter().find(|failure| failure.permanent) {
        let cause = Cause::Failed(format!("{}: {}", failure.effect, failure.reason));
        back::turn(draft, &mut rollout, cause);
        return rollout;
    }
    let in_flight = draft.now < rollout.weights_until && draft.seen.failures.is_empty();
    if in_flight || rollout.paused.is_some() {
        let waiting = if in_flight { Waiting::WeightsTo(percent) } else { Waiting::Paused };
        draft.wait(waiting);
        return rollout;
    }
    if let Some(waiting) = no_raise(draft, &mut rollout, stable) {
        draft.wait(waiting);
        return rollout;
    }
    // Also where a person lets a rollout go on whose sides were on their way to rest.
    if !bounds(draft, &mut rollout, stable) {
        return rollout;
    }
    shift(draft, &mut rollout, stable, step);
    rollout
}

/// Why traffic may not be raised in this look, if so.
fn no_raise(draft: &mut Draft<'_>, rollout: &mut Rollout, stable: Colour) -> Option<Waiting> {
    let candidate = stable.other();
    let revision = rollout.revision.clone()?;
    let stable_alarms = alarms::stable_firing(draft, rollout, stable);
    if !stable_alarms.is_empty() {
        draft.call(
            rollout,
            format!("the stable side's alarms fire: {}; traffic is not moved either way", stable_alarms.join(", ")),
            "mend the stable side; flipback promote goes on once its alarms are OK, flipback abort goes back anyway",
        );
        return Some(Waiting::StableAlarm(stable_alarms));
    }
    // An alarm of either side that could not be read might fire.
    if let Some(why) = alarms::unknown(draft).or_else(|| alarms::quiet(draft, rollout, candidate).err()) {
        return Some(Waiting::Unknown(why));
    }
    health::fit(draft, candidate, &revision).err().map(Waiting::Healthy)
}

pub(super) fn baking(draft: &mut Draft<'_>, mut rollout: Rollout, step: usize, promoted: bool) -> Rollout {
    let Some((stable, this)) = rollout.stable.zip(rollout.config.steps.get(step).copied()) else {
        back::turn(draft, &mut rollout, Cause::Failed("the saved status names no such step".to_owned()));
        return rollout;
    };
    let candidate = stable.other();
    match watch(draft, &mut rollout, stable) {
        Watched::Stop => return rollout,
        Watched::Clear => {}
    }
    let until = rollout.since.plus(this.bake);
    let ends = rollout.paused.map_or(until, |paused| until.max(paused)).plus(rollout.config.stall_deadline);
    if !follow(draft, &mut rollout, candidate) || !follow(draft, &mut rollout, stable) {
        if draft.now >= ends {
            let cause = Cause::Deadline(format!("at {} % one side could not follow the other in size", this.weight));
            back::turn(draft, &mut rollout, cause);
        }
        return rollout;
    }
    let held = if rollout.paused.is_some() {
        Some(Waiting::Paused)
    } else if draft.now < until && !promoted {
        draft.wait_until(Waiting::Bake { weight: this.weight, until }, until);
        return rollout;
    } else {
        no_raise(draft, &mut rollout, stable)
            .or_else(|| unread(draft, &rollout))
            .or_else(|| no_traffic(draft, &rollout, candidate, promoted))
    };
    if let Some(waiting) = held {
        if draft.now >= ends {
            if let Waiting::StableAlarm(_) = waiting {
                draft.wait(waiting);
                return rollout;
            }
            back::turn(draft, &mut rollout, Cause::Deadline(format!("at {} % it waited for {waiting}", this.weight)));
            return rollout;
        }
        draft.wait(waiting);
        return rollout;
    }
    if step + 1 < rollout.config.steps.len() {
        shift(draft, &mut rollout, stable, step + 1);
        return rollout;
    }
    let standby = rollout.config.standby;
    let milestone = Milestone::Completed {
        what: what(&rollout.candidate),
        revision: rollout.revision.clone(),
        took: draft.now.since(rollout.started_at),
        standby,
        by_ecs: false,
    };
    draft.tell(Some(&rollout.id), milestone);
    let until = draft.now.plus(standby);
    draft.enter(&mut rollout, Phase::Standby { until });
    draft.wait_until(Waiting::Standby(until), until);
    rollout
}

/// A step ends only where its weights are read on every route.
fn unread(draft: &Draft<'_>, rollout: &Rollout) -> Option<Waiting> {
    let unread = rollout.routes.iter().find(|(route, expected)| {
        let reading = draft.seen.routes.get(*route).and_then(Reading::known);
        reading.is_none_or(|r| !same_shares(&r.weights, &expected.intended))
    });
    unread.map(|(route, _)| Waiting::Unknown(format!("the weights of {route}")))
}

/// No request at all proves nothing (law 6): what the configuration says about that.
fn no_traffic(draft: &Draft<'_>, rollout: &Rollout, candidate: Colour, promoted: bool) -> Option<Waiting> {
    match rollout.config.no_traffic {
        NoTraffic::Proceed => None,
        NoTraffic::Hold if promoted => None,
        NoTraffic::Hold => match draft.colour(candidate).map(|reading| &reading.requests) {
            Some(Reading::Known(requests)) if requests.count > 0 => None,
            Some(Reading::Known(_)) => Some(Waiting::Traffic),
            Some(Reading::Unknown(why)) => Some(Waiting::Unknown(format!("the request count: {why}"))),
            None => Some(Waiting::Unknown("the request count".to_owned())),
        },
    }
}
