//! The world of a native schedule: one service, its two target groups, its rules and alarms.

use std::collections::BTreeMap;

use model::{Millis, Service, World};
use serde_json::{Value, json};
use shared::config::{Alarms, BreakerTyped, Engine, Native, PauseStage, Plan};
use shared::ids::{AlarmName, Colour, RouteArn};
use shared::rollout::AlarmSide;
use shared::strategy::Share;

use super::{Shape, Strategy};
use crate::schedule::Schedule;
use crate::setup::{self, CLUSTER, NAME, Place, START, must_at, text};

/// The ECS service.
pub(crate) const SERVICE: &str = "shop-api";

/// An alarm that ECS listens to and flipback.yaml does not list.
pub(crate) const UNLISTED: &str = "ecs-5xx";

/// The function that ECS calls.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:check";

/// Builds the world; the service has run for a while when the schedule begins.
pub(crate) fn build(schedule: &Schedule, shape: &Shape) -> (World, Place) {
    let age: Millis = if schedule.pace.settings.ecs.task_start > 5_000 { 600_000 } else { 30_000 };
    let at = START - age;
    let (mut built, balancer) = setup::ground(schedule, at);
    let world = &mut built;
    let groups: BTreeMap<Colour, Vec<String>> = Colour::BOTH
        .into_iter()
        .map(|colour| (colour, vec![setup::group(world, at, &format!("{colour}-0"))]))
        .collect();
    let [blue, green] = Colour::BOTH.map(|colour| groups[&colour][0].clone());
    let (listener, rules) = rules(world, at, &balancer, [&blue, &green], shape);
    let revision = setup::definition(world, at);
    let mut entry = json!({ "targetGroupArn": blue, "containerName": "api", "containerPort": 8080 });
    if shape.strategy != Strategy::Rolling || shape.swapped {
        entry["advancedConfiguration"] = json!({
            "alternateTargetGroupArn": green, "productionListenerRule": rules[0].0,
            "roleArn": "arn:aws:iam::123456789012:role/ecs",
        });
        if let Some(test) = rules.get(1) {
            entry["advancedConfiguration"]["testListenerRule"] = json!(test.0);
        }
    }
    let service = json!({
        "cluster": CLUSTER, "serviceName": SERVICE, "taskDefinition": revision, "desiredCount": schedule.tasks,
        "launchType": "FARGATE", "loadBalancers": if shape.worker { json!([]) } else { json!([entry]) },
    });
    must_at(at, world, Service::Ecs, "CreateService", &service);
    let known = setup::alarms(world, at, schedule, &balancer, &groups);
    if shape.unlisted {
        // As the load balancer's own, but that only the service's configuration names it.
        let input = json!({
            "AlarmName": UNLISTED, "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": [{ "Name": "LoadBalancer", "Value": balancer.split("loadbalancer/").nth(1).unwrap_or_default() }],
            "Statistic": "Sum", "Period": schedule.pace.margins.metric_period.0 / 1_000, "EvaluationPeriods": 1,
            "Threshold": 2, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
        });
        must_at(at, world, Service::CloudWatch, "PutMetricAlarm", &input);
    }
    let middle = START - age / 2;
    pass(world, at, middle);
    if shape.swapped {
        let blue_green = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0 });
        let again = json!({ "cluster": CLUSTER, "service": SERVICE, "forceNewDeployment": true,
            "deploymentConfiguration": blue_green });
        must_at(middle, world, Service::Ecs, "UpdateService", &again);
    }
    pass(world, middle, START);
    let declared = json!({ "cluster": CLUSTER, "service": SERVICE, "deploymentConfiguration": declared(shape) });
    must_at(START, world, Service::Ecs, "UpdateService", &declared);
    world.answer_probes(START);
    drop(world.tick(START));
    // Whatever each watches, it counts for the one service.
    let alarms: Vec<(AlarmName, AlarmSide)> = known.into_iter().map(|(name, _)| (name, AlarmSide::Both)).collect();
    let mut config = setup::config(schedule, Vec::new(), &alarms);
    let names: Vec<AlarmName> = alarms.iter().map(|(name, _)| name.clone()).collect();
    config.alarms = if schedule.named_sides {
        Alarms { both: names, ..Alarms::default() }
    } else {
        Alarms { by_dimension: names, ..Alarms::default() }
    };
    config.engine = Engine::Native(Native {
        service: SERVICE.to_owned(),
        plan: plan(shape),
        pauses: (shape.sent && shape.strategy != Strategy::Rolling)
            .then(|| shape.pauses.iter().filter_map(|pause| stage(pause.stage)).collect()),
        check: None,
        arn: None,
    });
    let place = Place { config, listeners: vec![listener], groups, alarms, next_door: None, rules };
    debug_assert_eq!(place.config.name.as_str(), NAME);
    (built, place)
}

