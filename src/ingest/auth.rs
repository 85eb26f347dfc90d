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

impl Keys {
    /// All keys of a request with this one in its body, in the order in which they count.
    fn in_order(&self, in_body: Option<&str>) -> Vec<String> {
        let basic = self.authorization.as_deref().and_then(basic_user);
        let (x_write_key, query) = (self.x_write_key.as_deref(), self.query.as_deref());
        let all = [basic.as_deref(), x_write_key, query, in_body].into_iter().flatten();
        let keys = all.map(str::trim).filter(|key| !key.is_empty() && *key != ":");
        keys.map(str::to_owned).collect()
    }
}

/// The first write key that a request has outside of its body.
pub(super) fn presented(keys: &Keys) -> Option<String> {
    let keys = keys.in_order(None);
    keys.first().map(|key| id(key).trim().to_owned())
}

/// The source of a request: the first of Basic user, `X-Write-Key`, `?writeKey=` and the body's `writeKey` that belongs
/// to one. So a header takes precedence over the body, but a foreign header (a browser adds the site's own password to
/// each call to that site) does not hide the body's key.
pub(super) fn source<'c>(
    sources: &'c [SourceConfig],
    keys: &Keys,
    body_key: Option<&str>,
) -> Result<&'c SourceConfig, Rejection> {
    let keys = keys.in_order(body_key);
    if keys.is_empty() {
        return Err(Rejection::NoKey);
    }
    let mut found = keys.iter().filter_map(|key| by_key(sources, key));
    found.next().ok_or(Rejection::UnknownKey)
}

/// The part of a key before its colon, or the whole of it.
fn id(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

/// The source with this write key: the whole of it, or the part before its colon.
pub(super) fn by_key<'c>(sources: &'c [SourceConfig], key: &str) -> Option<&'c SourceConfig> {
    let id = id(key);
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
