//! One schedule, from its first event to the end of everything it started.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use model::Millis;
use serde_json::Value;
use shared::config::ServiceConfig;
use shared::ids::{AlarmName, Colour};
use shared::intake::MessageKind;

use crate::bugs::Bug;
use crate::cloud::{Cloud, Event, Pid, Proc, Queued, Role};
use crate::counts::Counts;
use crate::faults::Kind;
use crate::laws::{self, Violation};
use crate::next_door::{self, Who};
use crate::plots::When;
use crate::ports::{Port, Shared};
use crate::schedule::Schedule;
use crate::setup::START;
use crate::{functions, names, stage, view};

/// What a schedule came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was reached.
    pub counts: Counts,
    /// The first law that was broken.
    pub violation: Option<Violation>,
    /// Calls of processes and happenings.
    pub steps: u64,
}

type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// Plays a schedule; `loud` prints every step.
#[must_use]
pub fn run(schedule: &Schedule, bug: Option<Bug>, loud: bool) -> Outcome {
    let cloud: Shared = Rc::new(RefCell::new(Cloud::new(schedule, bug, loud)));
    let mut driver = Driver { cloud: Rc::clone(&cloud), running: BTreeMap::new(), next_pid: 0, idle_since: None };
    driver.prepare();
    if let Some(shape) = &schedule.native {
        let name = format!("{}{}", shape.strategy.name(), if shape.sent { " sent" } else { "" });
        cloud.borrow_mut().hit("strategy", name);
    }
    while driver.step() {}
    drop(driver);
    let mut cloud = cloud.borrow_mut();
    Outcome { counts: std::mem::take(&mut cloud.counts), violation: cloud.violation.clone(), steps: cloud.steps }
}

struct Driver {
    cloud: Shared,
    running: BTreeMap<Pid, Running>,
    next_pid: Pid,
    idle_since: Option<Millis>,
}

impl Driver {
    fn prepare(&self) {
        let cloud = &mut *self.cloud.borrow_mut();
        let sweep = cloud.schedule.pace.sweep;
        cloud.say(|| format!("schedule {:#?}", cloud.schedule));
        cloud.at(START + 1_000, Event::Second);
        // Schedules and alarms are not evaluated at the same moment of the minute.
        let first = cloud.rng.between(1, sweep);
        cloud.at(START + first, Event::Sweep);
        for (place, cue) in cloud.schedule.cues.clone().into_iter().enumerate() {
            if let When::At(at) = cue.when {
                cloud.at(START + at, Event::Cue(place));
            }
        }
        for fault in cloud.schedule.faults.clone() {
            if let Kind::Stale(part) = fault.kind {
                cloud.at(START + fault.from, Event::Freeze(part, START + fault.until));
            }
        }
    }

    /// One event; false: the schedule is over.
    fn step(&mut self) -> bool {
        let event = {
            let cloud = &mut *self.cloud.borrow_mut();
            let Some(((at, _), event)) = cloud.queue.pop_first() else { return false };
            cloud.now = cloud.now.max(at);
            event
        };
        match event {
            Event::Second => {
                if !self.second() {
                    return false;
                }
            }
            Event::Resume(pid) => self.poll(pid),
            Event::Kill(pid) => {
                if self.running.contains_key(&pid) {
                    self.cloud.borrow_mut().hit("fault", "function timed out");
                    self.end(pid, None);
                }
            }
            Event::Land(landing) => {
                let cloud = &mut *self.cloud.borrow_mut();
                cloud.last_fault = cloud.now;
                if !self.running.contains_key(&landing.pid) {
                    cloud.hit("fault", "landed late after its process died");
                }
                drop(cloud.land(&landing));
            }
            Event::Deliver(event, tries) => self.deliver(event, tries),
            Event::Queue(who, kind) => {
                self.cloud.borrow_mut().lane(who).waiting.push_back(Queued { kind, received: 0 });
                self.pump(who);
            }
            Event::Pump(who) => self.pump(who),
            Event::Sweep => self.sweep(),
            Event::Cue(place) => {
                let cloud = &mut *self.cloud.borrow_mut();
                cloud.steps += 1;
                cloud.tick();
                stage::play(cloud, place);
            }
            Event::Answer(deployment, hook, answer) => {
                let cloud = &mut *self.cloud.borrow_mut();
                cloud.tick();
                cloud.world.hook_answered(&deployment, &hook, Ok(answer), cloud.now);
            }
            Event::Freeze(part, until) => {
                let cloud = &mut *self.cloud.borrow_mut();
                cloud.tick();
                let frozen = cloud.freeze(part);
                cloud.stale.insert(part, (until, frozen));
            }
        }
        self.cloud.borrow().violation.is_none()
    }

