//! The limits on values that no schema names: numbers everywhere, and whatever stands in custom properties.
//!
//! Pure. Source: the limits of Klaviyo's page on events.

use jiff::civil::{Date, date};
use serde_json::{Number, Value};

use super::Check;
use super::texts::MOST_TEXT_BYTES;
use crate::json::member;

const MOST_EVENT_PROPERTIES: usize = 400;
/// The limit before `MORE_PROPERTIES_SINCE`.
const FORMER_EVENT_PROPERTIES: usize = 300;
const MORE_PROPERTIES_SINCE: Date = date(2025, 4, 15);
const MOST_ARRAY_ITEMS: usize = 4_000;
/// Objects in objects; the properties object itself is the first.
const MOST_NESTING: usize = 10;

impl Check {
    /// Compares an object of custom properties with the limits.
    pub(super) fn open(&mut self, event: bool, value: &Value, pointer: &str) {
        let Some(members) = value.as_object() else {
            return self.kind(false, "an object", pointer);
        };
        let most = if self.revision >= MORE_PROPERTIES_SINCE {
            MOST_EVENT_PROPERTIES
        } else {
            FORMER_EVENT_PROPERTIES
        };
        if event && members.len() > most {
            let detail = format!("An event has at most {most} properties, not {}.", members.len());
            self.refuse(pointer, detail);
        }
        self.within(value, pointer, 1);
    }

    /// A number as such: finite, and a signed 64-bit integer when it is written as an integer.
    pub(super) fn number(&mut self, value: &Value, pointer: &str) {
        match value {
            Value::Number(number) => self.finite(number, pointer),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.kind(false, "a number", pointer);
            }
        }
    }

    fn finite(&mut self, number: &Number, pointer: &str) {
        let text = number.as_str();
        if text.contains(['.', 'e', 'E']) {
            if !text.parse::<f64>().is_ok_and(f64::is_finite) {
                self.refuse(pointer, "This number is too large.");
            }
        } else if text.parse::<i64>().is_err() {
            self.refuse(pointer, "An integer must fit 64 bits with a sign.");
        }
    }

    fn within(&mut self, value: &Value, pointer: &str, depth: usize) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.finite(number, pointer),
            Value::String(text) => {
                if text.len() > MOST_TEXT_BYTES {
                    self.refuse(pointer, "This string is larger than 100 KB.");
                }
            }
            Value::Array(items) => {
                if items.len() > MOST_ARRAY_ITEMS {
                    let detail = format!("An array has at most {MOST_ARRAY_ITEMS} items.");
                    return self.refuse(pointer, detail);
                }
                for (at, item) in items.iter().enumerate() {
                    let deeper = depth + usize::from(item.is_object());
                    self.within(item, &format!("{pointer}/{at}"), deeper);
                }
            }
            Value::Object(members) => {
                if depth > MOST_NESTING {
                    let detail = format!("Objects nest at most {MOST_NESTING} deep.");
                    return self.refuse(pointer, detail);
                }
                for (name, value) in members {
                    let deeper = depth + usize::from(value.is_object());
                    self.within(value, &member(pointer, name), deeper);
                }
            }
        }
    }
}
