//! Errors in each wire form, with the headers by which SDKs recognise them.

use super::{cbor as encode, xml as markup};
use crate::http::{Body, answer};
use hyper::{Response, header::HeaderValue};
use model::{AwsError, Service};
use serde_json::json;

/// SQS: the shape's name, and the older Query code that SDKs match on through the header.
const SQS_CODES: &[(&str, &str)] = &[
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

/// CloudWatch: the same two names.
const CLOUDWATCH_CODES: &[(&str, &str)] = &[
    ("InternalServiceFault", "InternalServiceError"),
    ("InvalidFormatFault", "InvalidFormat"),
    ("InvalidParameterCombinationException", "InvalidParameterCombination"),
    ("InvalidParameterValueException", "InvalidParameterValue"),
    ("LimitExceededFault", "LimitExceeded"),
    ("MissingRequiredParameterException", "MissingParameter"),
];

pub(super) fn json(service: Service, content_type: &'static str, error: &AwsError) -> Response<Body> {
    let (shape, header) = match service {
        Service::Sqs => {
            let (shape, old) = both(SQS_CODES, &error.code);
            (format!("com.amazonaws.sqs#{shape}"), Some(old))
        }
        Service::CloudWatch => {
            let (shape, old) = both(CLOUDWATCH_CODES, &error.code);
            (shape.to_owned(), Some(old))
        }
        _ => (error.code.clone(), None),
    };
    let body = json!({"__type": shape, "message": error.message, "Message": error.message});
    let response = answer(error.status, content_type, body.to_string());
    match header {
        Some(code) => with_query_error(response, code, error.status),
        None => response,
    }
}

pub(super) fn cbor(error: &AwsError) -> Response<Body> {
    let (shape, old) = both(CLOUDWATCH_CODES, &error.code);
    let body = json!({"__type": format!("com.amazonaws.cloudwatch#{shape}"), "message": error.message});
    let response = mark_cbor(answer(error.status, "application/cbor", encode::write(&body)));
    with_query_error(response, old, error.status)
}

/// The protocol demands this header on every answer; the Rust SDK does not check it, others do.
pub(super) fn mark_cbor(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    response
}

pub(super) fn xml(namespace: &str, error: &AwsError, id: &str) -> Response<Body> {
    answer(error.status, "text/xml", markup::error(error, namespace, id))
}

fn with_query_error(mut response: Response<Body>, code: &str, status: u16) -> Response<Body> {
    let fault = if status >= 500 { "Receiver" } else { "Sender" };
    if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

/// Shape and old code, whichever of them `code` is.
fn both<'a>(table: &'a [(&'a str, &'a str)], code: &'a str) -> (&'a str, &'a str) {
    table.iter().find(|(shape, old)| *shape == code || *old == code).copied().unwrap_or((code, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqs_error_carries_the_old_code_in_the_header() {
        for code in ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] {
            let response = json(Service::Sqs, "application/x-amz-json-1.0", &AwsError::new(code, "gone"));
            assert_eq!(response.status(), 400);
            let header = response.headers().get("x-amzn-query-error").unwrap();
            assert_eq!(header, "AWS.SimpleQueueService.NonExistentQueue;Sender");
        }
    }

    #[test]
    fn a_cbor_error_is_marked_as_cbor() {
        let response = cbor(&AwsError::new("InvalidParameterValue", "no"));
        assert_eq!(response.headers().get("smithy-protocol").unwrap(), "rpc-v2-cbor");
        assert_eq!(response.headers().get("x-amzn-query-error").unwrap(), "InvalidParameterValue;Sender");
    }
}
