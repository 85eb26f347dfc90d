//! The embedded assets of the pages: one style sheet, one script, one icon.
//!
//! A file name contains a part of the file's digest, so that a browser may cache it forever and fetches the new file
//! after an update.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// The style sheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("page", "css", "text/css; charset=utf-8", STYLES));
/// The script.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("assets/page.js");
    Asset::of("page", "js", "text/javascript; charset=utf-8", text)
});
/// The icon.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

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

/// A file that pages load.
pub(super) struct Asset {
    pub(super) path: String,
    media_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn of(stem: &str, ending: &str, media_type: &'static str, text: &'static str) -> Self {
        let digest = Sha256::digest(text).first_chunk().copied().unwrap_or_default();
        let digest = u32::from_be_bytes(digest);
        Self {
            path: format!("/assets/{stem}-{digest:08x}.{ending}"),
            media_type,
            text,
        }
    }
}

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let requested = format!("/assets/{name}");
    let assets = [&*STYLE, &*SCRIPT, &*ICON];
    let Some(asset) = assets.into_iter().find(|asset| asset.path == requested) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.text).into_response()
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
