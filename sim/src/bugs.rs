//! Planted bugs: each an alternative port, margin or configuration that breaks one law. A law that catches none of its
//! bugs would be no law. Nothing of this touches the product's code.

use std::collections::BTreeMap;

use shared::config::{Alarms, ServiceConfig};
use shared::ids::{Colour, RevisionArn, RouteArn};
use shared::observation::{
    AlarmReading, AlarmState, Observation, Reading, RequestCount, RolloutState, RouteReading, ScalingReading,
    Suspended, TargetCounts,
};
use shared::ports::Record;
use shared::rollout::{Margins, Phase};
use shared::time::{Span, Time};
use shared::weights::{Weights, same_shares};

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident, $name:literal, $law:literal, $what:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $bug,)*
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Bug::$bug => $name,)*
                }
            }

            /// The law it breaks.
            #[must_use]
            pub fn law(self) -> u8 {
                match self {
                    $(Bug::$bug => $law,)*
                }
            }

            /// What it does.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Bug::$bug => $what,)*
                }
            }
        }
    };
}

bugs! {
    ForgetsDeadline, "forgets-deadline", 1, "a write is sent although its deadline passed while the process stood still";
    AlarmGoesForward, "alarm-goes-forward", 1, "on-alarm runs the loop as advance does";
    DeafToAlarms, "deaf-to-alarms", 2, "a firing alarm is read as OK, and its event is dropped";
    ForgetsBack, "forgets-back", 2, "a write back is reported done and never sent";
    AlarmSleeps, "alarm-sleeps", 2, "on-alarm does nothing; the loop finds the alarm at its next look";
    GivesUpUnsaved, "gives-up-unsaved", 2, "a save that failed ends the run before the weights are written";
    SettlesEarly, "settles-early", 3, "late writes are not waited for";
    SettlesUnread, "settles-unread", 3, "while a rollout settles, its weights are read as intended";
    ForgetsRepairs, "forgets-repairs", 3, "a rollout that waits is loaded without the repair that may still land";
    NoDrain, "no-drain", 4, "an emptied side counts as drained at once";
    StartsOnLive, "starts-on-live", 4, "the new revision goes to the other colour";
    FlipsToTheDead, "flips-to-the-dead", 4, "the stable side's targets are always read as healthy";
    RosyHealth, "rosy-health", 5, "the candidate is always read as completed and healthy";
    BelievesTheName, "believes-the-name", 5, "whatever the candidate's colour runs is read as the candidate's revision";
    OverlooksTheSick, "overlooks-the-sick", 5, "unhealthy targets are not seen while one is healthy";
    QuietByDefault, "quiet-by-default", 6, "an alarm that could not be read counts as OK";
    BlindIsQuiet, "blind-is-quiet", 6, "an alarm without data counts as OK, whatever it says of missing data";
    PhantomTraffic, "phantom-traffic", 6, "requests are always seen";
    LosesLogin, "loses-login", 7, "a rule is written back with its forward action only";
    LosesStickiness, "loses-stickiness", 7, "a rule is written back without its stickiness";
    FightsForeign, "fights-foreign", 8, "weights of somebody else are read as the own ones";
    FightsSettled, "fights-settled", 8, "a settled service's other side is read as dead when it has weight";
    ToleratesOutage, "tolerates-outage", 8, "a settled service's sides are always read as healthy";
    LeavesScaleIn, "leaves-scale-in", 9, "scale-in is not suspended, and read as suspended";
    KeepsSuspended, "keeps-suspended", 9, "suspensions are not lifted, and read as lifted";
    NeverFollows, "never-follows", 9, "a side that must grow is reported grown and is not";
    BlamesTheCandidate, "blames-the-candidate", 10, "every alarm counts as watching both sides";
    CoversNobody, "covers-nobody", 10, "that no alarm watches the candidate is always accepted";
    WritesNextDoor, "writes-next-door", 11, "a listener's other rules get the same actions";
    RestsNextDoor, "rests-next-door", 11, "a side's rest goes to the first service whose name begins alike";
    RegistersTwice, "registers-twice", 12, "the registration is sent twice";
    LosesMembers, "loses-members", 12, "a member that no SDK knows is dropped from the definition";
    NeverWakes, "never-wakes", 13, "timers and the sweep do nothing";
    NeverSearches, "never-searches", 13, "repositories are not searched for pushes that no event told of";
    Amnesia, "amnesia", 14, "what was taken and what is in quarantine is forgotten";
    TakesOldPushes, "takes-old-pushes", 14, "a push counts as made when its event arrives";
    TrustsItsWrites, "trusts-its-writes", 15, "weights that were sent are read as written";
    RemembersAShift, "remembers-a-shift", 15, "a rollout that starts is loaded as one that moved weight";
}

