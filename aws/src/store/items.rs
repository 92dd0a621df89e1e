//! Items of the table, to and from their attributes.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::config::ServiceConfig;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, Record, StoreError};
use shared::rollout::{FORMAT, Intent, Status};
use shared::time::{Span, Time};

use super::keys::Key;
use super::{Built, built};

/// The attributes of an item.
#[expect(clippy::disallowed_types, reason = "the SDK has them so; nothing depends on their order")]
pub(super) type Item = std::collections::HashMap<String, AttributeValue>;

/// How long history and notices are kept.
pub(super) const KEPT: Span = Span::mins(90 * 24 * 60);

/// The most of a history line's inputs; an item holds 400 KB (DynamoDB).
const INPUTS_MAX: usize = 300 * 1024;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(|error| StoreError::Unavailable(error.to_string()))
}

pub(super) fn key_item(key: &Key) -> Item {
    Item::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

pub(super) fn with(mut item: Item, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    item.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
    item
}

/// TTL wants seconds.
pub(super) fn expires(at: Time, after: Span) -> AttributeValue {
    number(at.plus(after).0 / 1000)
}

pub(super) fn get_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn get_number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn get_json<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, StoreError> {
    let text = get_text(item, name).ok_or_else(|| broken(item, &format!("has no `{name}`")))?;
    serde_json::from_str(text).map_err(|error| broken(item, &format!("`{name}` cannot be read: {error}")))
}

fn broken(item: &Item, what: &str) -> StoreError {
    let (pk, sk) = (get_text(item, "pk").unwrap_or("?"), get_text(item, "sk").unwrap_or("?"));
    StoreError::Unavailable(format!("the item {pk} / {sk} {what}"))
}

/// Refuses what a newer release wrote, before anything of it is read.
pub(super) fn check_format(item: &Item) -> Result<(), StoreError> {
    match get_number(item, "format") {
        Some(format) if format > u64::from(FORMAT) => Err(StoreError::Newer(u32::try_from(format).unwrap_or(u32::MAX))),
        _ => Ok(()),
    }
}

/// Everything of a service.
pub(super) fn record(state: &Item, config: &Item) -> Result<Record, StoreError> {
    check_format(state)?;
    check_format(config)?;
    let empty = Item::new();
    let inbox = state.get("inbox").and_then(|inbox| inbox.as_m().ok()).unwrap_or(&empty);
    let mut inbox: Vec<Intent> = inbox.keys().map(|id| get_json(inbox, id)).collect::<Result<_, _>>()?;
    inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let version = get_number(state, "version").ok_or_else(|| broken(state, "has no `version`"))?;
    Ok(Record { config: get_json(config, "config")?, status: get_json(state, "status")?, inbox, version })
}

/// A state that nothing has happened to. Notices of the service's former life may still be there: theirs are not numbered
/// again.
pub(super) fn new_state(key: &Key, notices: u64) -> Result<Item, StoreError> {
    let status = Status { format: FORMAT, notices, ..Status::default() };
    Ok(with(
        key_item(key),
        [
            ("status", json(&status)?),
            ("format", number(u64::from(FORMAT))),
            ("version", number(0)),
            ("inbox", AttributeValue::M(Item::new())),
        ],
    ))
}

pub(super) fn config_item(key: &Key, config: &ServiceConfig, by: &str) -> Result<Item, StoreError> {
    let format = number(u64::from(FORMAT));
    Ok(with(key_item(key), [("config", json(config)?), ("format", format), ("by", text(by))]))
}

pub(super) fn notice_item(key: &Key, notice: &Notice, kept: Span) -> Result<Item, StoreError> {
    let attributes = [("notice", json(notice)?), ("at", number(notice.at.0)), ("expires_at", expires(notice.at, kept))];
    Ok(with(key_item(key), attributes))
}

pub(super) fn history_item(key: &Key, entry: &HistoryEntry) -> Result<Item, StoreError> {
    let mut item = with(
        key_item(key),
        [("at", number(entry.at.0)), ("line", text(&entry.line)), ("expires_at", expires(entry.at, KEPT))],
    );
    if let Some(rollout) = &entry.rollout {
        item.insert("rollout".to_owned(), text(rollout));
    }
    if let Some(inputs) = &entry.inputs {
        item.insert("inputs".to_owned(), text(inputs_text(inputs)));
    }
    Ok(item)
}

fn inputs_text(inputs: &serde_json::Value) -> String {
    let text = inputs.to_string();
    if text.len() > INPUTS_MAX { serde_json::json!({"cut": true, "bytes": text.len()}).to_string() } else { text }
}

pub(super) fn history_entry(item: &Item) -> HistoryEntry {
    HistoryEntry {
        at: Time(get_number(item, "at").unwrap_or(0)),
        rollout: get_text(item, "rollout").map(str::to_owned),
        line: get_text(item, "line").unwrap_or_default().to_owned(),
        inputs: get_text(item, "inputs").and_then(|text| serde_json::from_str(text).ok()),
    }
}

/// A put of a whole item, whatever was there.
pub(super) fn put(table: &str, item: Item) -> Built {
    Ok(TransactWriteItem::builder().put(built(Put::builder().table_name(table).set_item(Some(item)).build())?).build())
}

/// A put of an item that must not be there yet.
pub(super) fn put_new(table: &str, item: Item) -> Built {
    let put = Put::builder().table_name(table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}

pub(super) fn delete(table: &str, key: &Key) -> Built {
    let delete = Delete::builder().table_name(table).set_key(Some(key_item(key))).build();
    Ok(TransactWriteItem::builder().delete(built(delete)?).build())
}

/// A delete under a condition on one attribute's value.
pub(super) fn delete_if(table: &str, key: &Key, attribute: &str, value: AttributeValue) -> Built {
    let delete = Delete::builder()
        .table_name(table)
        .set_key(Some(key_item(key)))
        .condition_expression("#a = :v")
        .expression_attribute_names("#a", attribute)
        .expression_attribute_values(":v", value)
        .build();
    Ok(TransactWriteItem::builder().delete(built(delete)?).build())
}

pub(super) fn update(update: aws_sdk_dynamodb::types::builders::UpdateBuilder) -> Built {
    let update: Update = built(update.build())?;
    Ok(TransactWriteItem::builder().update(update).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs_too_large_for_an_item_leave_a_marker() {
        let large = json!({"text": "x".repeat(INPUTS_MAX)});
        let marker: serde_json::Value = serde_json::from_str(&inputs_text(&large)).unwrap();
        assert_eq!(marker["cut"], true);
        assert_eq!(inputs_text(&json!({"a": 1})), "{\"a\":1}");
    }

    #[test]
    fn a_record_of_a_newer_release_is_not_read() {
        let state = with(Item::new(), [("format", number(u64::from(FORMAT) + 1)), ("status", text("???"))]);
        assert_eq!(record(&state, &Item::new()), Err(StoreError::Newer(FORMAT + 1)));
    }

    #[test]
    fn a_history_line_comes_back_as_it_was_written() {
        let entry = HistoryEntry {
            at: Time(5),
            rollout: Some("shop-1".to_owned()),
            line: "started".to_owned(),
            inputs: Some(json!({"a": [1, 2]})),
        };
        let key = super::super::keys::history("service#shop".to_owned(), entry.at, entry.rollout.as_deref(), "3");
        assert_eq!(history_entry(&history_item(&key, &entry).unwrap()), entry);
    }
}
