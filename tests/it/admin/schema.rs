//! Checks a value against a schema of the API's document. It knows the keywords that the document uses; at another one
//! it fails, so that no part of a schema goes unheeded. A key that a schema does not list is wrong here, though callers
//! must expect new ones: what is answered is documented.

use klaviyo_relay::model::Timestamp;
use serde_json::Value;

/// What is wrong with a value; empty: nothing is.
pub(super) fn wrong(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "$", &mut found);
    found
}

/// Where a text is all digits: a number that lost its type.
pub(super) fn digits(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.parse::<f64>().is_ok() => vec![format!("{text:?}")],
        Value::Array(items) => items.iter().flat_map(digits).collect(),
        Value::Object(keys) => {
            let inside = keys.iter().map(|(key, value)| (key, digits(value)));
            inside
                .flat_map(|(key, found)| found.into_iter().map(move |at| format!("{key}: {at}")))
                .collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, output) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "description" | "default" => true,
            "$ref" => {
                let pointer = output.as_str().unwrap().trim_start_matches('#');
                let meant = document.pointer(pointer).expect("the reference leads somewhere");
                check(document, meant, value, at, found);
                true
            }
            "type" => match output.as_array() {
                Some(types) => types.iter().any(|one| is_of(one, value)),
                None => is_of(output, value),
            },
            "enum" => output.as_array().unwrap().contains(value),
            "minimum" => value.as_i64().is_none_or(|number| number >= output.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= output.as_i64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= size(output)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= size(output)),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size(output)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches(output.as_str().unwrap(), text)),
            "oneOf" => {
                let fits = |one: &&Value| wrong(document, one, value).is_empty();
                output.as_array().unwrap().iter().filter(fits).count() == 1
            }
            "required" => {
                let is_there = |key: &Value| value.get(key.as_str().unwrap()).is_some();
                !value.is_object() || output.as_array().unwrap().iter().all(is_there)
            }
            "properties" => {
                properties(document, output, value, at, found);
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, output, item, &format!("{at}[{index}]"), found);
                }
                true
            }
            _ => panic!("the check does not know the keyword {keyword}"),
        };
        if !holds {
            found.push(format!("{at}: {value} is not {keyword} {output}"));
        }
    }
}

fn properties(document: &Value, output: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (key, inside) in value.as_object().into_iter().flatten() {
        match output.get(key) {
            Some(schema) => check(document, schema, inside, &format!("{at}.{key}"), found),
            None => found.push(format!("{at}: {key} is not in the schema")),
        }
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the check does not know the type {other}"),
    }
}

/// The patterns of answers.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9]+$" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        "^[a-z_]+$" => text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$" => text.ends_with('Z') && Timestamp::parse(text).is_some(),
        other => panic!("the check does not know the pattern {other}"),
    }
}

fn size(output: &Value) -> usize {
    usize::try_from(output.as_u64().unwrap()).unwrap()
}

#[test]
fn a_wrong_value_is_found() {
    let document = serde_json::json!({"schemas": {"Word": {"type": "string", "enum": ["a", "b"]}}});
    let schema = serde_json::json!({
        "type": "object", "required": ["word"],
        "properties": {"word": {"$ref": "#/schemas/Word"}, "list": {"type": "array", "items": {"type": ["integer", "null"]}}},
    });
    for (value, mistakes) in [
        (r#"{"word": "a", "list": [1, null]}"#, 0),
        (r#"{"word": "c"}"#, 1),
        (r#"{"word": "a", "list": [1, "x", 1.5]}"#, 2),
        (r#"{"list": []}"#, 1),
        (r#"{"word": "a", "more": 1}"#, 1),
        ("[]", 1),
    ] {
        let value = serde_json::from_str(value).unwrap();
        assert_eq!(wrong(&document, &schema, &value).len(), mistakes, "{value}");
    }
}
