//! Misbehaviour on order: what `POST /sandbox/faults` asks for, and which request it hits.
//!
//! Promises that faults apply in the order they were given, each as often as it says, and that a wrong order is
//! refused with the key named. Pure; uses no other module.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};

/// What is done to one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misbehaviour {
    /// How long the answer is kept back. The request is dealt with before: a client that hangs up meanwhile has
    /// been served without knowing it.
    pub(crate) delay: Duration,
    pub(crate) act: Act,
}

/// What becomes of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// It is the usual one.
    Usual,
    /// Another one is sent, and the request does not reach the account.
    Canned(Canned),
    /// None is ever sent, and the request does not reach the account. Released, the connection breaks.
    Hang,
    /// The connection breaks before an answer; the request does not reach the account.
    Reset,
    /// The connection breaks in the middle of the answer: of the usual one, or of a canned one.
    Half(Option<Canned>),
    /// The request is dealt with, then the connection breaks before the answer.
    Lost,
    /// The request is dealt with, and no answer is ever sent.
    LostHang,
}

/// An answer that was ordered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Canned {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

/// One order.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    what: Misbehaviour,
    method: Option<String>,
    path: Option<String>,
    contains: Option<String>,
    /// How many more requests it hits; none is until cleared.
    left: Option<u64>,
    hits: u64,
    given: Value,
}

/// The orders that stand, in their order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

const ACT_KEYS: [&str; 8] = ["status", "body", "headers", "delay_ms", "hang", "reset", "half", "lost"];
const AIM_KEYS: [&str; 4] = ["next", "path", "method", "match"];

impl Faults {
    /// Adds an order after the others.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Drops every order; answers how many.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }

    /// The first order that hits this request, counted down.
    pub(crate) fn strike(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Misbehaviour> {
        let at = self.0.iter().position(|fault| fault.hits(method, path, body))?;
        let fault = &mut self.0[at];
        fault.hits += 1;
        let what = fault.what.clone();
        if let Some(left) = &mut fault.left {
            *left -= 1;
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(what)
    }

    /// The orders as JSON: as given, with how often each has hit and will hit.
    pub(crate) fn list(&self) -> Vec<Value> {
        let entry = |fault: &Fault| {
            let mut entry = fault.given.clone();
            entry["next"] = json!(fault.left);
            entry["hits"] = json!(fault.hits);
            entry
        };
        self.0.iter().map(entry).collect()
    }
}

impl Fault {
    /// Reads an order.
    pub(crate) fn read(given: &Value) -> Result<Self, String> {
        let order = given
            .as_object()
            .ok_or("a fault is a JSON object, such as {\"status\": 503, \"next\": 2}")?;
        let known = [ACT_KEYS.as_slice(), AIM_KEYS.as_slice()].concat();
        known_keys(order, &known)?;
        let left = number(order, "next")?;
        if left == Some(0) {
            return Err("next must be at least 1; leave it out to hit until cleared".to_owned());
        }
        Ok(Self {
            what: Misbehaviour::of(order)?,
            method: text(order, "method")?.map(str::to_uppercase),
            path: text(order, "path")?.map(str::to_owned),
            contains: text(order, "match")?.map(str::to_owned),
            left,
            hits: 0,
            given: given.clone(),
        })
    }

    /// A path also hits what is below it.
    fn hits(&self, method: &str, path: &str, body: &[u8]) -> bool {
        let below = |wanted: &String| {
            path.strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || wanted.ends_with('/'))
        };
        let contains = |wanted: &String| String::from_utf8_lossy(body).contains(wanted.as_str());
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(below)
            && self.contains.as_ref().is_none_or(contains)
    }
}

impl Misbehaviour {
    /// Reads what is to be done, without whom it hits.
    pub(crate) fn read(order: &Map<String, Value>) -> Result<Self, String> {
        known_keys(order, &ACT_KEYS)?;
        Self::of(order)
    }

    fn of(order: &Map<String, Value>) -> Result<Self, String> {
        let delay = Duration::from_millis(number(order, "delay_ms")?.unwrap_or_default());
        let canned = Canned::of(order)?;
        let [hang, reset, half, lost] = [
            flag(order, "hang")?,
            flag(order, "reset")?,
            flag(order, "half")?,
            flag(order, "lost")?,
        ];
        let act = match (canned, hang, reset, half, lost) {
            (Some(canned), false, false, false, false) => Act::Canned(canned),
            (canned, false, false, true, false) => Act::Half(canned),
            (None, true, false, false, false) => Act::Hang,
            (None, true, false, false, true) => Act::LostHang,
            (None, false, true, false, false) => Act::Reset,
            (None, false, false, false, true) => Act::Lost,
            (None, false, false, false, false) if !delay.is_zero() => Act::Usual,
            (None, false, false, false, false) => {
                return Err("nothing to do: give status, delay_ms, hang, reset, half or lost".to_owned());
            }
            (Some(_) | None, ..) => {
                return Err(
                    "status, hang, reset, half and lost exclude each other, except half with status \
                     and hang with lost"
                        .to_owned(),
                );
            }
        };
        Ok(Self { delay, act })
    }

