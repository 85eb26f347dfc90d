//! Walks the parsed file, key by key, and gathers every mistake on the way instead of stopping at the first.
//!
//! A section asks for each of its keys by name, which is also how its known keys become known: there is no second
//! list that could differ. Whatever is left when a section was read is unknown, and an error. Values are only shown
//! in errors through [`Entry::describe`], which keeps back what looks like a private key; secrets use
//! [`Entry::kind`], which shows no value at all. Uses no other module.

use std::cell::RefCell;

use toml::de::{DeTable, DeValue};

use super::error::{Place, Problem};
use super::suggest;

/// How a name in the environment is looked up.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The file being read.
pub(super) struct Document<'a> {
    text: &'a str,
    root: &'a DeTable<'a>,
    environment: &'a Environment<'a>,
    notes: RefCell<Notes>,
}

/// What was gathered while reading.
#[derive(Default)]
pub(super) struct Notes {
    /// The mistakes, in the order they were found.
    pub problems: Vec<Problem>,
    /// The full keys that were asked for, without indices.
    pub known: Vec<String>,
    /// The keys of secrets that stand in the file as they are.
    pub literal_secrets: Vec<String>,
    unknown: Vec<Unknown>,
}

/// A key that nothing asked for.
struct Unknown {
    section: String,
    name: String,
    offset: usize,
    is_section: bool,
}

impl<'a> Document<'a> {
    pub(super) fn new(
        text: &'a str,
        root: &'a DeTable<'a>,
        environment: &'a Environment<'a>,
    ) -> Self {
        let notes = RefCell::default();
        Self {
            text,
            root,
            environment,
            notes,
        }
    }

    /// Reads the whole file.
    pub(super) fn read<T>(&'a self, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let root = Section {
            document: self,
            path: String::new(),
            entries: Some(self.root),
        };
        let value = read(&root);
        root.note_unknown_keys();
        value
    }

    /// What was gathered, the mistakes from the top of the file to its end.
    pub(super) fn into_notes(self) -> Notes {
        let mut notes = self.notes.into_inner();
        for unknown in std::mem::take(&mut notes.unknown) {
            let key = join(&unknown.section, &suggest::shown_key(&unknown.name));
            let noun = if unknown.is_section { "section" } else { "key" };
            notes.problems.push(Problem {
                place: Some(Place::of(self.text, unknown.offset)),
                what: format!("{key} is not a known {noun}"),
                hint: suggest::hint(&unknown.section, &unknown.name, &notes.known),
            });
        }
        notes.problems.sort_by_key(|problem| problem.place);
        notes
    }

    /// Notes a mistake at the key, or at the closest section around it that the file has.
    pub(super) fn wrong(&self, key: &str, what: &str, hint: impl Into<String>) {
        let place = self.find(key).map(|offset| Place::of(self.text, offset));
        self.notes.borrow_mut().problems.push(Problem {
            place,
            what: format!("{key} {what}"),
            hint: hint.into(),
        });
    }

    /// The line of a key that stands in the file.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        self.find(key)
            .map(|offset| Place::of(self.text, offset).line)
    }

    fn find(&self, key: &str) -> Option<usize> {
        let mut found = None;
        let mut entries = Some(self.root);
        for step in key.split('.') {
            let (name, index) = step.split_once('[').map_or((step, None), |(name, index)| {
                (name, index.trim_end_matches(']').parse::<usize>().ok())
            });
            let Some((key, value)) = entries.and_then(|entries| entries.get_key_value(name)) else {
                break;
            };
            let item = index.and_then(|index| value.get_ref().as_array()?.get(index));
            found = Some(item.map_or(key.span().start, |item| item.span().start));
            entries = item.unwrap_or(value).get_ref().as_table();
        }
        found
    }
}

