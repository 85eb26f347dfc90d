//! Segment's HTTP Tracking API: authenticates a call, checks it, hands it to the outbox, and answers.
//!
//! It promises that `200 {"success":true}` is said only after the outbox said that the events are on disk; that what
//! can never be accepted is a 400, 401 or 413 with a sentence a person can act on, and what cannot be stored now a 429
//! with `Retry-After`; that what a webhook forwards is kept, be it as dead; that one bad item of a batch does not cost
//! the others; that a call is kept byte for byte; and that no payload, id or write key reaches a log or an answer.
//!
//! [`accept()`] decides everything and is pure; [`routes()`] does the input and output around it, and [`arriving`] lets
//! `explain` decide the same, [`Archive`] `import`, and [`typed()`] the page that tries calls. [`Live`] lets a running
//! daemon be configured anew, and [`closed()`] answers while there is no outbox. What [`routes()`] does before it stores
//! can be done by itself: [`received()`], then [`accept()`]. May use `model`, `segment`, `config`, `outbox`, `metrics`,
//! `telemetry` and the clock.

mod accept;
mod answer;
mod archive;
mod auth;
mod batch;
mod check;
mod closed;
mod cors;
mod cost;
mod counted;
mod door;
mod inflate;
mod lane;
mod live;
mod pace;
mod paths;
mod pressure;
mod receive;
mod received;
mod room;
mod routes;
mod script;
mod settings;
mod signature;
mod time;
mod typed;

#[cfg(test)]
mod tests;

pub use accept::{Accepted, Endpoint, Rules, accept, arriving, authenticate};
pub use answer::Refusal;
pub use archive::{Archive, NotJson};
pub use batch::EXPORTED;
pub use closed::closed;
pub use cost::of as cost;
pub use door::Door;
pub use live::Live;
pub use paths::of_calls;
pub use received::{Received, received};
pub use room::Room;
pub use routes::{Ingest, routes};
pub use typed::typed;
