//! Reads the parameters of a request: filters in a query or a body. Unknown keys, empty values and `null` are rejected:
//! each of them may be a mistyped filter, and without that filter the request would select more events.

use std::ops::RangeInclusive;

use axum::extract::{Query, Request};
use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::arrival::collected;
use super::super::refusal::Refusal;
use crate::json::Plain;
use crate::listener::browser::{self, Site};
use crate::model::{EventId, EventStatus, EventType, Timestamp};
use crate::operator::{self, TIME_FORMS};
use crate::outbox::Selection;

/// The number of events on a page: the default and the maximum.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;
/// Valid event numbers: those that every JSON reader represents exactly.
const NUMBERS: RangeInclusive<i64> = 1..=9_007_199_254_740_991;

/// The filters in the body of a change request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default, deserialize_with = "given")]
    id: Option<Vec<Plain>>,
    #[serde(default, deserialize_with = "given")]
    status: Option<String>,
    #[serde(default, deserialize_with = "given", rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "given")]
    event: Option<String>,
    #[serde(default, deserialize_with = "given")]
    profile: Option<String>,
    #[serde(default, deserialize_with = "given")]
    order_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    source: Option<String>,
    #[serde(default, deserialize_with = "given")]
    since: Option<String>,
    #[serde(default, deserialize_with = "given")]
    until: Option<String>,
    #[serde(default, deserialize_with = "given")]
    sent_to: Option<String>,
    #[serde(default, deserialize_with = "given")]
    reason: Option<String>,
    #[serde(default, deserialize_with = "given")]
    code: Option<String>,
}

/// The query of the event list: the filters and the position of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    id: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    event: Option<String>,
    profile: Option<String>,
    order_id: Option<String>,
    source: Option<String>,
    since: Option<String>,
    until: Option<String>,
    sent_to: Option<String>,
    reason: Option<String>,
    code: Option<String>,
    find: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// A requested page of events.
pub struct Listed {
    /// The selected events.
    pub selection: Selection,
    /// The filters that the selection was built from.
    pub filter: operator::Filter,
    /// Only events that this search word finds, as in `show`.
    pub find: Option<String>,
    /// Only events with a number below this one.
    pub before: Option<EventId>,
    /// The maximum number of events.
    pub limit: u32,
}

/// The query of a list that takes only a limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitQuery {
    limit: Option<u32>,
}

impl Filter {
    /// Builds the operator's filter; relative times such as `2h` count back from `now`.
    pub fn read(self, now: Timestamp) -> Result<operator::Filter, Refusal> {
        if self.id.as_ref().is_some_and(Vec::is_empty) {
            return Err(empty("id"));
        }
        let ids = self.id.iter().flatten().map(whole);
        Ok(operator::Filter {
            ids: ids.collect::<Result<_, _>>()?,
            status: self.status.as_deref().map(status).transpose()?,
            kind: self.kind.as_deref().map(kind).transpose()?,
            event: word("event", self.event)?,
            profile: word("profile", self.profile)?,
            order_id: word("order_id", self.order_id)?,
            source: word("source", self.source)?,
            since: time("since", self.since.as_deref(), now)?,
            until: time("until", self.until.as_deref(), now)?,
            sent_to: word("sent_to", self.sent_to)?,
            reason: word("reason", self.reason)?,
            code: word("code", self.code)?,
        })
    }
}

/// Reads the requested page of events from a query. `id` and `status` take several values, separated by commas.
pub fn listed(uri: &Uri, now: Timestamp) -> Result<Listed, Refusal> {
    let query: ListQuery = read_query(uri)?;
    let ids = query.id.as_deref().map(|ids| ids.split(',').map(number).collect());
    let states = query.status.as_deref();
    let states = states.map(|states| states.split(',').map(status).collect());
    let states: Vec<EventStatus> = states.transpose()?.unwrap_or_default();
    let filter = operator::Filter {
        ids: ids.transpose()?.unwrap_or_default(),
        status: None,
        kind: query.kind.as_deref().map(kind).transpose()?,
        event: word("event", query.event)?,
        profile: word("profile", query.profile)?,
        order_id: word("order_id", query.order_id)?,
        source: word("source", query.source)?,
        since: time("since", query.since.as_deref(), now)?,
        until: time("until", query.until.as_deref(), now)?,
        sent_to: word("sent_to", query.sent_to)?,
        reason: word("reason", query.reason)?,
        code: word("code", query.code)?,
    };
    if filter.names_nobody() {
        return Err(Refusal::nobody());
    }
    if filter.names_no_order() {
        return Err(Refusal::no_order());
    }
    if query.before.is_some_and(|before| !NUMBERS.contains(&before)) {
        let words = "before is the number of an event, as `next_before` of the page before said";
        return Err(Refusal::bad_request("bad_query", words));
    }
    let before = query.before.map(EventId);
    Ok(Listed {
        selection: filter.selection(&states),
        filter,
        find: word("find", query.find)?,
        before,
        limit: page(query.limit)?,
    })
}

