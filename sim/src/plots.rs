//! What happens to a service besides its faults, as values: pushes, people, other tools, tasks, traffic.

use model::Millis;

/// Which side is meant; told from the weights when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The side with the larger weight.
    Live,
    /// The other one.
    Idle,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plot {
    /// An image is pushed: its manners.
    Push(&'static str),
    /// The event of the push before the last arrives again, late.
    OldPush,
    /// The event of the last push arrives again, under another id.
    SamePush,
    /// A person promotes the present step.
    Promote,
    /// A person pauses.
    Pause,
    /// A person resumes.
    Resume,
    /// A person aborts.
    Abort,
    /// A person rolls back.
    Rollback,
    /// A person deploys the live revision again.
    Redeploy,
    /// A person releases the newest quarantine.
    Release,
    /// A person deploys the newest image by force.
    Force,
    /// Somebody sets the weights of every route: the share of green in percent.
    Weights(u8),
    /// Somebody sets the weights of every route to one side.
    WeightsTo(Which),
    /// Somebody deploys another revision to a side.
    Update(Which),
    /// Somebody sets the number of tasks.
    Count(Which, u32),
    /// All tasks die at once.
    Kill(Which),
    /// An alarm is set by hand: which, and whether it fires.
    Alarm(usize, bool),
    /// The traffic stops or comes back.
    Traffic(bool),
    /// The autoscaler wants more or fewer tasks.
    Autoscale(Which, bool),
}

impl Plot {
    /// Its name in the counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Plot::Push(_) => "push",
            Plot::OldPush => "old push",
            Plot::SamePush => "same push",
            Plot::Promote => "promote",
            Plot::Pause => "pause",
            Plot::Resume => "resume",
            Plot::Abort => "abort",
            Plot::Rollback => "rollback",
            Plot::Redeploy => "redeploy",
            Plot::Release => "release",
            Plot::Force => "force",
            Plot::Weights(_) => "weights moved",
            Plot::WeightsTo(_) => "weights to the idle side",
            Plot::Update(_) => "colour updated",
            Plot::Count(..) => "count changed",
            Plot::Kill(_) => "tasks killed",
            Plot::Alarm(..) => "alarm set",
            Plot::Traffic(_) => "traffic stopped",
            Plot::Autoscale(..) => "autoscaled",
        }
    }
}

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the beginning.
    At(Millis),
    /// So long after a phase was saved for the first time.
    Phase(&'static str, Millis),
}

/// One happening with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// When.
    pub when: When,
    /// What.
    pub plot: Plot,
}
