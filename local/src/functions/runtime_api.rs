//! The Lambda Runtime API (version 2018-06-01) of one process.

use crate::http::{self, Body, answer, json};
use crate::lock;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response};
use serde_json::{Value, json as document};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot, watch};

/// What a process answered to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// The function's answer.
    Response(Bytes),
    /// The function's error document.
    Error(Bytes),
}

/// An invocation on its way to the process.
pub(super) struct Invocation {
    pub(super) id: String,
    pub(super) payload: String,
    pub(super) deadline_ms: u64,
    pub(super) arn: String,
}

/// The two ends that meet here: the host hands in invocations, the process fetches and answers them.
pub(super) struct RuntimeApi {
    next: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    waiting: Mutex<Option<(String, oneshot::Sender<Said>)>>,
    /// True from the process's first request for work on: the init phase is over.
    ready: watch::Sender<bool>,
    /// Why the init phase failed, if it did.
    init_error: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) fn new() -> (Arc<RuntimeApi>, mpsc::Sender<Invocation>) {
        let (send, next) = mpsc::channel(1);
        let api = RuntimeApi {
            next: tokio::sync::Mutex::new(next),
            waiting: Mutex::new(None),
            ready: watch::Sender::new(false),
            init_error: Mutex::new(None),
        };
        (Arc::new(api), send)
    }

    pub(super) fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    pub(super) fn init_error(&self) -> Option<String> {
        lock(&self.init_error).clone()
    }

    /// The answer to invocation `id` will come out of the receiver.
    pub(super) fn expect(&self, id: &str) -> oneshot::Receiver<Said> {
        let (send, receive) = oneshot::channel();
        *lock(&self.waiting) = Some((id.to_owned(), send));
        receive
    }

    fn said(&self, id: &str, said: Said) -> Response<Body> {
        let mut waiting = lock(&self.waiting);
        match waiting.take() {
            Some((expected, send)) if expected == id => {
                let _ = send.send(said);
                json(202, &document!({"status": "OK"}))
            }
            other => {
                *waiting = other;
                fault(400, "InvalidRequestID", "no invocation with this id is waiting")
            }
        }
    }
}

/// Answers one request of the process.
pub(super) async fn serve(api: Arc<RuntimeApi>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
        return fault(404, "NotFound", "not a path of the Runtime API");
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&api).await,
        (&Method::POST, ["invocation", id, "response"]) => match http::read(request.into_body()).await {
            Some(body) => api.said(id, Said::Response(body)),
            None => fault(400, "Truncated", "the response did not arrive"),
        },
        (&Method::POST, ["invocation", id, "error"]) => match http::read(request.into_body()).await {
            Some(body) => api.said(id, Said::Error(body)),
            None => fault(400, "Truncated", "the error did not arrive"),
        },
        (&Method::POST, ["init", "error"]) => {
            let body = http::read(request.into_body()).await.unwrap_or_default();
            *lock(&api.init_error) = Some(String::from_utf8_lossy(&body).into_owned());
            json(202, &document!({"status": "OK"}))
        }
        _ => fault(404, "NotFound", "not a path of the Runtime API"),
    }
}

async fn next(api: &RuntimeApi) -> Response<Body> {
    api.ready.send_replace(true);
    let invocation = api.next.lock().await.recv().await;
    let Some(invocation) = invocation else { return fault(403, "Shutdown", "this instance is shutting down") };
    let mut response = answer(200, "application/json", invocation.payload);
    let trace = format!("Root=1-{:08x}-{:0>24};Sampled=0", invocation.deadline_ms / 1000, "0");
    for (name, value) in [
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.arn),
        ("lambda-runtime-trace-id", trace),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn fault(status: u16, kind: &str, message: &str) -> Response<Body> {
    let body: Value = document!({"errorType": kind, "errorMessage": message});
    json(status, &body)
}
