//! The set-up: for each story a load balancer with one rule, two target groups with an alarm each, two ECS services and
//! their scalable targets, and an image that is live on blue. All of it by plain API calls.

use super::story::{BEFORE, STORIES, Story, flipback_yaml};
use anyhow::{Context as _, anyhow, bail};
use aws::{Clients, Table};
use local::Cloud;
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
const TASKS: u32 = 2;

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

/// Pushes an image; from here on the functions act.
pub(crate) fn push(cloud: &Cloud, caller: &str, repository: &str, tag: &str, manners: &str) -> anyhow::Result<()> {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 0, "digest": "sha256:none"},
        "layers": [],
        "annotations": {
            "org.opencontainers.image.title": repository,
            "org.opencontainers.image.version": tag,
            "flipback.manners": manners,
        },
    });
    let input = json!({"repositoryName": repository, "imageTag": tag, "imageManifest": manifest.to_string()});
    cloud
        .call(Service::Ecr, "PutImage", input, caller)
        .map_err(|error| anyhow!("pushing {repository}:{tag}: {error}"))?;
    Ok(())
}

/// Sets everything up and waits until the first images serve. `trouble` says when a function is broken.
pub(crate) async fn build(cloud: &Cloud, trouble: impl Fn() -> Option<String>) -> anyhow::Result<Stage> {
    call(cloud, Service::Ecs, "CreateCluster", json!({"clusterName": CLUSTER}))?;
    let mut sets = Vec::new();
    for (place, story) in (0_u16..).zip(&STORIES) {
        sets.push(set(cloud, story, 8081 + place)?);
    }
    ready(cloud, &sets, trouble).await?;
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
    let uri = text(
        &call(cloud, Service::Ecr, "CreateRepository", json!({"repositoryName": name}))?,
        "/repository/repositoryUri",
    )?;
    push(cloud, SETUP, name, BEFORE, "")?;
    let balancer = json!({"Name": format!("demo-{name}"), "Subnets": ["subnet-a", "subnet-b"], "Scheme": "internal"});
    let balancer =
        text(&call(cloud, Service::Elb, "CreateLoadBalancer", balancer)?, "/LoadBalancers/0/LoadBalancerArn")?;
    let [blue, green] = [target_group(cloud, name, "blue")?, target_group(cloud, name, "green")?];
    let nothing = json!([{"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such path"}}]);
    let listener = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": nothing});
    let listener = text(&call(cloud, Service::Elb, "CreateListener", listener)?, "/Listeners/0/ListenerArn")?;
    let rule = json!({
        "ListenerArn": listener, "Priority": 10,
        "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": blue, "Weight": 100}, {"TargetGroupArn": green, "Weight": 0}]}}],
    });
    let rule = text(&call(cloud, Service::Elb, "CreateRule", rule)?, "/Rules/0/RuleArn")?;
    let definition = json!({
        "family": name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
        "containerDefinitions": [{"name": "app", "image": format!("{uri}:{BEFORE}"), "essential": true,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}],
    });
    call(cloud, Service::Ecs, "RegisterTaskDefinition", definition)?;
    for (colour, group, tasks) in [("blue", &blue, TASKS), ("green", &green, 0)] {
        service(cloud, name, colour, group, tasks)?;
        alarm(cloud, &format!("{name}-{colour}-5xx"), &balancer, group)?;
    }
    let port = cloud.ports().into_iter().find(|port| port.listener_arn == listener);
    let address = port.with_context(|| format!("the listener of {name} is not served"))?.real;
    Ok(Set { story, service: ServiceName::from(name), balancer, rule, blue, green, address })
}

fn target_group(cloud: &Cloud, name: &str, colour: &str) -> anyhow::Result<String> {
    let input = json!({
        "Name": format!("demo-{name}-{colour}"), "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-demo",
        "TargetType": "ip", "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5,
        "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
    });
    let arn = text(&call(cloud, Service::Elb, "CreateTargetGroup", input)?, "/TargetGroups/0/TargetGroupArn")?;
    let delay = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]);
    let input = json!({"TargetGroupArn": arn, "Attributes": delay});
    call(cloud, Service::Elb, "ModifyTargetGroupAttributes", input)?;
    Ok(arn)
}

fn service(cloud: &Cloud, name: &str, colour: &str, group: &str, tasks: u32) -> anyhow::Result<()> {
    let input = json!({
        "cluster": CLUSTER, "serviceName": format!("{name}-{colour}"), "taskDefinition": name, "desiredCount": tasks,
        "launchType": "FARGATE", "healthCheckGracePeriodSeconds": 0,
        "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200,
            "deploymentCircuitBreaker": {"enable": false, "rollback": false}},
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-demo"]}},
        "loadBalancers": [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}],
    });
    call(cloud, Service::Ecs, "CreateService", input)?;
    // The idle side rests as Flipback leaves it: from 0 tasks on, and nothing scales it.
    let rests = tasks == 0;
    let input = json!({
        "ServiceNamespace": "ecs", "ResourceId": format!("service/{CLUSTER}/{name}-{colour}"),
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": tasks, "MaxCapacity": 4,
        "SuspendedState": {"DynamicScalingInSuspended": rests, "DynamicScalingOutSuspended": rests,
            "ScheduledScalingSuspended": rests},
    });
    call(cloud, Service::AutoScaling, "RegisterScalableTarget", input)?;
    Ok(())
}

fn alarm(cloud: &Cloud, alarm: &str, balancer: &str, group: &str) -> anyhow::Result<()> {
    let balancer = balancer.split_once("loadbalancer/").map_or(balancer, |(_, suffix)| suffix);
    let group = group.rsplit(':').next().unwrap_or(group);
    let input = json!({
        "AlarmName": alarm, "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
        "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}, {"Name": "TargetGroup", "Value": group}],
        "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1, "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    });
    call(cloud, Service::CloudWatch, "PutMetricAlarm", input)?;
    Ok(())
}

/// Waits until blue serves everywhere, and until the pushes of the first images were told as what they were: pushes that
/// nobody was configured for. Configured earlier, they could be taken for candidates.
async fn ready(cloud: &Cloud, sets: &[Set], trouble: impl Fn() -> Option<String>) -> anyhow::Result<()> {
    let until = cloud.now() + SETUP_LIMIT;
    loop {
        if let Some(trouble) = trouble() {
            bail!(trouble);
        }
        let mut waits = Vec::new();
        for set in sets {
            let input = json!({"TargetGroupArn": set.blue});
            let health = call(cloud, Service::Elb, "DescribeTargetHealth", input)?;
            let targets = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
            let healthy = targets.iter().filter(|target| target["TargetHealth"]["State"] == "healthy").count();
            if healthy != TASKS as usize {
                waits.push(format!("{}: {healthy} of {TASKS} tasks healthy", set.service));
            }
        }
        let told = cloud.slack_posts().iter().filter(|post| post.status == 200).count();
        if told < sets.len() {
            waits.push(format!("{told} of {} first pushes told in Slack", sets.len()));
        }
        if waits.is_empty() {
            return Ok(());
        }
        if cloud.now() >= until {
            bail!("the set-up was not ready in {} s; it waited for: {}", SETUP_LIMIT / 1000, waits.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn text(answer: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("setting up: no {pointer} in {answer}"))
}
