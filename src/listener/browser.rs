//! The headers of a browser that no page can change: which host the request is for, where its page is from, what it
//! sends.
//!
//! A web page can make its own host name point to this machine and then send requests to a port here as its own site,
//! so that the browser lets it read the answers (DNS rebinding). Such a request has that name as its `Host`. And a page
//! can send a form or a plain text to any host without a preflight, though it may not read the answer; it cannot send
//! JSON that way. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// The origin of the page that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// This port.
    Here,
    /// Another site.
    Elsewhere,
    /// No page, as far as is known: a program, or an address that a person entered.
    Unsaid,
}

/// The page's origin, by the browser's headers (`Sec-Fetch-Site`, else `Origin`).
pub fn site(head: &Parts) -> Site {
    if let Some(site) = head.headers.get("sec-fetch-site") {
        return match site.as_bytes() {
            b"same-origin" => Site::Here,
            b"none" => Site::Unsaid,
            _ => Site::Elsewhere,
        };
    }
    let Some(origin) = head.headers.get(header::ORIGIN) else {
        return Site::Unsaid;
    };
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| origin.split_once("://"));
    match (origin, host(head)) {
        (Some((_, origin)), Some(host)) if origin == host => Site::Here,
        (_, _) => Site::Elsewhere,
    }
}

/// The host of the request; `None` where it has none, which no browser sends.
fn host(head: &Parts) -> Option<&str> {
    let header = head.headers.get(header::HOST);
    // A value that is not ASCII is no name of this machine.
    let header = header.map(|host| host.to_str().unwrap_or("?"));
    header.or_else(|| head.uri.authority().map(Authority::as_str))
}

/// Whether the host of the request cannot be another site's own name for this machine.
pub fn is_for_this_machine(head: &Parts) -> bool {
    host(head).is_none_or(is_of_this_machine)
}

/// Whether the body is declared as JSON, which a page of another site may not send without a preflight.
pub fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// An address needs no name server, so it cannot belong to a page of another site. Of the names, only those count that
/// always mean this machine (RFC 6761, 6.3).
fn is_of_this_machine(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok()) {
        return true;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_of_this_machine() {
        for host in [
            "127.0.0.1:8081",
            "127.0.0.1",
            "localhost",
            "LOCALHOST:8081",
            "localhost.:8081",
            "relay.localhost",
            "[::1]:8081",
            "[::1]",
            "10.0.0.7:80",
        ] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in [
            "",
            "?",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example:8081",
            "[evil]:80",
            "localhost:x",
        ] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn the_headers_of_a_browser_name_the_site_of_its_page() {
        for (headers, expected) in [
            (&[][..], Site::Unsaid),
            (&[("sec-fetch-site", "none")], Site::Unsaid),
            (&[("sec-fetch-site", "same-origin")], Site::Here),
            (&[("sec-fetch-site", "same-site")], Site::Elsewhere),
            (&[("sec-fetch-site", "cross-site")], Site::Elsewhere),
            (&[("origin", "http://127.0.0.1:8081")], Site::Here),
            (&[("origin", "https://evil.example")], Site::Elsewhere),
            (&[("origin", "null")], Site::Elsewhere),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8081")],
                Site::Elsewhere,
            ),
        ] {
            let mut request = Request::get("/").header("host", "127.0.0.1:8081");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(site(&head), expected, "{headers:?}");
        }
    }
}
