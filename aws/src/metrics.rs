//! CloudWatch's metrics, many in one call.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode};
use shared::ids::TargetGroupArn;
use shared::time::{Span, Time};

use crate::errors::{During, Failure};

pub(crate) const CALL: &str = "cloudwatch:GetMetricData";

/// The most queries of one call (CloudWatch API reference).
pub(crate) const QUERIES: usize = 500;

/// One metric's values with the starts of their periods, oldest first.
pub(crate) type Points = Vec<(Time, f64)>;

/// What came of each query, by its id; what is not there was not answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) points: BTreeMap<String, Result<Points, String>>,
    /// Calls made.
    pub(crate) calls: usize,
}

impl Answers {
    /// The values of a query.
    pub(crate) fn of(&self, id: &str) -> Result<&Points, String> {
        match self.points.get(id) {
            Some(Ok(points)) => Ok(points),
            Some(Err(why)) => Err(format!("{CALL}: {why}")),
            None => Err(format!("{CALL}: not every metric was answered")),
        }
    }
}

/// Asks for a statistic of a metric.
pub(crate) fn query(
    id: &str,
    (namespace, name): (&str, &str),
    dimensions: &[(&str, &str)],
    stat: &str,
    period: Span,
) -> MetricDataQuery {
    let dimension = |(name, value): &(&str, &str)| Dimension::builder().name(*name).value(*value).build();
    let metric = Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
        .build();
    let period = i32::try_from(period.ceil_secs()).unwrap_or(60);
    let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).return_data(true).build()
}

/// Reads these, five hundred at most, over one window.
pub(crate) async fn read(
    client: &Client,
    queries: Vec<MetricDataQuery>,
    (since, until): (Time, Time),
) -> Result<Answers, (Failure, usize)> {
    let mut answers = Answers::default();
    let mut token = None;
    loop {
        answers.calls += 1;
        let request = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.clone()))
            .start_time(stamp(since))
            .end_time(stamp(until))
            .set_next_token(token);
        let answer = request.send().await.during(CALL).map_err(|failure| (failure, answers.calls))?;
        for result in answer.metric_data_results() {
            let known =
                answers.points.entry(result.id().unwrap_or_default().to_owned()).or_insert_with(|| Ok(Vec::new()));
            match result.status_code() {
                Some(StatusCode::Complete) => {}
                // More of the same result comes with the next page.
                Some(StatusCode::PartialData) if answer.next_token().is_some() => {}
                other => {
                    let status = other.map_or("none", StatusCode::as_str);
                    *known = Err(format!("a result's status is {status}, not Complete"));
                }
            }
            if let Ok(points) = known {
                let at = |at: &DateTime| at.to_millis().ok().and_then(|at| u64::try_from(at).ok()).map(Time);
                let pairs = result.timestamps().iter().zip(result.values());
                points
                    .extend(pairs.filter_map(|(time, value)| Some((at(time)?, *value))).filter(|(_, v)| v.is_finite()));
            }
        }
        token = answer.next_token.clone();
        if token.is_none() {
            break;
        }
    }
    answers.points.values_mut().flatten().for_each(|points| points.sort_by_key(|(at, _)| *at));
    Ok(answers)
}

fn stamp(time: Time) -> DateTime {
    DateTime::from_millis(i64::try_from(time.0).unwrap_or(i64::MAX))
}

/// The part of an ARN after `marker`: what CloudWatch's dimensions hold.
pub(crate) fn suffix<'a>(arn: &'a str, marker: &str) -> &'a str {
    arn.split_once(marker).map_or(arn, |(_, suffix)| suffix)
}

/// A target group as CloudWatch's dimensions name it.
pub(crate) fn group_dimension(group: &TargetGroupArn) -> &str {
    group.0.find("targetgroup/").map_or(group.as_str(), |at| &group.0[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_arn_suffixes() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/shop/0123";
        assert_eq!(suffix(arn, "loadbalancer/"), "app/shop/0123");
        let group = TargetGroupArn::from("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/blue/0123");
        assert_eq!(group_dimension(&group), "targetgroup/blue/0123");
    }
}