    /// Traffic, the world, the laws, and whether all is over.
    fn second(&mut self) -> bool {
        let cloud = &mut *self.cloud.borrow_mut();
        let now = cloud.now;
        cloud.at(now + 1_000, Event::Second);
        cloud.tick();
        // When all is over nothing asks for requests any more.
        if cloud.traffic && (self.idle_since.is_none() || cloud.record.status.rollout.is_some()) {
            for listener in cloud.place.listeners.clone() {
                cloud.world.send_traffic(&listener, cloud.schedule.requests, now);
            }
            if cloud.next_door.is_some() {
                next_door::traffic(&mut cloud.world, &cloud.place.listeners[0], now);
            }
        }
        cloud.world.clear_journal();
        cloud.stale.retain(|_, (until, _)| *until > now);
        laws::second(cloud);
        let status = &cloud.record.status;
        let idle = cloud.calm()
            && now > START + cloud.schedule.calm_after
            && status.rollout.is_none()
            && status.next.is_none()
            && status.repairing.is_none()
            && cloud.record.inbox.is_empty();
        let called = status.rollout.as_ref().is_some_and(|rollout| rollout.called);
        let pace = &cloud.schedule.pace;
        let since = *self.idle_since.get_or_insert(now);
        let over = idle || called && cloud.calm();
        if !over {
            self.idle_since = None;
        }
        // Long enough for a sweep of settled services and whatever was under way; a person who was called may take longer.
        let turn = pace.margins.settled_look.0.max(pace.sweep);
        let enough = if idle {
            turn + pace.sweep * 2 + pace.late + 5_000
        } else {
            pace.bake * if cloud.schedule.dense { 10 } else { 20 }
        };
        // Tasks that die again and again are an outage now and then: one that lasts is law 8's.
        let out = cloud.laws.outage.is_some();
        if (idle || called) && self.idle_since.is_some() && now - since >= enough && !out {
            laws::end(cloud, idle);
            return false;
        }
        let horizon = START + cloud.schedule.calm_after + pace.bake * 160 + 1_800_000;
        if now > horizon {
            let waiting = cloud.record.status.waiting.clone();
            cloud.violate(13, format!("no end within hours; it waits for {waiting}"));
            return false;
        }
        true
    }

    fn sweep(&mut self) {
        if self.swept() {
            self.start(Who::Shop, Role::Search, None, None);
        }
    }

    /// Wakes what is unsettled; whether settled services have their turn.
    fn swept(&self) -> bool {
        let cloud = &mut *self.cloud.borrow_mut();
        let sweep = cloud.schedule.pace.sweep;
        cloud.at(cloud.now + sweep, Event::Sweep);
        if cloud.bug == Some(Bug::NeverWakes) {
            return false;
        }
        for who in Who::BOTH {
            let unsettled = cloud.record_of(who).is_some_and(|record| {
                record.status.rollout.is_some() || record.status.next.is_some() || !record.inbox.is_empty()
            });
            if unsettled {
                cloud.enqueue(who, MessageKind::Poke, 0);
            }
        }
        // Settled services have their turn more rarely, and so have the repositories.
        let every = cloud.schedule.pace.margins.settled_look.0.max(sweep);
        cloud.bug != Some(Bug::NeverSearches) && cloud.now % every < sweep
    }

    fn deliver(&mut self, event: Value, tries: u32) {
        let (role, meant) = {
            let cloud = &mut *self.cloud.borrow_mut();
            let detail = &event["detail"];
            match event["source"].as_str() {
                Some("aws.ecr") => {
                    let repository = view::text(detail, "repository-name");
                    (Role::Push, cloud.meant(|config| config.image(repository).is_some()))
                }
                Some("aws.cloudwatch") => {
                    let alarm = AlarmName::from(view::text(detail, "alarmName"));
                    (Role::Alarm, cloud.meant(|config| config.alarms.all().contains(&alarm)))
                }
                Some(_) | None => {
                    let members = [&event["resources"][0], &detail["group"], &detail["serviceArn"]];
                    let about = members.into_iter().filter_map(Value::as_str);
                    let names: Vec<&str> = about.map(|arn| arn.rsplit(['/', ':']).next().unwrap_or(arn)).collect();
                    let known = |config: &ServiceConfig| {
                        Colour::BOTH.into_iter().any(|colour| names.contains(&config.engine.service(colour)))
                    };
                    for who in cloud.meant(known) {
                        cloud.enqueue(who, MessageKind::Poke, 0);
                    }
                    return;
                }
            }
        };
        for who in meant {
            self.start(who, role.clone(), Some((event.clone(), tries)), None);
        }
    }

