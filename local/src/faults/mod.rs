//! Faults: calls that are killed, refused, lost or late, by rules. They strike at the cloud's port, where every client
//! meets every service; what the cloud does itself meets none.

mod names;
mod table;
mod text;

pub(crate) use table::Faults;

use std::time::Duration;

/// A rule: which calls are struck, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Who calls: a function's name, such as `advance`, `user:KEY`, or `*` for everybody. A webhook's posts have no caller:
    /// any rule for them is meant.
    pub caller: String,
    /// The service, such as `elb`, `dynamodb` or `slack`; `*` is every service.
    pub service: String,
    /// The operation, such as `ModifyRule`; `*` is every operation.
    pub operation: String,
    /// Which of these calls.
    pub when: FaultWhen,
    /// What happens to them.
    pub effect: FaultEffect,
}

/// Which of the matching calls a fault strikes, counted from 1 since the rule was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultWhen {
    /// The first one struck.
    pub from: u64,
    /// From there on each so many-th: 1 is all of them.
    pub every: u64,
    /// So many in all; without end where absent.
    pub times: Option<u64>,
}

impl FaultWhen {
    /// Every call.
    pub const ALWAYS: FaultWhen = FaultWhen { from: 1, every: 1, times: None };

    /// Only this one, counted from 1.
    #[must_use]
    pub fn nth(n: u64) -> FaultWhen {
        FaultWhen { from: n, every: 1, times: Some(1) }
    }

    /// The first so many.
    #[must_use]
    pub fn first(times: u64) -> FaultWhen {
        FaultWhen { from: 1, every: 1, times: Some(times) }
    }

    /// Whether call number `n` is one of them, after `struck` others.
    fn strikes(self, n: u64, struck: u64) -> bool {
        let in_turn = n.checked_sub(self.from).is_some_and(|since| since.is_multiple_of(self.every.max(1)));
        in_turn && self.times.is_none_or(|times| struck < times)
    }
}

/// What a fault does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultEffect {
    /// SIGKILL to the process that calls; the call has no effect.
    KillBefore,
    /// The call takes effect, then SIGKILL to the process that called; it gets no answer.
    KillAfter,
    /// The service's own answer to too many requests; no effect.
    Throttle,
    /// What a role without the permission is told; no effect.
    Deny,
    /// The service's own failure (5XX); no effect.
    Fail,
    /// The service's own failure (5XX), and yet the call takes effect: the answer is what was lost.
    FailAfter,
    /// No answer; the call takes effect this long after the caller has given it up.
    Late(Duration),
    /// The call takes effect at once and is answered this much later.
    AnswerLate(Duration),
}

/// A rule that is in force, and what it did so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultCount {
    /// Its number, for taking it away.
    pub id: u64,
    /// The rule.
    pub fault: Fault,
    /// How many calls matched.
    pub calls: u64,
    /// How many of them it struck.
    pub struck: u64,
}

/// A rule that makes no sense: what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRefused {
    /// What is wrong.
    pub what: String,
    /// What helps.
    pub todo: String,
}

impl FaultRefused {
    fn new(what: impl Into<String>, todo: impl Into<String>) -> FaultRefused {
        FaultRefused { what: what.into(), todo: todo.into() }
    }
}

impl std::fmt::Display for FaultRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.what, self.todo)
    }
}

impl std::error::Error for FaultRefused {}

impl Fault {
    /// Checks a rule against what there is, and writes its names as they are known here.
    ///
    /// # Errors
    /// What is unknown, with the nearest that is known; what can never strike.
    fn settled(self, functions: &[&str]) -> Result<Fault, FaultRefused> {
        let service = names::service(&self.service)?;
        let operation = names::operation(service, &self.operation)?;
        let caller = names::caller(&self.caller, functions)?;
        let FaultWhen { from, every, times } = self.when;
        if from == 0 || every == 0 || times == Some(0) {
            return Err(FaultRefused::new("a fault that strikes no call", "calls are counted from 1"));
        }
        let kills = self.effect.kills();
        if kills && caller.starts_with("user:") {
            return Err(FaultRefused::new(format!("{caller} is not a process of this cloud"), "name a function"));
        }
        if kills && service == names::SLACK && caller == "*" {
            let what = "a post to Slack does not say who sends it";
            return Err(FaultRefused::new(what, "name the function to kill with --caller, such as notify"));
        }
        Ok(Fault { caller, service: service.to_owned(), operation, when: self.when, effect: self.effect })
    }

    fn matches(&self, caller: &str, service: &str, operation: &str) -> bool {
        let is = |wanted: &str, got: &str| wanted == "*" || wanted == got;
        let function = caller.strip_prefix("function:");
        let called = match (service, function) {
            (names::SLACK, _) => true,
            // Nobody else has a process to kill.
            (_, None) if self.effect.kills() => false,
            (_, function) => is(&self.caller, function.unwrap_or(caller)),
        };
        called && is(&self.service, service) && is(&self.operation, operation)
    }
}

impl FaultEffect {
    fn kills(self) -> bool {
        match self {
            FaultEffect::KillBefore | FaultEffect::KillAfter => true,
            FaultEffect::Throttle
            | FaultEffect::Deny
            | FaultEffect::Fail
            | FaultEffect::FailAfter
            | FaultEffect::Late(_)
            | FaultEffect::AnswerLate(_) => false,
        }
    }
}
