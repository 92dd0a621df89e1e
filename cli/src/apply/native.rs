//! A native service held against what is there.

use super::check::Findings;
use aws::Clients;
use serde_json::Value;
use shared::config::{Engine, Native, Plan, ServiceConfig};
use shared::observation::{AlarmState, NativeReading, Observation, Reading};

/// Checks the service itself: whether it can be driven, and what ECS does on its own.
pub(super) fn check(config: &ServiceConfig, native: &Native, seen: &Observation, findings: &mut Findings) {
    let (name, cluster) = (&native.service, &config.cluster);
    let what = format!("the ECS service {name} in cluster {cluster}");
    match &seen.native {
        Reading::Unknown(why) => findings.unread(&what, why),
        Reading::Known(None) => findings.problem(format!("{what} does not exist, or is not ACTIVE")),
        Reading::Known(Some(reading)) => {
            known(config, native, reading, findings);
            unlisted(config, reading, seen, findings);
        }
    }
}

/// Checks that the HTTP check has a way to the new tasks.
pub(super) async fn look(clients: &Clients, config: &ServiceConfig, seen: &Observation, findings: &mut Findings) {
    let Some(Native { service, check: Some(check), .. }) = config.engine.native() else { return };
    // Without the service there is one problem, not two.
    let Reading::Known(Some(_)) = &seen.native else { return };
    match aws::check::impossible(clients, config, check).await {
        Ok(None) => {}
        Ok(Some(why)) => findings.problem(format!("{service}: {why}")),
        Err(failure) => findings.unread(&format!("the test listener of {service}"), &failure.to_string()),
    }
}

/// The service's own deployment configuration, where it was read.
pub(super) fn declared(seen: &Observation) -> Option<&Value> {
    seen.native.known()?.as_ref().map(|reading| &reading.configuration)
}

/// Keeps where the service is in its configuration: pushes and alarms of other accounts and regions are not its own.
pub(super) fn remember(config: &mut ServiceConfig, old: Option<&ServiceConfig>, seen: &Observation) {
    let arn = match &seen.native {
        Reading::Known(Some(reading)) => Some(reading.arn.clone()),
        Reading::Known(None) | Reading::Unknown(_) => None,
    };
    let Engine::Native(native) = &mut config.engine else { return };
    let before = old.and_then(|old| old.engine.native()).filter(|before| before.service == native.service);
    native.arn = arn.or_else(|| before.and_then(|before| before.arn.clone()));
}

fn known(config: &ServiceConfig, native: &Native, reading: &NativeReading, findings: &mut Findings) {
    let name = &native.service;
    if let Some((why, advice)) = &reading.undrivable {
        findings.problem(format!("{name}: {why}; {advice}"));
    }
    match &reading.traffic {
        Reading::Known(traffic) => {
            if let Some(why) = traffic.unserved() {
                findings.warning(format!("{name}: {why}; pushes are refused until that is mended"));
            }
        }
        Reading::Unknown(why) => findings.unread(&format!("the production rule of {name}"), why),
    }
    let sent = native.configuration(&reading.configuration);
    let configuration = sent.as_ref().unwrap_or(&reading.configuration);
    let strategy = configuration["strategy"].as_str().unwrap_or("ROLLING");
    if let Some(why) = native.immovable(&reading.configuration, reading.desired) {
        let told = format!("{name}: {why}; lower the one or raise the other");
        // With other numbers of tasks rounding may leave it a way.
        let always = native.immovable(&reading.configuration, 100).is_some();
        if always { findings.problem(told) } else { findings.warning(told) }
    }
    if strategy == "ROLLING" && configuration["deploymentCircuitBreaker"]["rollback"] != true {
        findings.warning(format!(
            "{name} rolls without a circuit breaker that rolls back: tasks that never start are stopped at the start \
             deadline ({}) only; switch it on, or write `rolling: {{ circuitBreaker: … }}`",
            config.start_deadline
        ));
    }
    if native.plan != Plan::AsDeclared && reading.configuration["strategy"].as_str().is_some_and(|own| own != strategy)
    {
        let own = reading.configuration["strategy"].as_str().unwrap_or("ROLLING");
        findings.warning(format!(
            "{name} declares {own}; the first deployment changes that to {strategy}, and infrastructure code would change \
             it back: declare {strategy} there as well, or write `strategy: asDeclared`"
        ));
    }
    if native.check.is_some() && !has_lambda_hook(configuration) {
        findings.warning(format!(
            "{name}: `checks` run in the function lifecycle-hook, but the service declares no AWS_LAMBDA hook at \
             POST_TEST_TRAFFIC_SHIFT or PRE_PRODUCTION_TRAFFIC_SHIFT: declare it there (docs/operations.md, native)"
        ));
    }
}

