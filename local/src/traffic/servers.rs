//! The tasks: each RUNNING task is a real HTTP server on its own loopback address, and behaves as its image says.

use super::bind;
use crate::http::{self, Body, answer, read, text_header};
use crate::inner::Inner;
use crate::lock;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response, header::HeaderValue};
use model::{Millis, ProbeResult, TaskPlan};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Requests with this agent are health checks, whatever their path.
pub(super) const HEALTH_CHECKER: &str = "ELB-HealthChecker/2.0";

struct Serving {
    stop: watch::Sender<bool>,
    ip: String,
    ports: Vec<u16>,
}

/// All tasks that are being served.
#[derive(Default)]
pub(crate) struct Servers {
    serving: Mutex<BTreeMap<String, Serving>>,
    /// Targets whose own address could not be bound, and where they listen instead.
    elsewhere: Mutex<BTreeMap<(String, u16), SocketAddr>>,
    /// By address, where tasks do not listen.
    silent: Option<Mutex<BTreeMap<String, TaskPlan>>>,
}

/// One task: its plan, and how many requests it has answered.
struct Task {
    plan: TaskPlan,
    requests: AtomicU64,
}

impl Servers {
    /// With sockets, tasks listen and answer.
    pub(crate) fn new(sockets: bool) -> Servers {
        Servers { silent: (!sockets).then(Mutex::default), ..Servers::default() }
    }

    /// What a task that does not listen would say to a health check; none: tasks do.
    pub(super) fn would_say(&self, target_id: &str, now: Millis) -> Option<ProbeResult> {
        let silent = lock(self.silent.as_ref()?);
        let plan = silent.get(target_id);
        Some(plan.map_or(ProbeResult::Refused, |plan| {
            ProbeResult::Status(plan.manners.health(now.saturating_sub(plan.started_at)))
        }))
    }

    pub(crate) fn start(&self, inner: &Arc<Inner>, plan: TaskPlan) {
        if let Some(silent) = &self.silent {
            lock(silent).insert(plan.ip.clone(), plan);
            return;
        }
        let stop = watch::Sender::new(false);
        let (task_id, ip) = (plan.task_id.clone(), plan.ip.clone());
        let ports = if plan.ports.is_empty() { vec![plan.port] } else { plan.ports.clone() };
        let task = Arc::new(Task { plan, requests: AtomicU64::new(0) });
        for port in &ports {
            let Some((listener, real)) = bind(&ip, *port) else {
                inner.remark(format!("task {task_id} has no port to listen on"));
                continue;
            };
            if real.ip().to_string() != ip || real.port() != *port {
                lock(&self.elsewhere).insert((ip.clone(), *port), real);
            }
            let _context = inner.tasks.handle().enter();
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
            let handler = {
                let (inner, task) = (inner.clone(), task.clone());
                move |request, _| respond(inner.clone(), task.clone(), request)
            };
            inner.tasks.spawn(http::serve(listener, stop.subscribe(), inner.tasks.clone(), handler));
        }
        lock(&self.serving).insert(task_id, Serving { stop, ip, ports });
    }

    pub(crate) fn stop(&self, task_id: &str) {
        if let Some(silent) = &self.silent {
            lock(silent).retain(|_, plan| plan.task_id != task_id);
        }
        if let Some(serving) = lock(&self.serving).remove(task_id) {
            serving.stop.send_replace(true);
            let mut elsewhere = lock(&self.elsewhere);
            for port in serving.ports {
                elsewhere.remove(&(serving.ip.clone(), port));
            }
        }
    }

    /// Where a target can really be connected to.
    pub(crate) fn real(&self, target_id: &str, port: u16) -> Option<SocketAddr> {
        let elsewhere = lock(&self.elsewhere);
        if !elsewhere.is_empty()
            && let Some(address) = elsewhere.get(&(target_id.to_owned(), port))
        {
            return Some(*address);
        }
        target_id.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
    }
}

async fn respond(inner: Arc<Inner>, task: Arc<Task>, request: Request<Incoming>) -> Response<Body> {
    let running_for = inner.clock.now().saturating_sub(task.plan.started_at);
    let probe = text_header(request.headers(), "user-agent") == Some(HEALTH_CHECKER);
    if !request.body().is_end_stream() {
        // Read and forgotten, so that the connection can be used again.
        let _ = read(request.into_body()).await;
    }
    let status = if probe {
        task.plan.manners.health(running_for)
    } else {
        let n = task.requests.fetch_add(1, Ordering::Relaxed);
        let answer = task.plan.manners.answer(running_for, n);
        if answer.delay > 0 {
            tokio::time::sleep(Duration::from_millis(answer.delay)).await;
        }
        answer.status
    };
    let plan = &task.plan;
    let mut response = answer(status, "text/plain", format!("{} {} {}\n", plan.service, plan.image_tag, plan.task_id));
    for (name, text) in
        [("x-image-tag", &plan.image_tag), ("x-image-digest", &plan.digest), ("x-task-id", &plan.task_id)]
    {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
