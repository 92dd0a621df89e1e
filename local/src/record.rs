//! Every API call as it was on the wire, one JSON line each: what the conformance suites replay through AWS's own models.

use crate::http::{Body, full};
use crate::lock;
use anyhow::Context;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// The file in the directory that is recorded to.
const FILE: &str = "calls.jsonl";

/// What a request was taken for.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// The service, as hooks name it.
    pub(crate) service: String,
    /// The operation.
    pub(crate) operation: String,
    /// `json`, `cbor` or `query`.
    pub(crate) protocol: &'static str,
}

/// Where calls are written to.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<File>);

impl Recorder {
    /// Begins a new record in `directory`, which is made if need be; an older record there is replaced.
    pub(crate) fn create(directory: &Path) -> anyhow::Result<Recorder> {
        std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let path = directory.join(FILE);
        let file = File::create(&path).with_context(|| format!("recording to {}", path.display()))?;
        Ok(Recorder(Mutex::new(file)))
    }

    /// Writes one call down; the answer is given back as it was.
    pub(crate) async fn keep(
        &self,
        at: model::Millis,
        caller: &str,
        request: Value,
        taken: Option<Taken>,
        response: Response<Body>,
    ) -> Response<Body> {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await else { return Response::from_parts(head, full(Bytes::new())) };
        let body = body.to_bytes();
        let line = json!({
            "at": at, "caller": caller,
            "service": taken.as_ref().map(|taken| &taken.service),
            "operation": taken.as_ref().map(|taken| &taken.operation),
            "protocol": taken.as_ref().map(|taken| taken.protocol),
            "request": request,
            "response": {"status": head.status.as_u16(), "headers": headers(&head.headers), "body": text(&body)},
        });
        // A record that cannot be written on is cut short; the calls go on.
        let _ = writeln!(lock(&self.0), "{line}");
        Response::from_parts(head, full(body))
    }
}

/// A request as it came.
pub(crate) fn request(parts: &Parts, body: &[u8]) -> Value {
    json!({
        "method": parts.method.as_str(), "path": parts.uri.to_string(), "headers": headers(&parts.headers),
        "body": text(body),
    })
}

/// A body that is no UTF-8 is an object with its bytes in hex.
fn text(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "hex": body.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

/// Headers in their order. Of what proves an identity only the credential scope is kept: whoever points a real key at a
/// local cloud shall not find it in a file.
fn headers(headers: &HeaderMap) -> Value {
    let lines = headers.iter().filter(|(name, _)| *name != "x-amz-security-token").map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = match (name.as_str(), text.split_once(',')) {
            ("authorization", Some((scope, _))) => scope.to_owned(),
            _ => text.into_owned(),
        };
        json!([name.as_str(), text])
    });
    Value::Array(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn a_body_is_kept_as_text_or_else_as_bytes() {
        assert_eq!(text(b"{}"), "{}");
        assert_eq!(text(&[0xbf, 0xff]), json!({ "hex": "bfff" }));
    }

    #[test]
    fn neither_signature_nor_session_token_is_kept() {
        let request_ = Request::post("/")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=K/20261120/r/ecs/aws4_request, SignedHeaders=h, Signature=s",
            )
            .header("x-amz-security-token", "t")
            .body(())
            .expect("a request");
        let kept = request(&request_.into_parts().0, b"");
        assert_eq!(
            kept["headers"],
            json!([["authorization", "AWS4-HMAC-SHA256 Credential=K/20261120/r/ecs/aws4_request"]])
        );
    }
}
