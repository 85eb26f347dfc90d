//! Where a call states its person's e-mail and phone. The order of the places is Facade's.

use serde_json::{Map, Value};

use super::call::Call;
use super::lookup::{as_text, find_all};
use super::pointer::Pointer;
use crate::model::{EventType, GarbageIds, e164, is_email};

/// An e-mail or phone, and where the call has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The text as sent, trimmed.
    pub value: String,
    /// Where it was.
    pub place: ContactPlace,
}

/// Where a contact stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactPlace {
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
type PlaceOfKey = fn(String) -> ContactPlace;

impl ContactPlace {
    /// The place in the call.
    pub fn pointer(&self) -> Pointer {
        match self {
            Self::Traits(key) => Pointer::of("traits").name(key),
            Self::ContextTraits(key) => Pointer::path("context.traits").name(key),
            Self::Properties(key) => Pointer::of("properties").name(key),
            Self::UserId => Pointer::of("userId"),
        }
    }
}

impl Call {
    /// The person's e-mail. Identify: `traits.email`, else a `userId` that is one. Other calls:
    /// `context.traits.email`, `properties.email`, then `userId`. What is no address, or is garbage, is passed over.
    pub fn email_contact(&self, garbage: &GarbageIds) -> Option<Contact> {
        let usable = |value: &String| is_email(value) && !garbage.contains(value);
        let stated = self.stated_emails();
        stated.into_iter().find(|contact| usable(&contact.value)).or_else(|| {
            let value = self.user_id(garbage).filter(usable)?;
            let place = ContactPlace::UserId;
            Some(Contact { value, place })
        })
    }

    /// Every text under a key for e-mails, whether it is an address or not, first to last.
    pub fn stated_emails(&self) -> Vec<Contact> {
        let stated = self.places().flat_map(|(map, place)| texts(map, "email", place));
        stated.collect()
    }

    /// The person's phone as sent, the first that can be written in E.164: of `phone`, `phoneNumber`, `phone_number`
    /// and `phones`; from `traits` of an identify, from `context.traits` of other calls. A phone among the properties
    /// is often a shop's, and Klaviyo merges people for good who share one: it names nobody.
    pub fn phone_contact(&self, garbage: &GarbageIds) -> Option<Contact> {
        let usable = |value: &str| e164(value).is_some() && !garbage.contains(value);
        let stated = self.stated_phones();
        stated.into_iter().find(|contact| usable(&contact.value))
    }

    /// Every text under a key for phones, whether it is a number or not, first to last.
    pub fn stated_phones(&self) -> Vec<Contact> {
        let of_person = |placed: PlaceOfKey| placed(String::new()) != ContactPlace::Properties(String::new());
        let places = self.places().filter(|(_, placed)| of_person(*placed));
        let stated = places.flat_map(|(map, place)| {
            let keys = ["phone", "phoneNumber", "phones"].into_iter();
            keys.flat_map(move |key| texts(map, key, place))
        });
        stated.collect()
    }

    /// The maps that may describe the person, first to last.
    fn places(&self) -> impl Iterator<Item = (&Map<String, Value>, PlaceOfKey)> {
        let place = |map: Option<_>, placed: PlaceOfKey| map.map(|map| (map, placed));
        let named = |(map, name): (_, &str)| {
            let placed: PlaceOfKey = match name {
                "traits" => ContactPlace::Traits,
                _ => ContactPlace::ContextTraits,
            };
            (map, placed)
        };
        let places = if self.kind == EventType::Identify {
            [self.traits_and_place().map(named), None]
        } else {
            [
                place(self.context_traits(), ContactPlace::ContextTraits),
                place(self.properties(), ContactPlace::Properties),
            ]
        };
        places.into_iter().flatten()
    }
}

/// The texts under a key, in any of its spellings; those of an array one by one.
fn texts<'a>(map: &'a Map<String, Value>, key: &'a str, placed: PlaceOfKey) -> impl Iterator<Item = Contact> + 'a {
    find_all(map, key).flat_map(move |(sent, value)| {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(as_text).map(move |value| Contact {
            value,
            place: placed(sent.to_owned()),
        })
    })
}
