//! A schedule: everything that is drawn from a seed before the first step.

use model::{Millis, Settings};
use shared::config::{NoTraffic, OnNewPush};
use shared::rollout::Margins;
use shared::strategy::Step;
use shared::time::Span;

use crate::faults::{Fault, Kind, Part};
use crate::names::PHASES;
use crate::native;
use crate::plots::{Cue, Plot, When, Which};
use crate::rng::Rng;

/// How fast the world is, and what the product is told of that.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The world's times.
    pub settings: Settings,
    /// The product's margins.
    pub margins: Margins,
    /// A write lands at most this long after its deadline.
    pub late: Millis,
    /// A read is at most this old.
    pub stale: Millis,
    /// A clock is at most this wrong.
    pub skew: Millis,
    /// A function is killed after this.
    pub timeout: Millis,
    /// A message that was not dealt with comes back after this.
    pub visibility: Millis,
    /// Between two sweeps.
    pub sweep: Millis,
    /// The shortest bake.
    pub bake: Millis,
    /// What a process needs at most from learning to acting when nothing goes wrong; the bound of "at once".
    pub bound: Millis,
}

impl Pace {
    /// The local cloud's pace.
    #[must_use]
    pub fn quick() -> Pace {
        Pace {
            settings: Settings::quick(),
            margins: Margins::quick(),
            late: 1_000,
            stale: 600,
            skew: 100,
            timeout: 12_000,
            visibility: 15_000,
            sweep: 20_000,
            bake: 15_000,
            bound: 45_000,
        }
    }

    /// The local cloud's pace with short bakes: everything happens at once, and much of it at the same time.
    #[must_use]
    pub fn dense() -> Pace {
        let quick = Pace::quick();
        let margins = Margins { settled_look: Span::secs(15), look: Span::secs(2), ..quick.margins };
        Pace { sweep: 10_000, bake: 6_000, margins, ..quick }
    }

    /// AWS's pace.
    #[must_use]
    pub fn aws() -> Pace {
        Pace {
            settings: Settings::default(),
            margins: Margins::default(),
            late: 20_000,
            stale: 8_000,
            skew: 500,
            timeout: 30_000,
            visibility: 45_000,
            sweep: 60_000,
            bake: 60_000,
            bound: 150_000,
        }
    }
}

/// One schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its seed.
    pub seed: u64,
    /// How fast things go.
    pub pace: Pace,
    /// The steps of a rollout.
    pub steps: Vec<Step>,
    /// How long the old side stays warm.
    pub standby: Span,
    /// One route or two.
    pub routes: usize,
    /// Whether a second route has its own target groups.
    pub own_groups: bool,
    /// The weight of a third target group in the first route.
    pub legacy: u32,
    /// Whether the first route has a login before its forward action.
    pub login: bool,
    /// Whether the first route has target group stickiness (and the configuration accepts it).
    pub sticky: bool,
    /// Tasks of the live side.
    pub tasks: u32,
    /// Whether the colours have scalable targets.
    pub scalable: bool,
    /// Whether green is live at first.
    pub green_first: bool,
    /// Whether the sides of the alarms are named or told from their dimensions.
    pub named_sides: bool,
    /// See the configuration.
    pub no_traffic: NoTraffic,
    /// See the configuration.
    pub on_new_push: OnNewPush,
    /// Whether the service has a second image.
    pub sidecar: bool,
    /// Whether there is a second service next door, behind the same listener and with an alarm in common.
    pub next_door: bool,
    /// Whether the alarm on both sides has no data while there is no traffic, and does not take that for quiet.
    pub wants_data: bool,
    /// Whether no alarm watches the side that the first candidate goes to.
    pub uncovered: bool,
    /// Whether the service only observes.
    pub observes: bool,
    /// Requests per second and route.
    pub requests: u32,
    /// What happens.
    pub cues: Vec<Cue>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Short, with much at the same time.
    pub dense: bool,
    /// How many processes of a hundred have a wrong clock.
    pub skewed: u64,
    /// Nothing is drawn to happen or go wrong after this.
    pub calm_after: Millis,
    /// What the service is like under the native engine; none: it is a managed one.
    pub native: Option<native::Shape>,
}

