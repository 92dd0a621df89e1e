//! Holding: every precondition is seen before anything is touched. What can never be fulfilled is refused, with what to
//! do; what may still come is waited for, until the deadline.

use crate::config::{Mode, OnNewPush};
use crate::decision::Waiting;
use crate::ids::{Colour, RouteArn};
use crate::notice::Milestone;
use crate::observation::{Reading, RouteReading};
use crate::rollout::{Ailing, Candidate, Expected, Images, Outcome, Phase, Rollout, Target, Wish};
use crate::weights::{Weights, all_on_stable, split};

use super::draft::{Draft, what};
use super::{alarms, native, watch};

/// Why a rollout does not start now.
pub(super) enum Not {
    /// It never can as things stand.
    Ever(String, String),
    /// It may later.
    Yet(Waiting),
}

pub(super) fn ever<T>(reason: impl Into<String>, advice: impl Into<String>) -> Result<T, Not> {
    Err(Not::Ever(reason.into(), advice.into()))
}

pub(super) fn unknown<T>(what: impl Into<String>) -> Result<T, Not> {
    Err(Not::Yet(Waiting::Unknown(what.into())))
}

pub(super) fn decide(draft: &mut Draft<'_>, mut rollout: Rollout) -> Option<Rollout> {
    join_next(draft, &mut rollout);
    let checked = sound(draft, &mut rollout).and_then(|()| match draft.config.engine.native() {
        None => check(draft, &mut rollout).map(Ok),
        Some(own) => native::check(draft, &mut rollout, own).map(|()| Err(own)),
    });
    match checked {
        Ok(engine) => {
            rollout.ailing = None;
            match engine {
                Ok(stable) => begin(draft, rollout, stable),
                Err(own) => native::begin(draft, rollout, own),
            }
        }
        Err(Not::Ever(reason, advice)) => {
            // A refusal for good is never made on one look: reads may be stale.
            match &rollout.ailing {
                Some(seen) if draft.now.since(seen.since) >= draft.margins.confirm => {
                    draft.refuse(&rollout, &reason, &advice)
                }
                Some(_) => {
                    draft.wait(Waiting::Unknown(format!("{reason} (to be seen again)")));
                    Some(rollout)
                }
                None => {
                    let patience = draft.margins.confirm;
                    rollout.ailing = Some(Ailing { since: draft.now, what: reason.clone(), patience });
                    draft.wait(Waiting::Unknown(format!("{reason} (to be seen again)")));
                    Some(rollout)
                }
            }
        }
        Err(Not::Yet(waiting)) => {
            rollout.ailing = None;
            let until = rollout.since.plus(draft.config.hold_deadline);
            if draft.now >= until {
                let reason = format!("it was held for {}, waiting for {waiting}", draft.config.hold_deadline);
                let advice = if waiting == Waiting::Paused {
                    "push or flipback deploy again; flipback resume lets what is paused go on"
                } else {
                    "mend that, then push or flipback deploy again; --force starts it although alarms fire"
                };
                return draft.refuse(&rollout, &reason, advice);
            }
            if let Waiting::AlarmsFiring(_) = waiting
                && !rollout.called
            {
                rollout.called = true;
                let waits_for = waiting.to_string();
                draft.tell(Some(&rollout.id), Milestone::Held { what: what(&rollout.candidate), waits_for, until });
            }
            draft.wait_until(waiting, until);
            Some(rollout)
        }
    }
}

/// A person's way back goes first: what was pushed meanwhile waits until it has started.
pub(super) fn cures(draft: &Draft<'_>, rollout: &Rollout) -> bool {
    let pushed = draft.status.next.as_ref().is_some_and(|next| next.wish == Wish::Push);
    pushed && rollout.candidate.wish == Wish::RollbackTo
}

/// Nothing is touched yet, so a newer wish simply takes this one's place, whatever `onNewPush` says.
fn join_next(draft: &mut Draft<'_>, rollout: &mut Rollout) {
    if cures(draft, rollout) {
        return;
    }
    let Some(next) = draft.status.next.take() else { return };
    match (&rollout.candidate.target, &next.target) {
        (Target::Images(_), Target::Images(_)) => take_in(draft, rollout, &next),
        (Target::Images(_) | Target::Revision(_) | Target::Live, _) => {
            let before = std::mem::replace(&mut rollout.candidate, next);
            take_place(draft, rollout, &before, false);
        }
    }
}

