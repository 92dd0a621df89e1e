//! What happens to the service besides its faults, played.

use std::rc::Rc;

use model::Service;
use serde_json::{Value, json};
use shared::ids::{Colour, IntentId};
use shared::intake::{self, MessageKind};
use shared::rollout::{AlarmSide, Intent, IntentKind, Phase};
use shared::scaling::Repair;
use shared::time::Time;

use crate::cloud::{Cloud, Event};
use crate::next_door::{self, Who};
use crate::plots::{Plot, Which};
use crate::setup::{BOUNDS, CLUSTER, REPOSITORY, SIDECAR, manifest};
use crate::{native, takeover, view};

pub(crate) fn play(cloud: &mut Cloud, place: usize) {
    let plot = cloud.schedule.cues[place].plot.clone();
    let played = match &plot {
        Plot::Push(manners) => push(cloud, REPOSITORY, manners),
        Plot::PushSidecar(manners) => cloud.schedule.sidecar && push(cloud, SIDECAR, manners),
        Plot::PushNextDoor(manners) => cloud.next_door.is_some() && push(cloud, next_door::REPOSITORY, manners),
        Plot::OldPush => repeat(cloud, 1),
        Plot::SamePush => repeat(cloud, 0),
        Plot::Promote
        | Plot::Pause
        | Plot::Resume
        | Plot::Abort
        | Plot::GiveUp
        | Plot::Rollback
        | Plot::Redeploy
        | Plot::Release
        | Plot::Deploy
        | Plot::Force => match wish(cloud, &plot) {
            Some(what) => {
                intend(cloud, what);
                true
            }
            None => false,
        },
        Plot::Weights(green) if cloud.native.is_some() => native::stage::weights(cloud, *green),
        Plot::Update(which) if cloud.native.is_some() => native::stage::update(cloud, *which),
        Plot::Count(_, desired) if cloud.native.is_some() => native::stage::count(cloud, *desired),
        Plot::Hand(hand) => cloud.native.is_some() && native::stage::hand(cloud, *hand),
        Plot::Weights(green) => weights(cloud, *green),
        Plot::WeightsTo(which) => {
            let green = if colour(cloud, *which) == Colour::Green { 100 } else { 0 };
            weights(cloud, green)
        }
        Plot::Update(which) => update(cloud, *which),
        Plot::Count(which, desired) => {
            let service = service(cloud, *which);
            let input = json!({ "cluster": CLUSTER, "service": service, "desiredCount": desired });
            cloud.laws.meddled = cloud.now;
            cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok()
        }
        Plot::Breaker(which) => {
            let breaker = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true } });
            let service = service(cloud, *which);
            let input = json!({ "cluster": CLUSTER, "service": service, "deploymentConfiguration": breaker });
            cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok()
        }
        Plot::Kill(which) => kill(cloud, *which, usize::MAX),
        Plot::KillOne(which) => kill(cloud, *which, 1),
        Plot::Sicken(which) => {
            let sick = tasks(cloud, *which).into_iter().next();
            sick.iter().for_each(|task| cloud.world.task_sickens(task));
            sick.is_some()
        }
        Plot::Room(free) => {
            let most = cloud.world.running_tasks().len();
            cloud.world.limit_tasks(CLUSTER, (!free).then_some(most), cloud.now);
            true
        }
        Plot::Alarm(n, fires) => alarm(cloud, *n, if *fires { "ALARM" } else { "OK" }),
        Plot::Blind(n) => alarm(cloud, *n, "INSUFFICIENT_DATA"),
        Plot::Flap(n) => flap(cloud, place, *n),
        Plot::Repair(times) => repair(cloud, *times),
        Plot::Takeover => takeover::play(cloud),
        Plot::Traffic(on) => {
            cloud.traffic = *on;
            true
        }
        Plot::Autoscale(which, up) => autoscale(cloud, *which, *up),
    };
    cloud.say(|| format!("plot: {plot:?}{}", if played { "" } else { " (nothing to do)" }));
    if played {
        cloud.hit("plot", plot.name());
    }
}

fn colour(cloud: &Cloud, which: Which) -> Colour {
    match which {
        Which::Live => cloud.live(),
        Which::Idle => cloud.live().other(),
    }
}

fn service(cloud: &Cloud, which: Which) -> String {
    format!("shop-api-{}", colour(cloud, which))
}

