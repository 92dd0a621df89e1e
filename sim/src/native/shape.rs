//! What a native service is like: its strategy and who sends it, bakes, breaker, pauses, hooks.

use super::Bug;
use crate::rng::Rng;

/// One of some words.
pub(super) fn word(rng: &mut Rng, list: &[&'static str]) -> &'static str {
    let word: &&'static str = rng.pick(list);
    word
}

/// ECS's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// ROLLING.
    Rolling,
    /// BLUE_GREEN.
    BlueGreen,
    /// CANARY.
    Canary,
    /// LINEAR.
    Linear,
}

impl Strategy {
    const ALL: [Strategy; 4] = [Strategy::Rolling, Strategy::BlueGreen, Strategy::Canary, Strategy::Linear];

    /// As ECS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Rolling => "ROLLING",
            Strategy::BlueGreen => "BLUE_GREEN",
            Strategy::Canary => "CANARY",
            Strategy::Linear => "LINEAR",
        }
    }
}

/// Stages at which ECS takes a pause.
const PAUSES: [&str; 8] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];

/// A pause that the service declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Where.
    pub stage: &'static str,
    /// After so many minutes ECS ends it.
    pub minutes: u64,
    /// And goes on, rather than back.
    pub continues: bool,
}

/// A function that the service's ECS calls, and how it answers: in progress so often, and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Where.
    pub stage: &'static str,
    /// In progress so often.
    pub waits: u64,
    /// Its last answer.
    pub good: bool,
}

/// What a native service is like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The strategy that its deployments take.
    pub strategy: Strategy,
    /// Flipback sends it; else the service declares it.
    pub sent: bool,
    /// Minutes at 100 %.
    pub bake: u64,
    /// Minutes at each step before.
    pub every: u64,
    /// A canary's first share, or a linear step, in percent.
    pub percent: f64,
    /// ECS's circuit breaker, for ROLLING.
    pub breaker: bool,
    /// ECS listens to the alarm as well.
    pub listens: bool,
    /// The alarm that ECS listens to is one that flipback.yaml does not list.
    pub unlisted: bool,
    /// Where people are waited for: declared, or sent (then only the stages count).
    pub pauses: Vec<Pause>,
    /// A function that ECS calls.
    pub hook: Option<Hook>,
    /// There is a test rule.
    pub test_rule: bool,
    /// It has been deployed blue/green before: its tasks are in the alternate group.
    pub swapped: bool,
    /// No load balancer: a worker.
    pub worker: bool,
    /// Of a hundred pauses so many are answered by somebody.
    pub answers: u64,
    /// Writes may land after all that is believed of them.
    pub very_late: bool,
    /// The planted bug.
    pub bug: Option<Bug>,
}

/// Draws one.
pub(super) fn shape(rng: &mut Rng) -> Shape {
    let strategy = *rng.pick(&Strategy::ALL);
    let rolling = strategy == Strategy::Rolling;
    let sent = rng.percent(40);
    let mut pauses = Vec::new();
    if rng.percent(40) {
        for _ in 0..rng.between(1, 2) {
            let stage = *rng.pick(&PAUSES);
            if pauses.iter().all(|pause: &Pause| pause.stage != stage) {
                pauses.push(Pause { stage, minutes: rng.between(2, 15), continues: rng.percent(40) });
            }
        }
    }
    let hook = rng.percent(20).then(|| Hook {
        stage: word(rng, &["TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_SCALE_UP", "PRE_SCALE_UP"]),
        waits: rng.between(0, 2),
        good: rng.percent(80),
    });
    let percent = match strategy {
        Strategy::Canary => *rng.pick(&[0.1, 2.5, 5.0, 10.0, 50.0, 100.0]),
        Strategy::Linear => *rng.pick(&[20.0, 30.0, 33.3, 50.0]),
        Strategy::Rolling | Strategy::BlueGreen => 0.0,
    };
    let worker = rolling && rng.percent(25);
    let listens = rng.percent(60);
    Shape {
        strategy,
        sent,
        bake: rng.between(1, 12),
        every: rng.between(0, 6),
        percent,
        breaker: rng.percent(50),
        listens,
        unlisted: listens && rng.percent(40),
        pauses: if rolling { Vec::new() } else { pauses },
        hook: hook.filter(|_| !rolling),
        test_rule: rng.percent(60),
        swapped: !worker && rng.percent(30),
        worker,
        answers: if sent { 100 } else { *rng.pick(&[0, 50, 80, 100]) },
        very_late: rng.percent(6),
        bug: None,
    }
}
