//! Redacts the write key that SDKs put into the body of a call, before a payload is shown.
//!
//! Pure. The rest of the text stays as it came. A write key is public in browsers, but events can be sent with it, so
//! it must not get into a terminal's history.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::surrogates::repair_surrogates;

/// What is shown in the key's place.
const MASK: &str = "\"***\"";

/// A payload with the value of each top-level `writeKey` masked; borrowed when it has none. A text that is no JSON
/// object is left alone: it has no such key.
pub fn redact_write_key(payload: &str) -> Cow<'_, str> {
    let mut json = serde_json::Deserializer::from_str(payload);
    let Ok(keys) = json.deserialize_map(WriteKeys) else {
        return Cow::Borrowed(payload);
    };
    if keys.is_empty() {
        return Cow::Borrowed(payload);
    }
    let mut shown = String::with_capacity(payload.len());
    let mut kept = 0;
    for key in keys {
        // It is a part of the payload, so its address gives the place.
        let at = key.as_ptr().addr() - payload.as_ptr().addr();
        shown.push_str(&payload[kept..at]);
        shown.push_str(MASK);
        kept = at + key.len();
    }
    shown.push_str(&payload[kept..]);
    Cow::Owned(shown)
}

/// Collects the texts of the write keys, in order.
struct WriteKeys;

impl<'de> Visitor<'de> for WriteKeys {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(name) = object.next_key::<&RawValue>()? {
            // Read as ingest reads it: an escape in the name hides nothing.
            let name: Option<String> = serde_json::from_str(&repair_surrogates(name.get())).ok();
            if name.as_deref() == Some("writeKey") {
                keys.push(object.next_value::<&RawValue>()?.get());
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_write_key_is_hidden_and_nothing_else_changes() {
        for (payload, shown) in [
            (
                r#"{ "a": 1.10, "writeKey" : "wk_1" ,"b":"wk_1 \ud83d"}"#,
                r#"{ "a": 1.10, "writeKey" : "***" ,"b":"wk_1 \ud83d"}"#,
            ),
            (
                r#"{"writeKey":"wk_1","é":{"x":1e400},"write\u004bey":["wk_2"]}"#,
                r#"{"writeKey":"***","é":{"x":1e400},"write\u004bey":"***"}"#,
            ),
        ] {
            assert_eq!(redact_write_key(payload), shown);
        }
    }

    #[test]
    fn a_key_that_is_a_persons_own_data_stays() {
        for payload in [
            r#"{"properties":{"writeKey":"wk_1"},"WriteKey":"x","\ud83d":0}"#,
            r#"[{"writeKey":"wk_1"}]"#,
            "7",
            "no JSON",
        ] {
            assert!(matches!(redact_write_key(payload), Cow::Borrowed(_)), "{payload}");
        }
    }

    #[test]
    fn a_call_that_nests_too_deep_to_be_read_is_masked_too() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let payload = format!(r#"{{"x":{deep},"writeKey":"wk_1"}}"#);
        assert_eq!(redact_write_key(&payload), payload.replace("\"wk_1\"", MASK));
    }
}
