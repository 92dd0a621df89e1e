//! The scaling check's share of the rates that AWS gives an account: ECS itself, its deployments' rollbacks and people live on the
//! same token buckets.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::{Instant, sleep};

use crate::errors::{Failure, Kind};

/// Of each bucket the check takes this much in percent, whatever the number of services.
const SHARE: u32 = 30;

/// So many invocations work on parts of a round at once: `MaximumConcurrency` of the queue of parts in template.yaml.
const TOGETHER: u32 = 2;

/// Calls that AWS throttles are made again within this time of a round, later each time: a round that takes longer is better than
/// one with holes. After that each is made once: the function's timeout is three minutes, and what could not be read is to be told.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the first of those.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What the check calls, by the bucket it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bucket {
    /// ecs:DescribeServices, with ListServices: 100, and 20 a second (ECS developer guide, API throttling).
    Services,
    /// ecs:DescribeTasks, with ListTasks: 100, and 20 a second (ECS developer guide, API throttling).
    Tasks,
    /// ecs:DescribeTaskDefinition, with ListTaskDefinitions: 50, and 20 a second (ECS developer guide, API throttling).
    Definitions,
    /// cloudwatch:DescribeAlarms: 9 a second (CloudWatch quotas); no word of a burst.
    Alarms,
    /// The describes of Elastic Load Balancing: 40, and 10 a second (its user guide, API throttling).
    Balancers,
    /// Application Auto Scaling, which documents no rate, DescribeSubnets, of which a round has a few, and GetMetricData, of which 500 a second are more than a round has: one
    /// at a time, and later where AWS says so.
    Others,
}

/// The check's share of the buckets.
#[derive(Debug)]
pub(crate) struct Pace {
    services: DefaultDirectRateLimiter,
    definitions: DefaultDirectRateLimiter,
    tasks: DefaultDirectRateLimiter,
    alarms: DefaultDirectRateLimiter,
    balancers: DefaultDirectRateLimiter,
    /// The pause before a throttled call is made again the first time.
    pause: Duration,
    /// Until then.
    patient: Mutex<Instant>,
    /// What is listed must be over by then.
    listing: Mutex<Instant>,
}

impl Default for Pace {
    /// One of the invocations that share it.
    fn default() -> Pace {
        Pace::among(TOGETHER)
    }
}

impl Pace {
    /// The share of one among so many.
    pub(crate) fn among(many: u32) -> Pace {
        Pace {
            services: limiter(100, 20, many),
            definitions: limiter(50, 20, many),
            tasks: limiter(100, 20, many),
            alarms: limiter(9, 9, many),
            balancers: limiter(40, 10, many),
            pause: FIRST_PAUSE,
            patient: Mutex::new(Instant::now()),
            listing: Mutex::new(Instant::now()),
        }
    }

    /// A round begins: its throttled calls are made again for a minute in all, and what can wait is asked for within this time.
    pub(crate) fn begin(&self, listing: Duration) {
        self.patient_for(PATIENCE);
        *self.listing.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + listing;
    }

