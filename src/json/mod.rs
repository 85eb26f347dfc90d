//! Parses JSON without changing its values.
//!
//! Pure. With `arbitrary_precision` and `raw_value`, `serde_json` represents numbers and raw texts internally as
//! objects with a reserved first key, such as `$serde_json::private::RawValue`. Its `Value` also interprets a client's
//! object that starts with such a key: text becomes JSON, and a property is changed. In this module such a key is a key
//! like any other. Uses nothing.

mod exponents;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Number, Value};

/// Parses a JSON text.
pub fn from_str(text: &str) -> Result<Value, serde_json::Error> {
    let Plain(mut value) = serde_json::from_str(text)?;
    exponents::restore(&mut value, text);
    Ok(value)
}

/// Parses a JSON text in UTF-8.
pub fn from_slice(text: &[u8]) -> Result<Value, serde_json::Error> {
    let Plain(mut value) = serde_json::from_slice(text)?;
    if let Ok(text) = std::str::from_utf8(text) {
        exponents::restore(&mut value, text);
    }
    Ok(value)
}

/// The JSON pointer (RFC 6901) of a member of the object at `parent`: `~` and `/` in its name are escaped.
pub fn member(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// An unchanged value, for use with `serde_json`'s deserializer, also as a part of another type.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain(pub Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Plain(value)) = array.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key()? {
            match key {
                Key::Written(key) => {
                    let Plain(value) = object.next_value()?;
                    values.insert(key, value);
                }
                // Not an object: `serde_json` passes a number with all its digits in this form.
                Key::OfANumber => {
                    let digits: String = object.next_value()?;
                    let number: Result<Number, _> = digits.parse();
                    let wrong = |_| A::Error::invalid_value(Unexpected::Str(&digits), &"a number");
                    return number.map(Value::Number).map_err(wrong);
                }
            }
        }
        Ok(Value::Object(values))
    }
}

/// The key of an object. If it is deserialized as an option, a key of the JSON text arrives as `Some`, but the reserved
/// key of a number arrives as a plain string. This distinguishes the two.
enum Key {
    Written(String),
    OfANumber,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(key: D) -> Result<Self, D::Error> {
        key.deserialize_option(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_some<D: Deserializer<'de>>(self, key: D) -> Result<Key, D::Error> {
        String::deserialize(key).map(Key::Written)
    }

    fn visit_str<E>(self, _: &str) -> Result<Key, E> {
        Ok(Key::OfANumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_serde_jsons_own_is_a_key_like_any_other() {
        for text in [
            r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#,
            r#"{"$serde_json::private::RawValue":"no JSON"}"#,
            r#"{"$serde_json::private::RawValue":7}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::Number":"1","b":2}"#,
            r#"{"a":[{"$serde_json::private::Number":{"$serde_json::private::RawValue":"1"}}]}"#,
        ] {
            for value in [from_str(text).unwrap(), from_slice(text.as_bytes()).unwrap()] {
                assert_eq!(value.to_string(), text);
            }
        }
        let escaped = r#"{"\u0024serde_json::private::RawValue":"1"}"#;
        assert!(from_str(escaped).unwrap().is_object());
    }

    #[test]
    fn a_number_with_an_exponent_leaves_as_it_came() {
        for text in [
            r#"{"a":1e5,"b":1E-07,"c":[1.0E10,{"d":2e+3}],"e":"1E5 \\\" 2E6"}"#,
            "1E5",
            "[1e400,0.10,-1.50E-7]",
        ] {
            assert_eq!(from_str(text).unwrap().to_string(), text);
            assert_eq!(from_slice(text.as_bytes()).unwrap().to_string(), text);
        }
        let twice = from_str(r#"{"a":1E5,"b":2,"a":3E6}"#).unwrap();
        assert_eq!(
            twice.to_string(),
            r#"{"a":3e+6,"b":2}"#,
            "the same number, at the least"
        );
    }

    #[test]
    fn everything_else_is_read_as_serde_json_reads_it() {
        for text in [
            "null",
            "true",
            r#""ä\n\u0000😀""#,
            "[]",
            "{}",
            r#"{"b":1,"a":[1,[2,{"":null}]],"b":"last"}"#,
            "-0",
            "0.10",
            "1e400",
            "12345678901234567890123",
            "-1.50E-7",
            "18446744073709551616",
            "[-0.0,1.0,9007199254740993]",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let Plain(read) = serde_json::from_str(text).unwrap();
            assert_eq!(read, value, "{text}");
            assert_eq!(read.to_string(), value.to_string());
        }
        for text in [
            "",
            "{",
            "{\"a\"}",
            "1 2",
            "\"\n\"",
            "{\"a\nb\":1}",
            "01",
            "{1:2}",
            "NaN",
        ] {
            assert!(from_str(text).is_err(), "{text}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(from_str(&deep).is_err());
    }
}
