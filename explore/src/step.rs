//! What a move makes of a state.

use std::sync::Arc;

use shared::config::ServiceConfig;
use shared::ids::IntentId;
use shared::ports::{EffectError, Record, StoreError};
use shared::rollout::{Intent, IntentKind, Phase, Status};
use shared::time::{Span, Time};

use crate::age::{self, older, younger};
use crate::bugs::{self, Bug};
use crate::laws;
use crate::memo::{Memo, digest};
use crate::moves::{Move, Outcome, Wish};
use crate::place::{ALARM, NOW, TICK, image, margins};
use crate::process::{Answer, Call, Process, Saving, Who};
use crate::state::{Saved, State};
use crate::world::{Blind, Late};

/// What is the same in all states.
#[derive(Debug)]
pub struct Setting {
    /// The service's configuration.
    pub config: ServiceConfig,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// What was worked out before.
    pub memo: Memo,
}

/// Does a move.
#[must_use]
pub fn step(setting: &Setting, mut state: State, doing: &Move) -> State {
    match doing {
        Move::Push(version) => push(&mut state, *version),
        Move::Fires => {
            state.left.events -= 1;
            state.world.firing = true;
            state.world.event = Some(NOW);
            state.dirty = true;
        }
        Move::Quiet => {
            state.world.firing = false;
            state.dirty = true;
        }
        Move::Up(colour) => {
            let side = state.world.side_mut(*colour);
            (side.running, side.sick, side.completed) = (side.desired, false, true);
            state.dirty = true;
        }
        Move::Sicken(colour) => {
            state.left.events -= 1;
            state.world.side_mut(*colour).sick = true;
            state.dirty = true;
        }
        Move::Dies(colour) => {
            state.left.events -= 1;
            let side = state.world.side_mut(*colour);
            side.running -= 1;
            side.sick &= side.running > 0;
            state.dirty = true;
        }
        Move::Grow(colour) => {
            state.left.events -= 1;
            state.world.side_mut(*colour).desired += 1;
            state.dirty = true;
        }
        Move::Shrink(colour) => {
            laws::shrunk(&mut state, *colour);
            let side = state.world.side_mut(*colour);
            side.desired -= 1;
            side.running = side.running.min(side.desired);
            state.dirty = true;
        }
        Move::Rival(blue, green) => {
            state.left.events -= 1;
            state.meddled = true;
            state.world.weigh(*blue, *green);
            state.dirty = true;
        }
        Move::Person(wish) => speak(&mut state, *wish),
        Move::Land(index) => {
            let late = state.world.late.remove(*index);
            laws::landed(&mut state, &late.action, late.rollout.as_ref(), late.forward);
            state.world.land(&late.action);
            state.dirty = true;
        }
        Move::Pass(by) => pass(setting, &mut state, *by),
        Move::Stand => {
            state.left.faults -= 1;
            grow_older(setting, &mut state, TICK);
            for process in [Who::Advance, Who::Alarm] {
                if let Some(process) = state.process_mut(process) {
                    process.lag = Span(process.lag.0 + TICK.0);
                }
            }
        }
        Move::Run(who, blind) => run(setting, &mut state, *who, *blind),
        Move::Answer(who, outcome) => answer(setting, &mut state, *who, *outcome),
    }
    laws::resting(&mut state);
    state
}

fn push(state: &mut State, version: u8) {
    if version > state.pushed {
        state.left.pushes -= 1;
        state.pushed = version;
    } else {
        state.left.events -= 1;
    }
    record(state, &format!("push-{version}"), IntentKind::Push { image: image(version) });
}

fn speak(state: &mut State, wish: Wish) {
    state.left.events -= 1;
    let Some(rollout) = state.rollout() else { return };
    let id = rollout.id.clone();
    let what = match wish {
        Wish::Abort => IntentKind::Abort { rollout: id },
        Wish::Pause => IntentKind::Pause { rollout: id },
        Wish::Resume => IntentKind::Resume { rollout: id },
        Wish::GiveUp => IntentKind::GiveUp { rollout: id },
        Wish::Promote => match rollout.phase {
            Phase::Baking { step, .. } => IntentKind::Promote { rollout: id, step },
            _ => IntentKind::Promote { rollout: id, step: rollout.config.steps.len() - 1 },
        },
    };
    record(state, &format!("{wish:?}"), what);
}

