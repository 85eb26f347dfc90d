//! What a sandbox holds, as it is shown: the same for `/sandbox/*` as JSON, for `demo` to print and for tests.
//!
//! Promises that nothing shown is a key: requests are shown without their headers. Times are ISO 8601, UTC.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::log::{Entry, Outcome};
use super::options::OptIn;
use super::state::State;
use super::state::events::{Event, event_uuid};
use super::state::lists::{List, Membership};
use super::state::profiles::{Profile, ProfileNumber};

/// What a sandbox holds, and what it was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// How much of everything.
    pub counts: Counts,
    /// Oldest first.
    pub profiles: Vec<ProfileView>,
    /// In the order in which they were first accepted.
    pub events: Vec<EventView>,
    /// By id.
    pub lists: Vec<ListView>,
}

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests to Klaviyo's paths; those to the sandbox's own are not counted.
    pub requests: u64,
    /// Requests by what became of them: `stored`, `duplicate`, `dropped`, `read`, `refused`, `fault`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Requests that left the log for want of room.
    pub requests_dropped: u64,
    /// Profiles held.
    pub profiles: usize,
    /// Profiles forgotten for want of room.
    pub profiles_forgotten: u64,
    /// Events held.
    pub events: usize,
    /// Copies of events that were dropped as Klaviyo drops them, single and in bulk.
    pub duplicate_events: u64,
    /// Events forgotten for want of room.
    pub events_forgotten: u64,
    /// Lists held.
    pub lists: usize,
}

/// One request of the log.
#[derive(Debug, Clone, Serialize)]
pub struct RequestView {
    /// Its place in the order of arrival, from 1.
    pub number: u64,
    /// When it came.
    pub time: String,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// The revision it asked for.
    pub revision: Option<String>,
    /// The status the client got to see, if any.
    pub status: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
    /// The fault that was played.
    pub fault: Option<String>,
    /// The metric of a single event.
    pub metric: Option<String>,
    /// The key of a single event.
    pub unique_id: Option<String>,
    /// The profile it was about, by Klaviyo's id.
    pub profile: Option<String>,
    /// Why it was refused or dropped, or how its parts fared.
    pub note: Option<String>,
    /// The body byte for byte when it is JSON, else as a string; null when there was none.
    pub body: Box<RawValue>,
}

/// One profile.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileView {
    /// Klaviyo's id of it.
    pub id: String,
    /// `email`, `phone_number`, `external_id`, `anonymous_id`, `_kx`: those it has.
    pub identifiers: BTreeMap<&'static str, String>,
    /// The other standard attributes.
    pub attributes: Map<String, Value>,
    /// Custom properties.
    pub properties: Map<String, Value>,
    /// Consent by channel, such as `email.marketing`.
    pub consent: BTreeMap<String, ConsentView>,
    /// When it was made.
    pub created: String,
    /// When it was last changed.
    pub updated: String,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentView {
    /// `SUBSCRIBED` or `AWAITING_CONFIRMATION`.
    pub state: &'static str,
    /// Since when.
    pub at: String,
    /// The list it was for.
    pub list: Option<String>,
    /// Whether it came as a historical import.
    pub historical_import: bool,
}

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct EventView {
    /// Its place in the order in which events were first accepted, from 1.
    pub sequence: u64,
    /// Klaviyo's id of it.
    pub uuid: String,
    /// The number of the request that brought it first.
    pub request: u64,
    /// How many accepted requests brought it, those whose answer was lost included.
    pub sent: u64,
    /// Whose it is.
    pub profile: String,
    /// What it is.
    pub metric: String,
    /// Its key, if it was given one.
    pub unique_id: Option<String>,
    /// When it happened, to the second.
    pub time: String,
    /// Its amount, digit for digit.
    pub value: Option<Box<RawValue>>,
    /// The amount's currency.
    pub value_currency: Option<String>,
    /// Whether it is recorded without starting flows.
    pub backfill: bool,
    /// The properties that count, digit for digit.
    pub properties: Box<RawValue>,
    /// The properties that Klaviyo takes and ignores: 0, null and "".
    pub ignored_properties: Vec<String>,
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What subscribing to it takes.
    pub opt_in_process: OptIn,
    /// Its members, those included who have not confirmed yet.
    pub members: Vec<MemberView>,
}

