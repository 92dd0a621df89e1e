//! What was worked out is remembered for a while: neighbouring states ask the same things, and the loop is dear to play.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use shared::ports::Record;

use crate::process::Call;
use crate::state::Saved;

/// A value's number.
#[must_use]
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The most values of one kind that are remembered.
const MOST: usize = 20_000;

/// Values by number, forgotten all at once when they are too many.
#[derive(Debug)]
pub struct Remembered<T>(Mutex<BTreeMap<u64, T>>);

impl<T> Default for Remembered<T> {
    fn default() -> Remembered<T> {
        Remembered(Mutex::new(BTreeMap::new()))
    }
}

impl<T: Clone> Remembered<T> {
    /// The value of a number, worked out if it is not known.
    pub fn get(&self, key: u64, make: impl FnOnce() -> T) -> T {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let made = make();
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(key, made.clone());
            made
        })
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Memo {
    /// What a process calls next, by what it was answered.
    pub calls: Remembered<Call>,
    /// Records as loaded.
    pub records: Remembered<Arc<Record>>,
    /// Statuses grown older.
    pub older: Remembered<Saved>,
}
