//! The store: one DynamoDB table, see [`keys`] for what lies where.

mod config;
mod history;
mod items;
pub mod keys;
mod lists;
mod save;
mod scaling;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, Record, Save, Store, StoreError};
use shared::rollout::Intent;

use crate::errors::{During, Failure, Kind};
use items::{Item, get_json, json, key_item, put, text, update};

pub use config::ApplyError;
pub use history::{StoredNotice, notice_of};
pub use keys::Key;
pub use lists::Listed;

/// One action of a transaction, or why it could not be written down.
type Built = Result<TransactWriteItem, StoreError>;

/// The table of one installation.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// How a transaction ended that did not fail as a whole.
enum Outcome {
    /// All of it is written.
    Done,
    /// Nothing is: the reasons, in the order of the actions.
    Canceled(Vec<CancellationReason>),
}

/// The most attempts of a transaction that only met another one.
const ATTEMPTS: u32 = 5;

impl Table {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Table {
        Table { client, name: name.into() }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An item, read consistently.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key_item(key))).consistent_read(true);
        Ok(request.send().await.during("dynamodb:GetItem").map_err(|failure| self.failed(&failure))?.item)
    }

    /// Writes all or nothing; meeting another transaction, or a throttle, it tries again by itself.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Outcome, StoreError> {
        const CALL: &str = "dynamodb:TransactWriteItems";
        let mut attempt = 0;
        loop {
            attempt += 1;
            let result = self.client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
            let (again, ended) = match result {
                Ok(_) => return Ok(Outcome::Done),
                Err(error) => match error.as_service_error().and_then(canceled) {
                    Some(reasons) => (clashed(reasons), Ok(Outcome::Canceled(reasons.to_vec()))),
                    None => {
                        let failure = Failure::of(CALL, &error);
                        (matches!(failure.kind, Kind::Conflict | Kind::Throttled), Err(self.failed(&failure)))
                    }
                },
            };
            if !again || attempt >= ATTEMPTS {
                return match ended {
                    Ok(Outcome::Canceled(reasons)) if again => {
                        Err(StoreError::Unavailable(format!("{CALL} met others {attempt} times: {}", told(&reasons))))
                    }
                    ended => ended,
                };
            }
            tokio::time::sleep(Duration::from_millis(25 << attempt)).await;
        }
    }

    fn failed(&self, failure: &Failure) -> StoreError {
        StoreError::Unavailable(format!("table {}: {failure}", self.name))
    }
}

type TransactError = aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

fn canceled(error: &TransactError) -> Option<&[CancellationReason]> {
    match error {
        TransactError::TransactionCanceledException(exception) => {
            Some(TransactionCanceledException::cancellation_reasons(exception))
        }
        _ => None,
    }
}

/// Whether the only reasons are other people's transactions and throttles.
fn clashed(reasons: &[CancellationReason]) -> bool {
    let passing = |reason: &CancellationReason| {
        matches!(reason.code(), Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"))
    };
    let nothing = |reason: &CancellationReason| matches!(reason.code(), None | Some("None"));
    reasons.iter().any(passing) && reasons.iter().all(|reason| passing(reason) || nothing(reason))
}

/// Whether the condition of the action at this place was not met.
fn refused(reasons: &[CancellationReason], at: usize) -> bool {
    reasons.get(at).is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

fn told(reasons: &[CancellationReason]) -> String {
    let told = |reason: &CancellationReason| match reason.message() {
        Some(message) => format!("{} ({message})", reason.code().unwrap_or("?")),
        None => reason.code().unwrap_or("?").to_owned(),
    };
    reasons.iter().filter(|reason| reason.code() != Some("None")).map(told).collect::<Vec<_>>().join(", ")
}

fn built<T>(result: Result<T, BuildError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Unavailable(error.to_string()))
}

impl Store for Table {
    async fn load(&self, service: &ServiceName) -> Result<Record, StoreError> {
        let (state_key, config_key) = (keys::state(service), keys::config(service));
        let (state, config) = tokio::join!(self.get(&state_key), self.get(&config_key));
        match (state?, config?) {
            (Some(state), Some(config)) => items::record(&state, &config),
            _ => Err(StoreError::NoSuchService),
        }
    }

    async fn save(&self, save: &Save<'_>) -> Result<(), StoreError> {
        self.save_decision(save).await
    }

    async fn record(&self, service: &ServiceName, intent: &Intent) -> Result<(), StoreError> {
        // The version stays: an intent is no reason for a running decision to lose its save.
        let inbox = update(
            aws_sdk_dynamodb::types::Update::builder()
                .table_name(&self.name)
                .set_key(Some(key_item(&keys::state(service))))
                .update_expression("SET #inbox.#id = if_not_exists(#inbox.#id, :intent)")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#inbox", "inbox")
                .expression_attribute_names("#id", intent.id.as_str())
                .expression_attribute_values(":intent", json(intent)?),
        )?;
        let marker = put(&self.name, self.marker(service))?;
        match self.transact(vec![inbox, marker]).await? {
            Outcome::Done => Ok(()),
            Outcome::Canceled(reasons) if refused(&reasons, 0) => Err(StoreError::NoSuchService),
            Outcome::Canceled(reasons) => Err(StoreError::Unavailable(told(&reasons))),
        }
    }

    async fn note(
        &self,
        service: &ServiceName,
        entry: &HistoryEntry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        self.write_note(service, entry, notice).await
    }
}

impl Table {
    fn marker(&self, service: &ServiceName) -> Item {
        items::with(key_item(&keys::unsettled(service)), [("service", text(service.as_str()))])
    }
}

/// Where a condition fails, DynamoDB tells what it found.
const TELL_FOUND: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// The configuration an item holds.
fn config_of(item: &Item) -> Result<shared::config::ServiceConfig, StoreError> {
    items::check_format(item)?;
    get_json(item, "config")
}
