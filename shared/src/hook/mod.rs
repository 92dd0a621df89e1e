//! The lifecycle hook: ECS calls a function at a stage of a service deployment, and does what it answers.
//!
//! An answer is decided as everything else here: from the [`Request`], what is known of the service and what was read for
//! it, to one of three words. ECS takes a function error, a throttle and an answer that it does not understand for FAILED,
//! and goes back; so every case has its answer, and what is not known is waited for a bounded time.
//!
//! Between two calls of one hook ECS keeps `hookDetails` of an IN_PROGRESS answer. What has to be remembered goes there,
//! as members of `flipback`; everything else in it stays as the service declared it.

mod answer;
mod checks;
mod judge;
mod progress;
mod request;

use crate::config::HttpCheck;

pub use answer::{Answer, Word};
pub use judge::{Known, Seen, Wants, answer, wants};
pub use request::{Request, is_gate};

/// How one request of an HTTP check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// As wanted.
    Right,
    /// Not as wanted, or not at all: what was seen. The next one may be right.
    Wrong(String),
    /// No request can be right: why, and what to change.
    Never(String),
}

impl Tried {
    /// Judges an answer by what the check wants.
    #[must_use]
    pub fn of(check: &HttpCheck, status: u16, body: &str) -> Tried {
        if status != check.expect {
            return Tried::Wrong(format!("{} answered {status} instead of {}", check.path, check.expect));
        }
        match &check.body {
            // The body itself is not repeated: it may hold what no log should.
            Some(text) if !body.contains(text.as_str()) => {
                Tried::Wrong(format!("{} answered {status} without {text:?} in the body", check.path))
            }
            Some(_) | None => Tried::Right,
        }
    }
}

#[cfg(test)]
mod tests;
