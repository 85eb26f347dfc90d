//! Masks the private key in an answer that repeats it, such as a proxy's debug page with the request headers: texts of
//! answers are stored in the outbox and shown.
//!
//! Pure. The raw body is masked, also where JSON escapes spell the key, so that no text that is parsed or cut from it
//! later contains the key or a part of it.

use super::classify::Answer;

/// The replacement of the key.
const MASK: &str = "[private key]";

/// Masks the key in the parts of an answer that may be stored.
pub(super) fn in_answer(answer: &mut Answer, key: &str) {
    for text in [&mut answer.retry_after, &mut answer.request_id, &mut answer.left_out] {
        in_text(text, key);
    }
    if let Some(masked) = in_bytes(&answer.body, key.as_bytes()) {
        answer.body = masked;
    }
}

fn in_text(text: &mut Option<String>, key: &str) {
    if let Some(text) = text.as_mut().filter(|text| text.contains(key)) {
        *text = text.replace(key, MASK);
    }
}

/// The bytes without the key; `None` if they do not contain it.
fn in_bytes(bytes: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut masked = Vec::new();
    // All bytes before `kept` are already in `masked`.
    let (mut kept, mut at) = (0, 0);
    while let Some((_, next)) = character(&bytes[at..]) {
        let Some(length) = spelled(&bytes[at..], key) else {
            at = bytes.len() - next.len();
            continue;
        };
        masked.extend_from_slice(&bytes[kept..at]);
        masked.extend_from_slice(MASK.as_bytes());
        at += length;
        kept = at;
    }
    if masked.is_empty() {
        return None;
    }
    masked.extend_from_slice(&bytes[kept..]);
    Some(masked)
}

/// The length of the key's spelling at the start of these bytes, if they start with the key.
fn spelled(bytes: &[u8], key: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for wanted in key {
        let (found, after) = character(rest)?;
        if found != *wanted {
            return None;
        }
        rest = after;
    }
    Some(bytes.len() - rest.len())
}

/// The first character and the bytes after it: plain or as a JSON escape.
fn character(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let escaped = match bytes {
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let digits = [*a, *b, *c, *d];
            let code = std::str::from_utf8(&digits).ok();
            let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            code.map(|code| (code, rest))
        }
        [b'\\', character @ (b'"' | b'\\' | b'/'), rest @ ..] => Some((*character, rest)),
        _ => None,
    };
    escaped.or_else(|| bytes.split_first().map(|(byte, rest)| (*byte, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "pk_a/1";

    fn masked(body: &str) -> String {
        let masked = in_bytes(body.as_bytes(), KEY.as_bytes());
        masked.map_or_else(|| body.to_owned(), |body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_key_is_found_however_json_spells_it() {
        for spelling in [
            "pk_a/1",
            r"pk_a\/1",
            r"pk\u005fa/1",
            r"\u0070\u006B\u005F\u0061\u002f\u0031",
        ] {
            let body = format!("{{\"a\":\"é {spelling}{spelling} \\n\"}}");
            let expected = r#"{"a":"é [private key][private key] \n"}"#;
            assert_eq!(masked(&body), expected);
        }
    }

    #[test]
    fn what_is_not_the_key_stays() {
        for body in [
            "",
            "pk_a/2",
            "pk_a/",
            r"pk_a\/",
            r"pk\u005",
            r"pk\u015fa/1",
            r"pk\\u005fa/1",
            r"\\",
        ] {
            assert_eq!(masked(body), body);
        }
    }
}
