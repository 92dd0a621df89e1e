//! Event patterns, as EventBridge rules and Lambda filters write them.

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

/// A pattern: every named member must match one of its alternatives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// Members that must all match.
    All(Vec<(String, Pattern)>),
    /// `$or`: one of these must match.
    Or(Vec<Pattern>),
    /// A leaf: one of these must match.
    Any(Vec<Test>),
}

/// One alternative of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Is(Value),
    IsIgnoringCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(String),
    /// There, and none of these.
    AnythingBut(Vec<Test>),
    Exists(bool),
    /// Comparisons that must all hold.
    Numeric(Vec<(Ordering, f64)>),
}

/// An operator of `numeric`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ordering {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Anything that EventBridge would refuse, or that is not understood here: a filter read wrongly would hide events.
    pub(crate) fn read(pattern: &Value) -> anyhow::Result<Pattern> {
        match pattern {
            Value::Object(members) if !members.is_empty() => {
                let mut all = Vec::new();
                for (name, value) in members {
                    let inner = if name == "$or" {
                        let list = value.as_array().context("$or takes a list")?;
                        Pattern::Or(list.iter().map(Pattern::read).collect::<anyhow::Result<_>>()?)
                    } else {
                        Pattern::read(value).with_context(|| format!("in {name}"))?
                    };
                    all.push((name.clone(), inner));
                }
                Ok(Pattern::All(all))
            }
            Value::Array(tests) if !tests.is_empty() => {
                Ok(Pattern::Any(tests.iter().map(Test::read).collect::<anyhow::Result<_>>()?))
            }
            other => bail!("a pattern is a mapping, its leaves are lists: {other}"),
        }
    }

    /// Whether an event matches.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.matches_at(Some(event))
    }

    fn matches_at(&self, at: Option<&Value>) -> bool {
        match self {
            Pattern::All(members) => members.iter().all(|(name, inner)| match inner {
                Pattern::Or(_) => inner.matches_at(at),
                _ => match at {
                    // A list of objects matches when one of them does.
                    Some(Value::Array(items)) => items.iter().any(|item| inner.matches_at(item.get(name))),
                    at => inner.matches_at(at.and_then(|at| at.get(name))),
                },
            }),
            Pattern::Or(patterns) => patterns.iter().any(|pattern| pattern.matches_at(at)),
            Pattern::Any(tests) => tests.iter().any(|test| match at {
                Some(Value::Array(items)) => match test {
                    Test::Exists(_) => test.matches(at),
                    Test::AnythingBut(_) => items.iter().all(|item| test.matches(Some(item))),
                    _ => items.iter().any(|item| test.matches(Some(item))),
                },
                at => test.matches(at),
            }),
        }
    }
}

impl Test {
    fn read(test: &Value) -> anyhow::Result<Test> {
        let Value::Object(members) = test else {
            if test.is_array() {
                bail!("a leaf holds words, numbers and matchers, not lists: {test}");
            }
            return Ok(Test::Is(test.clone()));
        };
        let Some((name, argument)) = members.iter().next().filter(|_| members.len() == 1) else {
            bail!("a matcher has one name: {test}");
        };
        let word =
            || argument.as_str().map(str::to_owned).ok_or_else(|| anyhow!("{name} takes a text, not {argument}"));
        Ok(match name.as_str() {
            "prefix" => Test::Prefix(word()?),
            "suffix" => Test::Suffix(word()?),
            "equals-ignore-case" => Test::IsIgnoringCase(word()?),
            "wildcard" => Test::Wildcard(word()?),
            "exists" => Test::Exists(argument.as_bool().context("exists takes true or false")?),
            "anything-but" => Test::AnythingBut(match argument {
                Value::Array(list) => list.iter().map(Test::read).collect::<anyhow::Result<_>>()?,
                one => vec![Test::read(one)?],
            }),
            "numeric" => Test::Numeric(comparisons(argument)?),
            other => bail!("the matcher {other} is not understood here"),
        })
    }

    fn matches(&self, at: Option<&Value>) -> bool {
        let text = at.and_then(Value::as_str);
        match self {
            Test::Exists(wanted) => at.is_some() == *wanted,
            Test::Is(wanted) => at.is_some_and(|at| at == wanted || same_number(at, wanted)),
            Test::IsIgnoringCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Test::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Test::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Test::Wildcard(wildcard) => text.is_some_and(|text| fits(wildcard.as_bytes(), text.as_bytes())),
            Test::AnythingBut(tests) => at.is_some() && !tests.iter().any(|test| test.matches(at)),
            Test::Numeric(comparisons) => at.and_then(Value::as_f64).is_some_and(|number| {
                comparisons.iter().all(|(ordering, limit)| match ordering {
                    Ordering::Less => number < *limit,
                    Ordering::LessOrEqual => number <= *limit,
                    Ordering::Equal => number == *limit,
                    Ordering::GreaterOrEqual => number >= *limit,
                    Ordering::Greater => number > *limit,
                })
            }),
        }
    }
}

