//! The method and the path of each request, and how Klaviyo answers when it took it.

use std::fmt::Write as _;

use super::success::Success;
use crate::model::DeliveryKind;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path below the endpoint, without a trailing slash.
    pub path: String,
    /// How the endpoint answers when it took the request. Any other answer does not accept it.
    pub success: Success,
}

impl Route {
    /// A `GET` that is answered with a document, by its path and query.
    pub fn read(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            success: Success::READ,
        }
    }
}

/// Where requests of this kind go. `list_id` is needed for the two list kinds and ignored for the others: a
/// subscription names its list in its body.
pub fn route(kind: DeliveryKind, list_id: Option<&str>) -> Route {
    let post = |path: &str, success| ("POST", path.to_owned(), success);
    let (method, path, success) = match kind {
        DeliveryKind::Profile => post("/api/profile-import", Success::PROFILE),
        DeliveryKind::Event => post("/api/events", Success::ACCEPTED),
        DeliveryKind::Subscription => post("/api/profile-subscription-bulk-create-jobs", Success::ACCEPTED),
        DeliveryKind::ListAdd => ("POST", list_path(list_id), Success::NO_CONTENT),
        DeliveryKind::ListRemove => ("DELETE", list_path(list_id), Success::NO_CONTENT),
        DeliveryKind::Deletion => post("/api/data-privacy-deletion-jobs", Success::ACCEPTED),
    };
    Route { method, path, success }
}

fn list_path(list_id: Option<&str>) -> String {
    let id = encoded(list_id.unwrap_or_default());
    format!("/api/lists/{id}/relationships/profiles")
}

/// A text from elsewhere (a configuration, an event, an answer) as part of a path or query: encoded, it cannot leave
/// its place.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_route_and_its_documented_success() {
        let of = |kind, list| {
            let Route { method, path, success } = route(kind, list);
            format!("{method} {path}: {}", success.due())
        };
        assert_eq!(of(DeliveryKind::Profile, None), "POST /api/profile-import: 200 or 201");
        assert_eq!(of(DeliveryKind::Event, None), "POST /api/events: 202");
        assert_eq!(
            of(DeliveryKind::Subscription, Some("baV129")),
            "POST /api/profile-subscription-bulk-create-jobs: 202"
        );
        assert_eq!(
            of(DeliveryKind::ListAdd, Some("baV129")),
            "POST /api/lists/baV129/relationships/profiles: 204"
        );
        assert_eq!(
            of(DeliveryKind::ListRemove, Some("../a b")),
            "DELETE /api/lists/%2E%2E%2Fa%20b/relationships/profiles: 204"
        );
        assert_eq!(
            of(DeliveryKind::Deletion, None),
            "POST /api/data-privacy-deletion-jobs: 202"
        );
    }
}
