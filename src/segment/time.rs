//! Times as SDKs write them.

use std::time::Duration;

use serde_json::{Number, Value};

use crate::model::Timestamp;

/// Numbers below this are seconds, the others milliseconds: Facade's border (the year 2970, and 1971).
const MILLISECONDS_FROM: i64 = 31_557_600_000;

/// A time as SDKs write it: ISO-8601, seconds or milliseconds since 1970 as a number, or as 10 or 13 digits in a
/// string. `None` for anything else.
pub fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let digits = text.trim();
            let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            if all_digits && matches!(digits.len(), 10 | 13) {
                digits.parse().ok().map(from_integer)
            } else {
                Timestamp::parse(text)
            }
        }
        Value::Number(number) => from_number(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn from_integer(number: i64) -> Timestamp {
    if number < MILLISECONDS_FROM {
        Timestamp::from_millis(number.saturating_mul(1000))
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
