//! Laws that look at the world by itself: every second, and at the end.

use model::Service;
use serde_json::{Value, json};
use shared::ids::Colour;
use shared::rollout::{Phase, Rollout};
use shared::time::Span;

use super::{meddled_lately, sent::skeleton};
use crate::cloud::Cloud;
use crate::setup::{CLUSTER, START};
use crate::view;

/// Remembers the world before anything happens.
pub(crate) fn begin(cloud: &mut Cloud) {
    for route in cloud.place.config.engine.routes.clone() {
        let doc = cloud.route_doc(&route);
        cloud.laws.skeletons.insert(route, skeleton(doc));
    }
}

/// One second has passed.
pub(crate) fn second(cloud: &mut Cloud) {
    let Some(rollout) = cloud.record.status.rollout.clone() else {
        cloud.laws.harm = None;
        return;
    };
    silent(cloud, &rollout);
    if (cloud.now / 1_000).is_multiple_of(2) {
        harmed(cloud, &rollout);
    }
}

/// Law 13: no phase outlives its deadline without a rollback or a call.
fn silent(cloud: &mut Cloud, rollout: &Rollout) {
    let config = &rollout.config;
    let stall = config.stall_deadline.0;
    let limit = match &rollout.phase {
        Phase::Holding => config.hold_deadline.0,
        Phase::Registering { .. } | Phase::Starting => config.start_deadline.0,
        Phase::Shifting { .. } | Phase::Retiring | Phase::Resting | Phase::Returning { .. } | Phase::Clearing { .. } => stall,
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

fn healthy(cloud: &mut Cloud, colour: Colour) -> u32 {
    let groups = cloud.place.groups[&colour].clone();
    let counts = groups.iter().map(|group| {
        let answer = cloud.truth(Service::Elb, "DescribeTargetHealth", &json!({ "TargetGroupArn": group }));
        view::targets(&answer).healthy
    });
    counts.min().unwrap_or(0)
}

/// What truly harms the candidate while it carries traffic.
fn harm(cloud: &mut Cloud, rollout: &Rollout, candidate: Colour) -> Option<String> {
    let covering: Vec<String> = cloud
        .place
        .alarms
        .iter()
        .filter(|(name, side)| side.covers(candidate) && !rollout.forgiven.contains(name.as_str()))
        .map(|(name, _)| name.0.clone())
        .collect();
    let answer = cloud.truth(Service::CloudWatch, "DescribeAlarms", &json!({ "AlarmNames": covering }));
    let alarms = answer["MetricAlarms"].as_array().cloned().unwrap_or_default();
    if let Some(firing) = alarms.iter().find(|alarm| alarm["StateValue"] == "ALARM") {
        return Some(format!("alarm {} fires", view::text(firing, "AlarmName")));
    }
    (healthy(cloud, candidate) == 0).then(|| format!("{candidate} has no healthy target"))
}

/// Law 2: harm is followed by the weights, at the latest when the sweep has come round.
fn harmed(cloud: &mut Cloud, rollout: &Rollout) {
    let Some(candidate) = rollout.stable.map(Colour::other) else { return };
    let returning = matches!(rollout.phase, Phase::Returning { .. });
    if !(rollout.phase.flippable() || returning) || !cloud.has_weight(candidate) || healthy(cloud, candidate.other()) == 0 {
        cloud.laws.harm = None;
        return;
    }
    let what = if returning { Some("it is going back".to_owned()) } else { harm(cloud, rollout, candidate) };
    let Some(what) = what else {
        cloud.laws.harm = None;
        return;
    };
    let now = cloud.now;
    let (since, what) = cloud.laws.harm.get_or_insert((now, what)).clone();
    let since = since.max(cloud.last_fault).max(cloud.laws.meddled);
    let slack = if cloud.schedule.faults.is_empty() { 0 } else { cloud.schedule.pace.visibility };
    if now - since > cloud.schedule.pace.bound + slack {
        let seconds = (now - since) / 1_000;
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

/// Everything is over.
pub(crate) fn end(cloud: &mut Cloud, idle: bool) {
    cloud.hit("end", if idle { "settled" } else { "a person was called" });
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
        if !free || (scaling.min, scaling.max) != (1, 6) {
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
            shared::rollout::Outcome::Completed | shared::rollout::Outcome::RolledBack(_) => true,
            shared::rollout::Outcome::Refused(_) | shared::rollout::Outcome::Observed => false,
        }
    }
}
