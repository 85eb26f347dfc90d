//! A section of the file, and the entries in it.
//!
//! Values are only shown in errors through [`Entry::describe`], which keeps back what looks like a private key;
//! secrets use [`Entry::kind`], which shows no value at all. Uses no other module.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, join, without_indices};
use super::error::Position;
use super::suggest::{self, quoted, quoted_key};

/// A `[section]`, or one that the file leaves out.
pub(super) struct Section<'a> {
    /// The file it is in.
    pub(super) document: &'a Document<'a>,
    path: String,
    /// Where it stands, or the closest section around it that the file has; `None`: the file as a whole.
    offset: Option<usize>,
    entries: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(document: &'a Document<'a>) -> Self {
        Self {
            document,
            path: String::new(),
            offset: None,
            entries: Some(document.root),
        }
    }

    /// Whether the file has the key, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }

    /// The full name of a key of this section.
    pub(super) fn full(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// A key that stands in the file.
    pub(super) fn entry(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.entries?.get(key)?;
        Some(Entry::new(self.document, self.full(key), value))
    }

    /// A section inside this one, for an absent one an empty one: its keys then take their defaults.
    pub(super) fn section(&self, key: &str) -> Self {
        let entry = self.entry(key);
        Self {
            document: self.document,
            path: self.full(key),
            offset: self.find(key).0,
            entries: entry.and_then(|entry| entry.table(&format!("a section [{}]", entry.path))),
        }
    }

    /// The sections `[[key]]`, of which the file can have any number.
    pub(super) fn sections(&self, key: &str) -> Vec<Self> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let allowed = format!("one or more sections [[{}]]", entry.path);
        let items = entry.items(&allowed).unwrap_or_default();
        let section = |item: Entry<'a>| Self {
            document: self.document,
            offset: Some(item.offset),
            entries: item.table(&allowed),
            path: item.path,
        };
        items
            .into_iter()
            .map(section)
            .filter(|it| it.entries.is_some())
            .collect()
    }

    /// Where a key stands, or the closest section around it that the file has; and whether it is the key itself.
    fn find(&self, key: &str) -> (Option<usize>, bool) {
        let (mut found, mut entries) = ((self.offset, false), self.entries);
        let mut steps = key.split('.').peekable();
        while let Some(step) = steps.next() {
            let Some((key, value)) = entries.and_then(|entries| entries.get_key_value(step)) else {
                break;
            };
            found = (Some(key.span().start), steps.peek().is_none());
            entries = value.get_ref().as_table();
        }
        found
    }

    /// The line of a key, or of the closest section around it.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let offset = self.find(key).0.unwrap_or_default();
        Position::of(self.document.text, offset).line
    }

    /// Adds that two keys do not go together, at the first of them that stands in the file: the other may be a
    /// default. Adds nothing when one of them is wrong by itself. `what` makes the sentence of the keys' full names.
    pub(super) fn conflict(&self, keys: [&str; 2], what: impl FnOnce([&str; 2]) -> String, hint: &str) {
        if keys.iter().all(|key| self.is_sound(key)) {
            let [(one, is_exact), (other, is_other)] = keys.map(|key| self.find(key));
            let offset = if is_other && !is_exact { other } else { one };
            let [one_key, other_key] = keys.map(|key| self.full(key));
            self.document
                .push_error(offset, what([&one_key, &other_key]), hint.to_owned());
        }
    }

    /// Whether nothing was wrong with a key so far.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        let start = format!("{} ", self.full(key));
        let diagnostics = self.document.diagnostics.borrow();
        !diagnostics
            .problems
            .iter()
            .any(|problem| problem.what.starts_with(&start))
    }

    /// Adds a mistake that shows only when several keys are seen together, or one that is missing.
    pub(super) fn error(&self, key: &str, what: &str, hint: impl Into<String>) {
        let what = format!("{} {what}", self.full(key));
        self.document.push_error(self.find(key).0, what, hint.into());
    }

    /// Adds every key that no setting has, with the one that was probably meant.
    pub(super) fn reject_unknown_keys(&self) {
        let section = without_indices(&self.path);
        let known = self.document.known;
        let is_known = |key: &str| known.contains(&join(&section, key));
        for (key, value) in self
            .entries
            .into_iter()
            .flatten()
            .filter(|(key, _)| !is_known(key.get_ref()))
        {
            let is_section = |value: &DeValue<'_>| {
                let list = value.as_array();
                value.is_table() || list.is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()))
            };
            let noun = if is_section(value.get_ref()) { "section" } else { "key" };
            let what = format!("{} is not a known {noun}", self.full(&quoted_key(key.get_ref())));
            let hint = suggest::hint(&section, key.get_ref(), known);
            self.document.push_error(Some(key.span().start), what, hint);
        }
    }
}

/// A key that stands in the file, with its value.
pub(super) struct Entry<'a> {
    /// The file it is in.
    pub(super) document: &'a Document<'a>,
    /// The full name of the key, with the index of an item.
    pub(super) path: String,
    offset: usize,
    /// The value as it stands in the file.
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Entry<'a> {
    fn new(document: &'a Document<'a>, path: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        let (offset, value) = (value.span().start, value.get_ref());
        Self {
            document,
            path,
            offset,
            value,
        }
    }

    /// What `read` makes of the value; `None` when it is wrong, which is added with what is `allowed`.
    pub(super) fn read<T>(&self, allowed: &str, read: impl FnOnce(&Self) -> Result<T, String>) -> Option<T> {
        read(self)
            .map_err(|what| {
                let (what, hint) = (format!("{} {what}", self.path), format!("allowed: {allowed}"));
                self.document.push_error(Some(self.offset), what, hint);
            })
            .ok()
    }

    /// The items of a list; `None` when it is none, which is added.
    pub(super) fn items(&self, allowed: &str) -> Option<Vec<Self>> {
        let items = self.read(allowed, |entry| {
            let items = entry.value.as_array();
            items.ok_or_else(|| format!("{}, not a list", entry.describe()))
        })?;
        let path = |index| format!("{}[{index}]", self.path);
        let items = items.iter().enumerate();
        Some(
            items
                .map(|(index, item)| Entry::new(self.document, path(index), item))
                .collect(),
        )
    }

    /// The keys and values of a section whose keys are the user's own; `None` when it is none, which is added.
    pub(super) fn map(&self) -> Option<Vec<(&'a str, Self)>> {
        let pair = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a toml::de::DeString<'a> = key.get_ref();
            let path = join(&self.path, &quoted_key(key));
            (&**key, Entry::new(self.document, path, value))
        };
        let table = self.table(&format!("a section [{}]", self.path))?;
        Some(table.iter().map(pair).collect())
    }

    fn table(&self, allowed: &str) -> Option<&'a DeTable<'a>> {
        self.read(allowed, |entry| {
            let table = entry.value.as_table();
            table.ok_or_else(|| format!("{}, not a section", entry.describe()))
        })
    }

    /// The text, or what it is instead. For a key that is no secret.
    pub(super) fn text(&self) -> Result<&'a str, String> {
        let text = self.value.as_str();
        text.ok_or_else(|| format!("{}, not text in quotes", self.describe()))
    }

    /// `is "abc"`, `is 42`, `is a list`: the value, for an error about a key that is no secret.
    pub(super) fn describe(&self) -> String {
        match self.value {
            DeValue::String(text) => format!("is {}", quoted(text)),
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
