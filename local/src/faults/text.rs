//! Faults as text and JSON: what the command line writes and the page shows.

use super::{Fault, FaultCount, FaultEffect, FaultRefused, FaultWhen};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long after the caller has given up a late effect comes, where it is not said.
const LATE: Duration = Duration::from_secs(1);

impl fmt::Display for FaultEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultEffect::KillBefore => f.write_str("kill-before"),
            FaultEffect::KillAfter => f.write_str("kill-after"),
            FaultEffect::Throttle => f.write_str("throttle"),
            FaultEffect::Deny => f.write_str("deny"),
            FaultEffect::Fail => f.write_str("fail"),
            FaultEffect::FailAfter => f.write_str("fail-after"),
            FaultEffect::Late(after) => write!(f, "late={}ms", after.as_millis()),
            FaultEffect::AnswerLate(by) => write!(f, "answer-late={}ms", by.as_millis()),
        }
    }
}

impl FromStr for FaultEffect {
    type Err = FaultRefused;

    fn from_str(text: &str) -> Result<FaultEffect, FaultRefused> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let span = value.map(|value| duration(value).ok_or(value)).transpose();
        let span = span.map_err(|value| {
            FaultRefused::new(format!("{value} is no time"), format!("write it as in {name}=800ms or {name}=2s"))
        })?;
        match (name, span) {
            ("kill-before", None) => Ok(FaultEffect::KillBefore),
            ("kill-after", None) => Ok(FaultEffect::KillAfter),
            ("throttle", None) => Ok(FaultEffect::Throttle),
            ("deny", None) => Ok(FaultEffect::Deny),
            ("fail", None) => Ok(FaultEffect::Fail),
            ("fail-after", None) => Ok(FaultEffect::FailAfter),
            ("late", after) => Ok(FaultEffect::Late(after.unwrap_or(LATE))),
            ("answer-late", Some(by)) => Ok(FaultEffect::AnswerLate(by)),
            ("answer-late", None) => {
                Err(FaultRefused::new("answer-late without a time", "say by how much, as in answer-late=800ms"))
            }
            _ => {
                let all = "kill-before, kill-after, throttle, deny, fail, fail-after, late[=TIME] and answer-late=TIME";
                Err(FaultRefused::new(format!("{text} is no fault"), format!("there are {all}")))
            }
        }
    }
}

/// `800ms`, `2s`; at most an hour.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        _ => return None,
    };
    number.checked_mul(unit).filter(|millis| *millis <= 3_600_000).map(Duration::from_millis)
}

impl fmt::Display for FaultWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.every, self.times) {
            (1, 1, None) => return f.write_str("every call"),
            (from, _, Some(1)) => return write!(f, "call {from}"),
            (from, 1, None) => return write!(f, "from call {from} on"),
            (from, 1, Some(times)) => return write!(f, "calls {from} to {}", from.saturating_add(times - 1)),
            (from, every, _) => write!(f, "each {every}th from call {from} on")?,
        }
        self.times.map_or(Ok(()), |times| write!(f, ", {times} times"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.effect, self.service, self.operation)?;
        if self.caller != "*" {
            write!(f, " by {}", self.caller)?;
        }
        write!(f, ", {}", self.when)
    }
}

impl Fault {
    /// Reads what the page is sent.
    pub(crate) fn from_json(document: &Value) -> Result<Fault, FaultRefused> {
        let members =
            document.as_object().ok_or_else(|| FaultRefused::new("the body is no JSON object", "send one"))?;
        let known = ["effect", "service", "operation", "caller", "from", "every", "times"];
        if let Some(stranger) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(FaultRefused::new(format!("a fault has no member {stranger}"), known.join(", ")));
        }
        let text = |name: &str, default: &str| match &document[name] {
            Value::Null => Ok(default.to_owned()),
            Value::String(text) => Ok(text.clone()),
            other => Err(FaultRefused::new(format!("{name} is {other}"), "it has to be a text")),
        };
        let number = |name: &str| match &document[name] {
            Value::Null => Ok(None),
            value => value.as_u64().map(Some).ok_or_else(|| {
                FaultRefused::new(format!("{name} is {value}"), "it has to be a whole number from 1 on")
            }),
        };
        Ok(Fault {
            caller: text("caller", "*")?,
            service: text("service", "*")?,
            operation: text("operation", "*")?,
            when: FaultWhen {
                from: number("from")?.unwrap_or(1),
                every: number("every")?.unwrap_or(1),
                times: number("times")?,
            },
            effect: text("effect", "")?.parse()?,
        })
    }
}

impl FaultCount {
    /// What the page shows.
    pub(crate) fn to_json(&self) -> Value {
        let FaultCount { id, fault: Fault { caller, service, operation, when, effect }, calls, struck } = self;
        json!({"id": id, "effect": effect.to_string(), "service": service, "operation": operation, "caller": caller,
            "from": when.from, "every": when.every, "times": when.times, "when": when.to_string(), "calls": calls,
            "struck": struck})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_is_read_as_it_is_written() {
        for text in ["kill-before", "kill-after", "throttle", "fail", "fail-after", "late=1500ms", "answer-late=20ms"] {
            assert_eq!(text.parse::<FaultEffect>().unwrap().to_string(), text);
        }
        assert_eq!("late".parse(), Ok(FaultEffect::Late(LATE)));
        assert_eq!("answer-late=2s".parse(), Ok(FaultEffect::AnswerLate(Duration::from_secs(2))));
        for (text, todo) in [
            ("explode", "kill-before"),
            ("late=soon", "late=800ms"),
            ("answer-late", "by how much"),
            ("fail=1s", "there are"),
        ] {
            assert!(text.parse::<FaultEffect>().unwrap_err().todo.contains(todo), "{text}");
        }
    }

    #[test]
    fn when_is_said_in_words() {
        let words = |from, every, times| FaultWhen { from, every, times }.to_string();
        assert_eq!(words(1, 1, None), "every call");
        assert_eq!(words(3, 1, Some(1)), "call 3");
        assert_eq!(words(3, 1, Some(2)), "calls 3 to 4");
        assert_eq!(words(3, 1, None), "from call 3 on");
        assert_eq!(words(2, 5, Some(4)), "each 5th from call 2 on, 4 times");
    }

    #[test]
    fn a_document_is_read_and_what_is_wrong_in_it_is_named() {
        let read = |document: Value| Fault::from_json(&document);
        let fault = read(json!({"effect": "fail", "service": "elb", "from": 2, "times": 1})).unwrap();
        assert_eq!(fault.to_string(), "fail elb:*, call 2");
        assert!(read(json!({"effect": "fail", "nth": 2})).unwrap_err().what.contains("nth"));
        assert!(read(json!({"effect": "fail", "from": -2})).unwrap_err().what.contains("from is -2"));
        assert!(read(json!({})).unwrap_err().what.contains("is no fault"));
    }
}
