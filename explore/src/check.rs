//! The exploration: the model for stateright, what it must and must not find, and how that is printed.

use std::fmt::Write as _;

use shared::rollout::{Cause, Outcome, Phase, Rollout};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::bounds::{Bounds, Kind};
use crate::bugs::Bug;
use crate::laws::{LAWS, TRUTH};
use crate::memo::Memo;
use crate::moves::{Move, about, moves};
use crate::place;
use crate::process::{Call, Who};
use crate::state::State;
use crate::step::{Setting, step};

/// The small world, as stateright explores it.
#[derive(Debug)]
pub struct Small {
    setting: Setting,
    bounds: Bounds,
}

fn law<const N: u8>(_: &Small, state: &State) -> bool {
    state.broken.as_ref().is_none_or(|broken| broken.law != N)
}

fn last(state: &State) -> Option<&Outcome> {
    state.status.last.as_ref().map(|last| &last.outcome)
}

impl Model for Small {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Move>) {
        actions.extend(moves(state));
    }

    fn next_state(&self, state: &State, action: Move) -> Option<State> {
        Some(step(&self.setting, state.clone(), &action))
    }

    fn format_action(&self, action: &Move) -> String {
        action.to_string()
    }

    fn properties(&self) -> Vec<Property<Small>> {
        let mut all = vec![
            Property::always("law 1", law::<1>),
            Property::always("law 2", law::<2>),
            Property::always("law 3", law::<3>),
            Property::always("law 4", law::<4>),
            Property::always("law 5", law::<5>),
            Property::always("law 6", law::<6>),
            Property::always("law 8", law::<8>),
            Property::always("law 9", law::<9>),
            Property::always("law 12", law::<12>),
            Property::always("law 13", law::<13>),
            Property::always("law 14", law::<14>),
            Property::always("law 15", law::<15>),
        ];
        all.extend(places(&self.bounds));
        all
    }
}

/// What must be reached, so far as the bounds allow it.
fn places(bounds: &Bounds) -> Vec<Property<Small>> {
    let mut all = Vec::new();
    let event = |kind| bounds.pushes > 0 && bounds.events > 0 && bounds.kinds.has(kind);
    let fault = |kind| bounds.pushes > 0 && bounds.faults > 0 && bounds.kinds.has(kind);
    let mut place = |when: bool, name, reached: fn(&Small, &State) -> bool| {
        if when {
            all.push(Property::sometimes(name, reached));
        }
    };
    place(bounds.pushes > 0, "a rollout is completed", |_, s| matches!(last(s), Some(Outcome::Completed)));
    place(bounds.pushes > 0, "a rollout is cancelled: its side never comes up", |_, s| {
        matches!(last(s), Some(Outcome::Cancelled(Cause::NotHealthyInTime(_))))
    });
    place(event(Kind::Alarm), "a rollout is rolled back by an alarm", |_, s| {
        matches!(last(s), Some(Outcome::RolledBack(Cause::Alarm { .. })))
    });
    place(event(Kind::Alarm), "a push is held", |_, s| {
        s.rollout().is_some_and(|rollout| rollout.phase == Phase::Holding && rollout.called)
    });
    place(event(Kind::Alarm), "a held push is refused", |_, s| matches!(last(s), Some(Outcome::Refused(_))));
    place(event(Kind::Alarm), "on-alarm flips back", |_, s| {
        s.alarm.as_ref().is_some_and(|process| matches!(process.call, Call::Apply(_)))
    });
    place(event(Kind::Alarm), "a save loses its race", |_, s| s.processes().any(|process| process.raced()));
    place(event(Kind::Tasks), "a rollout is rolled back by its tasks' health", |_, s| {
        matches!(last(s), Some(Outcome::RolledBack(Cause::Unhealthy(_))))
    });
    place(event(Kind::Person), "a rollout is cancelled by a person", |_, s| {
        matches!(last(s), Some(Outcome::Cancelled(Cause::Person(_))))
    });
    place(event(Kind::Person), "a rollout is rolled back by a person", |_, s| {
        matches!(last(s), Some(Outcome::RolledBack(Cause::Person(_))))
    });
    place(event(Kind::Autoscaler), "one side follows the other in size", |_, s| {
        s.world.sides.iter().all(|side| side.desired > 1)
    });
    place(event(Kind::Rival), "a person is called", |_, s| {
        s.rollout().is_some_and(|rollout| rollout.called && rollout.phase != Phase::Holding)
    });
    place(event(Kind::Rival), "weights on a dead side are put right", |_, s| {
        s.rollout().is_some_and(|rollout| rollout.corrected)
            || s.status.settled.as_ref().is_some_and(|settled| settled.corrected)
    });
    place(fault(Kind::Crash), "a chain of wakes is lost", |_, s| s.orphaned);
    place(fault(Kind::Late), "a write lands late", |_, s| !s.world.late.is_empty());
    place(fault(Kind::Late) && event(Kind::Person), "a late write is taken back", |_, s| {
        let again = |rollout: &Rollout| rollout.turned.is_some_and(|turned| rollout.since > turned);
        s.rollout().is_some_and(|rollout| matches!(rollout.phase, Phase::Returning { .. }) && again(rollout))
    });
    place(bounds.pushes > 1, "a rollout is superseded", |_, s| {
        matches!(last(s), Some(Outcome::RolledBack(Cause::Superseded) | Outcome::Cancelled(Cause::Superseded)))
    });
    all
}

