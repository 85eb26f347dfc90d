//! Where two JSON values differ, one line a place, so that a failing case shows what is wrong and not only that.

use serde_json::Value;

/// Adds a line for every place where the two differ. Numbers are compared by their digits.
pub(super) fn of(expected: &Value, found: &Value, pointer: &str, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                let below = format!("{pointer}/{name}");
                match found.get(name) {
                    Some(other) => of(value, other, &below, lines),
                    None => {
                        lines.push(format!("{below}: expected {}, found nothing", short(value)));
                    }
                }
            }
            for (name, value) in found.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                lines.push(format!("{pointer}/{name}: expected nothing, found {}", short(value)));
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                of(expected, found, &format!("{pointer}/{at}"), lines);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => {
            lines.push(format!(
                "{pointer}: expected {}, found {}",
                short(expected),
                short(found)
            ));
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_difference_is_named_by_its_place() {
        let mut lines = Vec::new();
        let expected = json!({"a": 1, "b": [1, {"c": 2}], "d": null});
        let found = json!({"a": 1.0, "b": [1, {"c": 3}], "e": 4});
        of(&expected, &found, "", &mut lines);
        assert_eq!(
            lines,
            [
                "/a: expected 1, found 1.0",
                "/b/1/c: expected 2, found 3",
                "/d: expected null, found nothing",
                "/e: expected nothing, found 4"
            ]
        );
    }
}
