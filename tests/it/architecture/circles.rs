//! Circles of files: files that take from each other, straight or through others, cannot be read or moved one by one.
//!
//! A path leads to the file that defines its item, through re-exports. What a file takes from the `mod.rs` of a folder
//! around it does not count: the folder's files are parts of what that one presents.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::File;

type Module = Vec<String>;

/// A file by its place in the tree of modules.
struct Place<'a> {
    path: &'a str,
    /// What its `use` declarations name, by the names that they give.
    uses: BTreeMap<String, Vec<String>>,
    /// The paths in its code.
    paths: Vec<Vec<String>>,
}

/// The files of the program, and which takes from which.
pub(crate) struct Tree<'a> {
    places: BTreeMap<Module, Place<'a>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn of(files: &'a [File]) -> Self {
        let program = files.iter().filter(|file| !file.is_test_module());
        let places = program.filter_map(|file| {
            let source = file.source();
            let place = Place {
                path: &file.path,
                uses: source.uses(),
                paths: source.paths(),
            };
            Some((module_of(&file.path)?, place))
        });
        Self {
            places: places.collect(),
        }
    }

    /// How many files there are, and how often one takes from another.
    pub(crate) fn size(&self) -> (usize, usize) {
        let ties = self.places.keys().map(|module| self.takes_from(module).len());
        (self.places.len(), ties.sum())
    }

    /// The circles, each by the paths of its files.
    pub(crate) fn circles(&self) -> Vec<Vec<&'a str>> {
        let ties = self.places.keys().map(|module| (module, self.takes_from(module)));
        let ties: BTreeMap<&Module, BTreeSet<&Module>> = ties.collect();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            ties.keys().map(|module| (*module, reached(&ties, module))).collect();
        let mut circles = BTreeSet::new();
        for (module, others) in &reached {
            let circle = others.iter().filter(|other| reached[**other].contains(module));
            let circle: Vec<&str> = circle.map(|module| self.places[*module].path).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The files that a file takes from, but those of the folders around it.
    fn takes_from(&self, module: &Module) -> BTreeSet<&Module> {
        let place = &self.places[module];
        let named = place.uses.values().chain(&place.paths);
        let found = named.filter_map(|path| self.definer(module, path, 0));
        found
            .filter(|of| *of != module && !module.starts_with(of.as_slice()))
            .collect()
    }

    /// The file that defines what a path in a file leads to; `None` for other crates, and for whole modules.
    fn definer(&self, from: &Module, path: &[String], steps: usize) -> Option<&Module> {
        // A re-export of a re-export is rare, one of itself is a mistake that rustc finds.
        let (mut at, mut rest) = (steps < 8).then(|| self.begin(from, path))??;
        while let Some((name, after)) = rest.split_first() {
            let inner = child(&at, name);
            if self.places.contains_key(&inner) {
                (at, rest) = (inner, after.to_vec());
                continue;
            }
            let (module, place) = self.places.get_key_value(&at)?;
            return match place.uses.get(name) {
                Some(used) if used.as_slice() != [name.clone()] => {
                    let through: Vec<String> = used.iter().chain(after).cloned().collect();
                    self.definer(module, &through, steps + 1)
                }
                Some(_) | None => Some(module),
            };
        }
        None
    }

    /// The module that a path begins in, and what of the path is left there.
    fn begin(&self, from: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest.to_vec())),
            "self" => Some((from.clone(), rest.to_vec())),
            "super" => {
                let steps = path.iter().take_while(|step| *step == "super").count();
                let around = from.get(..from.len().checked_sub(steps)?)?;
                Some((around.to_vec(), path[steps..].to_vec()))
            }
            _ if self.places.contains_key(&child(from, first)) => Some((from.clone(), path.to_vec())),
            _ => {
                let used = self.places.get(from)?.uses.get(first)?;
                if used.first() == Some(first) {
                    return None;
                }
                let (module, before) = self.begin(from, used)?;
                Some((module, before.iter().chain(rest).cloned().collect()))
            }
        }
    }
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// `src/outbox/mod.rs` is the module `outbox`, `src/lib.rs` the root.
fn module_of(path: &str) -> Option<Module> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let steps = inside.split('/').filter(|step| !matches!(*step, "mod" | "lib"));
    (inside != "main").then(|| steps.map(str::to_owned).collect())
}

/// What is reached from a file, itself only by a way back.
fn reached<'t>(ties: &BTreeMap<&'t Module, BTreeSet<&'t Module>>, from: &Module) -> BTreeSet<&'t Module> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&Module> = ties[from].iter().copied().collect();
    while let Some((module, others)) = next.pop().and_then(|module| ties.get_key_value(module)) {
        if found.insert(*module) {
            next.extend(others);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[[&str; 2]]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|[path, text]| File {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        let circles = Tree::of(&files).circles();
        circles.iter().map(|circle| circle.join(" ")).collect()
    }

    #[test]
    fn files_that_take_from_each_other_are_a_circle() {
        let there = ["src/mapper/a.rs", "use super::b::B;\npub struct A;"];
        for back in [
            "use super::a::A;",
            "use super::a;\nfn f() { a::g() }",
            "fn f(a: crate::mapper::a::A) {}",
            "use crate::{mapper::{a::A as Other}};",
            "use super::A;",
        ] {
            let root = ["src/mapper/mod.rs", "mod a;\nmod b;\npub use a::A;"];
            let found = circles(&[root, there, ["src/mapper/b.rs", back]]);
            assert_eq!(found, ["src/mapper/a.rs src/mapper/b.rs"], "{back}");
        }
        let found = circles(&[
            ["src/x/a.rs", "use super::b::B;"],
            ["src/x/b.rs", "use super::c::C;"],
            ["src/x/c.rs", "use super::a::A;"],
        ]);
        assert_eq!(found, ["src/x/a.rs src/x/b.rs src/x/c.rs"]);
    }

    #[test]
    fn a_folders_own_items_tests_and_one_way_are_no_circle() {
        for (a, b) in [
            ("use super::Whole;", "use super::a::A;"),
            (
                "#[cfg(test)]\nmod tests { use super::super::b::B; }",
                "use super::a::A;",
            ),
            ("// use super::b::B;", "use super::a::A;"),
            ("use b::B;", "use super::a::A;"),
        ] {
            let root = ["src/x/mod.rs", "mod a;\nmod b;\nuse a::A;\npub struct Whole;"];
            let found = circles(&[root, ["src/x/a.rs", a], ["src/x/b.rs", b]]);
            assert_eq!(found, [""; 0], "{a}");
        }
    }
}
