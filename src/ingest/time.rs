//! When a call happened, by the relay's clock, whatever the client's clock said.

use std::time::Duration;

use serde_json::{Number, Value};

use crate::model::Timestamp;
use crate::segment::Call;

/// Numbers below this are seconds, the others milliseconds: Facade's border (the year 2970, and 1971).
const MILLISECONDS_FROM: i64 = 31_557_600_000;

/// Segment's rule: `receivedAt − (sentAt − timestamp)`, which cancels what the client's clock is off. Never after the
/// call arrived. Without a `sentAt` the `timestamp` counts as it is, without either the time of arrival.
///
/// A call that already has `receivedAt` and `originalTimestamp` was forwarded by Segment or RudderStack, which have
/// corrected its `timestamp`. Where that was left out on the way, it arrived when it arrived there.
/// Source: Segment's spec of common fields.
pub(super) fn happened_at(
    call: &Call,
    batch_sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Timestamp {
    let field = |name| call.field(name).and_then(parse);
    let original = field("originalTimestamp");
    let timestamp = field("timestamp");
    let Some(stated) = timestamp.or(original) else {
        return received_at;
    };
    let forwarded = original.and_then(|_| field("receivedAt"));
    let corrected = match (field("sentAt").or(batch_sent_at), forwarded) {
        (Some(_), Some(_)) if timestamp.is_some() => stated,
        (Some(sent_at), arrived) => arrived.unwrap_or(received_at).minus(sent_at.since(stated)),
        (None, _) => stated,
    };
    corrected.min(received_at)
}

/// As [`happened_at`], for a call that was archived: it arrived when it says itself, else at `received_at`. What the
/// sender's clock was off is known only from a `receivedAt` beside the `sentAt`; without one, the call's time counts
/// as it is.
pub(super) fn archived_at(
    call: &Call,
    batch_sent_at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let field = |name| call.field(name).and_then(parse);
    let received = field("receivedAt").or(received_at).map(|at| at.min(now));
    let (stated, original) = (field("timestamp"), field("originalTimestamp"));
    let at = match (stated, original, received) {
        // The archive's keeper has corrected it.
        (Some(stated), Some(_), _) => stated,
        (Some(by_sender), None, Some(received)) | (None, Some(by_sender), Some(received)) => {
            let sent_at = field("sentAt").or(batch_sent_at);
            sent_at.map_or(by_sender, |sent| received.minus(sent.since(by_sender)))
        }
        (Some(by_sender), None, None) | (None, Some(by_sender), None) => by_sender,
        (None, None, received) => received.unwrap_or(now),
    };
    at.min(received.unwrap_or(now))
}

/// A time as SDKs write it: ISO-8601, seconds or milliseconds since 1970 as a number, or as 10 or 13 digits in a
/// string. `None` for anything else.
pub(super) fn parse(value: &Value) -> Option<Timestamp> {
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
