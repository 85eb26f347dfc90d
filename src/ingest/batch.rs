//! Takes a batch apart without reading its calls: each call's text stays what it was, byte for byte.
//!
//! The calls are not parsed here, so one that nests too deep does not cost the others.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::answer::Refusal;
use super::time;
use crate::model::Timestamp;
use crate::segment::readable;

/// Segment's limit on the calls of one batch.
pub(super) const MAX_ITEMS: usize = 2500;
/// The batch's own `context` and `integrations` are stored and read once per call, so a small request could
/// otherwise grow two thousandfold. Segment's limit for a whole call is the same 32 KiB.
const MAX_ENVELOPE_BYTES: usize = 32 * 1024;

/// The top-level fields of one JSON object, their texts untouched. Of a repeated key the last counts, as in
/// JavaScript.
pub(super) type Fields<'a> = BTreeMap<Key, &'a RawValue>;

/// A field's name. Half a surrogate pair in one is read as elsewhere, and does not cost the call.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String);

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(json)?.get();
        let name = serde_json::from_str(&readable(text)).map_err(D::Error::custom)?;
        Ok(Self(name))
    }
}

/// A body of the batch endpoints, taken apart.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// The calls. `None` when the body is an object without `batch`.
    pub(super) items: Option<Vec<&'a RawValue>>,
    /// Everything beside `batch`.
    pub(super) fields: Fields<'a>,
    /// The item being read, while the reader is inside of `batch`.
    reading: Option<usize>,
}

impl<'a> Batch<'a> {
    /// Reads `{"batch": [call, …], …}` or a bare `[call, …]` (Segment's webhooks).
    pub(super) fn read(body: &'a str) -> Result<Self, Refusal> {
        let mut batch = Batch::default();
        let mut json = serde_json::Deserializer::from_str(body);
        let read = if body.trim_start().starts_with('[') {
            Items(&mut batch).deserialize(&mut json)
        } else {
            Wrapper(&mut batch).deserialize(&mut json)
        };
        match read.and_then(|()| json.end()) {
            Ok(()) => Ok(batch),
            Err(error) if error.is_data() && batch.reading.is_some() => Err(Refusal::BatchNotArray),
            Err(error) if error.is_data() => Err(Refusal::NotAnObject),
            Err(error) => Err(Refusal::Json {
                place: batch
                    .reading
                    .map_or_else(|| "the body".to_owned(), |at| format!("`batch[{at}]`")),
                detail: detail(&error),
            }),
        }
    }

    /// The `context`, `integrations` and `sentAt` around the calls as one JSON object, their texts untouched.
    pub(super) fn envelope(&self) -> Result<Option<String>, Refusal> {
        let shared: Vec<String> = ["context", "integrations", "sentAt"]
            .iter()
            .filter_map(|key| {
                let text = self.fields.get(*key)?.get();
                (text != "null").then(|| format!("\"{key}\":{text}"))
            })
            .collect();
        if shared.is_empty() {
            return Ok(None);
        }
        let envelope = format!("{{{}}}", shared.join(","));
        if envelope.len() > MAX_ENVELOPE_BYTES {
            return Err(Refusal::EnvelopeTooLarge {
                bytes: envelope.len(),
                limit: MAX_ENVELOPE_BYTES,
            });
        }
        match serde_json::from_str::<serde_json::Value>(&readable(&envelope)) {
            Ok(_) => Ok(Some(envelope)),
            Err(error) => Err(Refusal::Json {
                place: "the batch's own `context`, `integrations` or `sentAt`".to_owned(),
                detail: detail(&error),
            }),
        }
    }

    /// The batch's own `sentAt`.
    pub(super) fn sent_at(&self) -> Option<Timestamp> {
        let text = self.fields.get("sentAt")?.get();
        time::parse(&serde_json::from_str(&readable(text)).ok()?)
    }
}

/// The fields of one call, its values not read.
pub(super) fn fields(call: &str) -> Result<Fields<'_>, serde_json::Error> {
    serde_json::from_str(call)
}

/// A string field. Anything else, `null` too, is none.
pub(super) fn string(fields: &Fields<'_>, key: &str) -> Option<String> {
    serde_json::from_str(&readable(fields.get(key)?.get())).ok()
}

/// What is wrong with a JSON text, and where; never what the text says, as errors about types do.
pub(super) fn detail(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!(
            "wrong type at line {} column {}",
            error.line(),
            error.column()
        )
    } else {
        error.to_string()
    }
}

/// Reads the array of calls, and keeps count, so that an error can name the call it is in.
struct Items<'b, 'a>(&'b mut Batch<'a>);

impl<'de> DeserializeSeed<'de> for Items<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        self.0.reading = Some(0);
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of calls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        while let Some(item) = array.next_element::<&RawValue>()? {
            items.push(item);
            self.0.reading = Some(items.len());
        }
        self.0.items = Some(items);
        self.0.reading = None;
        Ok(())
    }
}

/// Reads the object around the calls.
struct Wrapper<'b, 'a>(&'b mut Batch<'a>);

impl<'de> DeserializeSeed<'de> for Wrapper<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wrapper<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `batch` of calls")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<Key>()? {
            if key.0 == "batch" {
                object.next_value_seed(Items(self.0))?;
            } else {
                self.0.fields.insert(key, object.next_value()?);
            }
        }
        Ok(())
    }
}
