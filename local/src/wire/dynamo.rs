//! DynamoDB is not ours: requests are relayed to the embedded database, whose own HTTP face has full wire fidelity.

use crate::http::{self, Body, answer, full, text_header};
use crate::inner::Inner;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, header};
use model::AwsError;
use serde_json::json;
use std::sync::Arc;

/// `Some("PutItem")` for a request to DynamoDB or its streams.
pub(super) fn operation(headers: &HeaderMap) -> Option<String> {
    match text_header(headers, "x-amz-target")?.split_once('.')? {
        ("DynamoDB_20120810" | "DynamoDBStreams_20120810", operation) => Some(operation.to_owned()),
        _ => None,
    }
}

pub(super) async fn relay(inner: Arc<Inner>, operation: String, parts: Parts, body: Bytes) -> Response<Body> {
    let Ok(uri) = format!("http://{}/", inner.database.address).parse() else { return unavailable() };
    let mut request = Request::from_parts(parts, full(body));
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::HOST);
    let answered = match inner.client.request(request).await {
        Ok(answered) => answered,
        Err(_) => return unavailable(),
    };
    let (mut head, body) = answered.into_parts();
    let Ok(body) = body.collect().await else { return unavailable() };
    let mut body = body.to_bytes();
    if operation == "GetRecords" {
        body = correct_identity(body);
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove("x-amz-crc32");
    }
    Response::from_parts(head, full(body))
}

/// TTL removals come with `type` and `principalId`; AWS and the Rust SDK write them `Type` and `PrincipalId`.
fn correct_identity(body: Bytes) -> Bytes {
    let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(&body) else { return body };
    let records = document["Records"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    for record in records {
        if let Some(identity) = record.get_mut("userIdentity").and_then(|identity| identity.as_object_mut()) {
            for (from, to) in [("type", "Type"), ("principalId", "PrincipalId")] {
                if let Some(value) = identity.remove(from) {
                    identity.insert(to.to_owned(), value);
                }
            }
        }
    }
    Bytes::from(document.to_string())
}

fn unavailable() -> Response<Body> {
    refuse(&AwsError::server("InternalServerError", "the embedded database did not answer"))
}

/// An error as DynamoDB writes it.
pub(super) fn refuse(error: &AwsError) -> Response<Body> {
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{}", error.code), "message": error.message});
    answer(error.status, "application/x-amz-json-1.0", body.to_string())
}

/// A call of the cloud itself, past the journal: table set-up and the stream's poller.
pub(crate) async fn own_call(
    inner_address: std::net::SocketAddr,
    client: &http::HttpClient,
    target: &str,
    input: &serde_json::Value,
) -> anyhow::Result<serde_json::Value> {
    let request = Request::post(format!("http://{inner_address}/"))
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        // The database wants to see a signature and does not check it.
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=LOCAL/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(full(input.to_string()))?;
    let answered = client.request(request).await?;
    let status = answered.status();
    let body = answered.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status.is_success(), "{target}: {status} {}", String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_a_ttl_removal_is_spelled_as_aws_does() {
        let body = r#"{"Records":[{"eventName":"REMOVE","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}}]}"#;
        let fixed: serde_json::Value = serde_json::from_slice(&correct_identity(Bytes::from(body))).unwrap();
        assert_eq!(fixed["Records"][0]["userIdentity"]["Type"], "Service");
        assert_eq!(fixed["Records"][0]["userIdentity"]["PrincipalId"], "dynamodb.amazonaws.com");
    }
}