    /// The FIFO queue hands out one message of the service at a time.
    fn pump(&mut self, who: Who) {
        let message = {
            let cloud = &mut *self.cloud.borrow_mut();
            let one_at_a_time = cloud.schedule.pace.settings.beliefs.fifo_gives_one_at_a_time;
            let now = cloud.now;
            let lane = cloud.lane(who);
            if lane.waiting.is_empty() || now < lane.blocked {
                return;
            }
            if !lane.busy.is_empty() {
                if lane.busy.len() > 1 {
                    return;
                }
                if one_at_a_time && !cloud.strikes(Kind::Rival) {
                    return;
                }
                cloud.hit("fault", names::fault(&Kind::Rival));
            }
            let Some(mut message) = cloud.lane(who).waiting.pop_front() else { return };
            message.received += 1;
            message
        };
        self.start(who, Role::Advance, None, Some(message));
    }

    fn start(&mut self, who: Who, role: Role, event: Option<(Value, u32)>, message: Option<Queued>) {
        self.next_pid += 1;
        let pid = self.next_pid;
        let port = Port { cloud: Rc::clone(&self.cloud), pid, who };
        let future: Running = match (&role, &event, &message) {
            (Role::Push, Some((event, _)), _) => Box::pin(functions::on_image_push(port, event.clone())),
            (Role::Alarm, Some((event, _)), _) => Box::pin(functions::on_alarm(port, event.clone())),
            (Role::Advance, _, Some(message)) => Box::pin(functions::advance(port, message.kind.clone())),
            (Role::Search, _, _) => Box::pin(functions::search(port)),
            (Role::Push | Role::Alarm | Role::Advance, _, _) => return,
        };
        {
            let cloud = &mut *self.cloud.borrow_mut();
            cloud.steps += 1;
            let crash_at = cloud.strikes(Kind::Crash).then(|| cloud.draw(1, 60) as u32);
            let (skewed, most) = (cloud.schedule.skewed, cloud.schedule.pace.skew);
            let skew = if skewed > 0 && cloud.rng.percent(skewed) {
                cloud.hit("fault", "clock skewed");
                cloud.rng.between(0, most * 2) as i64 - most as i64
            } else {
                0
            };
            if role == Role::Advance {
                cloud.lane(who).busy.insert(pid);
            }
            cloud.say(|| format!("p{pid} starts for {}: {role:?} {message:?}", who.name()));
            cloud.procs.insert(
                pid,
                Proc {
                    who,
                    role,
                    skew,
                    crash_at,
                    calls: 0,
                    dead: false,
                    honest: None,
                    loaded: None,
                    acting: None,
                    destructive: Default::default(),
                    owes_back: false,
                    event,
                    message,
                },
            );
            let timeout = cloud.schedule.pace.timeout;
            cloud.at(cloud.now + timeout, Event::Kill(pid));
        }
        self.running.insert(pid, future);
        self.poll(pid);
    }

    fn poll(&mut self, pid: Pid) {
        let Some(future) = self.running.get_mut(&pid) else { return };
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(result) => self.end(pid, Some(result)),
            Poll::Pending => {
                let dead = self.cloud.borrow().procs.get(&pid).is_some_and(|proc| proc.dead);
                if dead {
                    self.cloud.borrow_mut().hit("fault", "process crashed");
                    self.end(pid, None);
                }
            }
        }
    }

    /// A process is over: with a result, or without one because it died.
    fn end(&mut self, pid: Pid, result: Option<Result<(), String>>) {
        self.running.remove(&pid);
        let cloud = &mut *self.cloud.borrow_mut();
        let advanced = |proc: &Proc| proc.who == Who::Shop && proc.role == Role::Advance;
        if matches!(result, Some(Ok(()))) && cloud.procs.get(&pid).is_some_and(advanced) {
            laws::looked(cloud, pid);
        }
        let Some(proc) = cloud.procs.remove(&pid) else { return };
        cloud.say(|| format!("p{pid} ends: {result:?}"));
        let good = matches!(result, Some(Ok(())));
        if !good {
            cloud.last_fault = cloud.now;
        }
        if result.is_some() && proc.owes_back {
            cloud.violate(2, "harm was known, the store could not save, and the weights were not written".to_owned());
        }
        if let Some(message) = proc.message {
            cloud.lane(proc.who).busy.remove(&pid);
            let mut pause = 0;
            // The source mapping gives up after some tries; the dead-letter queue is for people.
            if !good && message.received < 8 {
                pause = cloud.schedule.pace.visibility;
                cloud.lane(proc.who).waiting.push_front(message);
            }
            cloud.lane(proc.who).blocked = cloud.now + pause;
            cloud.at(cloud.now + pause, Event::Pump(proc.who));
        }
        if let (Some((event, tries)), false) = (proc.event, good)
            && tries < 2
        {
            let pause = cloud.schedule.pace.visibility * u64::from(tries + 1);
            cloud.at(cloud.now + pause, Event::Deliver(event, tries + 1));
        }
    }
}
