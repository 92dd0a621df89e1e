//! How an image behaves, told by its manifest's annotation `flipback.manners`.

use crate::Millis;

/// The behaviour of a task. The default is a good one.
///
/// Written as a comma-separated list: `5xx=30`, `5xx=30 after=20s`, `unhealthy`, `unhealthy after=20s`, `slow=800ms`,
/// `crash`, `crash after=20s`, `start=20s`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manners {
    /// Percent of answers that are 500, and from when on.
    pub errors: Option<(u8, Millis)>,
    /// Health checks fail from then on.
    pub unhealthy_after: Option<Millis>,
    /// Every answer takes this much longer.
    pub slow: Millis,
    /// The task exits by itself after this long.
    pub crash_after: Option<Millis>,
    /// The task takes this much longer to start.
    pub start: Millis,
}

/// What a task answers to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Milliseconds to wait before answering.
    pub delay: Millis,
}

impl Manners {
    /// Reads the annotation. An empty text is a good image; anything not understood is an error that names it.
    pub fn parse(text: &str) -> Result<Manners, String> {
        let mut manners = Manners::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let mut words = item.split_whitespace();
            let head = words.next().unwrap_or_default();
            let mut after = None;
            for word in words {
                match word.split_once('=') {
                    Some(("after", value)) => after = Some(duration(value).ok_or(format!("not a duration: {word}"))?),
                    Some(_) | None => return Err(format!("not a manner: {item}")),
                }
            }
            match (head.split_once('='), head) {
                (Some(("5xx", percent)), _) => {
                    let percent: u8 = percent.parse().map_err(|_| format!("not a percentage: {item}"))?;
                    if percent > 100 {
                        return Err(format!("more than 100 percent: {item}"));
                    }
                    manners.errors = Some((percent, after.take().unwrap_or(0)));
                }
                (Some(("slow", value)), _) => {
                    manners.slow = duration(value).ok_or(format!("not a duration: {item}"))?
                }
                (Some(("start", value)), _) => {
                    manners.start = duration(value).ok_or(format!("not a duration: {item}"))?;
                }
                (None, "unhealthy") => manners.unhealthy_after = Some(after.take().unwrap_or(0)),
                (None, "crash") => manners.crash_after = Some(after.take().unwrap_or(0)),
                (None, "good") => {}
                (Some(_) | None, _) => return Err(format!("not a manner: {item}")),
            }
            if after.is_some() {
                return Err(format!("`after` has no meaning here: {item}"));
            }
        }
        Ok(manners)
    }

    /// Both behaviours at once, the worse of each kind: a task has several images.
    pub fn join(&self, other: &Manners) -> Manners {
        let sooner = |a: Option<Millis>, b: Option<Millis>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Manners {
            errors: match (self.errors, other.errors) {
                (Some(a), Some(b)) => Some(if a.0 >= b.0 { a } else { b }),
                (a, b) => a.or(b),
            },
            unhealthy_after: sooner(self.unhealthy_after, other.unhealthy_after),
            slow: self.slow.max(other.slow),
            crash_after: sooner(self.crash_after, other.crash_after),
            start: self.start.max(other.start),
        }
    }

    /// What the task answers to its `n`th request (from 0), `running_for` milliseconds after it became RUNNING. Of any
    /// hundred requests in a row exactly the given percentage fails, spread evenly.
    pub fn answer(&self, running_for: Millis, n: u64) -> Answer {
        let fails = self.errors.is_some_and(|(percent, after)| {
            let percent = u64::from(percent);
            running_for >= after && (n % 100 + 1) * percent / 100 > n % 100 * percent / 100
        });
        Answer { status: if fails { 500 } else { 200 }, delay: self.slow }
    }

    /// What the task answers to a health check.
    pub fn health(&self, running_for: Millis) -> u16 {
        if self.unhealthy_after.is_some_and(|after| running_for >= after) { 503 } else { 200 }
    }
}

/// `800ms`, `20s`, `3m`, `1h`.
fn duration(text: &str) -> Option<Millis> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: Millis = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manner_of_the_issue_is_understood() {
        let manners = Manners::parse("5xx=30 after=20s, slow=800ms,start=20s").expect("understood");
        assert_eq!(manners.errors, Some((30, 20_000)));
        assert_eq!((manners.slow, manners.start), (800, 20_000));
        assert_eq!(Manners::parse("unhealthy after=20s").expect("understood").unhealthy_after, Some(20_000));
        assert_eq!(Manners::parse("crash").expect("understood").crash_after, Some(0));
        assert_eq!(Manners::parse("").expect("understood"), Manners::default());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for text in ["5xx=130", "5xx=x", "slow=fast", "sulk", "slow=1s after=2s", "crash until=3s"] {
            assert!(Manners::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn thirty_percent_is_thirty_of_a_hundred_and_none_before_its_time() {
        let manners = Manners::parse("5xx=30 after=20s").expect("understood");
        let failed = |running| (0..100).filter(|n| manners.answer(running, *n).status == 500).count();
        assert_eq!(failed(20_000), 30);
        assert_eq!(failed(19_999), 0);
    }
}
