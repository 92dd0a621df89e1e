//! What happens to the service besides its faults, played.

use model::Service;
use serde_json::{Value, json};
use shared::ids::{Colour, IntentId};
use shared::intake::{self, MessageKind};
use shared::rollout::{Intent, IntentKind, Phase};
use shared::time::Time;

use crate::cloud::{Cloud, Event};
use crate::plots::{Plot, Which};
use crate::setup::{CLUSTER, REPOSITORY, manifest};
use crate::view;

pub(crate) fn play(cloud: &mut Cloud, place: usize) {
    let plot = cloud.schedule.cues[place].plot.clone();
    let played = match &plot {
        Plot::Push(manners) => push(cloud, manners),
        Plot::OldPush => repeat(cloud, 1),
        Plot::SamePush => repeat(cloud, 0),
        Plot::Promote
        | Plot::Pause
        | Plot::Resume
        | Plot::Abort
        | Plot::Rollback
        | Plot::Redeploy
        | Plot::Release
        | Plot::Force => match wish(cloud, &plot) {
            Some(what) => {
                intend(cloud, what);
                true
            }
            None => false,
        },
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
        Plot::Kill(which) => kill(cloud, *which),
        Plot::Alarm(n, fires) => {
            let (name, _) = cloud.place.alarms[*n].clone();
            let state = if *fires { "ALARM" } else { "OK" };
            let input = json!({ "AlarmName": name.0, "StateValue": state, "StateReason": "set by hand" });
            cloud.call(Service::CloudWatch, "SetAlarmState", &input, "person").is_ok()
        }
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

fn push(cloud: &mut Cloud, manners: &str) -> bool {
    cloud.versions += 1;
    let number = cloud.versions;
    let input = json!({
        "repositoryName": REPOSITORY, "imageManifest": manifest(number, manners), "imageTag": format!("v1.{number}.0"),
    });
    if cloud.call(Service::Ecr, "PutImage", &input, "person").is_err() {
        return false;
    }
    cloud.tick();
    if let Some(Ok(intake::Event::Push(push))) = cloud.pushes.last().map(intake::read) {
        cloud.images.push(push.image);
    }
    true
}

/// An event of an earlier push arrives once more, under another id.
fn repeat(cloud: &mut Cloud, back: usize) -> bool {
    let Some(place) = cloud.pushes.len().checked_sub(back + 1) else { return false };
    let mut event = cloud.pushes[place].clone();
    cloud.intents += 1;
    event["id"] = Value::from(format!("again-{}", cloud.intents));
    cloud.at(cloud.now, Event::Deliver(event, 0));
    true
}

fn wish(cloud: &Cloud, plot: &Plot) -> Option<IntentKind> {
    let status = &cloud.record.status;
    let rollout = status.rollout.as_ref();
    let id = rollout.map(|rollout| rollout.id.clone());
    Some(match plot {
        Plot::Promote => {
            let step = match rollout?.phase {
                Phase::Baking { step, .. } | Phase::Shifting { step } => step,
                Phase::Standby { .. } => rollout?.config.steps.len() - 1,
                _ => 0,
            };
            IntentKind::Promote { rollout: id?, step }
        }
        Plot::Pause => IntentKind::Pause { rollout: id? },
        Plot::Resume => IntentKind::Resume { rollout: id? },
        Plot::Abort if rollout?.called => IntentKind::GiveUp { rollout: id? },
        Plot::Abort => IntentKind::Abort { rollout: id? },
        Plot::Rollback => IntentKind::Rollback { rollout: id, to: None },
        Plot::Redeploy => IntentKind::Redeploy,
        Plot::Release => IntentKind::Release { digest: status.quarantine.last()?.digests.first()?.clone() },
        Plot::Force => IntentKind::Deploy { images: vec![cloud.images.last()?.clone()], force: true },
        _ => return None,
    })
}

fn intend(cloud: &mut Cloud, what: IntentKind) {
    cloud.intents += 1;
    let id = IntentId(format!("person/{}", cloud.intents));
    cloud.record.inbox.push(Intent { id, at: Time(cloud.now), by: "a person".to_owned(), what });
    cloud.enqueue(MessageKind::Poke, 0);
}

fn weights(cloud: &mut Cloud, green: u8) -> bool {
    for route in cloud.place.config.engine.routes.clone() {
        let doc = cloud.route_doc(&route);
        let mut weights = view::weights(view::actions(&doc));
        for (group, weight) in &mut weights {
            if cloud.place.groups[&Colour::Blue].contains(&group.0) {
                *weight = 100 - u32::from(green);
            } else if cloud.place.groups[&Colour::Green].contains(&group.0) {
                *weight = u32::from(green);
            }
        }
        let Some(actions) = view::with_weights(view::actions(&doc), &weights) else { return false };
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

fn kill(cloud: &mut Cloud, which: Which) -> bool {
    let service = service(cloud, which);
    let tasks: Vec<_> = cloud.world.running_tasks().into_iter().filter(|task| task.service == service).collect();
    for task in &tasks {
        cloud.world.task_died(&task.task_id, 137, "OutOfMemoryError: Container killed due to memory usage", cloud.now);
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
