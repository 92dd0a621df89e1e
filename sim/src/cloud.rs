//! Everything that the processes share: virtual time, the world, the queues, the store, and who watches over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use model::{AwsError, Happening, Millis, Service, World};
use serde_json::{Value, json};
use shared::decision::Effect;
use shared::ids::{Colour, RolloutId, RouteArn};
use shared::intake::MessageKind;
use shared::observation::Observation;
use shared::ports::Record;
use shared::rollout::{ImageRef, Margins, Status};
use shared::time::Time;
use shared::weights::Weights;

use crate::bugs::Bug;
use crate::counts::Counts;
use crate::faults::{Kind, Part};
use crate::laws::{self, Laws, Violation};
use crate::looks::{Frozen, Looks, Question};
use crate::next_door::{NextDoor, Who};
use crate::plots::When;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::setup::{self, Place, START};
use crate::{native, view};

pub(crate) type Pid = u64;

/// Between two messages that come twice.
const DOUBLED: Millis = 5_000;

/// What is due at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// Traffic, and the laws that look at the world.
    Second,
    /// A process goes on.
    Resume(Pid),
    /// A function's time is over.
    Kill(Pid),
    /// A write that was sent takes effect.
    Land(Box<Landing>),
    /// An event reaches its function.
    Deliver(Value, u32),
    /// A message enters the FIFO queue.
    Queue(Who, MessageKind),
    /// The FIFO queue may hand out.
    Pump(Who),
    /// The sweep.
    Sweep,
    /// Something happens.
    Cue(usize),
    /// Reads of a part show this moment until then.
    Freeze(Part, Millis),
    /// A function that ECS called for a service deployment's hook answers.
    Answer(String, String, Value),
}

/// A write on its way.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    pub(crate) who: Who,
    pub(crate) pid: Pid,
    pub(crate) service: Service,
    pub(crate) operation: &'static str,
    pub(crate) input: Value,
    pub(crate) effect: Effect,
    pub(crate) rollout: Option<RolloutId>,
}

/// What a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Push,
    Alarm,
    Advance,
    /// The slower sweep of a repository.
    Search,
}

/// A process: one invocation of a function.
#[derive(Debug)]
pub(crate) struct Proc {
    pub(crate) who: Who,
    pub(crate) role: Role,
    /// How wrong its clock is.
    pub(crate) skew: i64,
    /// It dies at this call.
    pub(crate) crash_at: Option<u32>,
    pub(crate) calls: u32,
    pub(crate) dead: bool,
    /// What its last look was really answered.
    pub(crate) honest: Option<Rc<Observation>>,
    /// The record it loaded last.
    pub(crate) loaded: Option<Rc<Record>>,
    /// The record with the status it acts by: loaded or saved last.
    pub(crate) acting: Option<Rc<Record>>,
    /// Kinds of destructive effects sent since its last look.
    pub(crate) destructive: BTreeSet<&'static str>,
    /// It saved a turn back that the store refused: the weights are owed all the same.
    pub(crate) owes_back: bool,
    /// The event it was started for, and how often it was tried before.
    pub(crate) event: Option<(Value, u32)>,
    pub(crate) message: Option<Queued>,
}

/// A message in the FIFO queue.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) kind: MessageKind,
    pub(crate) received: u32,
}

/// The FIFO queue's group of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    pub(crate) waiting: VecDeque<Queued>,
    pub(crate) busy: BTreeSet<Pid>,
    pub(crate) blocked: Millis,
}

/// How a route is described.
pub(crate) fn route_ask(route: &RouteArn) -> Question<'_> {
    let operation = if route.is_listener() { "DescribeListeners" } else { "DescribeRules" };
    Question { part: Part::Routes, service: Service::Elb, operation, about: route.as_str() }
}

pub(crate) fn route_input(route: &RouteArn) -> Value {
    let member = if route.is_listener() { "ListenerArns" } else { "RuleArns" };
    json!({ member: [route.0] })
}

