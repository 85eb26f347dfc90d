//! What README.md and the manual in docs/ promise to people and scripts: settings, views, queries, commands, links.
//!
//! A page that is generated from the program is compared with it; `RELAY_TESTS_UPDATE=1` rewrites it, and its diff is
//! then to be read. What needs the `sqlite3` command is skipped where it is absent, with one line about it; with
//! `RELAY_TESTS_REQUIRE_ALL=1` that is a failure. Every check counts what it looked at.

mod architecture;
mod codes;
mod commands;
mod links;
mod readme;
mod reasons;
mod settings;
mod views;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of the manual, or README.md.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its path from the top of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// The page at this path from the top of the repository.
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.to_owned(),
            text,
        }
    }

    /// README.md and every page of docs/, ordered by path.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths = vec!["README.md".to_owned()];
        let mut folders = vec![PathBuf::from("docs")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root().join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let path = folder.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    paths.push(path.to_str().unwrap().to_owned());
                }
            }
        }
        paths.sort();
        assert!(paths.len() >= 30, "only {} pages", paths.len());
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The rows of the first table below a heading, without its head.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let below = self.text.lines().skip_while(|line| *line != heading);
        let table = below.skip_while(|line| !line.starts_with('|'));
        let rows: Vec<Vec<String>> = table
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| {
                let cells = line.trim_matches('|').split(" | ");
                cells.map(|cell| cell.trim().to_owned()).collect()
            })
            .collect();
        assert!(!rows.is_empty(), "{} has no table below {heading}", self.path);
        rows
    }

    /// The fenced blocks of a language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}");
        let mut lines = self.text.lines();
        let mut blocks = Vec::new();
        while let Some(line) = lines.next() {
            if line == fence {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                blocks.push(inside.fold(String::new(), |block, line| block + line + "\n"));
            }
        }
        blocks
    }
}

/// The fenced blocks of a language on all pages.
fn blocks(language: &str) -> Vec<String> {
    Page::all().iter().flat_map(|page| page.blocks(language)).collect()
}

/// The lines of all blocks of shell.
fn shell_lines() -> Vec<String> {
    let lines: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .collect();
    assert!(lines.len() >= 40, "only {} lines of shell", lines.len());
    lines
}

/// The Rust source below a folder.
fn source_of(folder: &str) -> String {
    let mut source = String::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = Path::new(folder).join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            source += &source_of(path.to_str().unwrap());
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source += &fs::read_to_string(root().join(&path)).unwrap();
        }
    }
    source
}

/// Asserts that a page is what the program generates. `RELAY_TESTS_UPDATE=1` rewrites it.
pub(crate) fn assert_is_generated(path: &str, expected: &str) {
    let update = std::env::var_os("RELAY_TESTS_UPDATE").is_some();
    if update {
        fs::write(root().join(path), expected).unwrap();
    }
    let page = Page::read(path).text;
    let lines = || page.lines().zip(expected.lines());
    let differs = lines().position(|(is, shall)| is != shall).unwrap_or(lines().count());
    let line = |text: &str| text.lines().nth(differs).unwrap_or("(the end)").to_owned();
    assert!(
        page == expected,
        "{path} is generated: run its test with RELAY_TESTS_UPDATE=1, and read the diff. Line {}:\n{}\nhas to be\n{}",
        differs + 1,
        line(&page),
        line(expected)
    );
    assert!(!update, "{path} was rewritten: read its diff");
}

fn code_spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn only(mut spans: Vec<String>) -> Option<String> {
    (spans.len() == 1).then(|| spans.remove(0))
}
