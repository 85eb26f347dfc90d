//! The sender's vocabulary: a Segment call as it was received, Segment's rules for finding a trait or property
//! in it, and the identifiers of every person that it may be about.
//!
//! Pure. `ingest` uses it to decide behind which events an event waits, `mapper` to decide what is sent. Both call the
//! same functions, so an event never names a person to Klaviyo behind whose events it did not wait.
//! May use `model` and `json`. Source of the rules: the npm package `@segment/facade` 3.4.10.

mod brief;
mod call;
mod contact;
mod envelope;
mod integrations;
mod lookup;
mod pointer;
mod side;
mod surrogates;
mod time;
mod write_key;

pub use crate::json::member;
pub use call::{Call, CallError};
pub use contact::{Contact, ContactPlace};
pub use envelope::Envelope;
pub use integrations::KlaviyoOptions;
pub use lookup::{as_decimal, as_number, as_text, find, find_all, find_key, find_path, is_email, same_key};
pub use pointer::Pointer;
pub use surrogates::repair_surrogates;
pub use time::parse_time;
pub use write_key::redact_write_key;