fn pass(world: &mut World, from: Millis, until: Millis) {
    let mut now = from;
    while now < until {
        now += 500;
        world.answer_probes(now);
        drop(world.tick(now));
    }
}

/// The production rule, and the test rule on a listener of its own.
fn rules(world: &mut World, at: Millis, balancer: &str, groups: [&str; 2], shape: &Shape) -> (String, Vec<RouteArn>) {
    let mut made = Vec::new();
    for port in [80, 8443].into_iter().take(if shape.test_rule { 2 } else { 1 }) {
        let nothing = json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }]);
        let input = json!({ "LoadBalancerArn": balancer, "Port": port, "Protocol": "HTTP", "DefaultActions": nothing });
        let listener = must_at(at, world, Service::Elb, "CreateListener", &input);
        let listener = text(&listener["Listeners"][0]["ListenerArn"]);
        let rule = json!({
            "ListenerArn": listener, "Priority": 10,
            "Actions": [{ "Type": "forward", "ForwardConfig": { "TargetGroups": [
                { "TargetGroupArn": groups[0], "Weight": 100 }, { "TargetGroupArn": groups[1], "Weight": 0 } ] } }],
            "Conditions": [{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/*"] } }],
        });
        let rule = must_at(at, world, Service::Elb, "CreateRule", &rule);
        made.push((listener, RouteArn(text(&rule["Rules"][0]["RuleArn"]))));
    }
    let listener = made[0].0.clone();
    (listener, made.into_iter().map(|(_, rule)| rule).collect())
}

/// What the service declares: its strategy, or, where Flipback sends one, another.
fn declared(shape: &Shape) -> Value {
    let mut all = json!({ "strategy": if shape.sent { "ROLLING" } else { shape.strategy.name() } });
    if shape.listens {
        let alarm = if shape.unlisted { UNLISTED } else { "lb-5xx" };
        all["alarms"] = json!({ "enable": true, "rollback": true, "alarmNames": [alarm] });
    }
    if !shape.sent {
        all["bakeTimeInMinutes"] = json!(shape.bake);
        match shape.strategy {
            Strategy::Rolling if shape.breaker => {
                all["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": true });
            }
            Strategy::Rolling | Strategy::BlueGreen => {}
            Strategy::Canary => {
                all["canaryConfiguration"] =
                    json!({ "canaryPercent": shape.percent, "canaryBakeTimeInMinutes": shape.every });
            }
            Strategy::Linear => {
                all["linearConfiguration"] =
                    json!({ "stepPercent": shape.percent, "stepBakeTimeInMinutes": shape.every });
            }
        }
    }
    let mut hooks = Vec::new();
    if !shape.sent {
        hooks.extend(shape.pauses.iter().map(|pause| {
            json!({ "targetType": "PAUSE", "lifecycleStages": [pause.stage], "timeoutConfiguration": {
                "timeoutInMinutes": pause.minutes, "action": if pause.continues { "CONTINUE" } else { "ROLLBACK" } } })
        }));
    }
    hooks.extend(shape.hook.iter().map(|hook| {
        json!({ "targetType": "AWS_LAMBDA", "hookTargetArn": FUNCTION, "roleArn": "arn:aws:iam::123456789012:role/hook",
            "lifecycleStages": [hook.stage] })
    }));
    if !hooks.is_empty() {
        all["lifecycleHooks"] = json!(hooks);
    }
    all
}

fn stage(name: &str) -> Option<PauseStage> {
    serde_json::from_value(json!(name)).ok()
}

fn plan(shape: &Shape) -> Plan {
    if !shape.sent {
        return Plan::AsDeclared;
    }
    let minutes = |n: u64| u32::try_from(n).unwrap_or(0);
    let (bake, every) = (minutes(shape.bake), minutes(shape.every));
    let percent = Share::try_from(shape.percent).unwrap_or(Share::ALL);
    match shape.strategy {
        Strategy::Rolling => Plan::Rolling {
            minimum: None,
            maximum: None,
            breaker: shape.breaker.then_some(BreakerTyped { threshold: None, reset_on_healthy_task: Some(false) }),
        },
        Strategy::BlueGreen => Plan::BlueGreen { bake },
        Strategy::Canary => Plan::Canary { percent, every, bake },
        Strategy::Linear => Plan::Linear { by: percent, every, bake },
    }
}
