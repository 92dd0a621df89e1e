//! What a new configuration changes of the old one.

use serde::Serialize;
use serde_json::Value;
use shared::config::ServiceConfig;

/// How a service changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "keys")]
pub(super) enum Change {
    /// It was not configured.
    New,
    /// These keys change: `key: old -> new`.
    Changed(Vec<String>),
    /// Nothing changes.
    Unchanged,
}

impl Change {
    /// Compares two configurations, with their defaults in place.
    pub(super) fn of(old: Option<&ServiceConfig>, new: &ServiceConfig) -> Change {
        let Some(old) = old else { return Change::New };
        if old == new {
            return Change::Unchanged;
        }
        let json = |config: &ServiceConfig| serde_json::to_value(config).unwrap_or_default();
        let mut keys = Vec::new();
        compare("", &json(old), &json(new), &mut keys);
        Change::Changed(keys)
    }

    /// For people.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Changed(_) => "changed",
            Change::Unchanged => "unchanged",
        }
    }

    /// The keys that change.
    pub(super) fn keys(&self) -> &[String] {
        match self {
            Change::Changed(keys) => keys,
            Change::New | Change::Unchanged => &[],
        }
    }
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let side = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                compare(&path, &side(before), &side(after), found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{path}: {} -> {}", plain(old), plain(new))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;

    #[test]
    fn a_changed_key_is_told_with_both_values() {
        let (old, mut new) = (fixture::config(), fixture::config());
        new.standby = shared::time::Span::mins(1);
        if let shared::config::Engine::Managed(managed) = &mut new.engine {
            managed.green = "shop-api-other".to_owned();
        }
        let change = Change::of(Some(&old), &new);
        assert_eq!(change.keys(), ["engine.green: shop-api-green -> shop-api-other", "standby: 10m -> 1m"]);
        assert_eq!(Change::of(Some(&old), &old), Change::Unchanged);
        assert_eq!(Change::of(None, &old), Change::New);
    }
}
