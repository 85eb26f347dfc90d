//! Where a call states its person's e-mail and phone. The order of the places is Facade's.

use std::fmt;

use serde_json::{Map, Value};

use super::call::Call;
use super::lookup::{find_key, is_email, text};
use crate::model::{EventType, GarbageIds};

/// An e-mail or phone, and where the call said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The text as sent, trimmed.
    pub value: String,
    /// Where it was.
    pub place: Place,
}

/// A place in a call; it displays as a path, such as `context.traits.email`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In `traits`, under this key as sent.
    Traits(String),
    /// In `context.traits`, under this key as sent.
    ContextTraits(String),
    /// In `properties`, under this key as sent.
    Properties(String),
    /// It is the `userId`.
    UserId,
}

/// Makes a place of a key.
type Placed = fn(String) -> Place;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Traits(key) => write!(f, "traits.{key}"),
            Self::ContextTraits(key) => write!(f, "context.traits.{key}"),
            Self::Properties(key) => write!(f, "properties.{key}"),
            Self::UserId => f.write_str("userId"),
        }
    }
}

impl Call {
    /// The person's e-mail. Identify: `traits.email`, else a `userId` that is one. Other calls:
    /// `context.traits.email`, `properties.email`, then `userId`. A text that is no address is passed over.
    pub fn email_contact(&self, garbage: &GarbageIds) -> Option<Contact> {
        let stated = self.places().find_map(|(map, place)| {
            email_in(map, place).filter(|contact| is_email(&contact.value))
        });
        stated.or_else(|| {
            let value = self.user_id(garbage).filter(|id| is_email(id))?;
            let place = Place::UserId;
            Some(Contact { value, place })
        })
    }

    /// The first text that is said to be the person's e-mail, whether it is an address or not.
    pub fn stated_email(&self) -> Option<Contact> {
        self.places().find_map(|(map, place)| email_in(map, place))
    }

    /// The person's phone as sent: `phone`, `phoneNumber`, `phone_number`, else the first of `phones`; from
    /// `traits` of an identify, from `context.traits` of other calls. A phone among the properties is often a shop's,
    /// and Klaviyo merges people for good who share one: it names nobody.
    pub fn phone_contact(&self) -> Option<Contact> {
        let of_person = |placed: Placed| placed(String::new()) != Place::Properties(String::new());
        let mut places = self.places().filter(|(_, placed)| of_person(*placed));
        places.find_map(|(map, place)| {
            let stated = ["phone", "phoneNumber"]
                .iter()
                .find_map(|key| contact_in(map, key, place, text));
            let first = |value: &Value| value.as_array()?.first().and_then(text);
            stated.or_else(|| contact_in(map, "phones", place, first))
        })
    }

    /// The maps that may speak of the person, first to last.
    fn places(&self) -> impl Iterator<Item = (&Map<String, Value>, Placed)> {
        let place = |map: Option<_>, placed: Placed| map.map(|map| (map, placed));
        let named = |(map, name): (_, &str)| {
            let placed: Placed = match name {
                "traits" => Place::Traits,
                _ => Place::ContextTraits,
            };
            (map, placed)
        };
        let places = match self.kind {
            EventType::Identify => [self.traits_and_place().map(named), None],
            EventType::Track
            | EventType::Page
            | EventType::Screen
            | EventType::Group
            | EventType::Alias
            | EventType::Delete => [
                place(self.context_traits(), Place::ContextTraits),
                place(self.properties(), Place::Properties),
            ],
        };
        places.into_iter().flatten()
    }
}

fn email_in(map: &Map<String, Value>, place: Placed) -> Option<Contact> {
    contact_in(map, "email", place, text)
}

fn contact_in(
    map: &Map<String, Value>,
    key: &str,
    place: Placed,
    read: impl Fn(&Value) -> Option<String>,
) -> Option<Contact> {
    let (sent, value) = find_key(map, key)?;
    let value = read(value)?;
    let place = place(sent.to_owned());
    Some(Contact { value, place })
}
