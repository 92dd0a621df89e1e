//! Laws that look at the world by itself: every second, and at the end.

use std::rc::Rc;

use model::Service;
use serde_json::{Value, json};
use shared::ids::{Colour, RouteArn};
use shared::rollout::{Phase, Rollout};
use shared::time::Span;

use super::sent::{described, skeleton};
use super::{meddled_lately, side};
use crate::cloud::Cloud;
use crate::faults::Part;
use crate::looks::Question;
use crate::native;
use crate::setup::{BOUNDS, CLUSTER, START};
use crate::view;

/// Remembers the world before anything happens.
pub(crate) fn begin(cloud: &mut Cloud) {
    let next_door = cloud.place.next_door.iter().flat_map(|config| config.engine.routes().to_vec());
    let routes: Vec<RouteArn> = cloud.place.config.engine.routes().iter().cloned().chain(next_door).collect();
    for route in routes {
        let answer = cloud.route_doc(&route);
        cloud.laws.skeletons.insert(route, skeleton(view::route_of(&answer).clone()));
    }
}

/// One second has passed.
pub(crate) fn second(cloud: &mut Cloud) {
    if cloud.native.is_some() {
        return native::laws::second(cloud);
    }
    let even = (cloud.now / 1_000).is_multiple_of(2);
    let record = Rc::clone(&cloud.record);
    let Some(rollout) = &record.status.rollout else {
        cloud.laws.harm = None;
        cloud.laws.smaller = None;
        if even {
            outage(cloud);
        }
        return;
    };
    cloud.laws.outage = None;
    silent(cloud, rollout);
    if even {
        harmed(cloud, rollout);
        smaller(cloud, rollout);
    }
}

/// Law 8's exception: weight on a dead side of a settled service, while the other is healthy, is put right, once.
fn outage(cloud: &mut Cloud) {
    let moved = cloud.weights != cloud.laws.rest && !cloud.laws.rest.is_empty();
    let watched = moved && cloud.record.status.settled.as_ref().is_some_and(|settled| !settled.corrected);
    let out = |cloud: &mut Cloud, live: Colour| {
        cloud.has_weight(live.other()) && healthy(cloud, live.other()) == 0 && healthy(cloud, live) > 0
    };
    let Some(live) = Colour::BOTH.into_iter().find(|live| watched && out(cloud, *live)) else {
        cloud.laws.outage = None;
        return;
    };
    let since = *cloud.laws.outage.get_or_insert(cloud.now);
    let since = since.max(cloud.last_fault).max(cloud.laws.meddled);
    let pace = &cloud.schedule.pace;
    if cloud.now.saturating_sub(since) > pace.margins.settled_look.0.max(pace.sweep) + 2 * pace.bound {
        cloud.violate(
            8,
            format!("{} has weight and no healthy target, {live} is healthy, and nobody puts it right", live.other()),
        );
    }
}

/// Law 9: while either side may get all traffic, neither stays the smaller one.
fn smaller(cloud: &mut Cloud, rollout: &Rollout) {
    let both = matches!(rollout.phase, Phase::Baking { .. });
    let stands_by = matches!(rollout.phase, Phase::Standby { .. });
    let Some(stable) = rollout.stable.filter(|_| both || stands_by) else {
        cloud.laws.smaller = None;
        return;
    };
    let mut desired = |colour: Colour| view::count(&described(cloud, colour)["desiredCount"]);
    let (old, new) = (desired(stable), desired(stable.other()));
    let foreign = rollout.routes.values().any(|expected| expected.foreign_since.is_some()) || rollout.paused.is_some();
    if old >= new && (new >= old || !both) || foreign {
        cloud.laws.smaller = None;
        return;
    }
    let since = *cloud.laws.smaller.get_or_insert(cloud.now);
    let since = since.max(cloud.last_fault).max(cloud.laws.meddled);
    if cloud.now.saturating_sub(since) > cloud.schedule.pace.bound {
        cloud.violate(9, format!("{stable} wants {old} tasks, {} wants {new}, and neither follows", stable.other()));
    }
}

