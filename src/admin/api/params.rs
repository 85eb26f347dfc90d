//! Reads the parameters of a request: filters in a query or a body. Unknown keys, empty values and `null` are rejected:
//! each of them may be a mistyped filter, and without that filter the request would select more events.

use std::borrow::Cow;
use std::fmt;

use axum::extract::{Query, Request};
use axum::http::Uri;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::arrival::collected;
use super::super::refusal::Refusal;
use crate::json::Plain;
use crate::listener::browser::{self, Site};
use crate::model::EventId;
use crate::operator::{Filter, FilterError, event_number, once};

/// The number of events on a page: the default and the maximum.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;
const BEFORE: &str = "`before` is the number of one event: `next_before` of the page before";

/// The filters in the body of a change request, as they were written.
#[derive(Debug)]
pub struct FilterBody(Vec<(String, Value)>);

/// A requested page of events.
#[derive(JsonSchema)]
pub struct Listed {
    /// The filters.
    #[schemars(flatten)]
    pub filter: Filter,
    /// A search, as the command `show` does it: the events with this number, message id or `$event_id`; with this order
    /// id where there are none. 100 at most.
    #[schemars(with = "String", length(min = 1))]
    pub find: Option<String>,
    /// Go on before this event: `next_before` of the page before.
    #[schemars(with = "i64", range(min = 1, max = Filter::LARGEST_ID))]
    pub before: Option<EventId>,
    /// The maximum number of events.
    #[schemars(flatten, with = "LimitQuery")]
    pub limit: u32,
}

/// The query of a list that takes only a limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitQuery {
    /// How many at most.
    #[schemars(with = "u32", range(min = 1, max = LARGEST_PAGE), extend("default" = PAGE))]
    limit: Option<String>,
}

impl<'de> Deserialize<'de> for FilterBody {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members)
    }
}

/// Keeps every member, also one that is given twice.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = FilterBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of filters")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<FilterBody, M::Error> {
        let mut members = Vec::new();
        while let Some((key, Plain(value))) = map.next_entry()? {
            members.push((key, value));
        }
        Ok(FilterBody(members))
    }
}

impl FilterBody {
    /// Builds the operator's filter.
    pub fn read(self) -> Result<Filter, Refusal> {
        let mut filter = Filter::default();
        for (key, value) in &self.0 {
            if value.as_array().is_some_and(|ids| ids.len() > Filter::MOST_IDS) {
                let words = format!(
                    "`{key}` has more than {} values; make several requests",
                    Filter::MOST_IDS
                );
                return Err(Refusal::bad_request("bad_json", words));
            }
            let text = text(key, value).ok_or_else(|| {
                let words = format!("`{key}` is not as the schema Filter of /api/v1/openapi.json describes it");
                Refusal::bad_request("bad_json", words)
            })?;
            let set = filter.set(key, &text);
            set.map_err(|error| Refusal::filter(key, error, "bad_json"))?;
        }
        Ok(filter)
    }
}

/// A member of the body as text: numbers in a list for `id`, one string or several for `status`, a string for the
/// others.
fn text<'a>(key: &str, value: &'a Value) -> Option<Cow<'a, str>> {
    match (key, value) {
        ("id", Value::Array(ids)) => {
            let ids: Option<Vec<String>> = ids.iter().map(whole).collect();
            Some(ids?.join(",").into())
        }
        ("status", Value::Array(words)) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            Some(words?.join(",").into())
        }
        ("id", _) => None,
        (_, value) => value.as_str().map(Cow::Borrowed),
    }
}

/// A whole number, also from `7.0`, which is the same number as 7 in JSON.
fn whole(number: &Value) -> Option<String> {
    let Value::Number(number) = number else { return None };
    let text = number.to_string();
    let whole = text
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
    Some(whole.map_or(text.clone(), |(whole, _)| whole.to_owned()))
}

/// Reads the requested page of events from a query.
pub fn listed(uri: &Uri) -> Result<Listed, Refusal> {
    let pairs: Vec<(String, String)> = read_query(uri)?;
    let (mut filter, mut find, mut before, mut limit) = (Filter::default(), None, None, None);
    for (key, text) in &pairs {
        let set = match key.as_str() {
            "find" if text.is_empty() => Err(FilterError::Empty),
            "find" => once(&mut find, Some(text.clone())),
            "before" => {
                let number = event_number(text).map_err(|_| Refusal::bad_request("bad_query", BEFORE))?;
                once(&mut before, Some(EventId(number)))
            }
            "limit" => once(&mut limit, Some(page(text)?)),
            key => filter.set(key, text),
        };
        set.map_err(|error| Refusal::filter(key, error, "bad_query"))?;
    }
    let limit = limit.unwrap_or(PAGE);
    Ok(Listed {
        filter,
        find,
        before,
        limit,
    })
}

/// Reads the number of rows from a query that takes no other key.
pub(super) fn limit(uri: &Uri) -> Result<u32, Refusal> {
    let query: LimitQuery = read_query(uri)?;
    query.limit.map_or(Ok(PAGE), |limit| page(&limit))
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
        let words = format!("the body is not as /api/v1/openapi.json describes it: {error}");
        Refusal::bad_request("bad_json", words)
    })
}

fn page(limit: &str) -> Result<u32, Refusal> {
    let rows = limit.parse().ok().filter(|rows| (1..=LARGEST_PAGE).contains(rows));
    rows.ok_or_else(|| {
        let words = format!("`limit` is {limit:?}; it goes from 1 to {LARGEST_PAGE}");
        Refusal::bad_request("bad_query", words)
    })
}
