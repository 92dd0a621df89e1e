//! What is right in the end, whatever happened to one call.
//!
//! The rollout ended as its story says and for its cause; exactly one revision was registered, and it is the old one with
//! the new image; rules, services and scalable targets are what they were but for what a rollout is for; nothing runs,
//! waits, or lies in a dead-letter queue; people were told each thing once, in order; no user got an answer that the bad
//! image itself did not give; and nobody but the functions changed anything, on-alarm nothing but weights.

use super::{Case, Story};
use crate::traffic::Counted;
use crate::{SERVICE, Scene};
use anyhow::Context as _;
use aws::store::StoredNotice;
use model::Service;
use serde_json::{Value, json};
use shared::notice::{slack, sns};
use shared::rollout::Outcome;
use shared::time::Time;

/// The world before the push.
#[derive(Debug)]
pub(super) struct Before {
    rules: Value,
    services: Value,
    scaling: Value,
    definition: Value,
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
    pub(super) async fn of(scene: &Scene) -> anyhow::Result<Before> {
        Ok(Before {
            rules: rules(scene)?,
            services: services(scene)?,
            scaling: scaling(scene)?,
            definition: definition(scene, 1)?,
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
    world(end, completed, &mut wrong)?;
    writers(end, &mut wrong);
    let stored = end.scene.table.notices(&SERVICE.into(), 100).await?;
    if let Some(outcome) = &last {
        told(end, outcome, stored, &mut wrong);
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

/// From the alarm's event until the weights were written back.
pub(super) fn back_seconds(scene: &Scene) -> Option<f64> {
    let fired = scene.cloud.events().iter().find_map(|event| {
        let state = &event["detail"]["state"];
        (state["value"] == "ALARM").then(|| Time::parse(state["timestamp"].as_str()?)).flatten()
    })?;
    let green = scene.colours.green.as_str();
    let back = scene.cloud.with_world(|world| {
        let entries = world.journal().iter();
        let mut writes = entries.filter(|entry| entry.operation == "ModifyRule" && entry.error.is_none());
        writes
            .find(|entry| entry.at >= fired.0 && weight(&entry.input["Actions"], green) == Some(0))
            .map(|entry| entry.at)
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

/// Rules, services, scalable targets and weights.
fn world(end: &End<'_>, completed: bool, wrong: &mut Wrong) -> anyhow::Result<()> {
    let (live, rests) = if completed { (1, 0) } else { (0, 1) };
    let weights = end.scene.weights();
    let expected = if completed { (0, 100) } else { (100, 0) };
    wrong.unless(weights == expected, || format!("the weights are {weights:?}"));
    wrong.same("the rules", &end.before.rules, &rules(end.scene)?);
    wrong.same("the services", &end.before.services, &services(end.scene)?);
    let mut scaling_before = end.before.scaling.clone();
    if completed {
        // The roles have changed places.
        if let Some(targets) = scaling_before.as_array_mut() {
            targets.reverse();
        }
    }
    wrong.same("the scalable targets", &scaling_before, &scaling(end.scene)?);
    let read = described(end.scene)?;
    for (place, tasks) in [(live, 2), (rests, 0)] {
        let service = &read["services"][place];
        let counts = [&service["desiredCount"], &service["runningCount"], &service["pendingCount"]];
        wrong.unless(counts == [&json!(tasks), &json!(tasks), &json!(0)], || {
            format!("{} wants, runs and starts {counts:?} tasks instead of {tasks}", service["serviceName"])
        });
    }
    Ok(())
}

/// Who changed what since the push.
fn writers(end: &End<'_>, wrong: &mut Wrong) {
    let strange: Vec<String> = end.scene.cloud.with_world(|world| {
        let entries = world.journal().iter().skip(end.before.journal);
        let of_the_world = |service| [Service::Ecs, Service::Elb, Service::AutoScaling].contains(&service);
        let strange = entries.filter(|entry| {
            let may = match entry.caller.as_str() {
                "function:advance" => true,
                "function:on-alarm" => {
                    entry.operation == "ModifyRule"
                        && weight(&entry.input["Actions"], &end.scene.colours.green) == Some(0)
                }
                _ => false,
            };
            of_the_world(entry.service) && !may
        });
        strange.map(|entry| format!("{} by {}", entry.operation, entry.caller)).collect()
    });
    wrong.unless(strange.is_empty(), || format!("changes that are not theirs to make: {strange:?}"));
}

/// What people were told, in which order, and how often.
fn told(end: &End<'_>, outcome: &Outcome, mut stored: Vec<StoredNotice>, wrong: &mut Wrong) {
    stored.sort_by_key(|stored| stored.notice.number);
    let kind = |stored: &StoredNotice| json!(stored.notice)["milestone"]["kind"].as_str().unwrap_or("?").to_owned();
    let kinds: Vec<String> = stored.iter().map(kind).collect();
    let expected = end.story.told(outcome);
    wrong.unless(kinds == expected, || format!("people were told {kinds:?} instead of {expected:?}"));
    let numbers: Vec<u64> = stored.iter().map(|stored| stored.notice.number).collect();
    let in_turn: Vec<u64> = (1..=numbers.len() as u64).collect();
    wrong.unless(numbers == in_turn, || format!("the notices have the numbers {numbers:?}"));
    // A delivery that was cut off is made again: only there twice is right.
    let again = end.case.is_some_and(|case| case.called.function == "notify" || case.called.service == "slack");
    let posts: Vec<Value> = end
        .scene
        .cloud
        .slack_posts()
        .into_iter()
        .skip(end.before.posts)
        .filter(|post| post.status == 200)
        .map(|post| post.body)
        .collect();
    let messages: Vec<String> = end
        .scene
        .cloud
        .sns_messages()
        .into_iter()
        .skip(end.before.messages)
        .filter_map(|sent| serde_json::from_str::<Value>(&sent.message).ok()?["sqs"].as_str().map(str::to_owned))
        .collect();
    let (mut known_posts, mut known_messages) = (0, 0);
    for stored in &stored {
        let card = slack::card(&stored.notice);
        let text = sns::publication(&stored.notice).json;
        let posted = posts.iter().filter(|post| **post == card).count();
        let published = messages.iter().filter(|message| **message == text).count();
        for (channel, times) in [("Slack", posted), ("SNS", published)] {
            wrong.unless(times == 1 || (again && times > 1), || {
                format!("{channel} has notice {} ({}) {times} times", stored.notice.number, kind(stored))
            });
        }
        known_posts += posted;
        known_messages += published;
    }
    wrong.unless((known_posts, known_messages) == (posts.len(), messages.len()), || {
        format!("{} posts and {} messages are no notice", posts.len() - known_posts, messages.len() - known_messages)
    });
}

/// What the users got.
fn users(end: &End<'_>, wrong: &mut Wrong) {
    let mut failed = end.users.failed.clone();
    for (tag, count) in &end.users.failed_by {
        if !(end.story == Story::Alarm && tag == "2.0.0") {
            failed.push(format!("{count} 5XX of {tag}"));
        }
    }
    wrong.unless(failed.is_empty(), || {
        failed.dedup();
        format!("users failed beside {} good answers: {}", end.users.good, failed.join(", "))
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

fn described(scene: &Scene) -> anyhow::Result<Value> {
    let input = json!({ "cluster": "tests", "services": ["shop-blue", "shop-green"], "include": ["TAGS"] });
    scene.call(Service::Ecs, "DescribeServices", input)
}

/// The services, without what a rollout is for and without what ECS reports of its work.
fn services(scene: &Scene) -> anyhow::Result<Value> {
    let mut read = described(scene)?["services"].take();
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

/// Bounds and suspensions of blue and green.
fn scaling(scene: &Scene) -> anyhow::Result<Value> {
    let read = scene.call(Service::AutoScaling, "DescribeScalableTargets", json!({ "ServiceNamespace": "ecs" }))?;
    let targets = read["ScalableTargets"].as_array().context("no scalable targets")?;
    let of = |colour: &str| {
        let target = targets.iter().find(|target| target["ResourceId"].as_str().is_some_and(|id| id.ends_with(colour)));
        target.map_or(Value::Null, |target| {
            json!([target["MinCapacity"], target["MaxCapacity"], target["SuspendedState"]])
        })
    };
    Ok(json!([of("-blue"), of("-green")]))
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
