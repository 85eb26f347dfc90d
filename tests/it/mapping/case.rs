//! One case: reading its file, running it, and writing the result in the form of its expectation.

use std::fs;
use std::path::{Path, PathBuf};

use klaviyo_relay::config::MappingConfig;
use klaviyo_relay::klaviyo::{Request, route};
use klaviyo_relay::mapper::{Input, Mapped, Planned, map};
use klaviyo_relay::model::{Right, Side, SourceRules, Timestamp};
use klaviyo_relay::segment::{Call, CallError, Envelope};
use serde_json::{Map, Value, json};

use super::frame;
use super::settings::mapping_config;

/// A file of `tests/mapping`.
pub(super) struct Case {
    pub(super) path: String,
    pub(super) about: String,
    /// The call's text, as it would be received.
    pub(super) payload: String,
    envelope: Option<String>,
    pub(super) side: Option<Side>,
    allow: Vec<Right>,
    received_at: Timestamp,
    /// The settings as the file has them.
    pub(super) settings: Map<String, Value>,
    pub(super) expect: Expected,
}

/// What a case expects.
pub(super) enum Expected {
    Requests(Vec<Value>),
    Skipped(String),
    Unreadable(String),
}

const KEYS: [&str; 9] = [
    "about",
    "event",
    "event_text",
    "envelope",
    "side",
    "allow",
    "received_at",
    "settings",
    "expect",
];
const HAPPENED: &str = "2026-11-23T10:00:00.000Z";
const RECEIVED: &str = "2026-11-23T10:00:05.000Z";

impl Case {
    /// Every case, in the order of the paths.
    pub(super) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapping");
        let mut paths: Vec<PathBuf> = Vec::new();
        for area in fs::read_dir(root).unwrap() {
            paths.extend(
                fs::read_dir(area.unwrap().path())
                    .unwrap()
                    .map(|file| file.unwrap().path()),
            );
        }
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.iter().rev().take(2).map(|part| part.to_str().unwrap());
        let name = name.collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        let text = fs::read_to_string(path).unwrap();
        let mut file: Map<String, Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for key in file.keys() {
            assert!(KEYS.contains(&key.as_str()), "{name}: unknown key {key}");
        }
        let mut take = |key: &str| file.remove(key).map(made);
        let event = take("event").map(|event| event.to_string());
        let payload = event.or_else(|| Some(take("event_text")?.as_str()?.to_owned()));
        let expect = take("expect").unwrap_or_else(|| panic!("{name}: no expectation"));
        let received_at = take("received_at");
        let received_at = received_at.as_ref().map_or(RECEIVED, |time| time.as_str().unwrap());
        Self {
            about: take("about").unwrap().as_str().unwrap().to_owned(),
            payload: payload.unwrap_or_else(|| panic!("{name}: no event")),
            envelope: take("envelope").map(|envelope| envelope.to_string()),
            side: take("side").map(|side| Side::from_word(side.as_str().unwrap()).unwrap()),
            allow: take("allow").map_or_else(Vec::new, |rights| rights_of(&rights)),
            received_at: Timestamp::parse(received_at).unwrap(),
            settings: take("settings").map_or_else(Map::new, |s| s.as_object().unwrap().clone()),
            expect: Expected::read(&name, &expect),
            path: name,
        }
    }

    /// The call, as the relay reads it.
    pub(super) fn call(&self) -> Result<Call, CallError> {
        let envelope = self.envelope.as_deref().map(|text| Envelope::read(text.into()));
        let envelope = envelope.transpose().map_err(CallError::Json)?;
        Call::read(&self.payload, envelope.as_ref(), None)
    }

    /// What the mapper makes of the call, with or without rules.
    pub(super) fn outcome(&self, explain: bool) -> Result<Mapped, CallError> {
        self.call().map(|call| self.map(&call, explain))
    }

    /// The requests that the call becomes, with or without their rules; none when it is skipped or unreadable.
    pub(super) fn requests(&self, explain: bool) -> Vec<Planned> {
        match self.outcome(explain) {
            Ok(Mapped::Requests(planned)) => planned,
            Ok(Mapped::Skipped(_)) | Err(_) => Vec::new(),
        }
    }

    /// The settings of the case.
    pub(super) fn config(&self) -> MappingConfig {
        mapping_config(&self.settings)
    }

    fn map(&self, call: &Call, explain: bool) -> Mapped {
        let text = |name: &str| call.field(name).and_then(Value::as_str);
        let happened = text("timestamp").and_then(Timestamp::parse);
        let rules = SourceRules {
            side: self.side,
            allow: self.allow.clone(),
        };
        let side = self.side.unwrap_or_else(|| call.side());
        let input = Input {
            call,
            message_id: text("messageId").unwrap_or("m1"),
            at: happened.unwrap_or_else(|| Timestamp::parse(HAPPENED).unwrap()),
            received_at: self.received_at,
            side,
            rights: rules.rights(side),
            explain,
            backfill: false,
        };
        map(&input, &self.config())
    }

    /// What came of the case, in the form of an expectation.
    pub(super) fn run(&self) -> Value {
        match self.outcome(false) {
            Err(error) => json!({ "unreadable": error.to_string() }),
            Ok(Mapped::Skipped(reason)) => json!({ "skipped": reason.to_string() }),
            Ok(Mapped::Requests(planned)) => {
                json!({ "requests": planned.iter().map(described).collect::<Vec<_>>() })
            }
        }
    }

    /// The expectation in full: what a file leaves out is expected to be absent.
    pub(super) fn expected(&self) -> Value {
        match &self.expect {
            Expected::Unreadable(reason) => json!({ "unreadable": reason }),
            Expected::Skipped(reason) => json!({ "skipped": reason }),
            Expected::Requests(requests) => {
                let whole = |request: &Value| {
                    let mut whole = json!({"method": "POST", "rejected": null, "warnings": []});
                    whole
                        .as_object_mut()
                        .unwrap()
                        .extend(request.as_object().unwrap().clone());
                    whole
                };
                json!({ "requests": requests.iter().map(whole).collect::<Vec<_>>() })
            }
        }
    }
}

