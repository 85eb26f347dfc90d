//! The source of a call: the write key, wherever an SDK puts it, and the browser origins that may use it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::answer::Rejection;
use crate::config::SourceConfig;

/// Padded or not: hand-written clients leave the `=` out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The write keys of a request outside of its body, as sent.
#[derive(Clone, Default)]
pub(super) struct Keys {
    /// `Authorization`. Only Basic is read; a Bearer token does not identify a source.
    pub(super) authorization: Option<String>,
    /// `X-Write-Key` (Jitsu's SDK: `id:secret`).
    pub(super) x_write_key: Option<String>,
    /// `?writeKey=` (RudderStack's beacon).
    pub(super) query: Option<String>,
}

/// The first write key that a request has outside of its body.
pub(super) fn presented(keys: &Keys) -> Option<String> {
    let basic = keys.authorization.as_deref().and_then(basic_user);
    let all = [basic, keys.x_write_key.clone(), keys.query.clone()];
    let mut keys = all.into_iter().flatten();
    let found = keys.find(|key| !key.trim().is_empty() && key.trim() != ":");
    found.map(|key| {
        let id = key.split_once(':').map_or(&*key, |(id, _)| id);
        id.trim().to_owned()
    })
}

/// The source of a request: the first of Basic user, `X-Write-Key`, `?writeKey=` and the body's `writeKey` that belongs
/// to one. So a header takes precedence over the body, but a foreign header (a browser adds the site's own password to
/// each call to that site) does not hide the body's key.
pub(super) fn source<'c>(
    sources: &'c [SourceConfig],
    keys: &Keys,
    body_key: Option<&str>,
) -> Result<&'c SourceConfig, Rejection> {
    let basic = keys.authorization.as_deref().and_then(basic_user);
    let presented = [
        basic.as_deref(),
        keys.x_write_key.as_deref(),
        keys.query.as_deref(),
        body_key,
    ];
    let mut presented = presented
        .into_iter()
        .flatten()
        .map(str::trim)
        .filter(|key| !key.is_empty() && *key != ":")
        .peekable();
    if presented.peek().is_none() {
        return Err(Rejection::NoKey);
    }
    presented
        .find_map(|key| by_key(sources, key))
        .ok_or(Rejection::UnknownKey)
}

/// The source with this write key: the whole of it, or the part before its colon.
pub(super) fn by_key<'c>(sources: &'c [SourceConfig], key: &str) -> Option<&'c SourceConfig> {
    let id = key.split_once(':').map_or(key, |(id, _)| id);
    let mut found = None;
    // Every source is compared, in constant time, so that the duration reveals nothing about the keys.
    for source in sources {
        let known = source.write_key.expose_secret().as_bytes();
        let same = known.ct_eq(key.as_bytes()) | known.ct_eq(id.as_bytes());
        if bool::from(same) && !known.is_empty() {
            found = found.or(Some(source));
        }
    }
    found
}

/// Rejects a web page whose origin the source does not list. A request without `Origin` does not come from a web page
/// and passes: a client that can leave it out can also forge it, and servers share keys with pages.
pub(super) fn check_origin(source: &SourceConfig, origin: Option<&str>) -> Result<(), Rejection> {
    if origin.is_none_or(|origin| allows(source, origin)) {
        Ok(())
    } else {
        Err(Rejection::OriginNotAllowed)
    }
}

/// Whether pages of this origin may use the source's key. None listed: all may.
pub(super) fn allows(source: &SourceConfig, origin: &str) -> bool {
    let listed = |allowed: &String| allowed.trim().trim_end_matches('/').eq_ignore_ascii_case(origin);
    source.allowed_origins.is_empty() || source.allowed_origins.iter().any(listed)
}

/// `user:password` of a Basic header, as one text. Keys without the colon occur in practice.
fn basic_user(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()
}
