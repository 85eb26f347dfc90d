//! The file being read: where its keys stand, and what was found while sections were read from it.
//!
//! Every mistake is kept with its place; reading does not stop at the first. Uses no other module.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::error::{Position, Problem};

/// How a variable of the environment is looked up.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Whether the secrets that a file only refers to are read.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// What they refer to is read and checked; variables are looked up with this.
    Read(&'a Environment<'a>),
    /// None is used: the reference itself stands in for each.
    Unused,
}

/// The file being read.
pub(super) struct Document<'a> {
    /// Its whole text.
    pub text: &'a str,
    /// Its outermost keys.
    pub root: &'a DeTable<'a>,
    /// Whether what secrets refer to is read.
    pub secrets: Secrets<'a>,
    /// Its folder, in which relative paths are.
    pub folder: &'a Path,
    /// The full keys that a file may have, without indices.
    pub known: &'a [String],
    /// What was found so far.
    pub diagnostics: RefCell<Diagnostics>,
}

/// What was found while reading.
#[derive(Default)]
pub(super) struct Diagnostics {
    /// The mistakes, in the order they were found.
    pub problems: Vec<Problem>,
    /// The keys of secrets that stand in the file as they are.
    pub literal_secrets: Vec<String>,
    /// The files that secrets were read from, each with its key.
    pub secret_files: Vec<(String, PathBuf)>,
}

impl Document<'_> {
    /// What was found, the mistakes from the top of the file to its end.
    pub(super) fn into_diagnostics(self) -> Diagnostics {
        let mut diagnostics = self.diagnostics.into_inner();
        diagnostics.problems.sort_by_key(|problem| problem.place);
        diagnostics
    }

    /// Adds a mistake in the value at `offset`; `None`: in something that the file lacks.
    pub(super) fn push_error(&self, offset: Option<usize>, what: String, hint: String) {
        let place = offset.map(|offset| Position::of(self.text, offset));
        let problem = Problem { place, what, hint };
        self.diagnostics.borrow_mut().problems.push(problem);
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
