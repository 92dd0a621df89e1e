//! Laws that look at a write: when it is sent, and when it lands.

use model::Service;
use serde_json::{Value, json};
use shared::config::NoTraffic;
use shared::decision::{Action, Effect};
use shared::ids::{Colour, RevisionArn, RouteArn};
use shared::observation::{AlarmState, Observation, Reading, RolloutState};
use shared::ports::Record;
use shared::rollout::{ImageRef, IntentKind, Phase, Repairing, Rollout, Status};
use shared::scaling::Mend;
use shared::weights::{Weights, same_shares};

use super::{alive, dead, healthy_on, meddled_lately, owner, read_share, side, targets};
use crate::cloud::{Cloud, Landing, Pid, Role};
use crate::faults::Part;
use crate::looks::Question;
use crate::native;
use crate::next_door::Who;
use crate::setup::CLUSTER;
use crate::view;

/// A process sends a write: what it means, and what goes over the wire.
pub(crate) fn sent(cloud: &mut Cloud, pid: Pid, effect: &Effect, input: &Value) {
    let Some(proc) = cloud.procs.get(&pid).filter(|proc| proc.who == Who::Shop) else { return };
    let (role, acting, loaded, honest) =
        (proc.role.clone(), proc.acting.clone(), proc.loaded.clone(), proc.honest.clone());
    let (Some(acting), Some(loaded), Some(honest)) = (acting, loaded, honest) else { return };
    if cloud.native.is_some() {
        return native::laws::sent(cloud, pid, effect, &acting.status, &honest);
    }
    let status = &acting.status;
    if !effect.is_back() {
        forward(cloud, pid, &role, effect, status);
    }
    match &effect.action {
        Action::Weights { route, weights } => {
            destructive(cloud, pid, "weights");
            if effect.is_back() {
                back(cloud, route, weights, status, &loaded, &honest);
            } else {
                raise(cloud, route, weights, status, &loaded, &honest);
            }
        }
        Action::Start { revision, desired, .. } => {
            // Judged is the service that is written to, whatever was meant.
            let named = |colour: &Colour| input["service"] == cloud.place.config.engine.service(*colour);
            if let Some(to) = Colour::BOTH.into_iter().find(named) {
                start(cloud, pid, to, revision, *desired);
            }
        }
        Action::Scale { colour, desired } => shrink(cloud, pid, *colour, *desired, status),
        Action::Scaling { colour, wanted } => {
            let carries = status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable());
            if carries && !wanted.suspended.scale_in {
                cloud.violate(9, format!("{colour}'s scale-in is let loose while the rollout carries traffic"));
            }
            if status.rollout.is_none() {
                cloud.violate(1, format!("{colour}'s scaling is written at rest by a rollout's effect"));
            }
        }
        Action::Mend { colour, what } => repair(cloud, *colour, what, status, &honest),
        Action::Deploy { .. } | Action::Stop { .. } | Action::Continue { .. } => {
            cloud.violate(7, format!("the managed engine sends an effect of the native one: {effect}"));
        }
        Action::Register { .. } | Action::Tidy { .. } => {}
    }
}

/// Laws 1, 8 and 9 of what is put right at rest.
fn repair(cloud: &mut Cloud, colour: Colour, what: &Mend, status: &Status, honest: &Observation) {
    let Some(repairing) = status.repairing.as_ref().filter(|_| status.rollout.is_none()) else {
        cloud.violate(1, format!("{colour}'s scaling is put right, and nobody asked for it, or a rollout runs"));
        return;
    };
    if repairing.writes > Repairing::MOST {
        cloud.violate(8, format!("{colour}'s scaling is fought for"));
    }
    if !cloud.has_weight(colour) && !meddled_lately(cloud) {
        cloud.violate(9, format!("{colour}'s scaling is put right, and it has no traffic"));
    }
    let now = honest.colours.get(&colour).and_then(|reading| reading.scaling.known().copied().flatten());
    match (what, now) {
        (Mend::Policy { .. }, _) => cloud.violate(1, "nobody asked for a scaling policy".to_owned()),
        (_, None) => cloud.violate(6, format!("{colour}'s bounds are set although they were not read")),
        (Mend::Target { min, max, .. }, Some(now)) => {
            if min.is_some_and(|min| min < now.min) || max.is_some_and(|max| max < now.max) {
                cloud.violate(9, format!("{colour}'s bounds are lowered from {} to {}", now.min, now.max));
            }
        }
    }
}