/// Reads the number of rows from a query that takes no other key.
pub(super) fn limit(uri: &Uri) -> Result<u32, Refusal> {
    let query: LimitQuery = read_query(uri)?;
    page(query.limit)
}

/// Parses a query. Every key must be known.
pub(super) fn read_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    // The rejection's text is "Failed to deserialize query string", followed by the text of its source.
    let read = Query::<T>::try_from_uri(uri).map(|Query(values)| values);
    read.map_err(|rejection| Refusal::bad_request("bad_query", rejection.body_text()))
}

/// Reads the text of a JSON body of at most `most` bytes. A request that a page of another site can send is rejected.
pub(super) async fn json_text(request: Request, most: usize) -> Result<String, Refusal> {
    let (head, body) = request.into_parts();
    if browser::site(&head) == Site::Elsewhere {
        return Err(Refusal::OTHER_SITE);
    }
    if !browser::is_json(&head.headers) {
        return Err(Refusal::NOT_JSON_TYPE);
    }
    let bytes = collected(body, most).await?;
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|_| Refusal::bad_request("bad_json", "the body is not UTF-8; send JSON in UTF-8"))
}

/// Parses a JSON body.
pub(super) async fn json<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Refusal> {
    let text = json_text(request, most).await?;
    serde_json::from_str(&text).map_err(|error| {
        let words = format!("the body is not as /api/v1/openapi.json says: {error}");
        Refusal::bad_request("bad_json", words)
    })
}

/// Deserializes a key that is present in the body. It must have a value: `null` is an error.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn page(limit: Option<u32>) -> Result<u32, Refusal> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=LARGEST_PAGE).contains(&limit) {
        return Ok(limit);
    }
    let words = format!("limit is {limit}; it goes from 1 to {LARGEST_PAGE}");
    Err(Refusal::bad_request("bad_query", words))
}

pub(crate) fn status(word: &str) -> Result<EventStatus, Refusal> {
    EventStatus::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = EventStatus::ALL.iter().map(|known| known.word()).collect();
        Refusal::bad_request("bad_status", format!("a status is one of {}", words.join(", ")))
    })
}

pub(crate) fn kind(word: &str) -> Result<EventType, Refusal> {
    EventType::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = EventType::ALL.iter().map(|known| known.word()).collect();
        Refusal::bad_request("bad_type", format!("a type is one of {}", words.join(", ")))
    })
}

pub(crate) fn number(text: &str) -> Result<i64, Refusal> {
    let words = "id is the number of an event, or several with commas between them";
    let number = text.trim().parse().ok();
    let number = number.filter(|number| NUMBERS.contains(number));
    number.ok_or_else(|| Refusal::bad_request("bad_query", words))
}

/// Reads a whole number, also from `7.0`, which is the same number as 7 in JSON.
fn whole(Plain(number): &Plain) -> Result<i64, Refusal> {
    let words = "id is a list of the numbers of events";
    let Value::Number(number) = number else {
        return Err(Refusal::bad_request("bad_json", words));
    };
    let text = number.to_string();
    let whole = text
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
    let whole = whole.map_or(text.as_str(), |(whole, _)| whole);
    let number = whole.parse().ok();
    let number = number.filter(|number| NUMBERS.contains(number));
    number.ok_or_else(|| Refusal::bad_request("bad_json", words))
}

fn word(key: &str, text: Option<String>) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if text.is_empty() => Err(empty(key)),
        text => Ok(text),
    }
}

fn time(key: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let time = operator::parse_time(text, now);
    let wrong = || Refusal::bad_request("bad_time", format!("{key} is no time; {TIME_FORMS}"));
    time.map(Some).ok_or_else(wrong)
}

fn empty(key: &str) -> Refusal {
    let words = format!("{key} is empty; leave it out, or say which events are meant");
    Refusal::bad_request("empty_filter", words)
}
