//! Which traits go to which standard field of a profile: the two tables of Segment's destination, as data.
//!
//! A trait that went to a field leaves the rest, so that it is not repeated as a custom property.

use serde_json::{Map, Value};

use super::Input;
use super::person::ProfileIdentifier;
use super::rule::{Note, Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use crate::klaviyo::{Field, ProfileImport};
use crate::model::Side;
use crate::segment::{ContactPlace, Pointer, as_text, find_all};

/// A path of trait names, found in any case and with any separator.
type Path = &'static [&'static str];

/// One row of a table: the field, as a path below the attributes, and the traits that may give it, first to last.
/// Where a field has two names the row's own comes first; `address.…` comes before the flat trait, as in Facade.
pub(super) type Row = (&'static str, &'static [Path]);

/// The traits of a call that no field has taken yet, and the warnings about those that one took.
pub(super) struct Traits {
    /// What no field has taken: the custom properties to be.
    pub(super) rest: Map<String, Value>,
    /// Where the call has them: `traits`.
    place: &'static str,
    pub(super) sink: Sink,
}

pub(super) const EMAIL: Row = ("email", &[&["email"]]);
pub(super) const PHONE: Row = ("phone_number", &[&["phone"], &["phoneNumber"]]);
const FIRST_NAME: Row = ("first_name", &[&["firstName"]]);
const LAST_NAME: Row = ("last_name", &[&["lastName"]]);
const CLIENT_TITLE: Row = ("title", &[&["title"]]);
const TITLE: Row = ("title", &[&["title"], &["position"], &["jobTitle"]]);
const ORGANIZATION: Row = ("organization", &[&["organization"], &["company", "name"]]);
const CITY: Row = ("location/city", &[&["address", "city"], &["city"]]);
const COUNTRY: Row = ("location/country", &[&["address", "country"], &["country"]]);
const REGION: Row = (
    "location/region",
    &[&["address", "region"], &["region"], &["address", "state"], &["state"]],
);
const ZIP: Row = (
    "location/zip",
    &[
        &["address", "zip"],
        &["zip"],
        &["address", "postalCode"],
        &["postalCode"],
    ],
);
const TIMEZONE: Row = ("location/timezone", &[&["timezone"]]);

impl Traits {
    /// The traits of a call, and where it has them.
    pub(super) fn of(input: &Input<'_>) -> Self {
        let (traits, place) = input.call.traits_and_place().unzip();
        Self {
            rest: traits.cloned().unwrap_or_default(),
            place: place.unwrap_or("traits"),
            sink: Sink::new(input.explain),
        }
    }

    /// Moves the side's standard traits into the profile. E-mail, phone and ids are the person's: not here.
    pub(super) fn fill(&mut self, profile: &mut ProfileImport, side: Side, context_timezone: Option<String>) {
        match side {
            Side::Client => {
                profile.first_name = self.row(FIRST_NAME);
                profile.last_name = self.row(LAST_NAME);
                profile.title = self.row(CLIENT_TITLE);
            }
            Side::Server => {
                self.names(profile);
                profile.organization = self.row(ORGANIZATION);
                profile.title = self.row(TITLE);
                profile.location.city = self.row(CITY);
                profile.location.country = self.row(COUNTRY);
                profile.location.region = self.row(REGION);
                profile.location.zip = self.row(ZIP);
                let mut timezone = self.take_first(TIMEZONE.1);
                let context = context_timezone.map(|value| Sourced {
                    value,
                    origin: self.sink.origin(|| Origin::sent(Pointer::path("context.timezone"))),
                });
                timezone.text = timezone.text.or(context);
                profile.location.timezone = self.field(TIMEZONE.0, timezone);
            }
        }
    }

    /// Settles an e-mail or phone: the trait that named the person is taken. Of the others `null` clears the field
    /// when nothing names the person, blank is nothing, and what is no address or number stays as a property.
    pub(super) fn identifier(&mut self, (field, paths): Row, name: Option<&ProfileIdentifier>) -> Field {
        if let Some(ContactPlace::Traits(key) | ContactPlace::ContextTraits(key)) =
            name.and_then(|name| name.place.as_ref())
        {
            // `phones` gave its first number only: what else it holds stays.
            let all = self.rest.get(key).and_then(Value::as_array);
            if all.is_none_or(|all| all.len() == 1) {
                self.rest.shift_remove(key);
            }
        }
        let mut null = None;
        for (sent, look) in paths.iter().flat_map(|path| self.find(path)).collect::<Vec<_>>() {
            match look {
                TraitKind::Null => {
                    remove(&mut self.rest, &sent);
                    null.get_or_insert(sent);
                }
                TraitKind::Blank => self.drop_blank(&sent),
                TraitKind::Other => self.keep_as_property(&sent),
                // A warning of the person has the reason why it is not used as a name.
                TraitKind::Text(_) => {}
            }
        }
        if let Some(name) = name {
            let origin = self.sink.origin(|| name.origin());
            self.sink.rule(ATTRIBUTES, field, origin);
            return Field::Set(name.value.clone());
        }
        let Some(sent) = null else {
            return Field::Absent;
        };
        let from = self.pointer(&sent);
        self.sink.warn(Warning::FieldErased { from, field });
        self.clear(field, &sent)
    }

    /// First and last name, else the parts of `name`.
    fn names(&mut self, profile: &mut ProfileImport) {
        let mut first = self.take_first(FIRST_NAME.1);
        let mut last = self.take_first(LAST_NAME.1);
        if first.text.is_none() || last.text.is_none() {
            self.split_name(&mut first, &mut last);
        }
        profile.first_name = self.field(FIRST_NAME.0, first);
        profile.last_name = self.field(LAST_NAME.0, last);
    }

