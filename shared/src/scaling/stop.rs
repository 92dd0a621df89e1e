//! Why tasks ended.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A task that ended without being told to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// When.
    pub at: Time,
    /// Its task definition's revision, by ARN.
    pub definition: String,
    /// In ECS's words.
    pub why: String,
    /// It used more memory than it may, and was killed for it.
    pub memory: bool,
}
