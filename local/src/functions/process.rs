//! One process of a function: started, watched, and never left behind.

use super::runtime_api::{self, Invocation, RuntimeApi, Said};
use super::{
    KEY_PREFIX, TOKEN_PREFIX,
    invoke::{Kills, Outcome},
};
use crate::http;
use crate::inner::Inner;
use crate::tasks::stopped;
use crate::template::FunctionSpec;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

/// Lambda gives the init phase ten seconds.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A running process and its Runtime API. Dropping it kills the process.
pub(super) struct Process {
    child: Child,
    api: Arc<RuntimeApi>,
    next: mpsc::Sender<Invocation>,
    stop: watch::Sender<bool>,
    /// Among the processes of its function.
    number: u64,
    /// SIGKILL is asked for through this, by a fault or by `kill_function`.
    kill: watch::Receiver<Kills>,
    /// Kills of all before the start do not count.
    killed_before: u64,
}

impl Process {
    /// Starts the process; it may not be ready yet.
    pub(super) async fn start(
        inner: &Arc<Inner>,
        spec: &FunctionSpec,
        binary: &Path,
        extra: &BTreeMap<String, String>,
        number: u64,
        kill: watch::Receiver<Kills>,
    ) -> anyhow::Result<Process> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("binding a Runtime API")?;
        let address = listener.local_addr()?;
        let (api, next) = RuntimeApi::new();
        let stop = watch::Sender::new(false);
        let handler = {
            let api = api.clone();
            move |request, _| runtime_api::serve(api.clone(), request)
        };
        inner.tasks.spawn(http::serve(listener, stop.subscribe(), inner.tasks.clone(), handler));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TZ", ":UTC")
            .env("AWS_REGION", &inner.region)
            .env("AWS_DEFAULT_REGION", &inner.region)
            .env("AWS_ACCESS_KEY_ID", format!("{KEY_PREFIX}{}", spec.name))
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_SESSION_TOKEN", format!("{TOKEN_PREFIX}{number}"))
            .env("AWS_ENDPOINT_URL", &inner.endpoint)
            // Load balancers' names are not in any DNS: requests to them come to the front door, as to a proxy.
            .env("HTTP_PROXY", &inner.endpoint)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", &spec.full_name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string())
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.full_name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("_HANDLER", &spec.handler)
            .envs(&spec.environment)
            .envs(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own: an interrupt at the terminal is for the host, which then ends its children.
        command.process_group(0);
        let killed_before = kill.borrow().all;
        let mut child = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        if let Some(out) = child.stdout.take() {
            inner.tasks.spawn(copy_lines(inner.clone(), spec.name.clone(), out));
        }
        if let Some(err) = child.stderr.take() {
            inner.tasks.spawn(copy_lines(inner.clone(), spec.name.clone(), err));
        }
        Ok(Process { child, api, next, stop, number, kill, killed_before })
    }

    /// One invocation. After anything but `Answered` and `Failed` the process is gone.
    pub(super) async fn invoke(&mut self, inner: &Arc<Inner>, spec: &FunctionSpec, payload: String) -> Outcome {
        if let Some(over) = self.init().await {
            return over;
        }
        let id = inner.request_id();
        let deadline_ms = inner.clock.now() + spec.timeout.as_millis() as u64;
        let arn = format!("arn:aws:lambda:{}:{}:function:{}", inner.region, inner.account, spec.full_name);
        let said = self.api.expect(&id);
        if self.next.send(Invocation { id, payload, deadline_ms, arn }).await.is_err() {
            return Outcome::Died("the Runtime API is gone".to_owned());
        }
        let mut kill = self.kill.clone();
        let (number, before) = (self.number, self.killed_before);
        tokio::select! {
            biased;
            () = killed(&mut kill, number, before) => {
                self.end().await;
                Outcome::Died("Runtime exited with error: signal: killed".to_owned())
            }
            said = said => match said {
                Ok(Said::Response(bytes)) => Outcome::Answered(bytes),
                Ok(Said::Error(bytes)) => Outcome::Failed(String::from_utf8_lossy(&bytes).into_owned()),
                Err(_) => Outcome::Died("the answer was lost".to_owned()),
            },
            status = self.child.wait() => {
                Outcome::Died(format!("Runtime exited: {}", status.map(|status| status.to_string()).unwrap_or_default()))
            }
            () = tokio::time::sleep(spec.timeout) => {
                self.end().await;
                Outcome::TimedOut
            }
        }
    }

    /// Waits for the end of the init phase; `Some` when it did not end well.
    async fn init(&mut self) -> Option<Outcome> {
        let mut ready = self.api.ready();
        let failed = tokio::select! {
            () = stopped(&mut ready) => return None,
            status = self.child.wait() => {
                let status = status.map(|status| status.to_string()).unwrap_or_default();
                self.api.init_error().unwrap_or(format!("Runtime exited before it asked for work: {status}"))
            }
            () = tokio::time::sleep(INIT_LIMIT) => "the init phase took longer than ten seconds".to_owned(),
        };
        self.end().await;
        Some(Outcome::Died(failed))
    }

    /// Whether the process can take an invocation: it has not exited and was not asked to die.
    pub(super) fn is_alive(&mut self) -> bool {
        !self.kill.borrow().hit(self.number, self.killed_before) && matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until the process is gone.
    pub(super) async fn end(&mut self) {
        self.stop.send_replace(true);
        let _ = self.child.kill().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Kills {
    /// Whether a process is among them.
    fn hit(&self, number: u64, before: u64) -> bool {
        self.all > before || self.ones.contains(&number)
    }
}

async fn killed(kill: &mut watch::Receiver<Kills>, number: u64, before: u64) {
    if kill.wait_for(|kills| kills.hit(number, before)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn copy_lines(inner: Arc<Inner>, function: String, out: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        inner.log.push(inner.clock.now(), &function, line);
    }
}
