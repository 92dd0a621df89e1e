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
    /// The service's second image is pushed: its manners.
    PushSidecar(&'static str),
    /// An image of the service next door is pushed: its manners.
    PushNextDoor(&'static str),
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
    /// A person gives the rollout up.
    GiveUp,
    /// A person rolls back.
    Rollback,
    /// A person deploys the live revision again.
    Redeploy,
    /// A person releases the newest quarantine.
    Release,
    /// A person deploys the newest image by force.
    Force,
    /// A person deploys the newest image, by no force.
    Deploy,
    /// Somebody sets the weights of every route: the share of green in percent.
    Weights(u8),
    /// Somebody sets the weights of every route to one side.
    WeightsTo(Which),
    /// Somebody deploys another revision to a side.
    Update(Which),
    /// Somebody switches ECS's own circuit breaker on, rollback included.
    Breaker(Which),
    /// Somebody sets the number of tasks.
    Count(Which, u32),
    /// All tasks die at once.
    Kill(Which),
    /// One task dies.
    KillOne(Which),
    /// The health checks of one task fail from now on.
    Sicken(Which),
    /// Whether ECS finds room for further tasks.
    Room(bool),
    /// An alarm has no data.
    Blind(usize),
    /// An alarm fires and ceases some times in a row.
    Flap(usize),
    /// An alarm is set by hand: which, and whether it fires.
    Alarm(usize, bool),
    /// The traffic stops or comes back.
    Traffic(bool),
    /// The autoscaler wants more or fewer tasks.
    Autoscale(Which, bool),
    /// Somebody lowers the live side's maximum, and the scaling check wants it put right: so many times.
    Repair(u32),
    /// Another release of Flipback takes over: with other margins, from a record with members that it does not know and
    /// without those that its predecessor had no use for.
    Takeover,
    /// Native: somebody's hand on what ECS does.
    Hand(Hand),
}

/// What somebody does to a service that ECS deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Stops the newest service deployment.
    Stop,
    /// Answers its pause: on.
    GoOn,
    /// Answers its pause: back.
    GoBack,
    /// Writes the production rule so that one target group is left.
    RuleGone,
}

impl Plot {
    /// Its name in the counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        crate::names::plot(self)
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
