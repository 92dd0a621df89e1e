//! Which installation is meant: its table and its queues, found by the stack's name.

use crate::args::Global;
use crate::environment::Environment;
use crate::errors::{Place, plain};
use aws::{Clients, Failure, Queues, SystemClock, Table};
use shared::ids::ServiceName;
use shared::ports::{Clock as _, Record, Store as _, StoreError};
use shared::time::Time;
use std::process::Command;

/// One installation, opened.
#[derive(Debug)]
pub(crate) struct Installation {
    /// The SDK's clients.
    pub(crate) clients: Clients,
    /// The table.
    pub(crate) table: Table,
    /// Who gives commands, for history and notices.
    pub(crate) caller: String,
    stack: String,
}

impl Installation {
    /// Opens an installation; nothing is asked of AWS yet.
    pub(crate) async fn open(global: &Global, environment: &Environment) -> anyhow::Result<Installation> {
        whole(environment)?;
        let clients = Clients::load().await;
        if clients.region.is_none() {
            return Err(plain(
                "no AWS region is known",
                "give --region, or set AWS_REGION, or a region in the AWS profile",
            ));
        }
        let table = Table::new(clients.dynamodb.clone(), table_name(global));
        let caller = environment.user.clone().unwrap_or_else(|| "flipback CLI".to_owned());
        Ok(Installation { clients, table, caller, stack: global.stack.clone() })
    }

    /// A service's record. A name that is not configured is told with the nearest that is.
    pub(crate) async fn record(&self, service: &ServiceName) -> anyhow::Result<Record> {
        match self.table.load(service).await {
            Err(StoreError::NoSuchService) => Err(self.unknown(service).await),
            result => Ok(result?),
        }
    }

    /// The error for a service that is not configured.
    pub(crate) async fn unknown(&self, service: &ServiceName) -> anyhow::Error {
        let what = format!("no service `{service}` is configured in {}", self.table.name());
        let known = match self.table.services().await {
            Ok(known) => known,
            Err(error) => return anyhow::Error::from(error).context(what),
        };
        let list: Vec<&str> = known.iter().take(20).map(ServiceName::as_str).collect();
        let todo = if list.is_empty() {
            "none is configured yet: write flipback.yaml (flipback init), then flipback apply".to_owned()
        } else {
            format!("use one of: {}; or add it to flipback.yaml and apply that", list.join(", "))
        };
        plain(what, todo)
    }

    /// The queues, by their names in template.yaml.
    pub(crate) async fn queues(&self) -> Result<Queues, Failure> {
        let (work, delay) = tokio::join!(
            self.queue_url(format!("{}-work.fifo", self.stack)),
            self.queue_url(format!("{}-delay", self.stack))
        );
        Ok(Queues::new(self.clients.sqs.clone(), work?, delay?))
    }

    async fn queue_url(&self, name: String) -> Result<String, Failure> {
        const CALL: &str = "sqs:GetQueueUrl";
        let answer = self.clients.sqs.get_queue_url().queue_name(&name).send().await;
        let answer = answer.map_err(|error| {
            let failure = Failure::of(CALL, &error);
            Failure { message: format!("queue {name}: {}", failure.message), ..failure }
        })?;
        Ok(answer.queue_url.unwrap_or_default())
    }
}

/// Endpoints are URLs: the SDK would say so in a page of its own innards, once per request.
fn whole(environment: &Environment) -> anyhow::Result<()> {
    let has_scheme = |url: &str| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        rest.is_some_and(|host| !host.is_empty())
    };
    match environment.endpoints.iter().find(|(_, url)| !has_scheme(url)) {
        None => Ok(()),
        Some((name, url)) => Err(plain(
            format!("{name}={url} is not a URL"),
            "write it with its scheme, such as http://127.0.0.1:4566, or unset the variable to reach AWS",
        )),
    }
}

/// Now, on this machine's clock.
pub(crate) fn now() -> Time {
    SystemClock.now()
}

/// The table's name: the stack's, unless another one is given.
fn table_name(global: &Global) -> String {
    global.table.clone().unwrap_or_else(|| global.stack.clone())
}

/// Where errors happened, for people.
pub(crate) fn place(global: &Global, environment: &Environment) -> Place {
    Place {
        table: table_name(global),
        region: global.region.clone().or_else(|| environment.region.clone()),
        profile: global.profile.clone().or_else(|| environment.profile.clone()),
        endpoint: environment.endpoint.clone(),
    }
}

/// Puts `--region` and `--profile` where the SDK reads them, and takes empty endpoints away, which the SDK does not
/// survive. A running program must not change its own environment (other threads may be reading it), so it starts itself
/// again with the changed one.
pub(crate) fn settle(global: &Global, environment: &Environment) -> anyhow::Result<()> {
    let differs = |wished: &Option<String>, is: &Option<String>| wished.is_some() && wished != is;
    let empty: Vec<&String> =
        environment.endpoints.iter().filter(|(_, url)| url.is_empty()).map(|(name, _)| name).collect();
    let as_wished = !differs(&global.region, &environment.region) && !differs(&global.profile, &environment.profile);
    if as_wished && empty.is_empty() {
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    for name in empty {
        again.env_remove(name);
    }
    again.envs(global.region.iter().map(|region| ("AWS_REGION", region)));
    if let Some(name) = &global.profile {
        // A profile that is named beats keys that happen to be in the environment, as in the AWS CLI.
        for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            again.env_remove(key);
        }
        again.env("AWS_PROFILE", name);
    }
    start_again(&mut again)
}

#[cfg(unix)]
fn start_again(command: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    // Only returns where it failed.
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn start_again(command: &mut Command) -> anyhow::Result<()> {
    let code = command.status()?.code().unwrap_or(1);
    std::process::exit(code)
}
