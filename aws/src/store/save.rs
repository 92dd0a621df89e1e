//! Saving a decision: status, consumed intents, notices, history and the sweep's marker in one transaction.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use shared::ids::{IntentId, ServiceName};
use shared::ports::{HistoryEntry, Save, StoreError};
use shared::rollout::FORMAT;

use super::items::{self, KEPT, delete, get_number, json, key_item, number, put, put_new, update};
use super::{Outcome, TELL_FOUND, Table, keys, refused, told};

/// Whether the service leaves the sweep's list with this save.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// It stays on the list.
    Kept,
    /// It leaves it, provided that nothing but the consumed intents is in the inbox.
    Dropped,
}

impl Table {
    pub(super) async fn save_decision(&self, save: &Save<'_>) -> Result<(), StoreError> {
        let repairs = save.status.repairing.as_ref().is_some_and(|repairing| !repairing.over);
        let busy = save.status.rollout.is_some() || save.status.next.is_some() || repairs;
        if !busy {
            match self.try_save(save, Marker::Dropped).await? {
                Tried::Saved => return Ok(()),
                Tried::Lost => return Err(StoreError::Lost),
                // An intent came in between: it is saved all the same, and the next look finds the intent.
                Tried::InboxGrew => {}
            }
        }
        match self.try_save(save, Marker::Kept).await? {
            Tried::Saved => Ok(()),
            Tried::Lost | Tried::InboxGrew => Err(StoreError::Lost),
        }
    }

    async fn try_save(&self, save: &Save<'_>, marker: Marker) -> Result<Tried, StoreError> {
        let mut actions = vec![self.status_update(save, marker)?];
        actions.push(match marker {
            Marker::Kept => put(&self.name, self.marker(save.service))?,
            Marker::Dropped => delete(&self.name, &keys::unsettled(save.service))?,
        });
        actions.push(self.history_put(save.service, save.history, &(save.version + 1).to_string())?);
        let first_notice = actions.len();
        for notice in save.notices {
            actions.push(put_new(&self.name, items::notice_item(&keys::notice(notice), notice, KEPT)?)?);
        }
        let reasons = match self.transact(actions).await? {
            Outcome::Done => return Ok(Tried::Saved),
            Outcome::Canceled(reasons) => reasons,
        };
        if refused(&reasons, 0) {
            let found = reasons.first().and_then(|reason| reason.item()).filter(|item| !item.is_empty());
            return match found {
                None => Err(StoreError::NoSuchService),
                Some(item) if get_number(item, "version") == Some(save.version) => Ok(Tried::InboxGrew),
                Some(_) => Ok(Tried::Lost),
            };
        }
        if (first_notice..reasons.len()).any(|at| refused(&reasons, at)) {
            return Err(StoreError::Unavailable("a notice of this number exists already".to_owned()));
        }
        Err(StoreError::Unavailable(told(&reasons)))
    }

    fn status_update(&self, save: &Save<'_>, marker: Marker) -> Result<TransactWriteItem, StoreError> {
        let mut expression = "SET #status = :status, #format = :format, #version = :next".to_owned();
        let mut condition = "#version = :version".to_owned();
        let mut builder = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key_item(&keys::state(save.service))))
            .return_values_on_condition_check_failure(TELL_FOUND)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#format", "format")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":status", json(save.status)?)
            .expression_attribute_values(":format", number(u64::from(FORMAT)))
            .expression_attribute_values(":version", number(save.version))
            .expression_attribute_values(":next", number(save.version + 1));
        // Each once: an expression may name a path only once.
        let consumed: BTreeSet<&IntentId> = save.consumed.iter().collect();
        let removed: Vec<String> = (0..consumed.len()).map(|n| format!("#inbox.#i{n}")).collect();
        for (n, id) in consumed.iter().enumerate() {
            builder = builder.expression_attribute_names(format!("#i{n}"), id.as_str());
        }
        if !removed.is_empty() {
            expression = format!("{expression} REMOVE {}", removed.join(", "));
        }
        if marker == Marker::Dropped {
            for path in &removed {
                condition.push_str(&format!(" AND attribute_exists({path})"));
            }
            condition.push_str(" AND size(#inbox) <= :consumed");
            let consumed = u64::try_from(consumed.len()).unwrap_or(u64::MAX);
            builder = builder.expression_attribute_values(":consumed", number(consumed));
        }
        if !removed.is_empty() || marker == Marker::Dropped {
            builder = builder.expression_attribute_names("#inbox", "inbox");
        }
        update(builder.update_expression(expression).condition_expression(condition))
    }

    pub(super) fn history_put(
        &self,
        service: &ServiceName,
        entry: &HistoryEntry,
        version: &str,
    ) -> Result<TransactWriteItem, StoreError> {
        let key = keys::history(keys::service(service), entry.at, entry.rollout.as_deref(), version);
        put(&self.name, items::history_item(&key, entry)?)
    }
}

/// How one attempt to save ended.
enum Tried {
    Saved,
    /// The version is another one.
    Lost,
    /// The version is right, but the inbox holds more than was consumed.
    InboxGrew,
}
