//! The documents about events: one, and a bulk job of them.
//!
//! Source: Klaviyo's `OpenAPI` description of 2026-07-15 and the models of its SDK for 2026-10-15.

use jiff::civil::{Date, date};

use super::profiles::{BULK_EVENT_PROFILE, EVENT_PROFILE};
use super::texts::Text;
use super::{Shape, Span, object};

const BACKFILL_SINCE: Date = date(2026, 4, 15);
const MOST_BULK_EVENTS: usize = 1_000;

static METRIC: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("metric");
        Must "attributes": object! {
            Must "name": Shape::Text(Text::MetricName);
            May "service": Shape::Text(Text::Any);
        };
    };
};

/// `POST /api/events`.
pub(crate) static EVENT: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("event");
        Must "attributes": object! {
            Must "properties": Shape::Open { event: true };
            May "time": Shape::Text(Text::EventTime);
            May "value": Shape::Number;
            May "value_currency": Shape::Text(Text::Currency);
            May "unique_id": Shape::Text(Text::UniqueId);
            May "backfill": Shape::Bool, Span::From(BACKFILL_SINCE);
            Must "metric": METRIC;
            Must "profile": EVENT_PROFILE;
        };
    };
};

static BULK_EVENT: Shape = object! {
    Must "type": Shape::Word("event");
    Must "attributes": object! {
        Must "properties": Shape::Open { event: true };
        May "time": Shape::Text(Text::EventTime);
        May "value": Shape::Number;
        May "value_currency": Shape::Text(Text::Currency);
        May "unique_id": Shape::Text(Text::UniqueId);
        May "backfill": Shape::Bool, Span::From(BACKFILL_SINCE);
        Must "metric": METRIC;
    };
};

static PERSONS_EVENTS: Shape = object! {
    Must "type": Shape::Word("event-bulk-create");
    Must "attributes": object! {
        May "backfill": Shape::Bool, Span::From(BACKFILL_SINCE);
        Must "profile": BULK_EVENT_PROFILE;
        Must "events": object! {
            Must "data": Shape::List { of: &BULK_EVENT, least: 1, most: MOST_BULK_EVENTS };
        };
    };
};

/// `POST /api/event-bulk-create-jobs`.
pub(crate) static BULK_EVENTS: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("event-bulk-create-job");
        Must "attributes": object! {
            Must "events-bulk-create": object! {
                Must "data": Shape::List { of: &PERSONS_EVENTS, least: 1, most: MOST_BULK_EVENTS };
            };
        };
    };
};