/// The same intent twice is one intent.
fn record(state: &mut State, id: &str, what: IntentKind) {
    let id = IntentId(id.to_owned());
    if !state.inbox.iter().any(|intent| intent.id == id) {
        state.inbox.push(Intent { id, at: NOW, by: "ada".to_owned(), what });
    }
    state.dirty = true;
}

fn pass(setting: &Setting, state: &mut State, by: Span) {
    let swept = state.timer.is_none() && (state.unsettled() || state.watched());
    grow_older(setting, state, by);
    state.due |= swept;
    laws::silent(state);
}

/// Everything but the processes grows older; those are told the right time when they are answered.
fn grow_older(setting: &Setting, state: &mut State, by: Span) {
    state.world.pass(by);
    let f = |at: Time| older(at, by);
    state.status = setting.memo.older.get(digest(&(&state.status, by)), || {
        let mut status = Status::clone(&state.status);
        age::status(&mut status, &f);
        age::forget(&mut status);
        Saved::new(status)
    });
    for intent in &mut state.inbox {
        age::intent(intent, &f);
    }
    state.timer = state.timer.map(|timer| older(timer, by).max(NOW));
}

fn run(setting: &Setting, state: &mut State, who: Who, blind: Option<Blind>) {
    let process = match who {
        Who::Advance => {
            let timed = state.timer.is_some_and(|timer| timer <= NOW);
            if timed {
                state.timer = None;
            }
            Process::new(who, timed, None)
        }
        Who::Alarm => {
            let at = state.world.event.take().unwrap_or(NOW);
            let what = IntentKind::AlarmFired { alarm: ALARM.to_owned(), at, reason: "threshold crossed".to_owned() };
            let known = Intent { id: IntentId("alarm".to_owned()), at, by: "CloudWatch".to_owned(), what };
            Process::new(who, false, Some(known))
        }
    };
    if blind.is_some() {
        state.left.faults -= 1;
    }
    drive(setting, state, process, blind);
}

/// Answers a process until it is about to write, or has ended. What is only read is answered at once.
fn drive(setting: &Setting, state: &mut State, mut process: Process, mut blind: Option<Blind>) {
    loop {
        process.call = setting.memo.calls.get(process.digest(), || process.play(&setting.config.name, setting.bug));
        match process.call.clone() {
            Call::Load => {
                laws::looked(state, &process);
                load(setting, state, &mut process);
            }
            Call::Look(ask) => {
                let honest = state.world.look(&ask, process.lag, blind.take());
                let mut told = honest.clone();
                if let Some(record) = &process.loaded {
                    bugs::seen(setting.bug, record, &mut told);
                }
                process.honest = Some(Arc::new(honest));
                process.answer(Answer::Seen(Arc::new(told)));
                if process.who == Who::Advance {
                    state.dirty = false;
                }
            }
            Call::Save(saving) => {
                process.decided = Some(saving);
                break;
            }
            Call::Apply(effect) => {
                laws::called(state, &mut process, &effect);
                break;
            }
            Call::Arm(delay) => {
                arm(setting, state, &process, delay);
                process.answer(Answer::Armed);
            }
            Call::Done(result) => {
                laws::looked(state, &process);
                end(state, &process, result.is_ok());
                return;
            }
        }
    }
    let who = process.who;
    *state.process_mut(who) = Some(process);
}

fn load(setting: &Setting, state: &State, process: &mut Process) {
    let key = digest(&(&state.status, &state.inbox, process.lag));
    let record = setting.memo.records.get(key, || {
        let f = |at: Time| younger(at, process.lag);
        let mut status = Status::clone(&state.status);
        age::status(&mut status, &f);
        bugs::loaded(setting.bug, &mut status);
        let mut inbox = state.inbox.clone();
        inbox.iter_mut().for_each(|intent| age::intent(intent, &f));
        Arc::new(Record { config: setting.config.clone(), status, inbox, version: 0 })
    });
    process.loaded = Some(Arc::clone(&record));
    process.fresh = true;
    (process.honest, process.decided) = (None, None);
    (process.lost, process.back) = (false, false);
    process.kinds.clear();
    process.answer(Answer::Loaded(record));
}

/// A timer with another token than the saved one dies.
fn arm(setting: &Setting, state: &mut State, process: &Process, delay: Span) {
    if process.chain && setting.bug != Some(Bug::NeverWakes) {
        let whole = Span(delay.0.div_ceil(TICK.0) * TICK.0);
        state.timer = Some(NOW.plus(whole));
        state.orphaned = false;
    }
}

