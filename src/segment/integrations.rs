//! What a call states about destinations: whether Klaviyo gets it, and the call's own options for Klaviyo.
//!
//! The two are looked up differently, as in Facade: `enabled()` compares names exactly, `options()` in any case. A
//! list that is overlooked here would put a person on the default list instead, so that everything counts that may be
//! meant for Klaviyo.

use serde_json::{Map, Value};

use super::call::Call;
use super::lookup::{find_all, normalized, same_key};
use super::pointer::Pointer;

/// The names of the destination in Segment's catalogue: the classic one, then its successor.
const NAMES: [&str; 2] = ["Klaviyo", "Klaviyo (Actions)"];

/// A call's own options for Klaviyo, wherever they stand.
#[derive(Debug, Default)]
pub struct KlaviyoOptions<'a> {
    /// Each with its place: the call's own before those of its batch, and exact names before others.
    objects: Vec<(Pointer, &'a Map<String, Value>)>,
    unreadable_list: Option<Pointer>,
}

impl Call {
    /// Whether the call may go to Klaviyo: not when its entry is `false`, nor when `integrations.All` is and Klaviyo
    /// is not named. Anything that is no boolean is on, as in Facade.
    pub fn klaviyo_enabled(&self) -> bool {
        let Some(integrations) = self.merged("integrations") else {
            return true;
        };
        let named = NAMES.iter().find_map(|name| integrations.get(name));
        named.or_else(|| integrations.get("All")) != Some(&Value::Bool(false))
    }

    /// The call's own options for Klaviyo: of every entry of `integrations` whose name holds "Klaviyo" in any case.
    /// `integrations` may be spelled otherwise, or stand in `context` or `options`, where older libraries put it.
    pub fn klaviyo_options(&self) -> KlaviyoOptions<'_> {
        let mut options = KlaviyoOptions::default();
        for (place, integrations) in self.integrations() {
            let mut entries: Vec<_> = integrations
                .iter()
                .filter(|(name, _)| contains_word(name, "klaviyo"))
                .collect();
            entries.sort_by_key(|(name, _)| rank(name));
            for (name, value) in entries {
                options.add(place.clone().name(name), value);
            }
        }
        options
    }

    /// Every object of integrations, and where it stands: the call's, its batch's, those in other places.
    fn integrations(&self) -> Vec<(Pointer, &Map<String, Value>)> {
        const NAME: &str = "integrations";
        let mut found: Vec<(Pointer, &Value)> = Vec::new();
        let place = |(name, value): (&str, _)| (Pointer::of(name), value);
        found.extend(find_all(self.body(), NAME).map(place));
        found.extend(self.batch_field(NAME).map(|outer| (Pointer::of(NAME), outer)));
        for parent in ["context", "options"] {
            for (sent, outer) in find_all(self.body(), parent) {
                let inner = outer.as_object().into_iter();
                let inner = inner.flat_map(|outer| find_all(outer, NAME));
                found.extend(inner.map(|(name, value)| (Pointer::of(sent).name(name), value)));
            }
        }
        found
            .into_iter()
            .filter_map(|(place, value)| Some((place, value.as_object()?)))
            .collect()
    }
}

/// Whether a name holds this word, in any case and with any separators.
fn contains_word(name: &str, word: &str) -> bool {
    let normalized: String = normalized(name).map(char::from).collect();
    normalized.contains(word)
}

/// Exact names go first.
fn rank(name: &str) -> usize {
    let exact = NAMES.iter().position(|exact| *exact == name);
    exact.unwrap_or(NAMES.len())
}

impl<'a> KlaviyoOptions<'a> {
    fn add(&mut self, place: Pointer, value: &'a Value) {
        match value {
            Value::Object(object) => {
                if let Some(name) = other_list(object) {
                    self.unreadable_list.get_or_insert_with(|| place.clone().name(name));
                }
                self.objects.push((place, object));
            }
            // On or off: no options.
            Value::Bool(_) | Value::Null => {}
            Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.unreadable_list.get_or_insert(place);
            }
        }
    }

    /// Every value of this option that is not null, in any spelling, with its place.
    pub fn all(&self, name: &'a str) -> impl Iterator<Item = (Pointer, &'a Value)> {
        self.objects.iter().flat_map(move |(place, object)| {
            let stated = find_all(object, name).filter(|(_, value)| !value.is_null());
            stated.map(move |(sent, value)| (place.clone().name(sent), value))
        })
    }

    /// The place of what may name a list and cannot be read: options that are no object, or an option of another
    /// name that is about a list.
    pub fn unreadable_list(&self) -> Option<&Pointer> {
        self.unreadable_list.as_ref()
    }
}

