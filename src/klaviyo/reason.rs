//! The code of an error of Klaviyo's, by which programs compare it: the HTTP status, the error's own `code`, and the
//! field that its `source.pointer` is about. Never Klaviyo's sentences, which change at any time.

use super::answer::ApiError;
use crate::model::KLAVIYO;

/// The longest `code` that is part of one of ours, in bytes. Klaviyo's are a word or two.
const MAX_CODE_BYTES: usize = 40;

/// The parts of a request that a code names, as they stand in a pointer, and as the code has them. A pointer's other
/// steps are the frame of JSON:API, or names that a sender chose.
pub const FIELDS: [(&str, &str); 15] = [
    ("email", "email"),
    ("phone_number", "phone_number"),
    ("external_id", "external_id"),
    ("anonymous_id", "anonymous_id"),
    ("list", "list"),
    ("lists", "list"),
    ("subscriptions", "subscriptions"),
    ("location", "location"),
    ("properties", "properties"),
    ("metric", "metric"),
    ("unique_id", "unique_id"),
    ("time", "time"),
    ("value", "value"),
    ("value_currency", "value_currency"),
    ("custom_source", "custom_source"),
];

/// The code of an error with this status: `klaviyo_400_invalid_email`, or `klaviyo_400_invalid` where the pointer names
/// none of [`FIELDS`]. An error's `code` that is no snake case counts as `other`. It contains nothing of a person.
pub fn answer_code(status: u16, error: &ApiError) -> String {
    let mut code = format!("{KLAVIYO}{status}");
    if let Some(own) = error.code.as_deref() {
        code.push('_');
        code.push_str(if is_plain(own) { own } else { "other" });
    }
    if let Some(field) = error.pointer.as_deref().and_then(field) {
        code.push('_');
        code.push_str(field);
    }
    code
}

fn is_plain(code: &str) -> bool {
    code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The first of [`FIELDS`] among the steps of a pointer.
fn field(pointer: &str) -> Option<&'static str> {
    let known = |step: &str| FIELDS.iter().find(|(known, _)| *known == step);
    pointer.split('/').find_map(known).map(|(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_status_code_and_field_and_of_nothing_that_a_sender_chose() {
        for (status, code, pointer, expected) in [
            (400, "invalid", "/data/attributes/email", "klaviyo_400_invalid_email"),
            (
                400,
                "invalid",
                "/data/attributes/profile/data/attributes/phone_number",
                "klaviyo_400_invalid_phone_number",
            ),
            (
                400,
                "invalid",
                "/data/relationships/list/data/id",
                "klaviyo_400_invalid_list",
            ),
            (
                400,
                "invalid",
                "/data/attributes/properties/jane@shop.example",
                "klaviyo_400_invalid_properties",
            ),
            (
                400,
                "invalid",
                "/data/attributes/jane@shop.example",
                "klaviyo_400_invalid",
            ),
            (404, "not_found", "", "klaviyo_404_not_found"),
            (
                409,
                "duplicate_profile",
                "/data/attributes",
                "klaviyo_409_duplicate_profile",
            ),
            (400, "Jane is no e-mail", "", "klaviyo_400_other"),
        ] {
            let error = ApiError {
                code: Some(code.to_owned()),
                pointer: Some(pointer.to_owned()),
                ..ApiError::default()
            };
            assert_eq!(answer_code(status, &error), expected);
        }
        assert_eq!(answer_code(503, &ApiError::default()), "klaviyo_503");
    }
}
