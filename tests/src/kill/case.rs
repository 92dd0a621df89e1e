//! A case: one call of one function in one story, and what happens to it.

use super::Story;
use anyhow::{Context as _, bail};
use local::{Fault, FaultEffect, FaultWhen};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What happens to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// SIGKILL before it.
    KilledBefore,
    /// SIGKILL after its effect.
    KilledAfter,
    /// It and the two after it are throttled: the SDK's own attempts are spent.
    Throttled,
    /// It and the two after it fail with 5XX and have no effect.
    Failed,
    /// It takes effect and answers 5XX.
    Lost,
    /// It takes effect and is answered later than the client waits for.
    AnsweredLate,
    /// It takes effect one second after the client has given up.
    Late,
}

/// All of them.
pub const OUTCOMES: [Outcome; 7] = [
    Outcome::KilledBefore,
    Outcome::KilledAfter,
    Outcome::Throttled,
    Outcome::Failed,
    Outcome::Lost,
    Outcome::AnsweredLate,
    Outcome::Late,
];

/// Longer than the SDK waits for one attempt of a read (2.5 s) and than a write's deadline leaves in these stories (5 s).
const TOO_LATE: Duration = Duration::from_secs(6);

/// Attempts of the SDK.
const ATTEMPTS: u64 = 3;

impl Outcome {
    /// Its name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::KilledBefore => "killed-before",
            Outcome::KilledAfter => "killed-after",
            Outcome::Throttled => "throttled",
            Outcome::Failed => "failed",
            Outcome::Lost => "lost",
            Outcome::AnsweredLate => "answered-late",
            Outcome::Late => "late",
        }
    }

    /// Whether it differs from another one for a call that changes nothing: no effect can be lost or come late there.
    fn is_for_reads(self) -> bool {
        match self {
            Outcome::Lost | Outcome::Late => false,
            Outcome::KilledBefore
            | Outcome::KilledAfter
            | Outcome::Throttled
            | Outcome::Failed
            | Outcome::AnsweredLate => true,
        }
    }

    fn effect(self) -> (FaultEffect, u64) {
        match self {
            Outcome::KilledBefore => (FaultEffect::KillBefore, 1),
            Outcome::KilledAfter => (FaultEffect::KillAfter, 1),
            Outcome::Throttled => (FaultEffect::Throttle, ATTEMPTS),
            Outcome::Failed => (FaultEffect::Fail, ATTEMPTS),
            Outcome::Lost => (FaultEffect::FailAfter, 1),
            Outcome::AnsweredLate => (FaultEffect::AnswerLate(TOO_LATE), 1),
            Outcome::Late => (FaultEffect::Late(Duration::from_secs(1)), 1),
        }
    }
}

impl FromStr for Outcome {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Outcome> {
        let names = OUTCOMES.map(Outcome::name).join(", ");
        OUTCOMES
            .into_iter()
            .find(|o| o.name() == text)
            .with_context(|| format!("{text}: no outcome; there are {names}"))
    }
}

impl FromStr for Story {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Story> {
        let names = Story::ALL.map(Story::name).join(", ");
        Story::ALL
            .into_iter()
            .find(|s| s.name() == text)
            .with_context(|| format!("{text}: no story; there are {names}"))
    }
}

/// A kind of call: which function, which service, which operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// The function.
    pub function: String,
    /// The service, as the local cloud names it.
    pub service: String,
    /// The operation.
    pub operation: String,
}

impl Called {
    /// Whether it changes nothing.
    pub(super) fn reads(&self) -> bool {
        ["Describe", "List", "Get", "BatchGet", "Query"].iter().any(|prefix| self.operation.starts_with(prefix))
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.function, self.service, self.operation)
    }
}

/// One case. Its text is its name: `good/advance/elb:ModifyRule/2/killed-after`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// The story.
    pub story: Story,
    /// Which kind of call.
    pub called: Called,
    /// Which of them, counted from 1 since the push.
    pub nth: u64,
    /// What happens to it.
    pub outcome: Outcome,
}

impl Case {
    /// The fault to set at the push.
    pub(super) fn fault(&self) -> Fault {
        let Called { function, service, operation } = self.called.clone();
        let (effect, times) = self.outcome.effect();
        let when = FaultWhen { from: self.nth, every: 1, times: Some(times) };
        Fault { caller: function, service, operation, when, effect }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.story.name(), self.called, self.nth, self.outcome.name())
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Case> {
        let parts: Vec<&str> = text.split('/').collect();
        let [story, function, call, nth, outcome] = parts[..] else {
            bail!("{text} is no case; one is such as good/advance/elb:ModifyRule/2/killed-after");
        };
        let (service, operation) = call.split_once(':').with_context(|| format!("{call} is not SERVICE:OPERATION"))?;
        let called =
            Called { function: function.to_owned(), service: service.to_owned(), operation: operation.to_owned() };
        let nth = nth.parse().with_context(|| format!("{nth} is no number of a call"))?;
        Ok(Case { story: story.parse()?, called, nth, outcome: outcome.parse()? })
    }
}

/// Every case of a story whose calls were counted.
#[must_use]
pub fn cases(story: Story, calls: &BTreeMap<Called, u64>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (called, count) in calls {
        for nth in 1..=*count {
            let of = OUTCOMES.into_iter().filter(|outcome| !called.reads() || outcome.is_for_reads());
            cases.extend(of.map(|outcome| Case { story, called: called.clone(), nth, outcome }));
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        let text = "unhealthy/on-alarm/dynamodb:GetItem/12/answered-late";
        let case: Case = text.parse().unwrap();
        assert_eq!((case.to_string().as_str(), case.nth), (text, 12));
        for wrong in ["", "good", "good/a/b/1/late", "bad/a/b:C/1/late", "good/a/b:C/x/late", "good/a/b:C/1/early"] {
            assert!(wrong.parse::<Case>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_read_has_no_effect_to_lose() {
        let called = |operation: &str| Called {
            function: "advance".to_owned(),
            service: "elb".to_owned(),
            operation: operation.to_owned(),
        };
        let calls = BTreeMap::from([(called("DescribeRules"), 2), (called("ModifyRule"), 1)]);
        assert_eq!(cases(Story::Good, &calls).len(), 2 * 5 + 7);
    }
}
