//! Segment's Facade finds a key in any case and with any separator: `order_id` is `orderId` is `Order ID`.

use serde_json::{Map, Value};

/// The value of the first key, in the order sent, that equals `key` but for case and separators.
/// A found `null` is found: it ends the search, as it does in Facade.
pub fn find<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    find_key(object, key).map(|(_, value)| value)
}

/// As [`find`], with the key as it was sent, so that the caller can leave it out of the rest.
pub fn find_key<'a>(object: &'a Map<String, Value>, key: &str) -> Option<(&'a str, &'a Value)> {
    find_all(object, key).next()
}

/// Every value whose key equals `key` but for case and separators, in the order sent, with the key as it was sent.
pub fn find_all<'a>(object: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let spelled = object.iter().filter(move |(sent, _)| same_key(sent, key));
    spelled.map(|(sent, value)| (sent.as_str(), value))
}

/// As [`find`], through nested objects: `["address", "city"]`.
pub fn find_path<'a>(object: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = find(object, first)?;
    if rest.is_empty() {
        Some(value)
    } else {
        find_path(value.as_object()?, rest)
    }
}

/// A string that is not blank, trimmed, or a number as its digits; `None` for everything else.
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A finite number: a JSON number, or a string that holds one, with a `$` and thousands separators allowed
/// (`"$1,299.00"` is 1299). Facade reads `"1,299.00"` as 1; that loses revenue, so here it is read whole.
pub fn as_number(value: &Value) -> Option<f64> {
    as_decimal(value)?.parse().ok()
}

/// As [`as_number`], digit for digit as sent: what is left when `$` and separators are gone. It parses as a finite
/// `f64`.
pub fn as_decimal(value: &Value) -> Option<String> {
    let plain = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => plain_amount(text)?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let parsed: f64 = plain.parse().ok()?;
    parsed.is_finite().then_some(plain)
}

fn plain_amount(text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|c| !matches!(c, '$' | ' ')).collect();
    let (whole, fraction) = bare.split_once('.').unwrap_or((&bare, ""));
    if fraction.contains(',') || !has_valid_thousands(whole) {
        return None;
    }
    let plain: String = bare.chars().filter(|c| *c != ',').collect();
    let looks_like_a_number = plain.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    looks_like_a_number.then_some(plain)
}

/// `1,299` and `1,299,000` are; `1,2` (a decimal comma) and `12,34,5` are not: better no amount than a wrong one.
fn has_valid_thousands(whole: &str) -> bool {
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let first = groups.next().unwrap_or("");
    let rest: Vec<&str> = groups.collect();
    rest.is_empty() || ((1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3))
}

/// Segment's test for an e-mail address: something, `@`, something, a dot, something.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.trim().rsplit_once('@') else {
        return false;
    };
    let dot_inside = domain
        .char_indices()
        .any(|(at, c)| c == '.' && at > 0 && at + 1 < domain.len());
    !local.is_empty() && dot_inside && !text.trim().contains(char::is_whitespace)
}

/// Whether two names are one but for case and separators. A dot is none: in Facade it leads into an object.
pub fn same_key(sent: &str, wanted: &str) -> bool {
    // Most keys match as they are; the rest is compared without separators and case.
    if sent == wanted {
        return true;
    }
    normalized(wanted).next().is_some() && normalized(sent).eq(normalized(wanted))
}

/// A name without case and separators.
pub(super) fn normalized(key: &str) -> impl Iterator<Item = u8> {
    key.bytes()
        .filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
        .map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn a_key_is_found_in_any_case_and_with_any_separator() {
        for sent in ["order_id", "orderId", "Order ID", "ORDER-ID", "orderid"] {
            let sent = json!({ sent: 7 });
            assert_eq!(find(object(&sent), "orderId"), Some(&json!(7)));
        }
        assert_eq!(find(object(&json!({"order_ids": 7})), "orderId"), None);
        assert_eq!(find(object(&json!({"order.id": 7})), "orderId"), None);
        assert_eq!(find(object(&json!({"": 7, "-": 8})), "orderId"), None);
    }

    #[test]
    fn the_first_of_two_spellings_wins_and_null_ends_the_search() {
        let both = json!({"first_name": null, "firstName": "Ann"});
        assert_eq!(find(object(&both), "firstName"), Some(&Value::Null));
    }

    #[test]
    fn nested_keys_are_found_by_path() {
        let traits = json!({"Address": {"postal_code": "10115"}});
        assert_eq!(
            find_path(object(&traits), &["address", "postalCode"]),
            Some(&json!("10115"))
        );
        assert_eq!(find_path(object(&json!({"address": []})), &["address", "city"]), None);
    }

    #[test]
    fn amounts_are_read_whole_or_not_at_all() {
        let cases = [
            (json!(25), Some(25.0)),
            (json!("25.5"), Some(25.5)),
            (json!("$19.99"), Some(19.99)),
            (json!("1,299.00"), Some(1299.0)),
            (json!("$1,299,000"), Some(1_299_000.0)),
            (json!("-5"), Some(-5.0)),
            (json!("0"), Some(0.0)),
            (json!("abc"), None),
            (json!("1,2"), None),
            (json!("1.2,3"), None),
            (json!("inf"), None),
            (json!("nan"), None),
            (json!(""), None),
            (json!(true), None),
            (json!([1]), None),
        ];
        for (value, expected) in cases {
            assert_eq!(as_number(&value), expected, "{value}");
        }
    }

    #[test]
    fn an_email_has_an_at_and_a_dot_after_it() {
        for yes in ["a@b.co", "swilliams@sportstech.com", " a@b.co "] {
            assert!(is_email(yes), "{yes}");
        }
        for no in ["a@b", "@b.co", "a@.", "a@b.", "user123", "", "a b@c.de"] {
            assert!(!is_email(no), "{no}");
        }
    }
}
