//! Metric data queries, alone and as the base of math alarms.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::math::{Expression, Points};
use super::metrics::{known_statistic, metric_key};
use super::{CloudWatch, MetricKey};
use crate::error::Answer;
use crate::input::{In, as_bool, as_u64, refuse};
use crate::{AwsError, Call, Millis, Service, World, time};

/// One query of a set; the ids tie them together.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) returned: bool,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Stat {
        key: MetricKey,
        statistic: String,
        period: Millis,
    },
    Math {
        expression: Expression,
        period: Option<Millis>,
    },
    /// `SERVICE_QUOTA(id)`: the quota that a metric of AWS/Usage is counted against.
    Quota {
        of: String,
    },
}

fn invalid(message: impl Into<String>) -> AwsError {
    refuse(Service::CloudWatch, message)
}

/// The span that a set of queries is read over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Millis,
    pub(super) end: Millis,
    pub(super) now: Millis,
    pub(super) delay: Millis,
    /// The account's quota of what AWS/Usage counts: there is one such metric in this world.
    pub(super) quota: f64,
}

/// How that metric math is written.
const QUOTA: &str = "SERVICE_QUOTA(";

/// Reads `MetricDataQueries` or an alarm's `Metrics`.
pub(super) fn parse(list: &[Value]) -> Result<Vec<Query>, AwsError> {
    let mut queries: Vec<Query> = Vec::new();
    for query in list {
        let id = query["Id"].as_str().unwrap_or_default().to_owned();
        let lower = id.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        if !lower || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(invalid(format!("The value '{id}' for parameter Id is not matching the expected pattern.")));
        }
        if queries.iter().any(|known| known.id == id) {
            return Err(invalid(format!("Duplicate Id '{id}'.")));
        }
        let stat = &query["MetricStat"];
        let what = match query["Expression"].as_str() {
            Some(text) if text.starts_with(QUOTA) => {
                let of = text[QUOTA.len()..].strip_suffix(')').unwrap_or_default().trim();
                What::Quota { of: of.to_owned() }
            }
            Some(text) => What::Math {
                expression: Expression::parse(text)
                    .map_err(|error| invalid(format!("Error in expression '{id}': {error}")))?,
                period: as_u64(&query["Period"]).map(|seconds| seconds * 1_000),
            },
            None => {
                let key = metric_key(&stat["Metric"]).ok_or_else(|| invalid(format!("'{id}' has no metric.")))?;
                let statistic = stat["Stat"].as_str().unwrap_or_default().to_owned();
                if !known_statistic(&statistic) {
                    return Err(invalid(format!("The value '{statistic}' for parameter Stat is not supported.")));
                }
                let period = as_u64(&stat["Period"]).filter(|period| *period > 0);
                let period = period.ok_or_else(|| invalid(format!("'{id}' has no valid Period.")))? * 1_000;
                What::Stat { key, statistic, period }
            }
        };
        queries.push(Query {
            label: query["Label"].as_str().map_or_else(|| id.clone(), str::to_owned),
            returned: as_bool(&query["ReturnData"]).unwrap_or(true),
            id,
            what,
        });
    }
    Ok(queries)
}

/// The shortest period in a set: the grid that math works on.
pub(super) fn grid(queries: &[Query]) -> Millis {
    let periods = queries.iter().filter_map(|query| match &query.what {
        What::Stat { period, .. } => Some(*period),
        What::Math { period, .. } => *period,
        What::Quota { .. } => None,
    });
    periods.min().unwrap_or(60_000)
}

impl CloudWatch {
    pub(super) fn points(&self, key: &MetricKey, statistic: &str, period: Millis, span: Span) -> Points {
        let mut points = Points::new();
        let mut at = span.start / period * period;
        while at < span.end {
            if let Some((value, _)) = self.read(key, at, period, statistic, span.now, span.delay) {
                points.insert(at, value);
            }
            at += period;
        }
        points
    }

    /// Every query's points, expressions included; an expression that names an unknown id is an error.
    pub(super) fn run(&self, queries: &[Query], span: Span) -> Result<BTreeMap<String, Points>, AwsError> {
        let step = grid(queries);
        let first = span.start / step * step;
        let ticks: Vec<Millis> = (0..).map(|n| first + n * step).take_while(|at| *at < span.end).collect();
        let mut done: BTreeMap<String, Points> = BTreeMap::new();
        for query in queries {
            if let What::Stat { key, statistic, period } = &query.what {
                done.insert(query.id.clone(), self.points(key, statistic, *period, span));
            }
        }
        for query in queries {
            let What::Quota { of } = &query.what else { continue };
            let usage = queries.iter().find(|query| query.id == *of);
            let counted = usage.is_some_and(|usage| match &usage.what {
                What::Stat { key, .. } => key.namespace == "AWS/Usage",
                What::Math { .. } | What::Quota { .. } => false,
            });
            let points = done.get(of).filter(|_| counted);
            let points =
                points.ok_or_else(|| invalid(format!("Error in expression '{}': no usage metric", query.id)))?;
            done.insert(query.id.clone(), points.keys().map(|at| (*at, span.quota)).collect());
        }
        // Expressions may name one another in any order.
        let mut waiting: Vec<(&Query, &Expression)> = queries
            .iter()
            .filter_map(|query| match &query.what {
                What::Math { expression, .. } => Some((query, expression)),
                What::Stat { .. } | What::Quota { .. } => None,
            })
            .collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for (query, expression) in waiting {
                if expression.names().iter().all(|name| done.contains_key(*name)) {
                    let points = expression.run(&done, &ticks, step);
                    let points =
                        points.map_err(|error| invalid(format!("Error in expression '{}': {error}", query.id)))?;
                    done.insert(query.id.clone(), points);
                } else {
                    still.push((query, expression));
                }
            }
            waiting = still;
            if waiting.len() == before {
                return Err(invalid(format!("Error in expression '{}': undefined variable", waiting[0].0.id)));
            }
        }
        Ok(done)
    }
}

impl World {
    pub(super) fn get_metric_data(&self, call: &Call<'_>, input: In<'_>) -> Answer {
        let list = input.full_list("MetricDataQueries")?;
        if list.len() > 500 {
            return Err(invalid("MetricDataQueries can have at most 500 elements."));
        }
        let queries = parse(list)?;
        let start = time::read(input.need("StartTime")?).ok_or_else(|| input.invalid("StartTime"))?;
        let end = time::read(input.need("EndTime")?).ok_or_else(|| input.invalid("EndTime"))?;
        if start >= end {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let (delay, quota) = (self.core.settings.datapoint_delay(), self.ecs.vcpus.into());
        let span = Span { start, end, now: call.now, delay, quota };
        let points = self.cloudwatch.run(&queries, span)?;
        let newest_first = input.opt_str("ScanBy") != Some("TimestampAscending");
        let results: Vec<Value> = queries
            .iter()
            .filter(|query| query.returned)
            .map(|query| {
                let mut pairs: Vec<(Millis, f64)> = points[&query.id].iter().map(|(at, value)| (*at, *value)).collect();
                if newest_first {
                    pairs.reverse();
                }
                json!({
                    "Id": query.id, "Label": query.label, "StatusCode": "Complete",
                    "Timestamps": pairs.iter().map(|(at, _)| time::stamp(*at)).collect::<Vec<_>>(),
                    "Values": pairs.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
                })
            })
            .collect();
        Ok(json!({ "MetricDataResults": results, "Messages": [] }))
    }
}