/// Law 13: no phase outlives its deadline without a rollback or a call.
fn silent(cloud: &mut Cloud, rollout: &Rollout) {
    let config = &rollout.config;
    let stall = config.stall_deadline.0;
    let limit = match &rollout.phase {
        Phase::Holding => config.hold_deadline.0,
        Phase::Registering { .. } => config.start_deadline.0,
        Phase::Starting => {
            let paused = rollout.paused.map_or(0, |paused| paused.since(rollout.since).0 + stall);
            config.start_deadline.0.max(paused)
        }
        Phase::Deploying
        | Phase::Stopping { .. }
        | Phase::Shifting { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => stall,
        // A pause begins a stall of its own.
        Phase::Baking { step, .. } => {
            let bake = config.steps.get(*step).map_or(Span(0), |step| step.bake).0;
            let paused = rollout.paused.map_or(Span(0), |paused| paused.since(rollout.since));
            bake.max(paused.0) + stall
        }
        Phase::Standby { until } => {
            let until = until.since(rollout.since).0;
            until.max(rollout.paused.map_or(0, |paused| paused.since(rollout.since).0)) + stall
        }
    };
    let slack = cloud.schedule.pace.bound + cloud.schedule.pace.visibility;
    let late = cloud.now > rollout.since.0 + limit + slack && cloud.now > cloud.last_fault + slack;
    if late && !rollout.called {
        let (phase, waiting) = (rollout.phase.name(), cloud.record.status.waiting.clone());
        cloud.violate(13, format!("{phase} outlived its deadline without a word; it waits for {waiting}"));
    }
}

pub(super) fn healthy(cloud: &mut Cloud, colour: Colour) -> u32 {
    let groups = cloud.place.groups[&colour].clone();
    let counts = groups.iter().map(|group| {
        let (part, service) = (Part::Targets, Service::Elb);
        let ask = Question { part, service, operation: "DescribeTargetHealth", about: group };
        view::targets(&cloud.truly(ask, || json!({ "TargetGroupArn": group }))).healthy
    });
    counts.min().unwrap_or(0)
}

/// What truly harms the candidate while it carries traffic.
fn harm(cloud: &mut Cloud, rollout: &Rollout, candidate: Colour) -> Option<String> {
    let (part, service) = (Part::Alarms, Service::CloudWatch);
    // A name of its own: the product may ask for fewer.
    let ask = Question { part, service, operation: "DescribeAlarms", about: "every alarm" };
    let place = &cloud.place;
    let names: Vec<&str> = place.alarms.iter().map(|(name, _)| name.as_str()).collect();
    let at = cloud.looks.place(ask, || json!({ "AlarmNames": names }));
    let answer = cloud.described(at, true).unwrap_or_default();
    let covers =
        |name: &str| side(cloud, name).is_some_and(|side| side.covers(candidate)) && !rollout.forgiven.contains(name);
    let mut alarms = answer["MetricAlarms"].as_array().into_iter().flatten();
    let firing = alarms.find(|alarm| alarm["StateValue"] == "ALARM" && covers(view::text(alarm, "AlarmName")));
    if let Some(firing) = firing {
        return Some(format!("alarm {} fires", view::text(firing, "AlarmName")));
    }
    (healthy(cloud, candidate) == 0).then(|| format!("{candidate} has no healthy target"))
}

/// From an alarm to the weights in good weather: the event's way, one look, one save, one write.
const AT_ONCE: u64 = 6_000;

/// Law 2: harm is followed by the weights, at the latest when the sweep has come round.
fn harmed(cloud: &mut Cloud, rollout: &Rollout) {
    let Some(candidate) = rollout.stable.map(Colour::other) else { return };
    let returning = matches!(rollout.phase, Phase::Returning { .. });
    if !(rollout.phase.flippable() || returning)
        || !cloud.has_weight(candidate)
        || healthy(cloud, candidate.other()) == 0
    {
        cloud.laws.harm = None;
        return;
    }
    let what = if returning { Some("it is going back".to_owned()) } else { harm(cloud, rollout, candidate) };
    let Some(what) = what else {
        cloud.laws.harm = None;
        return;
    };
    let now = cloud.now;
    let (began, what) = cloud.laws.harm.get_or_insert((now, what)).clone();
    let since = began.max(cloud.last_fault).max(cloud.laws.meddled);
    // In good weather an alarm's own event brings the traffic back, without waiting for any look.
    let pace = &cloud.schedule.pace;
    let good = cloud.fair_since(began.saturating_sub(AT_ONCE));
    let bound = match (good, what.starts_with("alarm")) {
        (true, true) => AT_ONCE,
        (true, false) => pace.bound,
        (false, _) => pace.bound + pace.visibility,
    };
    if now.saturating_sub(since) > bound {
        let seconds = now.saturating_sub(since) / 1_000;
        cloud.violate(2, format!("{what}, and {candidate} still has weight after {seconds} s"));
    }
}

/// The autoscaler changed a count.
pub(crate) fn autoscaled(cloud: &mut Cloud, smaller: bool) {
    let carries = cloud.record.status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable());
    if carries && smaller && !meddled_lately(cloud) {
        cloud.violate(9, "the autoscaler took a task away while the rollout carries traffic".to_owned());
    }
}

