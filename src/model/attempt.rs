//! One HTTP request of a delivery, and what came of it.

use std::time::Duration;

use super::RateInfo;

words! {
    /// What an answer, or its absence, means for the delivery.
    OutcomeKind {
        /// Klaviyo took it: the documented status and form of body of the endpoint.
        Accepted = "accepted",
        /// Klaviyo did not take it and may later (408, 425, 429, 5xx), it was never reached, or something else
        /// answered.
        Retry = "retry",
        /// It was sent and the answer never came, or not to its end: it may have been taken.
        Unknown = "unknown",
        /// Klaviyo will never take this request (other 4xx with its errors): the request is at fault.
        Refused = "refused",
        /// Klaviyo takes nothing at all at the moment (401, 403, 405, 410, 415 with its errors): the key, its scopes or the
        /// revision are at fault, not this request. Everything pauses; nothing is given up.
        Stopped = "stopped",
        /// 409 `duplicate_profile`: two identifiers of the request belong to two profiles. The weaker one is
        /// dropped and the request sent once more.
        Conflict = "conflict",
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it means.
    pub kind: OutcomeKind,
    /// The HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// Klaviyo's own words, or the transport's; at most a few hundred characters. `None` when accepted.
    pub error: Option<String>,
    /// The place in the request that Klaviyo's error is about, as a JSON pointer.
    pub pointer: Option<String>,
    /// Whether something that is not Klaviyo answered: a proxy, a portal, Cloudflare in front of it. Such an answer is
    /// always a retry.
    pub foreign: bool,
    /// How long Klaviyo asked to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// What Klaviyo said of the endpoint's limit, when it did.
    pub rate: Option<RateInfo>,
    /// The id Klaviyo gave to the request or to its error.
    pub request_id: Option<String>,
    /// The profile's id at Klaviyo, answered to `profile-import` only.
    pub profile_id: Option<String>,
    /// What an operator should know of a delivery that went on all the same: a part that Klaviyo left out, an
    /// identifier that was dropped. Kept beside the mapper's warnings.
    pub note: Option<String>,
}

impl Outcome {
    /// An outcome of this kind with nothing else known.
    pub const fn of(kind: OutcomeKind) -> Self {
        Self {
            kind,
            http_status: None,
            error: None,
            pointer: None,
            foreign: false,
            retry_after: None,
            rate: None,
            request_id: None,
            profile_id: None,
            note: None,
        }
    }
}
