//! What a service uses, and how its targets are, as CloudWatch tells of the last quarter of an hour.

use serde::{Deserialize, Serialize};

use crate::observation::Reading;
use crate::rollout::Margins;
use crate::time::{Span, Time};

/// One value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// The period's start.
    pub at: Time,
    /// Whole percents, or hosts.
    pub value: u32,
}

/// The values of the window, oldest first. A period without a value is left out.
pub type Series = Reading<Vec<Point>>;

/// What was read of one ECS service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The average of its tasks' CPU, in percent of what they reserve.
    pub cpu: Series,
    /// The average of their memory, in percent of their limit.
    pub memory: Series,
    /// The memory of the task that uses most, in percent of its limit.
    pub memory_high: Series,
    /// Targets that fail their health checks, of all its target groups; none: it has no target group behind a load balancer.
    pub unhealthy: Option<Series>,
}

impl Load {
    /// Nothing could be read of it.
    #[must_use]
    pub fn unknown(why: &str) -> Load {
        let unknown = || Reading::Unknown(why.to_owned());
        Load { cpu: unknown(), memory: unknown(), memory_high: unknown(), unhealthy: Some(unknown()) }
    }

    /// Why something of it is not known.
    #[must_use]
    pub fn unread(&self) -> Option<&String> {
        let all = [Some(&self.cpu), Some(&self.memory), Some(&self.memory_high), self.unhealthy.as_ref()];
        all.into_iter().flatten().find_map(|series| match series {
            Reading::Unknown(why) => Some(why),
            Reading::Known(_) => None,
        })
    }
}

/// So many periods are read.
pub const PERIODS: u64 = 15;

/// The window that is read of every service alike: the newest periods that CloudWatch is believed to have complete, from its start
/// to its end.
#[must_use]
pub fn window(now: Time, margins: &Margins) -> (Time, Time) {
    let end = now.minus(margins.metric_delay).floor(margins.metric_period);
    (end.minus(Span(margins.metric_period.0 * PERIODS)), end)
}
