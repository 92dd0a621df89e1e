//! The one port: every AWS client's request, told apart, answered in the form it was asked in.

mod cbor;
mod dynamo;
mod faults;
mod members;
mod query;
mod told;
mod xml;

pub(crate) use dynamo::own_call as call_database;

use crate::http::{self, Body, answer};
use crate::inner::Inner;
use hyper::body::Incoming;
use hyper::{Request, Response, header::HeaderValue};
use model::{AwsError, Service};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use told::{Told, Wire};

/// SQS allows 20 s of long polling.
const LONGEST_POLL_SECONDS: u64 = 20;
const POLL_STEP: Duration = Duration::from_millis(50);

/// Answers one request to the cloud's port.
pub(crate) async fn front(inner: Arc<Inner>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    if let Some(page) = path.strip_prefix("/_local/") {
        let page = page.to_owned();
        return crate::pages::page(&inner, &page);
    }
    if path.starts_with("/slack/") {
        let path = path.to_owned();
        let Some(body) = http::read(request.into_body()).await else { return cut() };
        return crate::slack::post(&inner, &path, &body);
    }
    let (parts, body) = request.into_parts();
    let Some(body) = http::read(body).await else { return cut() };
    let signed = told::signed(&parts.headers);
    if let Some(operation) = dynamo::operation(&parts.headers) {
        return dynamo::relay(&inner, &signed, &operation, parts, body).await;
    }
    let id = inner.request_id();
    let mut response = match told::tell(&parts, &body, &signed) {
        Ok(told) => {
            let caller = told::caller(&signed.key);
            let region = signed.region.as_deref().unwrap_or(&inner.region).to_owned();
            let result = call(&inner, &told, &caller, &region).await;
            write(&told, result, &id)
        }
        Err(refusal) => refusal.response(&id),
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
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
    match (&told.wire, result) {
        (Wire::Json(content_type), Ok(out)) => answer(200, content_type, out.to_string()),
        (Wire::Json(content_type), Err(error)) => faults::json(told.service, content_type, &error),
        (Wire::Cbor, Ok(out)) => faults::mark_cbor(answer(200, "application/cbor", cbor::write(&out))),
        (Wire::Cbor, Err(error)) => faults::cbor(&error),
        (Wire::Query(namespace), Ok(out)) => answer(200, "text/xml", xml::answer(&told.operation, namespace, &out, id)),
        (Wire::Query(namespace), Err(error)) => faults::xml(namespace, &error, id),
    }
}

/// The client went away in the middle of its own request.
fn cut() -> Response<Body> {
    answer(400, "text/plain", "the request body did not arrive")
}
