//! The paths of Segment's API and its relatives, each with and without a slash at its end (Java's SDK sends one). Uses
//! `accept` only.

use super::accept::Endpoint;
use crate::model::EventType;

/// The last segment of each path, and what it accepts (Segment's HTTP API documentation, and what its SDKs send).
const WORDS: [(&str, Endpoint); 17] = [
    ("identify", Endpoint::Call(EventType::Identify)),
    ("track", Endpoint::Call(EventType::Track)),
    ("page", Endpoint::Call(EventType::Page)),
    ("screen", Endpoint::Call(EventType::Screen)),
    ("group", Endpoint::Call(EventType::Group)),
    ("alias", Endpoint::Call(EventType::Alias)),
    ("batch", Endpoint::Batch),
    ("import", Endpoint::Batch),
    ("i", Endpoint::Call(EventType::Identify)),
    ("t", Endpoint::Call(EventType::Track)),
    ("p", Endpoint::Call(EventType::Page)),
    ("s", Endpoint::Call(EventType::Screen)),
    ("g", Endpoint::Call(EventType::Group)),
    ("a", Endpoint::Call(EventType::Alias)),
    ("b", Endpoint::Batch),
    ("m", Endpoint::Metrics),
    ("webhook", Endpoint::Webhook),
];
/// The part before the last segment: Segment's, none (hosts configured without `/v1`), and Jitsu's two.
const PREFIXES: [&str; 4] = ["/v1", "", "/api/s", "/api/s/s2s"];
/// Paths outside of this scheme: Jitsu's batch and RudderStack's beacon.
const OTHER_BATCH_PATHS: [&str; 2] = ["/v1/batch/b", "/beacon/v1/batch"];
/// Where browser and mobile SDKs fetch their settings.
const SETTINGS: [&str; 2] = ["/v1/projects/{key}/settings", "/projects/{key}/settings"];

/// Where Segment's snippet fetches its script.
pub(super) const SCRIPT: &str = "/analytics.js/v1/{key}/analytics.min.js";
/// Where that script fetches further parts when it needs them, such as the part behind `trackLink`.
pub(super) const BUNDLE: &str = "/analytics-next/bundles/{name}";

/// Every path that accepts calls.
pub fn call_paths() -> Vec<(String, Endpoint)> {
    let mut paths = Vec::new();
    for prefix in PREFIXES {
        paths.extend(WORDS.map(|(word, endpoint)| (format!("{prefix}/{word}"), endpoint)));
    }
    paths.extend(OTHER_BATCH_PATHS.map(|path| (path.to_owned(), Endpoint::Batch)));
    let slashed: Vec<_> = paths
        .iter()
        .map(|(path, endpoint)| (format!("{path}/"), *endpoint))
        .collect();
    paths.extend(slashed);
    paths
}

/// Every path of settings.
pub(super) fn settings_paths() -> Vec<String> {
    let both = |path: &str| [path.to_owned(), format!("{path}/")];
    SETTINGS.into_iter().flat_map(both).collect()
}
