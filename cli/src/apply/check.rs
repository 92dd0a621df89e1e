//! A configuration held against what is there.

use super::native;
use serde::Serialize;
use shared::config::{AlarmTiming, ServiceConfig, advise};
use shared::ids::{AlarmName, Colour, TargetGroupArn};
use shared::observation::{AlarmState, Observation, Reading, RouteReading, ServiceReading};
use std::collections::BTreeSet;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Findings {
    /// Known to be wrong: every rollout would be refused.
    pub(super) problems: Vec<String>,
    /// Risky, or not readable now.
    pub(super) warnings: Vec<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// A reading that failed: what does not exist is a problem, what could not be read is not.
    pub(super) fn unread(&mut self, what: &str, why: &str) {
        // The reading is text by now; AWS's codes for "there is none" all end so.
        if why.contains("NotFound") {
            self.problem(format!("{what} does not exist: {why}"));
        } else {
            self.warning(format!("{what} could not be checked: {why}"));
        }
    }
}

/// Checks one service.
pub(super) fn check(config: &ServiceConfig, seen: &Observation) -> Findings {
    let mut findings = Findings::default();
    match config.engine.native() {
        Some(native) => native::check(config, native, seen, &mut findings),
        None => services(config, seen, &mut findings),
    }
    routes(config, seen, &mut findings);
    alarms(config, seen, &mut findings);
    findings
}

pub(super) fn service(seen: &Observation, colour: Colour) -> Option<&Reading<Option<ServiceReading>>> {
    seen.colours.get(&colour).map(|reading| &reading.service)
}

fn services(config: &ServiceConfig, seen: &Observation, findings: &mut Findings) {
    for colour in Colour::BOTH {
        let (name, cluster) = (config.engine.service(colour), &config.cluster);
        let what = format!("the ECS service {name} ({colour}) in cluster {cluster}");
        match service(seen, colour) {
            None => {}
            Some(Reading::Unknown(why)) => findings.unread(&what, why),
            Some(Reading::Known(None)) => findings.problem(format!("{what} does not exist, or is not ACTIVE")),
            Some(Reading::Known(Some(reading))) => {
                if let Some(why) = &reading.undrivable {
                    findings.problem(format!("{name}: {why}"));
                }
                if let Some(why) = &reading.reverts_by_itself {
                    findings.problem(format!(
                        "{name}: {why}: ECS would bring the old image back and look healthy; switch the rollback off"
                    ));
                }
                if reading.target_groups.is_empty() {
                    findings.problem(format!("{name} has no target group"));
                }
            }
        }
    }
}

fn routes(config: &ServiceConfig, seen: &Observation, findings: &mut Findings) {
    for (route, reading) in &seen.routes {
        match reading {
            Reading::Unknown(why) => findings.unread(&format!("the route {route}"), why),
            Reading::Known(reading) => known_route(config, seen, route.as_str(), reading, findings),
        }
    }
}

fn known_route(
    config: &ServiceConfig,
    seen: &Observation,
    route: &str,
    reading: &RouteReading,
    findings: &mut Findings,
) {
    if let Some(why) = &reading.unwritable {
        findings.problem(format!("the route {route} cannot be written back exactly: {why}"));
        return;
    }
    if reading.stickiness.is_some() && !config.accept_stickiness {
        findings.problem(format!(
            "the route {route} has target group stickiness: clients would stay on a bad side after a flip; switch it off, or write `stickiness: accept`"
        ));
    }
    let mut loaded = Vec::new();
    for colour in Colour::BOTH {
        let Some(Reading::Known(Some(service))) = service(seen, colour) else { return };
        let groups: BTreeSet<&TargetGroupArn> = service.target_groups.iter().collect();
        let weights: Vec<u32> =
            reading.weights.iter().filter(|(group, _)| groups.contains(group)).map(|(_, &weight)| weight).collect();
        if weights.is_empty() && !groups.is_empty() {
            findings.problem(format!(
                "the route {route} does not forward to a target group of {}; add it with weight 0",
                config.engine.service(colour)
            ));
            return;
        }
        if weights.iter().any(|&weight| weight > 0) {
            loaded.push(colour);
        }
    }
    if loaded.len() != 1 {
        let how = if loaded.is_empty() { "neither colour has weight" } else { "both colours have weight" };
        findings.warning(format!(
            "{how} on the route {route}; a rollout starts only when exactly one colour holds all weight"
        ));
    }
}

fn alarms(config: &ServiceConfig, seen: &Observation, findings: &mut Findings) {
    let mut timings = Vec::new();
    let listed = config.alarms.all();
    for (name, reading) in seen.alarms.iter().filter(|(name, _)| listed.contains(name)) {
        match reading {
            Reading::Unknown(why) => findings.unread(&format!("the alarm {name}"), why),
            Reading::Known(None) => findings.problem(missing(name)),
            Reading::Known(Some(alarm)) => {
                if alarm.state == AlarmState::Alarm {
                    findings.warning(format!("the alarm {name} is in ALARM now; pushes are held until it is OK"));
                }
                timings.push(AlarmTiming {
                    name: name.clone(),
                    fires_after: alarm.fires_after,
                    missing_is_quiet: alarm.missing_is_quiet,
                });
            }
        }
    }
    if !seen.alarms.keys().any(|name| listed.contains(name)) && !config.accept_no_alarms {
        findings.warning(
            "no alarm watches it: rollouts are refused; name some under `alarms:`, or write `withoutAlarms: accept`"
                .to_owned(),
        );
    }
    findings.warnings.extend(advise(config, &timings, native::declared(seen)).into_iter().map(|advice| advice.0));
}

