//! The headers that Klaviyo's `/api` endpoints require, and one that they answer with.

/// The revision of the API that the request types were written against. Klaviyo keeps a revision for two years.
pub const REVISION: &str = "2026-10-15";

/// The name of the header that carries the revision.
pub const REVISION_HEADER: &str = "revision";

/// `Content-Type` and `Accept` of every request.
pub const MEDIA_TYPE: &str = "application/vnd.api+json";

/// The header that turns a retired revision into a 410, where Klaviyo would silently answer by another one.
pub const FALL_FORWARD_OPT_OUT: &str = "x-klaviyo-revision-fall-forward-opt-out";

/// The value of [`FALL_FORWARD_OPT_OUT`].
pub const FALL_FORWARD_OPT_OUT_VALUE: &str = "1";

/// The scheme word of `Authorization`; the private key follows after a blank. `Bearer` is for OAuth tokens.
pub const AUTHORIZATION: &str = "Klaviyo-API-Key";

/// The name of the header of an accepted request that names what Klaviyo left out of it; read it with
/// [`left_out`].
pub const PARTIAL_FAILURE_HEADER: &str = "x-klaviyo-partial-failure";

/// As many names as an operator would read.
const MOST_NAMES: usize = 20;

/// The attributes that Klaviyo left out of a request that it took, as its `X-Klaviyo-Partial-Failure` names them.
///
/// Known of it (a post of Klaviyo's in its developer community, and its page on consent): subscribing, creating a
/// profile and creating an event answer `phone_number` when the number is invalid beside another identifier that is
/// not; the rest is processed. Other names, and several at once, are not described: they are read as a list with
/// commas, and what is no plain name is passed over.
pub fn left_out(value: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./$".contains(c);
    value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= 100 && name.chars().all(plain))
        .take(MOST_NAMES)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::left_out;

    #[test]
    fn what_klaviyo_left_out_is_read_by_name() {
        assert_eq!(left_out("phone_number"), ["phone_number"]);
        assert_eq!(left_out(" phone_number , email,"), ["phone_number", "email"]);
        assert_eq!(left_out("+1 555 <b>"), [""; 0]);
        assert_eq!(left_out(""), [""; 0]);
        assert_eq!(left_out(&"a,".repeat(500)).len(), 20);
    }
}
