//! Splits a batch without parsing its calls: the text of each call stays the same, byte for byte.
//!
//! The calls are not parsed here, so one that nests too deep does not affect the others.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answer::Rejection;
use super::time;
use crate::json;
use crate::model::Timestamp;
use crate::segment::{Envelope, repair_surrogates};

/// Segment's limit on the calls of one batch.
pub(super) const MAX_ITEMS: usize = 2500;
/// The batch's own `context` and `integrations` are part of each of its calls, and Segment's limit for a whole call is
/// 32 KiB.
const MAX_ENVELOPE_BYTES: usize = 32 * 1024;

/// The field of a line in which the relay's own export stores what it knows of the call.
pub const EXPORTED: &str = "klaviyoRelay";
/// The fields that are read. Others are skipped, so that many of them need no memory.
const KNOWN: [&str; 11] = [
    "batch",
    "context",
    "integrations",
    "messageId",
    "payload",
    "receivedAt",
    "sentAt",
    "type",
    "writeKey",
    // In a line of the relay's own export.
    EXPORTED,
    "at",
];

/// The top-level fields of one JSON object that are read, with their texts unchanged. Of a repeated key the last one
/// counts, as in JavaScript.
#[derive(Default)]
pub(super) struct Fields<'a>(BTreeMap<&'static str, &'a RawValue>);

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes the value of a key that was read, if the key is known.
    fn take<A: MapAccess<'a>>(&mut self, key: Option<&'static str>, object: &mut A) -> Result<(), A::Error> {
        match key {
            Some(key) => drop(self.0.insert(key, object.next_value()?)),
            None => drop(object.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = object.next_key()? {
            fields.take(key, &mut object)?;
        }
        Ok(fields)
    }
}

/// A field's name, if it is a known one. Half a surrogate pair in a name is repaired as elsewhere, and does not make
/// the call unreadable.
struct Key(Option<&'static str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(json)?.get();
        let name: String = serde_json::from_str(&repair_surrogates(text)).map_err(D::Error::custom)?;
        Ok(Self(KNOWN.into_iter().find(|known| *known == name)))
    }
}

/// A body of the batch endpoints, split.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// The calls. `None` when the body is an object without `batch`.
    pub(super) items: Option<Vec<&'a RawValue>>,
    /// The body is a bare array.
    pub(super) is_array: bool,
    /// Everything next to `batch`.
    pub(super) fields: Fields<'a>,
    /// The item being read, while the reader is inside of `batch`.
    reading: Option<usize>,
    /// There are more items than are allowed.
    too_many: bool,
    max_items: usize,
}

impl<'a> Batch<'a> {
    /// Reads `{"batch": [call, …], …}` or a bare `[call, …]` (Segment's webhooks), of at most `max_items` calls. It
    /// stops reading there.
    pub(super) fn read(body: &'a str, max_items: usize) -> Result<Self, Rejection> {
        let mut batch = Batch {
            max_items,
            is_array: body.trim_start().starts_with('['),
            ..Batch::default()
        };
        let mut json = serde_json::Deserializer::from_str(body);
        let read = if batch.is_array {
            Items(&mut batch).deserialize(&mut json)
        } else {
            Wrapper(&mut batch).deserialize(&mut json)
        };
        match read.and_then(|()| json.end()) {
            Ok(()) => Ok(batch),
            Err(_) if batch.too_many => Err(Rejection::TooManyItems { limit: max_items }),
            Err(error) if error.is_data() && batch.reading.is_some() => Err(Rejection::BatchNotArray),
            Err(error) if error.is_data() => Err(Rejection::NotAnObject),
            Err(error) => Err(Rejection::Json {
                place: batch
                    .reading
                    .map_or_else(|| "the body".to_owned(), |at| format!("`batch[{at}]`")),
                detail: detail(&error),
            }),
        }
    }

    /// The `context`, `integrations` and `sentAt` around the calls as one JSON object, with their texts unchanged.
    pub(super) fn envelope(&self) -> Result<Option<Envelope>, Rejection> {
        let shared: Vec<String> = ["context", "integrations", "sentAt"]
            .iter()
            .filter_map(|key| {
                let text = self.fields.get(key)?.get();
                (text != "null").then(|| format!("\"{key}\":{text}"))
            })
            .collect();
        if shared.is_empty() {
            return Ok(None);
        }
        let envelope = format!("{{{}}}", shared.join(","));
        if envelope.len() > MAX_ENVELOPE_BYTES {
            return Err(Rejection::EnvelopeTooLarge {
                bytes: envelope.len(),
                limit: MAX_ENVELOPE_BYTES,
            });
        }
        let envelope = Envelope::read(envelope.into()).map_err(|error| Rejection::Json {
            place: "the batch's own `context`, `integrations` or `sentAt`".to_owned(),
            detail: detail(&error),
        })?;
        Ok(Some(envelope))
    }

    /// The batch's own `sentAt`.
    pub(super) fn sent_at(&self) -> Option<Timestamp> {
        let text = self.fields.get("sentAt")?.get();
        time::parse(&json::from_str(&repair_surrogates(text)).ok()?)
    }
}

/// The fields of one call; the values are not parsed.
pub(super) fn fields(call: &str) -> Result<Fields<'_>, serde_json::Error> {
    serde_json::from_str(call)
}

/// A string field. Any other value, including `null`, is `None`.
pub(super) fn string(fields: &Fields<'_>, key: &str) -> Option<String> {
    serde_json::from_str(&repair_surrogates(fields.get(key)?.get())).ok()
}

/// What is wrong with a JSON text, and where. Never what the text contains, as type errors do.
pub(super) fn detail(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("wrong type at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// Reads the array of calls, and counts them, so that an error can name the call it is in.
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
            if items.len() == self.0.max_items {
                self.0.too_many = true;
                return Err(A::Error::custom("too many calls"));
            }
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
        while let Some(Key(key)) = object.next_key()? {
            if key == Some("batch") {
                object.next_value_seed(Items(self.0))?;
            } else {
                self.0.fields.take(key, &mut object)?;
            }
        }
        Ok(())
    }
}
