//! Conditions of rules: checked, completed, matched.

use serde_json::{Value, json};

use super::validation;
use crate::{AwsError, RequestHead};

/// A condition in a form to match by. All conditions of a rule must hold; one value of each is enough.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Path(Vec<String>),
    Host(Vec<String>),
    Header(String, Vec<String>),
    Method(Vec<String>),
    Query(Vec<(Option<String>, String)>),
    Source(Vec<(u128, u128)>),
}

/// `*` is any number of characters, `?` exactly one.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

fn like(pattern: &str, text: &str) -> bool {
    glob(pattern.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes())
}

/// An address as a number, IPv4 mapped into the IPv6 space, with the bits that its family has before it.
fn address(text: &str) -> Option<(u128, u32)> {
    match text.parse::<std::net::IpAddr>().ok()? {
        std::net::IpAddr::V4(v4) => Some((u128::from(v4.to_ipv6_mapped()), 96)),
        std::net::IpAddr::V6(v6) => Some((u128::from(v6), 0)),
    }
}

fn network(text: &str) -> Option<(u128, u128)> {
    let (base, bits) = text.split_once('/')?;
    let (base, before) = address(base)?;
    let bits = bits.parse::<u32>().ok()? + before;
    let mask = match bits {
        0 => 0,
        1..=128 => u128::MAX << (128 - bits),
        _ => return None,
    };
    Some((base & mask, mask))
}

impl Condition {
    pub(super) fn holds(&self, head: &RequestHead<'_>) -> bool {
        match self {
            // Paths are compared with their case, hosts and headers without.
            Condition::Path(patterns) => patterns.iter().any(|p| glob(p.as_bytes(), head.path.as_bytes())),
            Condition::Host(patterns) => {
                let host = head.host.split(':').next().unwrap_or_default();
                patterns.iter().any(|p| like(p, host))
            }
            Condition::Header(name, patterns) => {
                let mut values = head.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                values.any(|(_, value)| patterns.iter().any(|p| like(p, value)))
            }
            Condition::Method(methods) => methods.iter().any(|method| method == head.method),
            Condition::Query(pairs) => head.query.split('&').any(|item| {
                let (key, value) = item.split_once('=').unwrap_or((item, ""));
                pairs.iter().any(|(k, v)| k.as_deref().is_none_or(|k| like(k, key)) && like(v, value))
            }),
            Condition::Source(networks) => {
                address(head.source_ip).is_some_and(|(ip, _)| networks.iter().any(|(base, mask)| ip & mask == *base))
            }
        }
    }
}

/// What the API reference says of the texts of a condition.
fn check_lengths(field: &str, config: &Value, values: &[Value]) -> Result<(), AwsError> {
    let longest = if field == "http-request-method" { 40 } else { 128 };
    let parts = |value: &Value| [value.clone(), value["Key"].clone(), value["Value"].clone()];
    for part in values.iter().flat_map(parts) {
        let text = part.as_str().unwrap_or_default();
        if text.chars().count() > longest {
            return Err(validation(format!("A condition value of {field} can have at most {longest} characters")));
        }
        let method = |c: char| c.is_ascii_uppercase() || matches!(c, '-' | '_');
        if field == "http-request-method" && !text.chars().all(method) {
            return Err(validation(format!("The request method '{text}' can only have A-Z, '-' and '_'")));
        }
    }
    if field == "query-string" && values.iter().any(|value| value["Value"].as_str().unwrap_or_default().is_empty()) {
        return Err(validation("A query-string condition needs a Value; the Key can be left out"));
    }
    if config["HttpHeaderName"].as_str().unwrap_or_default().chars().count() > 40 {
        return Err(validation("The name of a header can have at most 40 characters"));
    }
    Ok(())
}

