//! Points in time in the forms that operators write, on a command line or in a request.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::model::Timestamp;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// The accepted forms of a time.
pub const TIME_FORMS: &str = "a time is how long ago (90s, 15m, 2h, 3d, 1w), today, yesterday, a date (2026-11-23) or a time \
                       (2026-11-23T09:30), in UTC unless it says otherwise";

/// Parses a time relative to `now`; `None` if it has none of the accepted forms: see [`TIME_FORMS`].
pub fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    let midnight = Timestamp::from_millis(now.as_millis().div_euclid(DAY_MILLIS) * DAY_MILLIS);
    match text.trim() {
        "now" => Some(now),
        "today" => Some(midnight),
        "yesterday" => Some(midnight.minus(Duration::from_hours(24))),
        text => ago(text).map(|span| now.minus(span)).or_else(|| Timestamp::parse(text)),
    }
}

/// `2h`, `1d12h`, `2h ago`.
fn ago(text: &str) -> Option<Duration> {
    let text = text.strip_suffix("ago").unwrap_or(text).trim();
    let span: Span = text
        .parse()
        .ok()
        .filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    span.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_say_them() {
        let now = Timestamp::parse("2026-11-23T10:30:00Z").unwrap();
        for (text, expected) in [
            ("now", "2026-11-23T10:30:00.000Z"),
            ("2h", "2026-11-23T08:30:00.000Z"),
            ("15m ago", "2026-11-23T10:15:00.000Z"),
            ("1d12h", "2026-11-21T22:30:00.000Z"),
            ("1w", "2026-11-16T10:30:00.000Z"),
            ("2 hours", "2026-11-23T08:30:00.000Z"),
            ("1h 30m ago", "2026-11-23T09:00:00.000Z"),
            ("today", "2026-11-23T00:00:00.000Z"),
            ("yesterday", "2026-11-22T00:00:00.000Z"),
            ("2026-11-01", "2026-11-01T00:00:00.000Z"),
            ("2026-11-01T09:30", "2026-11-01T09:30:00.000Z"),
            ("2026-11-01T09:30:00+01:00", "2026-11-01T08:30:00.000Z"),
        ] {
            let read = parse_time(text, now).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "h",
            "2",
            "2x",
            "-2h",
            "1mo",
            "1 year",
            "soon",
            "ago",
            "99999999999999999999d",
            "2026-13-01",
        ] {
            assert_eq!(parse_time(text, now), None, "{text}");
        }
    }
}
