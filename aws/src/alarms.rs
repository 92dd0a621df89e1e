//! CloudWatch alarms of every kind.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, CompositeAlarm, Dimension, EvaluationState, LogAlarm, MetricAlarm, MetricDataQuery,
    StateValue,
};
use shared::ids::AlarmName;
use shared::observation::{AlarmReading, AlarmState, Reading};
use shared::scaling::PolicyAlarm;
use shared::time::Span;

use crate::count::time;
use crate::errors::{During, Failure};

/// The most names in one DescribeAlarms (CloudWatch API).
const PER_CALL: usize = 100;

type Readings = BTreeMap<AlarmName, Reading<Option<AlarmReading>>>;

/// Reads the alarms of a service in `cluster`, a hundred per call. CloudWatch is silent about names that it does not
/// know: those are `Known(None)`.
pub(crate) async fn read(client: &Client, cluster: &str, names: &[AlarmName]) -> Readings {
    let mut readings = Readings::new();
    for chunk in names.chunks(PER_CALL) {
        match describe(client, chunk).await {
            Ok(answer) => {
                readings.extend(chunk.iter().map(|name| (name.clone(), Reading::Known(None))));
                readings.extend(read_answer(&answer, cluster));
            }
            Err(failure) => {
                readings.extend(chunk.iter().map(|name| (name.clone(), Reading::Unknown(failure.to_string()))));
            }
        }
    }
    readings
}

async fn describe(client: &Client, names: &[AlarmName]) -> Result<DescribeAlarmsOutput, Failure> {
    // Without the types, CloudWatch answers with metric alarms only.
    let request = client
        .describe_alarms()
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .alarm_types(AlarmType::LogAlarm)
        .set_alarm_names(Some(names.iter().map(|name| name.0.clone()).collect()))
        .max_records(100);
    request.send().await.during("cloudwatch:DescribeAlarms")
}

/// What the alarms of scaling policies watch, a hundred names at most; those that CloudWatch does not know are not there.
///
/// # Errors
/// What CloudWatch says of the whole call.
pub(crate) async fn of_policies(
    client: &Client,
    names: &[String],
) -> Result<BTreeMap<String, Reading<Option<PolicyAlarm>>>, Failure> {
    let names: Vec<AlarmName> = names.iter().map(|name| AlarmName::from(name.as_str())).collect();
    let answer = describe(client, &names).await?;
    let metric = answer.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), of_policy(alarm)));
    // A policy may be set off by a composite alarm too, which watches nothing itself.
    let composite = answer.composite_alarms().iter().map(|alarm| {
        let bare = bare(alarm.state_value(), None, None, alarm.state_transitioned_timestamp());
        (alarm.alarm_name(), policy_alarm(bare, alarm.actions_enabled(), false, BTreeSet::new()))
    });
    Ok(metric.chain(composite).map(|(name, reading)| (name.unwrap_or_default().to_owned(), reading)).collect())
}

fn of_policy(alarm: &MetricAlarm) -> Reading<Option<PolicyAlarm>> {
    let since = alarm.state_transitioned_timestamp();
    let bare = bare(alarm.state_value(), alarm.evaluation_state(), None, since);
    let in_metrics = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let sets = std::iter::once((alarm.namespace(), alarm.dimensions()))
        .chain(in_metrics.map(|metric| (metric.namespace(), metric.dimensions())));
    // Elsewhere a dimension of that name is whatever its team means.
    let of_ecs = sets.filter(|(namespace, _)| *namespace == Some("AWS/ECS")).map(|(_, dimensions)| dimensions);
    let services = of_ecs.filter_map(|dimensions| {
        Some(format!("{}/{}", value(dimensions, "ClusterName")?, value(dimensions, "ServiceName")?))
    });
    use ComparisonOperator::{GreaterThanOrEqualToThreshold, GreaterThanThreshold};
    let above = matches!(alarm.comparison_operator(), Some(GreaterThanThreshold | GreaterThanOrEqualToThreshold));
    policy_alarm(bare, alarm.actions_enabled(), above, services.collect())
}

fn policy_alarm(
    bare: Result<AlarmReading, String>,
    enabled: Option<bool>,
    above: bool,
    services: BTreeSet<String>,
) -> Reading<Option<PolicyAlarm>> {
    match bare {
        Ok(AlarmReading { state, since, .. }) => {
            Reading::Known(Some(PolicyAlarm { enabled: enabled != Some(false), above, state, since, services }))
        }
        Err(why) => Reading::Unknown(why),
    }
}