/// Law 1, and what law 3 says of a decision that outlives its rollout.
pub(crate) fn forward(cloud: &mut Cloud, pid: Pid, role: &Role, effect: &Effect, status: &Status) {
    if *role != Role::Advance {
        cloud.violate(1, format!("{role:?} sends a forward write: {effect}"));
    }
    let now = cloud.clock(pid);
    match effect.deadline {
        Some(deadline) if now > deadline => cloud.violate(1, format!("sent after its deadline: {effect}")),
        Some(deadline) => {
            let saved = cloud.record.status.rollout.as_ref();
            let mine = status.rollout.as_ref();
            if let (Some(saved), Some(mine)) = (saved, mine)
                && saved.id == mine.id
                && saved.forward_until < deadline
            {
                cloud.violate(1, format!("sent before its deadline was saved: {effect}"));
            }
        }
        None => cloud.violate(1, format!("a forward write without a deadline: {effect}")),
    }
}

/// Law 4: effects of one look are of one destructive kind.
fn destructive(cloud: &mut Cloud, pid: Pid, kind: &'static str) {
    let Some(proc) = cloud.procs.get_mut(&pid) else { return };
    proc.destructive.insert(kind);
    if proc.destructive.len() > 1 {
        let kinds: Vec<&str> = proc.destructive.iter().copied().collect();
        cloud.violate(4, format!("one decision has several destructive effects: {}", kinds.join(", ")));
    }
}

/// Laws 4 and 8 on the way back.
fn back(
    cloud: &mut Cloud,
    route: &RouteArn,
    weights: &Weights,
    status: &Status,
    loaded: &Record,
    honest: &Observation,
) {
    match (&loaded.status.rollout, &status.rollout) {
        (_, Some(rollout)) => {
            let Some(stable) = rollout.stable else { return };
            let returning = matches!(rollout.phase, Phase::Returning { .. });
            // Route by route: one may go back while the other route's groups are dead.
            let carries = read_share(cloud, honest, route, stable.other()).is_some_and(|share| share > 0.0);
            let healthy = |colour| healthy_on(honest, colour, weights);
            let to_dead = carries && healthy(stable) == Some(false) && healthy(stable.other()) == Some(true);
            if returning && to_dead {
                cloud.violate(4, format!("traffic goes back to {stable}, which has no healthy target"));
            }
            let either_dead = Colour::BOTH.iter().any(|&colour| dead(honest, colour) && alive(honest, colour.other()));
            if !returning && !either_dead {
                cloud.violate(8, "weights are put right although no side is dead".to_owned());
            }
        }
        (Some(_), None) => {}
        (None, None) => {
            let Some(settled) = &status.settled else { return };
            let live = settled.live;
            if !(dead(honest, live.other()) && alive(honest, live)) {
                cloud.violate(8, format!("settled weights are fought for although {} is not dead", live.other()));
            }
        }
    }
}

