//! What is right in the end, whatever happened to one call.
//!
//! The rollout ended as its story says and for its cause; exactly one revision was registered, and it is the old one with
//! the new image; the image is in quarantine where it is to blame; nothing waits, or lies in a dead-letter queue; people were
//! told each thing once, in order; no user got an answer that the bad image itself did not give. What the world must be like,
//! and who may change it, is told by the engine: `managed` or `native`.

mod managed;
mod native;
mod told;

use super::{Case, Story};
use crate::traffic::Counted;
use crate::{SERVICE, Scene};
use anyhow::Context as _;
use model::{JournalEntry, Service};
use serde_json::{Value, json};
use shared::ports::Record;
use shared::rollout::Outcome;
use shared::time::Time;

/// The world before the push.
#[derive(Debug)]
pub(super) struct Before {
    rules: Value,
    services: Value,
    scaling: Value,
    definition: Value,
    /// Service deployments of a native service so far.
    deployments: usize,
    /// Journal entries, posts and messages so far.
    journal: usize,
    posts: usize,
    messages: usize,
}

/// The end of a story.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub(super) scene: &'a Scene,
    pub(super) story: Story,
    pub(super) before: &'a Before,
    pub(super) digest: &'a str,
    pub(super) users: Counted,
    pub(super) case: Option<&'a Case>,
}

impl Before {
    pub(super) async fn of(scene: &Scene, story: Story) -> anyhow::Result<Before> {
        let (deployments, names) = match story.declared() {
            None => (0, managed::SERVICES),
            Some(_) => (native::deployments(scene)?.len(), native::SERVICES),
        };
        Ok(Before {
            rules: rules(scene)?,
            services: services(scene, names)?,
            scaling: scaling(scene, names)?,
            definition: definition(scene, 1)?,
            deployments,
            journal: scene.cloud.with_world(|world| world.journal().len()),
            posts: scene.cloud.slack_posts().len(),
            messages: scene.cloud.sns_messages().len(),
        })
    }
}

/// Everything that is not right.
pub(super) async fn all(end: &End<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Wrong::default();
    let record = end.scene.record().await?;
    let last = record.status.last.as_ref().map(|last| last.outcome.clone());
    let completed = last == Some(Outcome::Completed);
    match &last {
        Some(outcome) if end.story.ends(outcome) => {}
        other => wrong.say(format!("it ended {other:?}")),
    }
    wrong.unless(record.status.rollouts == 1, || format!("{} rollouts ran", record.status.rollouts));
    revision(end, &mut wrong)?;
    quarantine(end, &record, &mut wrong);
    match end.story.declared() {
        None => {
            managed::world(end, completed, &mut wrong)?;
            writers(end, managed::may, &mut wrong);
        }
        Some(_) => {
            native::world(end, completed, &mut wrong)?;
            native::asked(end, &mut wrong);
            writers(end, native::may, &mut wrong);
        }
    }
    let stored = end.scene.table.notices(&SERVICE.into(), 100).await?;
    if let Some(outcome) = &last {
        told::told(end, outcome, stored, &mut wrong);
    }
    users(end, &mut wrong);
    for queue in ["flipback-work-dlq.fifo", "flipback-delay-dlq", "flipback-events-dlq"] {
        let dead = messages(end.scene, queue)?;
        wrong.unless(dead == 0, || format!("{dead} messages in {queue}"));
    }
    let log = end.scene.cloud.function_log();
    if let Some(line) = log.iter().find(|line| line.line.contains("panicked at")) {
        wrong.say(format!("{} panicked: {}", line.function, line.line));
    }
    Ok(wrong.0)
}

/// From the alarm's event until the weights were written back, or ECS was asked to do it.
pub(super) fn back_seconds(scene: &Scene) -> Option<f64> {
    let fired = scene.cloud.events().iter().find_map(|event| {
        let state = &event["detail"]["state"];
        (state["value"] == "ALARM").then(|| Time::parse(state["timestamp"].as_str()?)).flatten()
    })?;
    let green = scene.colours.green.as_str();
    let back = scene.cloud.with_world(|world| {
        let entries = world.journal().iter();
        let goes_back = |entry: &&JournalEntry| match entry.operation.as_str() {
            "ModifyRule" => weight(&entry.input["Actions"], green) == Some(0),
            "StopServiceDeployment" => true,
            _ => false,
        };
        let mut since = entries.filter(|entry| entry.at >= fired.0 && entry.error.is_none());
        since.find(goes_back).map(|entry| entry.at)
    })?;
    Some(back.saturating_sub(fired.0) as f64 / 1000.0)
}

