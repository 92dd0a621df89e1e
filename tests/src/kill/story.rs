//! The stories: the demo's, made short, and an abort by a person. The sweep and the scaling check run in each of them.

use shared::rollout::{Cause, Outcome};

/// A story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// A good push, by canary.
    Good,
    /// A push that answers 5XX: an alarm fires in the bake.
    Alarm,
    /// A push whose tasks turn unhealthy in the bake; no alarm fires.
    Unhealthy,
    /// A good push that a person aborts in the bake.
    Abort,
}

impl Story {
    /// All of them.
    pub const ALL: [Story; 4] = [Story::Good, Story::Alarm, Story::Unhealthy, Story::Abort];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Story::Good => "good",
            Story::Alarm => "alarm",
            Story::Unhealthy => "unhealthy",
            Story::Abort => "abort",
        }
    }

    /// The lines of its configuration that are its own. A bake that has to end otherwise is longer than any story.
    pub(super) fn lines(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Story::Good => &[("strategy", "{ canary: { steps: [ { weight: 50, bake: 1s } ], bake: 1s } }")],
            Story::Alarm | Story::Abort => {
                &[("strategy", "{ canary: { steps: [ { weight: 50, bake: 5m } ], bake: 1s } }")]
            }
            Story::Unhealthy => &[("strategy", "{ blueGreen: { bake: 5m } }")],
        }
    }

    /// The manners of the pushed image.
    pub(super) fn manners(self) -> &'static str {
        match self {
            Story::Good | Story::Abort => "",
            Story::Alarm => "5xx=50",
            // Counted from the task's start: by then it was healthy for a while and has all traffic.
            Story::Unhealthy => "unhealthy after=8s",
        }
    }

    /// Whether a rollout of this story may end so. One fault does not cost a good push, and does not change why a bad one goes
    /// back; but where a fault holds up the start, unhealthy tasks are found before any weight moved.
    pub(super) fn ends(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Story::Good, Outcome::Completed)
            | (Story::Alarm, Outcome::RolledBack(Cause::Alarm { .. }))
            | (Story::Unhealthy, Outcome::RolledBack(Cause::Unhealthy(_)))
            | (Story::Unhealthy, Outcome::Cancelled(Cause::Unhealthy(_) | Cause::NotHealthyInTime(_)))
            | (Story::Abort, Outcome::RolledBack(Cause::Person(_))) => true,
            (
                Story::Good | Story::Alarm | Story::Unhealthy | Story::Abort,
                Outcome::Completed
                | Outcome::RolledBack(_)
                | Outcome::Cancelled(_)
                | Outcome::Refused(_)
                | Outcome::GivenUp(_)
                | Outcome::Observed
                | Outcome::Superseded(_),
            ) => false,
        }
    }

    /// What people are told, in order.
    pub(super) fn told(self, outcome: &Outcome) -> &'static [&'static str] {
        match (self, outcome) {
            (_, Outcome::Cancelled(_)) => &["started", "cancelled"],
            (Story::Good, _) => &["started", "step", "step", "completed"],
            (Story::Alarm | Story::Unhealthy | Story::Abort, _) => &["started", "step", "goingBack", "rolledBack"],
        }
    }
}
