//! Health checks that call a target healthy late: all of the account's target groups at once, four hundred in a page.

use std::collections::BTreeMap;

use shared::ids::TargetGroupArn;
use shared::observation::Reading;
use shared::scaling::HealthCheck;

use crate::count::count;
use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::world::World;

const CALL: &str = "elasticloadbalancing:DescribeTargetGroups";
/// The most of one page (Elastic Load Balancing API reference).
const PAGE: i32 = 400;

/// Target groups whose health checks are late.
pub(crate) type Late = BTreeMap<TargetGroupArn, HealthCheck>;

/// Reads them, and counts the calls.
pub(super) async fn read(world: &World, calls: &mut usize) -> Reading<Late> {
    match list(world, calls).await {
        Ok(found) => Reading::Known(found),
        Err(failure) => Reading::Unknown(failure.to_string()),
    }
}

async fn list(world: &World, calls: &mut usize) -> Result<Late, Failure> {
    let (mut found, mut next) = (Late::new(), None);
    loop {
        if world.pace.late() {
            let text = "the account's target groups could not be listed in time";
            return Err(Failure::unreadable(CALL, text));
        }
        let request = world.clients.elb.describe_target_groups().page_size(PAGE).set_marker(next);
        let ask = async || request.clone().send().await.during(CALL);
        let answer = world.pace.call(Bucket::Balancers, calls, ask).await?;
        for group in answer.target_groups() {
            let (Some(arn), Some(interval), Some(threshold)) =
                (group.target_group_arn(), group.health_check_interval_seconds(), group.healthy_threshold_count())
            else {
                continue;
            };
            let check = HealthCheck { interval: count(interval), threshold: count(threshold) };
            if check.late() && group.health_check_enabled() != Some(false) {
                found.insert(arn.into(), check);
            }
        }
        next = answer.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}
