//! A table's stream as an event source: filters, order, retries, bisecting, age limit.

use super::failures;
use crate::functions::Function;
use crate::inner::Inner;
use crate::template::Stream;
use anyhow::Context;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at a quiet stream; Lambda looks four times a second.
const POLL: Duration = Duration::from_millis(200);

/// Pauses before a failed batch is tried again: short, a story waits for it.
const RETRY: Duration = Duration::from_secs(1);

/// Reads the stream until the cloud stops.
pub(crate) async fn run(inner: Arc<Inner>, function: Arc<Function>, stream: Stream) {
    loop {
        if let Err(error) = follow(&inner, &function, &stream).await {
            inner.remark(format!("the stream of {}: {error:#}", stream.table));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn follow(inner: &Arc<Inner>, function: &Arc<Function>, stream: &Stream) -> anyhow::Result<()> {
    let call = |operation: &'static str, input: Value| async move {
        inner.database.streams(&inner.client, operation, &input).await
    };
    let table = inner.database.call(&inner.client, "DescribeTable", &json!({"TableName": stream.table})).await?;
    let arn = table["Table"]["LatestStreamArn"].as_str().context("the table has no stream")?.to_owned();
    let described = call("DescribeStream", json!({"StreamArn": arn})).await?;
    // The embedded database has one shard per table, which never splits.
    let shard = described["StreamDescription"]["Shards"][0]["ShardId"].as_str().context("the stream has no shard")?;
    let start = if stream.from_start { "TRIM_HORIZON" } else { "LATEST" };
    let input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": start});
    let mut iterator = call("GetShardIterator", input).await?["ShardIterator"].clone();
    loop {
        let got = call("GetRecords", json!({"ShardIterator": iterator, "Limit": stream.batch.min(1000)})).await?;
        let records = got["Records"].as_array().cloned().unwrap_or_default();
        let wanted: Vec<Value> = records
            .iter()
            .map(|record| lambda_record(record, stream, inner))
            .filter(|record| passes(record, stream))
            .collect();
        if !wanted.is_empty() {
            Batch { inner, function, stream }.send(wanted).await;
        }
        iterator = got["NextShardIterator"].clone();
        if iterator.is_null() {
            return Ok(());
        }
        if records.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
}

fn lambda_record(record: &Value, stream: &Stream, inner: &Inner) -> Value {
    let mut record = record.clone();
    record["eventSourceARN"] = json!(stream.arn);
    record["awsRegion"] = json!(inner.region);
    record
}

fn passes(record: &Value, stream: &Stream) -> bool {
    stream.filters.is_empty() || stream.filters.iter().any(|filter| filter.matches(record))
}

struct Batch<'a> {
    inner: &'a Arc<Inner>,
    function: &'a Arc<Function>,
    stream: &'a Stream,
}

impl Batch<'_> {
    /// Sends records until each was taken, ran out of retries or grew too old. Order is kept: the shard waits.
    async fn send(&self, records: Vec<Value>) {
        // Parts still to be sent, the next one last, each with its failed attempts.
        let mut parts: Vec<(Vec<Value>, u64)> = vec![(records, 0)];
        while let Some((mut records, attempts)) = parts.pop() {
            records.retain(|record| self.is_young(record));
            if records.is_empty() || self.stream.retries.is_some_and(|retries| attempts > retries) {
                continue;
            }
            let payload = json!({ "Records": records }).to_string();
            let first_failed = match self.function.invoke(self.inner, payload).await.answer() {
                Ok(_) if !self.stream.partial => None,
                Ok(answer) => match failures(&answer) {
                    Ok(failed) => records.iter().position(|record| failed.contains(sequence(record))),
                    Err(()) => Some(0),
                },
                Err(_) => Some(0),
            };
            let Some(first_failed) = first_failed else { continue };
            let mut left = records.split_off(first_failed);
            // A function that reports the place is retried from there; one that only fails has its batch cut in two.
            if self.stream.bisect && first_failed == 0 && left.len() > 1 {
                let second = left.split_off(left.len() / 2);
                parts.push((second, 0));
                parts.push((left, 0));
            } else {
                parts.push((left, if first_failed == 0 { attempts + 1 } else { 1 }));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn is_young(&self, record: &Value) -> bool {
        let made = record["dynamodb"]["ApproximateCreationDateTime"].as_f64();
        match (self.stream.max_age, made) {
            (Some(limit), Some(made)) => self.inner.clock.now() as f64 / 1000.0 - made <= limit.as_secs_f64(),
            _ => true,
        }
    }
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}
