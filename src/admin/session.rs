//! Session values for the browser, which replace the token, and CSRF tokens for forms.
//!
//! Pure. A session is its end time with an HMAC under the token: it survives a restart, expires by itself, becomes
//! invalid at once when the token changes, and does not reveal the token if it is stolen. A CSRF token uses a key that
//! lives as long as the process, so that no other site can make one; a form from before a restart has to be reloaded.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::model::Timestamp;

/// How long a session is valid.
pub(crate) const LASTS: Duration = Duration::from_hours(12);

/// A session that starts now.
pub(super) fn issue(token: &str, now: Timestamp) -> String {
    let ends = now.plus(LASTS).as_millis().to_string();
    let signature = sign(token.as_bytes(), "session", &ends);
    format!("{ends}.{signature}")
}

/// Whether the session was issued under this token and has not expired.
pub(super) fn verify(session: &str, token: &str, now: Timestamp) -> bool {
    let Some((ends, shown)) = session.split_once('.') else {
        return false;
    };
    let is_signed = constant_time_eq(shown, &sign(token.as_bytes(), "session", ends));
    let ends = ends.parse().map(Timestamp::from_millis);
    is_signed && ends.is_ok_and(|ends| ends > now)
}

/// The CSRF token for a session; `session` is empty where no login is required.
pub(super) fn csrf_token(key: &[u8; 32], session: &str) -> String {
    sign(key, "form", session)
}

/// Compares two secrets in constant time.
pub(crate) fn constant_time_eq(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn sign(key: &[u8], purpose: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("klaviyo-relay {purpose} {text}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    hex(&bytes)
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a-token-of-32-random-characters!";

    #[test]
    fn a_session_holds_until_it_ends_and_under_its_token_alone() {
        let now = Timestamp::from_millis(1_795_440_000_000);
        let session = issue(TOKEN, now);
        assert!(verify(&session, TOKEN, now));
        assert!(verify(&session, TOKEN, now.plus(LASTS / 2)));
        assert!(!verify(&session, TOKEN, now.plus(LASTS)), "it ends");
        assert!(!verify(&session, "another-token-of-32-characters!!", now));
        let longer = session.replacen('1', "2", 1);
        assert!(!verify(&longer, TOKEN, now), "its end is signed");
        for wrong in ["", ".", TOKEN, "9999999999999.", "9999999999999.00"] {
            assert!(!verify(wrong, TOKEN, now), "{wrong}");
        }
    }

    #[test]
    fn a_form_is_of_one_process_and_one_session() {
        let token = csrf_token(&[1; 32], "session");
        assert_eq!(token, csrf_token(&[1; 32], "session"));
        assert_ne!(token, csrf_token(&[2; 32], "session"));
        assert_ne!(token, csrf_token(&[1; 32], ""));
    }
}