/// A `[section]`, or one that the file leaves out.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    path: String,
    entries: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    /// The file this section is in.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    /// How a name in the environment is looked up.
    pub(super) fn environment(&self, name: &str) -> Option<String> {
        (self.document.environment)(name)
    }

    /// Whether the file has the key, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries
            .is_some_and(|entries| entries.contains_key(key))
    }

    /// The full name of a key of this section.
    pub(super) fn full(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value of a key; `None` when it is absent, or wrong, which is noted with what is `allowed`.
    pub(super) fn value<T>(
        &self,
        key: &'static str,
        allowed: &str,
        read: impl FnOnce(&Entry<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        read(&entry)
            .map_err(|what| self.note(&entry, &what, allowed))
            .ok()
    }

    /// The items of a list; `None` when it is absent or wrong. Every wrong item is noted.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        allowed: &str,
        read: impl Fn(&Entry<'a>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let entry = self.entry(key)?;
        let Some(items) = entry.value.as_array() else {
            self.note(
                &entry,
                &format!("{}, not a list", entry.describe()),
                allowed,
            );
            return None;
        };
        let read_item = |(index, item): (usize, &'a toml::Spanned<DeValue<'a>>)| {
            let item = Entry {
                path: format!("{}[{index}]", entry.path),
                offset: item.span().start,
                value: item.get_ref(),
            };
            read(&item)
                .map_err(|what| self.note(&item, &what, allowed))
                .ok()
        };
        Some(items.iter().enumerate().filter_map(read_item).collect())
    }

    /// Every key and value of a section whose keys are the user's own words. A wrong value is noted.
    pub(super) fn words<T>(
        &self,
        allowed: &str,
        read: impl Fn(&str, &Entry<'a>) -> Result<T, String>,
    ) -> Vec<T> {
        let read_entry = |(key, value): (
            &toml::Spanned<toml::de::DeString<'a>>,
            &'a toml::Spanned<DeValue<'a>>,
        )| {
            let entry = Entry {
                path: self.full(&suggest::shown_key(key.get_ref())),
                offset: value.span().start,
                value: value.get_ref(),
            };
            read(key.get_ref(), &entry)
                .map_err(|what| self.note(&entry, &what, allowed))
                .ok()
        };
        self.entries
            .into_iter()
            .flatten()
            .filter_map(read_entry)
            .collect()
    }

    /// A section inside this one. An absent one is read too: its keys then take their defaults.
    pub(super) fn section<T>(&self, key: &'static str, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let section = self.words_section(key);
        let value = read(&section);
        section.note_unknown_keys();
        value
    }

    /// A section inside this one whose keys are the user's own, so that none is unknown.
    pub(super) fn words_section(&self, key: &'static str) -> Section<'a> {
        let entries = self.value(key, &format!("a section [{}]", self.full(key)), |entry| {
            let table = entry.value.as_table();
            table.ok_or_else(|| format!("{}, not a section", entry.describe()))
        });
        Section {
            document: self.document,
            path: self.full(key),
            entries,
        }
    }

    /// A section that can stand in the file any number of times, as `[[key]]`; `None` when it is absent or wrong.
    pub(super) fn sections<T>(
        &self,
        key: &'static str,
        read: impl Fn(&Section<'a>) -> T,
    ) -> Option<Vec<T>> {
        let path = self.full(key);
        let allowed = format!("one or more sections [[{path}]]");
        self.list(key, &allowed, |item| {
            let table = item.value.as_table();
            let table = table.ok_or_else(|| format!("{}, not a section", item.describe()))?;
            let section = Section {
                document: self.document,
                path: item.path.clone(),
                entries: Some(table),
            };
            let value = read(&section);
            section.note_unknown_keys();
            Ok(value)
        })
    }

    /// Whether nothing was wrong with a key so far: only then is it worth comparing with another.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        let start = format!("{} ", self.full(key));
        let notes = self.document.notes.borrow();
        !notes
            .problems
            .iter()
            .any(|problem| problem.what.starts_with(&start))
    }

    /// Notes a mistake that shows only when several keys are seen together.
    pub(super) fn wrong(&self, key: &str, what: &str, hint: impl Into<String>) {
        self.document.wrong(&self.full(key), what, hint);
    }

    fn entry(&self, key: &'static str) -> Option<Entry<'a>> {
        let known = without_indices(&self.full(key));
        let mut notes = self.document.notes.borrow_mut();
        if !notes.known.contains(&known) {
            notes.known.push(known);
        }
        let value = self.entries?.get(key)?;
        Some(Entry {
            path: self.full(key),
            offset: value.span().start,
            value: value.get_ref(),
        })
    }

    fn note(&self, entry: &Entry<'_>, what: &str, allowed: &str) {
        self.document.notes.borrow_mut().problems.push(Problem {
            place: Some(Place::of(self.document.text, entry.offset)),
            what: format!("{} {what}", entry.path),
            hint: format!("allowed: {allowed}"),
        });
    }

    /// Notes that a secret stands in the file itself.
    pub(super) fn note_literal_secret(&self, key: &str) {
        let key = self.full(key);
        self.document.notes.borrow_mut().literal_secrets.push(key);
    }

    fn note_unknown_keys(&self) {
        let section = without_indices(&self.path);
        let mut notes = self.document.notes.borrow_mut();
        for (key, value) in self.entries.into_iter().flatten() {
            if !notes.known.contains(&join(&section, key.get_ref())) {
                let list = value.get_ref().as_array();
                let is_section = value.get_ref().is_table()
                    || list.is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()));
                notes.unknown.push(Unknown {
                    section: section.clone(),
                    name: key.get_ref().to_string(),
                    offset: key.span().start,
                    is_section,
                });
            }
        }
    }
}

/// A key that stands in the file, with its value.
pub(super) struct Entry<'a> {
    path: String,
    offset: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Entry<'a> {
    /// The value as it stands in the file.
    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// The text, or what it is instead. For a key that is no secret.
    pub(super) fn text(&self) -> Result<&'a str, String> {
        self.value
            .as_str()
            .ok_or_else(|| format!("{}, not text in quotes", self.describe()))
    }

    /// `is "abc"`, `is 42`, `is a list`: the value, for an error about a key that is no secret.
    pub(super) fn describe(&self) -> String {
        match self.value {
            DeValue::String(text) => format!("is {}", suggest::shown(text)),
            DeValue::Integer(number) => format!("is {number}"),
            DeValue::Float(number) => format!("is {number}"),
            DeValue::Boolean(yes) => format!("is {yes}"),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => self.kind().to_owned(),
        }
    }

    /// `is text`, `is a number`: what sort of value it is, for an error about a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "is text",
            DeValue::Integer(_) | DeValue::Float(_) => "is a number",
            DeValue::Boolean(_) => "is true or false",
            DeValue::Datetime(_) => "is a date without quotes",
            DeValue::Array(_) => "is a list",
            DeValue::Table(_) => "is a section",
        }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// `ingest.sources[1].name` is known as `ingest.sources.name`.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = (inside || *c == '[') && *c != ']';
            !inside && *c != ']'
        })
        .collect()
}
