//! A state: the world, what is saved, and who is in the middle of a run.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use shared::rollout::{Intent, Rollout, Status};
use shared::time::Time;

use crate::bounds::Bounds;
use crate::memo::digest;
use crate::place::{NOW, route};
use crate::process::{Process, Who};
use crate::world::World;

/// A saved status. It is large, shared by many states and compared often: by a number made when it was saved.
#[derive(Clone, Debug)]
pub struct Saved {
    status: Arc<Status>,
    digest: u64,
}

impl Saved {
    /// A status, as saved.
    #[must_use]
    pub fn new(status: Status) -> Saved {
        let digest = digest(&status);
        Saved { status: Arc::new(status), digest }
    }
}

impl std::ops::Deref for Saved {
    type Target = Status;

    fn deref(&self) -> &Status {
        &self.status
    }
}

impl PartialEq for Saved {
    fn eq(&self, other: &Saved) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Saved {}

impl Hash for Saved {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which.
    pub law: u8,
    /// How.
    pub what: String,
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The world.
    pub world: World,
    /// The saved status.
    pub status: Saved,
    /// What was recorded and not yet consumed.
    pub inbox: Vec<Intent>,
    /// `advance`, if it runs: the FIFO queue has one message per service at a time.
    pub advance: Option<Process>,
    /// `on-alarm`, if it runs.
    pub alarm: Option<Process>,
    /// The living chain of wakes: when it wakes.
    pub timer: Option<Time>,
    /// The chain's owner died between its save and the timer.
    pub orphaned: bool,
    /// The sweep has come round: `advance` runs before time passes.
    pub due: bool,
    /// Something changed since `advance` looked last: an event may wake it.
    pub dirty: bool,
    /// The newest version pushed.
    pub pushed: u8,
    /// The newest version that a push started.
    pub started: u8,
    /// What may still happen.
    pub left: Bounds,
    /// Somebody else moved weights at some time.
    pub meddled: bool,
    /// A person took over a rollout that called.
    pub given_up: bool,
    /// A law was broken: the history ends here.
    pub broken: Option<Broken>,
}

impl State {
    /// Blue carries version 1, nothing runs.
    #[must_use]
    pub fn new(bounds: Bounds) -> State {
        let mut status = Status { format: shared::rollout::FORMAT, ..Status::default() };
        crate::age::forget(&mut status);
        State {
            world: World::new(),
            status: Saved::new(status),
            inbox: Vec::new(),
            advance: None,
            alarm: None,
            timer: None,
            orphaned: false,
            due: false,
            dirty: false,
            pushed: 1,
            started: 1,
            left: bounds,
            meddled: false,
            given_up: false,
            broken: None,
        }
    }

    /// The rollout that runs.
    #[must_use]
    pub fn rollout(&self) -> Option<&Rollout> {
        self.status.rollout.as_ref()
    }

    /// A function's process.
    #[must_use]
    pub fn process(&self, who: Who) -> Option<&Process> {
        match who {
            Who::Advance => self.advance.as_ref(),
            Who::Alarm => self.alarm.as_ref(),
        }
    }

    /// A function's place.
    pub fn process_mut(&mut self, who: Who) -> &mut Option<Process> {
        match who {
            Who::Advance => &mut self.advance,
            Who::Alarm => &mut self.alarm,
        }
    }

    /// Both functions' processes.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.advance.iter().chain(self.alarm.iter())
    }

    /// A wake has come out: `advance` runs before time passes.
    #[must_use]
    pub fn due(&self) -> bool {
        self.due || self.timer.is_some_and(|timer| timer <= NOW)
    }

    /// The sweep looks here.
    #[must_use]
    pub fn unsettled(&self) -> bool {
        self.rollout().is_some() || self.status.next.is_some() || !self.inbox.is_empty()
    }

    /// A settled service whose weights are not what they were, as the slower sweep finds it.
    #[must_use]
    pub fn watched(&self) -> bool {
        self.status.settled.as_ref().is_some_and(|settled| {
            let differs = settled.weights.get(&route()).is_some_and(|weights| *weights != self.world.route());
            differs || settled.differs_since.is_some() || settled.correcting.is_some()
        })
    }

    /// Notes that a law was broken; the first one counts.
    pub fn breaks(&mut self, law: u8, what: impl Into<String>) {
        self.broken.get_or_insert(Broken { law, what: what.into() });
    }

    /// Nothing runs, waits or flies.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.rollout().is_none()
            && self.status.next.is_none()
            && self.inbox.is_empty()
            && self.world.late.is_empty()
            && self.processes().next().is_none()
    }
}