impl Expected {
    fn read(name: &str, expect: &Value) -> Self {
        let reason = |key: &str| expect.get(key).map(|reason| reason.as_str().unwrap().to_owned());
        if let Some(requests) = expect.get("requests") {
            Self::Requests(requests.as_array().unwrap().iter().map(frame::whole).collect())
        } else if let Some(reason) = reason("skipped") {
            Self::Skipped(reason)
        } else {
            let reason = reason("unreadable");
            Self::Unreadable(reason.unwrap_or_else(|| panic!("{name}: expects nothing")))
        }
    }
}

fn described(planned: &Planned) -> Value {
    let target = route(planned.request.kind(), planned.request.list_id());
    json!({
        "kind": planned.request.kind().word(),
        "method": target.method,
        "path": target.path,
        "body": body(&planned.request),
        "rejected": planned.rejected.as_ref().map(ToString::to_string),
        "warnings": planned.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn body(request: &Request) -> Value {
    request
        .body()
        .map_or(Value::Null, |body| serde_json::from_str(&body).unwrap())
}

/// The pointers of all fields of a request's body that somebody decided on: all but the JSON:API frame. A property
/// is one field, whatever it holds.
pub(super) fn fields(planned: &Planned) -> Vec<String> {
    let mut fields = Vec::new();
    collect(&body(&planned.request), "", &mut fields);
    fields
}

fn collect(value: &Value, pointer: &str, fields: &mut Vec<String>) {
    let is_property = pointer.strip_prefix("/data/attributes/properties/").is_some();
    let frame = pointer.ends_with("/type");
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            members.iter().map(|(name, value)| (escaped(name), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    if is_property || (below.is_empty() && !frame && !value.is_object()) {
        if !value.is_null() || !pointer.is_empty() {
            fields.push(pointer.to_owned());
        }
        return;
    }
    for (name, value) in below {
        collect(value, &format!("{pointer}/{name}"), fields);
    }
}

/// Makes what a file only describes: `{"$repeat": ["x", 9]}` a text, `{"$list": [7, 9]}` an array of one value,
/// `{"$numbered": 9}` an object of `k1` to `k9`, `{"$nested": 9}` that many objects in one another.
fn made(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let only = (members.len() == 1).then(|| members.iter().next()).flatten();
            if let Some(made) = only.and_then(|(name, what)| large(name, what)) {
                return made;
            }
            Value::Object(members.into_iter().map(|(name, value)| (name, made(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(made).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn large(name: &str, what: &Value) -> Option<Value> {
    let count = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    match name {
        "$repeat" => Some(json!(what[0].as_str()?.repeat(count(&what[1])))),
        "$list" => Some(Value::Array(vec![made(what[0].clone()); count(&what[1])])),
        "$numbered" => {
            let member = |number| (format!("k{number}"), json!(1));
            Some(Value::Object((1..=count(what)).map(member).collect()))
        }
        "$nested" => {
            let deeper = |inner: Value, _| json!({ "a": inner });
            Some((1..count(what)).fold(json!({}), deeper))
        }
        _ => None,
    }
}

/// Rights, by their words.
fn rights_of(words: &Value) -> Vec<Right> {
    let words = words.as_array().unwrap().iter();
    words
        .map(|word| Right::from_word(word.as_str().unwrap()).unwrap())
        .collect()
}
