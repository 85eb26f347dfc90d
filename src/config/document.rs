//! The file being read: where its keys stand, and what was gathered while sections were read from it.
//!
//! Every mistake is kept with its place instead of stopping at the first. What no section asked for is unknown, and
//! answered with the nearest key that some section did ask for. Uses no other module.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::error::{Place, Problem};
use super::suggest;

/// How a variable of the environment is looked up.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Whether the secrets that a file only refers to are wanted.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// What they refer to is read and checked; variables are looked up so.
    Read(&'a Environment<'a>),
    /// None is used: what stands in the place of each is how the file refers to it.
    Unused,
}

/// The file being read.
pub(super) struct Document<'a> {
    text: &'a str,
    root: &'a DeTable<'a>,
    secrets: Secrets<'a>,
    /// The file's folder.
    folder: &'a Path,
    /// What was gathered so far.
    pub notes: RefCell<Notes>,
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
    /// The files that secrets were read from, each with its key.
    pub secret_files: Vec<(String, PathBuf)>,
    /// The keys that nothing asked for.
    pub unknown: Vec<Unknown>,
}

/// A key that nothing asked for.
pub(super) struct Unknown {
    /// The full key of the section it is in.
    pub path: String,
    pub name: String,
    pub offset: usize,
    pub is_section: bool,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, root: &'a DeTable<'a>, secrets: Secrets<'a>, folder: &'a Path) -> Self {
        let notes = RefCell::default();
        Self {
            text,
            root,
            secrets,
            folder,
            notes,
        }
    }

    /// The folder that relative paths are in.
    pub(super) fn folder(&self) -> &'a Path {
        self.folder
    }

    /// Whether what secrets refer to is read.
    pub(super) fn wants_secrets(&self) -> bool {
        matches!(self.secrets, Secrets::Read(_))
    }

    /// The file's outermost keys.
    pub(super) fn root(&self) -> &'a DeTable<'a> {
        self.root
    }

    /// How a name in the environment is looked up.
    pub(super) fn environment(&self, name: &str) -> Option<String> {
        match self.secrets {
            Secrets::Read(environment) => environment(name),
            Secrets::Unused => None,
        }
    }

    /// Notes a mistake in the value at `offset`.
    pub(super) fn note(&self, offset: usize, what: String, hint: String) {
        let place = Some(Place::of(self.text, offset));
        let problem = Problem { place, what, hint };
        self.notes.borrow_mut().problems.push(problem);
    }

    /// What was gathered, the mistakes from the top of the file to its end.
    pub(super) fn into_notes(self) -> Notes {
        let mut notes = self.notes.into_inner();
        for unknown in std::mem::take(&mut notes.unknown) {
            let key = join(&unknown.path, &suggest::shown_key(&unknown.name));
            let section = without_indices(&unknown.path);
            let noun = if unknown.is_section { "section" } else { "key" };
            notes.problems.push(Problem {
                place: Some(Place::of(self.text, unknown.offset)),
                what: format!("{key} is not a known {noun}"),
                hint: suggest::hint(&section, &unknown.name, &notes.known),
            });
        }
        notes.problems.sort_by_key(|problem| problem.place);
        notes
    }

    /// Notes a mistake at the key, or at the closest section around it that the file has.
    pub(super) fn note_at(&self, key: &str, what: String, hint: String) {
        let place = self.find(key).map(|(offset, _)| Place::of(self.text, offset));
        let problem = Problem { place, what, hint };
        self.notes.borrow_mut().problems.push(problem);
    }

    /// The line of a key that stands in the file.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        let offset = self.find_exactly(key)?;
        Some(Place::of(self.text, offset).line)
    }

    /// Where a key stands.
    pub(super) fn find_exactly(&self, key: &str) -> Option<usize> {
        let (offset, left) = self.find(key)?;
        (left == 0).then_some(offset)
    }

    /// Where a key stands, or what is closest around it, and how many steps of its path are not there.
    fn find(&self, key: &str) -> Option<(usize, usize)> {
        let mut found = None;
        let mut entries = Some(self.root);
        let mut left = key.split('.').count();
        for step in key.split('.') {
            let (name, index) = step.split_once('[').map_or((step, None), |(name, index)| {
                (name, index.trim_end_matches(']').parse::<usize>().ok())
            });
            let Some((key, value)) = entries.and_then(|entries| entries.get_key_value(name)) else {
                break;
            };
            let item = index.and_then(|index| value.get_ref().as_array()?.get(index));
            left -= 1;
            found = Some((item.map_or(key.span().start, |item| item.span().start), left));
            entries = item.unwrap_or(value).get_ref().as_table();
        }
        found
    }
}

/// The full name of a key in a section.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// `ingest.sources[1].name` is known as `ingest.sources.name`.
pub(super) fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = (inside || *c == '[') && *c != ']';
            !inside && *c != ']'
        })
        .collect()
}
