//! What is saved of a rollout under the native engine.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::strategy::Share;
use crate::time::{Span, Time};

/// The native side of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeRun {
    /// When the UpdateService was first sent: saved before it, so that a repeated start finds what the first one made.
    #[serde(default)]
    pub sent: Option<Time>,
    /// When the newest service deployment before that was created, by ECS's clock: an earlier one of the same revision is
    /// not this rollout's.
    #[serde(default)]
    pub after: Option<Time>,
    /// When it was last sent.
    #[serde(default)]
    pub resent: Option<Time>,
    /// The service deployment, once seen.
    #[serde(default)]
    pub deployment: Option<String>,
    /// The stage that was seen last, and since when.
    #[serde(default)]
    pub stage: Option<(String, Time)>,
    /// The new revision's share of the production traffic, as ECS said last.
    #[serde(default)]
    pub weight: Share,
    /// The last look that saw none of it, before the first.
    #[serde(default)]
    pub none_at: Option<Time>,
    /// Since when the new tasks are waited for: begins anew after a person's pause and when more of them run.
    #[serde(default)]
    pub up_since: Option<Time>,
    /// The most tasks of the new revision that were seen to run.
    #[serde(default)]
    pub most: u32,
    /// Since when all tasks of a rolling deployment were seen to run, and the old ones gone.
    #[serde(default)]
    pub all_since: Option<Time>,
    /// That was seen again: they came up.
    #[serde(default)]
    pub up: bool,
    /// A hook held the stage at the last look.
    #[serde(default)]
    pub hooked: bool,
    /// How long ECS bakes at one stage at most, as it was read last.
    #[serde(default)]
    pub bake: Span,
    /// Since when the deployment could not be read.
    #[serde(default)]
    pub unread: Option<Time>,
    /// ECS was seen to go back.
    #[serde(default)]
    pub going: bool,
    /// Since when ECS says that it is over: where the traffic goes is read before that is told.
    #[serde(default)]
    pub ended: Option<Time>,
    /// ECS ended it, and not as it should be: a person was called.
    #[serde(default)]
    pub stuck: bool,
    /// The pause or gate that waited at the last look.
    #[serde(default)]
    pub waits: Option<String>,
    /// Pauses that were told to people.
    #[serde(default)]
    pub told: BTreeSet<String>,
    /// A promote whose look could not read what waits, with the step it is bound to.
    #[serde(default)]
    pub asked: Option<usize>,
    /// The pause that a person's promote answers.
    #[serde(default)]
    pub promoted: Option<String>,
    /// When that answer was last sent.
    #[serde(default)]
    pub continued: Option<Time>,
    /// A pause waited at the last look.
    #[serde(default)]
    pub paused: bool,
    /// A gate of the function `lifecycle-hook` waited at the last look.
    #[serde(default)]
    pub gated: bool,
    /// The gate of that function that a person's promote opened: it answers by this.
    #[serde(default)]
    pub opened: Option<Opened>,
    /// Since when the production rule has not been as ECS says, or has pointed at what cannot answer.
    #[serde(default)]
    pub astray: Option<Time>,
    /// How many pauses were answered or passed: the step a promote is bound to.
    #[serde(default)]
    pub gates: usize,
}

/// A gate of the function `lifecycle-hook` that a person opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The stage it is at: the function is told that, and not its hook's id.
    pub stage: String,
    /// The hook's id.
    pub hook: String,
    /// When: a canary comes to the same stage again.
    pub at: Time,
}

/// A deployment that Flipback did not start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreign {
    /// The service deployment.
    pub deployment: String,
    /// It was told how it ended, or it was over when it was first seen.
    pub over: bool,
    /// A person was called because it could not be stopped.
    #[serde(default)]
    pub called: bool,
}
