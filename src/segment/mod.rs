//! The sender's vocabulary: a Segment call as it was received, Segment's rules for finding a trait or property
//! in it, and everybody it may be about.
//!
//! Pure. `ingest` uses it to decide in whose order an event stands, `mapper` to decide what is sent; since both ask
//! the same functions, an event can never name a person to Klaviyo in whose order it did not wait.
//! May use `model` and `json`. Source of the rules: the npm package `@segment/facade` 3.4.10.

mod brief;
mod call;
mod contact;
mod envelope;
mod integrations;
mod lookup;
mod masked;
mod pointer;
mod readable;
mod side;
mod time;

pub use call::{Call, CallError};
pub use contact::{Contact, Place};
pub use envelope::Envelope;
pub use integrations::Options;
pub use lookup::{amount, find, find_all, find_key, find_path, is_email, number, same_key, text};
pub use masked::masked;
pub use pointer::{Pointer, member};
pub use readable::readable;
pub use time::time;
