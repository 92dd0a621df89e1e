//! How large a task is: a revision never changes, so each is asked for once in the life of a process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// CPU units of tasks by their definition's revision, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Sizes(Mutex<BTreeMap<String, u32>>);

impl Sizes {
    /// That of a revision.
    pub(crate) fn known(&self, definition: &str) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied()
    }

    /// From now on it is known.
    pub(crate) fn learn(&self, definition: &str, units: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.to_owned(), units);
    }
}
