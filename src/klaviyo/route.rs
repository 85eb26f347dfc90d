//! The method and the path of each request.

use std::fmt::Write as _;

use crate::model::DeliveryKind;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path below the endpoint, without a trailing slash.
    pub path: String,
}

/// Where requests of this kind go. `list_id` is needed for the two list kinds and ignored for the others: a
/// subscription names its list in its body.
pub fn route(kind: DeliveryKind, list_id: Option<&str>) -> Route {
    let (method, path) = match kind {
        DeliveryKind::Profile => ("POST", "/api/profile-import".to_owned()),
        DeliveryKind::Event => ("POST", "/api/events".to_owned()),
        DeliveryKind::Subscription => (
            "POST",
            "/api/profile-subscription-bulk-create-jobs".to_owned(),
        ),
        DeliveryKind::ListAdd => ("POST", list_path(list_id)),
        DeliveryKind::ListRemove => ("DELETE", list_path(list_id)),
        DeliveryKind::Deletion => ("POST", "/api/data-privacy-deletion-jobs".to_owned()),
    };
    Route { method, path }
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
    fn every_kind_has_its_route() {
        let of = |kind, list| {
            let Route { method, path } = route(kind, list);
            format!("{method} {path}")
        };
        assert_eq!(of(DeliveryKind::Profile, None), "POST /api/profile-import");
        assert_eq!(of(DeliveryKind::Event, None), "POST /api/events");
        assert_eq!(
            of(DeliveryKind::Subscription, Some("baV129")),
            "POST /api/profile-subscription-bulk-create-jobs"
        );
        assert_eq!(
            of(DeliveryKind::ListAdd, Some("baV129")),
            "POST /api/lists/baV129/relationships/profiles"
        );
        assert_eq!(
            of(DeliveryKind::ListRemove, Some("../a b")),
            "DELETE /api/lists/%2E%2E%2Fa%20b/relationships/profiles"
        );
        assert_eq!(
            of(DeliveryKind::Deletion, None),
            "POST /api/data-privacy-deletion-jobs"
        );
    }
}
