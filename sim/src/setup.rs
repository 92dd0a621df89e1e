//! The world at the beginning of a schedule: a service with two colours, its routes, alarms and images.

use std::collections::BTreeMap;

use model::{AwsError, Call, Millis, Service, World};
use serde_json::{Value, json};
use shared::config::{Alarms, Engine, ImageRule, Managed, Mode, Scaling, ServiceConfig, TagRule};
use shared::ids::{AlarmName, Colour, RouteArn};
use shared::rollout::AlarmSide;
use shared::time::Span;

use crate::schedule::Schedule;
use crate::{native, next_door};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const CLUSTER: &str = "production";
pub(crate) const NAME: &str = "shop-api";
pub(crate) const REPOSITORY: &str = "shop-api";
/// The service's second image.
pub(crate) const SIDECAR: &str = "shop-proxy";

/// The bounds of the live side's scalable target.
pub(crate) const BOUNDS: (u32, u32) = (1, 6);

/// 20 November 2026, 09:00 UTC: a whole minute, so that metric periods begin where the schedule does.
pub(crate) const START: Millis = 1_795_165_200_000;

/// What the schedule's world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) config: ServiceConfig,
    pub(crate) listeners: Vec<String>,
    /// Every target group of a colour.
    pub(crate) groups: BTreeMap<Colour, Vec<String>>,
    /// The alarms with the side that they truly watch.
    pub(crate) alarms: Vec<(AlarmName, AlarmSide)>,
    /// The service next door, where there is one.
    pub(crate) next_door: Option<ServiceConfig>,
    /// The rules whose weights ECS moves itself: production, and test where there is one.
    pub(crate) rules: Vec<RouteArn>,
}

pub(crate) fn call(
    world: &mut World,
    service: Service,
    operation: &str,
    input: &Value,
    caller: &str,
    now: Millis,
) -> Result<Value, AwsError> {
    world.call(Call { service, operation, input, caller, region: REGION, now })
}

/// The manifest of an image: the digest comes from it.
pub(crate) fn manifest(number: u64, manners: &str) -> String {
    json!({ "schemaVersion": 2, "number": number, "annotations": { "flipback.manners": manners } }).to_string()
}

pub(crate) fn must(world: &mut World, service: Service, operation: &str, input: &Value) -> Value {
    must_at(START, world, service, operation, input)
}