/// Newer images join a held rollout, or take the place of what is held.
pub(super) fn take_in(draft: &mut Draft<'_>, rollout: &mut Rollout, newer: &Candidate) {
    let Target::Images(new) = &newer.target else { return };
    let before = rollout.candidate.clone();
    rollout.candidate.take_in(newer);
    rollout.ailing = None;
    // What was forced out of quarantine was forced with what is replaced now, or without what comes.
    super::back::leave_quarantined(draft, Some(&rollout.id), &mut rollout.candidate, new, super::back::NOT_ALONG);
    let joins = before.replaced(new).is_empty();
    if !joins {
        // What people stopped does not start by a push beside it.
        take_place(draft, rollout, &before, newer.wish == Wish::Push);
    }
}

/// A candidate has taken the place of the one before: it is a rollout of its own.
fn take_place(draft: &mut Draft<'_>, rollout: &mut Rollout, before: &Candidate, by_push: bool) {
    rollout.ailing = None;
    let stays = by_push && !before.target.digests().is_disjoint(&rollout.candidate.target.digests());
    if !stays {
        rollout.paused = None;
    }
    let images = matches!(rollout.candidate.target, Target::Images(_));
    if rollout.called || before.wish != Wish::Push || !images || rollout.paused.is_some() {
        let mut reason = format!("{} came before it could start and takes its place", what(&rollout.candidate));
        if rollout.paused.is_some() {
            reason.push_str(&format!("; that stays paused: flipback resume {}", draft.config.name));
        }
        draft.tell(Some(&rollout.id), Milestone::Refused { what: what(before), reason, advice: String::new() });
        rollout.called = false;
    }
    // What people meant for the one before does not strike this one.
    rollout.id = draft.new_id();
    rollout.started_at = draft.now;
    // A pause that stays ends as it would have.
    if rollout.paused.is_none() {
        rollout.since = draft.now;
    }
}

/// What was put into quarantine while it waited, or goes along with what a person forced, starts only by a person's force of its own
/// (law 14): it is left behind, and where nothing else is left the whole is refused.
fn sound(draft: &mut Draft<'_>, rollout: &mut Rollout) -> Result<(), Not> {
    let mut left = rollout.candidate.clone();
    let mut gone = Vec::new();
    while let Some(image) = super::back::left_behind(&draft.status.quarantine, &left, &Images::new()) {
        left.leave(&image.repository);
        gone.push(image);
    }
    if gone.is_empty() {
        return Ok(());
    }
    if matches!(&left.target, Target::Images(images) if images.is_empty()) {
        let name = &draft.config.name;
        let each = gone.iter().map(|image| {
            let (repository, tag, digest) = (&image.repository, &image.tag, &image.digest);
            format!("flipback release {name} {digest}, then flipback deploy {name} --image {repository}:{tag}")
        });
        let each: Vec<String> = each.collect();
        return ever("it is in quarantine", format!("if it is good after all: {}", each.join("; ")));
    }
    let reason = "it was put into quarantine before this could start";
    super::back::leave_quarantined(draft, Some(&rollout.id), &mut rollout.candidate, &Images::new(), reason);
    Ok(())
}

fn check(draft: &Draft<'_>, rollout: &mut Rollout) -> Result<Colour, Not> {
    let name = &draft.config.name;
    // Kept only while every look finds the weight on the other side.
    let emptied = rollout.emptied.take();
    services(draft)?;
    let routes = routes(draft)?;
    let stable = live(draft, &routes)?;
    let sides = draft.sides(stable).ok_or_else(|| Not::Yet(Waiting::Unknown("both services".to_owned())))?;
    for (route, reading) in &routes {
        let id = route.0.rsplit('/').next().unwrap_or(&route.0);
        for step in &draft.config.steps {
            if let Err(reason) = split(&reading.weights, &sides, step.weight) {
                return ever(format!("route {id}: {reason}"), "mend the rule, then push or deploy again");
            }
        }
    }
    let live = draft.service(stable).ok_or_else(|| Not::Yet(Waiting::Unknown(draft.service_doubt(stable))))?;
    if live.desired == 0 {
        return ever(format!("the live side ({stable}) wants 0 tasks"), "give it tasks, then push or deploy again");
    }
    if live.deployments.len() > 1 {
        let busy = format!("somebody is deploying to the live side ({stable})");
        return Err(Not::Yet(Waiting::IdleColourBusy(busy)));
    }
    alarms(draft, rollout, stable)?;
    for colour in Colour::BOTH {
        if let Some(Reading::Unknown(why)) = draft.colour(colour).map(|reading| &reading.scaling) {
            return unknown(format!("{colour}'s scalable target: {why}"));
        }
    }
    rollout.stable = Some(stable);
    rollout.emptied = emptied.or(Some(draft.now));
    let idle = draft.service(stable.other()).ok_or_else(|| Not::Yet(Waiting::Unknown(draft.service_doubt(stable))))?;
    if (idle.desired > 0 || idle.running > 0)
        && let Err(why) = watch::drained(draft, rollout, stable.other())
    {
        return Err(Not::Yet(Waiting::IdleColourBusy(format!("{name}: {why}"))));
    }
    if rollout.paused.is_some() {
        return Err(Not::Yet(Waiting::Paused));
    }
    Ok(stable)
}

