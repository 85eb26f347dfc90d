//! `X-Signature`: Segment's proof that the sender of a webhook knows the shared secret.
//!
//! It is the HMAC-SHA1 of the JSON text, in hexadecimal. Of an array of calls Segment signs only the first (source:
//! Segment's open destination code, the webhook action). The text is compared as it arrived and never serialized again,
//! because another order of keys or form of a number would be another text. Pure.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha1::Sha1;

use super::answer::Rejection;
use crate::config::SourceConfig;

/// Bytes of a SHA-1.
const BYTES: usize = 20;

/// Rejects a request whose signature is not that of the source's shared secret. A source without a secret requires
/// none.
pub(super) fn check(source: &SourceConfig, header: Option<&str>, signed: &str) -> Result<(), Rejection> {
    let Some(secret) = &source.shared_secret else {
        return Ok(());
    };
    let header = header.map(str::trim).filter(|header| !header.is_empty());
    let header = header.ok_or(Rejection::SignatureMissing)?;
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes()).expect("an HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    let claimed = bytes(header).ok_or(Rejection::SignatureWrong)?;
    // In constant time, so that the duration reveals nothing about the right one.
    mac.verify_slice(&claimed).map_err(|_| Rejection::SignatureWrong)
}

/// The bytes of 40 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn source(secret: Option<&str>) -> SourceConfig {
        SourceConfig {
            name: "segment".to_owned(),
            write_key: SecretString::from("key"),
            side: None,
            allow: Vec::new(),
            allowed_origins: Vec::new(),
            shared_secret: secret.map(SecretString::from),
        }
    }

    fn checked(secret: Option<&str>, header: Option<&str>, signed: &str) -> &'static str {
        match check(&source(secret), header, signed) {
            Ok(()) => "passes",
            Err(rejection) => rejection.code(),
        }
    }

    #[test]
    fn the_signature_must_be_that_of_the_text_and_the_secret() {
        // Case 2 of RFC 2202.
        let jefe = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        let text = "what do ya want for nothing?";
        let upper = jefe.to_uppercase();
        let padded = format!(" {jefe} ");
        let cut = &jefe[..38];
        let long = format!("{jefe}00");
        let other = jefe.replace("ef", "ee");
        for (secret, header, signed, expected) in [
            (Some("Jefe"), Some(jefe), text, "passes"),
            (Some("Jefe"), Some(upper.as_str()), text, "passes"),
            (Some("Jefe"), Some(padded.as_str()), text, "passes"),
            (Some("Jefe"), None, text, "signature_missing"),
            (Some("Jefe"), Some("  "), text, "signature_missing"),
            (Some("Jefe"), Some(cut), text, "signature_wrong"),
            (Some("Jefe"), Some(long.as_str()), text, "signature_wrong"),
            (Some("Jefe"), Some(other.as_str()), text, "signature_wrong"),
            (Some("Jefe"), Some("zzzz"), text, "signature_wrong"),
            (
                Some("Jefe"),
                Some(jefe),
                "what do ya want for nothing? ",
                "signature_wrong",
            ),
            (Some("jefe"), Some(jefe), text, "signature_wrong"),
            (None, None, text, "passes"),
            (None, Some("anything"), text, "passes"),
        ] {
            assert_eq!(
                checked(secret, header, signed),
                expected,
                "{secret:?} {header:?} {signed}"
            );
        }
    }
}
