//! How many requests each colour got, over whole metric periods that CloudWatch is believed to have complete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_cloudwatch::types::MetricDataQuery;
use shared::ids::{Colour, TargetGroupArn};
use shared::observation::{Reading, RequestCount};
use shared::rollout::Margins;
use shared::time::{Span, Time};

use crate::clients::Clients;
use crate::errors::{During, Failure};
use crate::metrics::{self, group_dimension, suffix};

/// The load balancer of each target group: a target group belongs to one for as long as it is used.
#[derive(Debug, Default)]
pub(crate) struct Balancers(Mutex<BTreeMap<TargetGroupArn, String>>);

impl Balancers {
    /// What is known already of these groups.
    pub(crate) fn known(&self, groups: &BTreeSet<TargetGroupArn>) -> BTreeMap<TargetGroupArn, String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.retain(|group, _| groups.contains(group));
        known
    }

    /// The ARN suffix of each group's load balancer; groups that no load balancer uses are left out.
    pub(crate) async fn of(
        &self,
        client: &aws_sdk_elasticloadbalancingv2::Client,
        groups: &BTreeSet<TargetGroupArn>,
    ) -> Result<BTreeMap<TargetGroupArn, String>, Failure> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let missing: Vec<String> =
            groups.iter().filter(|group| !known.contains_key(group)).map(|group| group.0.clone()).collect();
        if !missing.is_empty() {
            let request = client.describe_target_groups().set_target_group_arns(Some(missing));
            let answer = request.send().await.during("elasticloadbalancing:DescribeTargetGroups")?;
            for group in answer.target_groups() {
                if let (Some(arn), [balancer, ..]) = (group.target_group_arn(), group.load_balancer_arns()) {
                    known.insert(arn.into(), suffix(balancer, "loadbalancer/").to_owned());
                }
            }
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known.clone();
        }
        known.retain(|group, _| groups.contains(group));
        Ok(known)
    }
}

/// The end of the last period that is complete at `at`, never before `since`.
fn complete_until(since: Time, at: Time, margins: &Margins) -> Time {
    at.minus(margins.metric_delay).floor(margins.metric_period).max(since)
}

/// Counts the requests to the target groups of each colour since `since`, in one call.
pub(crate) async fn read(
    clients: &Clients,
    balancers: &Balancers,
    groups: &BTreeMap<Colour, BTreeSet<TargetGroupArn>>,
    since: Time,
    at: Time,
    margins: &Margins,
) -> BTreeMap<Colour, Reading<RequestCount>> {
    let until = complete_until(since, at, margins);
    let sums = if until <= since {
        Ok(BTreeMap::new())
    } else {
        sum(clients, balancers, groups, since, until, margins.metric_period).await
    };
    let reading_of = |colour| match &sums {
        Ok(sums) => {
            let count = sums.get(colour).copied().unwrap_or(0);
            Reading::Known(RequestCount { count, complete_until: until })
        }
        Err(failure) => Reading::Unknown(failure.to_string()),
    };
    groups.keys().map(|colour| (*colour, reading_of(colour))).collect()
}

async fn sum(
    clients: &Clients,
    balancers: &Balancers,
    groups: &BTreeMap<Colour, BTreeSet<TargetGroupArn>>,
    since: Time,
    until: Time,
    period: Span,
) -> Result<BTreeMap<Colour, u64>, Failure> {
    let all: BTreeSet<TargetGroupArn> = groups.values().flatten().cloned().collect();
    let balancers = balancers.of(&clients.elb, &all).await?;
    let mut queries = Vec::new();
    let mut colours: BTreeMap<String, Colour> = BTreeMap::new();
    for (colour, groups) in groups {
        // A group that no load balancer uses gets no request.
        for (group, balancer) in groups.iter().filter_map(|group| balancers.get_key_value(group)) {
            let id = format!("m{}", queries.len());
            queries.push(query(&id, group, balancer, period));
            colours.insert(id, *colour);
        }
    }
    let mut sums: BTreeMap<Colour, u64> = BTreeMap::new();
    if queries.is_empty() {
        return Ok(sums);
    }
    let answers = metrics::read(&clients.cloudwatch, queries, (since, until)).await.map_err(|(failure, _)| failure)?;
    for (id, colour) in &colours {
        let points = answers.of(id).map_err(|why| Failure::unreadable(metrics::CALL, why))?;
        *sums.entry(*colour).or_default() += total(points);
    }
    Ok(sums)
}

/// Counts are whole; ALB sends none at all for a period without requests.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn total(points: &[(Time, f64)]) -> u64 {
    points.iter().map(|(_, value)| value).sum::<f64>().max(0.0).round() as u64
}

fn query(id: &str, group: &TargetGroupArn, balancer: &str, period: Span) -> MetricDataQuery {
    let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group_dimension(group))];
    metrics::query(id, ("AWS/ApplicationELB", "RequestCount"), &dimensions, "Sum", period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_that_cloudwatch_may_not_have_yet_is_not_counted() {
        let margins = Margins::default();
        let minute = |n: u64| Time(n * 60_000);
        assert_eq!(complete_until(minute(10), Time(minute(14).0 + 5_000), &margins), minute(12));
        assert_eq!(complete_until(minute(10), minute(11), &margins), minute(10));
    }
}