/// A history that broke a law, or reached a place.
#[derive(Clone, Debug)]
pub struct History {
    /// The law or the place.
    pub name: &'static str,
    /// Of a law: how it was broken.
    pub what: Option<String>,
    /// What happened, in order.
    pub moves: Vec<String>,
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Moves tried.
    pub moves: usize,
    /// Different states.
    pub states: usize,
    /// The longest of the shortest histories.
    pub depth: usize,
    /// Laws that were broken.
    pub broken: Vec<History>,
    /// Places that were reached.
    pub reached: Vec<&'static str>,
    /// Places that were never reached.
    pub missing: Vec<&'static str>,
}

impl Findings {
    /// Whether no law was broken and every place was reached.
    #[must_use]
    pub fn good(&self) -> bool {
        self.broken.is_empty() && self.missing.is_empty()
    }
}

/// Explores everything within the bounds, up to a depth if one is given, or until a law is broken.
#[must_use]
pub fn explore(bounds: Bounds, depth: Option<usize>, bug: Option<Bug>, threads: usize) -> Findings {
    let small = || Small { setting: Setting { config: place::config(), bug, memo: Memo::default() }, bounds };
    let mut checker = small().checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(depth) = depth {
        checker = checker.target_max_depth(depth);
    }
    let checker = checker.spawn_bfs().join();
    let mut findings = Findings {
        moves: checker.state_count(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        broken: Vec::new(),
        reached: Vec::new(),
        missing: Vec::new(),
    };
    for property in checker.model().properties() {
        let path = checker.discovery(property.name);
        match (property.expectation.discovery_is_failure(), path) {
            (true, Some(path)) => {
                let what = path.last_state().broken.as_ref().map(|broken| broken.what.clone());
                findings.broken.push(History { name: property.name, what, moves: tell(&path.into_vec()) });
            }
            (true, None) => {}
            (false, Some(_)) => findings.reached.push(property.name),
            (false, None) => findings.missing.push(property.name),
        }
    }
    findings
}

/// A history in words: each move, and where it leads.
fn tell(path: &[(State, Option<Move>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for ((_, doing), (after, _)) in path.iter().zip(path.iter().skip(1)) {
        let Some(doing) = doing else { continue };
        let phase = after.rollout().map_or("idle", |rollout| rollout.phase.name());
        let (blue, green) = after.world.weights;
        let mut line = format!("{doing:<52} {phase}, blue={blue} green={green}", doing = doing.to_string());
        for who in [Who::Advance, Who::Alarm] {
            if let Some(process) = after.process(who) {
                let _ = write!(line, "; {}", about(process));
            }
        }
        lines.push(line);
    }
    lines
}

/// The words of a law by its property's name.
#[must_use]
pub fn words(name: &str) -> &'static str {
    let number: u8 = name.trim_start_matches("law ").parse().unwrap_or(0);
    LAWS.iter().chain([&TRUTH]).find(|(law, _)| *law == number).map_or("", |(_, words)| words)
}
