//! A process: the product's own loop, as far as it has been answered.
//!
//! The loop is a future and cannot be copied. But it is a function of what its ports answer, so a process is the list of
//! those answers, and what it calls next is found by playing the loop again with them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shared::config::ServiceConfig;
use shared::decision::Effect;
use shared::ids::{IntentId, ServiceName};
use shared::notice::{Milestone, Notice};
use shared::observation::{Ask, Observation};
use shared::ports::{Actuator, Clock, EffectError, HistoryEntry, Observer, Record, Save, Store, StoreError};
use shared::reconcile::{Ports, Report, Role, WokenBy, reconcile};
use shared::rollout::{Intent, Status};
use shared::time::{Span, Time};

use crate::bugs::{self, Bug};
use crate::memo::digest;
use crate::place::{NOW, TIMEOUT};

/// What a port answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The record.
    Loaded(Arc<Record>),
    /// A look.
    Seen(Arc<Observation>),
    /// A save was done, or not.
    Saved(Result<(), StoreError>),
    /// An effect was applied, or not.
    Applied(Result<(), EffectError>),
    /// A timer was set.
    Armed,
}

/// What the loop calls.
#[derive(Clone, Debug)]
pub enum Call {
    /// The record, please.
    Load,
    /// A look, please.
    Look(Ask),
    /// Save this.
    Save(Arc<Saving>),
    /// Apply this.
    Apply(Effect),
    /// Wake this service after so long.
    Arm(Span),
    /// It has ended.
    Done(Result<Report, StoreError>),
}

/// What shall be saved.
#[derive(Clone, Debug)]
pub struct Saving {
    /// The next status.
    pub status: Status,
    /// The inbox's entries that are dealt with.
    pub consumed: Vec<IntentId>,
    /// What is told.
    pub told: Vec<Milestone>,
}

/// Which of the two functions runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// `advance`.
    Advance,
    /// `on-alarm`.
    Alarm,
}

/// A process in the middle of its run.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which function.
    pub who: Who,
    /// It was woken by the timer of the living chain.
    pub timed: bool,
    /// What on-alarm knows besides the inbox.
    pub known: Option<Intent>,
    /// What it was answered, and when on its own clock.
    answers: Arc<Vec<(Time, Answer)>>,
    /// All of that in one number.
    digest: u64,
    /// How long it has stood still: its clock is so much ahead of the time it began at.
    pub lag: Span,
    /// What it waits for.
    pub call: Call,
    /// The record it loaded is the present one.
    pub fresh: bool,
    /// The chain of wakes is its own.
    pub chain: bool,
    /// The record it loaded last.
    pub loaded: Option<Arc<Record>>,
    /// What it truly saw last.
    pub honest: Option<Arc<Observation>>,
    /// The status it decided on in this look, if it saved or tried to.
    pub decided: Option<Arc<Saving>>,
    /// It lost the race in this look.
    pub lost: bool,
    /// Weights that go back were called for in this look.
    pub back: bool,
    /// The kinds of destructive effects called for in this look.
    pub kinds: Vec<&'static str>,
}

impl PartialEq for Process {
    fn eq(&self, other: &Process) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Process {}

impl Hash for Process {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Process {
    /// All the rest follows from the answers.
    fn key(&self) -> (Who, bool, u64, Span, bool, bool) {
        (self.who, self.timed, self.digest, self.lag, self.fresh, self.chain)
    }

    /// A process that begins now.
    #[must_use]
    pub fn new(who: Who, timed: bool, known: Option<Intent>) -> Process {
        let mut process = Process {
            who,
            timed,
            known,
            answers: Arc::new(Vec::new()),
            digest: 0,
            lag: Span(0),
            call: Call::Load,
            fresh: false,
            chain: timed,
            loaded: None,
            honest: None,
            decided: None,
            lost: false,
            back: false,
            kinds: Vec::new(),
        };
        let known = process.known.clone();
        process.stir(&known);
        process
    }

    /// All it was answered, and so what it calls next, in one number.
    #[must_use]
    pub fn digest(&self) -> u64 {
        digest(&(self.who, self.timed, self.digest))
    }

    /// The time on its own clock.
    #[must_use]
    pub fn now(&self) -> Time {
        NOW.plus(self.lag)
    }

    fn stir(&mut self, what: &impl Hash) {
        self.digest = digest(&(self.digest, what, self.now()));
    }

    /// It is answered.
    pub fn answer(&mut self, answer: Answer) {
        match &answer {
            Answer::Loaded(record) => self.stir(&(0, &record.status, &record.inbox)),
            Answer::Seen(seen) => self.stir(&(1, seen)),
            Answer::Saved(result) => self.stir(&(2, result.as_ref().err().map(ToString::to_string))),
            Answer::Applied(result) => self.stir(&(3, result.as_ref().err().map(ToString::to_string))),
            Answer::Armed => self.stir(&4),
        }
        let now = self.now();
        Arc::make_mut(&mut self.answers).push((now, answer));
    }

