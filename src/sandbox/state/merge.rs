//! How a profile document changes a profile: fields that are absent stay, null clears or is ignored, custom
//! properties merge by key, `patch_properties` appends and takes away.
//!
//! Pure changes of one profile. Uses the profiles' own type.

use serde_json::{Map, Value};

use super::profiles::{Nulls, Profile};
use crate::sandbox::schema::IDENTIFIERS;

impl Profile {
    /// Takes over the attributes of a document that are no identifiers.
    pub(crate) fn merge(&mut self, attributes: &Map<String, Value>, nulls: Nulls) {
        for (name, value) in attributes {
            match name.as_str() {
                "properties" if value.is_null() => {
                    if nulls == Nulls::Clear {
                        self.properties.clear();
                    }
                }
                "properties" => self.merge_properties(value, nulls),
                "location" => self.merge_location(value, nulls),
                // In events of older revisions; the caller patches.
                "meta" => {}
                name if IDENTIFIERS.contains(&name) => {}
                _ => set(&mut self.attributes, name, value, nulls),
            }
        }
    }

    /// A custom property's null is kept as a value: no page documents that it deletes the property.
    fn merge_properties(&mut self, properties: &Value, nulls: Nulls) {
        for (name, value) in members(Some(properties)) {
            if !value.is_null() || nulls == Nulls::Clear {
                self.properties.insert(name.to_owned(), value.clone());
            }
        }
    }

    fn merge_location(&mut self, value: &Value, nulls: Nulls) {
        let Some(members) = value.as_object() else {
            return set(&mut self.attributes, "location", value, nulls);
        };
        let location = self
            .attributes
            .entry("location")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(location) = location.as_object_mut() {
            for (name, value) in members {
                set(location, name, value, nulls);
            }
        }
    }

    /// Carries out `meta.patch_properties`.
    pub(crate) fn patch(&mut self, meta: &Value) {
        let patch = |name: &str| meta.pointer(&format!("/patch_properties/{name}"));
        for (name, value) in members(patch("append")) {
            let list = self.list(name);
            list.extend(each(value).cloned());
        }
        for (name, value) in members(patch("unappend")) {
            let list = self.list(name);
            list.retain(|item| !each(value).any(|gone| gone == item));
        }
        if let Some(unset) = patch("unset") {
            for name in each(unset).filter_map(Value::as_str) {
                self.properties.shift_remove(name);
            }
        }
    }

    /// A custom property as a list: a single value becomes its only item.
    fn list(&mut self, name: &str) -> &mut Vec<Value> {
        let value = self.properties.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if !value.is_array() {
            *value = Value::Array(vec![value.take()]);
        }
        value.as_array_mut().expect("it was made an array just above")
    }
}

fn set(map: &mut Map<String, Value>, name: &str, value: &Value, nulls: Nulls) {
    if !value.is_null() {
        map.insert(name.to_owned(), value.clone());
    } else if nulls == Nulls::Clear {
        map.shift_remove(name);
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// The items of an array, or the one value itself.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value.as_array() {
        Some(items) => items.iter(),
        None => std::slice::from_ref(value).iter(),
    }
}
