//! The laws of docs/semantics.md, judged by the world and by what a process was truly answered, never by what the product
//! believes. The first that is broken ends a history.

use shared::decision::{Action, Effect};
use shared::ids::{Colour, RolloutId};
use shared::notice::Milestone;
use shared::observation::{AlarmState, Observation, Reading, RolloutState};
use shared::rollout::{IntentKind, Outcome, Phase, Rollout, Status, Target, Wish};
use shared::time::{Span, Time};
use shared::weights::{Weights, same_shares};

use crate::place::{ALARM, NOW, SWEEP, group, margins, revision, route, ticks, version};
use crate::process::{Call, Process, Saving, Who};
use crate::state::State;

/// The laws that are watched here, with their words.
pub const LAWS: [(u8, &str); 11] = [
    (1, "forward has one writer and a deadline"),
    (2, "back is always allowed, until the door"),
    (3, "absolute, then verified, then settled"),
    (4, "one destructive effect per decision, after its precondition was seen"),
    (5, "healthy is exact"),
    (6, "missing is not healthy"),
    (8, "foreign weights are not fought"),
    (9, "capacity never shrinks under a rollout"),
    (12, "one revision per rollout"),
    (13, "nothing waits silently, or for ever"),
    (14, "never backwards by accident"),
];

/// Law 15 has its own line: what is told was read.
pub const TRUTH: (u8, &str) = (15, "the truth is told");

/// The weight of a colour as it was truly read; none: it was not.
fn read(honest: &Observation, colour: Colour) -> Option<u32> {
    let weights = &honest.routes.get(&route())?.known()?.weights;
    Some(share(weights, colour))
}

fn share(weights: &Weights, colour: Colour) -> u32 {
    let of = |colour| weights.get(&group(colour)).copied().unwrap_or(0);
    of(colour) * 100 / (of(Colour::Blue) + of(Colour::Green)).max(1)
}

/// A colour's healthy targets as they were truly read; none: they were not.
fn healthy(honest: &Observation, colour: Colour) -> Option<u32> {
    let counts = honest.colours.get(&colour)?.targets.get(&group(colour))?.known()?;
    Some(counts.healthy)
}

fn dead(honest: &Observation, colour: Colour) -> bool {
    healthy(honest, colour) == Some(0)
}

fn alive(honest: &Observation, colour: Colour) -> bool {
    healthy(honest, colour).is_some_and(|healthy| healthy > 0)
}

/// The status a process goes by in this look.
fn decided(process: &Process) -> Option<&Status> {
    let saving = process.decided.as_ref().map(|saving| &saving.status);
    saving.or_else(|| process.loaded.as_ref().map(|record| &record.status))
}

fn returning(rollout: Option<&Rollout>) -> bool {
    rollout.is_some_and(|rollout| matches!(rollout.phase, Phase::Returning { .. }))
}

/// Law 2, when a look is over: harm that was seen is turned back, and what goes back was written.
pub(crate) fn looked(state: &mut State, process: &Process) {
    let (Some(loaded), Some(honest), Some(status)) = (&process.loaded, &process.honest, decided(process)) else {
        return;
    };
    if process.lost {
        return;
    }
    let was = loaded.status.rollout.as_ref();
    let is = status.rollout.as_ref();
    let Some((was, stable)) = was.and_then(|was| Some((was, was.stable?))) else { return };
    let candidate = stable.other();
    let fires = honest
        .alarms
        .values()
        .any(|alarm| matches!(alarm, Reading::Known(Some(alarm)) if alarm.state == AlarmState::Alarm));
    let carries = read(honest, candidate).is_some_and(|share| share > 0);
    if was.phase.flippable() && fires && carries && !was.forgiven.contains(ALARM) && is.is_some() && !returning(is) {
        state.breaks(2, "the alarm was seen to fire, and the traffic is not turned back");
    }
    let owed = returning(is) && read(honest, candidate).is_none_or(|share| share > 0);
    if owed && !process.back && !(dead(honest, stable) && alive(honest, candidate)) {
        state.breaks(2, "it is going back, and the weights were not written");
    }
}

