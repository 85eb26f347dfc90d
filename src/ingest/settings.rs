//! The settings document that browser and mobile SDKs fetch before they send anything.
//!
//! `integrations["Segment.io"]` must be present, or `analytics.js` sends nothing. Its `apiHost` overrides the
//! configuration of mobile SDKs, so it names `public_url`, or the host of the request (analytics-next's source;
//! analytics-swift#156). A host in a proxy's headers is used only from a trusted proxy, and only a host with or without
//! a port is taken from a header. May use `config`.

use axum::http::header::{HOST, HeaderMap};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri};
use serde_json::{Value, json};

use crate::config::{IngestConfig, has_plain_port, is_loopback};

/// The headers that the document depends on.
pub(super) const VARY: HeaderValue = HeaderValue::from_static("origin, host, x-forwarded-host, x-forwarded-proto");

/// The document for a write key. `host` is where the client is to send to; without one the SDK's own setting stays.
pub(super) fn document(write_key: &str, host: Option<&Host>) -> String {
    let mut segment = json!({ "apiKey": write_key, "httpConfig": retry_policy() });
    if let Some(host) = host {
        segment["apiHost"] = json!(format!("{}/v1", host.address));
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

/// How SDKs that read this policy must retry a call: as long as they can, since a call that an SDK drops is lost, and
/// slowly, so that a relay that has restarted does not get all retries at once.
///
/// Counts and times are the largest that any SDK accepts, and each SDK lowers them to its own limits (browsers and
/// React Native to 100 tries, browsers to a day of 429: read in the sources of `analytics-next` 1.84.3,
/// `analytics-react-native` 2.24.1, `analytics-kotlin` and `analytics-swift`). Kotlin and Swift accept only whole
/// numbers where these are whole, and replace the whole list of status codes, so the common ones are repeated here.
///
/// 401 and 404 must be retried too. A client with this document had a known key and a path to the relay: a 401 means
/// that the key was changed or mistyped in the configuration since, a 404 that a proxy has lost its route to the relay.
/// The operator can fix both, and then the calls still exist.
fn retry_policy() -> Value {
    const WEEK_S: u32 = 7 * 24 * 60 * 60;
    json!({
        "rateLimitConfig": {
            "enabled": true,
            "maxRetryCount": 1000,
            "maxRetryInterval": 300,
            "maxRateLimitDuration": WEEK_S,
        },
        "backoffConfig": {
            "enabled": true,
            "maxRetryCount": 1000,
            "baseBackoffInterval": 0.5,
            "maxBackoffInterval": 300,
            "maxTotalBackoffDuration": WEEK_S,
            "jitterPercent": 25,
            "default4xxBehavior": "drop",
            "default5xxBehavior": "retry",
            "statusCodeOverrides": {
                "401": "retry",
                "404": "retry",
                "408": "retry",
                "410": "retry",
                "429": "retry",
                "460": "retry",
                "501": "drop",
                "505": "drop",
                "511": "drop",
            },
        },
    })
}

/// Where a client is to send to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// Host name, port and path before `/v1`.
    address: String,
    /// Whether by TLS, which a proxy in front of us speaks, or we do.
    https: bool,
}

impl Host {
    /// `public_url`; without one the host of the request, from the headers of a trusted proxy first (`behind_proxy`:
    /// the request came from one), and `path_prefix`, because a proxy may have removed it from the path. A request
    /// without a scheme is assumed to use TLS, except on loopback, unless this port speaks TLS itself: a page served by
    /// TLS could not send to a plain host at all.
    pub(super) fn of(config: &IngestConfig, headers: &HeaderMap, behind_proxy: bool, uri: &Uri) -> Option<Self> {
        if let Some(public) = &config.public_url {
            return Some(Self {
                address: public.address.clone(),
                https: public.https,
            });
        }
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            let value = value.split(',').next()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let proxied = |name| first(name).filter(|_| behind_proxy);
        let named = proxied("x-forwarded-host")
            .or_else(|| first(HOST.as_str()))
            .or_else(|| uri.authority().map(ToString::to_string))?;
        let authority: Authority = named.parse().ok().filter(is_plain)?;
        let https = match proxied("x-forwarded-proto") {
            Some(scheme) => !scheme.eq_ignore_ascii_case("http"),
            None => config.tls_cert.is_some() || !is_loopback(authority.host()),
        };
        let prefix = config.path_prefix.as_deref().unwrap_or_default();
        Some(Self {
            address: format!("{authority}{prefix}"),
            https,
        })
    }
}

/// A host name or address, with or without a port: no user name, and no character that would end the host in an address
/// or in a page that it is written to.
fn is_plain(authority: &Authority) -> bool {
    let is_of_hosts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    has_plain_port(authority) && !authority.host().is_empty() && authority.as_str().chars().all(is_of_hosts)
}
