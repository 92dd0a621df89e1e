//! The native engine's part of the configuration: one ECS service whose own strategy moves the traffic.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::strategy::Share;
use crate::time::Span;

use super::typed::{BreakerTyped, HttpCheckTyped, PauseStage, StrategyTyped};

/// The native engine: one ECS service; ECS owns the weights and Flipback never writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Native {
    /// The ECS service.
    pub service: String,
    /// The strategy that is sent with a deployment.
    pub plan: Plan,
    /// The stages at which ECS shall wait for a person: sent with the strategy, instead of the PAUSE hooks that the service
    /// declares. None: those count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pauses: Option<BTreeSet<PauseStage>>,
    /// What `lifecycle-hook` asks the new tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<HttpCheck>,
    /// The ECS service's ARN, as it was seen when the configuration was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

/// A request to the new tasks, and what is wanted of the answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// Where; none: through the service's test listener rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The path, from `/`.
    pub path: String,
    /// The status that is wanted.
    pub expect: u16,
    /// A text that the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many right answers in a row.
    pub times: u32,
    /// How long it may take.
    pub within: Span,
}

impl Native {
    /// The whole `deploymentConfiguration` to send, as [`Plan::configuration`] has it, with the pauses in it.
    #[must_use]
    pub fn configuration(&self, declared: &Value) -> Option<Value> {
        let mut all = self.plan.configuration(declared)?;
        let Some(pauses) = &self.pauses else { return Some(all) };
        let declared = all["lifecycleHooks"].as_array().cloned().unwrap_or_default();
        let mut hooks: Vec<Value> = declared.into_iter().filter(|hook| hook["targetType"] != "PAUSE").collect();
        if !pauses.is_empty() {
            hooks.push(json!({ "targetType": "PAUSE", "lifecycleStages": pauses }));
        }
        all["lifecycleHooks"] = json!(hooks);
        Some(all)
    }
}

/// The longest that a check may take: ECS ends a stage after 24 hours, and what must be known in a day is no smoke test.
const LONGEST_CHECK: Span = Span::mins(60);

impl HttpCheck {
    /// The check as typed.
    ///
    /// # Errors
    /// A sentence: the key, what is wrong, and what to write.
    pub fn of(typed: &HttpCheckTyped) -> Result<HttpCheck, String> {
        let HttpCheckTyped { listener, path, expect, body, times, within } = typed.clone();
        let url = match listener.as_str() {
            "test" => None,
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Some(url.trim_end_matches('/').to_owned())
            }
            other => return Err(format!("checks.http.listener: `{other}` is neither `test` nor a URL")),
        };
        let path = path.unwrap_or_else(|| "/".to_owned());
        if !path.starts_with('/') || path.contains(char::is_whitespace) {
            return Err(format!("checks.http.path: `{path}` must begin with / and have no space"));
        }
        let (expect, times, within) = (expect.unwrap_or(200), times.unwrap_or(3), within.unwrap_or(Span::secs(60)));
        if !(100..=599).contains(&expect) {
            return Err(format!("checks.http.expect: {expect} is no HTTP status"));
        }
        if times == 0 || times > 100 {
            return Err(format!("checks.http.times: {times} must lie between 1 and 100"));
        }
        if within < Span::secs(1) || within > LONGEST_CHECK {
            return Err(format!("checks.http.within: {within} must lie between 1s and {LONGEST_CHECK}"));
        }
        Ok(HttpCheck { url, path, expect, body: body.filter(|text| !text.is_empty()), times, within })
    }
}

/// What Flipback sends of a deployment configuration. Bakes are whole minutes: ECS counts in nothing smaller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Plan {
    /// Nothing: the service's own configuration counts.
    AsDeclared,
    /// ROLLING.
    Rolling {
        /// `minimumHealthyPercent`, where it is given.
        minimum: Option<u32>,
        /// `maximumPercent`, where it is given.
        maximum: Option<u32>,
        /// `deploymentCircuitBreaker`, where it is given; it rolls back.
        breaker: Option<BreakerTyped>,
    },
    /// BLUE_GREEN.
    BlueGreen {
        /// Minutes at 100 %.
        bake: u32,
    },
    /// CANARY: two steps.
    Canary {
        /// The first step.
        percent: Share,
        /// Minutes at it.
        every: u32,
        /// Minutes at 100 %.
        bake: u32,
    },
    /// LINEAR.
    Linear {
        /// How much each step adds.
        by: Share,
        /// Minutes at each step.
        every: u32,
        /// Minutes at 100 %.
        bake: u32,
    },
}

