//! The commands, as a shell script to be read before it is run.

use serde_json::{Value, json};
use shared::ids::{RouteArn, TargetGroupArn};

/// What there is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The cluster.
    pub(super) cluster: String,
    /// The ECS service's name; it becomes the blue one.
    pub(super) service: String,
    /// `family:revision`.
    pub(super) task_definition: String,
    /// `FARGATE`, `EC2`; none with a capacity provider strategy.
    pub(super) launch_type: Option<String>,
    /// The health check grace period in seconds.
    pub(super) grace: Option<i32>,
    /// Whether its circuit breaker rolls back.
    pub(super) reverts: bool,
    /// Whether it has more than one target group.
    pub(super) several: bool,
    /// How many tasks it wants.
    pub(super) desired: i32,
    /// The container behind the target group.
    pub(super) container: Container,
    /// Its `awsvpc` network.
    pub(super) network: Option<Network>,
    /// Its target group.
    pub(super) group: Group,
    /// The rules that lead there.
    pub(super) rules: Vec<Rule>,
    /// The alarms that watch it.
    pub(super) alarms: Vec<Alarm>,
    /// Its scalable target.
    pub(super) scaling: Option<Scaling>,
}

/// A container and its port.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// Its name.
    pub(super) name: String,
    /// Its port.
    pub(super) port: i32,
}

/// Where tasks run.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// The subnets.
    pub(super) subnets: Vec<String>,
    /// The security groups.
    pub(super) security_groups: Vec<String>,
    /// `ENABLED` or `DISABLED`.
    pub(super) public_ip: Option<String>,
}

/// A target group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Its ARN.
    pub(super) arn: TargetGroupArn,
    /// Its name.
    pub(super) name: String,
    /// Its protocol.
    pub(super) protocol: String,
    /// Its port.
    pub(super) port: i32,
    /// Its VPC.
    pub(super) vpc: String,
    /// `ip` or `instance`.
    pub(super) target_type: String,
    /// The health check's path.
    pub(super) health_path: Option<String>,
    /// The health check's protocol.
    pub(super) health_protocol: Option<String>,
    /// The health check's port, or `traffic-port`.
    pub(super) health_port: Option<String>,
    /// Seconds between health checks.
    pub(super) health_interval: Option<i32>,
    /// Seconds until a health check has failed.
    pub(super) health_timeout: Option<i32>,
    /// Checks until healthy.
    pub(super) healthy: Option<i32>,
    /// Checks until unhealthy.
    pub(super) unhealthy: Option<i32>,
    /// Which codes are healthy.
    pub(super) matcher: Option<String>,
    /// `HTTP1`, `HTTP2` or `GRPC`.
    pub(super) version: Option<String>,
    /// Its attributes.
    pub(super) attributes: Vec<(String, String)>,
    /// Its tags.
    pub(super) tags: Vec<(String, String)>,
}

/// A rule, or a listener's default action.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its ARN.
    pub(super) arn: RouteArn,
    /// Whether it does nothing but forward.
    pub(super) plain: bool,
    /// Target groups besides ours.
    pub(super) others: Vec<TargetGroupArn>,
}

/// An alarm.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// Its name.
    pub(super) name: String,
    /// The arguments that copy it; none for metric math and the like.
    pub(super) arguments: Option<Vec<(&'static str, String)>>,
    /// Its dimensions; no value for the target group itself.
    pub(super) dimensions: Vec<(String, Option<String>)>,
}

/// A scalable target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    /// Its minimum.
    pub(super) min: i32,
    /// Its maximum.
    pub(super) max: i32,
}

/// The script.
pub(super) fn script(found: &Found) -> String {
    let service = &found.service;
    let green = second(service);
    let mut script = vec![
        "#!/bin/sh".to_owned(),
        format!(
            "# From one ECS service to two colours: {service} stays and becomes blue, {green} is added with no task and no weight."
        ),
        "# Nothing here moves traffic. Read it before you run it, or carry it over to your infrastructure code."
            .to_owned(),
        "set -eu".to_owned(),
    ];
    if found.several {
        script.push(format!(
            "# {service} has several target groups; only the first is copied here. Do the same for the others."
        ));
    }
    script.push(target_group(found));
    script.extend(found.rules.iter().map(|rule| rule_commands(found, rule)));
    if found.rules.is_empty() {
        script.push(
            "\n# 2. No rule forwards to the target group. Add one that forwards to both, the new one with weight 0."
                .to_owned(),
        );
    }
    script.push(ecs_service(found, &green));
    script.push(scaling(found, &green));
    script.push(alarms(found));
    script.push(configuration(found, &green));
    script.join("\n")
}

