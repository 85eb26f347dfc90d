//! Segment's HTTP Tracking API: authenticates a call, checks it, passes it to the outbox, and answers.
//!
//! Promises: `200 {"success":true}` is sent only after the outbox has reported that the events are on disk. What can
//! never be accepted gets a 400, 401 or 413 with a sentence that a person can act on; what cannot be stored now gets a
//! 429 with `Retry-After`. Calls that a webhook forwards are stored, as dead if necessary. One bad item of a batch does
//! not affect the others. A call is stored byte for byte. No payload, id or write key reaches a log or an answer.
//!
//! [`accept()`] makes all decisions and is pure; [`routes()`] does the input and output around it. [`arriving`] makes
//! the same decisions for `explain`, [`Archive`] for `import`, and [`typed()`] for the page that tries calls. [`Live`]
//! changes the configuration of a running daemon, and [`closed()`] answers while there is no outbox. The steps of
//! [`routes()`] before storing can be used separately: [`received()`], then [`accept()`]. May use `model`, `segment`,
//! `config`, `outbox`, `metrics`, `telemetry` and the clock.

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
