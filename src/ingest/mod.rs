//! Segment's HTTP Tracking API: authenticates a call, checks it, passes it to the outbox, and answers.
//!
//! Promises: `200 {"success":true}` is sent only after the outbox has reported that the events are on disk. What can
//! never be accepted gets a 400, 401 or 413 with a sentence that a person can act on; what cannot be stored now gets a
//! 429 with `Retry-After`. Calls that a webhook forwards are stored, as dead if necessary. One bad item of a batch does
//! not affect the others. A call is stored byte for byte. No payload, id or write key reaches a log or an answer.
//!
//! [`accept()`] makes all decisions and is pure; [`routes()`] does the input and output around it. [`preview`] makes
//! the same decisions for `explain`, [`Archive`] for `import`, and [`submitted()`] for calls that an operator enters.
//! [`ReloadableIngest`] changes the configuration of a running daemon, and [`unavailable()`] answers while there is no
//! outbox. The steps of [`routes()`] before storing can be used separately: [`receive()`], then [`accept()`]. May use
//! `model`, `segment`, `config`, `outbox`, `metrics`, `telemetry` and the clock.

mod accept;
mod answer;
mod archive;
mod auth;
mod batch;
mod body;
mod body_budget;
mod check;
mod cors;
mod cost;
mod counters;
mod heavy;
mod inflate;
mod pace;
mod paths;
mod receive;
mod rejections;
mod reloadable;
mod retry_after;
mod routes;
mod script;
mod settings;
mod signature;
mod submitted;
mod time;
mod unavailable;

#[cfg(test)]
mod tests;

pub use accept::{Accepted, Endpoint, Rules, accept, authenticate, preview};
pub use answer::Rejection;
pub use archive::{Archive, NotJson};
pub use batch::EXPORTED;
pub use body_budget::BodyBudget;
pub use check::Flaw;
pub use cost::of as cost;
pub use paths::call_paths;
pub use receive::{Received, receive};
pub use rejections::Rejections;
pub use reloadable::ReloadableIngest;
pub use routes::{Ingest, routes};
pub use submitted::submitted;
pub use unavailable::unavailable;