fn push(cloud: &mut Cloud, repository: &str, manners: &str) -> bool {
    cloud.versions += 1;
    let number = cloud.versions;
    let input = json!({
        "repositoryName": repository, "imageManifest": manifest(number, manners), "imageTag": format!("v1.{number}.0"),
    });
    if cloud.call(Service::Ecr, "PutImage", &input, "person").is_err() {
        return false;
    }
    cloud.tick();
    if repository == next_door::REPOSITORY {
        return true;
    }
    if let Some(Ok(intake::Event::Push(push))) = cloud.pushes.last().map(intake::read) {
        cloud.images.push(push.image);
    }
    true
}

fn alarm(cloud: &mut Cloud, n: usize, state: &str) -> bool {
    let (name, side) = cloud.place.alarms[n].clone();
    let unlisted = cloud.schedule.native.as_ref().is_some_and(|shape| shape.unlisted) && side == AlarmSide::Both;
    // The one that only ECS listens to: by itself, or with the listed one.
    let alone = unlisted && cloud.rng.percent(50);
    let mut set = |name: &str| {
        let input = json!({ "AlarmName": name, "StateValue": state, "StateReason": "set by hand" });
        cloud.call(Service::CloudWatch, "SetAlarmState", &input, "person").is_ok()
    };
    (alone || set(name.as_str())) && (!unlisted || set(native::setup::UNLISTED))
}

/// So often an alarm that flaps changes.
const FLAPS: u32 = 6;

/// An alarm fires, ceases, and so on, faster than anybody looks.
fn flap(cloud: &mut Cloud, place: usize, n: usize) -> bool {
    let times = cloud.flaps.entry(place).or_default();
    *times += 1;
    let times = *times;
    if times < FLAPS {
        let pause = cloud.rng.between(300, 4_000);
        cloud.at(cloud.now + pause, Event::Cue(place));
    }
    alarm(cloud, n, if times % 2 == 1 { "ALARM" } else { "OK" })
}

/// An event of an earlier push of the same repository arrives once more, under another id.
fn repeat(cloud: &mut Cloud, back: usize) -> bool {
    let repository = |event: &Value| event["detail"]["repository-name"].clone();
    let Some(last) = cloud.pushes.last().map(repository) else { return false };
    let Some(event) = cloud.pushes.iter().rev().filter(|event| repository(event) == last).nth(back) else {
        return false;
    };
    let mut event = event.clone();
    cloud.intents += 1;
    event["id"] = Value::from(format!("again-{}", cloud.intents));
    cloud.at(cloud.now, Event::Deliver(event, 0));
    true
}

fn wish(cloud: &Cloud, plot: &Plot) -> Option<IntentKind> {
    let status = &cloud.record.status;
    let rollout = status.rollout.as_ref();
    // A person may still mean the rollout that has ended.
    let id = rollout.map(|rollout| &rollout.id).or(status.last.as_ref().map(|last| &last.rollout)).cloned();
    Some(match plot {
        Plot::Promote => {
            let step = rollout.map_or(0, |rollout| match rollout.phase {
                Phase::Baking { step, .. } | Phase::Shifting { step } => step,
                Phase::Standby { .. } => rollout.config.steps.len() - 1,
                Phase::Deploying => rollout.native.gates,
                _ => 0,
            });
            IntentKind::Promote { rollout: id?, step }
        }
        Plot::Pause => IntentKind::Pause { rollout: id? },
        Plot::Resume => IntentKind::Resume { rollout: id? },
        Plot::Abort if rollout.is_some_and(|rollout| rollout.called) => IntentKind::GiveUp { rollout: id? },
        Plot::Abort => IntentKind::Abort { rollout: id? },
        Plot::GiveUp => IntentKind::GiveUp { rollout: id? },
        Plot::Rollback => IntentKind::Rollback { rollout: id, to: None },
        Plot::Redeploy => IntentKind::Redeploy,
        Plot::Release => {
            let held = status.quarantine.last().and_then(|held| held.digests.first());
            IntentKind::Release { digest: held.or(cloud.images.last().map(|image| &image.digest))?.clone() }
        }
        Plot::Deploy => IntentKind::Deploy { images: vec![cloud.images.last()?.clone()], force: false },
        Plot::Force => IntentKind::Deploy { images: vec![cloud.images.last()?.clone()], force: true },
        _ => return None,
    })
}

