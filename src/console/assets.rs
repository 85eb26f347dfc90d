//! The embedded assets of the pages: one style sheet, one script, one icon.
//!
//! A file name contains a part of the file's digest, so that a browser may cache it forever and fetches the new file
//! after an update.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// The style sheet's path.
pub(super) static STYLE: LazyLock<String> = LazyLock::new(|| path(&FILES[0]));
/// The script's path.
pub(super) static SCRIPT: LazyLock<String> = LazyLock::new(|| path(&FILES[1]));
/// The icon's path.
pub(super) static ICON: LazyLock<String> = LazyLock::new(|| path(&FILES[2]));

/// The style sheet, joined from one file for each kind of element. The rules for phones come before those of the pages.
const STYLES: &str = concat!(
    include_str!("assets/theme.css"),
    include_str!("assets/frame.css"),
    include_str!("assets/parts.css"),
    include_str!("assets/forms.css"),
    include_str!("assets/overview.css"),
    include_str!("assets/phone.css"),
    include_str!("assets/events.css"),
    include_str!("assets/dead.css"),
    include_str!("assets/sandbox.css"),
    include_str!("assets/event.css"),
);

struct File {
    stem: &'static str,
    ending: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const FILES: [File; 3] = [
    File {
        stem: "page",
        ending: "css",
        media_type: "text/css; charset=utf-8",
        text: STYLES,
    },
    File {
        stem: "page",
        ending: "js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("assets/page.js"),
    },
    File {
        stem: "icon",
        ending: "svg",
        media_type: "image/svg+xml",
        text: include_str!("assets/icon.svg"),
    },
];

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let requested = format!("/assets/{name}");
    let known = [(&*STYLE, 0), (&*SCRIPT, 1), (&*ICON, 2)];
    let Some((_, at)) = known.into_iter().find(|(path, _)| **path == requested) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let file = &FILES[at];
    let headers = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, file.text).into_response()
}

fn path(file: &File) -> String {
    let digest = Sha256::digest(file.text);
    let [a, b, c, d, ..] = *digest else {
        unreachable!("a digest has 32 bytes")
    };
    let (stem, ending) = (file.stem, file.ending);
    format!("/assets/{stem}-{a:02x}{b:02x}{c:02x}{d:02x}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A missing brace in one file would disable the rules of all files after it.
    #[test]
    fn every_rule_of_the_style_sheet_is_closed() {
        let mut open = 0;
        for (at, line) in STYLES.lines().enumerate() {
            for letter in line.chars() {
                match letter {
                    '{' => open += 1,
                    '}' => open -= 1,
                    _ => {}
                }
            }
            let begins = line.starts_with("/*") || line.starts_with('.') || line.starts_with("@media");
            assert!((0..=2).contains(&open), "line {at}: {line}");
            assert!(!begins || open <= 1, "line {at}: {line}");
        }
        assert_eq!(open, 0);
    }
}