/// The second colour's name.
pub(super) fn second(service: &str) -> String {
    match service.strip_suffix("-blue") {
        Some(base) => format!("{base}-green"),
        None => format!("{service}-green"),
    }
}

/// A command over several lines.
fn command(start: &str, arguments: &[(&str, String)]) -> String {
    let mut lines = vec![start.to_owned()];
    lines.extend(arguments.iter().map(|(name, value)| {
        if value.is_empty() { format!("  {name}") } else { format!("  {name} {}", shell(value)) }
    }));
    lines.join(" \\\n")
}

/// One word for the shell. What holds our own variable is in double quotes, everything else in single ones.
fn shell(value: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if value.contains("$GREEN_") {
        format!("\"{}\"", value.replace('"', "\\\""))
    } else if !value.is_empty() && value.chars().all(safe) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

fn target_group(found: &Found) -> String {
    let group = &found.group;
    // 32 characters at most (ELBv2 API).
    let name: String = second(&group.name).chars().rev().take(32).collect::<Vec<_>>().into_iter().rev().collect();
    let mut arguments = vec![
        ("--name", name.trim_start_matches('-').to_owned()),
        ("--protocol", group.protocol.clone()),
        ("--port", group.port.to_string()),
        ("--vpc-id", group.vpc.clone()),
        ("--target-type", group.target_type.clone()),
    ];
    arguments.extend(group.version.clone().map(|version| ("--protocol-version", version)));
    arguments.extend(group.health_protocol.clone().map(|protocol| ("--health-check-protocol", protocol)));
    arguments.extend(group.health_port.clone().map(|port| ("--health-check-port", port)));
    arguments.extend(group.health_path.clone().map(|path| ("--health-check-path", path)));
    arguments.extend(group.health_interval.map(|seconds| ("--health-check-interval-seconds", seconds.to_string())));
    // Always with the interval: a timeout left to its default may be longer than that, which ELB refuses.
    arguments.extend(group.health_timeout.map(|seconds| ("--health-check-timeout-seconds", seconds.to_string())));
    arguments.extend(group.healthy.map(|count| ("--healthy-threshold-count", count.to_string())));
    arguments.extend(group.unhealthy.map(|count| ("--unhealthy-threshold-count", count.to_string())));
    arguments.extend(group.matcher.clone().map(|codes| ("--matcher", format!("HttpCode={codes}"))));
    // AWS keeps tags that begin so to itself.
    let tags: Vec<Value> = group
        .tags
        .iter()
        .filter(|(key, _)| !key.starts_with("aws:"))
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    if !tags.is_empty() {
        arguments.push(("--tags", Value::from(tags).to_string()));
    }
    arguments.push(("--query", "TargetGroups[0].TargetGroupArn".to_owned()));
    arguments.push(("--output", "text".to_owned()));
    let create = command("aws elbv2 create-target-group", &arguments);
    let text = format!("\n# 1. A second target group like {}.\nGREEN_TG=$({create})", group.name);
    match attributes(group) {
        None => text,
        Some(list) => {
            let arguments = [("--target-group-arn", "$GREEN_TG".to_owned()), ("--attributes", list)];
            format!("{text}\n{}", command("aws elbv2 modify-target-group-attributes", &arguments))
        }
    }
}

/// What a new target group has by itself (ELBv2 API, TargetGroupAttribute).
const DEFAULTS: [(&str, &str); 13] = [
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.enabled", "false"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

/// The attributes that a new target group would not have by itself.
fn attributes(group: &Group) -> Option<String> {
    let differs = |key: &str, value: &str| !value.is_empty() && !DEFAULTS.contains(&(key, value));
    let list: Vec<Value> = group
        .attributes
        .iter()
        .filter(|(key, value)| differs(key, value))
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    (!list.is_empty()).then(|| Value::from(list).to_string())
}

fn rule_commands(found: &Found, rule: &Rule) -> String {
    let (verb, key, actions) = if rule.arn.is_listener() {
        ("modify-listener", "--listener-arn", "--default-actions")
    } else {
        ("modify-rule", "--rule-arn", "--actions")
    };
    let head = "\n# 2. The new target group joins the route with weight 0: all traffic stays where it is.";
    if !rule.plain || !rule.others.is_empty() {
        return format!(
            "{head}\n# This one does more than forward to one target group, so its actions must be given back whole:\n\
             # aws elbv2 {verb} {key} {} {actions} ... with {{TargetGroupArn=$GREEN_TG,Weight=0}} added to its forward action",
            rule.arn
        );
    }
    let groups = format!(
        "[{{\"TargetGroupArn\":\"{}\",\"Weight\":100}},{{\"TargetGroupArn\":\"$GREEN_TG\",\"Weight\":0}}]",
        found.group.arn
    );
    let json = format!("[{{\"Type\":\"forward\",\"ForwardConfig\":{{\"TargetGroups\":{groups}}}}}]");
    format!("{head}\n{}", command(&format!("aws elbv2 {verb}"), &[(key, rule.arn.to_string()), (actions, json)]))
}

fn ecs_service(found: &Found, green: &str) -> String {
    let mut arguments = vec![
        ("--cluster", found.cluster.clone()),
        ("--service-name", green.to_owned()),
        ("--task-definition", found.task_definition.clone()),
        ("--desired-count", "0".to_owned()),
    ];
    arguments.extend(found.launch_type.clone().map(|launch| ("--launch-type", launch)));
    if let Some(network) = &found.network {
        let list = |values: &[String]| values.join(",");
        let public = network.public_ip.as_ref().map_or_else(String::new, |ip| format!(",assignPublicIp={ip}"));
        let value = format!(
            "awsvpcConfiguration={{subnets=[{}],securityGroups=[{}]{public}}}",
            list(&network.subnets),
            list(&network.security_groups)
        );
        arguments.push(("--network-configuration", value));
    }
    arguments.push((
        "--load-balancers",
        format!(
            "targetGroupArn=$GREEN_TG,containerName={},containerPort={}",
            found.container.name, found.container.port
        ),
    ));
    arguments.extend(found.grace.map(|seconds| ("--health-check-grace-period-seconds", seconds.to_string())));
    let breaker = "deploymentCircuitBreaker={enable=true,rollback=false}";
    arguments.push(("--deployment-configuration", breaker.to_owned()));
    let mut text = format!(
        "\n# 3. A second ECS service, without a task. ECS must not roll back by itself: it would bring the old image and look healthy.\n{}",
        command("aws ecs create-service", &arguments)
    );
    if found.launch_type.is_none() {
        text.push_str(&format!(
            "\n# {} uses a capacity provider strategy: add the same --capacity-provider-strategy.",
            found.service
        ));
    }
    if found.reverts {
        let off = [
            ("--cluster", found.cluster.clone()),
            ("--service", found.service.clone()),
            ("--deployment-configuration", breaker.to_owned()),
        ];
        text.push_str(&format!(
            "\n# The same for {}, whose rollback is on.\n{}",
            found.service,
            command("aws ecs update-service", &off)
        ));
    }
    text
}

fn scaling(found: &Found, green: &str) -> String {
    let resource = |service: &str| format!("service/{}/{service}", found.cluster);
    let Some(Scaling { min, max }) = found.scaling else {
        return format!(
            "\n# 4. {} has no scalable target: it cannot scale ({} tasks). Register one for both colours to let it.",
            found.service, found.desired
        );
    };
    let arguments = [
        ("--service-namespace", "ecs".to_owned()),
        ("--scalable-dimension", "ecs:service:DesiredCount".to_owned()),
        ("--resource-id", resource(green)),
        ("--min-capacity", "0".to_owned()),
        ("--max-capacity", max.to_string()),
        (
            "--suspended-state",
            "DynamicScalingInSuspended=true,DynamicScalingOutSuspended=true,ScheduledScalingSuspended=true".to_owned(),
        ),
    ];
    format!(
        "\n# 4. A scalable target at rest; {} has {min} to {max}, and Flipback sets the bounds as the colours change.\n{}\n\
         # Then the same policies as these:\n# aws application-autoscaling describe-scaling-policies --service-namespace ecs --resource-id {}",
        found.service,
        command("aws application-autoscaling register-scalable-target", &arguments),
        resource(&found.service)
    )
}

fn alarms(found: &Found) -> String {
    if found.alarms.is_empty() {
        return "\n# 5. No alarm watches the target group. Add one per colour, on HTTPCode_Target_5XX_Count for example, with\n\
                #    --treat-missing-data notBreaching; without one a rollout is refused."
            .to_owned();
    }
    let mut text = "\n# 5. The same alarms for the new target group.\nGREEN_DIMENSION=${GREEN_TG##*:}".to_owned();
    for alarm in &found.alarms {
        let Some(arguments) = &alarm.arguments else {
            text.push_str(&format!(
                "\n# {} watches a metric expression: copy it by hand for $GREEN_DIMENSION.",
                alarm.name
            ));
            continue;
        };
        let mut arguments = arguments.clone();
        arguments.insert(0, ("--alarm-name", second(&alarm.name)));
        let dimensions: Vec<String> = alarm
            .dimensions
            .iter()
            .map(|(name, value)| {
                format!("{{\"Name\":\"{name}\",\"Value\":\"{}\"}}", value.as_deref().unwrap_or("$GREEN_DIMENSION"))
            })
            .collect();
        arguments.push(("--dimensions", format!("[{}]", dimensions.join(","))));
        text.push('\n');
        text.push_str(&command("aws cloudwatch put-metric-alarm", &arguments));
    }
    text
}

fn configuration(found: &Found, green: &str) -> String {
    let routes: Vec<String> = found.rules.iter().map(|rule| format!("#           - {}", rule.arn)).collect();
    let alarms: Vec<String> = found.alarms.iter().flat_map(|alarm| [alarm.name.clone(), second(&alarm.name)]).collect();
    let routes = if routes.is_empty() { "#           - ARN of the rule".to_owned() } else { routes.join("\n") };
    let alarms = if alarms.is_empty() { String::new() } else { format!("\n#     alarms: [ {} ]", alarms.join(", ")) };
    format!(
        "\n# 6. In flipback.yaml:\n#     engine:\n#       managed:\n#         blue: {}\n#         green: {green}\n#         routes:\n{routes}{alarms}\n\
         # then: flipback apply -f flipback.yaml --dry-run",
        found.service
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let arn = |rest: &str| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:{rest}");
        Found {
            cluster: "production".to_owned(),
            service: "shop-api".to_owned(),
            task_definition: "shop-api:41".to_owned(),
            launch_type: Some("FARGATE".to_owned()),
            grace: Some(30),
            reverts: true,
            several: false,
            desired: 3,
            container: Container { name: "api".to_owned(), port: 8080 },
            network: Some(Network {
                subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
                security_groups: vec!["sg-1".to_owned()],
                public_ip: Some("DISABLED".to_owned()),
            }),
            group: Group {
                arn: TargetGroupArn(arn("targetgroup/shop-api/0123456789abcdef")),
                name: "shop-api".to_owned(),
                protocol: "HTTP".to_owned(),
                port: 80,
                vpc: "vpc-1".to_owned(),
                target_type: "ip".to_owned(),
                health_path: Some("/health".to_owned()),
                health_protocol: Some("HTTP".to_owned()),
                health_port: Some("traffic-port".to_owned()),
                health_interval: Some(5),
                health_timeout: Some(2),
                healthy: Some(2),
                unhealthy: Some(3),
                matcher: Some("200-299".to_owned()),
                version: Some("HTTP1".to_owned()),
                attributes: vec![
                    ("deregistration_delay.timeout_seconds".to_owned(), "30".to_owned()),
                    ("stickiness.enabled".to_owned(), "false".to_owned()),
                    ("stickiness.app_cookie.cookie_name".to_owned(), String::new()),
                ],
                tags: vec![
                    ("team".to_owned(), "the shop's".to_owned()),
                    ("aws:cloudformation:stack-name".to_owned(), "shop".to_owned()),
                ],
            },
            rules: vec![Rule { arn: RouteArn(arn("listener-rule/app/shop/1/2/3")), plain: true, others: Vec::new() }],
            alarms: vec![Alarm {
                name: "shop-api-5xx".to_owned(),
                arguments: Some(vec![
                    ("--namespace", "AWS/ApplicationELB".to_owned()),
                    ("--metric-name", "HTTPCode_Target_5XX_Count".to_owned()),
                    ("--statistic", "Sum".to_owned()),
                    ("--period", "60".to_owned()),
                    ("--evaluation-periods", "1".to_owned()),
                    ("--threshold", "5".to_owned()),
                    ("--comparison-operator", "GreaterThanThreshold".to_owned()),
                    ("--treat-missing-data", "notBreaching".to_owned()),
                ]),
                dimensions: vec![
                    ("LoadBalancer".to_owned(), Some("app/shop/1".to_owned())),
                    ("TargetGroup".to_owned(), None),
                ],
            }],
            scaling: Some(Scaling { min: 2, max: 10 }),
        }
    }

    #[test]
    fn the_script_has_every_step_with_the_real_values() {
        insta::assert_snapshot!(script(&found()));
    }

    #[test]
    fn what_cannot_be_printed_whole_is_left_to_a_person() {
        let mut poor = found();
        poor.rules[0].plain = false;
        poor.alarms[0].arguments = None;
        (poor.scaling, poor.launch_type, poor.several) = (None, None, true);
        let text = script(&poor);
        for said in [
            "given back whole",
            "copy it by hand",
            "no scalable target",
            "capacity-provider-strategy",
            "several target groups",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
        assert!(!text.contains("\naws elbv2 modify-rule"), "{text}");
    }

    #[test]
    fn a_word_for_the_shell_cannot_become_two() {
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("it's"), "'it'\\''s'");
        assert_eq!(shell("x=$GREEN_TG"), "\"x=$GREEN_TG\"");
        assert_eq!(second("shop-blue"), "shop-green");
    }
}
