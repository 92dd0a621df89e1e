//! One `AWS::Serverless::Function` and what starts it.

use crate::events::Pattern;
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lambda's own default of retries for events that it took in itself.
const ASYNC_RETRIES: u64 = 2;

/// A function of the template.
#[derive(Debug, Clone)]
pub(crate) struct FunctionSpec {
    /// The last part of CodeUri, such as `on-alarm`: the name people, binaries and the journal use.
    pub(crate) name: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub(crate) full_name: String,
    /// The binary, where the package has several.
    pub(crate) binary: String,
    pub(crate) handler: String,
    pub(crate) memory_mb: u64,
    pub(crate) timeout: Duration,
    pub(crate) environment: BTreeMap<String, String>,
    /// How many processes at once; `None` is the local cloud's own choice.
    pub(crate) concurrency: Option<usize>,
    pub(crate) async_retries: u64,
    /// Where events go that failed every time.
    pub(crate) on_failure: Option<Dead>,
    pub(crate) triggers: Vec<(String, Trigger)>,
}

/// The ARN of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dead(pub(crate) String);

/// What starts a function.
#[derive(Debug, Clone)]
pub(crate) enum Trigger {
    /// An EventBridge rule.
    Rule { pattern: Pattern, input: Option<String> },
    /// An EventBridge schedule.
    Schedule { every: Duration, input: Option<String> },
    /// A queue.
    Queue { arn: String, batch: u64, partial: bool, concurrency: Option<usize> },
    /// A table's stream.
    Stream(Stream),
}

/// A table's stream as an event source.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) table: String,
    pub(crate) arn: String,
    pub(crate) batch: u64,
    pub(crate) from_start: bool,
    pub(crate) partial: bool,
    pub(crate) bisect: bool,
    /// `None` is without end.
    pub(crate) retries: Option<u64>,
    pub(crate) max_age: Option<Duration>,
    /// A record passes when any filter matches; without filters all pass.
    pub(crate) filters: Vec<Pattern>,
}

impl FunctionSpec {
    /// Reads resolved properties, Globals merged in.
    pub(super) fn read(logical: &str, properties: &Value, metadata: &Value) -> anyhow::Result<FunctionSpec> {
        let code = properties["CodeUri"].as_str().context("CodeUri is missing")?;
        let name = code.trim_end_matches('/').rsplit('/').next().unwrap_or(code).to_owned();
        let mut environment = BTreeMap::new();
        for (key, value) in super::members(&properties["Environment"]["Variables"]) {
            environment.insert(key.clone(), text(value));
        }
        // Lambda tells the runtime about LoggingConfig in these two.
        for (key, member) in [("AWS_LAMBDA_LOG_FORMAT", "LogFormat"), ("AWS_LAMBDA_LOG_LEVEL", "ApplicationLogLevel")] {
            if let Some(value) = properties["LoggingConfig"][member].as_str() {
                environment.insert(key.to_owned(), value.to_owned());
            }
        }
        let invoke = &properties["EventInvokeConfig"];
        let mut triggers = Vec::new();
        for (event, definition) in super::members(&properties["Events"]) {
            if definition["Properties"]["State"] == "DISABLED" {
                continue;
            }
            let trigger = trigger(definition).with_context(|| format!("in the event {event}"))?;
            triggers.push((event.clone(), trigger));
        }
        Ok(FunctionSpec {
            full_name: properties["FunctionName"]
                .as_str()
                .map_or_else(|| format!("{}-{logical}", super::STACK), str::to_owned),
            binary: metadata["BuildProperties"]["Binary"].as_str().unwrap_or(&name).to_owned(),
            handler: properties["Handler"].as_str().unwrap_or("bootstrap").to_owned(),
            memory_mb: properties["MemorySize"].as_u64().unwrap_or(128),
            timeout: Duration::from_secs(properties["Timeout"].as_u64().unwrap_or(3)),
            environment,
            concurrency: properties["ReservedConcurrentExecutions"].as_u64().map(|n| n as usize),
            async_retries: invoke["MaximumRetryAttempts"].as_u64().unwrap_or(ASYNC_RETRIES),
            on_failure: invoke["DestinationConfig"]["OnFailure"]["Destination"]
                .as_str()
                .map(|arn| Dead(arn.to_owned())),
            triggers,
            name,
        })
    }
}

