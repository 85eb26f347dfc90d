//! An editable copy of a stored call, which is sent as a new call: a stored call never changes.
//!
//! Pure except for reading the call. It promises that an unchanged copy becomes the same requests as the original, with
//! the same time, and that its message id names the original.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::json;
use crate::model::{EventId, Timestamp};
use crate::outbox::{ClaimedEvent, ReadError, Reader};
use crate::segment;

/// The prefix of a copy's message id; the original's event number and a digest of the call follow.
const PREFIX: &str = "edited-from-";
/// Hexadecimal digits of that digest.
const DIGITS: usize = 16;

/// The initial content of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The call as formatted JSON; unchanged if it is not a JSON object. Fields that belong only to the original are
    /// removed: `messageId`, the write key, and the times of sending and receiving.
    pub call: String,
    /// The source of the original.
    pub source: String,
}

/// The copy of an event's call; `None` when the call was deleted.
pub async fn draft(outbox: &Reader, id: EventId) -> Result<Option<Draft>, ReadError> {
    let event = outbox.claimed(&[id]).await?.pop();
    Ok(event.map(|event| Draft {
        call: text(&event),
        source: event.source,
    }))
}

/// The event whose edited copy has this message id; `None` if it is not the id of a copy.
pub fn edited_from(message_id: &str) -> Option<EventId> {
    let (number, digest) = message_id.strip_prefix(PREFIX)?.split_once('-')?;
    let is_digest = digest.len() == DIGITS && digest.bytes().all(|b| b.is_ascii_hexdigit());
    let number = number.parse().ok().filter(|_| is_digest);
    number.map(EventId)
}

/// The message id of a copy. The same text gives the same id, so that a form that is submitted twice is stored once.
pub(super) fn message_id(of: EventId, call: &str) -> String {
    let digest = Sha256::digest(call);
    let digest = digest.iter().take(DIGITS / 2);
    let digest: Vec<String> = digest.map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{of}-{}", digest.concat())
}

fn text(event: &ClaimedEvent) -> String {
    let call = json::from_str(&segment::repair_surrogates(&event.payload));
    let Ok(Value::Object(mut call)) = call else {
        return segment::redact_write_key(&event.payload).into_owned();
    };
    for name in ["messageId", "writeKey", "sentAt", "receivedAt", "originalTimestamp"] {
        call.shift_remove(name);
    }
    add_type(&mut call, event);
    add_time(&mut call, event.at, event.received_at);
    if let Some(envelope) = &event.envelope {
        add_envelope(&mut call, envelope);
    }
    format!("{:#}", Value::Object(call))
}

/// A call need not contain its type if the path of its request does.
fn add_type(call: &mut Map<String, Value>, event: &ClaimedEvent) {
    let Some(kind) = event.kind else { return };
    let named = call.get("type").and_then(Value::as_str);
    if !named.is_some_and(|named| named.eq_ignore_ascii_case(kind.word())) {
        call.shift_insert(0, "type".to_owned(), kind.word().into());
    }
}

/// Adds the original's time, corrected for the client's clock. If the relay's own clock was not set, only the call's
/// own time is known.
fn add_time(call: &mut Map<String, Value>, at: Timestamp, received_at: Timestamp) {
    let is_known = clock::is_set(received_at) || at != received_at;
    let has_it = call.get("timestamp").and_then(segment::parse_time) == Some(at);
    if is_known && !has_it {
        call.insert("timestamp".to_owned(), at.to_string().into());
    }
}

/// Adds the fields of the batch around the call. The call's own fields take precedence, key by key.
fn add_envelope(call: &mut Map<String, Value>, envelope: &str) {
    let Ok(Value::Object(around)) = json::from_str(&segment::repair_surrogates(envelope)) else {
        return;
    };
    for name in ["context", "integrations"] {
        let Some(Value::Object(outer)) = around.get(name) else {
            continue;
        };
        match call.get_mut(name) {
            None | Some(Value::Null) => {
                call.insert(name.to_owned(), Value::Object(outer.clone()));
            }
            Some(Value::Object(own)) => {
                for (key, value) in outer {
                    own.entry(key).or_insert_with(|| value.clone());
                }
            }
            // A value that is not an object stays.
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::EventType;
    use crate::outbox::Replay;

    const AT: Timestamp = Timestamp::from_millis(1_795_534_400_000);
    const CAME: Timestamp = Timestamp::from_millis(1_795_534_460_000);

    fn event(payload: &str, envelope: Option<&str>) -> ClaimedEvent {
        ClaimedEvent {
            traceparent: None,
            id: EventId(7),
            source: "shop".to_owned(),
            message_id: "m".to_owned(),
            kind: Some(EventType::Track),
            name: None,
            at: AT,
            received_at: CAME,
            generation: 1,
            generation_began: CAME,
            replay: Replay::default(),
            payload: payload.to_owned(),
            envelope: envelope.map(Arc::from),
            deliveries: Vec::new(),
        }
    }

    fn copy(payload: &str, envelope: Option<&str>) -> String {
        let text = text(&event(payload, envelope));
        text.lines().map(str::trim).collect()
    }

    #[test]
    fn a_copy_has_the_time_of_its_original_and_nothing_that_is_of_it_alone() {
        let at = "2026-11-24T15:33:20.000Z";
        for (payload, expected) in [
            (
                r#"{"messageId":"m","type":"track","writeKey":"k","total":30.10,"big":1E400}"#.to_owned(),
                format!(r#"{{"type": "track","total": 30.10,"big": 1E400,"timestamp": "{at}"}}"#),
            ),
            (
                r#"{"timestamp":"2026-11-24T10:33:20-05:00","type":"track"}"#.to_owned(),
                r#"{"timestamp": "2026-11-24T10:33:20-05:00","type": "track"}"#.to_owned(),
            ),
            (
                r#"{"type":"track","timestamp":"2026-11-24T16:00:00Z","sentAt":"2026-11-24T16:01:00Z"}"#.to_owned(),
                format!(r#"{{"type": "track","timestamp": "{at}"}}"#),
            ),
            (
                r#"{"originalTimestamp":"x","receivedAt":"y"}"#.to_owned(),
                format!(r#"{{"type": "track","timestamp": "{at}"}}"#),
            ),
            ("no JSON".to_owned(), "no JSON".to_owned()),
        ] {
            assert_eq!(copy(&payload, None), expected, "{payload}");
        }
    }

    #[test]
    fn a_copy_has_the_values_of_its_batch_where_the_call_has_none() {
        let around = r#"{"context":{"ip":"1","app":"a"},"integrations":{"Klaviyo":false},"sentAt":"x"}"#;
        let payload = r#"{"type":"track","timestamp":1795534400,"context":{"ip":"2"},"integrations":true}"#;
        let expected =
            r#"{"type": "track","timestamp": 1795534400,"context": {"ip": "2","app": "a"},"integrations": true}"#;
        assert_eq!(copy(payload, Some(around)), expected);
    }

    #[test]
    fn the_message_id_of_a_copy_names_its_original() {
        let id = message_id(EventId(7), "{}");
        assert_eq!(edited_from(&id), Some(EventId(7)));
        assert_eq!(id, message_id(EventId(7), "{}"));
        assert_ne!(id, message_id(EventId(7), "{} "));
        for other in [
            "edited-from-7",
            "edited-from-7-",
            "edited-from-x-0123456789abcdef",
            "m",
            "",
        ] {
            assert_eq!(edited_from(other), None, "{other}");
        }
    }
}