fn end(state: &mut State, process: &Process, well: bool) {
    match process.who {
        Who::Advance => {
            state.due = false;
            // A message whose function failed comes back.
            state.dirty |= !well;
            if well {
                laws::wakes(state);
            } else {
                orphan(state, process);
            }
        }
        // It wakes advance when it is through.
        Who::Alarm => {
            state.dirty = true;
            if !well {
                orphan(state, process);
            }
        }
    }
}

fn orphan(state: &mut State, process: &Process) {
    if process.chain && state.timer.is_none() {
        state.orphaned = true;
    }
}

fn answer(setting: &Setting, state: &mut State, who: Who, outcome: Outcome) {
    let Some(mut process) = state.process_mut(who).take() else { return };
    if outcome != Outcome::Done {
        state.left.faults -= 1;
    }
    let dies = matches!(outcome, Outcome::DiesBefore | Outcome::DiesAfter | Outcome::DiesLate);
    let reaches = matches!(outcome, Outcome::Done | Outcome::DiesAfter);
    let reply = match process.call.clone() {
        Call::Save(saving) if reaches => Answer::Saved(save(setting, state, &mut process, &saving)),
        Call::Save(_) => Answer::Saved(Err(StoreError::Unavailable("the store is away".to_owned()))),
        Call::Apply(effect) => {
            let deadline = effect.deadline.map(|at| at.minus(process.lag));
            let too_late = deadline.is_some_and(|at| NOW >= at) && setting.bug != Some(Bug::ForgetsDeadline);
            let lands_late = matches!(outcome, Outcome::Late | Outcome::DiesLate);
            if too_late {
                Answer::Applied(Err(EffectError::TooLate))
            } else if reaches || lands_late {
                laws::sent(state, &process, &effect, deadline);
                let rollout = rollout_of(&process);
                if reaches {
                    laws::landed(state, &effect.action, rollout.as_ref(), !effect.is_back());
                    state.world.land(&effect.action);
                    Answer::Applied(Ok(()))
                } else {
                    let until = NOW.plus(margins().effect_lifetime);
                    let late = Late { action: effect.action.clone(), forward: !effect.is_back(), until, rollout };
                    state.world.late.push(late);
                    Answer::Applied(Err(EffectError::Transient("no answer".to_owned())))
                }
            } else {
                Answer::Applied(Err(EffectError::Transient("throttled".to_owned())))
            }
        }
        Call::Load | Call::Look(_) | Call::Arm(_) | Call::Done(_) => {
            unreachable!("what is only read is answered at once")
        }
    };
    if dies {
        orphan(state, &process);
        if who == Who::Advance {
            // Its message comes back when nobody has deleted it.
            state.due = false;
        }
        state.dirty = true;
        return;
    }
    process.lost = matches!(reply, Answer::Saved(Err(StoreError::Lost)));
    process.answer(reply);
    drive(setting, state, process, None);
}

fn rollout_of(process: &Process) -> Option<shared::ids::RolloutId> {
    let decided = process.decided.as_ref().and_then(|saving| saving.status.rollout.as_ref());
    let loaded = process.loaded.as_ref().and_then(|record| record.status.rollout.as_ref());
    decided.or(loaded).map(|rollout| rollout.id.clone())
}

fn save(setting: &Setting, state: &mut State, process: &mut Process, saving: &Saving) -> Result<(), StoreError> {
    if !process.fresh {
        return Err(StoreError::Lost);
    }
    laws::saved(state, process, saving);
    let mut status = saving.status.clone();
    let lag = process.lag;
    age::status(&mut status, &|at| older(at, lag));
    age::forget(&mut status);
    bugs::saved(setting.bug, &mut status);
    if status.rollout.is_none()
        && let Some(last) = &status.last
    {
        state.given_up |= matches!(last.outcome, shared::rollout::Outcome::GivenUp(_));
    }
    state.status = Saved::new(status);
    state.inbox.retain(|intent| !saving.consumed.contains(&intent.id));
    state.timer = None;
    state.orphaned = false;
    process.chain = true;
    let other = match process.who {
        Who::Advance => Who::Alarm,
        Who::Alarm => Who::Advance,
    };
    if let Some(other) = state.process_mut(other) {
        (other.fresh, other.chain) = (false, false);
    }
    Ok(())
}
