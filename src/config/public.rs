//! The address under which clients reach the ingest port: `public_url` and `path_prefix` of `[ingest]`.
//!
//! Both take plain characters alone: React Native's SDK ignores an `apiHost` with any other (read in the source of
//! its 2.24.1). Uses no other module but those of this folder.

use super::setting::{Setting, text};
use super::suggest::quoted;
use super::url::Url;

/// The address that clients get to send to, in place of the host of their request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https`, not `http`.
    pub https: bool,
    /// Host, port if it is not the scheme's own, and path if any: `relay.example`, `shop.example:8443/segment`. No
    /// slash at the end.
    pub address: String,
}

const PUBLIC_URL: &str = "a URL in quotes such as \"https://relay.example\" or \"https://shop.example/segment\", without \
                          /v1; its path of letters, digits, - _ . and /";
const PATH_PREFIX: &str =
    "a path in quotes such as \"/segment\": a slash, then letters, digits, - _ . and /; no slash at the end";

pub(super) fn public_url() -> Setting<PublicUrl> {
    let read = |text: &str| {
        if text.contains('@') {
            // It can be a password, so that the text is not shown.
            return Err("holds a user name or password, which clients would receive".to_owned());
        }
        let url = read_url(text).ok_or_else(|| format!("is {}, not such a URL", quoted(text)))?;
        if url.address.ends_with("/v1") {
            return Err("ends in /v1, which clients add themselves".to_owned());
        }
        Ok(url)
    };
    text(PUBLIC_URL, read, |PublicUrl { https, address }| {
        format!("{}://{address}", if *https { "https" } else { "http" })
    })
}

pub(super) fn path_prefix() -> Setting<String> {
    let read = |text: &str| {
        let path = is_plain_path(text).then(|| text.to_owned());
        path.ok_or_else(|| format!("is {}, not a plain path", quoted(text)))
    };
    text(PATH_PREFIX, read, String::clone)
}

fn read_url(text: &str) -> Option<PublicUrl> {
    let url = Url::parse(text)?;
    let path = url.path.strip_suffix('/').unwrap_or(&url.path);
    let plain = path.is_empty() || is_plain_path(path);
    (plain && !text.contains(['?', '#'])).then(|| PublicUrl {
        https: url.https,
        address: format!("{}{path}", url.host_and_port()),
    })
}

/// `/a`, `/a/b-c`: each step a word, so that no step is empty, or leads up.
fn is_plain_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_step = |step: &str| !step.is_empty() && step.chars().all(plain) && step.contains(|c: char| c != '.');
    text.strip_prefix('/')
        .is_some_and(|steps| steps.split('/').all(is_step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_kept_as_clients_receive_it() {
        for (text, https, address) in [
            ("https://relay.example", true, "relay.example"),
            ("https://Relay.Example:443/", true, "relay.example"),
            ("http://localhost:8080", false, "localhost:8080"),
            ("https://shop.example/segment", true, "shop.example/segment"),
            ("https://shop.example:8443/a/b.c/", true, "shop.example:8443/a/b.c"),
        ] {
            let read = read_url(text).unwrap();
            assert_eq!((read.https, read.address.as_str()), (https, address));
        }
        for text in [
            "",
            "/",
            "relay.example",
            "relay.example/segment",
            "ftp://relay.example",
            "https://",
            "https://relay.example?x=1",
            "https://relay.example/#top",
            "https://relay.example/a b",
            "https://relay.example/a//b",
            "https://relay.example/%73",
            "https://relay.example:70000",
        ] {
            assert_eq!(read_url(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_prefix_is_plain_steps() {
        for yes in ["/segment", "/a/b-c/d_e.f", "/v1"] {
            assert!(is_plain_path(yes), "{yes}");
        }
        for no in [
            "",
            "/",
            "segment",
            "/segment/",
            "//segment",
            "/a//b",
            "/a/../b",
            "/{key}",
            "/a b",
            "/a?b",
            "/ü",
        ] {
            assert!(!is_plain_path(no), "{no}");
        }
    }
}