/// 300 and 3.0e2 are the same number to EventBridge.
fn same_number(a: &Value, b: &Value) -> bool {
    a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

fn comparisons(argument: &Value) -> anyhow::Result<Vec<(Ordering, f64)>> {
    let list = argument
        .as_array()
        .filter(|list| matches!(list.len(), 2 | 4))
        .context("numeric takes operators and numbers")?;
    let pairs = list.chunks(2).map(|pair| {
        let ordering = match pair[0].as_str() {
            Some("<") => Ordering::Less,
            Some("<=") => Ordering::LessOrEqual,
            Some("=") => Ordering::Equal,
            Some(">=") => Ordering::GreaterOrEqual,
            Some(">") => Ordering::Greater,
            _ => bail!("{} is no operator", pair[0]),
        };
        Ok((ordering, pair[1].as_f64().with_context(|| format!("{} is no number", pair[1]))?))
    });
    pairs.collect()
}

/// `*` stands for any run of characters.
fn fits(wildcard: &[u8], text: &[u8]) -> bool {
    match wildcard.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        Some((first, rest)) => text.first() == Some(first) && fits(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(pattern: Value, event: Value) -> bool {
        Pattern::read(&pattern).unwrap().matches(&event)
    }

    #[test]
    fn every_member_must_match_one_of_its_alternatives() {
        let pattern =
            json!({"source": ["aws.ecr"], "detail": {"action-type": ["PUSH", "REPLICATE"], "result": ["SUCCESS"]}});
        assert!(matches(
            pattern.clone(),
            json!({"source": "aws.ecr", "detail": {"action-type": "PUSH", "result": "SUCCESS"}})
        ));
        assert!(!matches(
            pattern.clone(),
            json!({"source": "aws.ecr", "detail": {"action-type": "DELETE", "result": "SUCCESS"}})
        ));
        assert!(!matches(pattern, json!({"source": "aws.ecr"})));
    }

    #[test]
    fn matchers_compare_texts_and_numbers() {
        assert!(matches(json!({"a": [{"prefix": "notice#"}]}), json!({"a": "notice#1"})));
        assert!(!matches(json!({"a": [{"prefix": "notice#"}]}), json!({"a": "state"})));
        assert!(matches(json!({"a": [{"suffix": ".fifo"}]}), json!({"a": "q.fifo"})));
        assert!(matches(json!({"a": [{"wildcard": "a*c*"}]}), json!({"a": "abbcd"})));
        assert!(matches(json!({"a": [{"equals-ignore-case": "ALARM"}]}), json!({"a": "alarm"})));
        assert!(matches(json!({"a": [{"numeric": [">", 0, "<=", 5]}]}), json!({"a": 5})));
        assert!(!matches(json!({"a": [{"numeric": [">", 0, "<=", 5]}]}), json!({"a": "5"})));
        assert!(matches(json!({"a": [300]}), json!({"a": 3.0e2})));
    }

    #[test]
    fn absence_is_told_from_other_values() {
        assert!(matches(json!({"a": [{"exists": false}]}), json!({"b": 1})));
        assert!(!matches(json!({"a": [{"exists": false}]}), json!({"a": null})));
        assert!(matches(json!({"a": [{"anything-but": ["x", {"prefix": "y"}]}]}), json!({"a": "z"})));
        assert!(!matches(json!({"a": [{"anything-but": ["x", {"prefix": "y"}]}]}), json!({"a": "yy"})));
        assert!(
            !matches(json!({"a": [{"anything-but": "x"}]}), json!({"b": 1})),
            "anything-but wants the member to be there"
        );
    }

    #[test]
    fn lists_in_the_event_match_by_their_items_and_or_gives_a_choice() {
        assert!(matches(json!({"resources": ["arn:b"]}), json!({"resources": ["arn:a", "arn:b"]})));
        assert!(matches(json!({"c": {"name": ["api"]}}), json!({"c": [{"name": "web"}, {"name": "api"}]})));
        let either = json!({"$or": [{"a": ["1"]}, {"b": ["2"]}]});
        assert!(matches(either.clone(), json!({"b": "2"})));
        assert!(!matches(either, json!({"b": "1"})));
    }

    #[test]
    fn what_is_not_understood_is_refused_not_ignored() {
        for pattern in [
            json!({}),
            json!({"a": "x"}),
            json!({"a": []}),
            json!({"a": [{"cidr": "10.0.0.0/8"}]}),
            json!({"a": [["x"]]}),
        ] {
            assert!(Pattern::read(&pattern).is_err(), "{pattern}");
        }
    }
}
