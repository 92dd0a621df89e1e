//! AWS counts in signed numbers; ours are not.

/// A count as AWS gives it; below zero, which AWS never means, is none.
pub(crate) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// A count as AWS takes it.
pub(crate) fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