pub(crate) fn must_at(at: Millis, world: &mut World, service: Service, operation: &str, input: &Value) -> Value {
    match call(world, service, operation, input, "setup", at) {
        Ok(answer) => answer,
        Err(error) => panic!("the model refused {operation}: {error:?} for {input}"),
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Builds the world.
///
/// # Panics
/// Where the model refuses a call of the set-up: there is nothing to simulate then.
pub(crate) fn build(schedule: &Schedule) -> (World, Place) {
    if let Some(shape) = &schedule.native {
        return native::setup::build(schedule, shape);
    }
    let (mut world, balancer) = ground(schedule, START);
    let world = &mut world;
    let live = if schedule.green_first { Colour::Green } else { Colour::Blue };
    let own = schedule.routes == 2 && schedule.own_groups;
    let groups: BTreeMap<Colour, Vec<String>> = Colour::BOTH
        .into_iter()
        .map(|colour| {
            (colour, (0..if own { 2 } else { 1 }).map(|n| group(world, START, &format!("{colour}-{n}"))).collect())
        })
        .collect();
    let legacy = (schedule.legacy > 0).then(|| group(world, START, "legacy"));
    let (listeners, routes) = routes(world, schedule, &balancer, &groups, live, legacy.as_deref());
    let revision = definition(world, START);
    for colour in Colour::BOTH {
        let desired = if colour == live { schedule.tasks } else { 0 };
        let balancers: Vec<Value> = groups[&colour]
            .iter()
            .map(|arn| json!({ "targetGroupArn": arn, "containerName": "api", "containerPort": 8080 }))
            .collect();
        let service = json!({
            "cluster": CLUSTER, "serviceName": format!("shop-api-{colour}"), "taskDefinition": revision, "desiredCount": desired,
            "launchType": "FARGATE", "loadBalancers": balancers,
        });
        must(world, Service::Ecs, "CreateService", &service);
        if schedule.scalable {
            let rests = colour != live;
            let target = json!({
                "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceId": format!("service/{CLUSTER}/shop-api-{colour}"),
                "MinCapacity": if rests { 0 } else { BOUNDS.0 }, "MaxCapacity": BOUNDS.1,
                "SuspendedState": { "DynamicScalingInSuspended": rests, "DynamicScalingOutSuspended": rests,
                    "ScheduledScalingSuspended": rests },
            });
            must(world, Service::AutoScaling, "RegisterScalableTarget", &target);
        }
    }
    let alarms = alarms(world, START, schedule, &balancer, &groups);
    let shared = alarms.iter().find(|(_, side)| *side == AlarmSide::Both).map(|(name, _)| name.clone());
    let next_door =
        shared.filter(|_| schedule.next_door).map(|alarm| next_door::build(world, schedule, &listeners[0], alarm));
    // What the set-up itself raised was told before Flipback came.
    drop(world.tick(START));
    let config = config(schedule, routes.clone(), &alarms);
    (world.clone(), Place { config, listeners, groups, alarms, next_door, rules: Vec::new() })
}

/// What every service stands on: a cluster, repositories and a load balancer, whose ARN it is.
pub(crate) fn ground(schedule: &Schedule, at: Millis) -> (World, String) {
    let mut settings = schedule.pace.settings.clone();
    settings.region = REGION.to_owned();
    let mut built = World::new(settings);
    let world = &mut built;
    must_at(at, world, Service::Ecs, "CreateCluster", &json!({ "clusterName": CLUSTER }));
    must_at(at, world, Service::Ecr, "CreateRepository", &json!({ "repositoryName": REPOSITORY }));
    let image = json!({ "repositoryName": REPOSITORY, "imageManifest": manifest(0, ""), "imageTag": "v1.0.0" });
    must_at(at, world, Service::Ecr, "PutImage", &image);
    must_at(at, world, Service::Ecr, "CreateRepository", &json!({ "repositoryName": SIDECAR }));
    let balancer = must_at(
        at,
        world,
        Service::Elb,
        "CreateLoadBalancer",
        &json!({ "Name": "shop", "Subnets": ["subnet-a", "subnet-b"] }),
    );
    (built, text(&balancer["LoadBalancers"][0]["LoadBalancerArn"]))
}

/// The first revision of the task definition.
pub(crate) fn definition(world: &mut World, at: Millis) -> String {
    let definition = json!({
        "family": "shop-api", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"],
        "aMemberOfTomorrow": { "kept": [1, 2, 3] },
        "containerDefinitions": [
            { "name": "api", "image": format!("123456789012.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:v1.0.0"),
              "portMappings": [{ "containerPort": 8080 }], "environment": [{ "name": "A", "value": "1" }] },
            { "name": "sidecar", "image": "public.ecr.aws/envoy:1", "essential": false },
        ],
        "tags": [{ "key": "team", "value": "shop" }],
    });
    let revision = must_at(at, world, Service::Ecs, "RegisterTaskDefinition", &definition);
    text(&revision["taskDefinition"]["taskDefinitionArn"])
}

pub(crate) fn group(world: &mut World, at: Millis, name: &str) -> String {
    let input = json!({
        "Name": name, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "ip",
        "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
    });
    let answer = must_at(at, world, Service::Elb, "CreateTargetGroup", &input);
    let arn = text(&answer["TargetGroups"][0]["TargetGroupArn"]);
    let delay = json!({
        "TargetGroupArn": arn, "Attributes": [{ "Key": "deregistration_delay.timeout_seconds", "Value": "10" }],
    });
    must_at(at, world, Service::Elb, "ModifyTargetGroupAttributes", &delay);
    arn
}

/// The first route is a listener rule, the second one a listener's default action.
fn routes(
    world: &mut World,
    schedule: &Schedule,
    balancer: &str,
    groups: &BTreeMap<Colour, Vec<String>>,
    live: Colour,
    legacy: Option<&str>,
) -> (Vec<String>, Vec<RouteArn>) {
    let forward = |n: usize, legacy: Option<&str>| {
        let mut tuples: Vec<Value> = Colour::BOTH
            .into_iter()
            .map(|colour| {
                let weight = if colour == live { 100 - schedule.legacy } else { 0 };
                let list = &groups[&colour];
                json!({ "TargetGroupArn": list[n.min(list.len() - 1)], "Weight": weight })
            })
            .collect();
        if let Some(legacy) = legacy {
            tuples.push(json!({ "TargetGroupArn": legacy, "Weight": schedule.legacy }));
        }
        let mut config = json!({ "TargetGroups": tuples });
        if schedule.sticky && n == 0 {
            config["TargetGroupStickinessConfig"] = json!({ "Enabled": true, "DurationSeconds": 60 });
        }
        json!({ "Type": "forward", "ForwardConfig": config })
    };
    let nothing = json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }]);
    // A login needs HTTPS.
    let (protocol, certificates) = match schedule.login {
        true => ("HTTPS", json!([{ "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1" }])),
        false => ("HTTP", json!([])),
    };
    let listener = json!({
        "LoadBalancerArn": balancer, "Port": 80, "Protocol": protocol, "Certificates": certificates, "DefaultActions": nothing,
    });
    let listener = text(&must(world, Service::Elb, "CreateListener", &listener)["Listeners"][0]["ListenerArn"]);
    let mut actions = vec![forward(0, legacy)];
    if schedule.login {
        actions[0]["Order"] = json!(2);
        actions.insert(
            0,
            json!({ "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
                "Issuer": "https://id.example", "AuthorizationEndpoint": "https://id.example/a",
                "TokenEndpoint": "https://id.example/t", "UserInfoEndpoint": "https://id.example/u",
                "ClientId": "shop", "ClientSecret": "secret", "OnUnauthenticatedRequest": "allow",
            }}),
        );
    }
    let rule = json!({
        "ListenerArn": listener, "Priority": 10, "Actions": actions,
        "Conditions": [{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/*"] } }],
    });
    let rule = text(&must(world, Service::Elb, "CreateRule", &rule)["Rules"][0]["RuleArn"]);
    let (mut listeners, mut routes) = (vec![listener], vec![RouteArn(rule)]);
    if schedule.routes == 2 {
        let second = json!({
            "LoadBalancerArn": balancer, "Port": 8080, "Protocol": "HTTP", "DefaultActions": [forward(1, None)],
        });
        let second = text(&must(world, Service::Elb, "CreateListener", &second)["Listeners"][0]["ListenerArn"]);
        listeners.push(second.clone());
        routes.push(RouteArn(second));
    }
    (listeners, routes)
}

pub(crate) fn alarms(
    world: &mut World,
    at: Millis,
    schedule: &Schedule,
    balancer: &str,
    groups: &BTreeMap<Colour, Vec<String>>,
) -> Vec<(AlarmName, AlarmSide)> {
    let balancer = balancer.split("loadbalancer/").nth(1).unwrap_or_default();
    let period = schedule.pace.margins.metric_period.0 / 1_000;
    let sides = [
        ("blue-5xx", AlarmSide::Only(Colour::Blue)),
        ("green-5xx", AlarmSide::Only(Colour::Green)),
        ("lb-5xx", AlarmSide::Both),
    ];
    sides
        .into_iter()
        .map(|(name, side)| {
            let mut dimensions = vec![json!({ "Name": "LoadBalancer", "Value": balancer })];
            if let AlarmSide::Only(colour) = side {
                let arn = &groups[&colour][0];
                let suffix = arn.find("targetgroup/").map_or("", |at| &arn[at..]);
                dimensions.push(json!({ "Name": "TargetGroup", "Value": suffix }));
            }
            let mut input = json!({
                "AlarmName": name, "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
                "Dimensions": dimensions, "Statistic": "Sum", "Period": period, "EvaluationPeriods": 1, "Threshold": 2,
                "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
            });
            // An alarm that wants data: the traffic of the whole load balancer, and none is no good sign.
            if schedule.wants_data && side == AlarmSide::Both {
                input["MetricName"] = json!("RequestCount");
                input["Threshold"] = json!(1_000_000);
                input["TreatMissingData"] = json!("missing");
            }
            must_at(at, world, Service::CloudWatch, "PutMetricAlarm", &input);
            (AlarmName::from(name), side)
        })
        .collect()
}

pub(crate) fn config(schedule: &Schedule, routes: Vec<RouteArn>, alarms: &[(AlarmName, AlarmSide)]) -> ServiceConfig {
    let of =
        |wanted: AlarmSide| alarms.iter().filter(|(_, side)| *side == wanted).map(|(name, _)| name.clone()).collect();
    let live = if schedule.green_first { Colour::Green } else { Colour::Blue };
    let alarms = if schedule.uncovered {
        // Whoever wrote this thought of the live side only.
        let of_live = of(AlarmSide::Only(live));
        let (blue, green) = if live == Colour::Blue { (of_live, Vec::new()) } else { (Vec::new(), of_live) };
        Alarms { blue, green, ..Alarms::default() }
    } else if schedule.named_sides {
        Alarms {
            blue: of(AlarmSide::Only(Colour::Blue)),
            green: of(AlarmSide::Only(Colour::Green)),
            both: of(AlarmSide::Both),
            by_dimension: Vec::new(),
        }
    } else {
        Alarms { by_dimension: alarms.iter().map(|(name, _)| name.clone()).collect(), ..Alarms::default() }
    };
    let bake = schedule.pace.bake;
    let image = |repository: &str, container: &str| ImageRule {
        repository: repository.to_owned(),
        container: Some(container.to_owned()),
        tags: TagRule::Semver(">=1.0.0".to_owned()),
    };
    let mut images = vec![image(REPOSITORY, "api")];
    images.extend(schedule.sidecar.then(|| image(SIDECAR, "sidecar")));
    ServiceConfig {
        name: NAME.into(),
        cluster: CLUSTER.to_owned(),
        images,
        engine: Engine::Managed(Managed {
            blue: "shop-api-blue".to_owned(),
            green: "shop-api-green".to_owned(),
            routes,
        }),
        steps: schedule.steps.clone(),
        scaling: Scaling { max: Some(BOUNDS.1), enforce: schedule.scalable, ..Scaling::default() },
        alarms,
        accept_no_alarms: false,
        accept_stickiness: schedule.sticky,
        no_traffic: schedule.no_traffic,
        standby: schedule.standby,
        on_new_push: schedule.on_new_push,
        mode: if schedule.observes { Mode::Observe } else { Mode::Act },
        quiet: Span(0),
        keep_revisions: 3,
        start_deadline: Span(bake * 6),
        hold_deadline: Span(bake * 8),
        stall_deadline: Span(bake * 8),
    }
}
