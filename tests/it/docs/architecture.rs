//! docs/develop/architecture.md is the documentation of `src/lib.rs`, for people who read the manual.

use std::fs;

use super::{assert_is_generated, root};

const HEAD: &str = "# Architecture\n\n<!-- Generated from src/lib.rs by a test: change it there. -->\n\n";

#[test]
fn the_architecture_is_the_crates_documentation() {
    let source = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut page = HEAD.to_owned();
    let mut in_code = false;
    for line in lines {
        let line = line.strip_prefix(' ').unwrap_or(line);
        in_code ^= line.starts_with("```");
        // The page has a title of its own, so the headings are one level lower.
        if line.starts_with('#') && !in_code {
            page.push('#');
        }
        page += line;
        page.push('\n');
    }
    assert!(page.lines().count() > 40, "{page}");
    assert_is_generated("docs/develop/architecture.md", &page);
}
