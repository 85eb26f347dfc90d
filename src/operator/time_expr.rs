//! Points in time in the forms that operators write, on a command line or in a request.

use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::model::Timestamp;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// The accepted forms of a time.
pub(super) const TIME_FORMS: &str = "a time is how long ago (90s, 15m, 2h, 3d, 1w), today, yesterday, a date (2026-11-23) or a time \
                       (2026-11-23T09:30), in UTC unless it says otherwise";

/// The text is not a time in one of [`TIME_FORMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no time; {TIME_FORMS}")]
pub struct NoTime;

/// A point in time, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeExpr {
    /// `today` and `yesterday`: the start of the day this many days ago, in UTC.
    Midnight(u32),
    /// `2h`: so long ago; `now` is zero.
    Ago(Duration),
    /// A date or a time.
    At(Timestamp),
}

impl TimeExpr {
    /// The point in time, if it is `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Midnight(days) => {
                let today = now.as_millis().div_euclid(DAY_MILLIS) - i64::from(days);
                Timestamp::from_millis(today * DAY_MILLIS)
            }
            Self::Ago(span) => now.minus(span),
            Self::At(time) => time,
        }
    }
}

impl FromStr for TimeExpr {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        match text.trim() {
            "now" => Ok(Self::Ago(Duration::ZERO)),
            "today" => Ok(Self::Midnight(0)),
            "yesterday" => Ok(Self::Midnight(1)),
            text => ago(text)
                .map(Self::Ago)
                .or_else(|| Timestamp::parse(text).map(Self::At))
                .ok_or(NoTime),
        }
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
            let read: TimeExpr = text.parse().unwrap();
            assert_eq!(read.at(now).to_string(), expected, "{text}");
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
            assert_eq!(text.parse::<TimeExpr>(), Err(NoTime), "{text}");
        }
    }
}