/// A member of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberView {
    /// Klaviyo's id of the profile.
    pub profile: String,
    /// How it is on the list.
    pub state: Membership,
}

/// Everything held at this moment.
pub(super) fn snapshot(state: &State) -> Snapshot {
    Snapshot {
        counts: counts(state),
        profiles: state.profiles.iter().map(profile).collect(),
        events: state.events.after(0).map(event).collect(),
        lists: state.lists.iter().map(list).collect(),
    }
}

pub(super) fn counts(state: &State) -> Counts {
    Counts {
        requests: state.log.total(),
        outcomes: Outcome::ALL
            .iter()
            .map(|outcome| (outcome.word(), state.log.count(*outcome)))
            .collect(),
        requests_dropped: state.log.dropped,
        profiles: state.profiles.len(),
        profiles_forgotten: state.profiles.forgotten,
        events: state.events.len(),
        duplicate_events: state.events.duplicates,
        events_forgotten: state.events.forgotten,
        lists: state.lists.iter().count(),
    }
}

pub(super) fn request(entry: &Entry) -> RequestView {
    let text = String::from_utf8_lossy(&entry.body);
    let body = if text.is_empty() {
        RawValue::NULL.to_owned()
    } else {
        raw(&text)
    };
    RequestView {
        number: entry.number,
        time: entry.at.to_string(),
        method: entry.method.clone(),
        path: entry.target.clone(),
        revision: entry.revision.clone(),
        status: entry.status,
        outcome: entry.outcome,
        fault: entry.fault.clone(),
        metric: entry.metric.clone(),
        unique_id: entry.unique_id.clone(),
        profile: entry.profile.clone(),
        note: entry.note.clone(),
        body,
    }
}

pub(super) fn profile((number, profile): (ProfileNumber, &Profile)) -> ProfileView {
    let consent = |consent: &super::state::profiles::Consent| ConsentView {
        state: consent.state,
        at: consent.at.to_string(),
        list: consent.list.clone(),
        historical_import: consent.historical_import,
    };
    ProfileView {
        id: number.id(),
        identifiers: profile.identifiers.clone(),
        attributes: profile.attributes.clone(),
        properties: profile.properties.clone(),
        consent: profile
            .consent
            .iter()
            .map(|(channel, given)| (channel.clone(), consent(given)))
            .collect(),
        created: profile.created.to_string(),
        updated: profile.updated.to_string(),
    }
}

pub(super) fn event((sequence, event): (u64, &Event)) -> EventView {
    EventView {
        sequence,
        uuid: event_uuid(sequence),
        request: event.request,
        sent: event.sent,
        profile: event.profile.id(),
        metric: event.metric.clone(),
        unique_id: event.unique_id.clone(),
        time: event.at.to_string(),
        value: event.value.as_deref().map(raw),
        value_currency: event.currency.clone(),
        backfill: event.backfill,
        properties: raw(&event.properties),
        ignored_properties: event.ignored.clone(),
    }
}

pub(super) fn list((id, list): (&str, &List)) -> ListView {
    list_of(id, list, list.members.iter().map(|(number, how)| (*number, *how)))
}

/// A list with these of its members.
pub(super) fn list_of(id: &str, list: &List, members: impl Iterator<Item = (ProfileNumber, Membership)>) -> ListView {
    let member = |(number, how): (ProfileNumber, Membership)| MemberView {
        profile: number.id(),
        state: how,
    };
    ListView {
        id: id.to_owned(),
        name: list.name.clone(),
        opt_in_process: list.opt_in,
        members: members.map(member).collect(),
    }
}

/// Text as JSON when it is JSON, else as a JSON string.
fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| to_raw_value(text))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}
