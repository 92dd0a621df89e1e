//! The set-up: for each story a load balancer with one rule, two target groups with an alarm each, two ECS services or one, their
//! scalable targets, and an image that is live on blue. All of it by plain API calls.

use super::story::{BEFORE, STORIES, Story, flipback_yaml};
use anyhow::{Context as _, anyhow, bail};
use aws::{Clients, Table};
use local::Cloud;
use local::example::{Plan, TwoColours, one_service, two_colours};
use model::{Millis, Service, Settings};
use serde_json::{Value, json};
use shared::ids::ServiceName;
use std::net::SocketAddr;
use std::time::Duration;

/// Who does the set-up, in the journal.
pub(crate) const SETUP: &str = "demo:setup";

/// Who pushes images, in the journal.
pub(crate) const PUSH: &str = "demo:push";

/// The cluster of all services.
const CLUSTER: &str = "demo";

/// Tasks on the live side.
pub(crate) const TASKS: u32 = 2;

/// The set-up takes seconds; later than this something is broken.
const SETUP_LIMIT: Millis = 30_000;

/// What one story plays on.
#[derive(Debug)]
pub(crate) struct Set {
    /// The story.
    pub(crate) story: &'static Story,
    /// The service's name in Flipback.
    pub(crate) service: ServiceName,
    /// The load balancer; nothing but the story's traffic goes through it.
    pub(crate) balancer: String,
    /// The listener rule that is the service's route.
    pub(crate) rule: String,
    /// Blue's target group.
    pub(crate) blue: String,
    /// Green's target group.
    pub(crate) green: String,
    /// Where the listener is served.
    pub(crate) address: SocketAddr,
}

/// Everything is set up.
#[derive(Debug)]
pub(crate) struct Stage {
    /// One set per story.
    pub(crate) sets: Vec<Set>,
    /// The installation's table, over the wire.
    pub(crate) table: Table,
    /// How many journal entries the set-up made.
    pub(crate) journal: usize,
}

/// One call, told apart from the functions' calls in the journal.
pub(crate) fn call(cloud: &Cloud, service: Service, operation: &str, input: Value) -> anyhow::Result<Value> {
    cloud.call(service, operation, input, SETUP).map_err(|error| anyhow!("setting up, {operation}: {error}"))
}

/// Sets everything up and waits until the first images serve. `trouble` says when a function is broken.
pub(crate) async fn build(cloud: &Cloud, trouble: impl Fn() -> Option<String>) -> anyhow::Result<Stage> {
    let mut sets = Vec::new();
    for (place, story) in (0_u16..).zip(&STORIES) {
        sets.push(set(cloud, story, 8081 + place)?);
    }
    let blues: Vec<(&str, &str)> = sets.iter().map(|set| (set.service.as_str(), set.blue.as_str())).collect();
    ready(cloud, &blues, sets.len(), SETUP_LIMIT, trouble).await?;
    let clients = Clients::at(&cloud.endpoint(), &Settings::quick().region, "demo").await;
    let name = cloud.outputs().get("TableName").context("template.yaml has no output TableName")?;
    let table = Table::new(clients.dynamodb, name);
    let routes: Vec<String> = sets.iter().map(|set| set.rule.clone()).collect();
    for config in shared::config::parse(&flipback_yaml(&routes))? {
        table.apply_config(&config, "flipback demo").await?;
    }
    let journal = cloud.with_world(|world| world.journal().len());
    Ok(Stage { sets, table, journal })
}

fn set(cloud: &Cloud, story: &'static Story, port: u16) -> anyhow::Result<Set> {
    let name = story.service;
    let plan = Plan { name: name.to_owned(), cluster: CLUSTER.to_owned(), tasks: TASKS, port, tag: BEFORE.to_owned() };
    let front = match story.engine.declared() {
        None => two_colours(cloud, SETUP, &plan)?,
        Some(configuration) => one_service(cloud, SETUP, &plan, &configuration)?.front,
    };
    let TwoColours { balancer, rule, blue, green, address, .. } = front;
    Ok(Set { story, service: ServiceName::from(name), balancer, rule, blue, green, address })
}

/// Waits until blue serves everywhere (`blues`: services and their target groups), and until the `pushes` of the first
/// images were told as what they were: pushes that nobody was configured for. Configured earlier, they could be taken for
/// candidates.
pub(crate) async fn ready(
    cloud: &Cloud,
    blues: &[(&str, &str)],
    pushes: usize,
    limit: Millis,
    trouble: impl Fn() -> Option<String>,
) -> anyhow::Result<()> {
    let until = cloud.now() + limit;
    loop {
        if let Some(trouble) = trouble() {
            bail!(trouble);
        }
        let mut waits = Vec::new();
        for (service, group) in blues {
            let input = json!({"TargetGroupArn": group});
            let health = call(cloud, Service::Elb, "DescribeTargetHealth", input)?;
            let targets = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
            let healthy = targets.iter().filter(|target| target["TargetHealth"]["State"] == "healthy").count();
            if healthy != TASKS as usize {
                waits.push(format!("{}: {healthy} of {TASKS} tasks healthy", service));
            }
        }
        let told = cloud.slack_posts().iter().filter(|post| post.status == 200).count();
        if told < pushes {
            waits.push(format!("{told} of {pushes} first pushes told in Slack"));
        }
        if waits.is_empty() {
            return Ok(());
        }
        if cloud.now() >= until {
            bail!("the set-up was not ready in {} s; it waited for: {}", limit / 1000, waits.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