#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) now: Millis,
    pub(crate) world: World,
    pub(crate) place: Place,
    pub(crate) schedule: Schedule,
    pub(crate) bug: Option<Bug>,
    pub(crate) queue: BTreeMap<(Millis, u64), Event>,
    sequence: u64,
    pub(crate) rng: Rng,
    chance: Rng,
    pub(crate) stale: BTreeMap<Part, (Millis, Frozen)>,
    pub(crate) looks: Looks,
    pub(crate) procs: BTreeMap<Pid, Proc>,
    pub(crate) record: Rc<Record>,
    pub(crate) next_door: Option<NextDoor>,
    /// What is remembered of a native service; none: it is a managed one.
    pub(crate) native: Option<native::State>,
    /// What the installation's release is told of the pace.
    pub(crate) margins: Margins,
    lanes: [Lane; 2],
    /// How often an alarm that flaps has changed, by its cue.
    pub(crate) flaps: BTreeMap<usize, u32>,
    pub(crate) weights: BTreeMap<RouteArn, Weights>,
    /// When a message was doubled last.
    doubled: Millis,
    pub(crate) last_fault: Millis,
    pub(crate) traffic: bool,
    pub(crate) images: Vec<ImageRef>,
    pub(crate) pushes: Vec<Value>,
    pub(crate) versions: u64,
    pub(crate) fired: BTreeSet<usize>,
    pub(crate) intents: u64,
    pub(crate) laws: Laws,
    pub(crate) counts: Counts,
    pub(crate) steps: u64,
    pub(crate) violation: Option<Violation>,
    pub(crate) loud: bool,
}