fn missing(name: &AlarmName) -> String {
    format!("CloudWatch knows no alarm named {name}; check the spelling and the region")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;
    use shared::observation::{AlarmReading, ColourReading};
    use shared::time::{Span, Time};
    use std::collections::BTreeMap;

    fn group(colour: Colour) -> TargetGroupArn {
        TargetGroupArn(format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-{colour}/1"))
    }

    fn colour(colour: Colour) -> ColourReading {
        let service = ServiceReading {
            arn: format!("arn:aws:ecs:us-east-1:123456789012:service/production/shop-api-{colour}"),
            desired: 2,
            running: 2,
            pending: 0,
            task_definition: "arn:aws:ecs:us-east-1:123456789012:task-definition/shop-api:41".into(),
            deployments: Vec::new(),
            target_groups: vec![group(colour)],
            undrivable: None,
            reverts_by_itself: None,
        };
        ColourReading { service: Reading::Known(Some(service)), ..ColourReading::nothing() }
    }

    fn good() -> Observation {
        let config = fixture::config();
        let weights = BTreeMap::from([(group(Colour::Blue), 100), (group(Colour::Green), 0)]);
        let route = RouteReading { weights, stickiness: None, unwritable: None };
        let alarm = AlarmReading {
            state: AlarmState::Ok,
            since: None,
            reason: String::new(),
            missing_is_quiet: true,
            fires_after: Some(Span::secs(30)),
            target_groups: BTreeSet::new(),
            services: BTreeSet::new(),
        };
        let mut seen = Observation::nothing(Time(1));
        seen.routes.insert(config.engine.routes()[0].clone(), Reading::Known(route));
        seen.colours = Colour::BOTH.into_iter().map(|name| (name, colour(name))).collect();
        seen.alarms.insert("shop-api-5xx".into(), Reading::Known(Some(alarm)));
        seen
    }

    fn route(seen: &mut Observation) -> &mut RouteReading {
        match seen.routes.values_mut().next() {
            Some(Reading::Known(route)) => route,
            other => panic!("{other:?}"),
        }
    }

    fn told(change: impl FnOnce(&mut Observation)) -> String {
        let mut seen = good();
        change(&mut seen);
        let Findings { problems, warnings } = check(&fixture::config(), &seen);
        let line = |kind: &'static str| move |text: String| format!("{kind}: {text}");
        let all = problems.into_iter().map(line("problem")).chain(warnings.into_iter().map(line("warning")));
        all.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_there_is_no_finding() {
        assert_eq!(check(&fixture::config(), &good()), Findings::default());
    }

    #[test]
    fn everything_that_is_missing_or_risky_is_told() {
        let alarm = |seen: &mut Observation, reading| seen.alarms.insert("shop-api-5xx".into(), reading);
        let all = [
            told(|seen| {
                alarm(seen, Reading::Known(None));
            }),
            told(|seen| {
                alarm(seen, Reading::Unknown("cloudwatch:DescribeAlarms failed: Throttling: Rate exceeded".to_owned()));
            }),
            told(|seen| seen.alarms.clear()),
            told(|seen| {
                if let Some(Reading::Known(Some(alarm))) = seen.alarms.values_mut().next() {
                    (alarm.state, alarm.missing_is_quiet) = (AlarmState::Alarm, false);
                    alarm.fires_after = Some(Span::mins(3));
                }
            }),
            told(|seen| {
                seen.colours
                    .insert(Colour::Green, ColourReading { service: Reading::Known(None), ..ColourReading::nothing() });
            }),
            told(|seen| {
                for reading in seen.routes.values_mut() {
                    *reading = Reading::Unknown(
                        "elasticloadbalancing:DescribeRules failed: RuleNotFound: One or more rules not found"
                            .to_owned(),
                    );
                }
            }),
            told(|seen| {
                route(seen).weights.remove(&group(Colour::Green));
            }),
            told(|seen| {
                route(seen).weights.insert(group(Colour::Green), 5);
            }),
            told(|seen| route(seen).stickiness = Some(Span::mins(5))),
            told(|seen| route(seen).unwritable = Some("it redirects".to_owned())),
            told(|seen| {
                if let Some(Reading::Known(Some(service))) =
                    seen.colours.get_mut(&Colour::Blue).map(|blue| &mut blue.service)
                {
                    service.reverts_by_itself = Some("its deployment circuit breaker has rollback on".to_owned());
                    service.undrivable = Some("its deployment strategy is CANARY".to_owned());
                }
            }),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
