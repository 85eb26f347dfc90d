//! `POST /api/events` and `POST /api/event-bulk-create-jobs`: recording what people did.
//!
//! Promises the silence of the real one: an accepted event may still be dropped (test domains, an id that fits
//! nobody or somebody else), which only the request log shows.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Operation, Response, Result, items, require_names, text};
use crate::model::Timestamp;
use crate::sandbox::log::Outcome;
use crate::sandbox::schema::{BULK_EVENTS, Check, EVENT, read_time};
use crate::sandbox::state::events::Event;
use crate::sandbox::state::profiles::{Names, ProfileNumber, Profiles};

/// Events of people at these domains are accepted and dropped.
const TEST_DOMAINS: [&str; 2] = ["@example.com", "@test.com"];
const MOST_BULK_EVENTS: usize = 1_000;

impl Operation<'_> {
    pub(super) fn create_event(&mut self, document: &Value) -> Result<Response> {
        self.check(&EVENT, document, |check| {
            require_names(
                check,
                &document["data"]["attributes"]["profile"]["data"],
                &person_at("/data"),
            );
        })?;
        let attributes = &document["data"]["attributes"];
        Ok(self.take(&attributes["profile"]["data"], attributes, false))
    }

    pub(super) fn bulk_create_events(&mut self, document: &Value) -> Result<Response> {
        let persons = items(document, "/data/attributes/events-bulk-create/data");
        self.check(&BULK_EVENTS, document, |check| {
            let total: usize = persons.iter().map(|person| events_of(person).len()).sum();
            if total > MOST_BULK_EVENTS {
                let detail = format!("A job has at most {MOST_BULK_EVENTS} events, not {total}.");
                check.refuse("/data/attributes/events-bulk-create/data", detail);
            }
            for (at, person) in persons.iter().enumerate() {
                require_names(check, &person["attributes"]["profile"]["data"], &person_at(&place(at)));
            }
            self.refuse_repeats(check, persons);
        })?;
        let mut counts = [0_usize; 3];
        for person in persons {
            let profile = &person["attributes"]["profile"]["data"];
            let backfill = person["attributes"]["backfill"] == true;
            for event in events_of(person) {
                match self.take(profile, &event["attributes"], backfill).outcome {
                    Outcome::Stored => counts[0] += 1,
                    Outcome::Duplicate => counts[1] += 1,
                    Outcome::Dropped | Outcome::Read | Outcome::Refused | Outcome::Fault => {
                        counts[2] += 1;
                    }
                }
            }
        }
        let [stored, duplicate, dropped] = counts;
        let outcome = match (stored, duplicate) {
            (1.., _) => Outcome::Stored,
            (0, 1..) => Outcome::Duplicate,
            (0, 0) => Outcome::Dropped,
        };
        Ok(Response {
            note: Some(format!("{stored} stored, {duplicate} duplicate, {dropped} dropped")),
            ..Response::accepted(outcome)
        })
    }

    /// A job that repeats a `unique_id` of one profile and metric fails as a whole.
    fn refuse_repeats(&self, check: &mut Check, persons: &[Value]) {
        let mut seen = HashSet::new();
        for (at, person) in persons.iter().enumerate() {
            let names = Names::of(&person["attributes"]["profile"]["data"]);
            let owner = owner(&self.state.profiles, &names).ok().flatten();
            // A new person is identified by the strongest name.
            let who = owner.map_or_else(|| format!("{:?}", names.given.first()), |owner| owner.to_string());
            for (nth, event) in events_of(person).iter().enumerate() {
                let metric = metric_of(&event["attributes"]);
                let Some(unique_id) = text(event, "/attributes/unique_id") else {
                    continue;
                };
                let stored = self.options.bulk_refuses_stored
                    && owner.is_some_and(|owner| self.state.events.has(owner, metric, unique_id));
                let repeated = !seen.insert((who.clone(), metric, unique_id));
                if stored || repeated {
                    let pointer = format!("{}/attributes/events/data/{nth}", place(at));
                    check.refuse(
                        format!("{pointer}/attributes/unique_id"),
                        "This unique_id is repeated for the same profile and metric.",
                    );
                }
            }
        }
    }

    /// Records one event of a checked document.
    fn take(&mut self, profile: &Value, attributes: &Value, backfill: bool) -> Response {
        let dropped = |why| Response {
            note: Some(why),
            ..Response::accepted(Outcome::Dropped)
        };
        let names = Names::of(profile);
        let owner = match owner(&self.state.profiles, &names) {
            Ok(owner) => owner,
            Err(why) => return dropped(why),
        };
        let known = owner.and_then(|owner| self.state.profiles.get(owner));
        let known = known.and_then(|known| known.identifiers.get("email").map(String::as_str));
        for email in [names.get("email"), known].into_iter().flatten() {
            if let Some(domain) = TEST_DOMAINS.iter().find(|domain| email.ends_with(*domain)) {
                return dropped(format!("Klaviyo drops events of people at {domain}"));
            }
        }
        let owner = owner.unwrap_or_else(|| self.state.profiles.create(self.now));
        self.state.note_person(owner, profile, self.now);
        let is_new = self.state.events.record(self.event(owner, attributes, backfill));
        let outcome = if is_new { Outcome::Stored } else { Outcome::Duplicate };
        Response {
            profile: Some(owner.to_string()),
            ..Response::accepted(outcome)
        }
    }

    fn event(&self, profile: ProfileNumber, attributes: &Value, backfill: bool) -> Event {
        let at = text(attributes, "/time").and_then(read_time).unwrap_or(self.now);
        let (properties, ignored_properties) = split(attributes["properties"].as_object());
        let value = attributes["value"].as_number();
        Event {
            sequence: 0,
            uuid: Uuid::nil(),
            request: self.request,
            sent: 1,
            profile,
            metric: metric_of(attributes).to_owned(),
            unique_id: text(attributes, "/unique_id").map(str::to_owned),
            time: Timestamp::from_millis(at.as_millis().div_euclid(1000) * 1000),
            value: value.map(raw),
            value_currency: text(attributes, "/value_currency").map(str::to_owned),
            backfill: backfill || attributes["backfill"] == true,
            properties: raw(&properties),
            ignored_properties,
        }
    }
}