fn value<'a>(dimensions: &'a [Dimension], name: &str) -> Option<&'a str> {
    dimensions.iter().find(|dimension| dimension.name() == Some(name)).and_then(Dimension::value)
}

fn read_answer(answer: &DescribeAlarmsOutput, cluster: &str) -> Readings {
    let mut readings = Readings::new();
    let mut put = |name: Option<&str>, reading| readings.insert(AlarmName::from(name.unwrap_or_default()), reading);
    for alarm in answer.metric_alarms() {
        put(alarm.alarm_name(), metric(alarm, cluster));
    }
    for alarm in answer.composite_alarms() {
        put(alarm.alarm_name(), composite(alarm));
    }
    for alarm in answer.log_alarms() {
        put(alarm.alarm_name(), log(alarm));
    }
    readings
}

/// What all kinds of alarm have, the other members empty; or why the state says nothing.
fn bare(
    state: Option<&StateValue>,
    evaluation: Option<&EvaluationState>,
    reason: Option<&str>,
    since: Option<&DateTime>,
) -> Result<AlarmReading, String> {
    let state = match state {
        Some(StateValue::Alarm) => AlarmState::Alarm,
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::InsufficientData) => AlarmState::InsufficientData,
        Some(other) => return Err(format!("its state `{}` is not known to this release", other.as_str())),
        None => return Err("CloudWatch tells no state".to_owned()),
    };
    // An alarm that cannot be evaluated keeps its last state: OK is no good news then, ALARM still is bad.
    if let (Some(EvaluationState::EvaluationError | EvaluationState::EvaluationFailure), false) =
        (evaluation, state == AlarmState::Alarm)
    {
        return Err("CloudWatch cannot evaluate it at present, so its state is an old one".to_owned());
    }
    Ok(AlarmReading {
        state,
        since: since.and_then(time),
        reason: reason.unwrap_or_default().to_owned(),
        missing_is_quiet: false,
        fires_after: None,
        target_groups: BTreeSet::new(),
        services: BTreeSet::new(),
    })
}

fn metric(alarm: &MetricAlarm, cluster: &str) -> Reading<Option<AlarmReading>> {
    let since = alarm.state_transitioned_timestamp();
    let mut reading = match bare(alarm.state_value(), alarm.evaluation_state(), alarm.state_reason(), since) {
        Ok(reading) => reading,
        Err(why) => return Reading::Unknown(why),
    };
    reading.missing_is_quiet = alarm.treat_missing_data() == Some("notBreaching");
    reading.fires_after = fires_after(alarm);
    let in_metrics = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let sets = std::iter::once(alarm.dimensions()).chain(in_metrics.map(|metric| metric.dimensions()));
    for dimensions in sets {
        watch(&mut reading, dimensions, cluster);
    }
    Reading::Known(Some(reading))
}

/// Target groups and ECS services that a set of dimensions names. A service of the same name in another cluster is
/// another service.
fn watch(reading: &mut AlarmReading, dimensions: &[Dimension], cluster: &str) {
    reading.target_groups.extend(value(dimensions, "TargetGroup").map(str::to_owned));
    let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
    if value(dimensions, "ClusterName").is_none_or(|name| name == cluster) {
        reading.services.extend(value(dimensions, "ServiceName").map(str::to_owned));
    }
}

/// Period times evaluation periods; of a math alarm, the longest period of its metrics.
fn fires_after(alarm: &MetricAlarm) -> Option<Span> {
    let of_query = |query: &MetricDataQuery| query.metric_stat().and_then(|stat| stat.period()).or(query.period());
    let period = alarm.period().or_else(|| alarm.metrics().iter().filter_map(of_query).max())?;
    let seconds = u64::try_from(period).ok()? * u64::try_from(alarm.evaluation_periods()?).ok()?;
    (seconds > 0).then(|| Span::secs(seconds))
}

fn composite(alarm: &CompositeAlarm) -> Reading<Option<AlarmReading>> {
    let since = alarm.state_transitioned_timestamp();
    match bare(alarm.state_value(), None, alarm.state_reason(), since) {
        Ok(reading) => Reading::Known(Some(reading)),
        Err(why) => Reading::Unknown(why),
    }
}

