//! Invocations of one function: how many at once, which process, retries.

use super::process::Process;
use crate::inner::Inner;
use crate::lock;
use crate::template::{Dead, FunctionSpec};
use hyper::body::Bytes;
use model::Service;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Processes of one function at once, where the template does not say: enough for two services and a schedule.
const CONCURRENCY: usize = 3;

/// Lambda waits one minute before the first retry and two before the second; a story cannot.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With an answer.
    Answered(Bytes),
    /// With the function's own error document.
    Failed(String),
    /// The process ended instead.
    Died(String),
    /// Its timeout passed and it was killed.
    TimedOut,
}

impl Outcome {
    /// The answer as JSON, or what went wrong.
    pub(crate) fn answer(self) -> Result<Value, String> {
        match self {
            Outcome::Answered(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null)),
            Outcome::Failed(error) | Outcome::Died(error) => Err(error),
            Outcome::TimedOut => Err("Task timed out".to_owned()),
        }
    }
}

/// What a function did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) invocations: u64,
    pub(crate) errors: u64,
}

/// The processes that were asked to die.
#[derive(Debug, Default)]
pub(super) struct Kills {
    /// How often all of them were.
    pub(super) all: u64,
    /// Single ones.
    pub(super) ones: BTreeSet<u64>,
}

/// A function and its idle processes.
pub(crate) struct Function {
    pub(crate) spec: FunctionSpec,
    binary: PathBuf,
    extra: BTreeMap<String, String>,
    idle: Mutex<Vec<Process>>,
    slots: Semaphore,
    kills: watch::Sender<Kills>,
    started: AtomicU64,
    invocations: AtomicU64,
    errors: AtomicU64,
}

impl Function {
    pub(crate) fn new(spec: FunctionSpec, binary: PathBuf, extra: BTreeMap<String, String>) -> Function {
        let slots = Semaphore::new(spec.concurrency.unwrap_or(CONCURRENCY).max(1));
        Function {
            spec,
            binary,
            extra,
            idle: Mutex::new(Vec::new()),
            slots,
            kills: watch::Sender::new(Kills::default()),
            started: AtomicU64::new(0),
            invocations: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// One invocation on an idle process, or on a new one; waits while as many run as may.
    pub(crate) async fn invoke(&self, inner: &Arc<Inner>, payload: String) -> Outcome {
        let Ok(_slot) = self.slots.acquire().await else { return Outcome::Died("the function is gone".to_owned()) };
        self.invocations.fetch_add(1, Ordering::Relaxed);
        let outcome = match self.process(inner).await {
            Ok(mut process) => {
                let outcome = process.invoke(inner, &self.spec, payload).await;
                if matches!(outcome, Outcome::Answered(_) | Outcome::Failed(_)) && process.is_alive() {
                    lock(&self.idle).push(process);
                } else {
                    process.end().await;
                }
                outcome
            }
            Err(error) => Outcome::Died(format!("{error:#}")),
        };
        match &outcome {
            Outcome::Answered(_) => {}
            Outcome::Failed(error) | Outcome::Died(error) => self.failed(inner, error),
            Outcome::TimedOut => self.failed(inner, "Task timed out"),
        }
        outcome
    }

    fn failed(&self, inner: &Inner, error: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        inner.remark(format!("{} failed: {error}", self.spec.name));
    }

    async fn process(&self, inner: &Arc<Inner>) -> anyhow::Result<Process> {
        loop {
            let idle = lock(&self.idle).pop();
            let Some(mut process) = idle else { break };
            if process.is_alive() {
                return Ok(process);
            }
            process.end().await;
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        Process::start(inner, &self.spec, &self.binary, &self.extra, number, self.kills.subscribe()).await
    }

    /// An event, taken in asynchronously: retried on errors, then sent to the failure destination.
    pub(crate) fn deliver(self: Arc<Self>, inner: &Arc<Inner>, payload: String, from: &str) {
        let (inner, from) = (inner.clone(), from.to_owned());
        inner.tasks.clone().spawn(async move {
            let mut attempt = 0;
            loop {
                let error = match self.invoke(&inner, payload.clone()).await.answer() {
                    Ok(_) => return,
                    Err(error) => error,
                };
                attempt += 1;
                if attempt > self.spec.async_retries {
                    self.give_up(&inner, &payload, &error, attempt, &from);
                    return;
                }
                tokio::time::sleep(RETRY_PAUSE * attempt as u32).await;
            }
        });
    }

    /// The record of an OnFailure destination, in the shape Lambda gives it.
    fn give_up(&self, inner: &Arc<Inner>, payload: &str, error: &str, attempts: u64, from: &str) {
        inner.remark(format!("{} gave up on an event of {from} after {attempts} attempts", self.spec.name));
        let Some(Dead(arn)) = &self.spec.on_failure else { return };
        let Some(name) = arn.rsplit(':').next() else { return };
        let function =
            format!("arn:aws:lambda:{}:{}:function:{}:$LATEST", inner.region, inner.account, self.spec.full_name);
        let record = json!({
            "version": "1.0",
            "timestamp": crate::clock::iso_seconds(inner.clock.now()),
            "requestContext": {"requestId": inner.request_id(), "functionArn": function, "condition": "RetriesExhausted",
                "approximateInvokeCount": attempts},
            "requestPayload": serde_json::from_str::<Value>(payload).unwrap_or(Value::Null),
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": serde_json::from_str::<Value>(error).unwrap_or_else(|_| json!({"errorMessage": error})),
        });
        let url = format!("{}/{}/{name}", inner.endpoint, inner.account);
        let input = json!({"QueueUrl": url, "MessageBody": record.to_string()});
        let region = inner.region.clone();
        if let Err(error) = inner.call(Service::Sqs, "SendMessage", &input, "service:lambda", &region) {
            inner.remark(format!("the failure destination of {} refused: {error}", self.spec.name));
        }
    }

    /// SIGKILL to every process, idle or at work.
    pub(crate) fn kill(&self) {
        self.kills.send_modify(|kills| kills.all += 1);
        // Dropping an idle process kills it.
        lock(&self.idle).clear();
    }

    /// SIGKILL to one process; an idle one is found dead when it is wanted.
    pub(crate) fn kill_one(&self, number: u64) {
        self.kills.send_modify(|kills| {
            kills.ones.insert(number);
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { invocations: self.invocations.load(Ordering::Relaxed), errors: self.errors.load(Ordering::Relaxed) }
    }

    /// Ends the idle processes and waits for them.
    pub(crate) async fn stop(&self) {
        self.slots.close();
        let idle = std::mem::take(&mut *lock(&self.idle));
        for mut process in idle {
            process.end().await;
        }
    }
}
