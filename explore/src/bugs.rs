//! Planted bugs: alternative ports, margins and saved statuses, each of which breaks a law. Nothing of this touches the
//! product's code.

use shared::observation::{AlarmState, Observation, Reading, RequestCount, RolloutState};
use shared::ports::Record;
use shared::rollout::{Margins, Phase, Status};
use shared::time::{Span, Time};
use shared::weights::same_shares;

use crate::bounds::{Bounds, Kind, Kinds};
use crate::place;

macro_rules! bugs {
    ($($bug:ident, $name:literal, $law:literal, $what:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $what] $bug,)*
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name,)* }
            }

            /// The law it breaks.
            #[must_use]
            pub fn law(self) -> u8 {
                match self { $(Bug::$bug => $law,)* }
            }

            /// What it does.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Bug::$bug => $what,)* }
            }
        }
    };
}

bugs! {
    ForgetsDeadline, "forgets-deadline", 1, "the clock is read once per look, and the write is sent whatever time it is";
    AlarmGoesForward, "alarm-goes-forward", 1, "on-alarm runs the loop as advance does";
    DeafToAlarms, "deaf-to-alarms", 2, "a firing alarm is read as OK";
    SettlesEarly, "settles-early", 3, "once the traffic is back, writes that may still land are forgotten";
    ForgetsFlight, "forgets-flight", 3, "the deadlines of forward writes are not saved";
    NoDrain, "no-drain", 4, "an emptied side counts as drained at once";
    FlipsToTheDead, "flips-to-the-dead", 4, "the stable side's targets are always read as healthy";
    RosyHealth, "rosy-health", 5, "the candidate is always read as completed and healthy";
    QuietByDefault, "quiet-by-default", 6, "an alarm that could not be read counts as OK";
    FightsForeign, "fights-foreign", 8, "weights of somebody else are read as the own ones";
    LeavesScaleIn, "leaves-scale-in", 9, "scale-in is read as suspended when it is not";
    RegistersTwice, "registers-twice", 12, "a registration that was sent is forgotten, and not found again";
    NeverWakes, "never-wakes", 13, "timers are not set";
    Amnesia, "amnesia", 14, "what was taken and what is in quarantine is forgotten";
    TrustsItsWrites, "trusts-its-writes", 15, "the intended weights are read whatever stands on the route";
}

impl Bug {
    /// The bug of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

impl Bug {
    /// The bounds within which it shows.
    #[must_use]
    pub fn bounds(self) -> Bounds {
        let (events, faults, kinds): (u8, u8, &[Kind]) = match self {
            Bug::ForgetsDeadline => (0, 2, &[Kind::Stand]),
            Bug::AlarmGoesForward | Bug::DeafToAlarms => (1, 0, &[Kind::Alarm]),
            Bug::SettlesEarly => (1, 1, &[Kind::Person, Kind::Late]),
            Bug::FlipsToTheDead => (2, 0, &[Kind::Person, Kind::Tasks]),
            Bug::QuietByDefault => (0, 1, &[Kind::Blind]),
            Bug::FightsForeign => (1, 0, &[Kind::Rival]),
            Bug::TrustsItsWrites => (0, 1, &[Kind::Late]),
            Bug::Amnesia => (2, 0, &[Kind::Again, Kind::Tasks]),
            Bug::RegistersTwice
            | Bug::ForgetsFlight
            | Bug::NoDrain
            | Bug::RosyHealth
            | Bug::LeavesScaleIn
            | Bug::NeverWakes => (0, 0, &[]),
        };
        Bounds { pushes: 1, events, faults, kinds: Kinds::only(kinds) }
    }
}

/// The margins a process goes by.
#[must_use]
pub fn margins(bug: Option<Bug>) -> Margins {
    let mut margins = place::margins();
    if bug == Some(Bug::NoDrain) {
        margins.drain = Span(0);
    }
    margins
}

/// What a process is told it loaded.
pub fn loaded(bug: Option<Bug>, status: &mut Status) {
    if bug == Some(Bug::Amnesia) {
        status.taken.clear();
        status.seen.clear();
        status.quarantine.clear();
    }
    if let (Some(Bug::SettlesEarly), Some(rollout)) = (bug, &mut status.rollout)
        && let Phase::Clearing { .. } | Phase::Resting = rollout.phase
    {
        (rollout.forward_until, rollout.weights_until) = (Time(0), Time(0));
    }
    if let (Some(Bug::RegistersTwice), Some(rollout)) = (bug, &mut status.rollout)
        && let Phase::Registering { sent } = &mut rollout.phase
    {
        *sent = None;
    }
}

/// What is saved instead of what was decided.
pub fn saved(bug: Option<Bug>, status: &mut Status) {
    if let (Some(Bug::ForgetsFlight), Some(rollout)) = (bug, &mut status.rollout) {
        (rollout.forward_until, rollout.weights_until) = (Time(0), Time(0));
    }
}

/// What a process is told it saw.
pub fn seen(bug: Option<Bug>, record: &Record, seen: &mut Observation) {
    let Some(bug) = bug else { return };
    let rollout = record.status.rollout.as_ref();
    match bug {
        Bug::DeafToAlarms => {
            for reading in seen.alarms.values_mut() {
                if let Reading::Known(Some(alarm)) = reading {
                    alarm.state = AlarmState::Ok;
                }
            }
        }
        Bug::QuietByDefault => {
            for reading in seen.alarms.values_mut() {
                if let Reading::Unknown(_) = reading {
                    *reading = crate::world::World::new().alarm();
                }
            }
        }
        Bug::NoDrain => {
            for colour in seen.colours.values_mut() {
                colour.requests = Reading::Known(RequestCount { count: 0, complete_until: Time(u64::MAX) });
            }
        }
        Bug::FlipsToTheDead => {
            if let Some(stable) = rollout.and_then(|rollout| rollout.stable) {
                alive(seen, stable);
            }
        }
        Bug::RosyHealth => {
            if let Some(candidate) = rollout.and_then(|rollout| Some(rollout.stable?.other())) {
                alive(seen, candidate);
            }
        }
        Bug::FightsForeign | Bug::TrustsItsWrites => {
            for (route, expected) in rollout.into_iter().flat_map(|rollout| &rollout.routes) {
                if let Some(Reading::Known(reading)) = seen.routes.get_mut(route)
                    && (bug == Bug::TrustsItsWrites || !same_shares(&reading.weights, &expected.previous))
                {
                    reading.weights = expected.intended.clone();
                }
            }
        }
        Bug::LeavesScaleIn => {
            for colour in seen.colours.values_mut() {
                if let Reading::Known(Some(scaling)) = &mut colour.scaling {
                    scaling.suspended.scale_in = true;
                }
            }
        }
        Bug::RegistersTwice => seen.registered = Reading::Known(None),
        Bug::ForgetsDeadline
        | Bug::AlarmGoesForward
        | Bug::SettlesEarly
        | Bug::ForgetsFlight
        | Bug::NeverWakes
        | Bug::Amnesia => {}
    }
}

fn alive(seen: &mut Observation, colour: shared::ids::Colour) {
    let Some(reading) = seen.colours.get_mut(&colour) else { return };
    let Reading::Known(Some(service)) = &mut reading.service else { return };
    service.running = service.desired;
    for deployment in &mut service.deployments {
        deployment.state = RolloutState::Completed;
    }
    for counts in reading.targets.values_mut() {
        *counts =
            Reading::Known(shared::observation::TargetCounts { healthy: service.desired.max(1), ..Default::default() });
    }
}
