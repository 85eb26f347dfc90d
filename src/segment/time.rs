//! Times as SDKs, archives and hand-made senders write them, each where it has one meaning.

use std::time::Duration;

use jiff::fmt::strtime;
use serde_json::{Number, Value};

use crate::model::Timestamp;

/// Numbers below this are seconds: Facade's border (the year 2970, and 1971 in milliseconds).
const MILLISECONDS_FROM: i64 = 31_557_600_000;
/// Numbers from this on are microseconds (the year 5138 in milliseconds, and 1973).
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;
/// How other languages write a time, with its offset as `+0000`: Ruby, Go and `BigQuery`; JavaScript's `Date`; RFC
/// 2822.
const FORMATS: [&str; 4] = [
    "%Y-%m-%d %H:%M:%S%.f %z",
    "%a %b %d %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M:%S %z",
];

/// A time: ISO-8601; one of the forms of other languages that name their offset or UTC; seconds, milliseconds or
/// microseconds since 1970 as a number or as 10, 13 or 16 digits. `None` for anything else: `01/05/2026` is a day of
/// January or of May.
pub fn parse_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
            if all_digits && matches!(text.len(), 10 | 13 | 16) {
                text.parse().ok().map(from_integer)
            } else {
                Timestamp::parse(text).or_else(|| of_another_language(text))
            }
        }
        Value::Number(number) => from_number(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn of_another_language(text: &str) -> Option<Timestamp> {
    let text = with_offset(text)?;
    let mut instants = FORMATS.iter().filter_map(|format| {
        let parsed = strtime::parse(format, &text).ok()?;
        parsed.to_timestamp().ok()
    });
    let instant = instants.next()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// The text with its offset as `+0000` at the end, whatever stands there: `UTC`, `GMT+0000 (Coordinated Universal
/// Time)`, `+0100 CET`, `+01:00`. `None` where there is no offset: a name such as `CST` is several.
fn with_offset(text: &str) -> Option<String> {
    // Go's monotonic clock and JavaScript's name of the zone.
    let text = text.split(" m=").next()?.split(" (").next()?;
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let is_offset = |word: &str| {
        let digits = word.trim_start_matches(['+', '-']).replace(':', "");
        word.starts_with(['+', '-']) && digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut last = words.pop()?;
    // A name behind an offset adds nothing.
    if words.last().is_some_and(|word| is_offset(word)) {
        last = words.pop()?;
    }
    let bare = ["GMT", "UTC"].iter().find_map(|name| last.strip_prefix(name));
    let offset = match bare.unwrap_or(last) {
        "" | "Z" => "+0000".to_owned(),
        offset if is_offset(offset) => offset.replace(':', ""),
        _ => return None,
    };
    words.push(&offset);
    Some(words.join(" "))
}

fn from_integer(number: i64) -> Timestamp {
    if number < MILLISECONDS_FROM {
        Timestamp::from_millis(number.saturating_mul(1000))
    } else if number >= MICROSECONDS_FROM {
        Timestamp::from_millis(number / 1000)
    } else {
        Timestamp::from_millis(number)
    }
}

/// Python's `time.time()` is a fraction. To the nearest millisecond, since most are not exact in binary.
fn from_number(number: &Number) -> Option<Timestamp> {
    if let Some(integer) = number.as_i64() {
        return Some(from_integer(integer));
    }
    let half = Duration::from_micros(500);
    let span = Duration::try_from_secs_f64(number.as_f64()?).ok()?;
    let border = Duration::from_secs(MILLISECONDS_FROM.unsigned_abs());
    let span = if span < border { span } else { span / 1000 };
    let millis = span.checked_add(half)?.as_millis();
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Option<String> {
        parse_time(value).map(|time| time.to_string())
    }

    #[test]
    fn what_other_languages_write_is_read_where_it_has_one_meaning() {
        for (text, expected) in [
            (json!("2026-01-05 10:00:00 UTC"), "2026-01-05T10:00:00.000Z"),
            (json!("2026-01-05 10:00:00.123456 UTC"), "2026-01-05T10:00:00.123Z"),
            (json!("2026-01-05 10:00:00 +0000"), "2026-01-05T10:00:00.000Z"),
            (json!("2026-01-05 10:00:00 -0700"), "2026-01-05T17:00:00.000Z"),
            (json!("2026-01-05 10:00:00 +01:00"), "2026-01-05T09:00:00.000Z"),
            (json!("2026-01-05 10:00:00.123 +0000 UTC"), "2026-01-05T10:00:00.123Z"),
            (
                json!("2026-01-05 10:00:00.5 +0100 CET m=+0.003"),
                "2026-01-05T09:00:00.500Z",
            ),
            (json!("Mon, 05 Jan 2026 10:00:00 GMT"), "2026-01-05T10:00:00.000Z"),
            (json!("5 Jan 2026 10:00:00 -0700"), "2026-01-05T17:00:00.000Z"),
            (
                json!("Mon Jan 05 2026 10:00:00 GMT+0000 (Coordinated Universal Time)"),
                "2026-01-05T10:00:00.000Z",
            ),
            (json!("1767607200"), "2026-01-05T10:00:00.000Z"),
            (json!("1767607200000"), "2026-01-05T10:00:00.000Z"),
            (json!("1767607200000000"), "2026-01-05T10:00:00.000Z"),
            (json!(1_767_607_200_000_000_i64), "2026-01-05T10:00:00.000Z"),
        ] {
            assert_eq!(read(&text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_has_several_meanings_is_none() {
        for text in [
            "01/05/2026 10:00",
            "2026-01-05 10:00:00 CST",
            "Mon, 05 Jan 2026 10:00:00",
            "10:00:00 UTC",
            "UTC",
            "+0000",
            "17676072",
            "",
        ] {
            assert_eq!(read(&json!(text)), None, "{text}");
        }
    }
}