impl Bug {
    /// The bug of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

/// What a bug remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) sent: BTreeMap<RouteArn, Weights>,
    pub(crate) scaling: BTreeMap<Colour, ScalingReading>,
}

pub(crate) fn config(bug: Option<Bug>, mut config: ServiceConfig) -> ServiceConfig {
    match bug {
        Some(Bug::BlamesTheCandidate) => {
            config.alarms = Alarms { both: config.alarms.all(), ..Alarms::default() };
        }
        Some(Bug::CoversNobody) => config.accept_no_alarms = true,
        Some(_) | None => {}
    }
    config
}

pub(crate) fn margins(bug: Option<Bug>, mut margins: Margins) -> Margins {
    match bug {
        Some(Bug::SettlesEarly) => margins.effect_lifetime = Span(0),
        Some(Bug::NoDrain) => margins.drain = Span(0),
        Some(_) | None => {}
    }
    margins
}

pub(crate) fn loaded(bug: Option<Bug>, record: &mut Record) {
    if bug == Some(Bug::Amnesia) {
        record.status.taken.clear();
        record.status.seen.clear();
        record.status.quarantine.clear();
    }
    if bug == Some(Bug::ForgetsRepairs) && record.status.next.is_some() {
        record.status.repairing = None;
    }
    if let (Some(Bug::RemembersAShift), Some(rollout)) = (bug, &mut record.status.rollout)
        && rollout.phase == Phase::Starting
    {
        rollout.first_shift = Some(rollout.since);
    }
}

/// What the observer says instead of what it saw.
pub(crate) fn seen(bug: Bug, memory: &Memory, record: &Record, seen: &mut Observation) {
    let rollout = record.status.rollout.as_ref();
    let stable = rollout.and_then(|rollout| rollout.stable);
    match bug {
        Bug::DeafToAlarms => {
            for reading in seen.alarms.values_mut() {
                if let Reading::Known(Some(alarm)) = reading {
                    alarm.state = AlarmState::Ok;
                }
            }
        }
        Bug::BlindIsQuiet => {
            for reading in seen.alarms.values_mut() {
                if let Reading::Known(Some(alarm)) = reading
                    && alarm.state == AlarmState::InsufficientData
                {
                    alarm.missing_is_quiet = true;
                }
            }
        }
        Bug::SettlesUnread => {
            if let Some(rollout) = rollout
                && matches!(rollout.phase, Phase::Clearing { .. } | Phase::Retiring | Phase::Resting)
            {
                for (route, expected) in &rollout.routes {
                    if let Some(Reading::Known(reading)) = seen.routes.get_mut(route) {
                        reading.weights = expected.intended.clone();
                    }
                }
            }
        }
        Bug::BelievesTheName => {
            if let (Some(stable), Some(Some(revision))) = (stable, rollout.map(|rollout| &rollout.revision)) {
                named(seen, stable.other(), revision);
            }
        }
        Bug::OverlooksTheSick => {
            if let Some(stable) = stable {
                for targets in seen.colours.get_mut(&stable.other()).into_iter().flat_map(|c| c.targets.values_mut()) {
                    if let Reading::Known(counts) = targets
                        && counts.healthy > 0
                    {
                        (counts.healthy, counts.unhealthy) = (counts.healthy + counts.unhealthy, 0);
                    }
                }
            }
        }
        Bug::QuietByDefault => {
            for reading in seen.alarms.values_mut() {
                if let Reading::Unknown(_) = reading {
                    *reading = Reading::Known(Some(quiet()));
                }
            }
        }
        Bug::NoDrain => {
            for colour in seen.colours.values_mut() {
                colour.requests = Reading::Known(RequestCount { count: 0, complete_until: Time(u64::MAX) });
            }
        }
        Bug::PhantomTraffic if rollout.is_some_and(|rollout| rollout.phase.flippable()) => {
            for colour in seen.colours.values_mut() {
                colour.requests = Reading::Known(RequestCount { count: 1, complete_until: seen.at });
            }
        }
        Bug::FlipsToTheDead => {
            if let Some(stable) = stable {
                alive(seen, stable);
            }
        }
        Bug::RosyHealth => {
            if let (Some(stable), Some(rollout)) = (stable, rollout) {
                rosy(seen, stable.other(), rollout.revision.clone());
            }
        }
        Bug::FightsForeign => {
            if let Some(rollout) = rollout {
                for (route, expected) in &rollout.routes {
                    if let Some(Reading::Known(reading)) = seen.routes.get_mut(route)
                        && !same_shares(&reading.weights, &expected.previous)
                    {
                        reading.weights = expected.intended.clone();
                    }
                }
            }
        }
        Bug::FightsSettled => {
            if let (None, Some(settled)) = (rollout, &record.status.settled) {
                let differs = settled.weights.iter().any(|(route, weights)| {
                    let reading = seen.routes.get(route).and_then(Reading::known);
                    reading.is_some_and(|reading| !same_shares(&reading.weights, weights))
                });
                if differs {
                    dead(seen, settled.live.other());
                    alive(seen, settled.live);
                }
            }
        }
        Bug::ToleratesOutage if rollout.is_none() => {
            alive(seen, Colour::Blue);
            alive(seen, Colour::Green);
        }
        Bug::LeavesScaleIn | Bug::KeepsSuspended => {
            for (colour, remembered) in &memory.scaling {
                if let Some(reading) = seen.colours.get_mut(colour)
                    && let Reading::Known(Some(_)) = reading.scaling
                {
                    reading.scaling = Reading::Known(Some(*remembered));
                }
            }
        }
        Bug::TrustsItsWrites => {
            for (route, weights) in &memory.sent {
                if let Some(reading) = seen.routes.get_mut(route) {
                    *reading =
                        Reading::Known(RouteReading { weights: weights.clone(), stickiness: None, unwritable: None });
                }
            }
        }
        _ => {}
    }
}

