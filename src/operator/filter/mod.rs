//! The filters that select events, declared once: as options of a command, as keys of an address, as members of a body
//! and as a schema.
//!
//! It promises that a filter is set to a valid value or not at all, and in an address or a body once: without a filter,
//! more events would be selected. A command may repeat `--id` and `--status`. Pure.

mod matches;
mod values;

use clap::builder::NonEmptyStringValueParser;
use schemars::{JsonSchema, Schema};

pub use matches::{Matches, SHOWN};
pub use values::{FilterError, OrderFilter, ProfileFilter, event_number, one_of, states_schema};

use super::time_expr::TimeExpr;
use crate::model::{EventId, EventStatus, EventType, Timestamp};
use crate::outbox::Selection;

/// The forms of a time that a schema can state; [`super::time_expr::TIME_FORMS`] lists all.
const TIME_PATTERN: &str =
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$|^[1-9][0-9]{0,2}[smhdw]$|^(now|today|yesterday)$";

/// The filters. An event must meet all that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1), transform = optional)]
pub struct Filter {
    /// Events with these numbers
    #[arg(long = "id", num_args = 1.., value_name = "N", value_parser = event_number)]
    #[schemars(
        rename = "id",
        length(min = 1, max = Filter::MOST_IDS),
        inner(range(min = 1, max = Filter::LARGEST_ID))
    )]
    pub ids: Vec<i64>,
    /// Events in one of these states; several with commas between them: dead,skipped
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',', value_parser = values::status())]
    #[schemars(rename = "status", schema_with = "values::status_schema")]
    pub states: Vec<EventStatus>,
    /// Calls of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = values::kind())]
    #[schemars(rename = "type", with = "EventType")]
    pub kind: Option<EventType>,
    /// Tracks (pages, screens) of this name, or calls of this type: "Order Completed", identify
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    #[schemars(with = "String", length(min = 1))]
    pub event: Option<String>,
    /// Events about this person: a user id, anonymous id, e-mail or phone; user:ID is exact
    #[arg(long, value_name = "ID")]
    #[schemars(with = "String", length(min = 1))]
    pub profile: Option<ProfileFilter>,
    /// Events that name this order; #1001 is 1001
    #[arg(long, value_name = "ID")]
    #[schemars(with = "String", length(min = 1))]
    pub order_id: Option<OrderFilter>,
    /// Events of this source
    #[arg(long, value_name = "SOURCE", value_parser = NonEmptyStringValueParser::new())]
    #[schemars(with = "String", length(min = 1))]
    pub source: Option<String>,
    /// Events received at this time or later: 2h (ago), yesterday, 2026-11-23, 2026-11-23T09:30
    #[arg(long, value_name = "TIME")]
    #[schemars(with = "String", regex(pattern = TIME_PATTERN))]
    pub since: Option<TimeExpr>,
    /// Events received before this time
    #[arg(long, value_name = "TIME")]
    #[schemars(with = "String", regex(pattern = TIME_PATTERN))]
    pub until: Option<TimeExpr>,
    /// Events that were sent there, or tried to: sandbox, or klaviyo:ACCOUNT
    #[arg(long, value_name = "DESTINATION", value_parser = NonEmptyStringValueParser::new())]
    #[schemars(with = "String", length(min = 1))]
    pub sent_to: Option<String>,
    /// Events whose reason has this text in it
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    #[schemars(with = "String", length(min = 1))]
    pub reason: Option<String>,
    /// Events whose reason has this code, as `status` shows it
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    #[schemars(with = "String", length(min = 1))]
    pub code: Option<String>,
}

impl Filter {
    /// The keys of the filters, in an address or a body.
    pub const KEYS: [&str; 12] = [
        "id", "status", "type", "event", "source", "profile", "order_id", "since", "until", "sent_to", "reason", "code",
    ];

    /// How many numbers of events a body may have.
    pub const MOST_IDS: usize = 5_000;

    /// The largest number of an event: every JSON reader represents it exactly.
    pub const LARGEST_ID: i64 = 9_007_199_254_740_991;