    /// Gives the parts of `name` to those of the two that have none. A name that neither needs stays a property.
    fn split_name(&mut self, first: &mut TraitText, last: &mut TraitText) {
        for (sent, look) in self.find(&["name"]) {
            match look {
                TraitKind::Text(name) => {
                    self.use_parts(&sent, &name, first, last);
                    return;
                }
                TraitKind::Null => {
                    remove(&mut self.rest, &sent);
                    first.null.get_or_insert_with(|| sent.clone());
                    last.null.get_or_insert(sent);
                }
                TraitKind::Blank => self.drop_blank(&sent),
                TraitKind::Other => self.keep_as_property(&sent),
            }
        }
    }

    fn use_parts(&mut self, sent: &[String], name: &str, first: &mut TraitText, last: &mut TraitText) {
        let (before, after) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
        let mut used = false;
        let mut give = |found: &mut TraitText, part: &str, note| {
            if found.text.is_none() && !part.is_empty() {
                found.text = Some(self.sourced(part.to_owned(), sent, note));
                used = true;
            }
        };
        give(first, before, Note::FirstWord);
        give(last, after.trim_start(), Note::AfterFirstWord);
        if used {
            remove(&mut self.rest, sent);
        }
    }

    /// Fills one row.
    fn row(&mut self, (field, paths): Row) -> Field {
        let found = self.take_first(paths);
        self.field(field, found)
    }

    /// Takes the first usable text on these paths. A `null` is remembered: it clears the field
    /// unless another path has a text.
    fn take_first(&mut self, paths: &[Path]) -> TraitText {
        let mut found = TraitText::default();
        for (sent, look) in paths.iter().flat_map(|path| self.find(path)).collect::<Vec<_>>() {
            match look {
                TraitKind::Text(text) => {
                    remove(&mut self.rest, &sent);
                    found.text = Some(self.sourced(text, &sent, Note::AsSent));
                    break;
                }
                TraitKind::Null => {
                    remove(&mut self.rest, &sent);
                    found.null.get_or_insert(sent);
                }
                TraitKind::Blank => self.drop_blank(&sent),
                TraitKind::Other => self.keep_as_property(&sent),
            }
        }
        found
    }

    /// The field that the trait values make, with its rule.
    fn field(&mut self, field: &str, found: TraitText) -> Field {
        match (found.text, found.null) {
            (Some(text), _) => Field::Set(self.sink.take(ATTRIBUTES, field, text)),
            (None, Some(sent)) => self.clear(field, &sent),
            (None, None) => Field::Absent,
        }
    }

    /// A field that a `null` erases on purpose.
    fn clear(&mut self, field: &str, sent: &[String]) -> Field {
        let cleared = self.sourced((), sent, Note::NullClears);
        self.sink.take(ATTRIBUTES, field, cleared);
        Field::Clear
    }

    /// The place in the call of the trait that these keys lead to.
    pub(super) fn pointer<K: AsRef<str>>(&self, sent: impl IntoIterator<Item = K>) -> Pointer {
        Pointer::path(self.place).names(sent)
    }

    /// A value that the trait at these keys gave.
    fn sourced<T>(&self, value: T, sent: &[String], note: Note) -> Sourced<T> {
        let origin = self.sink.origin(|| Origin::new(self.pointer(sent), note));
        Sourced { value, origin }
    }

    /// What is on a path in any spelling, and the keys that lead there as they were sent.
    fn find(&self, path: Path) -> Vec<(Vec<String>, TraitKind)> {
        let mut found = Vec::new();
        sent_paths(&self.rest, path, &mut Vec::new(), &mut found);
        found
    }

    /// A blank text is what forms send for a field that nobody filled in: no value, and no property either.
    fn drop_blank(&mut self, sent: &[String]) {
        remove(&mut self.rest, sent);
        let blank = self.pointer(sent);
        self.sink.warn(Warning::BlankTrait(blank));
    }

    /// A value that no text field can hold is not lost: it stays what every unknown trait is.
    fn keep_as_property(&mut self, sent: &[String]) {
        let kept = self.pointer(sent);
        self.sink.warn(Warning::TraitNotText(kept));
    }
}

/// Where the attributes of a profile are.
pub(super) const ATTRIBUTES: &str = "/data/attributes";

/// What the traits of a row hold.
#[derive(Default)]
struct TraitText {
    text: Option<Sourced<String>>,
    /// The keys of a `null`.
    null: Option<Vec<String>>,
}

/// What a trait can be to a text field.
enum TraitKind {
    Text(String),
    Null,
    Blank,
    Other,
}

impl TraitKind {
    fn of(value: &Value) -> Self {
        match as_text(value) {
            Some(text) => Self::Text(text),
            None if value.is_null() => Self::Null,
            None if value.is_string() => Self::Blank,
            None => Self::Other,
        }
    }
}

/// The values on a path in any spelling, and the keys below `above` that lead to each as they were sent.
fn sent_paths(
    map: &Map<String, Value>,
    path: &[&str],
    above: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, TraitKind)>,
) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    for (sent, value) in find_all(map, first) {
        above.push(sent.to_owned());
        if rest.is_empty() {
            found.push((above.clone(), TraitKind::of(value)));
        } else if let Some(below) = value.as_object() {
            sent_paths(below, rest, above, found);
        }
        above.pop();
    }
}

/// Removes what a path leads to, and the objects that are empty without it.
fn remove(map: &mut Map<String, Value>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if let Some(Value::Object(inner)) = map.get_mut(first)
        && !rest.is_empty()
    {
        remove(inner, rest);
        if !inner.is_empty() {
            return;
        }
    }
    map.shift_remove(first);
}
