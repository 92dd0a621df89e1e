//! Configurations in the table: applied and removed in one transaction with everything the service owns.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use shared::config::ServiceConfig;
use shared::ids::{Colour, ServiceName};
use shared::ports::StoreError;
use shared::rollout::Status;

use super::items::{
    self, Item, delete, delete_if, get_json, get_number, get_text, json, key_item, number, put, put_new, text, with,
};
use super::keys::{self, Key};
use super::{Built, Outcome, TELL_FOUND, Table, built, config_of, refused, told};

/// Why a configuration was not applied or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Another service owns something of it already.
    #[error("{thing} belongs to the service `{owner}` already; one thing has one owner")]
    Taken {
        /// What.
        thing: String,
        /// Whose it is.
        owner: String,
    },
    /// A rollout runs that uses what the new configuration gives up.
    #[error(
        "the rollout {0} runs and uses colours, routes, alarms or repositories that this configuration gives up; wait for \
         its end (flipback wait), or abort it"
    )]
    Running(String),
    /// A rollout runs, so the service cannot be removed.
    #[error("the rollout {0} runs; abort it or wait for its end")]
    Busy(String),
    /// The service owns more than one transaction can hold.
    #[error("the service has too many routes, alarms and repositories for one transaction ({0} of {MOST} items)")]
    TooMany(usize),
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The most actions of one transaction (DynamoDB).
const MOST: usize = 100;

/// How often a change that met another one of the same service is tried.
const ATTEMPTS: usize = 3;

impl Table {
    /// The configuration of a service; none: it is not configured.
    ///
    /// # Errors
    /// The table could not be read, or a newer release wrote the item.
    pub async fn config(&self, name: &ServiceName) -> Result<Option<ServiceConfig>, StoreError> {
        self.get(&keys::config(name)).await?.map(|item| config_of(&item)).transpose()
    }

    /// Makes this the service's configuration: claims what it owns, releases what it owned, and makes the service known
    /// by its repositories, alarms and ECS services. `by` is who did it. A running rollout keeps what it was started with.
    ///
    /// # Errors
    /// [`ApplyError::Taken`] names the other owner; then nothing was changed.
    pub async fn apply_config(&self, config: &ServiceConfig, by: &str) -> Result<(), ApplyError> {
        for _ in 0..ATTEMPTS {
            let (state_key, config_key) = (keys::state(&config.name), keys::config(&config.name));
            let (state, old) = tokio::join!(self.get(&state_key), self.get(&config_key));
            let (state, old) = (state?, old?);
            let before = old.as_ref().map(config_of).transpose()?;
            let mut actions = vec![self.config_put(&config_key, config, by, old.as_ref())?];
            if state.is_none() {
                let last = self.notices(&config.name, 1).await?.first().map_or(0, |stored| stored.notice.number);
                actions.push(put_new(&self.name, items::new_state(&state_key, last)?)?);
            }
            let attributes = [("cluster", text(&config.cluster)), ("ecs", json(&ecs_services(config))?)];
            actions.push(put(&self.name, with(key_item(&keys::directory(&config.name)), attributes))?);
            let first_claim = actions.len();
            let claims = config.claims();
            for thing in &claims {
                actions.push(self.claim_put(thing, &config.name)?);
            }
            let after_claims = actions.len();
            let lookups = lookups(config);
            for key in &lookups {
                actions.push(put(&self.name, key_item(key))?);
            }
            let running = state.as_ref().map(|state| get_json::<Status>(state, "status")).transpose()?;
            if let (Some(before), Some(rollout)) = (&before, running.and_then(|status| status.rollout)) {
                let kept = before.claims().iter().all(|thing| claims.contains(thing));
                if !kept || !self::lookups(before).is_subset(&lookups) {
                    return Err(ApplyError::Running(rollout.id.0));
                }
            }
            if let Some(before) = &before {
                for key in self::lookups(before).difference(&lookups) {
                    actions.push(delete(&self.name, key)?);
                }
                for thing in before.claims().iter().filter(|thing| !claims.contains(thing)) {
                    actions.push(delete(&self.name, &keys::claim(thing))?);
                }
            }
            if actions.len() > MOST {
                return Err(ApplyError::TooMany(actions.len()));
            }
            let reasons = match self.transact(actions).await? {
                Outcome::Done => return Ok(()),
                Outcome::Canceled(reasons) => reasons,
            };
            if let Some(at) = (first_claim..after_claims).find(|&at| refused(&reasons, at)) {
                let owner = reasons[at].item().and_then(|item| get_text(item, "owner")).unwrap_or("?").to_owned();
                return Err(ApplyError::Taken { thing: claims[at - first_claim].clone(), owner });
            }
            if !(0..first_claim).any(|at| refused(&reasons, at)) {
                return Err(StoreError::Unavailable(told(&reasons)).into());
            }
        }
        Err(StoreError::Unavailable("somebody else applies this service at the same time".to_owned()).into())
    }