    /// The round has taken so long that nothing more is asked but what it cannot do without.
    pub(crate) fn late(&self) -> bool {
        Instant::now() >= *self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patient_for(&self, time: Duration) {
        *self.patient.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }

    fn limiter(&self, bucket: Bucket) -> Option<&DefaultDirectRateLimiter> {
        match bucket {
            Bucket::Services => Some(&self.services),
            Bucket::Definitions => Some(&self.definitions),
            Bucket::Tasks => Some(&self.tasks),
            Bucket::Alarms => Some(&self.alarms),
            Bucket::Balancers => Some(&self.balancers),
            Bucket::Others => None,
        }
    }

    fn patient_until(&self) -> Instant {
        *self.patient.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is the check's turn.
    pub(crate) async fn turn(&self, bucket: Bucket) {
        let Some(limiter) = self.limiter(bucket) else { return };
        while let Err(not_yet) = limiter.check() {
            sleep(not_yet.wait_time_from(DefaultClock::default().now())).await;
        }
    }

    /// Calls once it is the check's turn, and again where AWS throttles it all the same. The answer, and how many calls that took.
    ///
    /// # Errors
    /// The last call's own.
    pub(crate) async fn call<T>(
        &self,
        bucket: Bucket,
        calls: &mut usize,
        mut ask: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = self.pause;
        loop {
            self.turn(bucket).await;
            *calls += 1;
            match ask().await {
                Err(failure) if failure.kind == Kind::Throttled && Instant::now() + pause < self.patient_until() => {
                    sleep(pause).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }
}

/// This share of a bucket that holds `burst` and gets `per_second`, among so many.
fn limiter(burst: u32, per_second: u32, many: u32) -> DefaultDirectRateLimiter {
    let parts = 100 * many.max(1);
    let every = Duration::from_secs(1) * parts / (per_second * SHARE).max(1);
    let most = NonZeroU32::new(burst * SHARE / parts).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled() -> Failure {
        let (call, code) = ("ecs:DescribeServices".to_owned(), Some("ThrottlingException".to_owned()));
        Failure { kind: Kind::Throttled, call, code, message: "Rate exceeded".to_owned() }
    }

    #[tokio::test]
    async fn a_throttled_call_is_made_again_later_each_time_but_not_for_ever() {
        let millis = Duration::from_millis;
        let pace = Pace { pause: millis(10), ..Pace::default() };
        pace.patient_for(millis(200));
        let (began, mut calls, mut left) = (Instant::now(), 0, 3);
        let answer = pace.call(Bucket::Others, &mut calls, async || {
            left -= 1;
            if left == 0 { Ok(()) } else { Err(throttled()) }
        });
        assert_eq!(answer.await, Ok(()));
        assert!(began.elapsed() >= millis(10 + 20), "{:?}", began.elapsed());
        assert_eq!(calls, 3);
        let never: Result<(), Failure> = pace.call(Bucket::Others, &mut calls, async || Err(throttled())).await;
        assert_eq!(never, Err(throttled()));
        // 10, 20, 40 and 80 ms are 150: another 160 would be too long.
        assert!((5..=8).contains(&calls), "{calls}");
        let before = calls;
        let again: Result<(), Failure> = pace.call(Bucket::Others, &mut calls, async || Err(throttled())).await;
        assert!(again.is_err() && calls <= before + 4, "the round's patience is spent, not each call's: {calls}");
    }

    #[tokio::test]
    async fn another_failure_is_an_answer() {
        let (pace, mut calls) = (Pace::default(), 0);
        let denied = Failure { kind: Kind::Denied, ..throttled() };
        let answer: Result<(), Failure> = pace.call(Bucket::Others, &mut calls, async || Err(denied.clone())).await;
        assert_eq!((answer, calls), (Err(denied), 1));
    }

    #[test]
    fn both_halves_together_are_the_share_and_no_more() {
        let burst = |limiter: &DefaultDirectRateLimiter| (0..1_000).take_while(|_| limiter.check().is_ok()).count();
        let half = Pace::default();
        assert_eq!([burst(&half.services), burst(&half.alarms), burst(&half.balancers)], [15, 1, 6]);
        let alone = Pace::among(1);
        assert_eq!([burst(&alone.services), burst(&alone.alarms), burst(&alone.balancers)], [30, 2, 12]);
    }

    #[test]
    fn the_bucket_fills_at_the_shares_rate() {
        let limiter = Pace::default().services;
        while limiter.check().is_ok() {}
        let wait = |n: u32| {
            let answer = limiter.check_n(NonZeroU32::new(n).unwrap()).unwrap();
            answer.err().map(|not_yet| not_yet.wait_time_from(DefaultClock::default().now()).as_millis())
        };
        // Three a second: 15 % of 20.
        assert!(wait(3).is_some_and(|millis| (600..=1_000).contains(&millis)), "{:?}", wait(3));
    }
}
