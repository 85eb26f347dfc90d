//! Holds the structure of the project: which module may use which, who may touch SQL, HTTP and files, and sizes.
//!
//! The table in `rules` and the one in the crate's documentation must be equal. Every check counts what it looked
//! at, so that none passes because it found nothing. Test modules may use any module; the program may not.

mod circles;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use circles::Tree;
use rules::{File, MODULES, unused_permissions, wrong_imports, wrong_shape, wrong_uses_of_the_reserved};

#[test]
fn imports_run_along_the_table_of_modules() {
    let (mut wrong, mut imports) = (Vec::new(), 0);
    for file in source_files() {
        let (wrong_here, imports_here) = wrong_imports(&file);
        wrong.extend(wrong_here);
        imports += imports_here;
    }
    assert!(imports >= 5, "only {imports} imports between modules");
    assert_eq!(wrong, [""; 0], "\n{}", wrong.join("\n"));
}

#[test]
fn sql_http_files_and_environment_have_their_places() {
    let files = source_files();
    let wrong: Vec<String> = files.iter().flat_map(wrong_uses_of_the_reserved).collect();
    assert_eq!(wrong, [""; 0], "\n{}", wrong.join("\n"));
    let reads_files = |file: &File| !file.source().uses_of(["std", "fs"]).is_empty();
    assert!(files.iter().any(reads_files), "not even config reads a file");
}

#[test]
fn every_file_begins_with_its_purpose_and_is_short() {
    let files = all_files();
    let functions: usize = files.iter().map(|file| file.source().functions().len()).sum();
    assert!(functions >= 150, "only {functions} functions were measured");
    let wrong: Vec<String> = files.iter().flat_map(wrong_shape).collect();
    assert_eq!(wrong, [""; 0], "\n{}", wrong.join("\n"));
}

#[test]
fn the_documentation_has_the_same_table() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let documented: BTreeMap<String, BTreeSet<String>> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .map(|row| {
            let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            let [module, charge, may_use] = cells.as_slice() else {
                panic!("a row of the table has not three cells: {row}");
            };
            assert!(charge.len() > 20, "{module} has no charge");
            let names = may_use.split(',').map(|name| name.trim().replace('`', ""));
            let names = names.filter(|name| name != "–");
            let names = names.map(|name| if name == "all" { "*".to_owned() } else { name });
            (module.trim_end_matches('`').to_owned(), names.collect())
        })
        .collect();
    let held: BTreeMap<String, BTreeSet<String>> = MODULES
        .iter()
        .map(|(module, may_use)| {
            let may_use = may_use.iter().map(|name| (*name).to_owned());
            ((*module).to_owned(), may_use.collect())
        })
        .collect();
    assert_eq!(documented, held);
}

#[test]
fn no_files_are_a_circle() {
    let files = source_files();
    let tree = Tree::of(&files);
    let (places, ties) = tree.size();
    assert!(places >= 300 && ties >= 1_000, "only {ties} ties of {places} files");
    let circles = tree.circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn every_permission_of_the_table_is_used() {
    assert_eq!(unused_permissions(&source_files()), [""; 0]);
}

#[test]
fn no_two_modules_may_use_each_other() {
    for (module, may_use) in &MODULES {
        for used in may_use.iter().filter(|used| **used != "*") {
            let (_, back) = MODULES.iter().find(|(name, _)| name == used).unwrap();
            assert!(!back.contains(module), "{module} and {used} use each other");
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the project.
fn files(folder: &str) -> Vec<File> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the project's folders can be read") {
            let path: PathBuf = entry.expect("the project's folders can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                let path = path.strip_prefix(root()).expect("it was found below the root");
                let path = path.to_str().expect("file names are UTF-8").replace('\\', "/");
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn source_files() -> Vec<File> {
    let files = files("src");
    assert!(files.len() >= 25, "only {} files below src", files.len());
    files
}

fn all_files() -> Vec<File> {
    let tests = files("tests");
    assert!(tests.len() >= 4, "only {} files below tests", tests.len());
    source_files().into_iter().chain(tests).collect()
}
