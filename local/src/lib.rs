//! The local cloud: the part of AWS that Flipback touches, on one port, behind AWS's own wire protocols.
//!
//! The behaviour is the crate `model`'s; here it meets the outside. Load balancers are real HTTP listeners, tasks are real
//! HTTP servers, functions are real processes under a Runtime API, and what connects them (queues, rules, schedules, the
//! table's stream) is read from `template.yaml`. State is in memory, everything listens on loopback only, and
//! [`Cloud::stop`] leaves nothing behind.

mod clock;
mod cloud;
mod database;
mod events;
pub mod example;
mod faults;
mod functions;
mod http;
mod inner;
mod limits;
mod options;
mod pages;
mod record;
mod slack;
mod sources;
mod tasks;
mod template;
mod traffic;
mod wire;

pub use cloud::Cloud;
pub use faults::{Fault, FaultCount, FaultEffect, FaultRefused, FaultWhen};
pub use functions::{LogLine, LogSink};
pub use inner::{CallHook, CallSeen, Moment, SnsMessage};
pub use limits::Answering;
pub use options::{Functions, Options};
pub use slack::SlackPost;
pub use traffic::{Port, Served};

use std::sync::{Mutex, MutexGuard, PoisonError};
use tasks::Tasks;

/// Locks a mutex. A panic elsewhere while it was held does not spread: what is behind these mutexes stays usable.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
