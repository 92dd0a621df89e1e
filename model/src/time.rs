//! The spellings of time that AWS uses, from milliseconds since the epoch.

use serde_json::{Value, json};

use crate::Millis;

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u64,
}

/// Days to a date by Howard Hinnant's `civil_from_days`, for days since 1970 only.
fn civil(at: Millis) -> Civil {
    let days = at / 86_400_000;
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Civil {
        year: yoe + era * 400 + u64::from(month <= 2),
        month,
        day: doy - (153 * mp + 2) / 5 + 1,
        weekday: ((days + 4) % 7) as usize,
        hour: at / 3_600_000 % 24,
        minute: at / 60_000 % 60,
        second: at / 1_000 % 60,
        milli: at % 1_000,
    }
}

/// `2026-11-20T09:15:42Z`
pub(crate) fn iso(at: Millis) -> String {
    let c = civil(at);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
}

/// `2026-11-20T09:15:42.101Z`
pub(crate) fn iso_ms(at: Millis) -> String {
    format!("{}.{:03}Z", &iso(at)[..19], at % 1_000)
}

/// `2026-11-20T09:15:11.243+0000`, as CloudWatch writes it in events.
pub(crate) fn cloudwatch(at: Millis) -> String {
    let c = civil(at);
    format!("{}.{:03}+0000", &iso(at)[..19], c.milli)
}

/// `20/11/26 09:14:00`, as CloudWatch writes it in reasons.
pub(crate) fn reason(at: Millis) -> String {
    let c = civil(at);
    format!("{:02}/{:02}/{:02} {:02}:{:02}:{:02}", c.day, c.month, c.year % 100, c.hour, c.minute, c.second)
}

/// `Friday 20 November, 2026 09:15:11 UTC`, as composite alarms write it.
pub(crate) fn long(at: Millis) -> String {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let c = civil(at);
    let month = MONTHS[(c.month - 1) as usize];
    format!("{} {} {month}, {} {:02}:{:02}:{:02} UTC", DAYS[c.weekday], c.day, c.year, c.hour, c.minute, c.second)
}

/// The JSON form of an output timestamp: epoch seconds with milliseconds.
pub(crate) fn stamp(at: Millis) -> Value {
    json!(at as f64 / 1_000.0)
}

/// An input timestamp: epoch seconds as a number or a text, or an ISO 8601 text in UTC.
pub(crate) fn read(value: &Value) -> Option<Millis> {
    if let Some(seconds) = value.as_f64() {
        return Some((seconds * 1_000.0).round().max(0.0) as Millis);
    }
    let text = value.as_str()?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Some((seconds * 1_000.0).round().max(0.0) as Millis);
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13).unwrap_or(0), number(14, 16).unwrap_or(0));
    let second = number(17, 19).unwrap_or(0);
    let milli = if text.get(19..20) == Some(".") {
        let digits: String = text[20..].chars().take_while(char::is_ascii_digit).take(3).collect();
        format!("{digits:0<3}").parse().unwrap_or(0)
    } else {
        0
    };
    // Days from a date: the inverse of `civil`.
    let y = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, yoe) = (y / 400, y % 400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + day.checked_sub(1)?;
    let days = (era * 146_097 + doe).checked_sub(719_468)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_spelled_as_in_the_samples() {
        let at = 1_795_166_142_101;
        assert_eq!(iso(at), "2026-11-20T09:15:42Z");
        assert_eq!(iso_ms(at), "2026-11-20T09:15:42.101Z");
        assert_eq!(cloudwatch(at), "2026-11-20T09:15:42.101+0000");
        assert_eq!(reason(at), "20/11/26 09:15:42");
        assert_eq!(long(at), "Friday 20 November, 2026 09:15:42 UTC");
    }

    #[test]
    fn an_iso_text_reads_back() {
        for at in [0, 951_782_400_000, 1_795_166_142_101, 4_107_542_399_999] {
            assert_eq!(read(&json!(iso_ms(at))), Some(at));
        }
        assert_eq!(read(&json!(1_795_166_142.5)), Some(1_795_166_142_500));
    }
}
