//! The names of a person: by what Klaviyo knows who a profile is about.

use serde_json::Value;

/// An identifier and its value.
pub(super) type Name = (&'static str, String);

/// All but Klaviyo's own id, which stands beside the attributes.
const IDENTIFIERS: [&str; 5] = ["email", "phone_number", "external_id", "anonymous_id", "_kx"];

/// The names in a profile object. To Klaviyo e-mail addresses that differ in case alone are one.
pub(super) fn names_of(profile: &Value) -> Vec<Name> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let id = profile.get("id").and_then(text).map(|id| ("id", id));
    let attributes = profile.get("attributes");
    let given = IDENTIFIERS.into_iter().filter_map(|name| {
        let value = text(attributes?.get(name)?)?;
        let value = match name {
            "email" => value.trim().to_lowercase(),
            _ => value,
        };
        Some((name, value))
    });
    id.into_iter().chain(given).collect()
}
