//! Reads Klaviyo's limits from an answer's headers: how long to wait, and how much of the minute's limit is left. Pure.

use std::time::Duration;

use crate::model::{RateInfo, Timestamp};

/// The longest accepted `Retry-After`, so that a broken header cannot block an event for longer.
const LONGEST_WAIT: f64 = 86_400.0;
/// The window of `RateLimit-*` is one minute, plus one second for rounding.
const LONGEST_RESET: Duration = Duration::from_secs(61);
/// From this value on a `RateLimit-Reset` is a time since 1970 in seconds, and from the next value on in milliseconds,
/// as other APIs send it. Klaviyo sends seconds to wait.
const EPOCH_SECONDS: i64 = 1_000_000_000;
const EPOCH_MILLIS: i64 = 1_000_000_000_000;

/// `Retry-After` in seconds, rounded up, or as an HTTP date; at most a day.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let sensible = seconds.is_finite() && seconds >= 0.0;
        return sensible.then(|| Duration::from_secs_f64(seconds.ceil().min(LONGEST_WAIT)));
    }
    let at = http_date(text)?;
    Some(at.since(now).min(Duration::from_secs_f64(LONGEST_WAIT)))
}

/// An HTTP date, to the second.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

/// The `RateLimit-*` headers; `None` if none of them could be read. A list of policies after the number, as the
/// headers' draft standard allows, is ignored.
pub(super) fn rate(headers: &[Option<String>; 3], now: Timestamp) -> Option<RateInfo> {
    let [limit, remaining, reset] = headers.each_ref().map(|header| {
        let number = header.as_deref()?.split([',', ';']).next()?;
        number.trim().parse::<u64>().ok()
    });
    let count = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let rate = RateInfo {
        limit: count(limit),
        remaining: count(remaining),
        reset: reset.map(|number| until_reset(number, now)),
    };
    (rate != RateInfo::default()).then_some(rate)
}

fn until_reset(number: u64, now: Timestamp) -> Duration {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let left = match number {
        EPOCH_MILLIS.. => Timestamp::from_millis(number).since(now),
        EPOCH_SECONDS.. => Timestamp::from_millis(number.saturating_mul(1000)).since(now),
        _ => Duration::from_secs(number.unsigned_abs()),
    };
    left.min(LONGEST_RESET)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T10:00:00Z";

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
        let now = Timestamp::parse(NOW).unwrap();
        let cases = [
            ("3", Some(3)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("1.5", Some(2)),
            ("0.2", Some(1)),
            ("Mon, 23 Nov 2026 10:01:00 GMT", Some(60)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("Thu, 03 Dec 2026 10:00:00 GMT", Some(86_400)),
            ("99999999", Some(86_400)),
            ("1000000000", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("soon", None),
            ("", None),
            ("inf", None),
            ("nan", None),
            ("-1", None),
            ("-0.5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_reset_is_seconds_or_a_time_and_never_later_than_a_minute() {
        let now = Timestamp::parse(NOW).unwrap();
        let seconds = now.as_millis() / 1000;
        let millis = now.as_millis();
        let cases = [
            ("0".to_owned(), Some(0)),
            ("41".to_owned(), Some(41)),
            ("60;w=60".to_owned(), Some(60)),
            ("3600".to_owned(), Some(61)),
            ("999999999".to_owned(), Some(61)),
            ((seconds + 12).to_string(), Some(12)),
            ((seconds - 12).to_string(), Some(0)),
            ("1000000000".to_owned(), Some(0)),
            ("4000000000".to_owned(), Some(61)),
            ((millis + 12_000).to_string(), Some(12)),
            ((millis - 12_000).to_string(), Some(0)),
            (u64::MAX.to_string(), Some(61)),
            ("soon".to_owned(), None),
            ("-1".to_owned(), None),
            ("4.5".to_owned(), None),
        ];
        for (text, expected) in cases {
            let read = rate(&[None, None, Some(text.clone())], now);
            let reset = read.and_then(|rate| rate.reset);
            assert_eq!(reset, expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_limit_is_read_without_the_policies_behind_it() {
        let read = |headers: [&str; 3]| {
            let headers = headers.map(|text| (!text.is_empty()).then(|| text.to_owned()));
            rate(&headers, Timestamp::from_millis(0))
        };
        let full = RateInfo {
            limit: Some(3500),
            remaining: Some(12),
            reset: Some(Duration::from_secs(41)),
        };
        assert_eq!(read(["3500", " 12", "41"]), Some(full));
        assert_eq!(read(["3500, 3500;w=60", "12;x", "41"]), Some(full));
        let half = RateInfo {
            remaining: Some(0),
            ..RateInfo::default()
        };
        assert_eq!(read(["", "0", "soon"]), Some(half));
        assert_eq!(read(["", "-1", "4.5"]), None);
        assert_eq!(read(["", "", ""]), None);
    }
}