/// The alarms that ECS listens to and flipback.yaml does not list.
fn unlisted(config: &ServiceConfig, reading: &NativeReading, seen: &Observation, findings: &mut Findings) {
    for name in config.unlisted_alarms(&reading.configuration) {
        let fires = match seen.alarms.get(&name) {
            Some(Reading::Known(Some(alarm))) => alarm.state == AlarmState::Alarm,
            Some(Reading::Known(None) | Reading::Unknown(_)) | None => false,
        };
        findings.warning(format!(
            "ECS watches the alarm {name} too; Flipback holds a start while it fires{}, but does not roll back by it: add \
             it to `alarms`",
            if fires { " (it is in ALARM now)" } else { "" }
        ));
    }
}

/// Whether some Lambda is called when the test traffic is there, and production traffic has not moved.
fn has_lambda_hook(configuration: &Value) -> bool {
    let hooks = configuration["lifecycleHooks"].as_array().into_iter().flatten();
    let mut stages = hooks
        .filter(|hook| hook["targetType"] != "PAUSE")
        .flat_map(|hook| hook["lifecycleStages"].as_array().into_iter().flatten());
    stages.any(|stage| *stage == "POST_TEST_TRAFFIC_SHIFT" || *stage == "PRE_PRODUCTION_TRAFFIC_SHIFT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::ids::TargetGroupArn;
    use shared::observation::{GroupTraffic, Traffic};
    use shared::time::Time;

    const FILE: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    image: { repository: shop-api, tags: { semver: ">=1.0.0" } }
    engine: { native: { service: shop } }
    strategy: asDeclared
    alarms: [ shop-5xx ]
    checks: { http: { listener: test } }
"#;

    fn told(strategy: &str, declared: Value, change: impl FnOnce(&mut NativeReading)) -> String {
        let config = shared::config::parse(&FILE.replace("asDeclared", strategy)).unwrap().remove(0);
        let mut reading = NativeReading {
            arn: "arn:aws:ecs:eu-west-1:1:service/production/shop".to_owned(),
            desired: 2,
            running: 2,
            task_definition: "shop:1".into(),
            configuration: declared,
            undrivable: None,
            traffic: Reading::Known(Traffic::default()),
            deployments: Vec::new(),
        };
        change(&mut reading);
        let mut seen = Observation::nothing(Time(1));
        seen.native = Reading::Known(Some(reading));
        let mut findings = Findings::default();
        check(&config, config.engine.native().unwrap(), &seen, &mut findings);
        let line = |kind: &'static str| move |text: String| format!("{kind}: {text}");
        let all = findings.problems.into_iter().map(line("problem"));
        all.chain(findings.warnings.into_iter().map(line("warning"))).collect::<Vec<_>>().join("\n")
    }

    fn hooked(strategy: &str) -> Value {
        let hook = json!({ "targetType": "AWS_LAMBDA", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"] });
        json!({ "strategy": strategy, "lifecycleHooks": [hook], "bakeTimeInMinutes": 5 })
    }

    #[test]
    fn what_is_wrong_or_risky_with_a_native_service_is_told() {
        assert_eq!(told("asDeclared", hooked("BLUE_GREEN"), |_| {}), "");
        let all = [
            told("asDeclared", json!({ "strategy": "BLUE_GREEN" }), |_| {}),
            told("asDeclared", hooked("ROLLING"), |_| {}),
            told("{ blueGreen: { bake: 5m } }", hooked("CANARY"), |_| {}),
            told("asDeclared", hooked("CANARY"), |reading| {
                reading.undrivable = Some(("its controller is CODE_DEPLOY".to_owned(), "make it ECS".to_owned()));
                let dead = GroupTraffic { share: 100.into(), healthy: 0, other: 0 };
                let group = TargetGroupArn::from("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop-blue/1");
                reading.traffic = Reading::Known(Traffic { groups: [(group, dead)].into(), ..Traffic::default() });
            }),
            told("{ rolling: { minimumHealthyPercent: 100 } }", hooked("ROLLING"), |reading| {
                reading.configuration["maximumPercent"] = json!(100);
                reading.configuration["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": true });
            }),
            told("asDeclared", hooked("BLUE_GREEN"), |reading| {
                let names = ["shop-5xx", "shop-cpu"];
                reading.configuration["alarms"] = json!({ "enable": true, "rollback": true, "alarmNames": names });
            }),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn where_the_service_is_is_kept_and_not_forgotten_when_it_cannot_be_read() {
        let mut config = shared::config::parse(FILE).unwrap().remove(0);
        let mut seen = Observation::nothing(Time(1));
        let old = {
            let mut old = config.clone();
            let Engine::Native(native) = &mut old.engine else { panic!("native") };
            native.arn = Some("arn:aws:ecs:eu-west-1:1:service/production/shop".to_owned());
            old
        };
        seen.native = Reading::Unknown("throttled".to_owned());
        remember(&mut config, Some(&old), &seen);
        assert_eq!(config.home(), Some(("eu-west-1", "1")));
    }
}
