//! Scheduled actions, for a round of the scaling check: all of the account's at once, since few services have any.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScheduledAction, ServiceNamespace};
use shared::observation::Reading;
use shared::ports::Clock;
use shared::scaling::Scheduled;
use shared::time::Time;

use crate::clock::SystemClock;
use crate::count::{count, time};
use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::world::World;

const CALL: &str = "application-autoscaling:DescribeScheduledActions";

/// Scheduled actions by resource (`service/CLUSTER/SERVICE`): one that is not there has none.
pub(crate) type Schedules = BTreeMap<String, Vec<Scheduled>>;

/// Reads them, and counts the calls.
pub(crate) async fn read(world: &World, calls: &mut usize) -> Reading<Schedules> {
    match list(world, calls).await {
        Ok(found) => Reading::Known(found),
        Err(failure) => Reading::Unknown(failure.to_string()),
    }
}

async fn list(world: &World, calls: &mut usize) -> Result<Schedules, Failure> {
    let mut found = Schedules::new();
    let mut next = None;
    let now = SystemClock.now();
    loop {
        if world.pace.late() {
            let text = "the account's scheduled actions could not be listed in time";
            return Err(Failure::unreadable(CALL, text));
        }
        let request = world
            .clients
            .scaling
            .describe_scheduled_actions()
            .service_namespace(ServiceNamespace::Ecs)
            .set_next_token(next);
        let ask = async || request.clone().send().await.during(CALL);
        let answer = world.pace.call(Bucket::Others, calls, ask).await?;
        let of_count = |action: &&ScheduledAction| {
            let what = action.scalable_dimension();
            what.is_none_or(|what| *what == ScalableDimension::EcsServiceDesiredCount) && in_force(action, now)
        };
        for action in answer.scheduled_actions().iter().filter(of_count) {
            let sets = action.scalable_target_action();
            let bound = |bound: Option<i32>| bound.map(count);
            found.entry(action.resource_id().to_owned()).or_default().push(Scheduled {
                min: bound(sets.and_then(|sets| sets.min_capacity())),
                max: bound(sets.and_then(|sets| sets.max_capacity())),
            });
        }
        next = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// A recurring action acts between its start and its end, where it has any.
fn in_force(action: &ScheduledAction, now: Time) -> bool {
    action.start_time().and_then(time).is_none_or(|start| start <= now)
        && action.end_time().and_then(time).is_none_or(|end| end >= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_applicationautoscaling::primitives::DateTime;

    #[test]
    fn an_action_that_has_ended_or_not_begun_explains_nothing() {
        let now = Time(1_800_000_000_000);
        let acts = |start: Option<i64>, end: Option<i64>| {
            let at = |seconds: i64| DateTime::from_secs(1_800_000_000 + seconds);
            let action = ScheduledAction::builder()
                .scheduled_action_name("night")
                .scheduled_action_arn("arn")
                .service_namespace(ServiceNamespace::Ecs)
                .schedule("cron(0 22 * * ? *)")
                .resource_id("service/production/shop")
                .creation_time(at(-10_000))
                .set_start_time(start.map(at))
                .set_end_time(end.map(at));
            in_force(&action.build().unwrap(), now)
        };
        assert!(acts(None, None) && acts(Some(0), None) && acts(None, Some(0)) && acts(Some(-5), Some(5)));
        assert!(!acts(Some(1), None) && !acts(None, Some(-1)));
    }
}