/// A process calls for an effect: law 4's one destructive kind per decision, and what law 2 waits for.
pub(crate) fn called(state: &mut State, process: &mut Process, effect: &Effect) {
    process.back |= effect.is_back();
    let Some(honest) = &process.honest else { return };
    let desired =
        |colour| honest.colours.get(&colour).and_then(|reading| Some(reading.service.known()?.as_ref()?.desired));
    let kind = match &effect.action {
        Action::Weights { .. } => "weights",
        Action::Start { .. } => "a revision",
        Action::Scale { colour, desired: wanted } if desired(*colour).is_none_or(|now| *wanted < now) => "scaling down",
        Action::Deploy { .. } => "a native deployment",
        Action::Scale { .. }
        | Action::Scaling { .. }
        | Action::Mend { .. }
        | Action::Register { .. }
        | Action::Stop { .. }
        | Action::Continue { .. }
        | Action::Tidy { .. } => return,
    };
    if !process.kinds.contains(&kind) {
        process.kinds.push(kind);
    }
    if process.kinds.len() > 1 {
        let kinds = process.kinds.join(" and ");
        state.breaks(4, format!("one decision has several destructive effects: {kinds}"));
    }
}

/// A write is sent: laws 1, 3, 4, 5, 6, 8 and 9.
pub(crate) fn sent(state: &mut State, process: &Process, effect: &Effect, deadline: Option<Time>) {
    let (Some(loaded), Some(honest), Some(status)) = (&process.loaded, &process.honest, decided(process)) else {
        return;
    };
    if !effect.is_back() {
        if process.who != Who::Advance {
            state.breaks(1, format!("on-alarm sends a forward write: {effect}"));
        }
        match deadline {
            None => state.breaks(1, format!("a forward write without a deadline: {effect}")),
            Some(deadline) if NOW >= deadline => state.breaks(1, format!("sent after its deadline: {effect}")),
            Some(deadline) => unsaved(state, status, deadline, effect),
        }
    }
    match &effect.action {
        Action::Weights { weights, .. } if effect.is_back() => back(state, status, honest),
        Action::Weights { weights, .. } => {
            let expected = loaded.status.rollout.as_ref().and_then(|rollout| rollout.routes.get(&route()));
            let resumed = loaded.inbox.iter().any(|intent| matches!(intent.what, IntentKind::Resume { .. }));
            if let (Some(expected), Some(Reading::Known(read)), false) =
                (expected, honest.routes.get(&route()), resumed)
                && !same_shares(&read.weights, &expected.previous)
                && !same_shares(&read.weights, &expected.intended)
            {
                state.breaks(8, "a forward write over weights that somebody else wrote");
            }
            raise(state, weights, status, honest);
        }
        Action::Mend { .. } => state.breaks(1, format!("nobody asked for a repair: {effect}")),
        Action::Deploy { .. } | Action::Stop { .. } | Action::Continue { .. } => {
            state.breaks(7, format!("the managed engine sends an effect of the native one: {effect}"));
        }
        Action::Start { colour, .. } => {
            if read(honest, *colour) != Some(0) {
                state.breaks(4, format!("a revision is started on {colour}, whose weight was not read 0"));
            }
        }
        Action::Scale { colour, desired } => {
            let side = *state.world.side(*colour);
            if *desired < u32::from(side.desired) {
                if read(honest, *colour) != Some(0) {
                    state.breaks(4, format!("{colour} is scaled down, and its weight was not read 0"));
                }
                if status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable()) {
                    state.breaks(9, format!("{colour} is scaled down while the rollout carries traffic"));
                }
            }
        }
        Action::Scaling { colour, wanted } => {
            let carries = status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable());
            if carries && !wanted.suspended.scale_in {
                state.breaks(9, format!("{colour}'s scale-in is let loose while the rollout carries traffic"));
            }
        }
        Action::Register { .. } | Action::Tidy { .. } => {}
    }
}

/// Law 3: the deadline is saved before the write is sent, or nobody would wait for it.
fn unsaved(state: &mut State, status: &Status, deadline: Time, effect: &Effect) {
    let (Some(saved), Some(mine)) = (state.rollout(), &status.rollout) else { return };
    if saved.id == mine.id && saved.forward_until < deadline {
        state.breaks(3, format!("sent before its deadline was saved: {effect}"));
    }
}

