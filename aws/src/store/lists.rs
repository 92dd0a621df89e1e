//! Lists of services: by shard, by repository, by alarm, by ECS service. Queries only, never a scan.

use std::collections::BTreeSet;

use shared::ids::ServiceName;
use shared::ports::StoreError;
use tokio::task::JoinSet;

use super::items::{Item, get_json, get_text, text};
use super::{Table, keys};
use crate::errors::During;

/// A configured service, as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ServiceName,
    /// Cluster and name of its ECS services; none: an older release applied it.
    pub ecs: Option<Vec<(String, String)>>,
}

impl Table {
    /// Every configured service, in the order of their names.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn services(&self) -> Result<Vec<ServiceName>, StoreError> {
        self.shards(keys::directory_shard).await
    }

    /// Every configured service with its ECS services, in the order of their names.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn directory(&self) -> Result<Vec<Listed>, StoreError> {
        let items = self.sharded(keys::directory_shard).await?;
        let listed = items.iter().filter_map(|item| {
            let ecs = get_json::<Vec<(String, String)>>(item, "ecs").ok();
            Some(Listed { name: ServiceName::from(get_text(item, "sk")?), ecs })
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Every service that has something to do, read consistently: what was recorded before is in it.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn unsettled(&self) -> Result<Vec<ServiceName>, StoreError> {
        self.shards(keys::unsettled_shard).await
    }

    /// The services that pushes to a repository deploy.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn services_by_repository(&self, repository: &str) -> Result<Vec<ServiceName>, StoreError> {
        self.members(keys::repository(repository)).await
    }

    /// The services that an alarm rolls back.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn services_by_alarm(&self, alarm: &str) -> Result<Vec<ServiceName>, StoreError> {
        self.members(keys::alarm(alarm)).await
    }

    /// The service whose colour an ECS service is, by its ARN or as `cluster/name`.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn service_by_ecs(&self, arn_or_name: &str) -> Result<Option<ServiceName>, StoreError> {
        Ok(self.members(keys::ecs(arn_or_name)).await?.into_iter().next())
    }

    async fn shards(&self, pk: fn(u64) -> String) -> Result<Vec<ServiceName>, StoreError> {
        let items = self.sharded(pk).await?;
        let names: BTreeSet<ServiceName> =
            items.iter().filter_map(|item| get_text(item, "sk")).map(ServiceName::from).collect();
        Ok(names.into_iter().collect())
    }

    async fn sharded(&self, pk: fn(u64) -> String) -> Result<Vec<Item>, StoreError> {
        let mut queries = JoinSet::new();
        for shard in 0..keys::SHARDS {
            let table = self.clone();
            queries.spawn(async move { table.query(pk(shard), "", None).await });
        }
        let mut all = Vec::new();
        while let Some(done) = queries.join_next().await {
            all.extend(done.map_err(|error| StoreError::Unavailable(error.to_string()))??);
        }
        Ok(all)
    }

    async fn members(&self, pk: String) -> Result<Vec<ServiceName>, StoreError> {
        let items = self.query(pk, keys::MEMBER, None).await?;
        let names = items.iter().filter_map(|item| get_text(item, "sk")?.strip_prefix(keys::MEMBER));
        Ok(names.map(ServiceName::from).collect())
    }

    /// The items of a partition whose sort key begins so, read consistently. With a limit: the last ones, last first.
    pub(super) async fn query(&self, pk: String, prefix: &str, limit: Option<usize>) -> Result<Vec<Item>, StoreError> {
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let mut request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression(if prefix.is_empty() {
                    "pk = :pk"
                } else {
                    "pk = :pk AND begins_with(sk, :sk)"
                })
                .expression_attribute_values(":pk", text(&pk))
                .set_exclusive_start_key(from);
            if !prefix.is_empty() {
                request = request.expression_attribute_values(":sk", text(prefix));
            }
            if let Some(limit) = limit {
                let left = i32::try_from(limit.saturating_sub(items.len())).unwrap_or(i32::MAX);
                request = request.scan_index_forward(false).limit(left.max(1));
            }
            let answer = request.send().await.during("dynamodb:Query").map_err(|failure| self.failed(&failure))?;
            items.extend(answer.items.unwrap_or_default());
            from = answer.last_evaluated_key;
            if from.is_none() || limit.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }
}
