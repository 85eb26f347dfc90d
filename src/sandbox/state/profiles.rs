//! The profiles a sandbox holds: their identifiers, attributes and consent.
//!
//! Promises that an identifier belongs to one profile at a time, and that past its bounds the oldest profile is
//! forgotten with all its names. Where Klaviyo's pages are silent (which profile survives a merge) nothing is
//! merged: an identifier stays with the profile that has it. Uses `model` for time.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::Timestamp;
use crate::sandbox::schema::IDENTIFIERS;

/// The number of a profile, shown as the id at Klaviyo that is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileNumber(u64);

/// One person.
#[derive(Debug, Clone, Serialize)]
pub struct Profile {
    /// Klaviyo's id of it.
    pub id: ProfileNumber,
    /// `email`, `phone_number`, `external_id`, `anonymous_id`, `_kx`: those it has.
    pub identifiers: BTreeMap<&'static str, String>,
    /// The other standard attributes.
    pub attributes: Map<String, Value>,
    /// Custom properties.
    pub properties: Map<String, Value>,
    /// Consent by channel (`email.marketing`).
    pub consent: BTreeMap<String, Consent>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    #[serde(skip)]
    bytes: usize,
}

/// A consent.
#[derive(Debug, Clone, Serialize)]
pub struct Consent {
    /// `SUBSCRIBED`, or `AWAITING_CONFIRMATION` while a double opt-in is open.
    pub state: &'static str,
    /// Since when.
    pub at: Timestamp,
    /// The list it was for.
    pub list: Option<String>,
    /// Whether it came as a historical import.
    pub historical_import: bool,
}

/// The names that a document has for its person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Klaviyo's own id.
    pub(crate) id: Option<String>,
    /// The other identifiers, strongest first; normalised.
    pub(crate) given: Vec<(&'static str, String)>,
    /// Those that the document clears with null.
    pub(crate) cleared: Vec<&'static str>,
}

/// What a document's nulls do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// They clear the field (`profile-import`).
    Clear,
    /// They change nothing (bulk import; events, where it is not documented).
    Ignore,
}

/// Every profile.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    by_number: BTreeMap<ProfileNumber, Profile>,
    by_name: HashMap<(&'static str, String), ProfileNumber>,
    last: u64,
    bytes: usize,
    /// How many were forgotten for want of room.
    pub(crate) forgotten: u64,
}

impl ProfileNumber {
    /// The one of this number, whether or not there is such a profile.
    pub(crate) const fn at(number: u64) -> Self {
        Self(number)
    }

    /// The number in an id on the wire, whether or not there is such a profile.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let number = Self(id.strip_prefix("01SANDBOX")?.parse().ok()?);
        (number.to_string() == id).then_some(number)
    }

    /// The number itself.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// The id on the wire: as long as Klaviyo's, and easy to distinguish from one of theirs.
impl fmt::Display for ProfileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "01SANDBOX{:017}", self.0)
    }
}

impl Serialize for ProfileNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Names {
    /// Reads the names of a profile object: its `id`, and the identifiers among its `attributes`.
    pub(crate) fn of(profile: &Value) -> Self {
        let mut names = Self {
            id: profile.get("id").and_then(Value::as_str).map(str::to_owned),
            ..Self::default()
        };
        for name in IDENTIFIERS {
            match profile.pointer(&format!("/attributes/{name}")) {
                Some(Value::String(text)) => names.given.push((name, normal(name, text))),
                Some(Value::Null) => names.cleared.push(name),
                Some(_) | None => {}
            }
        }
        names
    }

    /// Whether there is any name.
    pub(crate) fn any(&self) -> bool {
        self.id.is_some() || !self.given.is_empty()
    }

    /// The value of one identifier.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }
}

fn normal(name: &str, text: &str) -> String {
    match name {
        "email" => text.trim().to_lowercase(),
        _ => text.to_owned(),
    }
}