/// Laws 4, 5, 6, 8 and 9 before traffic is raised.
fn raise(
    cloud: &mut Cloud,
    route: &RouteArn,
    weights: &Weights,
    status: &Status,
    loaded: &Record,
    honest: &Observation,
) {
    let Some(rollout) = &status.rollout else {
        cloud.violate(1, "weights go forward without a rollout".to_owned());
        return;
    };
    let Some(candidate) = rollout.stable.map(Colour::other) else { return };
    let new = cloud.share(weights, candidate);
    expected(cloud, route, loaded, honest);
    match read_share(cloud, honest, route, candidate) {
        None => {
            cloud.violate(6, format!("weights are raised to {new} % on a route that was not read"));
            return;
        }
        Some(old) if new <= old => return,
        Some(_) => {}
    }
    if let Err(why) = exactly_healthy(honest, candidate, rollout.revision.as_ref()) {
        cloud.violate(5, format!("raised to {new} % although {why}"));
    }
    quiet(cloud, rollout, candidate, honest);
    // Back to the step that is being baked is no raise: a person resumes it from somebody else's weights.
    if let Some(Rollout { phase: Phase::Baking { step, promoted }, .. }) = &loaded.status.rollout
        && rollout.config.steps.get(*step).is_none_or(|step| new > f64::from(step.weight) + 0.5)
    {
        let promoted = *promoted || loaded.inbox.iter().any(|i| matches!(i.what, IntentKind::Promote { .. }));
        let seen = honest.colours.get(&candidate).map(|reading| &reading.requests);
        let traffic = matches!(seen, Some(Reading::Known(requests)) if requests.count > 0);
        if rollout.config.no_traffic == NoTraffic::Hold && !promoted && !traffic {
            cloud.violate(6, format!("raised to {new} % although no request was seen"));
        }
    }
    capacity(cloud, rollout, candidate, honest);
}

/// Law 8: what was read is what was expected before this decision, or a person said to go on from there.
fn expected(cloud: &mut Cloud, route: &RouteArn, loaded: &Record, honest: &Observation) {
    let resumed = loaded.inbox.iter().any(|intent| matches!(intent.what, IntentKind::Resume { .. }));
    let expected = loaded.status.rollout.as_ref().and_then(|rollout| rollout.routes.get(route));
    if let (Some(expected), Some(Reading::Known(read)), false) = (expected, honest.routes.get(route), resumed)
        && !same_shares(&read.weights, &expected.previous)
        && !same_shares(&read.weights, &expected.intended)
    {
        cloud.violate(8, "a forward write over weights that somebody else wrote".to_owned());
    }
}

/// Law 9 at the first shift: scale-in is suspended on both sides.
fn capacity(cloud: &mut Cloud, rollout: &Rollout, candidate: Colour, honest: &Observation) {
    if rollout.phase != (Phase::Shifting { step: 0 }) {
        return;
    }
    for colour in [candidate, candidate.other()] {
        if let Some(Reading::Known(Some(scaling))) = honest.colours.get(&colour).map(|reading| &reading.scaling)
            && !scaling.suspended.scale_in
        {
            cloud.violate(9, format!("the first shift is sent while {colour} may scale in"));
        }
    }
}

/// Law 5, told once more and independently of the product's own words.
fn exactly_healthy(seen: &Observation, candidate: Colour, revision: Option<&RevisionArn>) -> Result<(), String> {
    let service = |colour: Colour| seen.colours.get(&colour).and_then(|reading| reading.service.known()?.as_ref());
    let (Some(new), Some(live)) = (service(candidate), service(candidate.other())) else {
        return Err("a service was not read".to_owned());
    };
    let [only] = new.deployments.as_slice() else {
        return Err(format!("{candidate} has {} deployments", new.deployments.len()));
    };
    if !only.primary || only.state != RolloutState::Completed {
        return Err(format!("{candidate}'s deployment is not completed"));
    }
    if Some(&only.task_definition) != revision || Some(&new.task_definition) != revision {
        return Err(format!("{candidate} does not run the candidate's revision"));
    }
    if new.running != new.desired || new.desired < live.desired {
        return Err(format!(
            "{candidate} runs {} of {} tasks, the live side wants {}",
            new.running, new.desired, live.desired
        ));
    }
    let targets = targets(seen, candidate).ok_or("target health was not read")?;
    match targets.iter().find(|(_, counts)| counts.healthy < new.desired) {
        Some((group, counts)) => Err(format!("{} of {} targets are healthy in {group}", counts.healthy, new.desired)),
        None => Ok(()),
    }
}