/// The profile of an event, or why it has none.
fn owner(profiles: &Profiles, names: &Names) -> std::result::Result<Option<ProfileNumber>, String> {
    let owners = profiles.owners(names);
    let Some(id) = &names.id else {
        return Ok(owners.first().copied());
    };
    let Some(by_id) = profiles.by_id(id) else {
        return Err(format!("no profile has the id {id}"));
    };
    if owners.iter().any(|owner| *owner != by_id) {
        return Err(format!("another identifier belongs to another profile than {id}"));
    }
    Ok(Some(by_id))
}

/// As JSON text, digit for digit.
fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value can be written")
}

/// The properties that count, and the names of those that Klaviyo takes and ignores.
fn split(properties: Option<&Map<String, Value>>) -> (Map<String, Value>, Vec<String>) {
    let mut kept = Map::new();
    let mut ignored = Vec::new();
    for (name, value) in properties.into_iter().flatten() {
        let zero = value.as_number().is_some_and(|number| number.as_f64() == Some(0.0));
        if zero || value.is_null() || value.as_str() == Some("") {
            ignored.push(name.clone());
        } else {
            kept.insert(name.clone(), value.clone());
        }
    }
    (kept, ignored)
}

fn events_of(person: &Value) -> &[Value] {
    items(person, "/attributes/events/data")
}

fn metric_of(attributes: &Value) -> &str {
    text(attributes, "/metric/data/attributes/name").unwrap_or_default()
}

fn place(at: usize) -> String {
    format!("/data/attributes/events-bulk-create/data/{at}")
}

fn person_at(holder: &str) -> String {
    format!("{holder}/attributes/profile/data")
}
