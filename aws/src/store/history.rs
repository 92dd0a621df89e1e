//! History and notices.

use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, StoreError};
use shared::time::{Span, Time};

use super::items::{self, KEPT, get_json, get_number, get_text, key_item, number, put, put_new, text};
use super::keys::{self, Key};
use super::{Outcome, Table, refused, told};
use crate::deliver::Channel;
use crate::errors::During;

/// How long it stays told that nobody is configured for a repository.
const UNCONFIGURED_KEPT: Span = Span::mins(30 * 24 * 60);

/// A notice as it lies in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNotice {
    /// Where.
    pub key: Key,
    /// What.
    pub notice: Notice,
    /// When it was delivered, if it was.
    pub delivered_at: Option<Time>,
}

/// The notice in a stream record's image, and where it lies.
///
/// # Errors
/// What is wrong with the image.
pub fn notice_of(image: &serde_json::Value) -> Result<(Key, Notice), String> {
    let text = |name: &str| {
        let value = image.get(name).and_then(|attribute| attribute.get("S")).and_then(serde_json::Value::as_str);
        value.ok_or_else(|| format!("the image has no text `{name}`"))
    };
    let key = Key { pk: text("pk")?.to_owned(), sk: text("sk")?.to_owned() };
    let notice =
        serde_json::from_str(text("notice")?).map_err(|error| format!("the notice cannot be read: {error}"))?;
    Ok((key, notice))
}

impl Table {
    /// A line of history and a notice that no decision made. The same notice again on the same day writes nothing.
    pub(super) async fn write_note(
        &self,
        service: &ServiceName,
        entry: &HistoryEntry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        let version = format!("note-{:016x}", keys::fnv(&entry.line));
        let mut actions = vec![self.history_put(service, entry, &version)?];
        if let Some(notice) = notice {
            actions.push(put_new(&self.name, items::notice_item(&keys::notice(notice), notice, KEPT)?)?);
        }
        match self.transact(actions).await? {
            Outcome::Done => Ok(()),
            Outcome::Canceled(reasons) if refused(&reasons, 1) => Ok(()),
            Outcome::Canceled(reasons) => Err(StoreError::Unavailable(told(&reasons))),
        }
    }

    /// The history of a service, newest first, `limit` lines at most, only those before `before` if one is given.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn history(
        &self,
        service: &ServiceName,
        limit: usize,
        before: Option<Time>,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        // `$` comes just after `#`: with no time given, everything that begins with the prefix lies below it.
        let upper = before.map_or_else(|| "history$".to_owned(), keys::history_at);
        let (mut entries, mut from) = (Vec::new(), None);
        while entries.len() < limit {
            let left = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .expression_attribute_values(":pk", text(keys::service(service)))
                .expression_attribute_values(":low", text(keys::HISTORY))
                .expression_attribute_values(":high", text(&upper))
                .scan_index_forward(false)
                .limit(left)
                .set_exclusive_start_key(from);
            let answer = request.send().await.during("dynamodb:Query").map_err(|failure| self.failed(&failure))?;
            entries.extend(answer.items().iter().map(items::history_entry));
            from = answer.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    /// The latest notices of a service, newest first.
    ///
    /// # Errors
    /// The table could not be read, or holds a notice that this release cannot read.
    pub async fn notices(&self, service: &ServiceName, limit: usize) -> Result<Vec<StoredNotice>, StoreError> {
        let items = self.query(keys::service(service), keys::NOTICE, Some(limit)).await?;
        let mut notices: Vec<StoredNotice> = items.iter().map(stored).collect::<Result<_, _>>()?;
        notices.sort_by_key(|stored| std::cmp::Reverse((stored.notice.at, stored.notice.number)));
        Ok(notices)
    }

    /// Of the latest notices of a service, those made before `before` and never marked as delivered, oldest first.
    ///
    /// # Errors
    /// As [`Table::notices`].
    pub async fn undelivered(
        &self,
        service: &ServiceName,
        before: Time,
        limit: usize,
    ) -> Result<Vec<StoredNotice>, StoreError> {
        let mut notices = self.notices(service, limit).await?;
        notices.retain(|stored| stored.delivered_at.is_none() && stored.notice.at < before);
        notices.reverse();
        Ok(notices)
    }

    /// Notes that a notice reached every channel. An item that is gone stays gone.
    ///
    /// # Errors
    /// The table could not be written.
    pub async fn mark_delivered(&self, key: &Key, at: Time) -> Result<(), StoreError> {
        self.mark(key, "delivered_at", at).await
    }

    /// Notes that a notice reached one channel.
    ///
    /// # Errors
    /// The table could not be written.
    pub async fn mark_sent(&self, key: &Key, channel: Channel, at: Time) -> Result<(), StoreError> {
        self.mark(key, channel.mark(), at).await
    }

    /// The channels that a notice has reached.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn sent(&self, key: &Key) -> Result<Vec<Channel>, StoreError> {
        let item = self.get(key).await?.unwrap_or_default();
        Ok(Channel::ALL.into_iter().filter(|channel| item.contains_key(channel.mark())).collect())
    }

    async fn mark(&self, key: &Key, attribute: &str, at: Time) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .update_expression("SET #mark = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#mark", attribute)
            .expression_attribute_values(":at", number(at.0));
        match request.send().await.during("dynamodb:UpdateItem") {
            Err(failure) if failure.code.as_deref() != Some("ConditionalCheckFailedException") => {
                Err(self.failed(&failure))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Keeps a push that nobody is configured for: always a line of history under the repository, and a notice once in
    /// thirty days.
    ///
    /// # Errors
    /// The table could not be written.
    pub async fn refused_unconfigured(
        &self,
        repository: &str,
        entry: &HistoryEntry,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let version = format!("note-{:016x}", keys::fnv(&entry.line));
        let key = keys::history(keys::repository(repository), entry.at, entry.rollout.as_deref(), &version);
        let line = put(&self.name, items::history_item(&key, entry)?)?;
        let notice = items::notice_item(&keys::unconfigured(repository), notice, UNCONFIGURED_KEPT)?;
        match self.transact(vec![line.clone(), put_new(&self.name, notice)?]).await? {
            Outcome::Done => return Ok(()),
            Outcome::Canceled(reasons) if refused(&reasons, 1) => {}
            Outcome::Canceled(reasons) => return Err(StoreError::Unavailable(told(&reasons))),
        }
        match self.transact(vec![line]).await? {
            Outcome::Done => Ok(()),
            Outcome::Canceled(reasons) => Err(StoreError::Unavailable(told(&reasons))),
        }
    }

    /// What was told of pushes to a repository that nobody is configured for, if there were any lately.
    ///
    /// # Errors
    /// As [`Table::notices`].
    pub async fn unconfigured(&self, repository: &str) -> Result<Option<StoredNotice>, StoreError> {
        let items = self.query(keys::repository(repository), keys::NOTICE, Some(1)).await?;
        items.first().map(stored).transpose()
    }
}

fn stored(item: &items::Item) -> Result<StoredNotice, StoreError> {
    let part = |name| get_text(item, name).unwrap_or_default().to_owned();
    Ok(StoredNotice {
        key: Key { pk: part("pk"), sk: part("sk") },
        notice: get_json(item, "notice")?,
        delivered_at: get_number(item, "delivered_at").map(Time),
    })
}
