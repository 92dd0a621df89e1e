//! The live side's scaling while it is being put right.

use serde::{Deserialize, Serialize};

use crate::scaling::Repair;
use crate::time::{Span, Time};

use super::Status;

/// A repair that is under way: written until it is read so, and then kept until no write of it can land any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repairing {
    /// How it shall be.
    pub repair: Repair,
    /// Since when.
    pub since: Time,
    /// How often it was written.
    #[serde(default)]
    pub writes: u32,
    /// The deadline of the last write; none was made at time 0.
    #[serde(default)]
    pub until: Time,
    /// It was read so, or given up.
    #[serde(default)]
    pub over: bool,
}

impl Repairing {
    /// More writes than this without reading them back: somebody else writes as well.
    pub const MOST: u32 = 5;
}

impl Status {
    /// A repair is begun so long after the last one at the earliest: what somebody sets again meanwhile is theirs, and is told.
    const EPISODE: Span = Span::mins(60);

    /// Whether another repair may be begun.
    #[must_use]
    pub fn may_repair(&self, now: Time) -> bool {
        self.repairing.is_none() && self.repaired.is_none_or(|at| now.since(at) >= Self::EPISODE)
    }
}
