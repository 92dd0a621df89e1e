//! AWS counts and dates in signed numbers; ours are not.

use aws_smithy_types::DateTime;
use shared::time::Time;

/// A count as AWS gives it; below zero, which AWS never means, is none.
pub(crate) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// A count as AWS takes it.
pub(crate) fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A timestamp of AWS as ours; none before the epoch.
pub(crate) fn time(stamp: &DateTime) -> Option<Time> {
    u64::try_from(stamp.to_millis().ok()?).ok().map(Time)
}
