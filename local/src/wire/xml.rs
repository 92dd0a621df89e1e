//! Answers of the Query protocol: JSON written as XML, the way the SDKs insist on it (result first, lists as `<member>`).

use super::members;
use model::AwsError;
use serde_json::Value;
use std::fmt::Write;

/// A complete answer of `operation`. The result element must be the first child, or the Rust SDK refuses the answer.
pub(super) fn answer(operation: &str, namespace: &str, result: &Value, request_id: &str) -> String {
    let mut out = String::with_capacity(1024);
    let _ = write!(out, "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>");
    if let Value::Object(members) = result {
        for (name, value) in members {
            element(&mut out, name, value);
        }
    }
    let _ = write!(
        out,
        "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    out
}

pub(super) fn error(error: &AwsError, namespace: &str, request_id: &str) -> String {
    let fault = if error.status >= 500 { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(&error.code),
        escape(&error.message)
    )
}

fn element(out: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    let _ = write!(out, "<{name}>");
    content(out, name, value);
    let _ = write!(out, "</{name}>");
}

fn content(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64() {
            Some(seconds) if members::is_time(name) => out.push_str(&crate::clock::iso_from_epoch(seconds)),
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        Value::String(text) => out.push_str(&escape(text)),
        Value::Array(items) => {
            for item in items {
                out.push_str("<member>");
                // A list of structures may have the name of a map elsewhere (`Attributes`): its items are no maps.
                content(out, if item.is_object() { "member" } else { name }, item);
                out.push_str("</member>");
            }
        }
        Value::Object(members) if members::is_map(name) => {
            for (key, value) in members {
                let _ = write!(out, "<entry><key>{}</key><value>", escape(key));
                content(out, "value", value);
                out.push_str("</value></entry>");
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                element(out, name, value);
            }
        }
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML 1.0, even escaped.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_members_maps_are_entries_and_times_are_iso() {
        let result = json!({"Rules": [{"IsDefault": false, "Priority": "10", "Nothing": null, "A": {
            "AuthenticationRequestExtraParams": {"k": "a<b&c"}}}], "CreatedTime": 1763629200.0});
        let xml = answer("DescribeRules", "ns", &result, "id");
        assert_eq!(
            xml,
            "<DescribeRulesResponse xmlns=\"ns\"><DescribeRulesResult><CreatedTime>2025-11-20T09:00:00Z</CreatedTime>\
             <Rules><member><A><AuthenticationRequestExtraParams><entry><key>k</key><value>a&lt;b&amp;c</value></entry>\
             </AuthenticationRequestExtraParams></A><IsDefault>false</IsDefault><Priority>10</Priority></member></Rules>\
             </DescribeRulesResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DescribeRulesResponse>"
        );
    }

    #[test]
    fn a_list_named_like_a_map_keeps_its_structures() {
        let xml = answer("D", "ns", &json!({"Attributes": [{"Key": "k", "Value": "v"}]}), "id");
        assert!(xml.contains("<Attributes><member><Key>k</Key><Value>v</Value></member></Attributes>"), "{xml}");
    }

    #[test]
    fn an_error_names_the_sender_and_its_code() {
        let xml = error(&AwsError::new("RuleNotFound", "no <rule>"), "ns", "id");
        assert!(
            xml.contains("<Type>Sender</Type><Code>RuleNotFound</Code><Message>no &lt;rule&gt;</Message>"),
            "{xml}"
        );
    }
}
