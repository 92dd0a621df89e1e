//! The time of day, and deadlines that a stepping clock cannot lengthen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shared::ids::ServiceName;
use shared::ports::{Clock, EffectError};
use shared::time::Time;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in")]
    fn now(&self) -> Time {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The monotonic clock, for what must not follow a clock that is set.
#[expect(clippy::disallowed_methods, reason = "deadlines are kept here, at the edge")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// When each service was last looked at, on both clocks. A decision's deadline is a time of day; with the look's pair it
/// is also a point on the monotonic clock, so that a clock set back in between cannot let a write slip past it.
#[derive(Debug, Default)]
pub(crate) struct Anchors(Mutex<BTreeMap<ServiceName, (Time, Instant)>>);

impl Anchors {
    /// A look of this service began at `at`, a moment ago.
    pub(crate) fn look(&self, service: &ServiceName, at: Time) {
        let ago = Duration::from_millis(SystemClock.now().since(at).0);
        let now = monotonic();
        let instant = now.checked_sub(ago).unwrap_or(now);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(service.clone(), (at, instant));
    }

    /// The budget of an effect of this service with this deadline.
    pub(crate) fn budget(&self, service: &ServiceName, deadline: Option<Time>) -> Budget {
        let Some(wall) = deadline else { return Budget::Back };
        let anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(service).copied();
        let mono = anchor.map(|(at, instant)| instant + Duration::from_millis(wall.since(at).0));
        Budget::Forward { wall, mono }
    }
}

/// How a write may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// Once, and never after the deadline on either clock.
    Forward {
        /// The deadline as a time of day.
        wall: Time,
        /// The same on the monotonic clock, where the look is known.
        mono: Option<Instant>,
    },
    /// Retried within the call.
    Back,
}

/// One attempt of a write that brings traffic back.
const BACK_ATTEMPT: Duration = Duration::from_secs(2);

/// Between those attempts: a throttled bucket refills within a second, and the flip must not wait longer than that.
const BACK_PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1)];

impl Budget {
    /// How long the next request may take.
    ///
    /// # Errors
    /// [`EffectError::TooLate`] when the deadline has passed on either clock.
    pub(crate) fn left(&self) -> Result<Duration, EffectError> {
        match self {
            Budget::Back => Ok(BACK_ATTEMPT),
            Budget::Forward { wall, mono } => {
                let by_wall = Duration::from_millis(wall.since(SystemClock.now()).0);
                let left = mono.map_or(by_wall, |mono| by_wall.min(mono.saturating_duration_since(monotonic())));
                if left.is_zero() { Err(EffectError::TooLate) } else { Ok(left) }
            }
        }
    }

    /// Runs a write: once before its deadline, or, on the way back, up to four times while trying again may help.
    ///
    /// # Errors
    /// The last attempt's.
    pub(crate) async fn run(&self, write: impl AsyncFn() -> Result<(), EffectError>) -> Result<(), EffectError> {
        let pauses: &[Duration] = match self {
            Budget::Back => &BACK_PAUSES,
            Budget::Forward { .. } => &[],
        };
        for pause in pauses {
            match write().await {
                Err(EffectError::Transient(reason)) => {
                    tracing::warn!(reason, "a write back failed and is tried again");
                    tokio::time::sleep(*pause).await;
                }
                done => return done,
            }
        }
        write().await
    }

    /// Bounds a read that a write depends on: a slow read must not eat the write's deadline unseen.
    ///
    /// # Errors
    /// [`EffectError::TooLate`] when the time is over, else the read's error.
    pub(crate) async fn read<T, E: Into<EffectError>>(
        &self,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<T, EffectError> {
        match (self, tokio::time::timeout(self.left()?, read).await) {
            (_, Ok(answer)) => answer.map_err(Into::into),
            (Budget::Forward { .. }, Err(_)) => Err(EffectError::TooLate),
            (Budget::Back, Err(_)) => Err(EffectError::Transient("the read before the write took too long".to_owned())),
        }
    }
}

/// A config override for one write: retries off, and no longer than `$left`.
macro_rules! once {
    ($sdk:ident, $left:expr) => {
        $sdk::config::Builder::new().retry_config(aws_smithy_types::retry::RetryConfig::disabled()).timeout_config(
            aws_smithy_types::timeout::TimeoutConfig::builder()
                .operation_timeout($left)
                .operation_attempt_timeout($left)
                .build(),
        )
    };
}
pub(crate) use once;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::Span;
    use std::cell::Cell;

    #[test]
    fn a_forward_write_has_no_time_left_past_its_deadline_on_either_clock() {
        let now = SystemClock.now();
        let passed = Budget::Forward { wall: now.minus(Span(1)), mono: None };
        assert_eq!(passed.left(), Err(EffectError::TooLate));
        let set_back = Budget::Forward { wall: now.plus(Span::mins(60)), mono: Some(monotonic()) };
        assert_eq!(set_back.left(), Err(EffectError::TooLate));
    }

    #[test]
    fn the_monotonic_deadline_is_counted_from_the_look() {
        let anchors = Anchors::default();
        let (service, at) = (ServiceName::from("shop"), SystemClock.now().minus(Span::secs(8)));
        anchors.look(&service, at);
        let left = anchors.budget(&service, Some(at.plus(Span::secs(10)))).left().unwrap();
        assert!(left > Duration::from_millis(500) && left <= Duration::from_secs(2), "{left:?}");
    }

    #[tokio::test]
    async fn a_write_back_is_tried_four_times_and_a_forward_one_once() {
        let tries = Cell::new(0);
        let failing = async || {
            tries.set(tries.get() + 1);
            Err(EffectError::Transient("throttled".to_owned()))
        };
        assert!(Budget::Back.run(failing).await.is_err());
        assert_eq!(tries.replace(0), 4);
        let forward = Budget::Forward { wall: SystemClock.now().plus(Span::mins(1)), mono: None };
        assert!(forward.run(failing).await.is_err());
        assert_eq!(tries.get(), 1);
    }

    #[tokio::test]
    async fn a_write_back_that_cannot_succeed_is_not_repeated() {
        let tries = Cell::new(0);
        let refused = async || {
            tries.set(tries.get() + 1);
            Err(EffectError::Permanent("denied".to_owned()))
        };
        assert!(Budget::Back.run(refused).await.is_err());
        assert_eq!(tries.get(), 1);
    }
}