/// Weights are numbers, or their text on the Query wire.
fn weight(actions: &Value, group: &str) -> Option<u64> {
    let groups = actions[0]["ForwardConfig"]["TargetGroups"].as_array()?;
    let weight = &groups.iter().find(|one| one["TargetGroupArn"] == group)?["Weight"];
    weight.as_u64().or_else(|| weight.as_str()?.parse().ok())
}

#[derive(Debug, Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, what: String) {
        self.0.push(what);
    }

    fn unless(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.0.push(what());
        }
    }

    fn same(&mut self, what: &str, before: &Value, after: &Value) {
        if let Some(where_) = difference(before, after) {
            self.say(format!("{what} differ: {where_}"));
        }
    }
}

/// The first difference of two documents: where, and what stands there.
fn difference(before: &Value, after: &Value) -> Option<String> {
    let within = |name: &str, inner: String| format!("{name}/{inner}");
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| Some(within(name, difference(&before[name], &after[name])?)))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(place, (one, other))| Some(within(&place.to_string(), difference(one, other)?)))
        }
        _ => (before != after).then(|| format!(": before {before}, after {after}")),
    }
}

/// One new revision, and it is the old one with the new image.
fn revision(end: &End<'_>, wrong: &mut Wrong) -> anyhow::Result<()> {
    let registered = made(end, "RegisterTaskDefinition");
    wrong.unless(registered == 1, || format!("{registered} revisions were registered"));
    if registered == 0 {
        return Ok(());
    }
    let mut after = definition(end.scene, 2)?;
    let image = after["containerDefinitions"][0]["image"].take();
    let image = image.as_str().unwrap_or_default();
    wrong.unless(image.ends_with(end.digest), || format!("the revision's image is {image}"));
    let mut before = end.before.definition.clone();
    before["containerDefinitions"][0]["image"].take();
    wrong.same("the revisions", &before, &after);
    Ok(())
}

/// How often a call succeeded since the push.
fn made(end: &End<'_>, operation: &str) -> usize {
    end.scene.cloud.with_world(|world| {
        let entries = world.journal().iter().skip(end.before.journal);
        entries.filter(|entry| entry.operation == operation && entry.error.is_none()).count()
    })
}

/// An image that is to blame does not start by itself again; a good one may.
fn quarantine(end: &End<'_>, record: &Record, wrong: &mut Wrong) {
    let to_blame = match record.status.last.as_ref().map(|last| &last.outcome) {
        Some(Outcome::RolledBack(cause) | Outcome::Cancelled(cause)) => cause.quarantines(),
        Some(
            Outcome::Completed | Outcome::Refused(_) | Outcome::GivenUp(_) | Outcome::Observed | Outcome::Superseded(_),
        )
        | None => false,
    };
    let held = json!(record.status.quarantine).to_string();
    wrong.unless(held.contains(end.digest) == to_blame, || format!("the quarantine is {held}"));
}

/// Who changed what since the push.
fn writers(end: &End<'_>, may: fn(&End<'_>, &JournalEntry) -> bool, wrong: &mut Wrong) {
    let strange: Vec<String> = end.scene.cloud.with_world(|world| {
        let entries = world.journal().iter().skip(end.before.journal);
        let of_the_world = |service| [Service::Ecs, Service::Elb, Service::AutoScaling].contains(&service);
        let strange = entries.filter(|entry| of_the_world(entry.service) && !may(end, entry));
        strange.map(|entry| format!("{} by {}", entry.operation, entry.caller)).collect()
    });
    wrong.unless(strange.is_empty(), || format!("changes that are not theirs to make: {strange:?}"));
}

/// So many tasks and no other.
fn tasks(service: &Value, wanted: u64, wrong: &mut Wrong) {
    let counts = [&service["desiredCount"], &service["runningCount"], &service["pendingCount"]];
    wrong.unless(counts == [&json!(wanted), &json!(wanted), &json!(0)], || {
        format!("{} wants, runs and starts {counts:?} tasks instead of {wanted}", service["serviceName"])
    });
}