    /// One word for the log.
    pub(crate) fn word(&self) -> String {
        match &self.act {
            Act::Usual => "delay".to_owned(),
            Act::Canned(canned) => format!("status {}", canned.status.as_u16()),
            Act::Hang => "hang".to_owned(),
            Act::Reset => "reset".to_owned(),
            Act::Half(_) => "half".to_owned(),
            Act::Lost => "lost".to_owned(),
            Act::LostHang => "lost, hang".to_owned(),
        }
    }
}

impl Canned {
    fn of(order: &Map<String, Value>) -> Result<Option<Self>, String> {
        let Some(status) = number(order, "status")? else {
            return match ["body", "headers"].into_iter().find(|key| order.contains_key(*key)) {
                Some(key) => Err(format!("{key} needs a status beside it")),
                None => Ok(None),
            };
        };
        let status = u16::try_from(status)
            .ok()
            .filter(|status| (200..=599).contains(status))
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or("status must be from 200 to 599")?;
        Ok(Some(Self {
            status,
            headers: headers(order)?,
            body: order.get("body").cloned(),
        }))
    }

    /// The answer: with the ordered body, or the one that Klaviyo, or the proxy before it, gives with the status.
    pub(crate) fn answer(&self, request: u64) -> Answer {
        let has = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut answer = match &self.body {
            None => customary(request, self.status),
            Some(Value::String(text)) => Answer {
                content_type: Some("text/html; charset=UTF-8".to_owned()),
                body: text.clone().into_bytes(),
                ..Answer::empty(self.status)
            },
            Some(document) => Answer::document(self.status, document),
        };
        if has("content-type") {
            answer.content_type = None;
        }
        answer.headers.extend(self.headers.iter().cloned());
        if self.status == StatusCode::TOO_MANY_REQUESTS && !has("retry-after") {
            answer = answer.with("retry-after", &1);
        }
        answer
    }
}

fn customary(request: u64, status: StatusCode) -> Answer {
    let whole = |code, title, detail: &str| Answer::refused(request, &[Refusal::whole(status, code, title, detail)]);
    match status.as_u16() {
        200..=399 => Answer::empty(status),
        401 => whole(
            "authentication_failed",
            "Incorrect authentication credentials.",
            "The key is wrong.",
        ),
        403 => whole("permission_denied", "Permission denied.", "The key lacks a scope."),
        409 => Answer::refused(
            request,
            &[Refusal {
                status,
                ..Refusal::duplicate_profile("/data/attributes", "01SANDBOX00000000000000000")
            }],
        ),
        429 => Answer::refused(request, &[Refusal::throttled(1)]),
        502 | 504 | 520..=524 => Answer::proxy_page(status),
        500..=599 => whole(
            "error",
            "A server error occurred.",
            "A fault was ordered of the sandbox.",
        ),
        _ => whole("invalid", "Invalid input.", "A fault was ordered of the sandbox."),
    }
}

fn headers(order: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let Some(given) = order.get("headers") else {
        return Ok(Vec::new());
    };
    let given = given
        .as_object()
        .ok_or("headers must be an object of names and values")?;
    let mut headers = Vec::new();
    for (name, value) in given {
        let value = match value.as_str() {
            Some(text) => text.to_owned(),
            None if value.is_number() => value.to_string(),
            None => return Err(format!("headers.{name} must be a string or a number")),
        };
        let possible = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
        if !possible {
            return Err(format!("headers.{name} is no HTTP header"));
        }
        headers.push((name.clone(), value));
    }
    Ok(headers)
}

fn known_keys(order: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match order.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("unknown key {unknown}; known are {}", known.join(", "))),
        None => Ok(()),
    }
}

fn number(order: &Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    let whole = |value: &Value| value.as_u64().ok_or(format!("{key} must be a whole number"));
    order.get(key).map(whole).transpose()
}

fn flag(order: &Map<String, Value>, key: &str) -> Result<bool, String> {
    let flag = |value: &Value| value.as_bool().ok_or(format!("{key} must be true or false"));
    Ok(order.get(key).map(flag).transpose()?.unwrap_or_default())
}

fn text<'a>(order: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    let text = |value: &'a Value| value.as_str().ok_or(format!("{key} must be a string"));
    order.get(key).map(text).transpose()
}