/// The longest bake ECS takes, in minutes (`bakeTimeInMinutes` 0 to 1440).
const LONGEST: u64 = 1_440;

fn minutes(key: &str, span: Span) -> Result<u32, String> {
    let whole = span.0 / 60_000;
    if !span.0.is_multiple_of(60_000) {
        return Err(format!("{key}: ECS bakes whole minutes; {span} is not one"));
    }
    if whole > LONGEST {
        return Err(format!("{key}: {span} is longer than the {LONGEST} minutes ECS takes"));
    }
    u32::try_from(whole).map_err(|_| format!("{key}: {span} is too long"))
}

impl Plan {
    /// The plan of a strategy as typed, within ECS's limits.
    ///
    /// # Errors
    /// The limit that it breaks, with ECS's numbers.
    pub fn of(typed: &StrategyTyped) -> Result<Plan, String> {
        match typed {
            StrategyTyped::AsDeclared => Ok(Plan::AsDeclared),
            StrategyTyped::Rolling { minimum_healthy_percent: minimum, maximum_percent: maximum, circuit_breaker } => {
                super::declared::limits(*minimum, *maximum)?;
                if let Some(breaker) = circuit_breaker {
                    breaker.check()?;
                }
                Ok(Plan::Rolling { minimum: *minimum, maximum: *maximum, breaker: circuit_breaker.clone() })
            }
            StrategyTyped::BlueGreen { bake } => Ok(Plan::BlueGreen { bake: minutes("blueGreen.bake", *bake)? }),
            StrategyTyped::Canary { steps, bake } => {
                let [step] = steps.as_slice() else {
                    return Err(format!(
                        "canary.steps: ECS's own canary has one step before 100 %, not {}; linear, or the managed \
                         engine, takes more",
                        steps.len()
                    ));
                };
                if step.weight.tenths() == 0 || step.weight.tenths() > 1_000 {
                    return Err(format!("canary.steps: ECS takes 0.1 to 100 %, not {}", step.weight));
                }
                let every = minutes("canary.steps.bake", step.bake)?;
                Ok(Plan::Canary { percent: step.weight, every, bake: minutes("canary.bake", *bake)? })
            }
            StrategyTyped::Linear { by, every, bake } => {
                if by.tenths() < 30 || by.tenths() > 1_000 {
                    return Err(format!("linear.by: ECS takes 3 to 100 %, not {by}"));
                }
                let every = minutes("linear.every", *every)?;
                Ok(Plan::Linear { by: *by, every, bake: minutes("linear.bake", *bake)? })
            }
        }
    }

