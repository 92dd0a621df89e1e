//! A rule's conditions, as what a plain GET must carry to fit them.

use aws_sdk_elasticloadbalancingv2::types::RuleCondition;

/// What a request carries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// The host.
    pub(super) host: Option<String>,
    /// Other headers.
    pub(super) headers: Vec<(String, String)>,
    /// The query with its question mark; empty for none.
    pub(super) query: String,
}

impl Conditions {
    /// What fits every condition, for a GET of this path.
    ///
    /// # Errors
    /// The condition that none fits, as what comes after "the rule".
    pub(super) fn of(conditions: &[RuleCondition], path: &str) -> Result<Conditions, String> {
        let mut found = Conditions::default();
        for condition in conditions {
            let field = condition.field().unwrap_or_default();
            let old = condition.values();
            match field {
                "host-header" => {
                    let values = condition.host_header_config().map_or(old, |config| config.values());
                    let host = plain(values).ok_or("has a host condition without a value free of wildcards")?;
                    found.host = Some(host.to_owned());
                }
                "path-pattern" => {
                    let values = condition.path_pattern_config().map_or(old, |config| config.values());
                    if !values.iter().any(|pattern| fits(pattern.as_bytes(), path.as_bytes())) {
                        return Err(format!("takes the paths {}, not {path}", values.join(", ")));
                    }
                }
                "http-header" => {
                    let config = condition.http_header_config();
                    let name = config.and_then(|config| config.http_header_name()).unwrap_or_default();
                    let value = plain(config.map_or(&[], |config| config.values()));
                    let value =
                        value.ok_or_else(|| format!("has a condition on {name} without a value free of wildcards"))?;
                    found.headers.push((name.to_lowercase(), value.to_owned()));
                }
                "http-request-method" => {
                    let values = condition.http_request_method_config().map_or(&[][..], |config| config.values());
                    if !values.iter().any(|method| method == "GET") {
                        return Err(format!("takes only the methods {}", values.join(", ")));
                    }
                }
                "query-string" => {
                    let pairs = condition.query_string_config().map_or(&[][..], |config| config.values());
                    let free = |text: &str| !text.contains(['*', '?', '&', '#', ' ']);
                    let pair = pairs.iter().find_map(|pair| {
                        let (key, value) = (pair.key(), pair.value().filter(|value| free(value))?);
                        Some(
                            key.filter(|key| free(key))
                                .map_or_else(|| value.to_owned(), |key| format!("{key}={value}")),
                        )
                    });
                    let pair = pair.ok_or("has a query condition without a value free of wildcards")?;
                    let begins = if found.query.is_empty() && !path.contains('?') { '?' } else { '&' };
                    found.query.push_str(&format!("{begins}{pair}"));
                }
                // The function's own address changes.
                "source-ip" => return Err("takes only requests from certain addresses".to_owned()),
                other => return Err(format!("has a condition on {other}, which this release does not know")),
            }
        }
        Ok(found)
    }
}

/// The first value without a wildcard.
fn plain(values: &[String]) -> Option<&str> {
    values.iter().map(String::as_str).find(|value| !value.is_empty() && !value.contains(['*', '?']))
}

/// Whether a path fits a pattern of ELB's: `*` is any text, `?` any one character.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=path.len()).any(|from| fits(rest, &path[from..])),
        (Some((b'?', rest)), Some((_, others))) => fits(rest, others),
        (Some((one, rest)), Some((other, others))) => one == other && fits(rest, others),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig,
        PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair,
    };

    fn host(values: &[&str]) -> RuleCondition {
        let values = Some(values.iter().map(ToString::to_string).collect());
        let config = HostHeaderConditionConfig::builder().set_values(values).build();
        RuleCondition::builder().field("host-header").host_header_config(config).build()
    }

    #[test]
    fn what_a_plain_get_can_carry_is_carried() {
        let path = PathPatternConditionConfig::builder().values("/api/*").values("/health").build();
        let header = HttpHeaderConditionConfig::builder().http_header_name("X-Test").values("*").values("yes").build();
        let method = HttpRequestMethodConditionConfig::builder().values("POST").values("GET").build();
        let pair = QueryStringKeyValuePair::builder().key("side").value("new").build();
        let all = [
            host(&["*.example.com", "test.example.com"]),
            RuleCondition::builder().field("path-pattern").path_pattern_config(path).build(),
            RuleCondition::builder().field("http-header").http_header_config(header).build(),
            RuleCondition::builder().field("http-request-method").http_request_method_config(method).build(),
            RuleCondition::builder()
                .field("query-string")
                .query_string_config(QueryStringConditionConfig::builder().values(pair).build())
                .build(),
        ];
        let found = Conditions::of(&all, "/health").unwrap();
        assert_eq!(found.host.as_deref(), Some("test.example.com"));
        assert_eq!(found.headers, [("x-test".to_owned(), "yes".to_owned())]);
        assert_eq!(found.query, "?side=new");
        assert!(Conditions::of(&all, "/other").unwrap_err().contains("/api/*, /health, not /other"));
    }

    #[test]
    fn what_no_plain_get_fits_is_a_sentence() {
        let only = |field: &str| RuleCondition::builder().field(field).build();
        for (condition, says) in [
            (host(&["*.example.com"]), "host condition"),
            (only("source-ip"), "certain addresses"),
            (only("http-request-method"), "only the methods"),
            (only("something-new"), "something-new"),
        ] {
            let why = Conditions::of(&[condition], "/").unwrap_err();
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(Conditions::of(&[], "/"), Ok(Conditions::default()));
    }

    #[test]
    fn patterns_are_as_elb_has_them() {
        for (pattern, path, want) in [
            ("/*", "/health", true),
            ("*", "", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/img/*/x", "/img/a/b/x", true),
            ("/health", "/health/", false),
            ("/[a]", "/a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), path.as_bytes()), want, "{pattern} {path}");
        }
    }
}
