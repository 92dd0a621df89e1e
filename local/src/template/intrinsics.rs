//! References and conditions, resolved: what CloudFormation does before it makes anything.

use anyhow::{Context, anyhow, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What names stand for. Resources are known by `Name` (what `Ref` gives) and `Name.Attribute`.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) known: BTreeMap<String, Value>,
    pub(super) conditions: BTreeMap<String, Value>,
}

impl Names {
    /// `value` with every function in it replaced. Members that come out as `AWS::NoValue` are left out.
    pub(super) fn resolve(&self, value: &Value) -> anyhow::Result<Value> {
        match value {
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if members.len() == 1 && is_function(name) => self.function(name, argument),
                _ => {
                    let mut out = Map::new();
                    for (name, value) in members {
                        let value = self.resolve(value).with_context(|| format!("in {name}"))?;
                        if !value.is_null() {
                            out.insert(name.clone(), value);
                        }
                    }
                    Ok(Value::Object(out))
                }
            },
            Value::Array(items) => {
                let items: anyhow::Result<Vec<Value>> = items.iter().map(|item| self.resolve(item)).collect();
                Ok(Value::Array(items?.into_iter().filter(|item| !item.is_null()).collect()))
            }
            plain => Ok(plain.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> anyhow::Result<Value> {
        match name {
            "Ref" => self.known(argument.as_str().context("Ref takes a name")?),
            "Condition" => Ok(Value::Bool(self.condition(argument.as_str().context("Condition takes a name")?)?)),
            "Fn::GetAtt" => {
                let path: Vec<&str> = match argument {
                    Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
                    Value::String(path) => vec![path],
                    _ => bail!("GetAtt takes a resource and an attribute"),
                };
                self.known(&path.join("."))
            }
            "Fn::Sub" => self.sub(argument),
            "Fn::If" => {
                let [condition, yes, no] = arguments(argument, "If")?;
                let met = self.condition(condition.as_str().context("If takes a condition's name")?)?;
                self.resolve(if met { yes } else { no })
            }
            "Fn::Join" => {
                let [separator, parts] = arguments(argument, "Join")?;
                let Value::Array(parts) = self.resolve(parts)? else { bail!("Join takes a list") };
                let parts: Vec<String> = parts.iter().map(text).collect();
                Ok(Value::from(parts.join(separator.as_str().unwrap_or_default())))
            }
            "Fn::Equals" => {
                let [left, right] = arguments(argument, "Equals")?;
                Ok(Value::Bool(text(&self.resolve(left)?) == text(&self.resolve(right)?)))
            }
            "Fn::Not" => {
                let [inner] = arguments(argument, "Not")?;
                Ok(Value::Bool(self.resolve(inner)? != Value::Bool(true)))
            }
            "Fn::And" | "Fn::Or" => {
                let parts = argument.as_array().context("And and Or take a list")?;
                let met: anyhow::Result<Vec<bool>> =
                    parts.iter().map(|part| Ok(self.resolve(part)? == Value::Bool(true))).collect();
                let met = met?;
                Ok(Value::Bool(if name == "Fn::And" { met.iter().all(|met| *met) } else { met.contains(&true) }))
            }
            other => bail!("{other} is not understood by the local cloud"),
        }
    }

    fn sub(&self, argument: &Value) -> anyhow::Result<Value> {
        let (template, own) = match argument {
            Value::String(template) => (template, None),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(template), Value::Object(own)] => (template, Some(own)),
                _ => bail!("Sub takes a text and a mapping"),
            },
            _ => bail!("Sub takes a text"),
        };
        let mut out = String::new();
        let mut rest = template.as_str();
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let end = rest[start..].find('}').map(|end| start + end).with_context(|| format!("no }} in {template}"))?;
            let name = &rest[start + 2..end];
            match (name.strip_prefix('!'), own.and_then(|own| own.get(name))) {
                (Some(literal), _) => out.push_str(&format!("${{{literal}}}")),
                (None, Some(value)) => out.push_str(&text(&self.resolve(value)?)),
                (None, None) => out.push_str(&text(&self.known(name)?)),
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(Value::from(out))
    }

    fn condition(&self, name: &str) -> anyhow::Result<bool> {
        let condition = self.conditions.get(name).ok_or_else(|| anyhow!("there is no condition {name}"))?;
        Ok(self.resolve(condition)? == Value::Bool(true))
    }

    fn known(&self, name: &str) -> anyhow::Result<Value> {
        if name == "AWS::NoValue" {
            return Ok(Value::Null);
        }
        self.known.get(name).cloned().ok_or_else(|| anyhow!("{name} is not known"))
    }
}

fn is_function(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

fn arguments<'a, const N: usize>(argument: &'a Value, name: &str) -> anyhow::Result<&'a [Value; N]> {
    let list = argument.as_array().map(Vec::as_slice).unwrap_or_default();
    list.try_into().map_err(|_| anyhow!("{name} takes {N} arguments, not {}", list.len()))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> Names {
        let known = [("Stage", "dev"), ("Table", "t"), ("Table.Arn", "arn:t"), ("Secret", "")];
        let conditions = [("HasSecret", json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "Secret"}, ""]}]}))];
        Names {
            known: known.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
            conditions: conditions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    #[test]
    fn references_are_replaced() {
        let value = json!({"a": {"Ref": "Table"}, "b": {"Fn::GetAtt": ["Table", "Arn"]}, "c": {"Fn::Sub": "${Stage}-${Table.Arn}-${!x}"},
            "d": {"Fn::Sub": ["${x}/${Stage}", {"x": {"Ref": "Table"}}]}, "e": {"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}});
        let want = json!({"a": "t", "b": "arn:t", "c": "dev-arn:t-${x}", "d": "t/dev", "e": "a-dev"});
        assert_eq!(names().resolve(&value).unwrap(), want);
    }

    #[test]
    fn a_condition_that_is_not_met_leaves_the_member_out() {
        let value =
            json!({"a": {"Fn::If": ["HasSecret", 1, {"Ref": "AWS::NoValue"}]}, "b": {"Fn::If": ["HasSecret", 1, 2]}});
        assert_eq!(names().resolve(&value).unwrap(), json!({"b": 2}));
    }

    #[test]
    fn a_name_nobody_knows_is_an_error_that_says_where() {
        let error = names().resolve(&json!({"Outer": {"Inner": {"Ref": "Nobody"}}})).unwrap_err();
        assert_eq!(format!("{error:#}"), "in Outer: in Inner: Nobody is not known");
    }
}
