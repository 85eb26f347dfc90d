//! What Klaviyo answers: the form of a body, the error in it, and the profile's id.

use std::fmt;

use serde_json::Value;

use crate::json::{self, Plain};

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

/// The form of an answer's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Nothing, or blanks.
    Empty,
    /// A JSON:API document without errors, or an empty object.
    Document(Value),
    /// Klaviyo's errors: the first one that has something of an error.
    Errors(ApiError),
    /// `{"message": …}`: how Klaviyo's retired endpoints refuse. Many proxies answer so too.
    Message(ApiError),
    /// A page for people.
    Html,
    /// JSON of any other form.
    OtherJson,
    /// Neither JSON nor a page; a JSON text that was cut counts here.
    NotJson,
}

impl Form {
    /// Reads a body; `content_type` is the header's value, empty when there was none.
    pub fn read(content_type: &str, body: &[u8]) -> Self {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Self::Empty;
        }
        if content_type.to_ascii_lowercase().contains("html") {
            return Self::Html;
        }
        match json::from_slice(body) {
            Ok(value) => Self::of(value),
            Err(_) if is_page(body) => Self::Html,
            Err(_) => Self::NotJson,
        }
    }

    fn of(value: Value) -> Self {
        let Value::Object(members) = &value else {
            return Self::OtherJson;
        };
        if let Some(errors) = members.get("errors") {
            let mut errors = errors.as_array().into_iter().flatten();
            return errors.find_map(ApiError::read).map_or(Self::OtherJson, Self::Errors);
        }
        if members.is_empty() || members.contains_key("data") || members.contains_key("meta") {
            return Self::Document(value);
        }
        match members.get("message").and_then(word) {
            Some(message) => Self::Message(ApiError {
                detail: Some(message),
                ..ApiError::default()
            }),
            None => Self::OtherJson,
        }
    }

    /// The id of the one resource that a document is about.
    pub fn resource_id(&self) -> Option<String> {
        match self {
            Self::Document(document) => document.pointer("/data/id").and_then(word),
            Self::Empty | Self::Errors(_) | Self::Message(_) | Self::Html | Self::OtherJson | Self::NotJson => None,
        }
    }
}

