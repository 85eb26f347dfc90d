//! A repeatable attack on the built daemon: a Klaviyo that answers badly, late, with any bytes or not at all, kills and
//! restarts, and a judge that compares every acknowledgement with what is in effect in the end.
//!
//! `cargo test --test it -- attack:: --nocapture` prints the judge's table. `RELAY_TEST_ATTACK=long` runs every
//! scenario at its full length, for hours.

#![expect(
    clippy::disallowed_methods,
    reason = "the judge measures real delays, and a scenario lasts for a real time"
)]

mod double;
mod jobs;
mod judge;
mod odd_answers;
mod odd_bytes;
mod outages;
mod people;
mod poison;
mod replay;
mod scene;
mod shared_queue;
mod storm;

use std::pin::Pin;

/// A scenario that runs to its verdict.
type Scenario = Pin<Box<dyn Future<Output = scene::Verdict>>>;