/// Law 6: every alarm that truly covers the candidate was read, and is quiet.
fn quiet(cloud: &mut Cloud, rollout: &Rollout, candidate: Colour, honest: &Observation) {
    for (name, reading) in &honest.alarms {
        let covers = side(cloud, name.as_str()).is_some_and(|side| side.covers(candidate));
        if !covers || rollout.forgiven.contains(name.as_str()) {
            continue;
        }
        let quiet = match reading {
            Reading::Known(Some(alarm)) => match alarm.state {
                AlarmState::Ok => true,
                // `--force` accepts alarms that had no data when it began.
                AlarmState::InsufficientData => alarm.missing_is_quiet || rollout.blind.contains(name.as_str()),
                AlarmState::Alarm => false,
            },
            Reading::Known(None) | Reading::Unknown(_) => false,
        };
        if !quiet {
            cloud.violate(6, format!("raised although alarm {name} is not known to be quiet: {reading:?}"));
        }
    }
}

pub(super) fn described(cloud: &mut Cloud, colour: Colour) -> Value {
    let service = cloud.place.config.engine.service(colour).to_owned();
    let ask = Question { part: Part::Services, service: Service::Ecs, operation: "DescribeServices", about: &service };
    cloud.truly(ask, || json!({ "cluster": CLUSTER, "services": [service] }))["services"][0].clone()
}

/// How a colour is not empty: law 4's precondition for whatever shrinks or replaces its tasks.
fn not_empty(cloud: &Cloud, colour: Colour) -> Option<String> {
    if meddled_lately(cloud) {
        return None;
    }
    if cloud.has_weight(colour) {
        return Some(format!("{colour} has weight"));
    }
    let emptied = cloud.laws.weighted.get(&colour).copied()?;
    let margin = cloud.schedule.pace.margins.drain.0.saturating_sub(2 * cloud.schedule.pace.skew);
    let ago = cloud.now - emptied;
    (ago < margin).then(|| format!("{colour} had weight {ago} ms ago"))
}

fn start(cloud: &mut Cloud, pid: Pid, to: Colour, revision: &RevisionArn, desired: u32) {
    let service = described(cloud, to);
    let other = view::text(&service, "taskDefinition") != revision.as_str();
    let runs = view::count(&service["runningCount"]) > 0;
    let shrinks = desired < view::count(&service["desiredCount"]);
    if other || shrinks {
        destructive(cloud, pid, "revision");
    }
    let weight = cloud.has_weight(to) && !meddled_lately(cloud);
    if let Some(why) = not_empty(cloud, to).filter(|_| weight || (runs && (other || shrinks))) {
        cloud.violate(4, format!("a new revision is started on {to} although {why}"));
    }
}

fn shrink(cloud: &mut Cloud, pid: Pid, colour: Colour, desired: u32, status: &Status) {
    let service = described(cloud, colour);
    if desired >= view::count(&service["desiredCount"]) {
        return;
    }
    destructive(cloud, pid, "scale down");
    if status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable()) && !meddled_lately(cloud) {
        cloud.violate(9, format!("{colour} is scaled down to {desired} while the rollout carries traffic"));
    }
    if let Some(why) = not_empty(cloud, colour) {
        cloud.violate(4, format!("{colour} is scaled down to {desired} although {why}"));
    }
}

