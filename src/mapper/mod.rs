//! Segment event in, Klaviyo requests out, or the reason why there are none.
//!
//! The rules are those of Segment's Klaviyo destination on today's Klaviyo API. Everything here is a function of the
//! call and the settings: no clock, no chance, no I/O, so a replay decides as the first time did. Nothing panics,
//! whatever the call holds. Nothing is dropped in silence: what cannot be sent is rejected by name, what Klaviyo will
//! not keep is a warning, and every field that is sent has a rule, which an explanation shows.
//! A person is named to Klaviyo only by what [`Call::identifiers`] returns, because an event waits behind the earlier
//! events of those. May use `model`, `config`, `segment` and `klaviyo`.

mod decimal;
mod deletion;
mod draft;
mod event_id;
mod extracted;
mod identify;
mod limits;
mod lists;
mod order;
mod order_name;
mod person;
mod product;
mod reasons;
mod rule;
mod sink;
mod standard;
mod track;
mod warning;

pub use reasons::{Rejection, Skip};
pub use rule::{Note, Origin, Rule};
pub use warning::{Names, Warning};

use crate::config::MappingConfig;
use crate::klaviyo::Request;
use crate::model::{EventType, Rights, Side, Timestamp};
use crate::segment::Call;

/// One call, and what ingest found out about it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its message id: the `$event_id` where nothing else can be one.
    pub message_id: &'a str,
    /// When it happened, corrected for the sender's clock.
    pub at: Timestamp,
    /// When it arrived: "now" to every rule that needs one.
    pub received_at: Timestamp,
    /// The side it is mapped as.
    pub side: Side,
    /// What it may request.
    pub rights: Rights,
    /// Whether the rules of the requests' fields are wanted; otherwise none is made.
    pub explain: bool,
    /// Klaviyo records its events without starting flows.
    pub backfill: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapped {
    /// These requests, in this order; at least one.
    Requests(Vec<Planned>),
    /// Nothing, and why.
    Skipped(Skip),
}

/// One request that the call owes.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The request.
    pub request: Request,
    /// Its body, as [`Request::body`] writes it: written once, because its length is one of the limits.
    pub body: Option<String>,
    /// Why Klaviyo would never take it: it must not be sent. The event's other requests go.
    pub rejected: Option<Rejection>,
    /// Warnings about a request that is sent all the same.
    pub warnings: Vec<Warning>,
    /// Where each of its fields comes from; empty unless [`Input::explain`] is set.
    pub rules: Vec<Rule>,
}

/// Maps one call.
pub fn map(input: &Input<'_>, settings: &MappingConfig) -> Mapped {
    if !input.call.klaviyo_enabled() {
        return Mapped::Skipped(Skip::Disabled);
    }
    let planned = match input.call.kind {
        EventType::Identify => identify::plan(input, settings),
        EventType::Track => track::plan(input, settings),
        EventType::Delete => deletion::plan(input, settings),
        EventType::Page | EventType::Screen | EventType::Group | EventType::Alias => {
            Err(Skip::NotMapped(input.call.kind))
        }
    };
    planned.map_or_else(Mapped::Skipped, Mapped::Requests)
}
