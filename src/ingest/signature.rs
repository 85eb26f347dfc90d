//! `X-Signature`: Segment's proof that the sender of a webhook knows the shared secret.
//!
//! It is the HMAC-SHA1 of the JSON text, in hexadecimal. Of an array of calls Segment signs only the first (source:
//! Segment's open destination code, the webhook action). The text is compared as it arrived and never serialized again,
//! because another order of keys or form of a number would be another text. Pure.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use super::answer::Rejection;
use crate::config::SourceConfig;

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
    let bytes = mac.finalize().into_bytes();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    // In constant time, so that the duration reveals nothing about the right one.
    if digits.as_bytes().ct_eq(header.to_ascii_lowercase().as_bytes()).into() {
        Ok(())
    } else {
        Err(Rejection::SignatureWrong)
    }
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
