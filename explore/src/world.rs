//! The world without the processes: weights, tasks, scalable targets, the alarm, and writes that have not landed yet.

use std::collections::BTreeMap;

use shared::decision::Action;
use shared::ids::{Colour, RevisionArn, RolloutId};
use shared::observation::{
    AlarmReading, AlarmState, Ask, ColourReading, DeploymentReading, Observation, Reading, RequestCount, RolloutState,
    RouteReading, ScalingReading, ServiceReading, Suspended, TargetCounts,
};
use shared::time::{Span, Time};
use shared::weights::Weights;

use crate::age::{older, younger};
use crate::place::{ALARM, HORIZON, NOW, group, margins, revision, route, weights};

/// The most tasks of a colour.
pub const MOST: u8 = 2;

/// One colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    /// The version its service names.
    pub version: u8,
    /// Tasks wanted.
    pub desired: u8,
    /// Tasks running.
    pub running: u8,
    /// They fail their health checks.
    pub sick: bool,
    /// Its deployment has come to its end.
    pub completed: bool,
    /// Its scalable target.
    pub scaling: Scaling,
    /// When it last had weight.
    pub weighted: Time,
}

/// A scalable target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scaling {
    /// The lowest count.
    pub min: u8,
    /// The highest count.
    pub max: u8,
    /// What is suspended.
    pub suspended: Suspended,
}

/// A write that was sent and will land.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    /// What.
    pub action: Action,
    /// Whether it goes forward.
    pub forward: bool,
    /// At the latest then.
    pub until: Time,
    /// The rollout it was sent for.
    pub rollout: Option<RolloutId>,
}

/// The world without the processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Blue's share and green's, as written on the route.
    pub weights: (u32, u32),
    /// Blue and green.
    pub sides: [Side; 2],
    /// The alarm fires.
    pub firing: bool,
    /// The alarm's event, which nobody heard yet: when it fired.
    pub event: Option<Time>,
    /// Versions registered, by rollout.
    pub registered: BTreeMap<RolloutId, u8>,
    /// What may still land.
    pub late: Vec<Late>,
}

/// What a look is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Blind {
    /// The route's weights.
    Routes,
    /// Both services.
    Services,
    /// Target health.
    Targets,
    /// The alarm.
    Alarms,
}

impl Blind {
    /// All of them.
    pub const ALL: [Blind; 4] = [Blind::Routes, Blind::Services, Blind::Targets, Blind::Alarms];
}

fn index(colour: Colour) -> usize {
    match colour {
        Colour::Blue => 0,
        Colour::Green => 1,
    }
}

impl World {
    /// Blue carries everything with one task of version 1; green rests.
    #[must_use]
    pub fn new() -> World {
        let long_ago = NOW.minus(HORIZON);
        let scaling = Scaling { min: 1, max: MOST, suspended: Suspended::default() };
        let rest = Scaling { min: 0, max: MOST, suspended: Suspended::ALL };
        let side = |desired, scaling, weighted| Side {
            version: 1,
            desired,
            running: desired,
            sick: false,
            completed: true,
            scaling,
            weighted,
        };
        World {
            weights: (100, 0),
            sides: [side(1, scaling, NOW), side(0, rest, long_ago)],
            firing: false,
            event: None,
            registered: BTreeMap::new(),
            late: Vec::new(),
        }
    }

    /// One colour.
    #[must_use]
    pub fn side(&self, colour: Colour) -> &Side {
        &self.sides[index(colour)]
    }

    /// One colour, to change it.
    pub fn side_mut(&mut self, colour: Colour) -> &mut Side {
        &mut self.sides[index(colour)]
    }

    /// A colour's weight.
    #[must_use]
    pub fn weight(&self, colour: Colour) -> u32 {
        match colour {
            Colour::Blue => self.weights.0,
            Colour::Green => self.weights.1,
        }
    }

    /// The route's weights as they are read.
    #[must_use]
    pub fn route(&self) -> Weights {
        weights(self.weights.0, self.weights.1)
    }

    /// Puts weights on the route.
    pub fn weigh(&mut self, blue: u32, green: u32) {
        self.carry();
        self.weights = (blue, green);
        self.carry();
    }

    /// A colour with weight has weight now.
    fn carry(&mut self) {
        for colour in Colour::BOTH {
            if self.weight(colour) > 0 {
                self.side_mut(colour).weighted = NOW;
            }
        }
    }

    /// Time passes.
    pub fn pass(&mut self, by: Span) {
        for side in &mut self.sides {
            side.weighted = older(side.weighted, by);
        }
        self.carry();
        for late in &mut self.late {
            late.until = older(late.until, by);
        }
        // An event that nobody heard within two ticks is lost.
        self.event = self.event.map(|at| older(at, by)).filter(|at| NOW.since(*at) < margins().effect_lifetime);
    }

