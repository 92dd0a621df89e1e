//! CloudFormation's YAML as JSON: short tags (`!Ref X`, `!GetAtt A.B`, `!Sub ..`) become their long forms.

use anyhow::{Context, bail};
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Reads the first document of a YAML text.
pub(super) fn read(text: &str) -> anyhow::Result<Value> {
    let mut events = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, _) = next.context("the template is not YAML")?;
        // The parser tells comments wherever any crate of the build asks it to; here they always come and always go.
        if !matches!(event, Event::Comment(..)) {
            events.push(event);
        }
    }
    let mut events = events.into_iter();
    loop {
        match events.next() {
            Some(Event::DocumentStart(..)) => break,
            Some(_) => {}
            None => bail!("the template is empty"),
        }
    }
    let first = events.next().context("the template is empty")?;
    node(first, &mut events)
}

fn node(event: Event<'_>, events: &mut dyn Iterator<Item = Event<'_>>) -> anyhow::Result<Value> {
    match event {
        Event::Scalar(text, style, _, tag) => match short(tag.as_ref())? {
            Some(tag) => Ok(long(&tag, Value::from(text.as_ref()))),
            None if style == ScalarStyle::Plain => Ok(plain(&text)),
            None => Ok(Value::from(text.as_ref())),
        },
        Event::SequenceStart(_, _, tag) => {
            let tag = short(tag.as_ref())?;
            let mut items = Vec::new();
            loop {
                match events.next().context("an unfinished list")? {
                    Event::SequenceEnd => break,
                    event => items.push(node(event, events)?),
                }
            }
            Ok(tagged(tag, Value::Array(items)))
        }
        Event::MappingStart(_, _, tag) => {
            let tag = short(tag.as_ref())?;
            let mut members = Map::new();
            loop {
                let key = match events.next().context("an unfinished mapping")? {
                    Event::MappingEnd => break,
                    Event::Scalar(key, ..) => key.into_owned(),
                    other => bail!("a mapping key must be a plain word, not {other:?}"),
                };
                let value = events.next().context("a key without a value")?;
                let value = node(value, events)?;
                if members.insert(key.clone(), value).is_some() {
                    bail!("the key {key} is there twice");
                }
            }
            Ok(tagged(tag, Value::Object(members)))
        }
        other => bail!("{other:?} is not understood in a template (anchors and aliases are not)"),
    }
}

fn tagged(tag: Option<String>, value: Value) -> Value {
    match tag {
        Some(tag) => long(&tag, value),
        None => value,
    }
}

/// `Ref` of `!Ref`; the core schema's own tags are refused, a template needs none.
fn short(tag: Option<&Cow<'_, Tag>>) -> anyhow::Result<Option<String>> {
    match tag.map(|tag| tag.to_string()) {
        None => Ok(None),
        Some(tag) => match tag.strip_prefix('!') {
            Some(name) if !name.is_empty() && !name.starts_with(['!', '<']) => Ok(Some(name.to_owned())),
            _ => bail!("the tag {tag} is not understood in a template"),
        },
    }
}

fn long(tag: &str, value: Value) -> Value {
    match (tag, &value) {
        ("Ref" | "Condition", _) => json!({ tag: value }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((path, ""));
            json!({"Fn::GetAtt": [resource, attribute]})
        }
        _ => json!({ format!("Fn::{tag}"): value }),
    }
}

/// YAML 1.2's core schema, which is what CloudFormation needs of it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            // A leading zero or plus sign means that a text was meant: account ids, versions.
            let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                && !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0."));
            if numeric && let Ok(whole) = text.parse::<i64>() {
                return Value::from(whole);
            }
            let decimal = numeric && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
            match text.parse::<f64>() {
                Ok(number) if decimal => Value::from(number),
                _ => Value::from(text),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_long_forms() {
        let read = read(
            "a: !Ref Table\nb: !GetAtt Queue.Arn\nc: !Sub '${A}-x'\nd: !If [Has, !Ref B, '']\ne: [1, '1', 1.5, true, 2010-09-09]\n",
        );
        let want = json!({"a": {"Ref": "Table"}, "b": {"Fn::GetAtt": ["Queue", "Arn"]}, "c": {"Fn::Sub": "${A}-x"},
            "d": {"Fn::If": ["Has", {"Ref": "B"}, ""]}, "e": [1, "1", 1.5, true, "2010-09-09"]});
        assert_eq!(read.unwrap(), want);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        assert!(read("").is_err());
        assert!(read("a: [").is_err());
        assert!(read("a: 1\na: 2\n").is_err());
        assert!(read("a: &x 1\nb: *x\n").is_err());
    }
}
