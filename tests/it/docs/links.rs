//! Links: each relative one leads to a file and a heading that are there; every page is in SUMMARY.md, and it names
//! none that is not there.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Page, code_spans, root, source_of};

/// The text without fenced blocks, whose brackets are no links.
fn prose(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    kept.fold(String::new(), |prose, line| prose + line + "\n")
}

/// The targets of the links and pictures of a text.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let opened = prose.split("](").skip(1);
    opened
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        });
        let anchor: String = kept.collect();
        assert!(!anchors.contains(&anchor), "two headings have the anchor {anchor}");
        anchors.insert(anchor);
    }
    anchors
}

/// A path without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(resolved.pop(), "{} leaves the repository", path.display()),
            Component::Normal(part) => resolved.push(part),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

/// What is wrong with a page's relative links, and how many there are.
fn broken(page: &Page) -> (Vec<String>, usize) {
    let folder = Path::new(&page.path).parent().unwrap();
    let mut broken = Vec::new();
    let targets = targets(&page.text);
    let relative = targets.iter().filter(|target| !target.contains("://"));
    let mut count = 0;
    for target in relative {
        count += 1;
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = resolved(&folder.join(file));
        if !file.is_empty() && !root().join(&path).exists() {
            broken.push(format!("{}: {target}: there is no such file", page.path));
        } else if !anchor.is_empty() {
            let leads_to_heading = match file {
                "" => anchors(&page.text).contains(anchor),
                _ => anchors(&Page::read(path.to_str().unwrap()).text).contains(anchor),
            };
            if !leads_to_heading {
                broken.push(format!("{}: {target}: there is no such heading", page.path));
            }
        }
    }
    (broken, count)
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut all = Vec::new();
    let mut links = 0;
    for page in Page::all() {
        let (broken, count) = broken(&page);
        all.extend(broken);
        links += count;
    }
    assert_eq!(all, [""; 0]);
    assert!(links >= 100, "only {links} links");
}

#[test]
fn a_broken_link_is_found() {
    let page = |text: &str| Page {
        path: "docs/README.md".to_owned(),
        text: text.to_owned(),
    };
    for (text, count) in [
        ("[a](no.md)", 1),
        ("[a](../README.md#no-such-heading)", 1),
        ("# A b\n[a](#a-b) [b](#a-c)", 1),
        (
            "```sh\n[a](no.md)\n```\n[a](../README.md) [b](https://example.com/no.md)",
            0,
        ),
    ] {
        let (found, _) = broken(&page(text));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
}

#[test]
fn every_page_is_in_the_summary_once() {
    let summary = Page::read("docs/SUMMARY.md");
    let mut listed = targets(&summary.text);
    listed.sort();
    let in_docs = |page: &Page| page.path.strip_prefix("docs/").map(str::to_owned);
    let mut pages: Vec<String> = Page::all().iter().filter_map(in_docs).collect();
    pages.retain(|page| page != "SUMMARY.md");
    pages.sort();
    assert_eq!(listed, pages);
}

/// Files and tests are named without a link too, and renamed now and then.
#[test]
fn every_file_and_test_that_the_manual_names_is_there() {
    let tests = source_of("tests/it") + &source_of("src");
    let (mut files, mut functions) = (0, 0);
    for page in Page::all() {
        for name in code_spans(&prose(&page.text).replace('\n', " ")) {
            let first = name.split('/').next().unwrap();
            let is_path = ["src", "tests", "docs", "migrations", "benches", ".ci"].contains(&first);
            let is_test = name
                .split("::")
                .last()
                .is_some_and(|last| last.matches('_').count() >= 3);
            if is_path && !name.contains(' ') {
                assert!(root().join(&name).exists(), "{} names {name}", page.path);
                files += 1;
            } else if is_test && page.path == "docs/develop/changes.md" {
                let function = format!("fn {}(", name.split("::").last().unwrap());
                assert!(tests.contains(&function), "{} names {name}", page.path);
                functions += 1;
            }
        }
    }
    assert!(files >= 20, "only {files} files");
    assert!(functions >= 4, "only {functions} tests");
}

#[test]
fn a_page_has_one_title_and_is_short() {
    for page in Page::all() {
        let prose = prose(&page.text);
        let titles = prose.lines().filter(|line| line.starts_with("# ")).count();
        let parts = page.path == "docs/SUMMARY.md";
        assert!(titles == 1 || parts, "{} has {titles} titles", page.path);
        let lines = page.text.lines().count();
        let generated = page.text.contains("This page is generated");
        assert!(generated || lines <= 350, "{} has {lines} lines", page.path);
    }
}