/// One of the phases.
fn phase(rng: &mut Rng) -> &'static str {
    let phase: &&'static str = rng.pick(PHASES);
    phase
}

impl Schedule {
    /// Draws the schedule of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Schedule {
        let rng = &mut Rng::new(seed, 1);
        // Some days are plain: AWS's pace, good weather, one bad image. There the bounds are the tightest.
        let plain = rng.percent(4);
        let quick = !plain && rng.percent(92);
        // Most days are short and dense; the long ones see what comes with time.
        let dense = quick && Rng::new(seed, 6).percent(75);
        let pace = match (quick, dense) {
            (_, true) => Pace::dense(),
            (true, false) => Pace::quick(),
            (false, false) => Pace::aws(),
        };
        let bake = |rng: &mut Rng| Span(pace.bake * rng.between(2, 4) / 2);
        let weights: &[u8] = [&[100][..], &[50, 100], &[10, 100], &[10, 50, 100], &[25, 50, 75, 100]]
            [rng.between(0, if dense { 2 } else { 4 }) as usize];
        let steps = weights.iter().map(|&weight| Step { weight, bake: bake(rng) }).collect::<Vec<_>>();
        let standby = Span(pace.bake * rng.between(0, if dense { 1 } else { 3 }));
        let calm_after = pace.bake * rng.between(4, if dense { 6 } else { 10 }) + if dense { 10_000 } else { 60_000 };
        let routes = if rng.percent(40) { 2 } else { 1 };
        let mut schedule = Schedule {
            seed,
            steps,
            standby,
            routes,
            own_groups: rng.percent(50),
            legacy: if rng.percent(15) { 10 } else { 0 },
            login: rng.percent(15),
            sticky: rng.percent(10),
            tasks: rng.between(1, 3) as u32,
            scalable: rng.percent(70),
            green_first: rng.percent(30),
            named_sides: rng.percent(60),
            no_traffic: if rng.percent(70) { NoTraffic::Hold } else { NoTraffic::Proceed },
            on_new_push: if rng.percent(70) { OnNewPush::Supersede } else { OnNewPush::Queue },
            requests: rng.between(2, 4) as u32,
            sidecar: rng.percent(40),
            next_door: rng.percent(if dense { 8 } else { 30 }),
            wants_data: rng.percent(12),
            uncovered: rng.percent(2),
            observes: rng.percent(1),
            cues: Vec::new(),
            faults: Vec::new(),
            dense,
            skewed: 0,
            calm_after,
            pace,
            native: None,
        };
        schedule.cues = schedule.draw_cues(&mut Rng::new(seed, 2));
        // A quarter of all schedules has good weather: there the bounds are tight.
        let weather = &mut Rng::new(seed, 3);
        if plain {
            schedule.cues = vec![Cue { when: When::At(10_000), plot: Plot::Push("5xx=50") }];
        } else if !weather.percent(25) {
            schedule.faults = schedule.draw_faults(weather);
            schedule.skewed = if weather.percent(40) { 50 } else { 0 };
        }
        // A write that goes forward hangs while an alarm takes everything back.
        if !plain && weather.percent(8) {
            let (phase, delay) = ("shifting", weather.between(100, schedule.pace.margins.forward.0));
            schedule.cues.push(Cue { when: When::Phase(phase, delay), plot: Plot::Alarm(2, true) });
            schedule.faults.push(Fault { kind: Kind::Late, from: 0, until: schedule.calm_after, percent: 50 });
        }
        if schedule.scalable && !plain {
            schedule.draw_repairs(&mut Rng::new(seed, 7));
        }
        schedule
    }

    /// The scaling check wants something put right: at rest, just before a push, or whenever.
    fn draw_repairs(&mut self, rng: &mut Rng) {
        if !rng.percent(15) {
            return;
        }
        let times = rng.between(1, 2) as u32;
        let when = self.when(rng);
        self.cues.push(Cue { when, plot: Plot::Repair(times) });
        if rng.percent(60) {
            let at = self.calm_after * 2 + rng.between(0, self.calm_after);
            self.cues.push(Cue { when: When::At(at), plot: Plot::Repair(times) });
            if rng.percent(60) {
                let after = rng.between(0, self.pace.margins.forward.0 * 2);
                self.cues.push(Cue { when: When::At(at + after), plot: Plot::Push("") });
            }
            if rng.percent(40) {
                let until = at + self.pace.margins.forward.0 * 2;
                self.faults.push(Fault { kind: Kind::Late, from: at, until, percent: 60 });
            }
        }
    }

    fn draw_cues(&self, rng: &mut Rng) -> Vec<Cue> {
        let manners = |rng: &mut Rng| -> &'static str {
            match rng.between(0, 99) {
                0..=54 => "",
                55..=64 => "5xx=50",
                65..=72 => "5xx=100 after=20s",
                73..=80 => "unhealthy after=30s",
                81..=85 => "unhealthy",
                86..=90 => "crash",
                91..=95 => "crash after=25s",
                _ => "slow=800ms",
            }
        };
        let mut cues = vec![Cue { when: When::At(rng.between(3_000, 20_000)), plot: Plot::Push(manners(rng)) }];
        for _ in 0..rng.between(0, if self.dense { 4 } else { 8 }) / 3 {
            let when = self.when(rng);
            cues.push(Cue { when, plot: Plot::Push(manners(rng)) });
        }
        if self.sidecar {
            for _ in 0..rng.between(1, 2) {
                let when = if rng.percent(30) { When::At(rng.between(3_000, 20_000)) } else { self.when(rng) };
                cues.push(Cue { when, plot: Plot::PushSidecar(manners(rng)) });
            }
        }
        if self.next_door {
            for _ in 0..rng.between(1, 2) {
                let when = When::At(rng.between(3_000, self.calm_after));
                cues.push(Cue { when, plot: Plot::PushNextDoor(manners(rng)) });
            }
        }
        if rng.percent(20) {
            return cues;
        }
        // An infrastructure tool resets the weights of a settled service to the empty colour.
        if rng.percent(8) {
            let at = self.calm_after * 3 + rng.between(0, self.calm_after);
            cues.push(Cue { when: When::At(at), plot: Plot::WeightsTo(Which::Idle) });
        }
        // The side to flip back to dies just when somebody wants to flip back.
        if rng.percent(8) {
            let (phase, delay) = (["baking", "standby"][rng.between(0, 1) as usize], rng.between(0, self.pace.bake));
            cues.push(Cue { when: When::Phase(phase, delay), plot: Plot::Kill(Which::Idle) });
            cues.push(Cue { when: When::Phase(phase, delay + rng.between(200, 2_000)), plot: Plot::Abort });
            if rng.percent(50) {
                let after = rng.between(1_000, self.pace.bake * 2);
                cues.push(Cue { when: When::Phase("returning", after), plot: Plot::GiveUp });
            }
        }
        // A person deploys what bakes once more, and then it hurts.
        if rng.percent(6) {
            let delay = rng.between(0, self.pace.bake / 2);
            cues.push(Cue { when: When::Phase("baking", delay), plot: Plot::Deploy });
            let (alarm, after) = (rng.between(0, 2) as usize, rng.between(0, self.pace.bake / 2));
            let plot = if rng.percent(50) { Plot::Alarm(alarm, true) } else { Plot::Abort };
            cues.push(Cue { when: When::Phase("baking", delay + after), plot });
        }
        // Somebody else's weights hold a rollout where it is, until a person resumes it or gives it up.
        if rng.percent(10) {
            let phases = ["starting", "shifting", "baking", "standby", "retiring", "resting"];
            let (phase, delay) = (*rng.pick(&phases), rng.between(0, 300));
            cues.push(Cue { when: When::Phase(phase, delay), plot: Plot::Weights(*rng.pick(&[50, 30, 70])) });
            let held = self.pace.margins.confirm.0 + 2 * self.pace.margins.look.0 + rng.between(0, self.pace.bake);
            let plot = if rng.percent(50) { Plot::Resume } else { Plot::GiveUp };
            cues.push(Cue { when: When::Phase(phase, delay + held), plot });
        }
        for _ in 0..rng.between(0, 4) {
            let which = if rng.percent(50) { Which::Live } else { Which::Idle };
            let plot = match rng.between(0, 32) {
                0 => Plot::OldPush,
                1 => Plot::SamePush,
                2 => Plot::Promote,
                3 => Plot::Pause,
                4 => Plot::Resume,
                5 => Plot::Abort,
                6 => Plot::Rollback,
                7 => Plot::Redeploy,
                8 => Plot::Release,
                9 if rng.percent(50) => Plot::Deploy,
                9 => Plot::Force,
                10 => Plot::Weights(*rng.pick(&[0, 100, 50, 30])),
                11 => Plot::Update(which),
                12 => Plot::Count(which, rng.between(0, 4) as u32),
                13 | 14 => Plot::Kill(which),
                15..=17 => Plot::Alarm(rng.between(0, 2) as usize, true),
                18 => Plot::Traffic(false),
                23 | 24 => Plot::Sicken(if rng.percent(80) { Which::Idle } else { Which::Live }),
                25 => Plot::KillOne(which),
                26 | 27 => Plot::Breaker(if rng.percent(80) { Which::Idle } else { Which::Live }),
                28 => Plot::Room(false),
                29 => Plot::Blind(rng.between(0, 2) as usize),
                30 => Plot::Flap(rng.between(0, 2) as usize),
                31 | 32 => Plot::Takeover,
                20 | 21 => Plot::Weights(*rng.pick(&[0, 100, 50, 30, 70])),
                19 => Plot::WeightsTo(Which::Idle),
                _ => Plot::Autoscale(which, rng.percent(50)),
            };
            let mut when = self.when(rng);
            match plot {
                // An alarm that fires says something only while there is traffic to move.
                Plot::Alarm(..) => {
                    when = When::Phase(
                        ["shifting", "baking", "standby"][rng.between(0, 2) as usize],
                        rng.between(0, self.pace.bake),
                    )
                }
                Plot::Flap(_) | Plot::Blind(_) | Plot::Sicken(_) => {
                    let phase = ["shifting", "baking", "standby"][rng.between(0, 2) as usize];
                    when = When::Phase(phase, rng.between(0, self.pace.bake));
                }
                // ECS's own breaker says something only while tasks that crash are being started.
                Plot::Breaker(_) if rng.percent(70) => {
                    when = When::Phase("starting", rng.between(0, 2_000));
                    cues[0].plot = Plot::Push("crash");
                }
                Plot::Room(_) if rng.percent(60) => when = When::Phase("starting", rng.between(0, 2_000)),
                Plot::Weights(_) if rng.percent(70) => {
                    when = When::Phase(
                        ["shifting", "baking"][rng.between(0, 1) as usize],
                        rng.between(0, self.pace.bake / 2),
                    );
                }
                // Somebody moves the traffic by hand, with tasks to take it.
                Plot::WeightsTo(_) if rng.percent(50) => {
                    let at = self.calm_after * 2 + rng.between(0, self.calm_after);
                    when = When::At(at);
                    cues.push(Cue { when: When::At(at - self.pace.bake * 2), plot: Plot::Count(Which::Idle, 2) });
                }
                _ => {}
            }
            match plot {
                Plot::Pause if rng.percent(60) => cues.push(Cue { when: self.when(rng), plot: Plot::Resume }),
                Plot::Room(_) if rng.percent(80) => {
                    let after = When::Phase("starting", rng.between(5_000, self.pace.bake * 5));
                    let lifted = if rng.percent(50) { after } else { self.when(rng) };
                    cues.push(Cue { when: lifted, plot: Plot::Room(true) });
                }
                Plot::Traffic(_) if rng.percent(70) => {
                    cues.push(Cue { when: self.when(rng), plot: Plot::Traffic(true) })
                }
                Plot::Alarm(n, _) => cues.push(Cue { when: self.when(rng), plot: Plot::Alarm(n, false) }),
                _ => {}
            }
            cues.push(Cue { when, plot });
        }
        if rng.percent(40) {
            self.draw_people(rng, &mut cues);
        }
        cues
    }

    /// People at any moment, in the phases that last no longer than a look too, and when nothing runs any more.
    fn draw_people(&self, rng: &mut Rng, cues: &mut Vec<Cue>) {
        const WISHES: [Plot; 10] = [
            Plot::Promote,
            Plot::Pause,
            Plot::Resume,
            Plot::Abort,
            Plot::GiveUp,
            Plot::Rollback,
            Plot::Redeploy,
            Plot::Release,
            Plot::Force,
            Plot::SamePush,
        ];
        for _ in 0..rng.between(1, 3) {
            let mut plot = rng.pick(&WISHES).clone();
            if plot == Plot::Force && rng.percent(50) {
                plot = Plot::Deploy;
            }
            let when = if rng.percent(12) {
                When::At(self.calm_after + rng.between(0, self.calm_after))
            } else {
                let delay = if rng.percent(60) { rng.between(0, 60) } else { rng.between(0, self.pace.bake) };
                When::Phase(phase(rng), delay)
            };
            if plot == Plot::Pause {
                cues.push(Cue { when: self.when(rng), plot: Plot::Resume });
            }
            cues.push(Cue { when, plot });
        }
    }

    fn when(&self, rng: &mut Rng) -> When {
        if rng.percent(60) {
            When::Phase(phase(rng), rng.between(0, self.pace.bake))
        } else {
            When::At(rng.between(1_000, self.calm_after))
        }
    }

    fn draw_faults(&self, rng: &mut Rng) -> Vec<Fault> {
        (0..rng.between(1, 8))
            .map(|_| {
                let kind = match rng.between(0, 22) {
                    0 => Kind::Error,
                    1 => Kind::Throttle,
                    2 => Kind::LostAnswer,
                    3..=5 => Kind::Late,
                    6 | 7 => Kind::Stale(*rng.pick(&Part::STALE)),
                    8 | 9 => Kind::Crash,
                    10 => Kind::Pause,
                    11 => Kind::StoreDown,
                    12 => Kind::SaveFails,
                    13 => Kind::EventLost,
                    14 => Kind::EventDoubled,
                    15 => Kind::EventDelayed,
                    16 => Kind::WakeLost,
                    17 | 18 => Kind::Unread(*rng.pick(&Part::ALL)),
                    19 => Kind::RouteFails(rng.between(0, self.routes as u64 - 1) as usize),
                    20 | 21 => Kind::Rival,
                    _ => Kind::WakeDoubled,
                };
                let from = rng.between(0, self.calm_after);
                let (length, percent) = match kind {
                    Kind::Stale(_) => (rng.between(self.pace.stale / 2, self.pace.stale), 100),
                    Kind::StoreDown | Kind::SaveFails => (rng.between(self.pace.bake / 4, self.pace.bake * 2), 100),
                    Kind::Error | Kind::Throttle => {
                        (rng.between(self.pace.bake / 2, self.pace.bake * 6), rng.between(5, 60))
                    }
                    Kind::Unread(_) | Kind::RouteFails(_) => {
                        (rng.between(self.pace.bake / 2, self.pace.bake * 4), rng.between(30, 100))
                    }
                    Kind::Pause => (rng.between(self.pace.bake, self.pace.bake * 8), rng.between(2, 15)),
                    Kind::LostAnswer | Kind::Late => {
                        (rng.between(self.pace.bake, self.pace.bake * 8), rng.between(10, 60))
                    }
                    Kind::Rival => (rng.between(self.pace.bake, self.pace.bake * 8), rng.between(20, 100)),
                    Kind::Crash => (rng.between(self.pace.bake, self.pace.bake * 8), rng.between(10, 50)),
                    Kind::EventLost | Kind::EventDoubled | Kind::EventDelayed | Kind::WakeLost | Kind::WakeDoubled => {
                        (rng.between(self.pace.bake, self.pace.bake * 8), rng.between(20, 100))
                    }
                };
                Fault { kind, from, until: from + length, percent }
            })
            .collect()
    }
}