/// Checks conditions and brings them into the form that is shown (`Values` beside the config for paths and hosts).
pub(super) fn check(given: &[Value]) -> Result<(Vec<Value>, Vec<Condition>), AwsError> {
    let (mut shown, mut compiled) = (Vec::new(), Vec::new());
    for condition in given {
        let mut condition = condition.clone();
        let field = condition["Field"].as_str().unwrap_or_default().to_owned();
        let name = match field.as_str() {
            "path-pattern" => "PathPatternConfig",
            "host-header" => "HostHeaderConfig",
            "http-header" => "HttpHeaderConfig",
            "http-request-method" => "HttpRequestMethodConfig",
            "query-string" => "QueryStringConfig",
            "source-ip" => "SourceIpConfig",
            other => return Err(validation(format!("Condition field '{other}' must be one of the six known ones"))),
        };
        if !condition[name]["RegexValues"].is_null() || !condition["RegexValues"].is_null() {
            return Err(validation("Conditions with RegexValues are not in this local cloud yet"));
        }
        let shorthand = matches!(field.as_str(), "path-pattern" | "host-header");
        let values = match condition[name]["Values"].as_array() {
            Some(values) => values.clone(),
            None if shorthand => condition["Values"].as_array().cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        if values.is_empty() {
            return Err(validation(format!("A condition on {field} must have a value")));
        }
        if values.len() > 5 {
            return Err(AwsError::new("TooManyConditionValues", "A rule can have at most 5 condition values"));
        }
        if shorthand {
            condition["Values"] = json!(values);
            condition[name] = json!({ "Values": values });
        }
        let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        check_lengths(&field, &condition[name], &values)?;
        compiled.push(match field.as_str() {
            "path-pattern" => Condition::Path(texts),
            "host-header" => Condition::Host(texts),
            "http-header" => {
                let header = condition[name]["HttpHeaderName"].as_str().unwrap_or_default();
                if header.is_empty() || header.eq_ignore_ascii_case("host") {
                    return Err(validation("An http-header condition must name a header other than Host"));
                }
                Condition::Header(header.to_owned(), texts)
            }
            "http-request-method" => Condition::Method(texts),
            "query-string" => {
                let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
                Condition::Query(
                    values.iter().map(|v| (text(v, "Key"), text(v, "Value").unwrap_or_default())).collect(),
                )
            }
            _ => {
                let networks: Option<Vec<_>> = texts.iter().map(|text| network(text)).collect();
                Condition::Source(networks.ok_or_else(|| validation("A source-ip value must be in CIDR form"))?)
            }
        });
        shown.push(condition);
    }
    Ok((shown, compiled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head<'a>(path: &'a str, host: &'a str, query: &'a str) -> RequestHead<'a> {
        RequestHead { method: "GET", path, query, host, headers: &[], source_ip: "10.1.2.3", sticky: None }
    }

    fn holds(condition: Value, head: &RequestHead<'_>) -> bool {
        check(&[condition]).expect("valid").1[0].holds(head)
    }

    #[test]
    fn patterns_match_as_the_load_balancer_does() {
        let request = head("/img/Cat.png", "Shop.example.com:8080", "v=2&x");
        assert!(holds(json!({ "Field": "path-pattern", "Values": ["/img/*.png"] }), &request));
        assert!(!holds(json!({ "Field": "path-pattern", "Values": ["/img/cat.png"] }), &request));
        assert!(holds(json!({ "Field": "host-header", "Values": ["*.EXAMPLE.com"] }), &request));
        let query =
            json!({ "Field": "query-string", "QueryStringConfig": { "Values": [{ "Key": "v", "Value": "?" }] } });
        assert!(holds(query, &request));
        let source = |net: &str| json!({ "Field": "source-ip", "SourceIpConfig": { "Values": [net] } });
        assert!(holds(source("10.1.0.0/16"), &request));
        assert!(!holds(source("10.2.0.0/16"), &request));
    }

    #[test]
    fn texts_beyond_the_documented_lengths_are_refused() {
        let header = |name: &str| json!({ "HttpHeaderName": name, "Values": ["a"] });
        for (refused, taken) in [
            (
                json!({ "Field": "path-pattern", "Values": ["x".repeat(129)] }),
                json!({ "Field": "path-pattern", "Values": ["x".repeat(128)] }),
            ),
            (
                json!({ "Field": "http-header", "HttpHeaderConfig": header(&"x".repeat(41)) }),
                json!({ "Field": "http-header", "HttpHeaderConfig": header(&"x".repeat(40)) }),
            ),
            (
                json!({ "Field": "http-request-method", "HttpRequestMethodConfig": { "Values": ["get"] } }),
                json!({ "Field": "http-request-method", "HttpRequestMethodConfig": { "Values": ["GET"] } }),
            ),
            (
                json!({ "Field": "query-string", "QueryStringConfig": { "Values": [{ "Value": "x".repeat(129) }] } }),
                json!({ "Field": "query-string", "QueryStringConfig": { "Values": [{ "Value": "x".repeat(128) }] } }),
            ),
        ] {
            assert!(check(&[refused]).is_err());
            assert!(check(&[taken]).is_ok());
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(check(&[json!({ "Field": "moon-phase", "Values": ["full"] })]).is_err());
    }
}
