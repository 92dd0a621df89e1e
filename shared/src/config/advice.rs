//! What `apply` warns of: bakes and standbys shorter than their alarms need.

use serde_json::Value;

use crate::ids::AlarmName;
use crate::strategy::Share;
use crate::time::Span;

use super::ServiceConfig;

/// Up to this long CloudWatch's ALB datapoints are late (AWS's documentation names no bound; minutes are common).
pub(super) const METRIC_DELAY: Span = Span::mins(2);

/// How long an alarm needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmTiming {
    /// Its name.
    pub name: AlarmName,
    /// Period times evaluation periods; none where the alarm has no fixed period.
    pub fires_after: Option<Span>,
    /// Whether missing data counts as not breaching.
    pub missing_is_quiet: bool,
}

/// One warning, in a sentence with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice(pub String);

/// The warnings for a service. `declared`: a native service's own deployment configuration, where it is known.
#[must_use]
pub fn advise(config: &ServiceConfig, alarms: &[AlarmTiming], declared: Option<&Value>) -> Vec<Advice> {
    let mut all = Vec::new();
    for alarm in alarms {
        if !alarm.missing_is_quiet {
            all.push(Advice(format!(
                "{}: alarm {} does not treat missing data as notBreaching; ALB publishes counts only when they are not \
                 zero, so without errors it may stay INSUFFICIENT_DATA and hold every rollout",
                config.name, alarm.name
            )));
        }
    }
    // One warning per bake, by the alarm that needs longest.
    let slowest = alarms.iter().filter_map(|alarm| Some((alarm.fires_after?, alarm))).max_by_key(|(after, _)| *after);
    if let Some((fires_after, alarm)) = slowest {
        let needs = Span(fires_after.0 + METRIC_DELAY.0);
        let sum = format!("{fires_after} of datapoints + up to {METRIC_DELAY} of metric delay");
        let bakes: Vec<(Share, Span)> = match (config.engine.native(), declared) {
            (None, _) => config.steps.iter().map(|step| (Share::from(step.weight), step.bake)).collect(),
            (Some(native), Some(declared)) => native.plan.bakes(declared),
            (Some(_), None) => Vec::new(),
        };
        for (share, bake) in bakes.into_iter().filter(|(_, bake)| *bake < needs) {
            all.push(Advice(format!(
                "{}: the bake of {bake} at {share} % is shorter than the {needs} alarm {} may need to fire ({sum})",
                config.name, alarm.name
            )));
        }
        if config.engine.native().is_none() && config.standby < needs {
            all.push(Advice(format!(
                "{}: the standby of {} is shorter than the {needs} alarm {} may need to fire ({sum}); after it a \
                 rollback is a redeploy",
                config.name, config.standby, alarm.name
            )));
        }
    }
    all
}
