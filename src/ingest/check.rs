//! The flaws that make a call undeliverable for ever, with Segment's codes.
//!
//! Source of codes and rules: Segment's table of discarded events, "failed on ingest". Less strict than Segment where
//! real SDKs need it: a number as an id counts as its digits, `null` and a blank text count as absent (RudderStack's
//! SDKs send `userId: ""` for a visitor who is not logged in), and an empty array counts as an empty object (PHP writes
//! both in the same way). An e-mail or phone also identifies a person.

use serde_json::Value;

use crate::model::{EventType, GarbageIds, reasons};
use crate::segment::Call;

/// Longest `messageId`, in characters. Segment allows 100, but longer ones occur and cost nothing. A longer one than
/// this is not an id.
pub(super) const MAX_MESSAGE_ID_CHARS: usize = 255;

reasons! {
    /// Why a call can never be delivered. The codes are Segment's, and ours in the same style where Segment has none.
    Flaw {
        /// The call is no JSON object.
        #[error("the call is not a JSON object")]
        NotAnObject = "bad_request";
        /// The call cannot be read: it nests too deep.
        #[error("the call cannot be read: {0}; nest at most 120 levels")]
        Unreadable(String) = "bad_request";
        /// It has no `type`.
        #[error("the call has no `type`; send identify, track, page, screen, group or alias")]
        MissingType = "missing_type";
        /// Its `type` is none of Segment's.
        #[error("the call's `type` is not one of identify, track, page, screen, group, alias, delete")]
        InvalidType = "invalid_type";
        /// It is over the limit for one call.
        #[error(
            "the call has {bytes} bytes and may have {limit}; send less in it, or raise `max_event_bytes` under \
             [ingest] in the relay's config.toml"
        )]
        TooLarge {
            /// Its size.
            bytes: usize,
            /// The largest size allowed.
            limit: usize,
        } = "event_too_large";
        /// Its `messageId` is too long to be one.
        #[error("the call's `messageId` has {chars} characters and may have {MAX_MESSAGE_ID_CHARS}")]
        MessageIdTooLong {
            /// Its length.
            chars: usize,
        } = "message_id_too_long";
        /// A delete call of a source that may not delete.
        #[error(
            "the source may not delete people; allow = [\"delete\"] under [[ingest.sources]] in the relay's config.toml \
             lets a source do it whose write key is secret"
        )]
        DeleteNotAllowed = "delete_not_allowed";
        /// A call of an array whose signature does not cover it.
        #[error(
            "the array's signature is of its first call alone: calls of another type and deletions are not accepted from it; \
             have each sent and signed alone"
        )]
        NotSigned = "not_signed";
        /// A call of an archive whose time cannot be read.
        #[error(
            "`timestamp` cannot be read, and the call would be dated to its import: write it as 2026-01-05T10:00:00Z; \
             `import --accept-unreadable-times` takes it as of its import"
        )]
        TimeUnreadable = "time_unreadable";
        /// It identifies nobody.
        #[error("the call has neither `userId` nor `anonymousId`, nor a person's e-mail or phone; send one of them")]
        NoUserAnonId = "no_user_anon_id";
        /// An id is `true`, an array or an object.
        #[error("`{0}` is not a string; send an id, or leave it out")]
        IdNotString(&'static str) = "id_not_string";
        /// A track without the name of the event.
        #[error("the track call has no `event`; send the event's name")]
        EventNotDefined = "event_not_defined";
        /// A track's `event` is no string.
        #[error("`event` is not a string; send the event's name")]
        EventNotString = "event_not_string";
        /// `properties` of a track, page or screen is not an object.
        #[error("`properties` is not an object")]
        PropertiesNotObject = "properties_not_object";
        /// `traits` of an identify or group is not an object.
        #[error("`traits` is not an object")]
        TraitsNotObject = "traits_not_object";
        /// `name` of a page or screen is not a string.
        #[error("`name` is not a string with something in it; send a name, or leave it out")]
        NameNotString = "name_not_string";
        /// `category` of a page or screen is not a string.
        #[error("`category` is not a string with something in it; send a category, or leave it out")]
        CategoryNotString = "category_not_string";
    }
}

/// Whether a call that could be read can ever be delivered.
pub(super) fn check(call: &Call) -> Result<(), Flaw> {
    let user = id(call, "userId")?;
    let anonymous = id(call, "anonymousId")?;
    if !user && !anonymous && !names_somebody(call) {
        return Err(Flaw::NoUserAnonId);
    }
    match call.kind {
        EventType::Identify | EventType::Group => object(call, "traits", Flaw::TraitsNotObject),
        EventType::Track => {
            event_name(call)?;
            object(call, "properties", Flaw::PropertiesNotObject)
        }
        EventType::Page | EventType::Screen => {
            string(call, "name", Flaw::NameNotString)?;
            string(call, "category", Flaw::CategoryNotString)?;
            object(call, "properties", Flaw::PropertiesNotObject)
        }
        EventType::Alias | EventType::Delete => Ok(()),
    }
}

/// Whether an e-mail or phone identifies the person, where no id does.
fn names_somebody(call: &Call) -> bool {
    let garbage = GarbageIds::default();
    call.email(&garbage).is_some() || call.phone(&garbage).is_some()
}

/// Whether the id is present.
fn id(call: &Call, name: &'static str) -> Result<bool, Flaw> {
    match call.field(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Number(_)) => Ok(true),
        Some(Value::String(id)) => Ok(!id.trim().is_empty()),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(Flaw::IdNotString(name)),
    }
}

fn event_name(call: &Call) -> Result<(), Flaw> {
    match call.field("event") {
        None | Some(Value::Null) => Err(Flaw::EventNotDefined),
        Some(Value::String(name)) if name.trim().is_empty() => Err(Flaw::EventNotDefined),
        Some(Value::String(_)) => Ok(()),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(Flaw::EventNotString),
    }
}

fn string(call: &Call, name: &str, flaw: Flaw) -> Result<(), Flaw> {
    match call.field(name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(_) => Err(flaw),
    }
}

fn object(call: &Call, name: &str, flaw: Flaw) -> Result<(), Flaw> {
    match call.field(name) {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(Value::Array(items)) if items.is_empty() => Ok(()),
        Some(_) => Err(flaw),
    }
}