impl Cloud {
    pub(crate) fn new(schedule: &Schedule, bug: Option<Bug>, loud: bool) -> Cloud {
        let (world, place) = setup::build(schedule);
        let bug = bug.or(schedule.native.as_ref().and_then(|shape| shape.bug?.carried()));
        let record = Rc::new(Record {
            config: crate::bugs::config(bug, place.config.clone()),
            status: Status::default(),
            inbox: Vec::new(),
            version: 0,
        });
        let mut cloud = Cloud {
            now: START,
            world,
            schedule: schedule.clone(),
            bug,
            queue: BTreeMap::new(),
            sequence: 0,
            rng: Rng::new(schedule.seed, 4),
            chance: Rng::new(schedule.seed, 5),
            stale: BTreeMap::new(),
            looks: Looks::new(schedule.pace.settings.beliefs == model::Beliefs::default()),
            procs: BTreeMap::new(),
            record,
            next_door: place.next_door.clone().map(NextDoor::new),
            native: schedule.native.is_some().then(native::State::default),
            margins: schedule.pace.margins,
            lanes: Default::default(),
            flaps: BTreeMap::new(),
            weights: BTreeMap::new(),
            doubled: 0,
            last_fault: 0,
            traffic: true,
            images: Vec::new(),
            pushes: Vec::new(),
            versions: 0,
            fired: BTreeSet::new(),
            intents: 0,
            laws: Laws::default(),
            counts: Counts::default(),
            steps: 0,
            violation: None,
            loud,
            place,
        };
        cloud.look_at_routes();
        laws::begin(&mut cloud);
        cloud
    }

    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    /// One line of the replay.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.loud {
            println!("{:>9.3} {}", (self.now - START) as f64 / 1_000.0, line());
        }
    }

    pub(crate) fn hit(&mut self, kind: &'static str, name: impl Into<String>) {
        self.counts.hit(kind, name);
    }

    /// Whether a fault of this kind strikes now.
    pub(crate) fn strikes(&mut self, kind: Kind) -> bool {
        let since = self.now - START;
        let percent =
            self.schedule.faults.iter().filter(|f| f.kind == kind && f.covers(since)).map(|f| f.percent).max();
        let Some(percent) = percent else { return false };
        let struck = self.chance.percent(percent);
        if struck {
            self.last_fault = self.now;
        }
        struck
    }

    /// A number for a fault.
    pub(crate) fn draw(&mut self, low: u64, high: u64) -> u64 {
        self.chance.between(low, high)
    }

    /// Moves the world to now.
    pub(crate) fn tick(&mut self) {
        if self.world.is_quiet(self.now) {
            return;
        }
        self.world.answer_probes(self.now);
        let happenings = self.world.tick(self.now);
        for happening in happenings {
            match happening {
                Happening::Event(event) => self.route(event),
                Happening::CallHook { service_deployment_arn, hook_id, payload, .. } => {
                    native::stage::called(self, &service_deployment_arn, &hook_id, &payload);
                }
                Happening::StartTask(_)
                | Happening::StopTask { .. }
                | Happening::ListenerUp { .. }
                | Happening::ListenerDown { .. }
                | Happening::SnsPublished { .. } => {}
            }
        }
    }

    /// EventBridge: at least once, in no order, and sometimes not at all.
    fn route(&mut self, event: Value) {
        let source = view::text(&event, "source").to_owned();
        if !matches!(source.as_str(), "aws.ecr" | "aws.cloudwatch" | "aws.ecs") {
            return;
        }
        if source == "aws.cloudwatch" {
            self.say(|| format!("alarm {} is {}", event["detail"]["alarmName"], event["detail"]["state"]["value"]));
        }
        if source == "aws.ecr" && self.place.config.image(view::text(&event["detail"], "repository-name")).is_some() {
            self.pushes.push(event.clone());
        }
        if self.strikes(Kind::EventLost) {
            self.hit("fault", "event lost");
            self.say(|| format!("event lost: {source}"));
            return;
        }
        let mut delay = self.rng.between(50, 600);
        let settings = &self.schedule.pace.settings;
        if !settings.beliefs.events_come_within_seconds {
            let most = settings.beyond.events;
            delay += self.draw(0, most);
            // No law on promptness holds for an event that EventBridge keeps back.
            self.last_fault = self.now;
        }
        if self.strikes(Kind::EventDelayed) {
            self.hit("fault", "event delayed");
            delay += self.draw(1_000, self.schedule.pace.bake * 2);
        }
        if self.strikes(Kind::EventDoubled) {
            self.hit("fault", "event doubled");
            let again = delay + self.draw(1, self.schedule.pace.bake);
            self.at(self.now + again, Event::Deliver(event.clone(), 0));
        }
        self.at(self.now + delay, Event::Deliver(event, 0));
    }

    /// A service's group in the FIFO queue.
    pub(crate) fn lane(&mut self, who: Who) -> &mut Lane {
        &mut self.lanes[who as usize]
    }

    /// A message into the FIFO queue, through SQS.
    pub(crate) fn enqueue(&mut self, who: Who, kind: MessageKind, delay: Millis) {
        if self.strikes(Kind::WakeLost) {
            self.hit("fault", "wake lost");
            self.say(|| format!("wake lost: {kind:?}"));
            return;
        }
        // A doubled timer doubles its chain until the next save: once in a while is bad enough, every time is no end.
        if self.now >= self.doubled + DOUBLED && self.strikes(Kind::WakeDoubled) {
            self.doubled = self.now;
            self.hit("fault", "wake doubled");
            let again = delay + self.draw(1, 5_000);
            self.at(self.now + again, Event::Queue(who, kind.clone()));
        }
        let settings = &self.schedule.pace.settings;
        let mut delay = delay + self.rng.between(5, 60);
        if !settings.beliefs.delays_are_exact && delay > 1_000 {
            let most = settings.beyond.delays;
            delay += self.draw(0, most);
        }
        self.at(self.now + delay, Event::Queue(who, kind));
    }

    /// One call of AWS.
    pub(crate) fn call(
        &mut self,
        service: Service,
        operation: &str,
        input: &Value,
        caller: &str,
    ) -> Result<Value, AwsError> {
        self.tick();
        setup::call(&mut self.world, service, operation, input, caller, self.now)
    }

    /// A read of the world as it is, without any fault.
    pub(crate) fn truth(&mut self, service: Service, operation: &str, input: &Value) -> Value {
        let now = self.now;
        self.world.as_is(|world| setup::call(world, service, operation, input, "truth", now)).unwrap_or_default()
    }

    /// A route as it is described: the answer, whose only entry it is.
    pub(crate) fn route_doc(&mut self, route: &RouteArn) -> Rc<Value> {
        self.truly(route_ask(route), || route_input(route))
    }

    /// The weights as they are, after somebody may have changed them.
    pub(crate) fn look_at_routes(&mut self) {
        for colour in Colour::BOTH {
            if self.has_weight(colour) {
                self.laws.weighted.insert(colour, self.now);
            }
        }
        for route in self.place.config.engine.routes().to_vec() {
            let answer = self.route_doc(&route);
            self.weights.insert(route, view::weights(view::actions(view::route_of(&answer))));
        }
        for colour in Colour::BOTH {
            if self.has_weight(colour) {
                self.laws.weighted.insert(colour, self.now);
            }
        }
    }

    /// Whether a colour has weight on any route, in truth.
    pub(crate) fn has_weight(&self, colour: Colour) -> bool {
        let groups = &self.place.groups[&colour];
        self.weights.values().any(|w| w.iter().any(|(group, &weight)| weight > 0 && groups.contains(&group.0)))
    }

    /// A colour's share of both colours' weight on a route, in percent.
    pub(crate) fn share(&self, weights: &Weights, colour: Colour) -> f64 {
        let sum = |colour: Colour| -> f64 {
            let groups = &self.place.groups[&colour];
            weights.iter().filter(|(group, _)| groups.contains(&group.0)).map(|(_, &w)| f64::from(w)).sum()
        };
        let all = sum(Colour::Blue) + sum(Colour::Green);
        if all == 0.0 { 0.0 } else { sum(colour) * 100.0 / all }
    }

    /// The colour that has the larger share on the first route.
    pub(crate) fn live(&self) -> Colour {
        let share = self.weights.values().next().map_or(0.0, |weights| self.share(weights, Colour::Blue));
        if share >= 50.0 { Colour::Blue } else { Colour::Green }
    }

    /// A write takes effect.
    pub(crate) fn land(&mut self, landing: &Landing) -> Result<Value, AwsError> {
        let answer = self.call(landing.service, landing.operation, &landing.input, "flipback");
        self.say(|| {
            let error = answer.as_ref().err().map_or(String::new(), |error| format!(": {}", error.code));
            format!("p{} landed: {}{error}", landing.pid, landing.effect)
        });
        if landing.service == Service::Elb {
            self.look_at_routes();
        }
        if answer.is_ok() {
            laws::landed(self, landing, answer.as_ref().ok());
        }
        answer
    }

    pub(crate) fn violate(&mut self, law: u8, what: String) {
        self.say(|| format!("LAW {law} BROKEN: {what}"));
        if self.violation.is_none() {
            self.violation = Some(Violation { law, at: self.now - START, what });
        }
    }

    /// The bug planted in the native engine.
    pub(crate) fn native_bug(&self) -> Option<native::Bug> {
        self.schedule.native.as_ref().and_then(|shape| shape.bug)
    }

    /// The time as a process sees it.
    pub(crate) fn clock(&self, pid: Pid) -> Time {
        let skew = self.procs.get(&pid).map_or(0, |proc| proc.skew);
        Time(self.now.saturating_add_signed(skew))
    }

    /// Cues that wait for a phase begin to run when it is saved.
    pub(crate) fn reached(&mut self, phase: &str) {
        for place in 0..self.schedule.cues.len() {
            if let When::Phase(name, delay) = self.schedule.cues[place].when
                && name == phase
                && self.fired.insert(place)
            {
                self.at(self.now + delay, Event::Cue(place));
            }
        }
    }

    /// Whether nothing went wrong since a time, and nothing can yet.
    pub(crate) fn fair_since(&self, from: Millis) -> bool {
        let over = |fault: &crate::faults::Fault| START + fault.until < from || START + fault.from > self.now;
        self.last_fault < from && self.schedule.faults.iter().all(over)
    }

    /// Nothing is drawn to come any more.
    pub(crate) fn calm(&self) -> bool {
        let faults = self.schedule.faults.iter().all(|fault| START + fault.until <= self.now);
        let due = |event: &Event| match event {
            Event::Cue(_) | Event::Land(_) | Event::Answer(..) => true,
            // Tasks may go on dying; pushes end.
            Event::Deliver(event, _) => event["source"] == "aws.ecr",
            Event::Second
            | Event::Resume(_)
            | Event::Kill(_)
            | Event::Queue(..)
            | Event::Pump(_)
            | Event::Sweep
            | Event::Freeze(..) => false,
        };
        faults && !self.queue.values().any(due)
    }
}
