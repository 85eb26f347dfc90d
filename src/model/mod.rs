//! The basic types of the relay: events, identifiers, deliveries, attempts and their states.
//!
//! No I/O, no clock, no SQL, no HTTP: every other module may use this one, and it uses none of them. A value of these
//! types means the same at ingest, in the outbox, on the wire and on the screen.

/// Declares an enum whose variants have one word each, the same in SQL, JSON and on the screen.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every variant, in the order of the declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The variant's word in SQL, JSON and on the screen.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The variant of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": [$($word),+]})
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

pub(crate) use words;

mod attempt;
mod contact;
mod delivery;
mod event;
mod family;
mod identifier;
mod masked;
mod pause;
mod reason;
mod rights;
mod time;

pub use attempt::{Outcome, OutcomeKind};
pub use contact::{MAX_EMAIL_CHARS, e164, is_email};
pub use delivery::{DeliveryKind, DeliveryStatus};
pub use event::{AfterDead, EventStatus, EventType, NewEvent, Side};
pub use family::{Family, RateInfo};
pub use identifier::{GarbageIds, Identifier, IdentifierKind};
pub(crate) use masked::masked;
pub use masked::masked_text;
pub use pause::PauseKind;
pub(crate) use reason::reasons;
pub use reason::{KLAVIYO, Reason, ReasonCode};
pub use rights::{Right, Rights, SourceRules};
pub use time::Timestamp;
pub(crate) use time::millis;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// The outbox's number of an event. A number is never reused, not even after the event is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct EventId(#[schemars(range(min = 1))] pub i64);

/// The outbox's number of a delivery: one Klaviyo request that an event requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// The outbox's number of an import job: many profiles in one request, which Klaviyo processes after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportJobId(pub i64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
