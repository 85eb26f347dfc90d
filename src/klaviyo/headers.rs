//! The headers that Klaviyo's `/api` endpoints ask for.

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
