//! One service that ECS's own strategy deploys: what the world must be like in the end, what ECS may have been asked for, and
//! who may change it. The rule is ECS's.

use super::{End, Story, Wrong, described, made, rules, scaling, services, tasks};
use crate::{SERVICE, Scene};
use anyhow::Context as _;
use model::{JournalEntry, Service};
use serde_json::{Value, json};

/// The one service.
pub(super) const SERVICES: &[&str] = &[SERVICE];

/// The service deployments so far, newest first.
pub(super) fn deployments(scene: &Scene) -> anyhow::Result<Vec<Value>> {
    let listed =
        scene.call(Service::Ecs, "ListServiceDeployments", json!({ "cluster": "tests", "service": SERVICE }))?;
    Ok(listed["serviceDeployments"].as_array().context("no service deployments")?.clone())
}

/// The new revision was deployed once and never again, and everything is on the right side.
pub(super) fn world(end: &End<'_>, completed: bool, wrong: &mut Wrong) -> anyhow::Result<()> {
    once(end, completed, wrong)?;
    // A rolling deployment stays in its target group.
    let moved = completed && end.story != Story::NativeCrash;
    let weights = end.scene.weights();
    wrong.unless(weights == if moved { (0, 100) } else { (100, 0) }, || format!("the weights are {weights:?}"));
    wrong.same("the rules", &end.before.rules, &rules(end.scene)?);
    let mut services_before = end.before.services.clone();
    for (member, value) in end.story.sent().iter().filter_map(Value::as_object).flatten() {
        services_before[0]["deploymentConfiguration"][member] = value.clone();
    }
    wrong.same("the services", &services_before, &services(end.scene, SERVICES)?);
    wrong.same("the scalable targets", &end.before.scaling, &scaling(end.scene, SERVICES)?);
    let service = described(end.scene, SERVICES)?[0].take();
    tasks(&service, 2, wrong);
    let live = if completed { "shop:2" } else { "shop:1" };
    let running: Vec<&str> =
        service["deployments"].as_array().into_iter().flatten().map(|one| short(&one["taskDefinition"])).collect();
    wrong.unless(short(&service["taskDefinition"]) == live && running == [live], || {
        format!("{} is live and {running:?} run instead of {live}", short(&service["taskDefinition"]))
    });
    Ok(())
}

/// One service deployment, of the new revision: ECS's own way back is part of it, and what ECS took back is not started again.
fn once(end: &End<'_>, completed: bool, wrong: &mut Wrong) -> anyhow::Result<()> {
    let mut since = deployments(end.scene)?;
    since.truncate(since.len().saturating_sub(end.before.deployments));
    let mut deployed = Vec::new();
    for deployment in &since {
        let input = json!({ "serviceRevisionArns": [deployment["targetServiceRevisionArn"]] });
        let read = end.scene.call(Service::Ecs, "DescribeServiceRevisions", input)?;
        deployed.push(short(&read["serviceRevisions"][0]["taskDefinition"]).to_owned());
    }
    wrong.unless(deployed == ["shop:2"], || format!("ECS has deployed {deployed:?}"));
    let ended: Vec<&str> = since.iter().filter_map(|one| one["status"].as_str()).collect();
    let right = if completed { "SUCCESSFUL" } else { "ROLLBACK_SUCCESSFUL" };
    wrong.unless(ended.iter().all(|one| *one == right), || format!("ECS's word on it is {ended:?}"));
    // Not by the calls: where it could not be read, ECS may be asked to stop what it takes back already.
    let newest = end.scene.deployment();
    let back = newest["rollback"]["reason"].as_str().unwrap_or("nothing");
    wrong.unless(back.contains(end.story.back()), || format!("it went back for {back}"));
    Ok(())
}

/// The family and number of a revision's ARN.
fn short(arn: &Value) -> &str {
    arn.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default()
}

/// What ECS was asked for: one deployment of this service, with nothing that was not asked of Flipback, and one pause answered.
pub(super) fn asked(end: &End<'_>, wrong: &mut Wrong) {
    let sent: Vec<Value> = end.scene.cloud.with_world(|world| {
        let entries = world.journal().iter().skip(end.before.journal);
        let updates = entries.filter(|entry| entry.operation == "UpdateService" && entry.error.is_none());
        updates.map(|entry| entry.input.clone()).collect()
    });
    wrong.unless(sent.len() == 1, || format!("UpdateService was sent {} times", sent.len()));
    let expected = |member: &str| match member {
        "cluster" | "service" | "taskDefinition" => true,
        "deploymentConfiguration" => end.story.sent().is_some(),
        _ => false,
    };
    let members = sent.iter().filter_map(Value::as_object).flat_map(|update| update.keys());
    let more: Vec<&String> = members.filter(|member| !expected(member)).collect();
    wrong.unless(more.is_empty(), || format!("UpdateService was sent with {more:?}"));
    let (answered, pauses) = (made(end, "ContinueServiceDeployment"), usize::from(end.story == Story::NativeGood));
    wrong.unless(answered == pauses, || format!("{answered} pauses were answered"));
}

/// Advance deploys, answers and stops; on-alarm stops, and nothing else. ECS writes weights; no function of ours writes a
/// rule, or the scalable target.
pub(super) fn may(_: &End<'_>, entry: &JournalEntry) -> bool {
    match (entry.caller.as_str(), entry.service) {
        ("function:advance", Service::Ecs) => {
            ["RegisterTaskDefinition", "UpdateService", "ContinueServiceDeployment", "StopServiceDeployment"]
                .contains(&entry.operation.as_str())
        }
        ("function:on-alarm", Service::Ecs) => entry.operation == "StopServiceDeployment",
        ("service:ecs", Service::Elb) => entry.operation == "ModifyRule",
        _ => false,
    }
}