/// Laws 4 and 8 on the way back.
fn back(state: &mut State, status: &Status, honest: &Observation) {
    let rollout = status.rollout.as_ref();
    let stable = match (rollout, &status.settled) {
        (Some(rollout), _) => rollout.stable,
        (None, Some(settled)) => Some(settled.live),
        (None, None) => None,
    };
    let Some(stable) = stable else { return };
    let other = stable.other();
    if returning(rollout) {
        let carries = read(honest, other).is_some_and(|share| share > 0);
        if carries && dead(honest, stable) && alive(honest, other) {
            state.breaks(4, format!("the traffic goes back to {stable}, which has no healthy target"));
        }
    } else if !Colour::BOTH.iter().any(|&colour| dead(honest, colour) && alive(honest, colour.other())) {
        state.breaks(8, "weights are put right although no side is dead");
    }
}

/// Laws 5, 6 and 9 before traffic is raised.
fn raise(state: &mut State, weights: &Weights, status: &Status, honest: &Observation) {
    let Some((rollout, candidate)) = status.rollout.as_ref().and_then(|r| Some((r, r.stable?.other()))) else { return };
    let new = share(weights, candidate);
    match read(honest, candidate) {
        None => return state.breaks(6, format!("raised to {new} % on a route that was not read")),
        Some(old) if new <= old => return,
        Some(_) => {}
    }
    if let Err(why) = fit(honest, candidate, rollout) {
        state.breaks(5, format!("raised to {new} % although {why}"));
    }
    let quiet =
        matches!(honest.alarms.get(&ALARM.into()), Some(Reading::Known(Some(alarm))) if alarm.state == AlarmState::Ok);
    if !quiet && !rollout.forgiven.contains(ALARM) {
        state.breaks(6, format!("raised to {new} % although the alarm was not seen quiet"));
    }
    if rollout.phase == (Phase::Shifting { step: 0 }) {
        for colour in Colour::BOTH {
            let scaling = honest.colours.get(&colour).map(|reading| &reading.scaling);
            if matches!(scaling, Some(Reading::Known(Some(scaling))) if !scaling.suspended.scale_in) {
                state.breaks(9, format!("the first shift is sent while {colour} may scale in"));
            }
        }
    }
}

/// Law 5, told once more and independently of the product's own words.
fn fit(honest: &Observation, candidate: Colour, rollout: &Rollout) -> Result<(), String> {
    let service = |colour: Colour| honest.colours.get(&colour)?.service.known()?.as_ref();
    let (Some(new), Some(live)) = (service(candidate), service(candidate.other())) else {
        return Err("a service was not read".to_owned());
    };
    let done = new.deployments.iter().all(|deployment| deployment.state == RolloutState::Completed);
    if !done || Some(&new.task_definition) != rollout.revision.as_ref() {
        return Err(format!("{candidate}'s deployment of the candidate is not completed"));
    }
    let healthy = healthy(honest, candidate).unwrap_or(0);
    if new.running != new.desired || healthy < new.desired || new.desired < live.desired {
        let (running, desired, other) = (new.running, new.desired, live.desired);
        return Err(format!("{running} of {desired} tasks run, {healthy} are healthy, the live side wants {other}"));
    }
    Ok(())
}

/// A write lands: laws 3, 4 and 12, by the world itself.
pub(crate) fn landed(state: &mut State, action: &Action, rollout: Option<&RolloutId>, forward: bool) {
    let harmless = matches!(action, Action::Register { .. } | Action::Tidy { .. });
    let now = state.rollout().map(|rollout| rollout.id.clone());
    if forward && !harmless && !state.given_up && rollout.is_some() && rollout != now.as_ref() {
        state.breaks(3, "a forward write landed after its rollout had ended");
    }
    match action {
        Action::Register { rollout, .. } if state.world.registered.contains_key(rollout) => {
            state.breaks(12, format!("a second revision was registered for {rollout}"));
        }
        Action::Start { colour, revision, .. } if state.world.side(*colour).version != version(revision) => {
            occupied(state, *colour, "gets a new revision");
        }
        Action::Scale { colour, desired } if *desired < u32::from(state.world.side(*colour).desired) => {
            occupied(state, *colour, "is scaled down");
        }
        Action::Register { .. }
        | Action::Start { .. }
        | Action::Scale { .. }
        | Action::Scaling { .. }
        | Action::Mend { .. }
        | Action::Weights { .. }
        | Action::Deploy { .. }
        | Action::Stop { .. }
        | Action::Continue { .. }
        | Action::Tidy { .. } => {}
    }
}

