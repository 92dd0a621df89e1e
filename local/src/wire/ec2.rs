//! EC2's own Query protocol: lists are numbered without `member`, answers begin with small letters and hold their lists in sets of
//! items, without a result element; errors have a form of their own.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::AwsError;
use serde_json::{Map, Value, json};

use super::xml::escape;

/// The version that clients send, and the namespace of answers.
pub(super) const VERSION: &str = "2016-11-15";
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The input document of the API model, of what is served here: subnets and filters.
pub(super) fn input(fields: &[(String, String)]) -> Value {
    let mut document = Map::new();
    let mut ids: BTreeMap<u64, &str> = BTreeMap::new();
    let mut filters: BTreeMap<u64, (Value, BTreeMap<u64, &str>)> = BTreeMap::new();
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    for (name, text) in fields {
        match name.split('.').collect::<Vec<_>>().as_slice() {
            ["Action" | "Version"] => {}
            ["SubnetId", place] => drop(ids.insert(number(place), text)),
            ["Filter", place, "Name"] => filters.entry(number(place)).or_default().0 = json!(text),
            ["Filter", place, "Value", nth] => {
                filters.entry(number(place)).or_default().1.insert(number(nth), text);
            }
            [plain] => drop(document.insert((*plain).to_owned(), json!(text))),
            _ => {}
        }
    }
    if !ids.is_empty() {
        document.insert("SubnetIds".to_owned(), json!(ids.values().collect::<Vec<_>>()));
    }
    if !filters.is_empty() {
        let filter = |(name, values): &(Value, BTreeMap<u64, &str>)| json!({ "Name": name, "Values": values.values().collect::<Vec<_>>() });
        document.insert("Filters".to_owned(), filters.values().map(filter).collect());
    }
    Value::Object(document)
}

/// A complete answer of `operation`.
pub(super) fn answer(operation: &str, result: &Value, request_id: &str) -> String {
    let mut out = format!("<{operation}Response xmlns=\"{NAMESPACE}\"><requestId>{request_id}</requestId>");
    members(&mut out, result);
    let _ = write!(out, "</{operation}Response>");
    out
}

pub(super) fn error(error: &AwsError, request_id: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
        escape(&error.code),
        escape(&error.message)
    )
}

fn members(out: &mut String, structure: &Value) {
    for (name, value) in structure.as_object().into_iter().flatten() {
        let mut name = name.clone();
        name[..1].make_ascii_lowercase();
        if let (Value::Array(_), Some(one)) = (value, name.strip_suffix('s')) {
            name = format!("{one}Set");
        }
        let _ = write!(out, "<{name}>");
        match value {
            Value::Array(items) => {
                for item in items {
                    out.push_str("<item>");
                    members(out, item);
                    out.push_str("</item>");
                }
            }
            Value::Object(_) => members(out, value),
            Value::String(text) => out.push_str(&escape(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => drop(write!(out, "{value}")),
        }
        let _ = write!(out, "</{name}>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_the_document_of_the_api_model() {
        let form = b"Action=DescribeSubnets&Version=2016-11-15&MaxResults=5&Filter.1.Name=subnet-id&Filter.1.Value.2=b&Filter.1.Value.1=a\
            &SubnetId.1=c";
        let want = json!({ "MaxResults": "5", "Filters": [{ "Name": "subnet-id", "Values": ["a", "b"] }], "SubnetIds": ["c"] });
        assert_eq!(input(&super::super::query::fields(form)), want);
    }

    #[test]
    fn answers_have_sets_of_items_and_no_result() {
        let result = json!({ "Subnets": [{ "SubnetId": "a<b", "AvailableIpAddressCount": 7, "DefaultForAz": false }], "NextToken": "2" });
        assert_eq!(
            answer("DescribeSubnets", &result, "id"),
            "<DescribeSubnetsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>id</requestId><nextToken>2</nextToken>\
             <subnetSet><item><availableIpAddressCount>7</availableIpAddressCount><defaultForAz>false</defaultForAz>\
             <subnetId>a&lt;b</subnetId></item></subnetSet></DescribeSubnetsResponse>"
        );
        let gone = AwsError::new("InvalidSubnetID.NotFound", "gone");
        assert!(error(&gone, "id").starts_with("<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code>"));
    }
}