/// What the users got.
fn users(end: &End<'_>, wrong: &mut Wrong) {
    let mut failed = end.users.failed.clone();
    for (tag, count) in &end.users.failed_by {
        if !(end.story.hurts() && tag == "2.0.0") {
            failed.push(format!("{count} 5XX of {tag}"));
        }
    }
    wrong.unless(failed.is_empty(), || {
        failed.dedup();
        let log = end.scene.cloud.function_log();
        let said = log.iter().filter(|line| line.function == "local" && line.line.starts_with("502"));
        let said: Vec<String> = said.map(|line| format!("{} {}", Time(line.at), line.line)).collect();
        format!("users failed beside {} good answers: {} ({})", end.users.good, failed.join(", "), said.join("; "))
    });
    wrong.unless(end.users.good > 50, || format!("only {} good answers", end.users.good));
}

/// The rules of the listener, without weights.
fn rules(scene: &Scene) -> anyhow::Result<Value> {
    let mut read = scene.call(Service::Elb, "DescribeRules", json!({ "ListenerArn": scene.colours.listener }))?;
    for rule in read["Rules"].as_array_mut().context("no rules")? {
        for action in rule["Actions"].as_array_mut().into_iter().flatten() {
            for group in action["ForwardConfig"]["TargetGroups"].as_array_mut().into_iter().flatten() {
                group["Weight"].take();
            }
        }
    }
    Ok(read)
}

fn described(scene: &Scene, names: &[&str]) -> anyhow::Result<Value> {
    let input = json!({ "cluster": "tests", "services": names, "include": ["TAGS"] });
    Ok(scene.call(Service::Ecs, "DescribeServices", input)?["services"].take())
}

/// The services, without what a rollout is for and without what ECS reports of its work.
fn services(scene: &Scene, names: &[&str]) -> anyhow::Result<Value> {
    let mut read = described(scene, names)?;
    for service in read.as_array_mut().context("no services")? {
        for member in [
            "taskDefinition",
            "desiredCount",
            "runningCount",
            "pendingCount",
            "deployments",
            "events",
            "currentServiceRevisions",
            "currentServiceDeployment",
        ] {
            service[member].take();
        }
    }
    Ok(read)
}

/// Bounds and suspensions of each service.
fn scaling(scene: &Scene, names: &[&str]) -> anyhow::Result<Value> {
    let read = scene.call(Service::AutoScaling, "DescribeScalableTargets", json!({ "ServiceNamespace": "ecs" }))?;
    let targets = read["ScalableTargets"].as_array().context("no scalable targets")?;
    let of = |name: &&str| {
        let target = targets.iter().find(|target| target["ResourceId"] == format!("service/tests/{name}"));
        target.map_or(Value::Null, |target| {
            json!([target["MinCapacity"], target["MaxCapacity"], target["SuspendedState"]])
        })
    };
    Ok(names.iter().map(of).collect())
}

/// A revision, without what names it and says who made it.
fn definition(scene: &Scene, revision: u32) -> anyhow::Result<Value> {
    let input = json!({ "taskDefinition": format!("{SERVICE}:{revision}") });
    let mut read = scene.call(Service::Ecs, "DescribeTaskDefinition", input)?["taskDefinition"].take();
    for member in ["taskDefinitionArn", "revision", "registeredAt", "registeredBy"] {
        read[member].take();
    }
    Ok(read)
}

/// Messages in a queue.
fn messages(scene: &Scene, queue: &str) -> anyhow::Result<u64> {
    let url = format!("{}/123456789012/{queue}", scene.cloud.endpoint());
    let input = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"] });
    let read = scene.call(Service::Sqs, "GetQueueAttributes", input)?;
    let count = read["Attributes"]["ApproximateNumberOfMessages"].as_str().context("no count of messages")?;
    Ok(count.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_place() {
        let before = json!({"a": [1, {"b": 2}], "c": null});
        assert_eq!(difference(&before, &before.clone()), None);
        assert_eq!(difference(&before, &json!({"a": [1, {"b": 3}]})).unwrap(), "a/1/b/: before 2, after 3");
        assert_eq!(difference(&before, &json!({"a": [1], "c": null})).unwrap(), r#"a/: before [1,{"b":2}], after [1]"#);
    }
}
