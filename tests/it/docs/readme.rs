//! README.md is the way in: short, with a small picture; the manual in docs/ has the rest.

use std::fs;

use super::{Page, root};

#[test]
fn the_readme_is_read_in_a_few_minutes() {
    let readme = Page::read("README.md").text;
    let lines = readme.lines().count();
    let words = readme.split_whitespace().count();
    assert!((50..=180).contains(&lines), "{lines} lines");
    assert!((500..=1300).contains(&words), "{words} words");
}

#[test]
fn the_picture_of_the_page_is_small() {
    let picture = "docs/admin-page.png";
    assert!(Page::read("README.md").text.contains(&format!("]({picture})")));
    let bytes = fs::metadata(root().join(picture)).unwrap().len();
    assert!((10_000..150_000).contains(&bytes), "{bytes} bytes");
}
