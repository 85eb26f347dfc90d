//! What the pages are drawn with, inside the program: one style sheet, one script, one picture.
//!
//! Their names hold a part of their digest, so that a browser may keep them for ever and asks anew after an update.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::super::refusal::Refusal;
use super::visit;

/// The style sheet's path.
pub(super) static STYLE: LazyLock<String> = LazyLock::new(|| path(&FILES[0]));
/// The script's path.
pub(super) static SCRIPT: LazyLock<String> = LazyLock::new(|| path(&FILES[1]));
/// The icon's path.
pub(super) static ICON: LazyLock<String> = LazyLock::new(|| path(&FILES[2]));

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
        text: include_str!("assets/page.css"),
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
    let asked = format!("/assets/{name}");
    let known = [(&*STYLE, 0), (&*SCRIPT, 1), (&*ICON, 2)];
    let Some((_, at)) = known.into_iter().find(|(path, _)| **path == asked) else {
        return visit::refused(&Refusal::NOT_FOUND);
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
