//! Target health, counted.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use shared::ids::TargetGroupArn;
use shared::observation::{Reading, TargetCounts};
use tokio::task::JoinSet;

use crate::errors::{During, Failure};

/// Reads every target group, all at once.
pub(crate) async fn read(
    client: &Client,
    groups: BTreeSet<TargetGroupArn>,
) -> BTreeMap<TargetGroupArn, Reading<TargetCounts>> {
    let mut readings: BTreeMap<_, _> = groups.iter().map(|group| (group.clone(), Reading::not_asked())).collect();
    let mut calls = JoinSet::new();
    for group in groups {
        let client = client.clone();
        calls.spawn(async move { (group.clone(), describe(&client, &group).await) });
    }
    while let Some(done) = calls.join_next().await {
        if let Ok((group, result)) = done {
            readings.insert(group, result.map_or_else(|failure| Reading::Unknown(failure.to_string()), Reading::Known));
        }
    }
    readings
}

async fn describe(client: &Client, group: &TargetGroupArn) -> Result<TargetCounts, Failure> {
    let request = client.describe_target_health().target_group_arn(group.as_str());
    let answer = request.send().await.during("elasticloadbalancing:DescribeTargetHealth")?;
    Ok(counts(answer.target_health_descriptions()))
}

fn counts(targets: &[TargetHealthDescription]) -> TargetCounts {
    let mut counts = TargetCounts::default();
    for target in targets {
        let state = target.target_health().and_then(|health| health.state());
        *match state {
            Some(TargetHealthStateEnum::Healthy) => &mut counts.healthy,
            Some(TargetHealthStateEnum::Unhealthy) => &mut counts.unhealthy,
            Some(TargetHealthStateEnum::Initial) => &mut counts.initial,
            Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => &mut counts.draining,
            Some(_) | None => &mut counts.other,
        } += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::TargetHealth;

    #[test]
    fn a_draining_target_counts_for_nothing_healthy() {
        let target = |state: &str| {
            let health = TargetHealth::builder().state(TargetHealthStateEnum::from(state)).build();
            TargetHealthDescription::builder().target_health(health).build()
        };
        let states =
            ["healthy", "healthy", "unhealthy", "initial", "draining", "unhealthy.draining", "unused", "brand-new"];
        let expected = TargetCounts { healthy: 2, unhealthy: 1, initial: 1, draining: 2, other: 2 };
        assert_eq!(counts(&states.map(target)), expected);
    }
}