/// Law 4: no side with weight, nor one that had it a moment ago, loses its tasks.
fn occupied(state: &mut State, colour: Colour, what: &str) {
    if state.meddled || state.world.side(colour).running == 0 {
        return;
    }
    if state.world.weight(colour) > 0 {
        state.breaks(4, format!("{colour} {what} while it has weight"));
    } else if NOW.since(state.world.side(colour).weighted) < margins().drain {
        state.breaks(4, format!("{colour} {what} before it has drained"));
    }
}

/// The autoscaler takes a task away.
pub(crate) fn shrunk(state: &mut State, colour: Colour) {
    if state.rollout().is_some_and(|rollout| rollout.phase.flippable()) {
        state.breaks(9, format!("the autoscaler takes a task from {colour} while the rollout carries traffic"));
    }
}

/// A status is saved: laws 3, 14 and 15.
pub(crate) fn saved(state: &mut State, process: &Process, saving: &Saving) {
    let (Some(loaded), Some(honest)) = (process.loaded.clone(), process.honest.clone()) else { return };
    let (was, is) = (loaded.status.rollout.as_ref(), saving.status.rollout.as_ref());
    for told in &saving.told {
        truth(state, was.or(is), told, &honest);
    }
    if let Some(rollout) = is
        && let (Phase::Registering { sent: None }, Target::Images(images)) = (&rollout.phase, &rollout.candidate.target)
        && rollout.candidate.wish == Wish::Push
    {
        for image in images.values() {
            // Versions are pushed in their order; the oldest is what ran at first.
            let version = u8::try_from(image.pushed_at.0).unwrap_or(0);
            if version <= state.started {
                state.breaks(14, format!("v{version} starts although v{} started before", state.started));
            }
            state.started = state.started.max(version);
        }
    }
    if let Some(ended) = was.filter(|was| is.is_none_or(|is| is.id != was.id)) {
        ends(state, process, ended, saving, &honest);
    }
}

/// Law 3 where a rollout ends.
fn ends(state: &mut State, process: &Process, ended: &Rollout, saving: &Saving, honest: &Observation) {
    let Some(last) = saving.status.last.as_ref().filter(|last| last.rollout == ended.id) else { return };
    let live = match &last.outcome {
        Outcome::Completed => ended.stable.map(Colour::other),
        Outcome::RolledBack(_) | Outcome::Cancelled(_) => ended.stable,
        Outcome::Refused(_) | Outcome::GivenUp(_) | Outcome::Observed | Outcome::Superseded(_) => return,
    };
    let flies = |action: &Action| !matches!(action, Action::Register { .. } | Action::Tidy { .. });
    let late = state.world.late.iter().any(|l| l.forward && l.rollout.as_ref() == Some(&ended.id) && flies(&l.action));
    let unsent = state.processes().any(|other| match &other.call {
        Call::Apply(effect) if other.who != process.who => {
            !effect.is_back() && effect.deadline.is_some_and(|deadline| other.now() < deadline)
        }
        Call::Load | Call::Look(_) | Call::Save(_) | Call::Apply(_) | Call::Arm(_) | Call::Done(_) => false,
    });
    if late || unsent {
        state.breaks(3, format!("{} settles while a forward write of its own is in flight", ended.id));
    }
    let moved = !matches!(last.outcome, Outcome::Cancelled(_));
    if let Some(live) = live
        && moved
        && read(honest, live) != Some(100)
    {
        state.breaks(3, format!("{} ends without having read all weight on {live}", ended.id));
    }
}

