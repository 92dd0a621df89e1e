//! Points in time and lengths of time, as values: the core never asks what time it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The time `length` later.
    #[must_use]
    pub fn plus(self, length: Span) -> Time {
        Time(self.0.saturating_add(length.0))
    }

    /// The time `length` earlier, never before the epoch.
    #[must_use]
    pub fn minus(self, length: Span) -> Time {
        Time(self.0.saturating_sub(length.0))
    }

    /// How long ago `earlier` was; zero where it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The latest multiple of `period` that is not after this time. CloudWatch aligns its datapoints so.
    #[must_use]
    pub fn floor(self, period: Span) -> Time {
        Time(self.0 - self.0 % period.0.max(1))
    }

    /// The earliest multiple of `period` that is not before this time.
    #[must_use]
    pub fn ceil(self, period: Span) -> Time {
        Time(self.0.div_ceil(period.0.max(1)).saturating_mul(period.0.max(1)))
    }

    /// Reads an RFC 3339 time, or the variant CloudWatch puts into events (`+0000` without a colon).
    #[must_use]
    pub fn parse(text: &str) -> Option<Time> {
        let fixed = match text.strip_suffix("+0000") {
            Some(head) => format!("{head}Z"),
            None => text.to_owned(),
        };
        let stamp: jiff::Timestamp = fixed.parse().ok()?;
        u64::try_from(stamp.as_millisecond()).ok().map(Time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            Some(stamp) => write!(f, "{stamp:.0}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// A length of time in milliseconds. Reads and prints as `30s`, `3m`, `1h`, `1h30m`, `500ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Span {
        Span(seconds * 1000)
    }

    /// A span of whole minutes.
    #[must_use]
    pub const fn mins(minutes: u64) -> Span {
        Span(minutes * 60_000)
    }

    /// The span in seconds, rounded up: a timer set so never fires early.
    #[must_use]
    pub fn ceil_secs(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// The span as the standard library's type.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Reads `30s`, `3m`, `1h`, `1h30m`, `500ms`, `0s`.
    ///
    /// # Errors
    /// A sentence that says what a duration looks like.
    pub fn parse(text: &str) -> Result<Span, String> {
        let wrong = || format!("`{text}` is not a duration; write it as 30s, 3m or 1h");
        let mut rest = text.trim();
        let mut total = 0_u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| n > 0).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            total = number.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
            rest = &rest[letters..];
        }
        Ok(Span(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")] {
            if left >= unit {
                write!(f, "{}{name}", left / unit)?;
                left %= unit;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration such as 30s, 3m, 1h or 1h30m",
            "pattern": "^([0-9]+(ms|s|m|h|d))+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_prints_as_it_reads() {
        for text in ["30s", "3m", "1h", "1h30m", "500ms", "0s", "1m500ms"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_duration_without_unit_is_refused_with_an_example() {
        for text in ["", "30", "s", "3 m", "-3m", "3x", "99999999999999999999h"] {
            assert!(Span::parse(text).unwrap_err().contains("30s"), "{text}");
        }
    }

    #[test]
    fn the_cloudwatch_time_without_colon_is_read() {
        assert_eq!(Time::parse("2026-11-20T09:15:11.243+0000"), Time::parse("2026-11-20T09:15:11.243Z"));
        assert_eq!(Time::parse("1970-01-01T00:00:01Z"), Some(Time(1000)));
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn a_period_starts_at_its_floor_and_the_next_at_its_ceiling() {
        let minute = Span::mins(1);
        assert_eq!(Time(61_000).floor(minute), Time(60_000));
        assert_eq!(Time(61_000).ceil(minute), Time(120_000));
        assert_eq!(Time(60_000).ceil(minute), Time(60_000));
        assert_eq!(Time(u64::MAX).ceil(minute), Time(u64::MAX), "there is no later time");
    }
}
