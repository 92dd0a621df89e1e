//! What a hook answers.

use serde_json::{Map, Value, json};

use crate::time::Span;

/// `hookStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// ECS goes on.
    Succeeded,
    /// ECS goes back.
    Failed,
    /// ECS calls again after this long.
    InProgress(Span),
}

/// An answer and its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What ECS shall do.
    pub word: Word,
    /// Why, for the log: ECS shows no reason of a hook's to anybody.
    pub why: String,
    /// `hookDetails` of the next call.
    pub details: Map<String, Value>,
}

impl Answer {
    /// An answer after which the hook is not called again.
    #[must_use]
    pub fn last(word: Word, why: impl Into<String>) -> Answer {
        Answer { word, why: why.into(), details: Map::new() }
    }

    /// As ECS reads it.
    #[must_use]
    pub fn document(&self) -> Value {
        match self.word {
            Word::Succeeded => json!({ "hookStatus": "SUCCEEDED" }),
            Word::Failed => json!({ "hookStatus": "FAILED" }),
            Word::InProgress(delay) => json!({
                "hookStatus": "IN_PROGRESS", "callBackDelay": delay.ceil_secs(), "hookDetails": self.details,
            }),
        }
    }
}
