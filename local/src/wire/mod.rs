//! The one port: every AWS client's request, told apart, answered in the form it was asked in.

mod cbor;
mod dynamo;
mod ec2;
mod faults;
mod gate;
mod members;
mod query;
mod told;
mod xml;

pub(crate) use dynamo::own_call as call_database;

use crate::http::{self, Body, answer};
use crate::inner::{Inner, service_name};
use crate::record::{self, Taken};
use gate::Caller;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, header::HeaderValue};
use model::{AwsError, Service};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use told::{Signed, Told, Wire};

/// SQS allows 20 s of long polling.
const LONGEST_POLL_SECONDS: u64 = 20;
const POLL_STEP: Duration = Duration::from_millis(50);

/// Answers one request to the cloud's port.
pub(crate) async fn front(inner: Arc<Inner>, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
    if let Some((listener, port)) = request.uri().authority().and_then(|to| inner.listener_named(to)) {
        return crate::traffic::forward(inner, listener, port, request, peer).await;
    }
    let path = request.uri().path();
    if let Some(page) = path.strip_prefix("/_local/") {
        let page = page.to_owned();
        if let Some(rest) = page.strip_prefix("faults") {
            let method = request.method().clone();
            let Some(body) = http::read(request.into_body()).await else { return cut() };
            return crate::pages::faults(&inner, &method, rest.trim_start_matches('/'), &body);
        }
        return crate::pages::page(&inner, &page);
    }
    if path.starts_with("/slack/") {
        let path = path.to_owned();
        let Some(body) = http::read(request.into_body()).await else { return cut() };
        let caller = Caller { name: "webhook".to_owned(), process: None };
        let posting = inner.clone();
        let post = async move { crate::slack::post(&posting, &path, &body) };
        return gate::through(&inner, &caller, "slack", "PostMessage", crate::slack::refuse, post).await;
    }
    let (parts, body) = request.into_parts();
    let Some(body) = http::read(body).await else { return cut() };
    let signed = told::signed(&parts.headers);
    let Some(recorder) = &inner.recorder else { return api(&inner, &signed, parts, body).await.1 };
    let (at, request) = (inner.clock.now(), record::request(&parts, &body));
    let (taken, response) = api(&inner, &signed, parts, body).await;
    recorder.keep(at, &told::caller(&signed.key), request, taken, response).await
}

/// One API call: what it was taken for, if anything, and its answer.
async fn api(inner: &Arc<Inner>, signed: &Signed, parts: Parts, body: Bytes) -> (Option<Taken>, Response<Body>) {
    let caller = Caller { name: told::caller(&signed.key), process: told::process(&parts.headers) };
    if let Some(operation) = dynamo::operation(&parts.headers) {
        let relayed = dynamo::relay(inner.clone(), operation.clone(), parts, body);
        let response = gate::through(inner, &caller, "dynamodb", &operation, dynamo::refuse, relayed).await;
        return (Some(Taken { service: "dynamodb".to_owned(), operation, protocol: "json" }), response);
    }
    let id = inner.request_id();
    let (taken, mut response) = match told::tell(&parts, &body, signed) {
        Ok(told) => {
            let region = signed.region.as_deref().unwrap_or(&inner.region).to_owned();
            let service = service_name(told.service);
            let operation = told.operation.clone();
            let (wire, of) = (told.wire, told.service);
            let refuse = |error: &AwsError| refused(of, wire, error, &id);
            let (calling, name, id) = (inner.clone(), caller.name.clone(), id.clone());
            let made = async move {
                let result = call(&calling, &told, &name, &region).await;
                write(&told, result, &id)
            };
            let response = gate::through(inner, &caller, service, &operation, refuse, made).await;
            (Some(Taken { service: service.to_owned(), operation, protocol: wire.name() }), response)
        }
        Err(refusal) => (None, refusal.response(&id)),
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    (taken, response)
}

async fn call(inner: &Arc<Inner>, told: &Told, caller: &str, region: &str) -> Result<Value, AwsError> {
    let long_poll = told.service == Service::Sqs && told.operation == "ReceiveMessage";
    let wait = told.input["WaitTimeSeconds"].as_u64().filter(|_| long_poll).unwrap_or(0).min(LONGEST_POLL_SECONDS);
    let until = inner.clock.now() + wait * 1000;
    loop {
        let result = inner.call(told.service, &told.operation, &told.input, caller, region);
        let empty = result.as_ref().is_ok_and(|out| out["Messages"].as_array().is_none_or(Vec::is_empty));
        if !(long_poll && empty) || inner.clock.now() >= until {
            return result;
        }
        tokio::time::sleep(POLL_STEP).await;
    }
}

fn write(told: &Told, result: Result<Value, AwsError>, id: &str) -> Response<Body> {
    let out = match result {
        Ok(out) => out,
        Err(error) => return refused(told.service, told.wire, &error, id),
    };
    match told.wire {
        Wire::Json(content_type) => answer(200, content_type, out.to_string()),
        // Smithy RPC v2: an operation without output has neither a body nor a content type.
        Wire::Cbor if !members::has_output(&told.operation) => {
            faults::mark_cbor(Response::new(http::full(Bytes::new())))
        }
        Wire::Cbor => faults::mark_cbor(answer(200, "application/cbor", cbor::write(&out))),
        Wire::Query(namespace) => answer(200, "text/xml", xml::answer(&told.operation, namespace, &out, id)),
        Wire::Ec2 => answer(200, "text/xml", ec2::answer(&told.operation, &out, id)),
    }
}

/// An error in the form that the request came in.
fn refused(service: Service, wire: Wire, error: &AwsError, id: &str) -> Response<Body> {
    match wire {
        Wire::Json(content_type) => faults::json(service, content_type, error),
        Wire::Cbor => faults::cbor(error),
        Wire::Query(namespace) => faults::xml(namespace, error, id),
        Wire::Ec2 => answer(error.status, "text/xml", ec2::error(error, id)),
    }
}

/// The client went away in the middle of its own request.
fn cut() -> Response<Body> {
    answer(400, "text/plain", "the request body did not arrive")
}
