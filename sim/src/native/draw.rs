//! A native schedule, drawn from its seed.

use model::Millis;
use shared::config::{NoTraffic, OnNewPush};
use shared::time::Span;

use super::Bug;
use super::shape::{shape, word};
use crate::faults::{Fault, Kind, Part};
use crate::plots::{Cue, Hand, Plot, When, Which};
use crate::rng::Rng;
use crate::schedule::{Pace, Schedule};

/// Draws the native schedule of a seed.
#[must_use]
pub fn draw(seed: u64, bug: Option<Bug>) -> Schedule {
    let rng = &mut Rng::new(seed, 11);
    let plain = rng.percent(6);
    let quick = rng.percent(94);
    let dense = quick && rng.percent(80);
    let mut pace = match (quick, dense) {
        (_, true) => Pace::dense(),
        (true, false) => Pace::quick(),
        (false, false) => Pace::aws(),
    };
    if quick {
        pace.settings.ecs.minute = *rng.pick(&[500, 1_000, 2_000, 3_000]);
    }
    let mut shape = shape(rng);
    shape.bug = bug;
    let calm_after = pace.bake * rng.between(4, 10) + 20_000;
    let mut schedule = Schedule {
        seed,
        steps: Vec::new(),
        standby: Span(0),
        routes: 1,
        own_groups: false,
        legacy: 0,
        login: false,
        sticky: false,
        tasks: rng.between(1, 3) as u32,
        scalable: false,
        green_first: false,
        named_sides: rng.percent(60),
        no_traffic: NoTraffic::Proceed,
        on_new_push: if rng.percent(60) { OnNewPush::Supersede } else { OnNewPush::Queue },
        requests: rng.between(2, 4) as u32,
        sidecar: rng.percent(25),
        next_door: false,
        wants_data: rng.percent(8),
        uncovered: false,
        observes: rng.percent(2),
        cues: Vec::new(),
        faults: Vec::new(),
        dense,
        skewed: 0,
        calm_after,
        pace,
        native: Some(shape),
    };
    schedule.cues = cues(&schedule, plain, &mut Rng::new(seed, 12));
    let weather = &mut Rng::new(seed, 13);
    if !plain && !weather.percent(25) {
        schedule.faults = faults(&schedule, weather);
        schedule.skewed = if weather.percent(40) { 50 } else { 0 };
    }
    if schedule.native.as_ref().is_some_and(|shape| shape.very_late) {
        // It is taken back before it lands, and lands when nobody waits for it any more.
        let delay = weather.between(200, 4_000);
        schedule.cues.push(Cue { when: When::Phase("deploying", delay), plot: Plot::Abort });
        let percent = weather.between(50, 100);
        schedule.faults.push(Fault { kind: Kind::Late, from: 0, until: schedule.calm_after, percent });
    }
    schedule
}

/// Phases that a cue may wait for.
const PHASES: [&str; 4] = ["holding", "registering", "deploying", "stopping"];

fn manners(rng: &mut Rng) -> &'static str {
    match rng.between(0, 99) {
        0..=49 => "",
        50..=61 => "5xx=50",
        62..=70 => "5xx=100 after=20s",
        71..=76 => "unhealthy after=30s",
        77..=84 => "unhealthy",
        85..=91 => "crash",
        92..=95 => "crash after=25s",
        _ => "slow=800ms",
    }
}

fn when(schedule: &Schedule, rng: &mut Rng) -> When {
    if rng.percent(65) {
        When::Phase(phase(rng), rng.between(0, schedule.pace.bake * 3))
    } else {
        When::At(rng.between(1_000, schedule.calm_after))
    }
}

fn phase(rng: &mut Rng) -> &'static str {
    if rng.percent(60) { "deploying" } else { word(rng, &PHASES) }
}