/// The first member, at any depth, whose name is about a list and is not `listId`.
fn other_list(options: &Map<String, Value>) -> Option<&str> {
    options.iter().find_map(|(name, value)| {
        let is_other = contains_word(name, "list") && !same_key(name, "listId") && !value.is_null();
        let within = || value.as_object().is_some_and(mentions_list);
        (is_other || within()).then_some(name.as_str())
    })
}

fn mentions_list(object: &Map<String, Value>) -> bool {
    object
        .iter()
        .any(|(name, value)| contains_word(name, "list") || value.as_object().is_some_and(mentions_list))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(body: &Value) -> Call {
        Call::read(&body.to_string(), None, None).unwrap()
    }

    #[test]
    fn integrations_switch_klaviyo_as_facade_does() {
        let cases = [
            (json!({}), true),
            (json!({"All": false}), false),
            (json!({"All": false, "Klaviyo": true}), true),
            (json!({"All": false, "Klaviyo": {"listId": "x"}}), true),
            (json!({"All": false, "klaviyo": {"listId": "x"}}), false),
            (json!({"Klaviyo": false}), false),
            (json!({"Klaviyo (Actions)": false}), false),
            (json!({"klaviyo": false}), true),
            (json!({"all": false}), true),
            (json!({"Klaviyo": null}), true),
        ];
        for (integrations, expected) in cases {
            let call = call(&json!({"type": "track", "integrations": integrations}));
            assert_eq!(call.klaviyo_enabled(), expected, "{integrations}");
        }
    }

    #[test]
    fn options_are_found_wherever_a_caller_puts_them() {
        let own = json!({"list_id": "OWN"});
        for body in [
            json!({"integrations": {"Klaviyo": own}}),
            json!({"integrations": {"klaviyo": own}}),
            json!({"integrations": {"KLAVIYO (actions)": own}}),
            json!({"integrations": {"Klaviyo": true, "Klaviyo (Actions)": own}}),
            json!({"integrations": {"Klaviyo": {"listId": null}, "klaviyo-actions": own}}),
            json!({"integrations": {"klaviyo": {"listId": "LATER"}, "Klaviyo": own}}),
            json!({"Integrations": {"Klaviyo": own}}),
            json!({"context": {"integrations": {"Klaviyo": own}}}),
            json!({"options": {"integrations": {"Klaviyo": own}}}),
        ] {
            let mut call_body = json!({"type": "identify"});
            call_body
                .as_object_mut()
                .unwrap()
                .extend(body.as_object().unwrap().clone());
            let call = call(&call_body);
            let options = call.klaviyo_options();
            let first = options.all("listId").next().map(|(_, list)| list.clone());
            assert_eq!(first, Some(json!("OWN")), "{body}");
            assert_eq!(options.unreadable_list(), None, "{body}");
        }
    }

    #[test]
    fn what_may_name_a_list_and_cannot_be_read_is_known() {
        for (klaviyo, place) in [
            (json!("OWN"), Some("integrations.Klaviyo")),
            (json!(["OWN"]), Some("integrations.Klaviyo")),
            (json!(7), Some("integrations.Klaviyo")),
            (json!({"list": "OWN"}), Some("integrations.Klaviyo.list")),
            (json!({"listIds": ["OWN"]}), Some("integrations.Klaviyo.listIds")),
            (
                json!({"options": {"listId": "OWN"}}),
                Some("integrations.Klaviyo.options"),
            ),
            (json!({"list": null, "confirmOptin": true}), None),
            (json!(true), None),
            (json!({}), None),
        ] {
            let call = call(&json!({"type": "identify", "integrations": {"Klaviyo": klaviyo}}));
            assert_eq!(
                call.klaviyo_options()
                    .unreadable_list()
                    .map(Pointer::to_string)
                    .as_deref(),
                place,
                "{klaviyo}"
            );
        }
    }
}
