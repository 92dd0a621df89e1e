//! Composite alarms: AND, OR, NOT over the states of others.

use serde_json::json;

use super::{CloudWatch, Judgement, Kind, State};
use crate::{Millis, World, time};

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Constant(bool),
    Is(State, String),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// A parsed `AlarmRule`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    root: Node,
}

struct Parser<'a> {
    left: &'a str,
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> bool {
        self.left = self.left.trim_start();
        let rest = self.left.strip_prefix(word);
        let bare = word.chars().all(|c| c.is_ascii_alphabetic());
        match rest {
            Some(rest) if !bare || !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') => {
                self.left = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn or(&mut self) -> Result<Node, String> {
        let mut all = vec![self.and()?];
        while self.word("OR") {
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Or(all) })
    }

    fn and(&mut self) -> Result<Node, String> {
        let mut all = vec![self.not()?];
        while self.word("AND") {
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::And(all) })
    }

    fn not(&mut self) -> Result<Node, String> {
        if self.word("NOT") {
            return Ok(Node::Not(Box::new(self.not()?)));
        }
        if self.word("(") {
            let node = self.or()?;
            return if self.word(")") { Ok(node) } else { Err("expected )".to_owned()) };
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(Node::Constant(value));
            }
        }
        for (word, state) in
            [("ALARM(", State::Alarm), ("OK(", State::Ok), ("INSUFFICIENT_DATA(", State::InsufficientData)]
        {
            if self.word(word) {
                let (name, rest) = self.left.split_once(')').ok_or("expected )")?;
                self.left = rest;
                let name = name.trim().trim_matches('"');
                let name = name.split_once(":alarm:").map_or(name, |(_, name)| name);
                return Ok(Node::Is(state, name.to_owned()));
            }
        }
        Err(format!("not understood: '{}'", self.left))
    }
}

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Rule, String> {
        let mut parser = Parser { left: text };
        let root = parser.or()?;
        match parser.left.trim() {
            "" => Ok(Rule { root }),
            rest => Err(format!("not understood: '{rest}'")),
        }
    }

    /// The alarms it names.
    pub(super) fn children(&self) -> Vec<&str> {
        fn walk<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
            match node {
                Node::Constant(_) => {}
                Node::Is(_, name) => names.push(name),
                Node::Not(inner) => walk(inner, names),
                Node::And(all) | Node::Or(all) => all.iter().for_each(|node| walk(node, names)),
            }
        }
        let mut names = Vec::new();
        walk(&self.root, &mut names);
        names
    }
}

impl CloudWatch {
    fn holds(&self, node: &Node) -> bool {
        match node {
            Node::Constant(value) => *value,
            Node::Is(state, name) => self.alarms.get(name).is_some_and(|alarm| alarm.now.state == *state),
            Node::Not(inner) => !self.holds(inner),
            Node::And(all) => all.iter().all(|node| self.holds(node)),
            Node::Or(all) => all.iter().any(|node| self.holds(node)),
        }
    }
}

impl World {
    /// Brings a composite alarm to the state of its rule; `child` is what changed.
    pub(super) fn follow(&mut self, name: &str, child: Option<&str>, now: Millis) {
        let Some(alarm) = self.cloudwatch.alarms.get(name) else { return };
        let Kind::Composite(rule) = &alarm.kind else { return };
        let state = if self.cloudwatch.holds(&rule.root) { State::Alarm } else { State::Ok };
        if state == alarm.now.state {
            return;
        }
        let cause = child.and_then(|child| self.cloudwatch.alarms.get(child));
        let (reason, data) = match cause {
            Some(cause) => (
                format!("{} transitioned to {} at {}", cause.arn, cause.now.state.name(), time::long(cause.now.at)),
                json!({ "triggeringAlarms": [{
                    "arn": cause.arn,
                    "state": { "value": cause.now.state.name(), "timestamp": time::cloudwatch(cause.now.at) },
                }]})
                .to_string(),
            ),
            None => (
                format!("{} was created and its alarm rule evaluates to {}", alarm.arn, state.name()),
                json!({ "triggeringAlarms": [] }).to_string(),
            ),
        };
        self.change_state(name, Judgement { state, reason, data: Some(data), at: now }, now);
    }

    /// The composite alarms that name an alarm.
    pub(super) fn parents(&self, child: &str) -> Vec<String> {
        let names = |kind: &Kind| match kind {
            Kind::Composite(rule) => rule.children().contains(&child),
            Kind::Metric(_) => false,
        };
        let parents = self.cloudwatch.alarms.iter().filter(|(_, alarm)| names(&alarm.kind));
        parents.map(|(name, _)| name.clone()).collect()
    }
}
