//! What Klaviyo answers: the error in a body, and the profile's id.

use std::fmt;

use serde_json::Value;

/// The first error of an answer. Every member is as Klaviyo sent it; an absent one is `None`.
/// Klaviyo changes its texts at any time: decide by `code` and the HTTP status, never by `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiError {
    /// The kind of error, such as `invalid`, `throttled`, `duplicate_profile`. Klaviyo publishes no list of them.
    pub code: Option<String>,
    /// What went wrong, in general.
    pub title: Option<String>,
    /// What went wrong this time.
    pub detail: Option<String>,
    /// The place in the request, as a JSON pointer.
    pub pointer: Option<String>,
    /// Klaviyo's id of this error: the only id of a request that its support can look up.
    pub id: Option<String>,
    /// With `duplicate_profile`: the profile that has the identifier already.
    pub duplicate_profile_id: Option<String>,
}

/// Reads the first error of an answer's body: the JSON:API form, or `{"message": …}` of the retired endpoints.
/// `None` when the body is neither: then it is not Klaviyo's API that answered.
pub fn read_error(body: &[u8]) -> Option<ApiError> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if let Some(error) = body.get("errors").and_then(|errors| errors.get(0)) {
        return ApiError::read(error);
    }
    Some(ApiError {
        detail: Some(body.get("message").and_then(word)?),
        ..ApiError::default()
    })
}

/// Reads all errors of an answer's body in the JSON:API form, in their order.
pub(super) fn read_errors(body: &[u8]) -> Vec<ApiError> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array);
    errors
        .into_iter()
        .flatten()
        .filter_map(ApiError::read)
        .collect()
}

impl ApiError {
    /// Reads an error object; `None` when it has nothing of one.
    pub(super) fn read(error: &Value) -> Option<Self> {
        let word = |pointer: &str| error.pointer(pointer).and_then(word);
        let error = Self {
            code: word("/code"),
            title: word("/title"),
            detail: word("/detail"),
            pointer: word("/source/pointer"),
            id: word("/id"),
            duplicate_profile_id: word("/meta/duplicate_profile_id"),
        };
        (error != Self::default()).then_some(error)
    }
}

/// The profile's id in an answer to `profile-import`.
pub fn profile_id(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.pointer("/data/id").and_then(word)
}

fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// As much of Klaviyo's words as fits a column on an operator's screen.
const MAX_WORDS_CHARS: usize = 500;

impl fmt::Display for ApiError {
    /// Klaviyo's own words in one line of at most about 500 characters: `code: title detail (pointer)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        if let Some(code) = &self.code {
            line.push_str(code);
            line.push(':');
        }
        // Klaviyo often repeats the title as the detail.
        let title = self
            .title
            .as_ref()
            .filter(|title| self.detail.as_ref() != Some(title));
        for part in title.into_iter().chain(&self.detail) {
            line.push(' ');
            line.push_str(part);
        }
        if let Some(pointer) = &self.pointer {
            line.push_str(" (");
            line.push_str(pointer);
            line.push(')');
        }
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_WORDS_CHARS) {
            Some((end, _)) => write!(f, "{}…", &line[..end]),
            None => f.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_read_whole() {
        let body = br#"{"errors":[{"id":"e1","status":409,"code":"duplicate_profile","title":"Conflict.",
            "detail":"A profile already exists\nwith one of these identifiers.",
            "source":{"pointer":"/data/attributes"},"meta":{"duplicate_profile_id":"01G"}},{"code":"other"}]}"#;
        let error = read_error(body).unwrap();
        assert_eq!(error.code.as_deref(), Some("duplicate_profile"));
        assert_eq!(error.id.as_deref(), Some("e1"));
        assert_eq!(error.duplicate_profile_id.as_deref(), Some("01G"));
        assert_eq!(
            error.to_string(),
            "duplicate_profile: Conflict. A profile already exists with one of these identifiers. (/data/attributes)"
        );
    }

    #[test]
    fn the_message_of_a_retired_endpoint_is_an_error_too() {
        let error = read_error(br#"{"message":"This API has been retired"}"#).unwrap();
        assert_eq!(error.to_string(), "This API has been retired");
    }

    #[test]
    fn what_is_not_klaviyos_has_no_error() {
        for body in [
            "<html>",
            "",
            "[]",
            "{}",
            r#"{"errors":[]}"#,
            r#"{"errors":[7]}"#,
            r#"{"errors":{}}"#,
        ] {
            assert_eq!(read_error(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "ä".repeat(2000);
        let body = format!(r#"{{"errors":[{{"code":"invalid","detail":"{long}"}}]}}"#);
        let words = read_error(body.as_bytes()).unwrap().to_string();
        assert_eq!(words.chars().count(), MAX_WORDS_CHARS + 1);
    }

    #[test]
    fn the_profile_id_is_read_from_an_import() {
        let body =
            br#"{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{}}}"#;
        assert_eq!(
            profile_id(body).as_deref(),
            Some("01GDDKASAP8TKDDA2GRZDSVP4H")
        );
        assert_eq!(profile_id(b"{}"), None);
        assert_eq!(profile_id(b""), None);
    }
}
