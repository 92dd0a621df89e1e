//! What every function's main needs: logs, the environment, and everything wired together in the init phase.

use std::io::Write as _;

use serde_json::{Map, Value, json};
use shared::intake::{self, Event};
use shared::ports::Clock;
use shared::rollout::Margins;
use shared::time::Time;
use tracing_subscriber::EnvFilter;

use crate::clients::Clients;
use crate::clock::SystemClock;
use crate::part::Parts;
use crate::store::Table;
use crate::tell::Teller;
use crate::wakes::Queues;
use crate::world::World;

/// Starts the log: one JSON object per line on stdout, with all spans it is in (event, service, rollout), filtered by `FLIPBACK_LOG`, or by `AWS_LAMBDA_LOG_LEVEL`, which
/// Lambda sets from the function's logging configuration; else `info`. Called twice, the second call does nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("FLIPBACK_LOG")
        .or_else(|_| EnvFilter::try_from_env("AWS_LAMBDA_LOG_LEVEL"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(true);
    let _already = log.with_env_filter(filter).with_writer(std::io::stdout).try_init();
}

/// A function's environment, as template.yaml sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// `FLIPBACK_TABLE`: the table's name.
    pub table: String,
    /// `FLIPBACK_WORK_QUEUE`: the FIFO queue's URL.
    pub work_queue: String,
    /// `FLIPBACK_DELAY_QUEUE`: the delay queue's URL.
    pub delay_queue: String,
    /// `FLIPBACK_SCALING_QUEUE`: the URL of the queue of a round's parts.
    pub scaling_queue: String,
    /// `FLIPBACK_TOPIC`: the topic's ARN, if there is one.
    pub topic: Option<String>,
    /// `FLIPBACK_SLACK_SECRET`: the ARN of the secret with the webhook's URL, if there is one.
    pub slack_secret: Option<String>,
    /// `FLIPBACK_MARGINS`: JSON, or `quick` for the local cloud; AWS's pace without it.
    pub margins: Margins,
}

impl Env {
    /// The environment of this process.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where a function reads its environment")]
    pub fn from_env() -> anyhow::Result<Env> {
        Env::read(|name| std::env::var(name).ok())
    }

    /// An environment read by `get`; an empty value is none.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Env> {
        let optional = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mut wrong = Vec::new();
        let mut needed = |name: &str| {
            optional(name).unwrap_or_else(|| {
                wrong.push(format!("{name} is not set"));
                String::new()
            })
        };
        let table = needed("FLIPBACK_TABLE");
        let [work_queue, delay_queue, scaling_queue] =
            ["FLIPBACK_WORK_QUEUE", "FLIPBACK_DELAY_QUEUE", "FLIPBACK_SCALING_QUEUE"].map(needed);
        let margins = margins(optional("FLIPBACK_MARGINS").as_deref()).unwrap_or_else(|error| {
            wrong.push(error);
            Margins::default()
        });
        anyhow::ensure!(wrong.is_empty(), "the function's environment is not complete: {}", wrong.join("; "));
        let (topic, slack_secret) = (optional("FLIPBACK_TOPIC"), optional("FLIPBACK_SLACK_SECRET"));
        Ok(Env { table, work_queue, delay_queue, scaling_queue, topic, slack_secret, margins })
    }
}

/// Margins as `FLIPBACK_MARGINS` tells them: none, `quick`, or JSON with the members that differ from the default.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn margins(text: Option<&str>) -> Result<Margins, String> {
    match text {
        None | Some("aws") => Ok(Margins::default()),
        Some("quick") => Ok(Margins::quick()),
        Some(json) => serde_json::from_str(json)
            .map_err(|error| format!("FLIPBACK_MARGINS is neither `quick` nor JSON of margins: {error}")),
    }
}

/// Everything a function works with, made once.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The environment it was made from.
    pub env: Env,
    /// The SDK's clients.
    pub clients: Clients,
    /// Observer and actuator.
    pub world: World,
    /// The store.
    pub table: Table,
    /// The wakes.
    pub queues: Queues,
    /// The parts of the scaling check's rounds.
    pub parts: Parts,
    /// The channels to people.
    pub teller: Teller,
    /// The time of day.
    pub clock: SystemClock,
}

