//! Faults that are requested by `POST /sandbox/faults`: what is done to a request, to which ones, and how often.
//!
//! Promises that the rules apply in the order in which they were given, each as often as it says, and that a wrong one
//! is refused with the key named. Pure; uses the sandbox's answers.

use std::num::NonZeroU64;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::answer::{Answer, HTML, Refusal, document, empty, proxy_page, refused, typed};
use crate::json::Plain;

/// What is done to one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// How long the answer is delayed. The request is carried out before: a client that closes the connection meanwhile
    /// has been served without knowing it.
    pub(crate) delay: Duration,
    pub(crate) effect: Effect,
}

/// What happens to the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// It is the usual one.
    Usual,
    /// Another one is sent, and the request does not reach the account.
    Scripted(Scripted),
    /// None is ever sent, and the request does not reach the account. Released, the connection breaks.
    Hang,
    /// The connection breaks before an answer; the request does not reach the account.
    Reset,
    /// The connection breaks in the middle of the answer: of the usual one, or of a scripted one.
    Half(Option<Scripted>),
    /// The request is carried out, then the connection breaks before the answer.
    Lost,
    /// The request is carried out, and no answer is ever sent.
    LostHang,
}

/// An answer that was requested.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scripted {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Value>,
}

/// A fault, the requests that it applies to, and how many of them.
#[derive(Debug, Clone)]
pub(crate) struct FaultRule {
    fault: Fault,
    aim: Aim,
    hits: u64,
    given: Value,
}

/// Which requests a fault applies to.
#[derive(Debug, Clone, Default, PartialEq)]
struct Aim {
    method: Option<String>,
    path: Option<String>,
    contains: Option<String>,
    /// How many more requests it applies to; `None`: until cleared.
    next: Option<NonZeroU64>,
}

/// The rules in force, in their order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FaultRule>);

/// A fault and its aim, as they are given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own; which go together is checked when they are read"
)]
struct Given {
    status: Option<u16>,
    /// A `null` is a body too.
    #[serde(default, deserialize_with = "given")]
    body: Option<Plain>,
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    hang: bool,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    half: bool,
    #[serde(default)]
    lost: bool,
    next: Option<u64>,
    path: Option<String>,
    method: Option<String>,
    #[serde(rename = "match")]
    contains: Option<String>,
}

/// A key's value, whatever it is.
fn given<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Plain>, D::Error> {
    Plain::deserialize(json).map(Some)
}

impl Faults {
    /// Adds a rule after the others.
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.0.push(rule);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes every rule; returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }

    /// The fault of the first rule that applies to this request, counted down.
    pub(crate) fn apply(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Fault> {
        let at = self.0.iter().position(|rule| rule.aim.hits(method, path, body))?;
        let rule = &mut self.0[at];
        rule.hits += 1;
        let fault = rule.fault.clone();
        if let Some(next) = rule.aim.next {
            rule.aim.next = NonZeroU64::new(next.get() - 1);
            if rule.aim.next.is_none() {
                self.0.remove(at);
            }
        }
        Some(fault)
    }

    /// The rules as JSON: as given, with how often each has applied and will apply.
    pub(crate) fn list(&self) -> Vec<Value> {
        let entry = |rule: &FaultRule| {
            let mut entry = rule.given.clone();
            entry["next"] = json!(rule.aim.next);
            entry["hits"] = json!(rule.hits);
            entry
        };
        self.0.iter().map(entry).collect()
    }
}

impl FaultRule {
    /// Reads a rule.
    pub(crate) fn read(given: &Value) -> Result<Self, String> {
        let (fault, aim) = read(given)?;
        Ok(Self {
            fault,
            aim,
            hits: 0,
            given: given.clone(),
        })
    }
}

impl Aim {
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

fn read(given: &Value) -> Result<(Fault, Aim), String> {
    if !given.is_object() {
        return Err("a fault is a JSON object, such as {\"status\": 503, \"next\": 2}".to_owned());
    }
    let given: Given = serde_path_to_error::deserialize(given).map_err(|error| error.to_string())?;
    let next = given
        .next
        .map(|next| NonZeroU64::new(next).ok_or("next must be at least 1; leave it out to apply until cleared"));
    let aim = Aim {
        next: next.transpose()?,
        method: given.method.as_deref().map(str::to_uppercase),
        path: given.path.clone(),
        contains: given.contains.clone(),
    };
    Ok((Fault::of(given)?, aim))
}

impl Fault {
    /// Reads a fault without an aim.
    pub(crate) fn read(given: &Value) -> Result<Self, String> {
        let (fault, aim) = read(given)?;
        if aim == Aim::default() {
            Ok(fault)
        } else {
            Err("a step takes no next, path, method or match".to_owned())
        }
    }

