//! The one place where the local cloud reads a clock.

use model::Millis;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall time that never runs backwards: read once at the start, then carried on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    base: Millis,
    started: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the local cloud's one clock")]
    pub(crate) fn start() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { base: since.as_millis() as Millis, started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        self.base + self.started.elapsed().as_millis() as Millis
    }
}

/// `2026-11-20T09:15:11Z`, the form EventBridge and the Query protocol use.
pub(crate) fn iso_seconds(at: Millis) -> String {
    stamp((at / 1000 * 1000) as i64)
}

/// Epoch seconds with a fraction, as the model's output has them, as ISO 8601.
pub(crate) fn iso_from_epoch(seconds: f64) -> String {
    stamp((seconds * 1000.0).round() as i64)
}

/// ISO 8601 text as epoch seconds; `None` when it is no time.
pub(crate) fn epoch_from_iso(text: &str) -> Option<f64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(at.as_millisecond() as f64 / 1000.0)
}

fn stamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_iso_8601() {
        assert_eq!(iso_seconds(1_763_629_200_999), "2025-11-20T09:00:00Z");
        assert_eq!(iso_from_epoch(1_763_629_200.25), "2025-11-20T09:00:00.25Z");
        assert_eq!(epoch_from_iso("2025-11-20T09:00:00.25Z"), Some(1_763_629_200.25));
        assert_eq!(epoch_from_iso("yesterday"), None);
    }
}
