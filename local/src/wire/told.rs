//! Which service and operation a request is for, who sent it, and its input document.

use super::{cbor, ec2, faults, query};
use crate::http::{Body, answer, text_header};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response};
use model::{AwsError, Service};
use serde_json::Value;

/// The form a request came in, and so the form of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// AWS JSON, with its content type.
    Json(&'static str),
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// Form in, XML out, with its namespace.
    Query(&'static str),
    /// EC2's form in, EC2's XML out.
    Ec2,
}

impl Wire {
    /// What a record calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Wire::Json(_) => "json",
            Wire::Cbor => "cbor",
            Wire::Query(_) => "query",
            Wire::Ec2 => "ec2",
        }
    }
}

/// A request that is understood.
pub(super) struct Told {
    pub(super) service: Service,
    pub(super) operation: String,
    pub(super) wire: Wire,
    pub(super) input: Value,
}

/// A request that is not: the error in the form that the client can most likely read.
pub(super) struct Refusal {
    wire: Wire,
    error: AwsError,
}

impl Refusal {
    fn new(wire: Wire, code: &str, message: impl Into<String>) -> Refusal {
        Refusal { wire, error: AwsError::new(code, message) }
    }

    pub(super) fn response(&self, id: &str) -> Response<Body> {
        match self.wire {
            Wire::Json(content_type) => faults::json(Service::Ecs, content_type, &self.error),
            Wire::Cbor => faults::cbor(&self.error),
            Wire::Query(namespace) => faults::xml(namespace, &self.error, id),
            Wire::Ec2 => answer(self.error.status, "text/xml", ec2::error(&self.error, id)),
        }
    }
}

/// What the signature says; it is read, not verified.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) key: String,
    pub(super) region: Option<String>,
    pub(super) service: Option<String>,
}

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";
const CBOR_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";
const NO_NAMESPACE: &str = "http://queue.amazonaws.com/doc/";

/// `Credential=KEY/DATE/REGION/SERVICE/aws4_request` of the Authorization header.
pub(super) fn signed(headers: &HeaderMap) -> Signed {
    let scope =
        text_header(headers, "authorization").and_then(|text| text.split_once("Credential=")).map(|(_, rest)| rest);
    let Some(scope) = scope.and_then(|rest| rest.split([',', ' ']).next()) else { return Signed::default() };
    let mut parts = scope.split('/');
    let key = parts.next().unwrap_or_default().to_owned();
    let mut rest = parts.skip(1).map(str::to_owned);
    Signed { key, region: rest.next().filter(|region| !region.is_empty()), service: rest.next() }
}

/// The name the journal knows a caller by: the functions have keys of their own, every other key is a person's.
pub(super) fn caller(key: &str) -> String {
    match key.strip_prefix(crate::functions::KEY_PREFIX) {
        Some(function) => format!("function:{function}"),
        None if key.is_empty() => "user:anonymous".to_owned(),
        None => format!("user:{key}"),
    }
}

/// The process of a function that sends this: functions have session tokens of their own.
pub(super) fn process(headers: &HeaderMap) -> Option<u64> {
    text_header(headers, "x-amz-security-token")?.strip_prefix(crate::functions::TOKEN_PREFIX)?.parse().ok()
}

pub(super) fn tell(parts: &Parts, body: &[u8], signed: &Signed) -> Result<Told, Refusal> {
    if let Some(operation) = parts.uri.path().strip_prefix(CBOR_PATH) {
        let input = cbor::read(body)
            .ok_or_else(|| Refusal::new(Wire::Cbor, "SerializationException", "the body is not a CBOR document"))?;
        return Ok(Told { service: Service::CloudWatch, operation: operation.to_owned(), wire: Wire::Cbor, input });
    }
    if let Some(target) = text_header(&parts.headers, "x-amz-target") {
        return json(target, body);
    }
    form(parts, body, signed)
}

fn json(target: &str, body: &[u8]) -> Result<Told, Refusal> {
    let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
    let (service, content_type) = match prefix {
        "AmazonEC2ContainerServiceV20141113" => (Service::Ecs, JSON_1_1),
        "AnyScaleFrontendService" => (Service::AutoScaling, JSON_1_1),
        "AmazonEC2ContainerRegistry_V20150921" => (Service::Ecr, JSON_1_1),
        "secretsmanager" => (Service::SecretsManager, JSON_1_1),
        "AmazonSQS" => (Service::Sqs, JSON_1_0),
        "GraniteServiceVersion20100801" => (Service::CloudWatch, JSON_1_0),
        _ => {
            let message = format!("{target} is not served by this local cloud");
            return Err(Refusal::new(Wire::Json(JSON_1_0), "UnknownOperationException", message));
        }
    };
    let wire = Wire::Json(content_type);
    let input = if body.is_empty() {
        query::empty()
    } else {
        serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Refusal::new(wire, "SerializationException", "the body is not a JSON object"))?
    };
    Ok(Told { service, operation: operation.to_owned(), wire, input })
}

fn form(parts: &Parts, body: &[u8], signed: &Signed) -> Result<Told, Refusal> {
    let fields = if body.is_empty() {
        query::fields(parts.uri.query().unwrap_or_default().as_bytes())
    } else {
        query::fields(body)
    };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str());
    let service = match (field("Version"), signed.service.as_deref()) {
        (Some(ec2::VERSION), _) | (None, Some("ec2")) => Some(Service::Ec2),
        (Some("2015-12-01"), _) => Some(Service::Elb),
        (Some("2010-03-31"), _) => Some(Service::Sns),
        (Some("2011-06-15"), _) => Some(Service::Sts),
        (Some("2010-08-01"), _) => Some(Service::CloudWatch),
        (None, Some("elasticloadbalancing")) => Some(Service::Elb),
        (None, Some("sns")) => Some(Service::Sns),
        (None, Some("sts")) => Some(Service::Sts),
        (None, Some("monitoring")) => Some(Service::CloudWatch),
        _ => None,
    };
    let (Some(operation), Some(service)) = (field("Action"), service) else {
        let what = field("Action").unwrap_or("a request without X-Amz-Target, Action or operation path");
        let message = format!("{what} is not served by this local cloud");
        return Err(Refusal::new(Wire::Query(NO_NAMESPACE), "InvalidAction", message));
    };
    if service == Service::Ec2 {
        let (operation, input) = (operation.to_owned(), ec2::input(&fields));
        return Ok(Told { service, operation, wire: Wire::Ec2, input });
    }
    let namespace = match service {
        Service::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        Service::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "http://monitoring.amazonaws.com/doc/2010-08-01/",
    };
    let input = query::input(&fields);
    Ok(Told { service, operation: operation.to_owned(), wire: Wire::Query(namespace), input })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_scope_names_key_region_and_service() {
        let mut headers = HeaderMap::new();
        let value =
            "AWS4-HMAC-SHA256 Credential=AKIDX/20261120/eu-west-1/ecs/aws4_request, SignedHeaders=host, Signature=0";
        headers.insert("authorization", value.parse().unwrap());
        let signed = signed(&headers);
        assert_eq!(
            signed,
            Signed { key: "AKIDX".into(), region: Some("eu-west-1".into()), service: Some("ecs".into()) }
        );
        assert_eq!(super::signed(&HeaderMap::new()), Signed::default());
    }

    #[test]
    fn a_functions_key_is_told_from_a_persons() {
        assert_eq!(caller("FUNCTION.on-alarm"), "function:on-alarm");
        assert_eq!(caller("AKIDX"), "user:AKIDX");
        assert_eq!(caller(""), "user:anonymous");
    }
}