/// The colour runs this, whatever it runs, once it was told to.
fn named(seen: &mut Observation, colour: Colour, revision: &RevisionArn) {
    let Some(reading) = seen.colours.get_mut(&colour) else { return };
    if let Reading::Known(Some(service)) = &mut reading.service
        && service.desired > 0
    {
        service.task_definition = revision.clone();
        for deployment in &mut service.deployments {
            deployment.task_definition = revision.clone();
        }
    }
}

fn quiet() -> AlarmReading {
    AlarmReading {
        state: AlarmState::Ok,
        since: None,
        reason: String::new(),
        missing_is_quiet: true,
        fires_after: None,
        target_groups: Default::default(),
        services: Default::default(),
    }
}

fn healthy(seen: &mut Observation, colour: Colour, counts: impl Fn(u32) -> TargetCounts) {
    let Some(reading) = seen.colours.get_mut(&colour) else { return };
    let desired = reading.service.known().and_then(|service| Some(service.as_ref()?.desired)).unwrap_or(1);
    for targets in reading.targets.values_mut() {
        *targets = Reading::Known(counts(desired));
    }
}

fn alive(seen: &mut Observation, colour: Colour) {
    healthy(seen, colour, |desired| TargetCounts { healthy: desired.max(1), ..TargetCounts::default() });
}

fn dead(seen: &mut Observation, colour: Colour) {
    healthy(seen, colour, |desired| TargetCounts { unhealthy: desired, ..TargetCounts::default() });
}

fn rosy(seen: &mut Observation, colour: Colour, revision: Option<RevisionArn>) {
    alive(seen, colour);
    let Some(reading) = seen.colours.get_mut(&colour) else { return };
    if let (Reading::Known(Some(service)), Some(revision)) = (&mut reading.service, revision)
        && service.task_definition == revision
    {
        service.running = service.desired;
        service.deployments.retain(|deployment| deployment.primary);
        for deployment in &mut service.deployments {
            deployment.state = RolloutState::Completed;
            deployment.failed = 0;
        }
    }
}

/// What a scaling write becomes, and what is remembered of it; none: it is not sent.
pub(crate) fn scaling(bug: Option<Bug>, wanted: Suspended) -> Option<Suspended> {
    match bug {
        Some(Bug::LeavesScaleIn) if wanted.scale_in && !wanted.scale_out => Some(Suspended::default()),
        Some(Bug::KeepsSuspended) if !wanted.scale_in => None,
        Some(_) | None => Some(wanted),
    }
}
