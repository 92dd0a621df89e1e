//! What can happen next, in words.

use std::fmt;

use shared::decision::Effect;
use shared::ids::Colour;
use shared::rollout::Phase;
use shared::time::Span;

use crate::bounds::Kind;
use crate::place::{NOW, SWEEP, TICK, TIMEOUT, margins};
use crate::process::{Call, Process, Who};
use crate::state::State;
use crate::world::{Blind, MOST};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// An image of this version is pushed, for the first time or again.
    Push(u8),
    /// The alarm fires.
    Fires,
    /// The alarm is OK again.
    Quiet,
    /// A colour's tasks come up, or are well again.
    Up(Colour),
    /// A colour's tasks fail their health checks.
    Sicken(Colour),
    /// A colour loses a task.
    Dies(Colour),
    /// The autoscaler adds a task.
    Grow(Colour),
    /// The autoscaler takes a task away.
    Shrink(Colour),
    /// Somebody else writes these weights.
    Rival(u32, u32),
    /// A person speaks.
    Person(Wish),
    /// A late write lands.
    Land(usize),
    /// Time passes.
    Pass(Span),
    /// Time passes while a process waits for an answer.
    Stand,
    /// A function is woken; its first look may lack something.
    Run(Who, Option<Blind>),
    /// A process is answered, and goes on to its next write.
    Answer(Who, Outcome),
}

/// What a person wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `flipback abort`.
    Abort,
    /// `flipback pause`.
    Pause,
    /// `flipback resume`.
    Resume,
    /// `flipback promote`.
    Promote,
    /// `flipback abort --give-up`.
    GiveUp,
}

/// What comes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is refused for now, and nothing changed.
    Refused,
    /// No answer comes in time; the write lands later.
    Late,
    /// The process dies before the write is sent.
    DiesBefore,
    /// The process dies after the write, before the answer.
    DiesAfter,
    /// The process dies, and the write lands later.
    DiesLate,
}

/// Everything that can happen in a state.
#[must_use]
pub fn moves(state: &State) -> Vec<Move> {
    let mut all = Vec::new();
    if state.broken.is_some() {
        return all;
    }
    running(state, &mut all);
    for index in 0..state.world.late.len() {
        all.push(Move::Land(index));
    }
    if let Some(by) = passing(state) {
        all.push(Move::Pass(by));
    }
    events(state, &mut all);
    all
}

fn running(state: &State, all: &mut Vec<Move>) {
    let world = &state.world;
    match &state.advance {
        Some(process) => answers(state, process, all),
        None if state.due() || state.dirty => {
            all.push(Move::Run(Who::Advance, None));
            if fault(state, Kind::Blind) && state.rollout().is_some() {
                all.extend(Blind::ALL.map(|blind| Move::Run(Who::Advance, Some(blind))));
            }
        }
        None => {}
    }
    match &state.alarm {
        Some(process) => answers(state, process, all),
        None if world.event.is_some() => all.push(Move::Run(Who::Alarm, None)),
        None => {}
    }
    let may_stand = state.processes().all(|process| process.lag.0 + TICK.0 <= TIMEOUT.0);
    if state.processes().next().is_some() && fault(state, Kind::Stand) && may_stand && landed_in_time(state) {
        all.push(Move::Stand);
    }
}

fn answers(state: &State, process: &Process, all: &mut Vec<Move>) {
    let who = process.who;
    all.push(Move::Answer(who, Outcome::Done));
    let effect = matches!(process.call, Call::Apply(_));
    let mut add = |kind, outcome| {
        if fault(state, kind) {
            all.push(Move::Answer(who, outcome));
        }
    };
    add(Kind::Refused, Outcome::Refused);
    add(Kind::Crash, Outcome::DiesBefore);
    add(Kind::Crash, Outcome::DiesAfter);
    if effect {
        add(Kind::Late, Outcome::Late);
        add(Kind::Crash, Outcome::DiesLate);
    }
}

/// Whether a fault of a kind may happen.
fn fault(state: &State, kind: Kind) -> bool {
    state.left.faults > 0 && state.left.kinds.has(kind)
}

/// No write that was sent outlives the effect lifetime: it lands before time goes on.
fn landed_in_time(state: &State) -> bool {
    state.world.late.iter().all(|late| late.until > NOW)
}

/// How far time jumps: to the next wake, or to where a late write must have landed.
fn passing(state: &State) -> Option<Span> {
    if state.processes().next().is_some() || state.due() || !landed_in_time(state) {
        return None;
    }
    let wake = match state.timer {
        Some(timer) => Some(timer.since(NOW).max(TICK)),
        None if state.unsettled() => Some(SWEEP),
        None if state.watched() => Some(margins().settled_look),
        None => None,
    };
    let landing = state.world.late.iter().map(|late| late.until.since(NOW)).min();
    [wake, landing].into_iter().flatten().min()
}