fn services(draft: &Draft<'_>) -> Result<(), Not> {
    for colour in Colour::BOTH {
        let service_name = draft.config.engine.service(colour);
        match draft.colour(colour).map(|reading| &reading.service) {
            None => return unknown(format!("{colour} was not read")),
            Some(Reading::Unknown(why)) => return unknown(format!("{colour}: {why}")),
            Some(Reading::Known(None)) => {
                return ever(
                    format!("there is no active ECS service {service_name} in cluster {}", draft.config.cluster),
                    "create it, or name the right one in flipback.yaml and apply that",
                );
            }
            Some(Reading::Known(Some(service))) => {
                if let Some(why) = &service.undrivable {
                    return ever(format!("{service_name}: {why}"), "the managed engine drives plain rolling services");
                }
                if let Some(why) = &service.reverts_by_itself {
                    return ever(
                        format!("{service_name}: {why}: ECS would bring the old image back and look healthy"),
                        "switch that rollback off on both colours; Flipback rolls back by the weights",
                    );
                }
                if service.target_groups.is_empty() {
                    return ever(
                        format!("{service_name} has no target group"),
                        "attach one: without it there is no traffic to shift",
                    );
                }
            }
        }
    }
    Ok(())
}

fn routes<'a>(draft: &Draft<'a>) -> Result<Vec<(RouteArn, &'a RouteReading)>, Not> {
    let mut all = Vec::new();
    for route in draft.config.engine.routes() {
        let id = route.0.rsplit('/').next().unwrap_or(&route.0).to_owned();
        match draft.seen.routes.get(route) {
            None => return unknown(format!("route {id} was not read")),
            Some(Reading::Unknown(why)) => return unknown(format!("route {id}: {why}")),
            Some(Reading::Known(reading)) => {
                if let Some(why) = &reading.unwritable {
                    return ever(format!("route {id}: {why}"), "mend the rule, or name another route");
                }
                if reading.stickiness.is_some() && !draft.config.accept_stickiness {
                    return ever(
                        format!(
                            "route {id} has target group stickiness: clients would stay on a bad side after a flip"
                        ),
                        "switch it off, or write `stickiness: accept` in flipback.yaml",
                    );
                }
                all.push((route.clone(), reading));
            }
        }
    }
    Ok(all)
}

/// The one colour that holds all weight on every route.
fn live(draft: &Draft<'_>, routes: &[(RouteArn, &RouteReading)]) -> Result<Colour, Not> {
    let found = Colour::BOTH.into_iter().find(|&colour| {
        draft.sides(colour).is_some_and(|sides| routes.iter().all(|(_, r)| all_on_stable(&r.weights, &sides)))
    });
    if let Some(colour) = found {
        return Ok(colour);
    }
    let weights: Vec<(RouteArn, Weights)> =
        routes.iter().map(|(route, reading)| (route.clone(), reading.weights.clone())).collect();
    let repair = repair(draft, routes);
    ever(
        format!("no colour holds all weight ({})", super::idle::print(&weights)),
        format!("put all weight on the colour that works, then push or deploy again: {repair}"),
    )
}

/// The AWS CLI command that gives one colour all weight on the first route that needs it.
fn repair(draft: &Draft<'_>, routes: &[(RouteArn, &RouteReading)]) -> String {
    let keep = if draft.dead(Colour::Blue) && !draft.dead(Colour::Green) { Colour::Green } else { Colour::Blue };
    let Some(sides) = draft.sides(keep) else { return "flipback status".to_owned() };
    let Some((route, reading)) = routes.iter().find(|(_, reading)| !all_on_stable(&reading.weights, &sides)) else {
        return "flipback status".to_owned();
    };
    let groups: Vec<String> = reading
        .weights
        .keys()
        .map(|tg| {
            let weight = if sides.stable.contains(tg) {
                100
            } else if sides.candidate.contains(tg) {
                0
            } else {
                reading.weights[tg]
            };
            format!("{{TargetGroupArn={tg},Weight={weight}}}")
        })
        .collect();
    let (verb, flag, actions) = if route.is_listener() {
        ("modify-listener", "--listener-arn", "--default-actions")
    } else {
        ("modify-rule", "--rule-arn", "--actions")
    };
    format!(
        "aws elbv2 {verb} {flag} {route} {actions} 'Type=forward,ForwardConfig={{TargetGroups=[{}]}}'",
        groups.join(",")
    )
}

