//! Reads Rust source just well enough to check its structure: which modules it names, how long its functions are.
//!
//! Works on text alone, so that the checks can be shown a planted mistake. Comments, strings and test modules do not
//! count as use of a module.

use std::collections::BTreeMap;

/// One Rust file.
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// How many modules deep the file is: 1 for `src/outbox/mod.rs`, 2 for `src/outbox/writer.rs`.
    depth: usize,
}

/// A word or a sign.
struct Token {
    line: usize,
    text: String,
}

/// A path that begins at the crate's root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The line it is in, from 1.
    pub line: usize,
    /// The first name after the root.
    pub target: String,
    /// The root is reached by `super`, not named `crate`.
    pub through_super: bool,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// The lines from its `fn` to its closing brace.
    pub lines: usize,
}

impl Source {
    pub(crate) fn new(text: &str, depth: usize) -> Self {
        let tokens = tokens(&without_comments_and_strings(text));
        Self { tokens, depth }
    }

    /// Every `crate::name`, `crate::{name, …}`, and `super::name` that reaches the root, outside of test modules.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        self.visit(|at, modules_above| {
            let after = match self.text(at) {
                "crate" if self.text(at + 1) == "::" => at + 2,
                "super" if at == 0 || self.text(at - 1) != "::" => {
                    let is_super =
                        |step: usize| self.text(at + 2 * step) == "super" && self.text(at + 2 * step + 1) == "::";
                    let steps_to_root = self.depth + modules_above;
                    if !(0..steps_to_root).all(is_super) {
                        return;
                    }
                    at + 2 * steps_to_root
                }
                _ => return,
            };
            let line = self.tokens[at].line;
            let through_super = self.text(at) == "super";
            let targets = self.names_at(after).into_iter();
            found.extend(targets.map(|target| Import {
                line,
                target,
                through_super,
            }));
        });
        found
    }

    /// The lines outside of test modules in which `path` is named, such as `["std", "fs"]`, also as `std::{fs, …}`.
    pub(crate) fn uses_of(&self, path: [&str; 2]) -> Vec<usize> {
        let mut lines = Vec::new();
        self.visit(|at, _| {
            let named = self.text(at) == path[0] && self.text(at + 1) == "::";
            if named && self.names_at(at + 2).iter().any(|name| name == path[1]) {
                lines.push(self.tokens[at].line);
            }
        });
        lines
    }

    /// What `use` declarations name outside of test modules, each by the name that it gives.
    pub(crate) fn uses(&self) -> BTreeMap<String, Vec<String>> {
        let mut uses = BTreeMap::new();
        self.visit(|at, _| {
            if self.text(at) == "use" {
                self.tree(at + 1, &[], &mut uses);
            }
        });
        uses
    }

    /// The paths of two steps and more outside of test modules, but those inside the braces of a `use`.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        self.visit(|at, _| {
            let begins = self.text(at + 1) == "::" && (at == 0 || self.text(at - 1) != "::");
            if begins {
                paths.push(self.path(at).0);
            }
        });
        paths
    }

    /// The path that begins at a word, and where it ends.
    fn path(&self, mut at: usize) -> (Vec<String>, usize) {
        let is_word = |at: usize| self.text(at).starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let mut path = vec![self.text(at).to_owned()];
        while self.text(at + 1) == "::" && is_word(at + 2) {
            at += 2;
            path.push(self.text(at).to_owned());
        }
        (path, at + 1)
    }

    /// The names of a tree of a `use`, which begins at a token and stands behind `around`; answers where it ends.
    fn tree(&self, at: usize, around: &[String], uses: &mut BTreeMap<String, Vec<String>>) -> usize {
        let (own, mut end) = match self.text(at) {
            "{" => (Vec::new(), at),
            _ => self.path(at),
        };
        let mut path = [around, &own].concat();
        if self.text(end) == "::" {
            end += 1;
        }
        if self.text(end) == "{" {
            end += 1;
            while !matches!(self.text(end), "}" | "") {
                end = self.tree(end, &path, uses);
                end += usize::from(self.text(end) == ",");
            }
            return end + 1;
        }
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let renamed = self.text(end) == "as";
        let name = if renamed {
            self.text(end + 1)
        } else {
            path.last().map_or("", String::as_str)
        };
        let name = name.to_owned();
        uses.insert(name, path);
        end + if renamed { 2 } else { usize::from(self.text(end) == "*") }
    }

    /// The lines in which a crate is named, in tests too.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let same = self.tokens.iter().filter(|token| token.text == word);
        same.map(|token| token.line).collect()
    }

    /// Every function with a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let starts = (0..self.tokens.len()).filter(|at| self.text(*at) == "fn");
        starts
            .filter_map(|at| {
                let end = self.end_of_body(at)?;
                let line = self.tokens[at].line;
                Some(Function {
                    line,
                    name: self.text(at + 1).to_owned(),
                    lines: self.tokens[end].line - line + 1,
                })
            })
            .collect()
    }

    /// Calls `visit` for each token outside of `mod tests`, with the number of inline modules around it.
    fn visit(&self, mut visit: impl FnMut(usize, usize)) {
        let mut braces: Vec<Option<&str>> = Vec::new();
        for at in 0..self.tokens.len() {
            match self.text(at) {
                "{" => {
                    let is_module = at >= 2 && self.text(at - 2) == "mod";
                    braces.push(is_module.then(|| self.text(at - 1)));
                }
                "}" => {
                    braces.pop();
                }
                _ if braces.contains(&Some("tests")) => {}
                _ => visit(at, braces.iter().flatten().count()),
            }
        }
    }

    /// The name at a token, or all first names of the group that opens there.
    fn names_at(&self, at: usize) -> Vec<String> {
        if self.text(at) != "{" {
            return vec![self.text(at).to_owned()];
        }
        let mut names = Vec::new();
        let mut depth = 0;
        for at in at..self.tokens.len() {
            match self.text(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                name if depth == 1 && matches!(self.text(at - 1), "{" | ",") => {
                    names.push(name.to_owned());
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        names
    }

    fn end_of_body(&self, start: usize) -> Option<usize> {
        let (mut parens, mut braces) = (0, 0);
        for at in start..self.tokens.len() {
            match self.text(at) {
                "(" | "[" => parens += 1,
                ")" | "]" => parens -= 1,
                ";" if parens == 0 && braces == 0 => return None,
                "{" => braces += 1,
                "}" => {
                    braces -= 1;
                    if braces == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            tokens.push(Token {
                line: line + 1,
                text: token.to_owned(),
            });
            rest = after.trim_start();
        }
    }
    tokens
}

/// The same lines, with every comment, string and character blanked.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_word = false;
    while let Some(first) = rest.chars().next() {
        let blanked = blank_length(rest, in_word);
        let (taken, after) = rest.split_at(blanked.unwrap_or(first.len_utf8()));
        if blanked.is_some() {
            code.push(' ');
            code.extend(taken.chars().filter(|c| *c == '\n'));
        } else {
            code.push(first);
        }
        in_word = blanked.is_none() && (first.is_alphanumeric() || first == '_');
        rest = after;
    }
    code
}

/// How many bytes the comment, string or character takes that begins here.
fn blank_length(rest: &str, in_word: bool) -> Option<usize> {
    let until = |end: &str, from: usize| {
        let end_at = rest[from..].find(end).map(|at| from + at + end.len());
        end_at.unwrap_or(rest.len())
    };
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(until("*/", 2));
    }
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    if rest.starts_with('\'') {
        let mut after = rest.chars().skip(1);
        let (first, second) = (after.next()?, after.next());
        // Anything else after a single quote is a lifetime.
        return (first == '\\' || second == Some('\'')).then(|| quoted_length(rest, '\''));
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    let hashes = raw?.chars().take_while(|c| *c == '#').count();
    let prefix = rest.len() - raw?.len() + hashes;
    if in_word || !rest[prefix..].starts_with('"') {
        return None;
    }
    Some(until(&format!("\"{}", "#".repeat(hashes)), prefix + 1))
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str, depth: usize) -> Vec<String> {
        let imports = Source::new(text, depth).imports();
        imports.into_iter().map(|import| import.target).collect()
    }

    #[test]
    fn an_import_is_found_in_every_form() {
        assert_eq!(targets("use crate::outbox::Outbox;", 1), ["outbox"]);
        assert_eq!(targets("fn f() { crate::cli::run() }", 1), ["cli"]);
        assert_eq!(
            targets("pub use crate::{\n  model::{A, B},\n  relay,\n};", 1),
            ["model", "relay"]
        );
        assert_eq!(targets("use super::outbox::Outbox;", 1), ["outbox"]);
        assert_eq!(targets("use super::super::{outbox, clock};", 2), ["outbox", "clock"]);
        assert_eq!(targets("mod inner { use super::super::outbox::X; }", 1), ["outbox"]);
        assert_eq!(targets("const A: &str = \"a\"; use crate::admin;", 1), ["admin"]);
        assert_eq!(
            targets("fn f<'a>(c: char) { c == '\"' || crate::cli::f('\\'') }", 1),
            ["cli"]
        );
    }

    #[test]
    fn what_stays_inside_is_no_import() {
        assert_eq!(targets("use super::writer::Writer;", 2), [""; 0]);
        assert_eq!(targets("mod inner { use super::X; }", 1), [""; 0]);
        assert_eq!(
            targets("/// [`crate::outbox`]\n// crate::outbox\n/* crate::outbox */", 1),
            [""; 0]
        );
        assert_eq!(targets("let a = \"crate::outbox \\\" crate::cli\";", 1), [""; 0]);
        assert_eq!(targets("let a = r#\"crate::outbox \" crate::cli\"#;", 1), [""; 0]);
        assert_eq!(
            targets("#[cfg(test)]\nmod tests { use crate::outbox::X; fn f() {} }", 1),
            [""; 0]
        );
        assert_eq!(targets("pub(crate) fn f() {}", 1), [""; 0]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait T { fn no_body(&self); }\nfn f(\n  a: [u8; 4],\n) -> u8 {\n  if a[0] == 1 { 2 } else { 3 }\n}\nfn g() {}\n";
        let functions = Source::new(text, 1).functions();
        let sizes: Vec<(&str, usize)> = functions.iter().map(|f| (f.name.as_str(), f.lines)).collect();
        assert_eq!(sizes, [("f", 5), ("g", 1)]);
    }

    #[test]
    fn a_path_is_found_alone_and_in_a_group() {
        let text = "use std::fs;\nuse std::{env, io};\nlet a = std::fs::read(\"std::fs\");\nuse std::os::unix::fs::X;";
        let source = Source::new(text, 1);
        assert_eq!(source.uses_of(["std", "fs"]), [1, 3]);
        assert_eq!(source.uses_of(["std", "env"]), [2]);
        assert_eq!(source.words("sqlx"), [0; 0]);
    }
}
