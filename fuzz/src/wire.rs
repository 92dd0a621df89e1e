//! What the local cloud takes from any client on its port.

#[path = "../../local/src/wire/cbor.rs"]
mod cbor;
#[allow(dead_code)]
#[path = "../../local/src/wire/members.rs"]
mod members;
#[path = "../../local/src/wire/query.rs"]
mod query;
#[path = "../../local/src/wire/xml.rs"]
mod xml;

use model::AwsError;
use serde_json::Value;

/// A request body of any shape is a document or none, and a document can be answered on every wire.
pub fn body(data: &[u8]) {
    let form = query::fields(data);
    let input = query::input(&form);
    assert!(input.is_object());
    answered(&input);
    if let Some(document) = cbor::read(data) {
        answered(&document);
    }
    if let Ok(document) = serde_json::from_slice::<Value>(data) {
        answered(&document);
    }
    let words = String::from_utf8_lossy(data);
    let error = xml::error(&AwsError::new("ValidationError", words.as_ref()), "ns", "id");
    assert!(error.ends_with("</ErrorResponse>"));
}

fn answered(document: &Value) {
    assert!(xml::answer("Describe", "ns", document, "id").ends_with("</DescribeResponse>"));
    assert!(cbor::read(&cbor::write(document)).is_some(), "what was written cannot be read");
}
