//! Keeps numbers with an exponent as they were written: `serde_json` keeps their digits, but writes `1E5` as `1e+5`.

use serde_json::{Number, Value};

/// Restores the exponents of `text` in the value that was parsed from it. If the two do not match, as with a duplicate
/// key in an object, the value stays unchanged: the numbers are equal in both forms.
pub(super) fn restore(value: &mut Value, text: &str) {
    let written = written(text);
    // The usual case: no number has to be checked.
    if written.is_empty() {
        return;
    }
    let mut written = written.into_iter();
    let mut agree = true;
    each(value, &mut |number| {
        let now = number.to_string();
        if !agree || !now.contains('e') {
            return;
        }
        let Some(literal) = written.next().filter(|literal| normal(literal) == now) else {
            agree = false;
            return;
        };
        if literal != now {
            *number = Number::from_string_unchecked(literal.to_owned());
        }
    });
}

/// The numbers of a JSON text that have an exponent, in their order.
fn written(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at = end_of_string(bytes, at);
        } else if matches!(byte, b'-' | b'0'..=b'9') {
            let in_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
            let end = at + bytes[at..].iter().take_while(in_number).count();
            let number = &text[at..end];
            if number.contains(['e', 'E']) {
                found.push(number);
            }
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// The position after the string that begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// A number as `serde_json` writes it.
fn normal(number: &str) -> String {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, ""));
    let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
    format!("{digits}e{sign}{exponent}")
}

/// Visits every number, in the order of the text.
fn each(value: &mut Value, visit: &mut impl FnMut(&mut Number)) {
    match value {
        Value::Number(number) => visit(number),
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, visit)),
        Value::Object(members) => members.values_mut().for_each(|member| each(member, visit)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