fn log(alarm: &LogAlarm) -> Reading<Option<AlarmReading>> {
    let since = alarm.state_transitioned_timestamp();
    match bare(alarm.state_value(), alarm.evaluation_state(), alarm.state_reason(), since) {
        Ok(mut reading) => {
            reading.missing_is_quiet = alarm.treat_missing_data() == Some("notBreaching");
            Reading::Known(Some(reading))
        }
        Err(why) => Reading::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudwatch::types::{Metric, MetricStat};
    use shared::time::Time;

    fn dimension(name: &str, value: &str) -> Dimension {
        Dimension::builder().name(name).value(value).build()
    }

    fn known(reading: Reading<Option<AlarmReading>>) -> AlarmReading {
        match reading {
            Reading::Known(Some(reading)) => reading,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_alarm_tells_its_side_and_how_long_it_needs() {
        let alarm = MetricAlarm::builder()
            .state_value(StateValue::Alarm)
            .state_transitioned_timestamp(DateTime::from_secs(100))
            .treat_missing_data("notBreaching")
            .period(60)
            .evaluation_periods(3)
            .dimensions(dimension("LoadBalancer", "app/shop/1"))
            .dimensions(dimension("TargetGroup", "targetgroup/green/1"))
            .build();
        let reading = known(metric(&alarm, "production"));
        assert_eq!((reading.state, reading.since), (AlarmState::Alarm, Some(Time(100_000))));
        assert!(reading.missing_is_quiet);
        assert_eq!(reading.fires_after, Some(Span::mins(3)));
        assert_eq!(reading.target_groups, ["targetgroup/green/1".to_owned()].into());
    }

    #[test]
    fn a_math_alarm_watches_what_its_metrics_watch() {
        let stat = |group: &str| {
            let metric = Metric::builder().dimensions(dimension("TargetGroup", group)).build();
            MetricDataQuery::builder().metric_stat(MetricStat::builder().metric(metric).period(60).build()).build()
        };
        let alarm = MetricAlarm::builder()
            .state_value(StateValue::Ok)
            .evaluation_periods(2)
            .metrics(stat("targetgroup/a/1"))
            .metrics(stat("targetgroup/b/2"))
            .build();
        let reading = known(metric(&alarm, "production"));
        assert_eq!(reading.target_groups.len(), 2);
        assert_eq!((reading.fires_after, reading.missing_is_quiet), (Some(Span::mins(2)), false));
    }

    #[test]
    fn an_alarm_that_cannot_be_evaluated_is_no_good_news() {
        let alarm = |state| {
            let evaluation = EvaluationState::from("EVALUATION_ERROR");
            MetricAlarm::builder().state_value(state).evaluation_state(evaluation).build()
        };
        assert!(matches!(metric(&alarm(StateValue::Ok), "c"), Reading::Unknown(_)));
        assert_eq!(known(metric(&alarm(StateValue::Alarm), "c")).state, AlarmState::Alarm);
    }

    #[test]
    fn a_service_of_another_cluster_is_another_service() {
        let alarm = |cluster: &str| {
            let dimensions = [dimension("ClusterName", cluster), dimension("ServiceName", "shop-blue")];
            MetricAlarm::builder().state_value(StateValue::Ok).set_dimensions(Some(dimensions.to_vec())).build()
        };
        assert_eq!(known(metric(&alarm("production"), "production")).services.len(), 1);
        assert_eq!(known(metric(&alarm("staging"), "production")).services.len(), 0);
    }

    #[test]
    fn an_alarm_of_a_policy_watches_an_ecs_service_only_in_ecs_own_metrics() {
        let alarm = |namespace: &str| {
            let built = MetricAlarm::builder()
                .state_value(StateValue::Ok)
                .namespace(namespace)
                .comparison_operator(ComparisonOperator::GreaterThanThreshold)
                .dimensions(dimension("ClusterName", "production"))
                .dimensions(dimension("ServiceName", "shop"));
            match of_policy(&built.build()) {
                Reading::Known(Some(alarm)) => (alarm.above, alarm.enabled, alarm.services.len()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((alarm("AWS/ECS"), alarm("Shop")), ((true, true, 1), (true, true, 0)));
    }
}
