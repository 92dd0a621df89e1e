//! Scheduled actions, for a round of the scaling check: all of the account's at once, since few services have any.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use shared::observation::Reading;
use shared::ports::Clock;
use shared::scaling::Scheduled;

use crate::clock::SystemClock;
use crate::count::count;
use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::policies::LISTING;
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
    let until = SystemClock.now().plus(LISTING);
    loop {
        if SystemClock.now() >= until {
            let text = format!("the account's scheduled actions could not be listed within {LISTING}");
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
        let of_count = |action: &&aws_sdk_applicationautoscaling::types::ScheduledAction| {
            action.scalable_dimension().is_none_or(|what| *what == ScalableDimension::EcsServiceDesiredCount)
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
