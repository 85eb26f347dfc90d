//! How a section is declared: each key once, with its documentation, type, default and [`Setting`](super::setting).
//!
//! [`settings!`] makes of a declaration the typed struct with its `Default`, the reading of a file, the list from which
//! `config.toml`, the reference and the known keys come, and the comparison for a reload. Uses no other module.

use super::Config;
use super::document::join;
use super::section::Section;
use super::setting::{KeyInfo, Setting};

/// A section's values.
pub(super) trait Settings: Sized {
    /// How its header stands in a file.
    const HEADER: Header = Header::Section;

    /// Reads the section that `parent` has as `key`.
    fn read(parent: &Section<'_>, key: &str, default: Self) -> Self;

    /// Lists every key, with the value here as its default.
    fn list(&self, listing: &mut Listing);

    /// Puts back the old value of what needs a restart, and reports what differs.
    fn merge(&mut self, old: &Self, merge: &mut Merge<'_>);
}

/// How the header of a section stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// `[section]`.
    Section,
    /// `[[section]]`, any number of times.
    Sections,
}

impl Header {
    /// The header of a section.
    pub(super) fn of(self, key: &str) -> String {
        match self {
            Self::Section => format!("[{key}]"),
            Self::Sections => format!("[[{key}]]"),
        }
    }
}

/// A section or a key.
pub(super) struct Item {
    /// In full and without indices.
    pub key: String,
    /// Its documentation, line by line.
    pub about: &'static [&'static str],
    /// What it is.
    pub kind: ItemKind,
}

/// What stands at a key.
pub(super) enum ItemKind {
    /// A section of known keys.
    Section(Header),
    /// A setting, with the default as a file would have it.
    Setting(KeyInfo, Option<String>),
}

/// The declarations, in the order of the shipped file.
#[derive(Default)]
pub(super) struct Listing {
    section: String,
    /// What was listed.
    pub items: Vec<Item>,
}

impl Listing {
    /// Lists a key.
    pub(super) fn key<T>(&mut self, key: &str, about: &'static [&'static str], setting: &Setting<T>, default: &T) {
        let key = join(&self.section, key);
        let kind = ItemKind::Setting(setting.info.clone(), setting.literal(default));
        self.items.push(Item { key, about, kind });
    }

    /// Lists a section and its keys.
    pub(super) fn section<S: Settings>(&mut self, key: &str, about: &'static [&'static str], section: &S) {
        let key = join(&self.section, key);
        let outer = std::mem::replace(&mut self.section, key.clone());
        let kind = ItemKind::Section(S::HEADER);
        self.items.push(Item { key, about, kind });
        section.list(self);
        self.section = outer;
    }
}

/// The keys by which two configurations differ, in the order of the shipped file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a running daemon applies.
    pub applied: Vec<String>,
    /// Those that keep their old value until a restart.
    pub needs_restart: Vec<String>,
}

impl Changes {
    /// Whether the files have the same values.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.needs_restart.is_empty()
    }
}

/// A reload in progress.
pub(super) struct Merge<'a> {
    /// The two files as they are: whether one key needs a restart may depend on another.
    pub old: &'a Config,
    /// See `old`.
    pub new: &'a Config,
    section: String,
    /// What differed so far.
    pub changes: Changes,
}

impl<'a> Merge<'a> {
    pub(super) fn new(old: &'a Config, new: &'a Config) -> Self {
        let (section, changes) = (String::new(), Changes::default());
        Self {
            old,
            new,
            section,
            changes,
        }
    }

    /// Compares a key's values by how a file would have them, and keeps the old one if it needs a restart.
    pub(super) fn key<T: Clone>(&mut self, key: &str, setting: &Setting<T>, new: &mut T, old: &T) {
        if setting.literal(new) == setting.literal(old) {
            return;
        }
        if setting.info.reload.needs_restart(self.old, self.new) {
            new.clone_from(old);
            self.changes.needs_restart.push(join(&self.section, key));
        } else {
            self.applied(key);
        }
    }

    /// Reports that a key differs, and that the new value counts.
    pub(super) fn applied(&mut self, key: &str) {
        let key = join(&self.section, key);
        if !self.changes.applied.contains(&key) {
            self.changes.applied.push(key);
        }
    }

    /// Compares a section.
    pub(super) fn section<S: Settings>(&mut self, key: &str, new: &mut S, old: &S) {
        let section = join(&self.section, key);
        let outer = std::mem::replace(&mut self.section, section);
        new.merge(old, self);
        self.section = outer;
    }
}

/// Declares a section: `key: Type = default, setting;`, each with its documentation. Sections inside it follow in
/// `sections { key: Type = default; }`, and fields that are no settings in `computed { field: Type = default; }`.
/// `checked by` names what sees all of its keys together, after each was read.
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        pub struct $Name:ident $(: $($Derive:ident)+)? $(, checked by $check:path)? {
            $($(#[doc = $doc:literal])* $key:ident: $Type:ty = $default:expr, $setting:expr;)*
        }
        $(sections { $($(#[doc = $section_doc:literal])* $section:ident: $Section:ty = $section_default:expr;)* })?
        $(computed { $($(#[doc = $field_doc:literal])* $field:ident: $Field:ty = $field_default:expr;)* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone $($(, $Derive)+)?)]
        pub struct $Name {
            $($(#[doc = $doc])* pub $key: $Type,)*
            $($($(#[doc = $section_doc])* pub $section: $Section,)*)?
            $($($(#[doc = $field_doc])* pub $field: $Field,)*)?
        }

        impl Default for $Name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($($section: $section_default,)*)?
                    $($($field: $field_default,)*)?
                }
            }
        }

        impl $Name {
            /// Reads the keys of a section of the file, and the sections inside it.
            fn read_keys(section: &$crate::config::section::Section<'_>, default: Self) -> Self {
                let read = Self {
                    $($key: $setting.read(section, stringify!($key), default.$key),)*
                    $($($section: Settings::read(section, stringify!($section), default.$section),)*)?
                    $($($field: default.$field,)*)?
                };
                section.reject_unknown_keys();
                $(let read = $check(read, section);)?
                read
            }
        }

        impl Settings for $Name {
            fn read(parent: &$crate::config::section::Section<'_>, key: &str, default: Self) -> Self {
                Self::read_keys(&parent.section(key), default)
            }

            fn list(&self, listing: &mut $crate::config::declare::Listing) {
                $(listing.key(stringify!($key), &[$($doc),*], &$setting, &self.$key);)*
                $($(listing.section(stringify!($section), &[$($section_doc),*], &self.$section);)*)?
            }

            fn merge(&mut self, old: &Self, merge: &mut $crate::config::declare::Merge<'_>) {
                $(merge.key(stringify!($key), &$setting, &mut self.$key, &old.$key);)*
                $($(merge.section(stringify!($section), &mut self.$section, &old.$section);)*)?
            }
        }
    };
}

pub(super) use settings;