fn events(state: &State, all: &mut Vec<Move>) {
    let (left, world) = (&state.left, &state.world);
    if left.pushes > 0 {
        all.push(Move::Push(state.pushed + 1));
    }
    if world.firing {
        all.push(Move::Quiet);
    }
    for colour in Colour::BOTH {
        let side = world.side(colour);
        if side.running < side.desired || side.sick {
            all.push(Move::Up(colour));
        }
        if side.desired > side.scaling.min.max(1) && !side.scaling.suspended.scale_in {
            all.push(Move::Shrink(colour));
        }
    }
    let may = |kind| left.events > 0 && left.kinds.has(kind);
    if may(Kind::Alarm) && !world.firing {
        all.push(Move::Fires);
    }
    for colour in Colour::BOTH {
        let side = world.side(colour);
        if may(Kind::Tasks) && side.running > 0 {
            all.push(Move::Dies(colour));
            if !side.sick {
                all.push(Move::Sicken(colour));
            }
        }
        let may_grow = side.desired > 0 && side.desired < side.scaling.max.min(MOST) && world.weight(colour) > 0;
        if may(Kind::Autoscaler) && may_grow && !side.scaling.suspended.scale_out {
            all.push(Move::Grow(colour));
        }
    }
    if may(Kind::Rival) {
        let others = [(70, 30), (100, 0), (0, 100)].into_iter().filter(|weights| *weights != world.weights);
        all.extend(others.map(|(blue, green)| Move::Rival(blue, green)));
    }
    if may(Kind::Again) {
        all.extend((2..=state.pushed).map(Move::Push));
    }
    if may(Kind::Person) {
        wishes(state, all);
    }
}

fn wishes(state: &State, all: &mut Vec<Move>) {
    let Some(rollout) = state.rollout() else { return };
    all.push(Move::Person(Wish::Abort));
    if rollout.paused.is_none() {
        all.push(Move::Person(Wish::Pause));
    }
    if rollout.paused.is_some() || rollout.called {
        all.push(Move::Person(Wish::Resume));
    }
    if rollout.called {
        all.push(Move::Person(Wish::GiveUp));
    }
    if matches!(rollout.phase, Phase::Baking { .. } | Phase::Standby { .. }) {
        all.push(Move::Person(Wish::Promote));
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Push(version) => write!(f, "v{version} is pushed"),
            Move::Fires => f.write_str("the alarm fires"),
            Move::Quiet => f.write_str("the alarm is OK again"),
            Move::Up(colour) => write!(f, "{colour}'s tasks are up and healthy"),
            Move::Sicken(colour) => write!(f, "{colour}'s tasks fail their health checks"),
            Move::Dies(colour) => write!(f, "a task of {colour} dies"),
            Move::Grow(colour) => write!(f, "the autoscaler adds a task to {colour}"),
            Move::Shrink(colour) => write!(f, "the autoscaler takes a task from {colour}"),
            Move::Rival(blue, green) => write!(f, "somebody else sets the weights blue={blue} green={green}"),
            Move::Person(wish) => write!(f, "a person says {wish:?}"),
            Move::Land(index) => write!(f, "late write {} lands", index + 1),
            Move::Pass(by) => write!(f, "{by} pass"),
            Move::Stand => write!(f, "{TICK} pass while the processes stand still"),
            Move::Run(who, None) => write!(f, "{} looks", name(*who)),
            Move::Run(who, Some(blind)) => write!(f, "{} looks and cannot read the {blind:?}", name(*who)),
            Move::Answer(who, outcome) => {
                let who = name(*who);
                match outcome {
                    Outcome::Done => write!(f, "{who} goes on"),
                    Outcome::Refused => write!(f, "{who}'s write is refused"),
                    Outcome::Late => write!(f, "{who}'s write is not answered, and lands later"),
                    Outcome::DiesBefore => write!(f, "{who} dies before its write"),
                    Outcome::DiesAfter => write!(f, "{who} dies after its write"),
                    Outcome::DiesLate => write!(f, "{who} dies, and its write lands later"),
                }
            }
        }
    }
}

/// A function's name.
#[must_use]
pub fn name(who: Who) -> &'static str {
    match who {
        Who::Advance => "advance",
        Who::Alarm => "on-alarm",
    }
}

/// What a process is about to do, for people.
#[must_use]
pub fn about(process: &Process) -> String {
    let what = match &process.call {
        Call::Load => "load".to_owned(),
        Call::Look(_) => "look".to_owned(),
        Call::Save(saving) => {
            let phase = saving.status.rollout.as_ref().map_or("idle", |rollout| rollout.phase.name());
            format!("save `{phase}`")
        }
        Call::Apply(effect) => apply(effect),
        Call::Arm(delay) => format!("wake in {delay}"),
        Call::Done(_) => "end".to_owned(),
    };
    format!("{} is about to {what}", name(process.who))
}

fn apply(effect: &Effect) -> String {
    if effect.is_back() { format!("{effect} (back)") } else { effect.to_string() }
}
