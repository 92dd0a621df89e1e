//! The ports: what the loop needs of the outside, cut small. Real adapters live in `aws`, in-memory ones in `sim`.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::config::ServiceConfig;
use crate::decision::Effect;
use crate::ids::{IntentId, ServiceName};
use crate::notice::Notice;
use crate::observation::{Ask, Observation};
use crate::rollout::{Intent, Status};
use crate::time::{Span, Time};

/// The time of day. The only clock the loop knows.
pub trait Clock {
    /// Now.
    fn now(&self) -> Time;
}

/// Reads the world.
pub trait Observer {
    /// One look. Never fails: what could not be read is [`Reading::Unknown`](crate::observation::Reading::Unknown).
    fn observe(&self, config: &ServiceConfig, ask: &Ask, at: Time) -> impl Future<Output = Observation>;
}

/// Changes the world.
pub trait Actuator {
    /// Applies one effect. A forward effect (with a deadline) is tried once and never after its deadline; one that
    /// brings traffic back is retried within the call.
    ///
    /// # Errors
    /// Why it did not, or may not have, taken effect.
    fn apply(&self, config: &ServiceConfig, effect: &Effect) -> impl Future<Output = Result<(), EffectError>>;
}

/// Why an effect failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// Its deadline passed before it was sent.
    #[error("not sent: its deadline had passed")]
    TooLate,
    /// Trying again cannot help.
    #[error("{0}")]
    Permanent(String),
    /// Trying again may help: throttled, timed out, a server's error. It may have taken effect.
    #[error("{0}")]
    Transient(String),
}

/// One service as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The service's configuration of today.
    pub config: ServiceConfig,
    /// The saved status.
    pub status: Status,
    /// What was recorded and not yet consumed, in the order of time and id.
    pub inbox: Vec<Intent>,
    /// The status's version, for the conditional save.
    pub version: u64,
}

/// What is saved in one transaction.
#[derive(Clone, Debug)]
pub struct Save<'a> {
    /// Whose.
    pub service: &'a ServiceName,
    /// The version the decision was made on.
    pub version: u64,
    /// The next status.
    pub status: &'a Status,
    /// Inbox entries to remove.
    pub consumed: &'a [IntentId],
    /// Notices to write.
    pub notices: &'a [Notice],
    /// The decision's inputs and outcome, for the history.
    pub history: &'a HistoryEntry,
}

/// One line of history: everything a decision was made on, so that it can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When.
    pub at: Time,
    /// The rollout it belongs to; none outside of one.
    pub rollout: Option<String>,
    /// One sentence, for people.
    pub line: String,
    /// The inputs: status, inbox, observation and margins as JSON. None for lines that no decision wrote.
    pub inputs: Option<serde_json::Value>,
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else saved first: look again.
    #[error("somebody else saved first")]
    Lost,
    /// There is no such service.
    #[error("no service of this name is configured")]
    NoSuchService,
    /// The record was written by a newer release.
    #[error("the record has format {0}, newer than this release knows; update Flipback")]
    Newer(u32),
    /// The store could not be reached, or refused.
    #[error("{0}")]
    Unavailable(String),
}

/// Keeps the records.
pub trait Store {
    /// Reads one service, consistently.
    fn load(&self, service: &ServiceName) -> impl Future<Output = Result<Record, StoreError>>;

    /// Saves a decision: all of it, or nothing.
    fn save(&self, save: &Save<'_>) -> impl Future<Output = Result<(), StoreError>>;

    /// Whether it keeps the inputs of decisions in the history: they are written down only then.
    fn keeps_inputs(&self) -> bool {
        true
    }

    /// Puts an intent into the inbox; the same id twice is once. The service counts as unsettled from then on.
    fn record(&self, service: &ServiceName, intent: &Intent) -> impl Future<Output = Result<(), StoreError>>;

    /// Writes a line of history and possibly a notice that no decision made (a refused push).
    fn note(
        &self,
        service: &ServiceName,
        entry: &HistoryEntry,
        notice: Option<&Notice>,
    ) -> impl Future<Output = Result<(), StoreError>>;
}

/// Wakes a service's loop.
pub trait Waker {
    /// Soon: puts a message for the service into the FIFO queue.
    fn poke(&self, service: &ServiceName) -> impl Future<Output = Result<(), String>>;

    /// Later: a wake that carries the token of the chain it belongs to.
    fn after(&self, service: &ServiceName, delay: Span, token: u64) -> impl Future<Output = Result<(), String>>;
}
