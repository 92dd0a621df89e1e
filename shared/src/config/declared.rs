//! What the declared deployment configuration of a native service does beside what flipback.yaml says: the alarms that ECS
//! listens to itself, and limits of a rolling deployment that leave it no way to move.

use serde_json::Value;

use crate::ids::AlarmName;

use super::{Native, ServiceConfig};

/// ECS's own where the service declares none (ECS API, DeploymentConfiguration).
const MINIMUM: u64 = 100;
const MAXIMUM: u64 = 200;

impl ServiceConfig {
    /// The alarms that ECS listens to in a deployment of ours and that are not among `alarms`. While one of them fires at the
    /// start, ECS ignores every alarm of that deployment.
    #[must_use]
    pub fn unlisted_alarms(&self, declared: &Value) -> Vec<AlarmName> {
        let Some(native) = self.engine.native() else { return Vec::new() };
        let sent = native.configuration(declared);
        let alarms = &sent.as_ref().unwrap_or(declared)["alarms"];
        if alarms["enable"] != true {
            return Vec::new();
        }
        let listed = self.alarms.all();
        let names = alarms["alarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut unlisted: Vec<AlarmName> = names.map(AlarmName::from).filter(|name| !listed.contains(name)).collect();
        unlisted.sort();
        unlisted.dedup();
        unlisted
    }
}

/// Why a rolling deployment cannot be between these limits, each by itself and both together.
///
/// # Errors
/// A sentence with the number that is wrong.
pub(super) fn limits(minimum: Option<u32>, maximum: Option<u32>) -> Result<(), String> {
    if let Some(minimum) = minimum.filter(|&minimum| minimum > 100) {
        return Err(format!("rolling.minimumHealthyPercent: {minimum} % is more than the 100 % ECS takes"));
    }
    if let Some(maximum) = maximum.filter(|&maximum| maximum < 100) {
        return Err(format!("rolling.maximumPercent: {maximum} % is less than the 100 % ECS takes"));
    }
    if (minimum, maximum) == (Some(100), Some(100)) {
        return Err(
            "rolling: ECS could neither stop nor start a task between 100 % and 100 %; give minimumHealthyPercent \
                    less, or maximumPercent more"
                .to_owned(),
        );
    }
    Ok(())
}

impl Native {
    /// Why a rolling deployment of so many tasks could not move: it may neither stop nor start one. ECS rounds the minimum up
    /// and the maximum down.
    #[must_use]
    pub fn immovable(&self, declared: &Value, desired: u32) -> Option<String> {
        let sent = self.configuration(declared);
        let all = sent.as_ref().unwrap_or(declared);
        if all["strategy"].as_str().unwrap_or("ROLLING") != "ROLLING" {
            return None;
        }
        let minimum = all["minimumHealthyPercent"].as_u64().unwrap_or(MINIMUM);
        let maximum = all["maximumPercent"].as_u64().unwrap_or(MAXIMUM);
        let desired = u64::from(desired);
        let (least, most) = ((desired * minimum).div_ceil(100), desired * maximum / 100);
        let at_any_number = minimum >= 100 && maximum <= 100;
        let now = desired > 0 && least >= desired && most <= desired;
        (at_any_number || now).then(|| {
            format!(
                "a rolling deployment could neither stop nor start a task: minimumHealthyPercent {minimum} and \
                 maximumPercent {maximum} keep at least {least} and at most {most} of {desired} tasks"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Plan, parse};

    fn config(strategy: &str) -> ServiceConfig {
        let file = format!(
            "
version: 1
services:
  - name: shop
    cluster: production
    image: {{ repository: shop, tags: {{ semver: '>=1.0.0' }} }}
    engine: {{ native: {{ service: shop }} }}
    strategy: {strategy}
    alarms: [ shop-5xx ]
"
        );
        parse(&file).unwrap().remove(0)
    }

    #[test]
    fn alarms_that_only_ecs_listens_to_are_those_declared_and_switched_on() {
        let alarms = |enable| json!({ "alarms": { "enable": enable, "rollback": true, "alarmNames": ["shop-5xx", "cpu", "cpu"] } });
        for strategy in ["asDeclared", "{ blueGreen: { bake: 3m } }"] {
            let config = config(strategy);
            assert_eq!(config.unlisted_alarms(&alarms(true)), [AlarmName::from("cpu")], "{strategy}");
            assert_eq!(config.unlisted_alarms(&alarms(false)), []);
            assert_eq!(config.unlisted_alarms(&json!({})), []);
        }
    }

    #[test]
    fn each_limit_is_checked_by_itself() {
        assert!(limits(Some(150), None).unwrap_err().contains("150 % is more than the 100 %"));
        assert!(limits(None, Some(99)).unwrap_err().contains("99 % is less than the 100 %"));
        assert!(limits(Some(100), Some(100)).unwrap_err().contains("neither stop nor start"));
        for (minimum, maximum) in [(None, None), (Some(100), None), (None, Some(100)), (Some(0), Some(100))] {
            assert_eq!(limits(minimum, maximum), Ok(()), "{minimum:?} {maximum:?}");
        }
    }

    #[test]
    fn a_limit_given_counts_with_the_other_one_declared() {
        let service = "shop".to_owned();
        let plan = Plan::Rolling { minimum: Some(100), maximum: None, breaker: None };
        let native = Native { service, plan, pauses: None, check: None, arn: None };
        let why = native.immovable(&json!({ "maximumPercent": 100 }), 4).unwrap();
        assert!(
            why.contains("minimumHealthyPercent 100 and maximumPercent 100 keep at least 4 and at most 4 of 4"),
            "{why}"
        );
        assert_eq!(native.immovable(&json!({ "maximumPercent": 150 }), 4), None);
        // Half of one task is one task, and so is one and a half.
        let declared = Native { plan: Plan::AsDeclared, ..native };
        let limits = json!({ "minimumHealthyPercent": 50, "maximumPercent": 150 });
        assert!(declared.immovable(&limits, 1).is_some());
        assert_eq!(declared.immovable(&limits, 2), None);
        assert_eq!(declared.immovable(&limits, 0), None);
        assert_eq!(declared.immovable(&json!({ "strategy": "CANARY", "maximumPercent": 100 }), 1), None);
    }
}