    fn of(given: Given) -> Result<Self, String> {
        let delay = Duration::from_millis(given.delay_ms);
        let Given {
            hang,
            reset,
            half,
            lost,
            ..
        } = given;
        let effect = match (Scripted::of(given)?, hang, reset, half, lost) {
            (Some(scripted), false, false, false, false) => Effect::Scripted(scripted),
            (scripted, false, false, true, false) => Effect::Half(scripted),
            (None, true, false, false, false) => Effect::Hang,
            (None, true, false, false, true) => Effect::LostHang,
            (None, false, true, false, false) => Effect::Reset,
            (None, false, false, false, true) => Effect::Lost,
            (None, false, false, false, false) if !delay.is_zero() => Effect::Usual,
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
        Ok(Self { delay, effect })
    }

    /// One word for the log.
    pub(crate) fn word(&self) -> String {
        match &self.effect {
            Effect::Usual => "delay".to_owned(),
            Effect::Scripted(scripted) => format!("status {}", scripted.status.as_u16()),
            Effect::Hang => "hang".to_owned(),
            Effect::Reset => "reset".to_owned(),
            Effect::Half(_) => "half".to_owned(),
            Effect::Lost => "lost".to_owned(),
            Effect::LostHang => "lost, hang".to_owned(),
        }
    }
}

impl Scripted {
    fn of(given: Given) -> Result<Option<Self>, String> {
        let Some(status) = given.status else {
            let alone = [("body", given.body.is_some()), ("headers", given.headers.is_some())];
            return match alone.into_iter().find(|(_, is_given)| *is_given) {
                Some((key, _)) => Err(format!("{key} needs a status beside it")),
                None => Ok(None),
            };
        };
        let in_range = Some(status).filter(|status| (200..=599).contains(status));
        let status = in_range.and_then(|status| StatusCode::from_u16(status).ok());
        Ok(Some(Self {
            status: status.ok_or("status must be from 200 to 599")?,
            headers: given.headers.map(headers).transpose()?.unwrap_or_default(),
            body: given.body.map(|Plain(body)| body),
        }))
    }

    /// The answer: with the body that was requested, or the one that Klaviyo, or the proxy before it, gives with the
    /// status.
    pub(crate) fn answer(&self, request: u64) -> Answer {
        let mut answer = match &self.body {
            None => customary(request, self.status),
            Some(Value::String(text)) => typed(self.status, HTML, text.clone()),
            Some(body) => document(self.status, body),
        };
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        // Those that were requested replace the usual ones.
        answer.headers_mut().extend(self.headers.clone());
        answer
    }
}

fn customary(request: u64, status: StatusCode) -> Answer {
    let whole = |code, title, detail: &str| refused(request, &[Refusal::whole(status, code, title, detail)]);
    match status.as_u16() {
        200..=399 => empty(status),
        401 => whole(
            "authentication_failed",
            "Incorrect authentication credentials.",
            "The key is wrong.",
        ),
        403 => whole("permission_denied", "Permission denied.", "The key lacks a scope."),
        409 => refused(
            request,
            &[Refusal {
                status,
                ..Refusal::duplicate_profile("/data/attributes", "01SANDBOX00000000000000000")
            }],
        ),
        429 => refused(request, &[Refusal::throttled(1)]),
        502 | 504 | 520..=524 => proxy_page(status),
        500..=599 => whole(
            "error",
            "A server error occurred.",
            "A fault was ordered of the sandbox.",
        ),
        _ => whole("invalid", "Invalid input.", "A fault was ordered of the sandbox."),
    }
}

fn headers(given: Map<String, Value>) -> Result<HeaderMap, String> {
    let header = |(name, value): (String, Value)| {
        let value = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(format!("headers.{name} must be a string or a number"));
            }
        };
        match (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => Err(format!("headers.{name} is no HTTP header")),
        }
    };
    given.into_iter().map(header).collect()
}