impl Profile {
    /// How much is known of it, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Profiles {
    /// The profile with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<ProfileNumber> {
        ProfileNumber::of(id).filter(|number| self.by_number.contains_key(number))
    }

    /// The profile that has this identifier.
    pub(crate) fn by_name(&self, name: &'static str, value: &str) -> Option<ProfileNumber> {
        self.by_name.get(&(name, normal(name, value))).copied()
    }

    /// The owners of the given identifiers, strongest first, each once.
    pub(crate) fn owners(&self, names: &Names) -> Vec<ProfileNumber> {
        let mut owners = Vec::new();
        for (name, value) in &names.given {
            if let Some(owner) = self.by_name(name, value)
                && !owners.contains(&owner)
            {
                owners.push(owner);
            }
        }
        owners
    }

    pub(crate) fn get(&self, number: ProfileNumber) -> Option<&Profile> {
        self.by_number.get(&number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.by_number.values()
    }

    /// The profiles made before the one of this number, newest first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = &Profile> {
        let before = self.by_number.range(..ProfileNumber(number)).rev();
        before.map(|(_, profile)| profile)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Makes an empty profile.
    pub(crate) fn create(&mut self, now: Timestamp) -> ProfileNumber {
        self.last += 1;
        let number = ProfileNumber(self.last);
        self.by_number.insert(
            number,
            Profile {
                id: number,
                identifiers: BTreeMap::new(),
                attributes: Map::new(),
                properties: Map::new(),
                consent: BTreeMap::new(),
                created: now,
                updated: now,
                bytes: 0,
            },
        );
        number
    }

    /// Gives a profile an identifier, in place of the one it had. One that another profile has stays there.
    pub(crate) fn rename(&mut self, number: ProfileNumber, name: &'static str, value: &str) {
        let key = (name, normal(name, value));
        if self.by_name.contains_key(&key) {
            return;
        }
        self.unname(number, name);
        if let Some(profile) = self.by_number.get_mut(&number) {
            profile.identifiers.insert(name, key.1.clone());
            self.by_name.insert(key, number);
        }
    }

    /// Takes an identifier from a profile.
    pub(crate) fn unname(&mut self, number: ProfileNumber, name: &'static str) {
        if let Some(profile) = self.by_number.get_mut(&number)
            && let Some(value) = profile.identifiers.remove(name)
        {
            self.by_name.remove(&(name, value));
        }
    }

    /// Changes what is known of a profile, and keeps count of its size.
    pub(crate) fn change(&mut self, number: ProfileNumber, now: Timestamp, change: impl FnOnce(&mut Profile)) {
        if let Some(profile) = self.by_number.get_mut(&number) {
            change(profile);
            profile.updated = now;
            let names: usize = profile.identifiers.values().map(String::len).sum();
            let bytes = names + json_bytes(&profile.attributes) + json_bytes(&profile.properties);
            self.bytes = self.bytes + bytes - profile.bytes;
            profile.bytes = bytes;
        }
    }

    /// Forgets a profile and its names.
    pub(crate) fn remove(&mut self, number: ProfileNumber) -> bool {
        let Some(profile) = self.by_number.remove(&number) else {
            return false;
        };
        self.bytes -= profile.bytes;
        for (name, value) in profile.identifiers {
            self.by_name.remove(&(name, value));
        }
        true
    }

    /// The oldest profile, when there are more than fit.
    pub(crate) fn surplus(&self, most: usize, most_bytes: usize) -> Option<ProfileNumber> {
        let full = self.by_number.len() > most || self.bytes > most_bytes;
        let (oldest, _) = self.by_number.first_key_value()?;
        (full && self.by_number.len() > 1).then_some(*oldest)
    }
}

/// How long a map is as JSON.
fn json_bytes(map: &Map<String, Value>) -> usize {
    if map.is_empty() {
        return 0;
    }
    serde_json::to_string(map).map_or(0, |text| text.len())
}
