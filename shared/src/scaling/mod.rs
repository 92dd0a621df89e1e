//! The scheduled check: can a service still scale, is it scaling, and is it scaled as its team meant?
//!
//! Pure, like `decide`: [`subjects`] says what to read, [`judge`] what is wrong with what was read, [`Memory`] what of it is
//! news. What could not be read changes nothing: it is neither fine nor a fault.

mod finding;
mod judge;
mod memory;
mod sight;

pub use finding::{Finding, FindingKind, Role, Severity, What};
pub use judge::{Judged, judge};
pub use memory::{Memory, News, Open};
pub use sight::{Counts, Sight, Subject, live, subjects};

#[cfg(test)]
mod tests;