    /// A write takes effect.
    pub fn land(&mut self, action: &Action) {
        match action {
            Action::Register { images, rollout, .. } => {
                let version = images.first().map_or(0, |(image, _)| u8::try_from(image.pushed_at.0).unwrap_or(0));
                self.registered.insert(rollout.clone(), version);
            }
            Action::Start { colour, revision, desired } => {
                let version = crate::place::version(revision);
                let side = self.side_mut(*colour);
                if side.version != version {
                    (side.version, side.running, side.sick, side.completed) = (version, 0, false, false);
                }
                side.desired = small(*desired);
                side.running = side.running.min(side.desired);
            }
            Action::Scale { colour, desired } => {
                let side = self.side_mut(*colour);
                side.desired = small(*desired);
                side.running = side.running.min(side.desired);
                side.sick &= side.running > 0;
            }
            Action::Weights { weights, .. } => {
                let of = |colour| weights.get(&group(colour)).copied().unwrap_or(0);
                self.weigh(of(Colour::Blue), of(Colour::Green));
            }
            Action::Scaling { colour, wanted } => {
                let side = self.side_mut(*colour);
                side.scaling.suspended = wanted.suspended;
                if let Some((min, max)) = wanted.bounds {
                    (side.scaling.min, side.scaling.max) = (small(min), small(max));
                    // RegisterScalableTarget moves the count into its range.
                    side.desired = side.desired.clamp(side.scaling.min, side.scaling.max);
                    side.running = side.running.min(side.desired);
                }
            }
            // This world has the managed engine only, and no scaling check.
            Action::Mend { .. }
            | Action::Deploy { .. }
            | Action::Stop { .. }
            | Action::Continue { .. }
            | Action::Tidy { .. } => {}
        }
    }

    /// One look, as a process whose clock is `lag` behind is answered.
    #[must_use]
    pub fn look(&self, ask: &Ask, lag: Span, blind: Option<Blind>) -> Observation {
        let now = younger(NOW, lag);
        let mut seen = Observation::nothing(now);
        if ask.routes {
            let reading = RouteReading { weights: self.route(), stickiness: None, unwritable: None };
            let reading = if blind == Some(Blind::Routes) { unread("the route") } else { Reading::Known(reading) };
            seen.routes.insert(route(), reading);
        }
        if ask.targets {
            for colour in Colour::BOTH {
                seen.colours.insert(colour, self.colour(colour, ask, now, lag, blind));
            }
        }
        if ask.alarms {
            let reading = if blind == Some(Blind::Alarms) { unread("the alarm") } else { self.alarm() };
            seen.alarms.insert(ALARM.into(), reading);
        }
        if let Some((_, rollout)) = &ask.registered {
            let found = self.registered.get(&RolloutId(rollout.clone())).copied();
            seen.registered = Reading::Known(found.map(revision));
        }
        seen
    }

    /// The alarm as it is read.
    #[must_use]
    pub fn alarm(&self) -> Reading<Option<AlarmReading>> {
        Reading::Known(Some(AlarmReading {
            state: if self.firing { AlarmState::Alarm } else { AlarmState::Ok },
            since: None,
            reason: "threshold crossed".to_owned(),
            missing_is_quiet: true,
            fires_after: None,
            target_groups: Default::default(),
            services: Default::default(),
        }))
    }

    fn colour(&self, colour: Colour, ask: &Ask, now: Time, lag: Span, blind: Option<Blind>) -> ColourReading {
        let side = self.side(colour);
        let service = service(colour, side);
        let healthy = if side.sick { 0 } else { side.running };
        let counts = TargetCounts {
            healthy: u32::from(healthy),
            unhealthy: u32::from(side.running - healthy),
            ..TargetCounts::default()
        };
        let mut reading = ColourReading::nothing();
        reading.service = match blind {
            Some(Blind::Services) => unread("the service"),
            Some(Blind::Routes | Blind::Targets | Blind::Alarms) | None => Reading::Known(Some(service)),
        };
        let counts = match blind {
            Some(Blind::Targets | Blind::Services) => unread("target health"),
            Some(Blind::Routes | Blind::Alarms) | None => Reading::Known(counts),
        };
        reading.targets.insert(group(colour), counts);
        if ask.scaling {
            reading.scaling = Reading::Known(Some(ScalingReading {
                min: u32::from(side.scaling.min),
                max: u32::from(side.scaling.max),
                suspended: side.scaling.suspended,
            }));
        }
        if let Some((colours, from)) = &ask.requests
            && colours.contains(&colour)
        {
            let complete_until = now.minus(margins().metric_delay).floor(margins().metric_period);
            let last = younger(side.weighted, lag).min(complete_until);
            reading.requests = Reading::Known(RequestCount { count: u64::from(last > *from), complete_until });
        }
        reading
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

fn unread<T>(what: &str) -> Reading<T> {
    Reading::Unknown(format!("{what} could not be read"))
}

fn small(count: u32) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

fn service(colour: Colour, side: &Side) -> ServiceReading {
    let revision: RevisionArn = revision(side.version);
    let deployment = DeploymentReading {
        id: format!("ecs-svc/{}", side.version),
        primary: true,
        task_definition: revision.clone(),
        state: if side.completed { RolloutState::Completed } else { RolloutState::InProgress },
        failed: 0,
        reason: String::new(),
    };
    ServiceReading {
        arn: format!("arn:aws:ecs:us-east-1:123456789012:service/c/shop-{colour}"),
        desired: u32::from(side.desired),
        running: u32::from(side.running),
        pending: u32::from(side.desired - side.running),
        task_definition: revision,
        deployments: vec![deployment],
        target_groups: vec![group(colour)],
        undrivable: None,
        reverts_by_itself: None,
    }
}