    /// The configuration's item, provided that it is still the one that was read.
    fn config_put(&self, key: &Key, config: &ServiceConfig, by: &str, old: Option<&Item>) -> Built {
        let put = Put::builder().table_name(&self.name).set_item(Some(items::config_item(key, config, by)?));
        let put = match old.and_then(|old| old.get("config")) {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(old) => put
                .condition_expression("#config = :old")
                .expression_attribute_names("#config", "config")
                .expression_attribute_values(":old", old.clone()),
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn claim_put(&self, thing: &str, owner: &ServiceName) -> Built {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(with(key_item(&keys::claim(thing)), [("owner", text(owner.as_str()))])))
            .condition_expression("attribute_not_exists(pk) OR #owner = :me")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":me", text(owner.as_str()))
            .return_values_on_condition_check_failure(TELL_FOUND);
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Forgets a service and releases what it owns; its history stays until it expires.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] while a rollout runs or a candidate waits; [`StoreError::NoSuchService`].
    pub async fn remove_config(&self, name: &ServiceName) -> Result<(), ApplyError> {
        for _ in 0..ATTEMPTS {
            let (state_key, config_key) = (keys::state(name), keys::config(name));
            let (state, config) = tokio::join!(self.get(&state_key), self.get(&config_key));
            let (Some(state), Some(item)) = (state?, config?) else { return Err(StoreError::NoSuchService.into()) };
            items::check_format(&state)?;
            let status: Status = items::get_json(&state, "status")?;
            if let Some(running) =
                status.rollout.map(|rollout| rollout.id.0).or(status.next.map(|_| "that waits".to_owned()))
            {
                return Err(ApplyError::Busy(running));
            }
            let config = config_of(&item)?;
            let version = number(get_number(&state, "version").unwrap_or(0));
            let mut actions = vec![
                delete_if(&self.name, &state_key, "version", version)?,
                delete(&self.name, &config_key)?,
                delete(&self.name, &keys::directory(name))?,
                delete(&self.name, &keys::unsettled(name))?,
                delete(&self.name, &keys::scaling(name))?,
            ];
            for key in &lookups(&config) {
                actions.push(delete(&self.name, key)?);
            }
            for thing in config.claims() {
                actions.push(delete(&self.name, &keys::claim(&thing))?);
            }
            match self.transact(actions).await? {
                Outcome::Done => return Ok(()),
                Outcome::Canceled(reasons) if refused(&reasons, 0) => {}
                Outcome::Canceled(reasons) => return Err(StoreError::Unavailable(told(&reasons)).into()),
            }
        }
        Err(StoreError::Unavailable("the service keeps changing; try again".to_owned()).into())
    }

    /// Who owns each of these things already, of those that anybody does.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn owners(&self, things: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        let mut owners = BTreeMap::new();
        for thing in things {
            if let Some(item) = self.get(&keys::claim(thing)).await? {
                owners.insert(thing.clone(), get_text(&item, "owner").unwrap_or("?").to_owned());
            }
        }
        Ok(owners)
    }
}

/// Cluster and name of its ECS services.
fn ecs_services(config: &ServiceConfig) -> BTreeSet<(String, String)> {
    Colour::BOTH.into_iter().map(|colour| (config.cluster.clone(), config.engine.service(colour).to_owned())).collect()
}

/// What the service is looked up by.
fn lookups(config: &ServiceConfig) -> BTreeSet<Key> {
    let repositories = config.images.iter().map(|image| keys::repository(&image.repository));
    let alarms = config.alarms.all().into_iter().map(|alarm| keys::alarm(alarm.as_str()));
    let services =
        ecs_services(config).into_iter().map(|(cluster, service)| keys::ecs(&format!("{cluster}/{service}")));
    repositories.chain(alarms).chain(services).map(|pk| keys::member(pk, &config.name)).collect()
}
