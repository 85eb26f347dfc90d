//! When a call happened, by the relay's clock, whatever the client's clock was.

use crate::clock;
use crate::model::Timestamp;
use crate::segment::Call;

pub(super) use crate::segment::parse_time as parse;

/// Later than every time.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Segment's rule: `receivedAt − (sentAt − timestamp)`, which cancels the error of the client's clock. Never after the
/// call arrived. Without a `sentAt` the `timestamp` counts as it is, without either the time of arrival.
///
/// A call that already has `receivedAt` and `originalTimestamp` was forwarded by Segment or RudderStack, which have
/// corrected its `timestamp`. With `receivedAt` alone, or where the forwarder left out `timestamp`, its arrival there
/// is its arrival time.
///
/// While the relay's clock is known to be wrong, it corrects and bounds nothing: the call's own time counts as it is.
/// Source: Segment's spec of common fields.
pub(super) fn happened_at(call: &Call, batch_sent_at: Option<Timestamp>, received_at: Timestamp) -> Timestamp {
    let field = |name| call.field(name).and_then(parse);
    let original = field("originalTimestamp");
    let timestamp = field("timestamp");
    let Some(stated) = timestamp.or(original) else {
        return received_at;
    };
    let forwarded = field("receivedAt");
    let here = Some(received_at).filter(|at| clock::is_set(*at));
    let corrected = match (field("sentAt").or(batch_sent_at), forwarded.or(here)) {
        (Some(_), Some(_)) if timestamp.is_some() && original.is_some() && forwarded.is_some() => stated,
        (Some(sent_at), Some(arrived)) => arrived.minus(sent_at.since(stated)),
        (Some(_), None) | (None, _) => stated,
    };
    corrected.min(here.unwrap_or(NEVER))
}

/// As [`happened_at`], for an archived call: its arrival is its own `receivedAt`, else `received_at`. The error of the
/// sender's clock is known only if the call has `receivedAt` next to `sentAt`; otherwise the call's time counts as it
/// is.
pub(super) fn archived_at(
    call: &Call,
    batch_sent_at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let field = |name| call.field(name).and_then(parse);
    let latest = if clock::is_set(now) { now } else { NEVER };
    let received = field("receivedAt").or(received_at).map(|at| at.min(latest));
    let (stated, original) = (field("timestamp"), field("originalTimestamp"));
    let at = match (stated, original, received) {
        // The service that wrote the archive has corrected it.
        (Some(stated), Some(_), _) => stated,
        (Some(by_sender), None, Some(received)) | (None, Some(by_sender), Some(received)) => {
            let sent_at = field("sentAt").or(batch_sent_at);
            sent_at.map_or(by_sender, |sent| received.minus(sent.since(by_sender)))
        }
        (Some(by_sender), None, None) | (None, Some(by_sender), None) => by_sender,
        (None, None, received) => received.unwrap_or(now),
    };
    at.min(received.unwrap_or(latest))
}

/// Whether a call contains the time of its arrival elsewhere.
pub(super) fn has_arrival_time(call: &Call) -> bool {
    call.field("receivedAt").and_then(parse).is_some()
}

/// Whether a call contains its own time, but none that can be read.
pub(super) fn has_unreadable_time(call: &Call) -> bool {
    let stated = ["timestamp", "originalTimestamp"].into_iter();
    let mut stated = stated
        .filter_map(|name| call.field(name))
        .filter(|value| !value.is_null())
        .peekable();
    stated.peek().is_some() && stated.all(|value| parse(value).is_none())
}
