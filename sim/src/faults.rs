//! What goes wrong, as values: a schedule lists its faults, so that one can be left out and the schedule played again.

use model::Millis;

/// A part of the world that is read by itself, and may be read stale by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Listener rules and listeners.
    Routes,
    /// ECS services.
    Services,
    /// Target health.
    Targets,
    /// Alarms.
    Alarms,
    /// Scalable targets.
    Scaling,
    /// Task definitions.
    Definitions,
    /// Metrics.
    Metrics,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 7] =
        [Part::Routes, Part::Services, Part::Targets, Part::Alarms, Part::Scaling, Part::Definitions, Part::Metrics];

    /// The parts that may be read stale. How late metrics come is the world's own setting, and how late definitions are
    /// listed is one of its beliefs.
    pub const STALE: [Part; 5] = [Part::Routes, Part::Services, Part::Targets, Part::Alarms, Part::Scaling];
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call fails before it has an effect.
    Error,
    /// A call is throttled.
    Throttle,
    /// Every read of this part fails.
    Unread(Part),
    /// A write takes effect, its answer is lost.
    LostAnswer,
    /// A write takes effect late, after its deadline too.
    Late,
    /// Writes to this one of the routes fail.
    RouteFails(usize),
    /// Reads of this part show the world as it was when the fault began.
    Stale(Part),
    /// A process dies between two calls.
    Crash,
    /// A process stands still for some seconds.
    Pause,
    /// The store answers nothing.
    StoreDown,
    /// The store reads but does not save.
    SaveFails,
    /// An event never arrives.
    EventLost,
    /// An event arrives twice.
    EventDoubled,
    /// An event arrives late, and so in another order.
    EventDelayed,
    /// A message of the loop never arrives.
    WakeLost,
    /// A message of the loop arrives twice.
    WakeDoubled,
    /// The FIFO queue hands out a second message while the first is dealt with.
    Rival,
}

/// One fault: between two times, so many of a hundred calls or messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// From then on, since the beginning of the schedule.
    pub from: Millis,
    /// Until then.
    pub until: Millis,
    /// How many of a hundred.
    pub percent: u64,
}

impl Fault {
    /// Whether it is there at a time.
    #[must_use]
    pub fn covers(&self, since_start: Millis) -> bool {
        (self.from..self.until).contains(&since_start)
    }
}