impl Wiring {
    /// Wires everything as the environment says.
    ///
    /// # Errors
    /// See [`Env::from_env`].
    pub async fn from_env() -> anyhow::Result<Wiring> {
        Ok(Wiring::new(Env::from_env()?, Clients::load().await))
    }

    /// Wires everything with given clients.
    #[must_use]
    pub fn new(env: Env, clients: Clients) -> Wiring {
        Wiring {
            world: World::new(clients.clone(), env.margins),
            table: Table::new(clients.dynamodb.clone(), &env.table),
            queues: Queues::new(clients.sqs.clone(), &env.work_queue, &env.delay_queue),
            parts: Parts::new(clients.sqs.clone(), &env.scaling_queue),
            teller: Teller::new(&clients, env.topic.clone(), env.slack_secret.clone()),
            clock: SystemClock,
            env,
            clients,
        }
    }
}

/// Reads an event for a handler. What is ignored or malformed is logged, with the reason, and is none: delivering it
/// again would not help.
#[must_use]
pub fn event(payload: &Value) -> Option<Event> {
    match intake::read(payload) {
        Ok(Event::Ignored(why)) => {
            tracing::info!(why, "ignored");
            None
        }
        Ok(event) => Some(event),
        Err(malformed) => {
            tracing::warn!(%malformed, "dropped: delivering it again would not help");
            None
        }
    }
}

/// The namespace of our metrics in CloudWatch.
const NAMESPACE: &str = "Flipback";

/// The unit of a metric, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
}

/// Prints metrics as one line of CloudWatch's Embedded Metric Format, which the log group turns into metrics.
pub fn emf(dimensions: &[(&str, &str)], metrics: &[(&str, Unit, f64)]) {
    let line = emf_line(SystemClock.now(), dimensions, metrics);
    // A metric that cannot be printed is no reason to fail.
    let _lost = writeln!(std::io::stdout().lock(), "{line}");
}

/// The line of [`emf`].
#[must_use]
pub fn emf_line(at: Time, dimensions: &[(&str, &str)], metrics: &[(&str, Unit, f64)]) -> String {
    let definition = |(name, unit, _): &(&str, Unit, f64)| json!({"Name": name, "Unit": match unit { Unit::Count => "Count", Unit::Seconds => "Seconds" }});
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let definitions: Vec<Value> = metrics.iter().map(definition).collect();
    let about = json!({
        "Timestamp": at.0,
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions}],
    });
    let mut line = Map::from_iter([("_aws".to_owned(), about)]);
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "FLIPBACK_TABLE" => Some("flipback".to_owned()),
            "FLIPBACK_WORK_QUEUE" | "FLIPBACK_DELAY_QUEUE" | "FLIPBACK_SCALING_QUEUE" => {
                Some("https://sqs/q".to_owned())
            }
            "FLIPBACK_SLACK_SECRET" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn an_empty_variable_is_none() {
        let read = Env::read(env).unwrap();
        assert_eq!((read.slack_secret, read.topic, read.margins), (None, None, Margins::default()));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let broken = Env::read(|name| (name == "FLIPBACK_MARGINS").then(|| "{\"nope\": 1}".to_owned())).unwrap_err();
        for name in ["FLIPBACK_TABLE", "FLIPBACK_WORK_QUEUE", "FLIPBACK_SCALING_QUEUE", "FLIPBACK_MARGINS"] {
            assert!(broken.to_string().contains(name), "{broken}");
        }
    }

    #[test]
    fn margins_may_be_given_in_part() {
        let some = margins(Some("{\"drain\": \"5s\"}")).unwrap();
        assert_eq!(some, Margins { drain: shared::time::Span::secs(5), ..Margins::default() });
        assert_eq!(margins(Some("quick")), Ok(Margins::quick()));
    }

    #[test]
    fn a_metric_line_is_embedded_metric_format() {
        let line = emf_line(Time(5), &[("Service", "shop")], &[("RolledBack", Unit::Count, 1.0)]);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Service"]]));
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Metrics"][0], json!({"Name": "RolledBack", "Unit": "Count"}));
        assert_eq!((&value["Service"], &value["RolledBack"]), (&json!("shop"), &json!(1.0)));
    }
}