fn cues(schedule: &Schedule, plain: bool, rng: &mut Rng) -> Vec<Cue> {
    let first = When::At(rng.between(1_000, 8_000));
    if plain {
        return vec![Cue { when: first, plot: Plot::Push(word(rng, &["", "5xx=50"])) }];
    }
    let mut cues = vec![Cue { when: first, plot: Plot::Push(manners(rng)) }];
    for _ in 0..rng.between(0, 5) / 3 {
        cues.push(Cue { when: when(schedule, rng), plot: Plot::Push(manners(rng)) });
    }
    if schedule.sidecar {
        cues.push(Cue { when: when(schedule, rng), plot: Plot::PushSidecar(manners(rng)) });
    }
    for _ in 0..rng.between(0, 4) {
        let which = if rng.percent(40) { Which::Live } else { Which::Idle };
        let plot = match rng.between(0, 35) {
            0 => Plot::OldPush,
            1 => Plot::SamePush,
            2 => Plot::Promote,
            3 => Plot::Pause,
            4 => Plot::Resume,
            5 | 6 => Plot::Abort,
            7 | 8 => Plot::Rollback,
            9 => Plot::Redeploy,
            10 => Plot::Release,
            11 if rng.percent(50) => Plot::Deploy,
            11 => Plot::Force,
            12 | 13 => Plot::Weights(*rng.pick(&[0, 100, 50, 30])),
            14..=16 => Plot::Update(which),
            17 => Plot::Count(which, rng.between(1, 4) as u32),
            18 | 19 => Plot::Kill(which),
            20 => Plot::KillOne(which),
            21 => Plot::Sicken(which),
            22..=24 => Plot::Alarm(rng.between(0, 2) as usize, true),
            25 => Plot::Blind(rng.between(0, 2) as usize),
            26 => Plot::Flap(rng.between(0, 2) as usize),
            27 => Plot::Traffic(false),
            28 => Plot::Room(false),
            29 | 30 => Plot::Hand(Hand::Stop),
            31 => Plot::Hand(Hand::GoOn),
            32 => Plot::Hand(Hand::GoBack),
            33 => Plot::GiveUp,
            34 => Plot::Takeover,
            _ => Plot::Hand(Hand::RuleGone),
        };
        let at = when(schedule, rng);
        match plot {
            Plot::Alarm(n, _) => {
                let delay = rng.between(0, schedule.pace.bake * 3);
                cues.push(Cue { when: When::Phase(phase(rng), delay), plot });
                cues.push(Cue { when: when(schedule, rng), plot: Plot::Alarm(n, false) });
                continue;
            }
            Plot::Room(_) => cues.push(Cue { when: when(schedule, rng), plot: Plot::Room(true) }),
            Plot::Traffic(_) => cues.push(Cue { when: when(schedule, rng), plot: Plot::Traffic(true) }),
            Plot::Pause => cues.push(Cue { when: when(schedule, rng), plot: Plot::Resume }),
            Plot::Kill(Which::Live) if rng.percent(40) => {
                cues.push(Cue { when: When::Phase("holding", 0), plot: Plot::Kill(Which::Live) });
            }
            _ => {}
        }
        cues.push(Cue { when: at, plot });
    }
    if rng.percent(12) {
        // Somebody who was called gives up.
        let delay = rng.between(1_000, schedule.pace.bake * 4);
        cues.push(Cue { when: When::Phase("stopping", delay), plot: Plot::GiveUp });
    }
    cues
}

fn faults(schedule: &Schedule, rng: &mut Rng) -> Vec<Fault> {
    const PARTS: [Part; 5] = [Part::Routes, Part::Services, Part::Targets, Part::Alarms, Part::Definitions];
    const STALE: [Part; 4] = [Part::Routes, Part::Services, Part::Targets, Part::Alarms];
    let pace = &schedule.pace;
    let mut drawn = Vec::new();
    for _ in 0..rng.between(1, 8) {
        let kind = match rng.between(0, 22) {
            0 => Kind::Error,
            1 => Kind::Throttle,
            2 | 19 => Kind::LostAnswer,
            3..=5 => Kind::Late,
            6 | 7 => Kind::Stale(*rng.pick(&STALE)),
            8 | 9 => Kind::Crash,
            10 => Kind::Pause,
            11 => Kind::StoreDown,
            12 => Kind::SaveFails,
            13 => Kind::EventLost,
            14 => Kind::EventDoubled,
            15 => Kind::EventDelayed,
            16 => Kind::WakeLost,
            17 | 18 => Kind::Unread(*rng.pick(&PARTS)),
            20 | 21 => Kind::Rival,
            _ => Kind::WakeDoubled,
        };
        let from = rng.between(0, schedule.calm_after);
        let length = |rng: &mut Rng, low: Millis, high: Millis| rng.between(low, high);
        let (length, percent) = match kind {
            Kind::Stale(_) => (length(rng, pace.stale / 2, pace.stale), 100),
            Kind::StoreDown | Kind::SaveFails => (length(rng, pace.bake / 4, pace.bake * 2), 100),
            Kind::Error | Kind::Throttle => (length(rng, pace.bake / 2, pace.bake * 6), rng.between(5, 60)),
            Kind::Unread(_) | Kind::RouteFails(_) => (length(rng, pace.bake / 2, pace.bake * 4), rng.between(30, 100)),
            Kind::Pause => (length(rng, pace.bake, pace.bake * 8), rng.between(2, 15)),
            Kind::LostAnswer | Kind::Late => (length(rng, pace.bake, pace.bake * 8), rng.between(10, 70)),
            Kind::Crash => (length(rng, pace.bake, pace.bake * 8), rng.between(10, 50)),
            Kind::Rival
            | Kind::EventLost
            | Kind::EventDoubled
            | Kind::EventDelayed
            | Kind::WakeLost
            | Kind::WakeDoubled => (length(rng, pace.bake, pace.bake * 8), rng.between(20, 100)),
        };
        drawn.push(Fault { kind, from, until: from + length, percent });
    }
    drawn
}
