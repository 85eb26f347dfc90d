//! The settings document that browser and mobile SDKs fetch before they send anything.
//!
//! `integrations["Segment.io"]` must be there, or `analytics.js` sends nothing; `apiHost` in it overrides what mobile
//! SDKs were configured with, so it names the host that was asked (analytics-next's source; analytics-swift#156).

use axum::http::Uri;
use axum::http::header::{HOST, HeaderMap};
use serde_json::json;

/// The document for a write key. `host` is the authority that the client reached us by.
pub(super) fn document(write_key: &str, host: Option<&Host>) -> String {
    let mut segment = json!({ "apiKey": write_key });
    if let Some(host) = host {
        segment["apiHost"] = json!(format!("{}/v1", host.authority));
        segment["protocol"] = json!(if host.https { "https" } else { "http" });
    }
    json!({
        "integrations": { "Segment.io": segment },
        "plan": {
            "track": { "__default": { "enabled": true } },
            "identify": { "__default": { "enabled": true } },
            "group": { "__default": { "enabled": true } },
        },
        "metrics": { "sampleRate": 0 },
    })
    .to_string()
}

/// How a client reached us.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// Host name and port.
    authority: String,
    /// Whether by TLS, which a proxy in front of us speaks, or we do.
    https: bool,
}

impl Host {
    /// From the headers of the request, the proxy's first. A proxy that does not say which scheme it was asked by is
    /// taken to speak TLS, except on loopback: a page served by TLS could not send to a plain host at all.
    /// `default_https`: this port speaks TLS itself, wherever it is.
    pub(super) fn of(headers: &HeaderMap, uri: &Uri, default_https: bool) -> Option<Self> {
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            let value = value.split(',').next()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let authority = first("x-forwarded-host")
            .or_else(|| first(HOST.as_str()))
            .or_else(|| uri.authority().map(ToString::to_string))?;
        let https = match first("x-forwarded-proto") {
            Some(scheme) => !scheme.eq_ignore_ascii_case("http"),
            None => default_https || !is_loopback(&authority),
        };
        Some(Self { authority, https })
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or(ipv6),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
