//! A section of the file, asked for its keys one by one.
//!
//! A section asks for each of its keys by name, which is also how its known keys become known: there is no second
//! list that could differ. Values are only shown in errors through [`Entry::describe`], which keeps back what looks
//! like a private key; secrets use [`Entry::kind`], which shows no value at all. Uses no other module.

use std::path::Path;

use toml::de::{DeString, DeTable, DeValue};

use super::document::{Document, Unknown, join, without_indices};
use super::suggest;

/// A `[section]`, or one that the file leaves out.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    path: String,
    entries: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    /// Reads a whole file.
    pub(super) fn read_root<T>(document: &'a Document<'a>, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let root = Section {
            document,
            path: String::new(),
            entries: Some(document.root()),
        };
        let value = read(&root);
        root.note_unknown_keys();
        value
    }

    /// The file this section is in.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    /// How a name in the environment is looked up.
    pub(super) fn environment(&self, name: &str) -> Option<String> {
        self.document.environment(name)
    }

    /// Whether the file has the key, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
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
        read(&entry).map_err(|what| self.note(&entry, &what, allowed)).ok()
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
            self.note(&entry, &format!("{}, not a list", entry.describe()), allowed);
            return None;
        };
        let read_item = |(index, item): (usize, &'a toml::Spanned<DeValue<'a>>)| {
            let item = Entry {
                path: format!("{}[{index}]", entry.path),
                offset: item.span().start,
                value: item.get_ref(),
            };
            read(&item).map_err(|what| self.note(&item, &what, allowed)).ok()
        };
        Some(items.iter().enumerate().filter_map(read_item).collect())
    }

    /// Every key and value of a section whose keys are the user's own words. A wrong value is noted.
    pub(super) fn words<T>(&self, allowed: &str, read: impl Fn(&str, &Entry<'a>) -> Result<T, String>) -> Vec<T> {
        let read_entry = |(key, value): (&toml::Spanned<DeString<'a>>, &'a toml::Spanned<DeValue<'a>>)| {
            let entry = Entry {
                path: self.full(&suggest::shown_key(key.get_ref())),
                offset: value.span().start,
                value: value.get_ref(),
            };
            read(key.get_ref(), &entry)
                .map_err(|what| self.note(&entry, &what, allowed))
                .ok()
        };
        self.entries.into_iter().flatten().filter_map(read_entry).collect()
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
    pub(super) fn sections<T>(&self, key: &'static str, read: impl Fn(&Section<'a>) -> T) -> Option<Vec<T>> {
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

    /// Notes that two keys do not go together, at the first of them that stands in the file: the other may be a
    /// default. Says nothing when one of them was wrong by itself. The sentence is key, `what[0]`, key, `what[1]`.
    pub(super) fn disagree(&self, keys: [&str; 2], what: [&str; 2], hint: &str) {
        let [one, other] = keys.map(|key| self.full(key));
        if !self.is_sound(keys[0]) || !self.is_sound(keys[1]) {
            return;
        }
        let stands = |key: &&String| self.document.find_exactly(key).is_some();
        let at = [&one, &other].into_iter().find(stands).unwrap_or(&one);
        let what = format!("{one} {} {other}, {}", what[0], what[1]);
        self.document.note_at(at, what, hint.to_owned());
    }

    /// Whether nothing was wrong with a key so far.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        let start = format!("{} ", self.full(key));
        let notes = self.document.notes.borrow();
        !notes.problems.iter().any(|problem| problem.what.starts_with(&start))
    }

    /// Notes a mistake that shows only when several keys are seen together.
    pub(super) fn wrong(&self, key: &str, what: &str, hint: impl Into<String>) {
        let key = self.full(key);
        self.document.note_at(&key, format!("{key} {what}"), hint.into());
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
        let what = format!("{} {what}", entry.path);
        self.document.note(entry.offset, what, format!("allowed: {allowed}"));
    }

    /// Notes that a secret stands in the file itself.
    pub(super) fn note_literal_secret(&self, key: &str) {
        let key = self.full(key);
        self.document.notes.borrow_mut().literal_secrets.push(key);
    }

    /// Notes that a secret was read from a file of its own.
    pub(super) fn note_secret_file(&self, key: &str, file: &Path) {
        let key = self.full(key);
        let mut notes = self.document.notes.borrow_mut();
        notes.secret_files.push((key, file.to_owned()));
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
                    path: self.path.clone(),
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