pub(super) fn alarms(draft: &Draft<'_>, rollout: &mut Rollout, stable: Colour) -> Result<(), Not> {
    rollout.sides = alarms::sides(draft);
    if let Some(why) = alarms::unknown(draft) {
        return unknown(why);
    }
    let missing = alarms::missing(draft);
    if !missing.is_empty() {
        return ever(
            format!("CloudWatch knows no alarm named {}", missing.join(", ")),
            "create it, or correct the name in flipback.yaml and apply that",
        );
    }
    if !draft.config.accept_no_alarms && !rollout.sides.values().any(|side| side.covers(stable.other())) {
        return ever(
            format!("no alarm covers {}, where the new image goes", stable.other()),
            "add an alarm on its target group, or write `withoutAlarms: accept` in flipback.yaml",
        );
    }
    let firing = alarms::all_firing(draft);
    (rollout.forgiven, rollout.blind) = Default::default();
    if rollout.candidate.force {
        rollout.forgiven = firing.into_iter().collect();
        rollout.blind = alarms::blind(draft).into_iter().collect();
        return Ok(());
    }
    if !firing.is_empty() {
        return Err(Not::Yet(Waiting::AlarmsFiring(firing)));
    }
    // An alarm without data would hold every raise: better now than when tasks run for nothing.
    alarms::quiet(draft, rollout, stable.other()).or_else(unknown)
}

/// Everything was seen: the rollout starts.
fn begin(draft: &mut Draft<'_>, mut rollout: Rollout, stable: Colour) -> Option<Rollout> {
    let live = draft.service(stable)?.task_definition.clone();
    rollout.stable_revision = Some(live.clone());
    if draft.config.mode == Mode::Observe {
        let milestone = Milestone::Observed { what: what(&rollout.candidate), colour: Some(stable.other()) };
        draft.tell(Some(&rollout.id), milestone);
        // Once it may act, the same push is a candidate again.
        let digests = rollout.candidate.target.digests();
        draft.status.taken.retain(|_, image| !digests.contains(&image.digest));
        draft.end(&rollout, Outcome::Observed);
        return None;
    }
    // The configuration is pinned now: a change applied while the push was held is taken, a later one is not.
    rollout.config = draft.config.clone();
    rollout.routes = draft
        .seen
        .routes
        .iter()
        .filter_map(|(route, reading)| {
            let weights = reading.known()?.weights.clone();
            let expected =
                Expected { previous: weights.clone(), intended: weights.clone(), foreign_since: None, home: weights };
            Some((route.clone(), expected))
        })
        .collect();
    for colour in Colour::BOTH {
        let prior = draft.colour(colour).and_then(|reading| reading.scaling.known().copied()).flatten();
        // A rollout that took another's place finds that one's suspensions: the flags before it were saved there.
        rollout.scaling.entry(colour).or_insert(prior);
    }
    let milestone = Milestone::Started {
        what: what(&rollout.candidate),
        colour: stable.other(),
        from: live.clone(),
        steps: rollout.config.steps.clone(),
    };
    draft.tell(Some(&rollout.id), milestone);
    let phase = match &rollout.candidate.target {
        Target::Images(_) => Phase::Registering { sent: None },
        Target::Revision(revision) => {
            rollout.revision = Some(revision.clone());
            Phase::Starting
        }
        Target::Live => {
            rollout.revision = Some(live);
            Phase::Starting
        }
    };
    draft.enter(&mut rollout, phase);
    Some(rollout)
}

/// Whether a newer candidate ends this rollout now.
pub(super) fn superseded(draft: &Draft<'_>, rollout: &Rollout) -> bool {
    match rollout.config.on_new_push {
        OnNewPush::Supersede => draft.status.next.as_ref().is_some_and(|next| draft.now >= next.quiet_until),
        // A person's wish for a revision (rollback, redeploy) does not queue behind what it is meant to replace; and a
        // standby is ended by whatever comes next.
        OnNewPush::Queue => draft.status.next.as_ref().is_some_and(|next| match next.target {
            Target::Images(_) => {
                matches!(rollout.phase, Phase::Standby { .. } | Phase::Resting) && draft.now >= next.quiet_until
            }
            Target::Revision(_) | Target::Live => true,
        }),
    }
}
