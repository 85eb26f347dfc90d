//! The short values of a call that is too long to be read whole: which person it names, and what it is.
//!
//! A value in memory takes up to seventy times its text. Here nothing is read that is longer than an id, an e-mail or a
//! name can be, and of each object its first members alone.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::surrogates::repair_surrogates;
use crate::json;

/// What is read whole, in bytes.
const MAX_TEXT_BYTES: usize = 1024;
/// Members of one object.
const MAX_MEMBERS: usize = 64;
/// Objects in one another: `context.traits.email` is in the third.
const MAX_DEPTH: usize = 3;

/// The short values of an object, as it would be read whole.
pub(super) fn brief(text: &str) -> Result<Value, serde_json::Error> {
    value(text, MAX_DEPTH)
}

fn value(text: &str, depth: usize) -> Result<Value, serde_json::Error> {
    if text.len() <= MAX_TEXT_BYTES {
        return json::from_str(&repair_surrogates(text));
    }
    if depth == 0 || !text.trim_start().starts_with('{') {
        return Ok(Value::Null);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Members { depth }).map(Value::Object)
}

struct Members {
    depth: usize,
}

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = object.next_key::<&RawValue>()? {
            if members.len() == MAX_MEMBERS || key.get().len() > MAX_TEXT_BYTES {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            let key: String = serde_json::from_str(&repair_surrogates(key.get())).map_err(A::Error::custom)?;
            let text = object.next_value::<&RawValue>()?.get();
            // One that cannot be read is left out.
            let value = value(text, self.depth - 1).unwrap_or_default();
            members.insert(key, value);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_values_are_read_and_long_ones_are_not() {
        let long = "x".repeat(MAX_TEXT_BYTES);
        let call = json!({"userId": "u", "event": "e", "long": long, "list": [long],
            "context": {"long": long, "traits": {"email": "a@b.co", "long": long,
                "deep": {"name": "n", "long": long}}}});
        let read = brief(&call.to_string()).unwrap();
        assert_eq!(
            read,
            json!({"userId": "u", "event": "e", "long": null, "list": null,
                "context": {"long": null, "traits": {"email": "a@b.co", "long": null, "deep": null}}})
        );
    }

    #[test]
    fn of_many_members_the_first_are_read() {
        let members: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":{{}}")).collect();
        let read = brief(&format!("{{{}}}", members.join(","))).unwrap();
        assert_eq!(read.as_object().unwrap().len(), MAX_MEMBERS);
    }
}