/// Law 15: what is told was read.
fn truth(state: &mut State, rollout: Option<&Rollout>, told: &Milestone, honest: &Observation) {
    let Some(candidate) = rollout.and_then(|rollout| rollout.stable).map(Colour::other) else { return };
    let (name, share) = match told {
        Milestone::Completed { .. } => ("completed", 100),
        Milestone::RolledBack { .. } => ("rolled back", 0),
        Milestone::Step { weight, .. } => ("step", u32::from(*weight)),
        _ => return,
    };
    if read(honest, candidate) != Some(share) {
        state.breaks(15, format!("`{name}` is told at {share} %, and {:?} % was read", read(honest, candidate)));
    }
}

/// Law 13, when advance is through: a rollout that runs has a wake, or a process that will set it.
pub(crate) fn wakes(state: &mut State) {
    let owned = state.orphaned || state.processes().any(|process| process.chain);
    if state.rollout().is_some() && state.timer.is_none() && !owned {
        state.breaks(13, "advance is through, a rollout runs, and no timer wakes it");
    }
}

/// Law 13, when time has passed: no phase outlives its deadline without a word to a person.
pub(crate) fn silent(state: &mut State) {
    let Some(rollout) = state.rollout() else { return };
    let config = &rollout.config;
    let stall = config.stall_deadline;
    let paused = rollout.paused.map_or(Span(0), |paused| paused.since(rollout.since));
    let limit = match &rollout.phase {
        Phase::Holding => config.hold_deadline,
        Phase::Registering { .. } => config.start_deadline,
        // The native engine's, which this world does not have.
        Phase::Deploying | Phase::Stopping { .. } => stall,
        Phase::Starting => {
            let pause = rollout.paused.map_or(Span(0), |_| Span(paused.0 + stall.0));
            config.start_deadline.max(pause)
        }
        Phase::Shifting { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => stall,
        Phase::Baking { step, .. } => {
            let bake = config.steps.get(*step).map_or(Span(0), |step| step.bake);
            Span(bake.max(paused).0 + stall.0)
        }
        Phase::Standby { until } => Span(until.since(rollout.since).max(paused).0 + stall.0),
    };
    // One sweep, and the looks it takes to see a thing twice.
    let slack = SWEEP.0 + ticks(4).0;
    if NOW.since(rollout.since).0 > limit.0 + slack && !rollout.called {
        let (phase, waiting) = (rollout.phase.name(), state.status.waiting.clone());
        state.breaks(13, format!("{phase} outlives its deadline without a word; it waits for {waiting}"));
    }
}

/// When all is over: one side carries everything, the other rests, and the scaling is what it was.
pub(crate) fn resting(state: &mut State) {
    let changed = state.status.last.as_ref().is_some_and(|last| match last.outcome {
        Outcome::Completed | Outcome::RolledBack(_) | Outcome::Cancelled(_) => true,
        Outcome::Refused(_) | Outcome::GivenUp(_) | Outcome::Observed | Outcome::Superseded(_) => false,
    });
    if !state.idle() || state.meddled || state.given_up || !changed {
        return;
    }
    let Some(live) = state.status.settled.as_ref().map(|settled| settled.live) else { return };
    let (here, there) = (*state.world.side(live), *state.world.side(live.other()));
    if state.world.weight(live.other()) > 0 || state.world.weight(live) == 0 {
        state.breaks(3, format!("all is over, and {live} does not carry everything"));
    }
    if there.desired > 0 {
        state.breaks(13, format!("all is over, and {} still wants {} tasks", live.other(), there.desired));
    }
    if here.scaling.suspended.scale_in || here.scaling.min == 0 {
        state.breaks(9, format!("all is over, and {live}'s scaling is not what it was: {:?}", here.scaling));
    }
    let wanted = state.status.last.as_ref().and_then(|last| match last.outcome {
        Outcome::Completed => last.revision.clone(),
        _ => last.stable_revision.clone(),
    });
    if wanted.is_some_and(|wanted| wanted != revision(here.version)) {
        state.breaks(3, format!("all is over, and {live} runs v{}", here.version));
    }
}