    /// Sets the filter of a key from its text. `id` and `status` take several values, separated by commas.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        let word = || Some(text.to_owned());
        match key {
            "id" => once(
                &mut self.ids,
                text.split(',').map(event_number).collect::<Result<_, _>>()?,
            ),
            "status" => once(
                &mut self.states,
                text.split(',').map(values::state).collect::<Result<_, _>>()?,
            ),
            "type" => once(
                &mut self.kind,
                Some(EventType::from_word(text).ok_or(FilterError::Type)?),
            ),
            "event" => once(&mut self.event, word()),
            "source" => once(&mut self.source, word()),
            "profile" => once(&mut self.profile, Some(text.parse()?)),
            "order_id" => once(&mut self.order_id, Some(text.parse()?)),
            "since" => once(&mut self.since, Some(text.parse()?)),
            "until" => once(&mut self.until, Some(text.parse()?)),
            "sent_to" => once(&mut self.sent_to, word()),
            "reason" => once(&mut self.reason, word()),
            "code" => once(&mut self.code, word()),
            _ => Err(FilterError::Unknown),
        }
    }

    /// Whether any filter is set.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// The filters as the outbox takes them. Without a state filter they select events in one of `workable`; relative
    /// times count back from `now`.
    pub fn selection(&self, workable: &[EventStatus], now: Timestamp) -> Selection {
        let states = if self.states.is_empty() { workable } else { &self.states };
        Selection {
            ids: self.ids.iter().copied().map(EventId).collect(),
            states: states.to_vec(),
            kind: self.kind,
            event: self.event.clone(),
            profile: self
                .profile
                .as_ref()
                .map(|profile| profile.identifiers().to_vec())
                .unwrap_or_default(),
            order: self
                .order_id
                .as_ref()
                .map(|order| order.spellings().to_vec())
                .unwrap_or_default(),
            source: self.source.clone(),
            since: self.since.map(|since| since.at(now)),
            until: self.until.map(|until| until.at(now)),
            sent_to: self.sent_to.clone(),
            reason: self.reason.clone(),
            code: self.code.clone(),
            in_flight: false,
            kept: false,
        }
    }
}

/// A filter that is not given is left out.
fn optional(schema: &mut Schema) {
    schema.remove("required");
}

/// Sets a field that is not set yet.
pub fn once<T: Default + PartialEq>(field: &mut T, value: T) -> Result<(), FilterError> {
    if *field != T::default() {
        return Err(FilterError::Twice);
    }
    *field = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::time_expr::NoTime;
    use super::*;

    #[test]
    fn every_key_of_the_schema_can_be_set_and_once_only() {
        let schema = schemars::schema_for!(Filter);
        let declared: Vec<&str> = schema
            .get("properties")
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(declared.len(), Filter::KEYS.len());
        for key in Filter::KEYS {
            assert!(declared.contains(&key), "{key}");
            let text = match key {
                "id" => "3,1",
                "status" => "dead,held",
                "type" => "track",
                "since" | "until" => "2h",
                _ => "x",
            };
            let mut filter = Filter::default();
            assert_eq!(filter.set(key, text), Ok(()), "{key}");
            assert!(filter.is_given(), "{key}");
            assert_eq!(filter.set(key, text), Err(FilterError::Twice), "{key}");
            assert_eq!(Filter::default().set(key, ""), Err(FilterError::Empty), "{key}");
        }
    }

    #[test]
    fn an_invalid_value_is_an_error_and_sets_nothing() {
        for (key, text, error) in [
            ("id", "1,x", FilterError::Number),
            ("id", "1,", FilterError::Number),
            ("id", "0", FilterError::Number),
            ("status", "dead,lost", FilterError::Status),
            ("type", "purchase", FilterError::Type),
            ("profile", " ", FilterError::Nobody),
            ("order_id", " # ", FilterError::NoOrder),
            ("since", "soon", FilterError::Time(NoTime)),
            ("stauts", "dead", FilterError::Unknown),
        ] {
            let mut filter = Filter::default();
            assert_eq!(filter.set(key, text), Err(error), "{key}={text}");
            assert!(!filter.is_given(), "{key}={text}");
        }
    }
}
