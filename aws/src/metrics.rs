//! CloudWatch's metrics, many in one call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode};
use shared::ids::TargetGroupArn;
use shared::time::{Span, Time};

use crate::count::time;
use crate::errors::{During, Failure};

pub(crate) const CALL: &str = "cloudwatch:GetMetricData";

/// The most queries of one call (CloudWatch API reference).
pub(crate) const QUERIES: usize = 500;

/// One metric's values with the starts of their periods, oldest first.
pub(crate) type Points = Vec<(Time, f64)>;

/// What came of each query, by its id.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    points: BTreeMap<String, Result<Points, String>>,
    /// Those that CloudWatch called complete: what is not may have more values than were read.
    complete: BTreeSet<String>,
    /// Calls made.
    pub(crate) calls: usize,
}

impl Answers {
    /// The values of a query, all of them.
    pub(crate) fn of(&self, id: &str) -> Result<&Points, String> {
        match self.points.get(id) {
            Some(Ok(points)) if self.complete.contains(id) => Ok(points),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(_)) | None => Err("not every metric was answered".to_owned()),
        }
    }

    /// These could not be read.
    pub(crate) fn fail<'a>(&mut self, ids: impl Iterator<Item = &'a str>, why: &str) {
        self.points.extend(ids.map(|id| (id.to_owned(), Err(why.to_owned()))));
    }

    /// Takes another set of answers in.
    pub(crate) fn extend(&mut self, other: Answers) {
        self.points.extend(other.points);
        self.complete.extend(other.complete);
        self.calls += other.calls;
    }

    /// Takes a result in; more may come with another page.
    fn take(&mut self, result: &MetricDataResult, more: bool) {
        let id = result.id().unwrap_or_default();
        let known = self.points.entry(id.to_owned()).or_insert_with(|| Ok(Vec::new()));
        match result.status_code() {
            Some(StatusCode::Complete) => drop(self.complete.insert(id.to_owned())),
            Some(StatusCode::PartialData) if more => {}
            other => {
                let status = other.map_or("none", StatusCode::as_str);
                *known = Err(format!("a result's status is {status}, not Complete"));
            }
        }
        let times: Option<Vec<Time>> = result.timestamps().iter().map(time).collect();
        match (known, times) {
            (Ok(points), Some(times)) if times.len() == result.values().len() => {
                let pairs = times.into_iter().zip(result.values().iter().copied());
                points.extend(pairs.filter(|(_, value)| value.is_finite()));
            }
            (known @ Ok(_), _) => *known = Err("values and times do not fit each other".to_owned()),
            (Err(_), _) => {}
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
        let more = answer.next_token().is_some();
        answer.metric_data_results().iter().for_each(|result| answers.take(result, more));
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

    fn result(status: StatusCode, values: &[f64]) -> MetricDataResult {
        let times =
            (1..=values.len()).map(|n| DateTime::from_secs(i64::try_from(n).unwrap_or_default() * 60)).collect();
        let result = MetricDataResult::builder().id("m0").status_code(status);
        result.set_timestamps(Some(times)).set_values(Some(values.to_vec())).build()
    }

    fn sum(pages: &[Option<MetricDataResult>]) -> Result<f64, String> {
        let mut answers = Answers::default();
        for (n, page) in pages.iter().enumerate() {
            page.iter().for_each(|result| answers.take(result, n + 1 < pages.len()));
        }
        answers.of("m0").map(|points| points.iter().map(|(_, value)| value).sum())
    }

    #[test]
    fn what_is_not_complete_is_not_known_however_much_of_it_came() {
        let (part, rest) = (Some(result(StatusCode::PartialData, &[5.0])), Some(result(StatusCode::Complete, &[7.0])));
        assert_eq!(sum(&[part.clone(), rest.clone()]), Ok(12.0));
        assert_eq!(sum(&[rest]), Ok(7.0));
        for pages in [
            vec![part.clone(), None],
            vec![part.clone()],
            vec![None],
            vec![part, Some(result(StatusCode::InternalError, &[]))],
            vec![Some(result(StatusCode::Complete, &[7.0])), Some(result(StatusCode::InternalError, &[]))],
        ] {
            assert!(sum(&pages).is_err(), "{pages:?}");
        }
        let odd = MetricDataResult::builder().id("m0").status_code(StatusCode::Complete).values(1.0).build();
        assert!(sum(&[Some(odd)]).is_err(), "a value without its time");
    }

    #[test]
    fn dimensions_are_arn_suffixes() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/shop/0123";
        assert_eq!(suffix(arn, "loadbalancer/"), "app/shop/0123");
        let group = TargetGroupArn::from("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/blue/0123");
        assert_eq!(group_dimension(&group), "targetgroup/blue/0123");
    }
}
