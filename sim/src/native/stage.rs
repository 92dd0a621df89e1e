//! What happens to a native service besides its faults, where it is another thing than with two colours.

use model::Service;
use serde_json::{Value, json};
use shared::observation::DeploymentStatus;

use super::setup::SERVICE;
use super::truth;
use crate::cloud::{Cloud, Event};
use crate::plots::{Cue, Hand, Plot, When, Which};
use crate::setup::{CLUSTER, START};
use crate::view::{self, text};

/// Somebody deploys a revision of their own making, with the console or an infrastructure tool.
pub(crate) fn update(cloud: &mut Cloud, which: Which) -> bool {
    if which == Which::Live {
        // The same revision once more.
        meddled(cloud);
        let input = json!({ "cluster": CLUSTER, "service": SERVICE, "forceNewDeployment": true });
        return cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok();
    }
    let arn = text(&truth::service(cloud), "taskDefinition").to_owned();
    let document = cloud.truth(Service::Ecs, "DescribeTaskDefinition", &json!({ "taskDefinition": arn }));
    let mut definition = document["taskDefinition"].clone();
    definition["cpu"] = json!(if definition["cpu"] == "512" { "1024" } else { "512" });
    let Ok(answer) = cloud.call(Service::Ecs, "RegisterTaskDefinition", &definition, "person") else { return false };
    let arn = text(&answer["taskDefinition"], "taskDefinitionArn").to_owned();
    meddled(cloud);
    let input = json!({ "cluster": CLUSTER, "service": SERVICE, "taskDefinition": arn });
    cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok()
}

fn meddled(cloud: &mut Cloud) {
    let now = cloud.now;
    cloud.laws.meddled = now;
    if let Some(state) = &mut cloud.native {
        state.meddled = Some(now);
    }
}

/// Somebody sets the number of tasks.
pub(crate) fn count(cloud: &mut Cloud, desired: u32) -> bool {
    let input = json!({ "cluster": CLUSTER, "service": SERVICE, "desiredCount": desired });
    cloud.call(Service::Ecs, "UpdateService", &input, "person").is_ok()
}

/// Somebody writes the production rule: green's share, in percent.
pub(crate) fn weights(cloud: &mut Cloud, green: u8) -> bool {
    let rule = cloud.place.rules[0].clone();
    let answer = cloud.route_doc(&rule);
    let mut actions = view::actions(view::route_of(&answer)).clone();
    let groups: Vec<String> = cloud.place.groups.values().flatten().cloned().collect();
    for (group, weight) in groups.iter().zip([100 - green, green]) {
        for tuple in actions[0]["ForwardConfig"]["TargetGroups"].as_array_mut().into_iter().flatten() {
            if tuple["TargetGroupArn"] == group.as_str() {
                tuple["Weight"] = json!(weight);
            }
        }
    }
    write(cloud, &rule.0, &actions)
}

fn write(cloud: &mut Cloud, rule: &str, actions: &Value) -> bool {
    let now = cloud.now;
    if let Some(state) = &mut cloud.native {
        state.written = Some(now);
    }
    let input = json!({ "RuleArn": rule, "Actions": actions });
    cloud.call(Service::Elb, "ModifyRule", &input, "person").is_ok()
}

