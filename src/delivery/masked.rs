//! Takes the private key out of an answer that repeats it, as a proxy's page for developers does with the headers it got:
//! words of answers are kept in the outbox and shown.
//!
//! Pure. A body is masked as it came, however JSON spells the key in it, so that nothing that is read from it or cut
//! later holds the key or a part of it.

use super::classify::Answer;

/// What stands in its place.
const MASK: &str = "[private key]";

/// Masks the key in what may be kept of an answer.
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

/// The bytes without the key; `None` when they have none of it.
fn in_bytes(bytes: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut masked = Vec::new();
    // Everything before `kept` is in `masked` already.
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

/// How many bytes the key takes that these bytes begin with, if they do.
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

/// The first character and what follows it: as it is, or as JSON's escape of it.
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