    /// Whether somebody else saved first at some time in this run.
    #[must_use]
    pub fn raced(&self) -> bool {
        self.answers.iter().any(|(_, answer)| matches!(answer, Answer::Saved(Err(StoreError::Lost))))
    }

    /// Plays the loop with the answers it has, up to its next call.
    #[must_use]
    pub fn play(&self, service: &ServiceName, bug: Option<Bug>) -> Call {
        let replay = Replay {
            answers: &self.answers,
            next: Cell::new(0),
            now: Cell::new(NOW),
            call: RefCell::new(None),
            stopped: bug == Some(Bug::ForgetsDeadline),
        };
        let ports = Ports { clock: &replay, observer: &replay, actuator: &replay, store: &replay, waker: &replay };
        let role = match self.who {
            Who::Alarm if bug != Some(Bug::AlarmGoesForward) => Role::Alarm,
            Who::Alarm | Who::Advance => Role::Advance,
        };
        let woken_by = if self.timed { WokenBy::Timer(1) } else { WokenBy::Poke };
        let margins = bugs::margins(bug);
        let known: Vec<Intent> = self.known.iter().cloned().collect();
        let until = NOW.plus(TIMEOUT);
        let run = pin!(reconcile(&ports, service, role, woken_by, &known, &margins, until));
        match run.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Call::Done(result),
            Poll::Pending => match replay.call.take() {
                Some(call) => call,
                None => unreachable!("the loop waits for something that is no port"),
            },
        }
    }
}

/// All ports, which answer from the list and then never again.
struct Replay<'a> {
    answers: &'a [(Time, Answer)],
    next: Cell<usize>,
    now: Cell<Time>,
    call: RefCell<Option<Call>>,
    /// The planted bug: the clock is read once per look.
    stopped: bool,
}

impl Replay<'_> {
    async fn ask(&self, call: impl FnOnce() -> Call) -> Answer {
        let Some((at, answer)) = self.answers.get(self.next.get()) else {
            *self.call.borrow_mut() = Some(call());
            return std::future::pending().await;
        };
        self.next.set(self.next.get() + 1);
        if !self.stopped || matches!(answer, Answer::Loaded(_)) {
            self.now.set(*at);
        }
        answer.clone()
    }
}

impl Clock for Replay<'_> {
    fn now(&self) -> Time {
        self.now.get()
    }
}

impl Observer for Replay<'_> {
    async fn observe(&self, _: &ServiceConfig, ask: &Ask, _: Time) -> Observation {
        match self.ask(|| Call::Look(ask.clone())).await {
            Answer::Seen(seen) => Observation::clone(&seen),
            other => unreachable!("a look was answered with {other:?}"),
        }
    }
}

impl Actuator for Replay<'_> {
    async fn apply(&self, _: &ServiceConfig, effect: &Effect) -> Result<(), EffectError> {
        match self.ask(|| Call::Apply(effect.clone())).await {
            Answer::Applied(result) => result,
            other => unreachable!("an effect was answered with {other:?}"),
        }
    }
}

impl Store for Replay<'_> {
    async fn load(&self, _: &ServiceName) -> Result<Record, StoreError> {
        match self.ask(|| Call::Load).await {
            Answer::Loaded(record) => Ok(Record::clone(&record)),
            other => unreachable!("a load was answered with {other:?}"),
        }
    }

    async fn save(&self, save: &Save<'_>) -> Result<(), StoreError> {
        let saving = || Saving {
            status: save.status.clone(),
            consumed: save.consumed.to_vec(),
            told: save.notices.iter().map(|notice| notice.milestone.clone()).collect(),
        };
        match self.ask(|| Call::Save(Arc::new(saving()))).await {
            Answer::Saved(result) => result,
            other => unreachable!("a save was answered with {other:?}"),
        }
    }

    fn keeps_inputs(&self) -> bool {
        false
    }

    async fn record(&self, _: &ServiceName, _: &Intent) -> Result<(), StoreError> {
        unreachable!("the loop records no intents")
    }

    async fn note(&self, _: &ServiceName, _: &HistoryEntry, _: Option<&Notice>) -> Result<(), StoreError> {
        unreachable!("the loop writes no notes")
    }
}

impl shared::ports::Waker for Replay<'_> {
    async fn poke(&self, _: &ServiceName) -> Result<(), String> {
        unreachable!("the loop pokes nobody")
    }

    async fn after(&self, _: &ServiceName, delay: Span, _: u64) -> Result<(), String> {
        match self.ask(|| Call::Arm(delay)).await {
            Answer::Armed => Ok(()),
            other => unreachable!("a timer was answered with {other:?}"),
        }
    }
}
