//! How fast the cloud answers functions: at once, or as AWS would.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How the calls of functions are answered. What people and the cloud itself call is neither late nor refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answering {
    /// Each answer comes this much later.
    pub latency: Duration,
    /// Calls are refused beyond the rates that AWS gives an account in a region, where it documents them.
    pub rates: bool,
}

/// A token bucket: which calls share it, what it holds, and what it gets in a second.
type Bucket = (&'static str, fn(&str) -> bool, u32, u32);

/// What AWS documents: the ECS developer guide and the user guide of Elastic Load Balancing on API throttling, and the quotas of
/// CloudWatch, which name no burst. Application Auto Scaling documents none.
const BUCKETS: [Bucket; 10] = [
    ("ecs", |call| matches!(call, "DescribeServices" | "ListServices"), 100, 20),
    ("ecs", |call| matches!(call, "DescribeTasks" | "ListTasks"), 100, 20),
    ("ecs", |call| matches!(call, "DescribeTaskDefinition" | "ListTaskDefinitions"), 50, 20),
    ("ecs", |call| matches!(call, "DescribeServiceDeployments" | "ListServiceDeployments"), 50, 20),
    ("ecs", |call| call == "DescribeServiceRevisions", 50, 20),
    ("ecs", |call| matches!(call, "RegisterTaskDefinition" | "DeregisterTaskDefinition"), 20, 1),
    ("ecs", |call| matches!(call, "CreateService" | "UpdateService" | "DeleteService"), 50, 5),
    ("elb", |call| call.starts_with("Describe"), 40, 10),
    ("cloudwatch", |call| call == "DescribeAlarms", 9, 9),
    ("cloudwatch", |call| call == "GetMetricData", 500, 500),
];

/// The buckets in use.
#[derive(Debug)]
pub(crate) struct Limits {
    latency: Duration,
    buckets: Option<Vec<DefaultDirectRateLimiter>>,
}

impl Limits {
    pub(crate) fn new(answering: Answering) -> Limits {
        let number = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let full = |(_, _, holds, gets): &Bucket| {
            RateLimiter::direct(Quota::per_second(number(*gets)).allow_burst(number(*holds)))
        };
        Limits { latency: answering.latency, buckets: answering.rates.then(|| BUCKETS.iter().map(full).collect()) }
    }

    /// Takes the time that a call takes; whether its bucket had a token for it.
    pub(crate) async fn admit(&self, service: &str, operation: &str) -> bool {
        let has = |place: usize| self.buckets.as_ref().is_none_or(|all| all[place].check().is_ok());
        let place = BUCKETS.iter().position(|(of, counts, ..)| *of == service && counts(operation));
        let admitted = place.is_none_or(has);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn admitted(limits: &Limits, service: &str, operation: &str, calls: usize) -> usize {
        let mut admitted = 0;
        for _ in 0..calls {
            admitted += usize::from(limits.admit(service, operation).await);
        }
        admitted
    }

    #[tokio::test]
    async fn a_bucket_holds_what_aws_gives_and_its_calls_share_it() {
        let limits = Limits::new(Answering { rates: true, ..Answering::default() });
        assert_eq!(admitted(&limits, "elb", "DescribeRules", 30).await, 30);
        assert!((10..=11).contains(&admitted(&limits, "elb", "DescribeListeners", 30).await), "40 together");
        assert_eq!(admitted(&limits, "elb", "ModifyRule", 50).await, 50, "no documented rate");
        let never = Limits::new(Answering::default());
        assert_eq!(admitted(&never, "ecs", "DescribeServices", 500).await, 500);
    }
}
