//! EventBridge: the template's rules, and the events that go to the functions they name.

mod pattern;

pub(crate) use pattern::Pattern;

use crate::inner::Inner;
use serde_json::Value;
use std::sync::Arc;

/// One rule: what it matches, and which function gets it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) pattern: Pattern,
    pub(crate) function: String,
    /// A constant input instead of the event.
    pub(crate) input: Option<String>,
}

/// All rules of the default bus.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    pub(crate) rules: Vec<Rule>,
}

impl Bus {
    /// Hands an event to every function that a rule names for it, once per rule as EventBridge does.
    pub(crate) fn deliver(&self, inner: &Arc<Inner>, envelope: &Value) {
        for rule in self.rules.iter().filter(|rule| rule.pattern.matches(envelope)) {
            let Some(function) = inner.functions.get().and_then(|functions| functions.get(&rule.function)) else {
                continue;
            };
            let payload = rule.input.clone().unwrap_or_else(|| envelope.to_string());
            function.clone().deliver(inner, payload, &rule.name);
        }
    }
}
