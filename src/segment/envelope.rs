//! The members of a batch that apply to all of its calls, read once.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::surrogates::repair_surrogates;
use crate::json;

/// The `context`, `integrations` and `sentAt` of a batch. Clones share one copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    text: Arc<str>,
    fields: Arc<Map<String, Value>>,
}

impl Envelope {
    /// Reads it; what is no object is empty.
    pub fn read(text: Arc<str>) -> Result<Self, serde_json::Error> {
        let fields = match json::from_str(&repair_surrogates(&text))? {
            Value::Object(fields) => fields,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        Ok(Self {
            text,
            fields: Arc::new(fields),
        })
    }

    /// Its JSON, as it came.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// One of its fields, by its exact name.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.field(name)?.as_object()
    }
}

/// An object of a call over that of its batch: what the call has itself wins, key by key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merged<'a> {
    /// The call's first, then the batch's.
    objects: [Option<&'a Map<String, Value>>; 2],
}

impl<'a> Merged<'a> {
    /// The object that both have under this name. A call whose own value is no object keeps that, and there is none.
    pub(super) fn of(call: &'a Map<String, Value>, envelope: Option<&'a Envelope>, name: &str) -> Option<Self> {
        let outer = envelope.and_then(|envelope| envelope.object(name));
        let own = match call.get(name) {
            None | Some(Value::Null) => None,
            Some(own) => Some(own.as_object()?),
        };
        (own.is_some() || outer.is_some()).then_some(Self { objects: [own, outer] })
    }

    /// The value under this exact key.
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.objects().find_map(|object| object.get(key))
    }

    /// Both objects, the call's first.
    pub(super) fn objects(self) -> impl Iterator<Item = &'a Map<String, Value>> {
        self.objects.into_iter().flatten()
    }
}
