//! What a key's value can be: how it is read, how a file would have it, and when a change of it takes effect.
//!
//! A [`Setting`] is made by one of the kinds in [`values`](super::values) and [`secret`](super::secret), and states the
//! rest by the methods here. Uses no other module.

use std::collections::BTreeMap;

use super::Config;
use super::section::{Entry, Section};

/// How values of one key are read and written.
pub(super) struct Setting<T> {
    /// What does not depend on the type.
    pub info: KeyInfo,
    read: Box<Read<T>>,
    literal: Box<Literal<T>>,
}

/// Reads a value; `None` when it is wrong, which is added to the diagnostics with what is allowed.
type Read<T> = dyn Fn(&Entry<'_>, &str) -> Option<T>;

/// Writes a value as a file would have it; `None`: a file would leave the key out.
type Literal<T> = dyn Fn(&T) -> Option<String>;

/// The documentation of a key.
#[derive(Debug, Clone)]
pub(super) struct KeyInfo {
    /// What is allowed, for an error.
    pub allowed: String,
    /// The same, for the documentation.
    pub form: String,
    /// What the shipped file has, commented out, where there is no default: a value, or lines of a section.
    pub examples: &'static [&'static str],
    /// Whether a file must have it.
    pub required: bool,
    /// Whether it is a section, whose keys are the user's own.
    pub is_map: bool,
    /// When a change takes effect.
    pub reload: Reload,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reload {
    /// When the file is read again.
    Live,
    /// When the program is started again.
    Restart,
    /// When the program is started again, if so between the old and the new file; else when the file is read again.
    RestartIf(fn(&Config, &Config) -> bool),
}

impl Reload {
    /// Whether a daemon that runs with `old` goes on with the old value.
    pub(super) fn needs_restart(self, old: &Config, new: &Config) -> bool {
        match self {
            Self::Live => false,
            Self::Restart => true,
            Self::RestartIf(needs_restart) => needs_restart(old, new),
        }
    }
}

/// One value.
pub(super) fn scalar<T>(
    allowed: impl Into<String>,
    read: impl Fn(&Entry<'_>) -> Result<T, String> + 'static,
    literal: impl Fn(&T) -> String + 'static,
) -> Setting<T> {
    Setting::new(
        allowed.into(),
        move |entry, allowed| entry.read(allowed, &read),
        move |value| Some(literal(value)),
    )
}

/// Text, of which `read` makes the value, and `text` the text again.
pub(super) fn text<T>(
    allowed: impl Into<String>,
    read: impl Fn(&str) -> Result<T, String> + 'static,
    text: impl Fn(&T) -> String + 'static,
) -> Setting<T> {
    scalar(
        allowed,
        move |entry| read(entry.text()?),
        move |value| format!("{:?}", text(value)),
    )
}

/// A list of texts. Every wrong item is added to the diagnostics.
pub(super) fn list<T>(
    allowed: impl Into<String>,
    read: impl Fn(&str) -> Result<T, String> + 'static,
    text: impl Fn(&T) -> String + 'static,
) -> Setting<Vec<T>> {
    Setting::new(
        allowed.into(),
        move |entry, allowed| {
            let items = entry.items(allowed)?;
            let read = |item: &Entry<'_>| item.read(allowed, |item| read(item.text()?));
            Some(items.iter().filter_map(read).collect())
        },
        move |items: &Vec<T>| {
            let items: Vec<String> = items.iter().map(|item| format!("{:?}", text(item))).collect();
            Some(format!("[{}]", items.join(", ")))
        },
    )
}

/// A section of texts whose keys are the user's own. Every wrong value is added to the diagnostics.
pub(super) fn map<T>(
    allowed: impl Into<String>,
    read: impl Fn(&str, &str) -> Result<T, String> + 'static,
    text: impl Fn(&T) -> String + 'static,
) -> Setting<BTreeMap<String, T>> {
    let mut map = Setting::new(
        allowed.into(),
        move |entry, allowed| {
            let read = |(key, entry): (&str, Entry<'_>)| {
                let value = entry.read(allowed, |entry| read(key, entry.text()?))?;
                Some((key.to_owned(), value))
            };
            Some(entry.map()?.into_iter().filter_map(read).collect())
        },
        move |map: &BTreeMap<String, T>| {
            let pairs = map.iter().map(|(key, value)| format!("{key:?} = {:?}", text(value)));
            (!map.is_empty()).then(|| pairs.collect::<Vec<_>>().join("\n"))
        },
    );
    map.info.is_map = true;
    map
}

impl<T> Setting<T> {
    fn new(
        allowed: String,
        read: impl Fn(&Entry<'_>, &str) -> Option<T> + 'static,
        literal: impl Fn(&T) -> Option<String> + 'static,
    ) -> Self {
        let info = KeyInfo {
            form: allowed.clone(),
            allowed,
            examples: &[],
            required: false,
            is_map: false,
            reload: Reload::Live,
        };
        Self {
            info,
            read: Box::new(read),
            literal: Box::new(literal),
        }
    }

    /// The value of a section's key, the default when it is absent or wrong.
    pub(super) fn read(&self, section: &Section<'_>, key: &str, default: T) -> T {
        let Some(entry) = section.entry(key) else {
            if self.info.required {
                section.error(key, "is missing", format!("allowed: {}", self.info.allowed));
            }
            return default;
        };
        (self.read)(&entry, &self.info.allowed).unwrap_or(default)
    }

    /// A value as a file would have it; `None`: it would leave the key out. Shows a secret.
    pub(super) fn literal(&self, value: &T) -> Option<String> {
        (self.literal)(value)
    }

    /// Values of another type.
    pub(super) fn map<U>(self, to: impl Fn(T) -> U + 'static, from: impl Fn(&U) -> T + 'static) -> Setting<U>
    where
        T: 'static,
    {
        let Self { info, read, literal } = self;
        Setting {
            info,
            read: Box::new(move |entry, allowed| read(entry, allowed).map(&to)),
            literal: Box::new(move |value| literal(&from(value))),
        }
    }

    /// A key without a default.
    pub(super) fn optional(self) -> Setting<Option<T>>
    where
        T: 'static,
    {
        let Self { info, read, literal } = self;
        Setting {
            info,
            read: Box::new(move |entry, allowed| read(entry, allowed).map(Some)),
            literal: Box::new(move |value| literal(value.as_ref()?)),
        }
    }

    /// A file must have it.
    pub(super) fn required(mut self) -> Self {
        self.info.required = true;
        self
    }

    /// A change needs a restart.
    pub(super) fn restart(mut self) -> Self {
        self.info.reload = Reload::Restart;
        self
    }

    /// A change needs a restart if so between the old and the new file.
    pub(super) fn restart_if(mut self, needs_restart: fn(&Config, &Config) -> bool) -> Self {
        self.info.reload = Reload::RestartIf(needs_restart);
        self
    }

    /// How documentation states what is allowed.
    pub(super) fn form(mut self, form: impl Into<String>) -> Self {
        self.info.form = form.into();
        self
    }

    /// What the shipped file has, commented out.
    pub(super) fn examples(mut self, examples: &'static [&'static str]) -> Self {
        self.info.examples = examples;
        self
    }
}