fn is_page(body: &[u8]) -> bool {
    ["<!doctype html", "<html"].iter().any(|start| {
        body.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// Reads the first error of an answer of which only the beginning is known: a large job can be refused with more
/// errors than are read. `None` unless the body begins with `errors` and its first entry is complete.
pub fn first_error(beginning: &[u8]) -> Option<ApiError> {
    let mut rest = beginning;
    for token in ["{", "\"errors\"", ":", "["] {
        rest = rest.trim_ascii_start().strip_prefix(token.as_bytes())?;
    }
    let mut entries = serde_json::Deserializer::from_slice(rest).into_iter::<Plain>();
    let Plain(first) = entries.next()?.ok()?;
    ApiError::read(&first)
}

/// Reads all errors of an answer's body in the JSON:API form, in their order.
pub(super) fn read_errors(body: &[u8]) -> Vec<ApiError> {
    let body = json::from_slice(body).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array);
    errors.into_iter().flatten().filter_map(ApiError::read).collect()
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
    let body = json::from_slice(body).ok()?;
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
        let title = self.title.as_ref().filter(|title| self.detail.as_ref() != Some(title));
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

    fn error_in(body: &[u8]) -> Option<ApiError> {
        match Form::read("application/vnd.api+json", body) {
            Form::Errors(error) | Form::Message(error) => Some(error),
            Form::Empty | Form::Document(_) | Form::Html | Form::OtherJson | Form::NotJson => None,
        }
    }

    #[test]
    fn the_first_error_is_read_whole() {
        let body = br#"{"errors":[{"id":"e1","status":409,"code":"duplicate_profile","title":"Conflict.",
            "detail":"A profile already exists\nwith one of these identifiers.",
            "source":{"pointer":"/data/attributes"},"meta":{"duplicate_profile_id":"01G"}},{"code":"other"}]}"#;
        let error = error_in(body).unwrap();
        assert_eq!(error.code.as_deref(), Some("duplicate_profile"));
        assert_eq!(error.id.as_deref(), Some("e1"));
        assert_eq!(error.duplicate_profile_id.as_deref(), Some("01G"));
        assert_eq!(
            error.to_string(),
            "duplicate_profile: Conflict. A profile already exists with one of these identifiers. (/data/attributes)"
        );
    }

    #[test]
    fn an_object_that_looks_like_a_part_of_a_library_is_no_word() {
        let body = br#"{"errors":[{"code":{"$serde_json::private::RawValue":"\"invalid\""},"title":"t"}]}"#;
        let error = error_in(body).unwrap();
        assert_eq!((error.code, error.title.as_deref()), (None, Some("t")));
    }

    #[test]
    fn the_message_of_a_retired_endpoint_is_an_error_too() {
        let error = error_in(br#"{"message":"This API has been retired"}"#).unwrap();
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
            r#"{"errors":null,"message":"no"}"#,
            r#"{"errors":["no route"]}"#,
            r#"{"errors":[{"code":1000,"message":"no route"}]}"#,
        ] {
            assert_eq!(error_in(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn an_error_is_read_behind_entries_that_are_none() {
        let error = error_in(br#"{"errors":[7,{"code":"invalid"}]}"#).unwrap();
        assert_eq!(error.code.as_deref(), Some("invalid"));
    }

    #[test]
    fn a_body_has_one_form() {
        let json = "application/vnd.api+json";
        let document = |text| Form::Document(serde_json::from_str(text).unwrap());
        let cases = [
            (json, "", Form::Empty),
            ("text/html", " \r\n", Form::Empty),
            ("", "{}", document("{}")),
            (json, r#" {"data":[]}"#, document(r#"{"data":[]}"#)),
            (json, r#"{"meta":{}}"#, document(r#"{"meta":{}}"#)),
            ("Text/HTML; charset=UTF-8", "{}", Form::Html),
            (json, "<!DOCTYPE HTML><title>", Form::Html),
            ("", "<HTML>", Form::Html),
            ("text/xml", "<?xml", Form::NotJson),
            (json, r#"{"data":{"#, Form::NotJson),
            (json, "ok", Form::NotJson),
            (json, "[]", Form::OtherJson),
            (json, "null", Form::OtherJson),
            (json, r#"{"ok":true}"#, Form::OtherJson),
            (json, r#"{"data":{},"errors":[]}"#, Form::OtherJson),
        ];
        for (content_type, body, form) in cases {
            let read = Form::read(content_type, body.as_bytes());
            assert_eq!(read, form, "{content_type} {body}");
        }
    }

    #[test]
    fn the_first_of_too_many_errors_is_read_from_the_beginning() {
        let error = first_error(br#" { "errors" : [ {"code":"invalid"}, {"co"#).unwrap();
        assert_eq!(error.code.as_deref(), Some("invalid"));
        for cut in [
            "",
            "{}",
            "<html>",
            r#"{"errors":[{"code":"inv"#,
            r#"{"errors":[7,"#,
            r#"{"data":["#,
        ] {
            assert_eq!(first_error(cut.as_bytes()), None, "{cut}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "ä".repeat(2000);
        let body = format!(r#"{{"errors":[{{"code":"invalid","detail":"{long}"}}]}}"#);
        let words = error_in(body.as_bytes()).unwrap().to_string();
        assert_eq!(words.chars().count(), MAX_WORDS_CHARS + 1);
    }

    #[test]
    fn the_profile_id_is_read_from_an_import() {
        let body = br#"{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{}}}"#;
        assert_eq!(profile_id(body).as_deref(), Some("01GDDKASAP8TKDDA2GRZDSVP4H"));
        assert_eq!(profile_id(b"{}"), None);
        assert_eq!(profile_id(b""), None);
    }
}
