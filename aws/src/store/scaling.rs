//! What the scaling check remembers of a service, saved with what it tells: both or neither.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, StoreError};
use shared::scaling::Memory;
use tokio::task::JoinSet;

use super::items::{self, KEPT, get_json, get_number, json, key_item, number, put, with};
use super::{Built, Outcome, Table, built, keys, refused, told};

/// So many are read at once.
const AT_ONCE: usize = 8;

impl Table {
    /// What the check remembers, and the version of it; an empty one has version 0.
    ///
    /// # Errors
    /// The table could not be read, or a newer release wrote the item.
    pub async fn scaling_memory(&self, service: &ServiceName) -> Result<(Memory, u64), StoreError> {
        let Some(item) = self.get(&keys::scaling(service)).await? else { return Ok((Memory::default(), 0)) };
        items::check_format(&item)?;
        Ok((get_json(&item, "memory")?, get_number(&item, "version").unwrap_or(0)))
    }

    /// What the check remembers of every configured service.
    ///
    /// # Errors
    /// As [`Table::scaling_memory`].
    pub async fn scaling_memories(&self) -> Result<Vec<(ServiceName, Memory)>, StoreError> {
        let mut all = Vec::new();
        for some in self.services().await?.chunks(AT_ONCE) {
            let mut reads = JoinSet::new();
            for service in some {
                let (table, service) = (self.clone(), service.clone());
                reads.spawn(async move { table.scaling_memory(&service).await.map(|(memory, _)| (service, memory)) });
            }
            all.extend(reads.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
        Ok(all)
    }

    /// Saves what the check remembers, with the news where there is some. False: another run was first, and nothing was saved.
    ///
    /// # Errors
    /// The table could not be written.
    pub async fn save_scaling(
        &self,
        service: &ServiceName,
        memory: &Memory,
        read: u64,
        news: Option<(&HistoryEntry, &Notice)>,
    ) -> Result<bool, StoreError> {
        let version = read + 1;
        let mut actions = vec![self.memory_put(service, memory, read)?];
        if let Some((entry, notice)) = news {
            actions.push(self.history_put(service, entry, &format!("scaling-{version}"))?);
            let key = keys::scaling_notice(service, notice.at, version);
            actions.push(put(&self.name, items::notice_item(&key, notice, KEPT)?)?);
        }
        match self.transact(actions).await? {
            Outcome::Done => Ok(true),
            Outcome::Canceled(reasons) if refused(&reasons, 0) => Ok(false),
            Outcome::Canceled(reasons) => Err(StoreError::Unavailable(told(&reasons))),
        }
    }

    fn memory_put(&self, service: &ServiceName, memory: &Memory, read: u64) -> Built {
        let attributes = [("memory", json(memory)?), ("version", number(read + 1)), ("format", number(FORMAT))];
        let item = with(key_item(&keys::scaling(service)), attributes);
        let put = Put::builder().table_name(&self.name).set_item(Some(item));
        let put = match read {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            read => put
                .condition_expression("#version = :read")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":read", number(read)),
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }
}

/// The format of this item.
const FORMAT: u64 = shared::rollout::FORMAT as u64;
