//! The account's quota of Fargate vCPUs on demand, and what is used of it: CloudWatch counts the use, and its metric math knows the
//! quota: no other API is called (docs/assumptions.md, 79).

use aws_sdk_cloudwatch::types::MetricDataQuery;
use shared::observation::Reading;
use shared::scaling::{Quota, VCPU};
use shared::time::{Span, Time};

use tracing::warn;

use crate::errors::Kind;
use crate::metrics;
use crate::pace::Bucket;
use crate::world::World;

/// The metric of the quota L-3032A538 (ECS developer guide, Fargate usage metrics).
const METRIC: (&str, &str) = ("AWS/Usage", "ResourceCount");
const DIMENSIONS: [(&str, &str); 4] =
    [("Class", "Standard/OnDemand"), ("Resource", "vCPU"), ("Service", "Fargate"), ("Type", "Resource")];

/// AWS counts it every minute (CloudWatch user guide, usage metrics).
const EVERY: Span = Span::mins(1);

/// Reads both, and counts the calls.
pub(super) async fn read(world: &World, at: Time, calls: &mut usize) -> Reading<Option<Quota>> {
    let usage = metrics::query("usage", METRIC, &DIMENSIONS, "Maximum", EVERY);
    let quota = MetricDataQuery::builder().id("quota").expression("SERVICE_QUOTA(usage)").return_data(true).build();
    // The newest value in it is taken.
    let window = (at.minus(Span::mins(15)).floor(EVERY), at);
    let mut made = 0;
    let ask = async || {
        let read = metrics::read(&world.clients.cloudwatch, vec![usage.clone(), quota.clone()], window).await;
        read.map_err(|(failure, pages)| {
            made += pages;
            failure
        })
    };
    // It counts its pages itself.
    let answers = world.pace.call(Bucket::Others, &mut 0, ask).await;
    *calls += made;
    match answers {
        Ok(answers) => {
            *calls += answers.calls;
            match (newest(&answers, "usage"), newest(&answers, "quota")) {
                (Ok(used), Ok(limit)) => Reading::Known(used.zip(limit).map(|(used, limit)| Quota { limit, used })),
                (Err(why), _) | (_, Err(why)) => Reading::Unknown(why),
            }
        }
        // What AWS does not know it does not have: nobody can give it.
        Err(failure) if failure.kind == Kind::Invalid => {
            warn!(%failure, "the account's quota of Fargate cannot be known");
            Reading::Known(None)
        }
        Err(failure) => Reading::Unknown(failure.to_string()),
    }
}

/// The newest value in CPU units; none: CloudWatch has none, as where nothing runs on Fargate.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn newest(answers: &metrics::Answers, id: &str) -> Result<Option<u64>, String> {
    let units = |(_, value): &(Time, f64)| (value * VCPU as f64).round().max(0.0) as u64;
    Ok(answers.of(id)?.last().map(units))
}