    /// Its name as ECS writes strategies; none where the service's own counts.
    #[must_use]
    pub fn strategy(&self) -> Option<&'static str> {
        match self {
            Plan::AsDeclared => None,
            Plan::Rolling { .. } => Some("ROLLING"),
            Plan::BlueGreen { .. } => Some("BLUE_GREEN"),
            Plan::Canary { .. } => Some("CANARY"),
            Plan::Linear { .. } => Some("LINEAR"),
        }
    }

    /// What is baked at which share of the traffic: this plan's, or the declared configuration's. None for ROLLING without
    /// a bake.
    #[must_use]
    pub fn bakes(&self, declared: &Value) -> Vec<(Share, Span)> {
        let sent = self.configuration(declared);
        let all = sent.as_ref().unwrap_or(declared);
        // ECS's own numbers where nothing is declared (ECS API, DeploymentConfiguration).
        let minutes = |value: &Value, default: u64| Span::mins(value.as_u64().unwrap_or(default));
        let end = (Share::ALL, minutes(&all["bakeTimeInMinutes"], 15));
        let percent =
            |value: &Value, default: f64| Share::try_from(value.as_f64().unwrap_or(default)).unwrap_or_default();
        match all["strategy"].as_str() {
            Some("BLUE_GREEN") => vec![end],
            Some("CANARY") => {
                let own = &all["canaryConfiguration"];
                vec![(percent(&own["canaryPercent"], 5.0), minutes(&own["canaryBakeTimeInMinutes"], 10)), end]
            }
            Some("LINEAR") => {
                let own = &all["linearConfiguration"];
                vec![(percent(&own["stepPercent"], 10.0), minutes(&own["stepBakeTimeInMinutes"], 6)), end]
            }
            Some(_) | None if all["bakeTimeInMinutes"].is_u64() => vec![end],
            Some(_) | None => Vec::new(),
        }
    }

    /// The whole `deploymentConfiguration` to send: the declared one with this strategy in it, everything else kept,
    /// members newer than this release included. None: nothing is sent. Whether ECS keeps members that are not sent is not
    /// documented, so all are.
    #[must_use]
    pub fn configuration(&self, declared: &Value) -> Option<Value> {
        let strategy = self.strategy()?;
        let mut all = declared.as_object().cloned().unwrap_or_default();
        for other in ["linearConfiguration", "canaryConfiguration"] {
            all.remove(other);
        }
        if strategy != "ROLLING" {
            // For ROLLING only (ECS API, DeploymentConfiguration).
            for rolling in ["earlySuccessCriteria", "deploymentCircuitBreaker"] {
                all.remove(rolling);
            }
        }
        all.insert("strategy".to_owned(), json!(strategy));
        match self {
            Plan::AsDeclared => {}
            Plan::Rolling { minimum, maximum, breaker } => {
                for (name, value) in [("minimumHealthyPercent", minimum), ("maximumPercent", maximum)] {
                    if let Some(value) = value {
                        all.insert(name.to_owned(), json!(value));
                    }
                }
                if let Some(breaker) = breaker {
                    all.insert("deploymentCircuitBreaker".to_owned(), breaker.declared());
                }
            }
            Plan::BlueGreen { bake } => {
                all.insert("bakeTimeInMinutes".to_owned(), json!(bake));
            }
            Plan::Canary { percent, every, bake } => {
                all.insert("bakeTimeInMinutes".to_owned(), json!(bake));
                let own = json!({ "canaryPercent": percent.percent(), "canaryBakeTimeInMinutes": every });
                all.insert("canaryConfiguration".to_owned(), own);
            }
            Plan::Linear { by, every, bake } => {
                all.insert("bakeTimeInMinutes".to_owned(), json!(bake));
                let own = json!({ "stepPercent": by.percent(), "stepBakeTimeInMinutes": every });
                all.insert("linearConfiguration".to_owned(), own);
            }
        }
        Some(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CanaryStep;

    fn canary(weight: f64, bake: Span) -> Result<Plan, String> {
        let weight = Share::try_from(weight)?;
        Plan::of(&StrategyTyped::Canary { steps: vec![CanaryStep { weight, bake }], bake: Span::mins(3) })
    }

    #[test]
    fn ecs_takes_one_canary_step_tenths_of_a_percent_and_whole_minutes() {
        let plan = canary(0.1, Span::mins(2)).unwrap();
        assert_eq!(plan, Plan::Canary { percent: Share::try_from(0.1).unwrap(), every: 2, bake: 3 });
        assert!(canary(10.0, Span::secs(90)).unwrap_err().contains("whole minutes"));
        assert!(canary(10.0, Span::mins(1_441)).unwrap_err().contains("1440"));
        assert!(canary(0.0, Span::mins(1)).unwrap_err().contains("0.1 to 100"));
        let steps = vec![CanaryStep { weight: Share::from(10), bake: Span::mins(1) }; 2];
        assert!(Plan::of(&StrategyTyped::Canary { steps, bake: Span::mins(1) }).unwrap_err().contains("one step"));
    }

    #[test]
    fn ecs_takes_linear_steps_of_three_percent_and_more() {
        let linear = |by: f64| {
            let by = Share::try_from(by).unwrap();
            Plan::of(&StrategyTyped::Linear { by, every: Span::mins(1), bake: Span::mins(1) })
        };
        assert!(linear(3.0).is_ok() && linear(100.0).is_ok());
        assert!(linear(2.9).unwrap_err().contains("3 to 100"));
    }

    #[test]
    fn a_rolling_deployment_must_be_able_to_move() {
        let rolling = |minimum, maximum| {
            Plan::of(&StrategyTyped::Rolling {
                minimum_healthy_percent: Some(minimum),
                maximum_percent: Some(maximum),
                circuit_breaker: None,
            })
        };
        assert!(rolling(100, 200).is_ok() && rolling(50, 100).is_ok());
        for (minimum, maximum) in [(100, 100), (101, 200), (50, 99)] {
            assert!(rolling(minimum, maximum).is_err(), "{minimum} {maximum}");
        }
    }

    #[test]
    fn pauses_take_the_place_of_declared_pauses_and_leave_other_hooks_alone() {
        let lambda = json!({ "targetType": "AWS_LAMBDA", "hookTargetArn": "f", "lifecycleStages": ["POST_SCALE_UP"] });
        let pause = json!({ "targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"] });
        let declared = json!({ "lifecycleHooks": [lambda, pause] });
        let sent = |pauses: Option<BTreeSet<PauseStage>>| {
            let service = "shop".to_owned();
            let native = Native { service, plan: Plan::BlueGreen { bake: 3 }, pauses, check: None, arn: None };
            native.configuration(&declared).unwrap()["lifecycleHooks"].clone()
        };
        assert_eq!(sent(None), json!([lambda, pause]));
        assert_eq!(sent(Some(BTreeSet::new())), json!([lambda]));
        let ours = json!({ "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"] });
        assert_eq!(sent(Some([PauseStage::PreProductionTrafficShift].into())), json!([lambda, ours]));
    }

    #[test]
    fn a_check_is_complete_or_says_what_is_wrong() {
        let typed = |listener: &str| HttpCheckTyped {
            listener: listener.to_owned(),
            path: None,
            expect: None,
            body: Some(String::new()),
            times: None,
            within: None,
        };
        let check = HttpCheck::of(&typed("test")).unwrap();
        assert_eq!((check.url, check.path.as_str(), check.expect, check.body), (None, "/", 200, None));
        assert_eq!((check.times, check.within), (3, Span::secs(60)));
        let url = HttpCheck::of(&typed("https://test.example.com/")).unwrap().url;
        assert_eq!(url.as_deref(), Some("https://test.example.com"));
        let wrong: [(HttpCheckTyped, &str); 5] = [
            (typed("production"), "neither `test` nor a URL"),
            (HttpCheckTyped { path: Some("health".to_owned()), ..typed("test") }, "begin with /"),
            (HttpCheckTyped { expect: Some(99), ..typed("test") }, "no HTTP status"),
            (HttpCheckTyped { times: Some(0), ..typed("test") }, "between 1 and 100"),
            (HttpCheckTyped { within: Some(Span::mins(61)), ..typed("test") }, "between 1s and"),
        ];
        for (typed, why) in wrong {
            assert!(HttpCheck::of(&typed).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn the_whole_configuration_is_sent_with_what_nobody_asked_to_change() {
        let declared = json!({
            "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 10.0 }, "bakeTimeInMinutes": 15,
            "alarms": { "enable": true, "rollback": true, "alarmNames": ["5xx"] }, "memberOfTomorrow": 7,
        });
        let sent = Plan::BlueGreen { bake: 3 }.configuration(&declared).unwrap();
        let wanted = json!({
            "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3, "memberOfTomorrow": 7,
            "alarms": { "enable": true, "rollback": true, "alarmNames": ["5xx"] },
        });
        assert_eq!(sent, wanted);
        assert_eq!(Plan::AsDeclared.configuration(&declared), None);
        let canary = Plan::Canary { percent: Share::try_from(2.5).unwrap(), every: 1, bake: 2 };
        assert_eq!(canary.configuration(&declared).unwrap()["canaryConfiguration"]["canaryPercent"], 2.5);
    }

    #[test]
    fn what_only_rolling_takes_is_sent_with_no_other_strategy() {
        let (breaker, early) = (json!({ "enable": true, "rollback": true }), json!({ "enable": true }));
        let declared = json!({
            "strategy": "ROLLING", "deploymentCircuitBreaker": breaker, "earlySuccessCriteria": early,
            "maximumPercent": 200,
        });
        for plan in [
            Plan::BlueGreen { bake: 3 },
            Plan::Canary { percent: Share::from(10), every: 1, bake: 2 },
            Plan::Linear { by: Share::from(10), every: 1, bake: 2 },
        ] {
            let sent = plan.configuration(&declared).unwrap();
            for rolling in ["deploymentCircuitBreaker", "earlySuccessCriteria"] {
                assert!(sent.get(rolling).is_none(), "{rolling} {plan:?}");
            }
            assert_eq!(sent["maximumPercent"], 200);
        }
        let rolling = Plan::Rolling { minimum: None, maximum: None, breaker: None }.configuration(&declared);
        assert_eq!(rolling, Some(declared), "what is declared stays");
    }
}
