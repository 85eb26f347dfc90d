//! Faults that an event carries itself: a property `sandbox_script` such as `[500, "lost", 202]`, one step for
//! each time the event is sent. A test thus has in the event itself how Klaviyo will answer, with no call to the
//! sandbox before; to Klaviyo it is a property like any other. Among the properties of an imported profile it works
//! the same.
//!
//! A step is a status (2xx: the usual answer), a word (`hang`, `reset`, `half`, `lost`), or an object with the keys
//! of a fault. After the last step everything is as usual. Steps are counted by the event's `unique_id`, or by its
//! bytes when it has none. Pure but for those counts.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::answer::Refusal;
use super::faults::Fault;

/// The property's name.
pub(crate) const PROPERTY: &str = "sandbox_script";
/// Positions of more events than this are not kept.
const MOST_POSITIONS: usize = 100_000;

/// How far the script of each event has come.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    positions: HashMap<String, usize>,
    order: VecDeque<String>,
}

impl Scripts {
    /// Takes the next step of every script in a document; answers the first that is not the usual answer.
    pub(crate) fn step(&mut self, document: &Value) -> Result<Option<Fault>, Refusal> {
        let mut fault = None;
        for (pointer, attributes) in events(document) {
            let Some(script) = attributes.pointer(&format!("/properties/{PROPERTY}")) else {
                continue;
            };
            let place = format!("{pointer}/properties/{PROPERTY}");
            let steps = read(script).map_err(|detail| Refusal::invalid(place, detail))?;
            let taken = self.advance(key(attributes));
            if let Some(step) = steps.into_iter().nth(taken).flatten() {
                fault = fault.or(Some(step));
            }
        }
        Ok(fault)
    }

    /// How many steps were taken before this one.
    fn advance(&mut self, key: String) -> usize {
        if !self.positions.contains_key(&key) {
            self.order.push_back(key.clone());
            if self.order.len() > MOST_POSITIONS
                && let Some(oldest) = self.order.pop_front()
            {
                self.positions.remove(&oldest);
            }
        }
        let position = self.positions.entry(key).or_default();
        *position += 1;
        *position - 1
    }
}

/// The attributes of every event in a document, single or bulk, with the pointer to them.
fn events(document: &Value) -> Vec<(String, &Value)> {
    let Some(attributes) = document.pointer("/data/attributes") else {
        return Vec::new();
    };
    let persons = attributes.pointer("/events-bulk-create/data").and_then(Value::as_array);
    let Some(persons) = persons else {
        return vec![("/data/attributes".to_owned(), attributes)];
    };
    let mut found = Vec::new();
    for (at, person) in persons.iter().enumerate() {
        let events = person.pointer("/attributes/events/data").and_then(Value::as_array);
        for (nth, event) in events.into_iter().flatten().enumerate() {
            let before = format!("/data/attributes/events-bulk-create/data/{at}");
            if let Some(attributes) = event.get("attributes") {
                found.push((format!("{before}/attributes/events/data/{nth}/attributes"), attributes));
            }
        }
    }
    found
}

fn key(attributes: &Value) -> String {
    if let Some(unique_id) = attributes.get("unique_id").and_then(Value::as_str) {
        return format!("id:{unique_id}");
    }
    let mut hasher = DefaultHasher::new();
    attributes.to_string().hash(&mut hasher);
    format!("bytes:{}", hasher.finish())
}

/// The steps of a script; none is the usual answer.
fn read(script: &Value) -> Result<Vec<Option<Fault>>, String> {
    let steps = script
        .as_array()
        .ok_or_else(|| format!("{PROPERTY} must be an array of steps, such as [500, \"lost\", 202]"))?;
    steps.iter().map(read_step).collect()
}

fn read_step(step: &Value) -> Result<Option<Fault>, String> {
    if step.as_u64().is_some_and(|status| (200..300).contains(&status)) {
        return Ok(None);
    }
    let given = match step {
        Value::Object(_) => step.clone(),
        Value::String(word) => json!({ word: true }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => json!({ "status": step }),
    };
    let fault = Fault::read(&given).map_err(|detail| format!("step {step}: {detail}"))?;
    Ok(Some(fault))
}