/// Somebody's hand on what ECS does.
pub(crate) fn hand(cloud: &mut Cloud, hand: Hand) -> bool {
    if hand == Hand::RuleGone {
        // An infrastructure tool that knows one target group only.
        let rule = cloud.place.rules[0].0.clone();
        let group = cloud.place.groups.values().flatten().next().cloned().unwrap_or_default();
        let actions = json!([{ "Type": "forward", "TargetGroupArn": group }]);
        return write(cloud, &rule, &actions);
    }
    let Some(newest) = truth::deployments(cloud).into_iter().next() else { return false };
    let running = newest.status.running();
    if hand == Hand::Stop {
        if running {
            meddled(cloud);
        }
        let input = json!({ "serviceDeploymentArn": newest.arn, "stopType": "ROLLBACK" });
        return cloud.call(Service::Ecs, "StopServiceDeployment", &input, "person").is_ok();
    }
    let shown = json!({ "serviceDeploymentArns": [newest.arn] });
    let shown = cloud.truth(Service::Ecs, "DescribeServiceDeployments", &shown);
    let mut hooks = super::view::list(&shown["serviceDeployments"][0]["lifecycleHookDetails"]);
    let Some(waits) = hooks.find(|hook| hook["status"] == "AWAITING_ACTION") else { return false };
    if newest.status != DeploymentStatus::InProgress {
        return false;
    }
    meddled(cloud);
    let action = if hand == Hand::GoOn { "CONTINUE" } else { "ROLLBACK" };
    let input = json!({ "serviceDeploymentArn": newest.arn, "hookId": waits["hookId"], "action": action });
    cloud.call(Service::Ecs, "ContinueServiceDeployment", &input, "person").is_ok()
}

/// The tasks of what is live, or of what comes.
pub(crate) fn tasks(cloud: &mut Cloud, which: Which) -> Vec<String> {
    let newest = truth::deployments(cloud).into_iter().next();
    let coming = newest.filter(|newest| newest.status.running()).map(|newest| newest.revision);
    let running = cloud.world.running_tasks();
    let input = json!({ "cluster": CLUSTER, "tasks": running.iter().map(|task| &task.task_id).collect::<Vec<_>>() });
    let shown = cloud.truth(Service::Ecs, "DescribeTasks", &input);
    let of = |task: &Value| {
        let new = coming.as_deref() == Some(text(task, "taskDefinitionArn"));
        new == (which == Which::Idle)
    };
    let arns = super::view::list(&shown["tasks"]).filter(|task| of(task)).map(|task| text(task, "taskArn"));
    arns.map(|arn| arn.rsplit('/').next().unwrap_or(arn).to_owned()).collect()
}

/// A function that ECS calls: it answers some time later, in progress as often as the schedule says.
pub(crate) fn called(cloud: &mut Cloud, deployment: &str, hook: &str, payload: &Value) {
    let Some(shape) = cloud.schedule.native.as_ref().and_then(|shape| shape.hook.clone()) else { return };
    let tried = payload["hookDetails"]["tries"].as_u64().unwrap_or(0);
    // As lifecycle-hook does: on the way back, where the weights are reversed, nothing is waited for.
    let details = &payload["executionDetails"];
    let test = payload["lifecycleStage"] == "TEST_TRAFFIC_SHIFT";
    let weights = &details[if test { "testTrafficWeights" } else { "productionTrafficWeights" }];
    let back = weights[text(details, "targetServiceRevisionArn")] == 0.0;
    let answer = if tried < shape.waits && !back {
        json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 20, "hookDetails": { "tries": tried + 1 } })
    } else {
        json!({ "hookStatus": if shape.good { "SUCCEEDED" } else { "FAILED" } })
    };
    cloud.hit("hook", text(&answer, "hookStatus").to_owned());
    let delay = cloud.rng.between(20, 1_500);
    cloud.at(cloud.now + delay, Event::Answer(deployment.to_owned(), hook.to_owned(), answer));
}

/// A gate was told: somebody answers it, mostly.
pub(crate) fn gate(cloud: &mut Cloud) {
    let answers = cloud.schedule.native.as_ref().map_or(100, |shape| shape.answers);
    if !cloud.rng.percent(answers) {
        return;
    }
    let plot = match cloud.rng.between(0, 19) {
        0 => Plot::Abort,
        1 => Plot::Hand(Hand::GoOn),
        2 => Plot::Hand(Hand::GoBack),
        _ => Plot::Promote,
    };
    let delay = cloud.rng.between(100, cloud.schedule.pace.bake * 2);
    let when = When::At(cloud.now + delay - START);
    cloud.schedule.cues.push(Cue { when, plot });
    let place = cloud.schedule.cues.len() - 1;
    cloud.at(cloud.now + delay, Event::Cue(place));
}