/// A write took effect.
pub(crate) fn landed(cloud: &mut Cloud, landing: &Landing, answer: Option<&Value>) {
    let ended = landing.rollout.as_ref().is_some_and(|id| cloud.laws.ended.contains(id));
    let harmless = matches!(landing.effect.action, Action::Register { .. } | Action::Tidy { .. });
    // What a person gave up is that person's: they were told what may still land.
    let expected = native::laws::lands_late(cloud);
    if ended && !expected && !cloud.laws.foreign && !harmless && !landing.effect.is_back() {
        cloud.violate(3, format!("landed after its rollout had ended: {}", landing.effect));
    }
    let of_repair = landing.rollout.is_none() && matches!(landing.effect.action, Action::Mend { .. });
    if of_repair && let Some(rollout) = &cloud.record.status.rollout {
        cloud.violate(3, format!("{} has begun, and a repair from before it landed", rollout.id));
    }
    if cloud.native.is_some() {
        native::laws::landed(cloud, landing);
    }
    owner::landed(cloud, landing);
    match &landing.effect.action {
        Action::Weights { route, .. } => {
            let answer = cloud.route_doc(route);
            let now = skeleton(view::route_of(&answer).clone());
            if cloud.laws.skeletons.get(route) != Some(&now) {
                cloud.violate(7, format!("{route} is not what it was but for its weights: {now}"));
            }
            for other in cloud.place.config.engine.routes().to_vec() {
                foreign_groups(cloud, &other);
            }
        }
        Action::Register { base, images, rollout } => {
            let count = cloud.laws.registered.entry(rollout.clone()).or_default();
            *count += 1;
            if *count > 1 {
                let count = *count;
                cloud.violate(12, format!("{count} revisions were registered for {rollout}"));
            }
            let input = json!({ "taskDefinition": base.as_str() });
            let before = cloud.truth(Service::Ecs, "DescribeTaskDefinition", &input)["taskDefinition"].clone();
            let after = answer.map(|answer| answer["taskDefinition"].clone()).unwrap_or_default();
            if definition(before, images) != definition(after.clone(), images) {
                cloud.violate(12, "the new revision differs from the live one by more than its images".to_owned());
            }
            let pinned = |(image, named): &(ImageRef, Option<String>)| {
                let mut containers = after["containerDefinitions"].as_array().into_iter().flatten();
                containers.any(|container| takes(container, named.as_deref()) && container["image"] == image.pinned())
            };
            if !images.iter().all(pinned) {
                cloud.violate(12, "the new revision has not the candidate's image".to_owned());
            }
        }
        Action::Start { .. }
        | Action::Deploy { .. }
        | Action::Stop { .. }
        | Action::Continue { .. }
        | Action::Scale { .. }
        | Action::Scaling { .. }
        | Action::Mend { .. }
        | Action::Tidy { .. } => {}
    }
}

/// A third target group keeps its share of the whole.
fn foreign_groups(cloud: &mut Cloud, route: &RouteArn) {
    if cloud.schedule.legacy == 0 || cloud.laws.foreign {
        return;
    }
    let Some(weights) = cloud.weights.get(route) else { return };
    let all: u32 = weights.values().sum();
    let ours = |group: &str| cloud.place.groups.values().flatten().any(|own| own == group);
    let theirs: u32 = weights.iter().filter(|(group, _)| !ours(&group.0)).map(|(_, &weight)| weight).sum();
    if theirs > 0 && theirs * 100 != all * cloud.schedule.legacy {
        let what = format!("the third target group has {theirs} of {all}, not {} %", cloud.schedule.legacy);
        cloud.violate(7, what);
    }
}

/// A route without its weights.
pub(super) fn skeleton(mut doc: Value) -> Value {
    let member = if doc["Actions"].is_array() { "Actions" } else { "DefaultActions" };
    for action in doc[member].as_array_mut().into_iter().flatten() {
        for tuple in action["ForwardConfig"]["TargetGroups"].as_array_mut().into_iter().flatten() {
            tuple["Weight"] = Value::Null;
        }
    }
    doc
}

/// Whether an image goes into a container.
fn takes(container: &Value, named: Option<&str>) -> bool {
    named.is_none_or(|name| container["name"] == name)
}

/// A definition without the images that change and without what AWS adds.
fn definition(mut doc: Value, images: &[(ImageRef, Option<String>)]) -> Value {
    if let Some(members) = doc.as_object_mut() {
        for member in ["taskDefinitionArn", "revision", "registeredAt", "registeredBy", "status"] {
            members.remove(member);
        }
    }
    for container in doc["containerDefinitions"].as_array_mut().into_iter().flatten() {
        if images.iter().any(|(_, named)| takes(container, named.as_deref())) {
            container["image"] = Value::Null;
        }
    }
    doc
}