fn trigger(definition: &Value) -> anyhow::Result<Trigger> {
    let properties = &definition["Properties"];
    let input = properties["Input"].as_str().map(str::to_owned);
    let partial = properties["FunctionResponseTypes"]
        .as_array()
        .is_some_and(|types| types.contains(&"ReportBatchItemFailures".into()));
    let batch = properties["BatchSize"].as_u64();
    match definition["Type"].as_str() {
        Some("EventBridgeRule" | "CloudWatchEvent") => {
            Ok(Trigger::Rule { pattern: Pattern::read(&properties["Pattern"])?, input })
        }
        Some("ScheduleV2" | "Schedule") => {
            let expression = properties["ScheduleExpression"].as_str().or(properties["Schedule"].as_str());
            Ok(Trigger::Schedule { every: rate(expression.context("ScheduleExpression is missing")?)?, input })
        }
        Some("SQS") => Ok(Trigger::Queue {
            arn: properties["Queue"].as_str().context("Queue is missing")?.to_owned(),
            batch: batch.unwrap_or(10),
            partial,
            concurrency: properties["ScalingConfig"]["MaximumConcurrency"].as_u64().map(|n| n as usize),
        }),
        Some("DynamoDB") => {
            let arn = properties["Stream"].as_str().context("Stream is missing")?.to_owned();
            let table = arn.split('/').nth(1).with_context(|| format!("{arn} is no stream"))?.to_owned();
            let filters = properties["FilterCriteria"]["Filters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let filters: anyhow::Result<Vec<Pattern>> = filters.iter().map(filter).collect();
            Ok(Trigger::Stream(Stream {
                table,
                arn,
                batch: batch.unwrap_or(100),
                from_start: properties["StartingPosition"] != "LATEST",
                partial,
                bisect: properties["BisectBatchOnFunctionError"] == true,
                retries: properties["MaximumRetryAttempts"].as_i64().and_then(|n| u64::try_from(n).ok()),
                max_age: properties["MaximumRecordAgeInSeconds"]
                    .as_i64()
                    .and_then(|seconds| u64::try_from(seconds).ok())
                    .map(Duration::from_secs),
                filters: filters?,
            }))
        }
        other => bail!("the local cloud has no event source {}", other.unwrap_or("without a type")),
    }
}

/// A filter's pattern is JSON in a string.
fn filter(filter: &Value) -> anyhow::Result<Pattern> {
    let text = filter["Pattern"].as_str().context("a filter without a Pattern")?;
    let pattern: Value = serde_json::from_str(text).with_context(|| format!("{text} is no JSON"))?;
    Pattern::read(&pattern)
}

/// `rate(5 minutes)`. Cron expressions are not served here.
fn rate(expression: &str) -> anyhow::Result<Duration> {
    let unknown = || anyhow!("{expression} is not served here: only rate(N minutes), rate(N hours), rate(N days)");
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(unknown)?;
    let (number, unit) = inner.trim().split_once(' ').ok_or_else(unknown)?;
    let number: u64 = number.parse().ok().filter(|n| *n > 0).ok_or_else(unknown)?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return Err(unknown()),
    };
    Ok(Duration::from_secs(number * seconds))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_cron_is_refused_by_name() {
        assert_eq!(rate("rate(1 minute)").unwrap(), Duration::from_secs(60));
        assert_eq!(rate("rate(2 hours)").unwrap(), Duration::from_secs(7200));
        assert!(rate("cron(0 * * * ? *)").unwrap_err().to_string().contains("only rate"));
        assert!(rate("rate(0 minutes)").is_err());
    }
}