/// Law 13 for pushes: the newest image was taken, or there is a reason why not.
fn forgotten(cloud: &mut Cloud) {
    let record = Rc::clone(&cloud.record);
    for rule in &record.config.images {
        let newest = cloud.images.iter().rev().find(|image| image.repository == rule.repository);
        let Some((newest, taken)) = newest.zip(record.status.taken.get(&rule.repository)) else { continue };
        let held = record.status.quarantine.iter().any(|held| held.digests.contains(&newest.digest));
        let same = taken.digest == newest.digest;
        if taken.pushed_at < newest.pushed_at && !same && !held {
            let what = format!("all is over, and {} was never taken; {} was", newest.tag, taken.tag);
            cloud.violate(13, what);
        }
    }
}

/// Everything is over.
pub(crate) fn end(cloud: &mut Cloud, idle: bool) {
    cloud.hit("end", if idle { "settled" } else { "a person was called" });
    if idle {
        forgotten(cloud);
    }
    if cloud.native.is_some() {
        return native::laws::end(cloud, idle);
    }
    if !idle || cloud.laws.foreign {
        return;
    }
    let live = cloud.live();
    if cloud.has_weight(live.other()) {
        cloud.violate(3, format!("all is over, and both sides have weight, {live} the most"));
    }
    let last = &cloud.record.status.last;
    let touched = last.as_ref().is_some_and(|last| last.outcome_changed());
    if cloud.schedule.scalable && touched {
        let ids = json!({
            "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceIds": [format!("service/{CLUSTER}/{}", cloud.place.config.engine.service(live))],
        });
        let answer = cloud.truth(Service::AutoScaling, "DescribeScalableTargets", &ids);
        let scaling = view::scaling(&answer["ScalableTargets"][0]);
        let free = !(scaling.suspended.scale_in || scaling.suspended.scale_out || scaling.suspended.scheduled);
        // What somebody set meanwhile may have been put right, or not yet.
        let most = if cloud.laws.rebound { BOUNDS.1 - 1..=BOUNDS.1 } else { BOUNDS.1..=BOUNDS.1 };
        if !free || scaling.min != BOUNDS.0 || !most.contains(&scaling.max) {
            cloud.violate(9, format!("all is over, and {live}'s scaling is not as it was: {scaling:?}"));
        }
    }
    if touched && cloud.laws.meddled == 0 {
        let idle = cloud.place.config.engine.service(live.other()).to_owned();
        let input = json!({ "cluster": CLUSTER, "services": [idle] });
        let described: Value = cloud.truth(Service::Ecs, "DescribeServices", &input)["services"][0].clone();
        let desired = view::count(&described["desiredCount"]);
        if desired > 0 {
            let at = (cloud.now - START) / 1_000;
            cloud.violate(13, format!("all is over at {at} s, and {} still wants {desired} tasks", live.other()));
        }
    }
}

/// Whether an end changed the world.
trait Changed {
    fn outcome_changed(&self) -> bool;
}

impl Changed for shared::rollout::Ended {
    fn outcome_changed(&self) -> bool {
        match self.outcome {
            shared::rollout::Outcome::Completed
            | shared::rollout::Outcome::RolledBack(_)
            | shared::rollout::Outcome::Cancelled(_) => true,
            // What a person gave up is that person's to put in order.
            shared::rollout::Outcome::Refused(_)
            | shared::rollout::Outcome::GivenUp(_)
            | shared::rollout::Outcome::Observed
            | shared::rollout::Outcome::Superseded(_) => false,
        }
    }
}