/// The bounds that the configuration asks for are not there; the check says so, perhaps twice, and by what it saw a while ago.
fn repair(cloud: &mut Cloud, times: u32) -> bool {
    if !cloud.schedule.scalable || cloud.native.is_some() {
        return false;
    }
    let colour = cloud.live();
    let input = json!({
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": BOUNDS.0,
        "MaxCapacity": BOUNDS.1 - 1, "ResourceId": format!("service/{CLUSTER}/shop-api-{colour}"),
    });
    if cloud.call(Service::AutoScaling, "RegisterScalableTarget", &input, "person").is_err() {
        return false;
    }
    cloud.laws.rebound = true;
    for _ in 0..times {
        let repair = Repair { colour, min: None, max: Some(BOUNDS.1), suspended: None, tracking: Default::default() };
        intend(cloud, IntentKind::Repair { repair });
    }
    true
}

fn intend(cloud: &mut Cloud, what: IntentKind) {
    cloud.intents += 1;
    let id = IntentId(format!("person/{}", cloud.intents));
    Rc::make_mut(&mut cloud.record).inbox.push(Intent { id, at: Time(cloud.now), by: "a person".to_owned(), what });
    cloud.enqueue(Who::Shop, MessageKind::Poke, 0);
}

fn weights(cloud: &mut Cloud, green: u8) -> bool {
    for route in cloud.place.config.engine.routes().to_vec() {
        let answer = cloud.route_doc(&route);
        let doc = view::route_of(&answer);
        let mut weights = view::weights(view::actions(doc));
        for (group, weight) in &mut weights {
            if cloud.place.groups[&Colour::Blue].contains(&group.0) {
                *weight = 100 - u32::from(green);
            } else if cloud.place.groups[&Colour::Green].contains(&group.0) {
                *weight = u32::from(green);
            }
        }
        let Some(actions) = view::with_weights(view::actions(doc), &weights) else { return false };
        let (operation, input) = match route.is_listener() {
            true => ("ModifyListener", json!({ "ListenerArn": route.0, "DefaultActions": actions })),
            false => ("ModifyRule", json!({ "RuleArn": route.0, "Actions": actions })),
        };
        if cloud.call(Service::Elb, operation, &input, "person").is_err() {
            return false;
        }
    }
    cloud.look_at_routes();
    cloud.laws.meddled = cloud.now;
    cloud.laws.foreign = true;
    true
}

/// Somebody deploys a revision of their own making.
fn update(cloud: &mut Cloud, which: Which) -> bool {
    let service = service(cloud, which);
    let described =
        cloud.truth(Service::Ecs, "DescribeServices", &json!({ "cluster": CLUSTER, "services": [service] }));
    let arn = view::text(&described["services"][0], "taskDefinition").to_owned();
    let document = cloud.truth(Service::Ecs, "DescribeTaskDefinition", &json!({ "taskDefinition": arn }));
    let mut definition = document["taskDefinition"].clone();
    definition["cpu"] = json!("512");
    let Ok(answer) = cloud.call(Service::Ecs, "RegisterTaskDefinition", &definition, "person") else { return false };
    let arn = view::text(&answer["taskDefinition"], "taskDefinitionArn").to_owned();
    cloud.laws.meddled = cloud.now;
    let input = json!({ "cluster": CLUSTER, "service": service, "taskDefinition": arn });
    cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok()
}

fn tasks(cloud: &mut Cloud, which: Which) -> Vec<String> {
    if cloud.native.is_some() {
        return native::stage::tasks(cloud, which);
    }
    let service = service(cloud, which);
    let all = cloud.world.running_tasks().into_iter().filter(|task| task.service == service);
    all.map(|task| task.task_id).collect()
}

fn kill(cloud: &mut Cloud, which: Which, most: usize) -> bool {
    let tasks = tasks(cloud, which);
    for task in tasks.iter().take(most) {
        cloud.world.task_died(task, 137, "OutOfMemoryError: Container killed due to memory usage", cloud.now);
    }
    cloud.tick();
    !tasks.is_empty()
}

fn autoscale(cloud: &mut Cloud, which: Which, up: bool) -> bool {
    let service = service(cloud, which);
    let described =
        cloud.truth(Service::Ecs, "DescribeServices", &json!({ "cluster": CLUSTER, "services": [service] }));
    let desired = view::count(&described["services"][0]["desiredCount"]);
    let to = if up { desired + 1 } else { desired.saturating_sub(1) };
    let set = cloud.world.scale(&format!("service/{CLUSTER}/{service}"), to, cloud.now);
    if let Some(set) = set {
        crate::laws::autoscaled(cloud, set < desired);
    }
    set.is_some()
}
