//! `data-privacy-deletion-jobs`: delete a person, answered with 202 and done later, for good.
//!
//! Klaviyo deletes every profile that has the one identifier named: an e-mail, a phone number, or its own profile id.
//! It takes no external id. Sources: Klaviyo's reference page of Request Profile Deletion (scope `data-privacy:write`,
//! 3 calls a second and 60 a minute, an error when several identifiers are given), its Data Privacy API overview, and
//! the models of its SDKs, where `attributes` is required and may be empty.

use serde_json::{Value, json};

use super::resource::{resource, text};

/// The person to delete: exactly one identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionJob {
    /// Every profile with this e-mail address.
    Email(String),
    /// Every profile with this phone number, in E.164.
    Phone(String),
    /// The profile that the same event's `profile-import` answers with.
    Imported,
}

impl DeletionJob {
    /// The body's JSON text. `None` where it needs the id that the profile's import is answered with: see
    /// [`body_for_profile`](super::body_for_profile).
    pub fn body(&self) -> Option<String> {
        let profile = match self {
            Self::Email(email) => json!({ "type": "profile", "attributes": { "email": email } }),
            Self::Phone(phone) => json!({ "type": "profile", "attributes": { "phone_number": phone } }),
            Self::Imported => return None,
        };
        Some(body(&profile))
    }
}

/// The body that deletes the profile with this id of Klaviyo's.
pub(super) fn by_profile_id(id: &str) -> String {
    body(&json!({ "type": "profile", "id": id, "attributes": {} }))
}

fn body(profile: &Value) -> String {
    let job = json!({ "profile": { "data": profile } });
    text(&resource("data-privacy-deletion-job", job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_names_one_identifier() {
        let email = DeletionJob::Email("a@b.co".to_owned()).body();
        assert_eq!(
            email.as_deref(),
            Some(
                r#"{"data":{"type":"data-privacy-deletion-job","attributes":{"profile":{"data":{"type":"profile","attributes":{"email":"a@b.co"}}}}}}"#
            )
        );
        let phone = DeletionJob::Phone("+15550109999".to_owned()).body();
        assert!(phone.is_some_and(|body| body.contains(r#"{"phone_number":"+15550109999"}"#)));
        assert_eq!(DeletionJob::Imported.body(), None);
        assert!(by_profile_id("01H").contains(r#"{"type":"profile","id":"01H","attributes":{}}"#));
    }
}
