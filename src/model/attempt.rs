//! One HTTP request of a delivery, and its outcome.

use std::borrow::Cow;
use std::time::Duration;

use super::RateInfo;

words! {
    /// What an answer, or its absence, means for the delivery.
    OutcomeKind {
        /// Klaviyo accepted it: the endpoint's documented status and form of body.
        Accepted = "accepted",
        /// Klaviyo did not accept it and may later (408, 425, 429, 5xx), it was never reached, or the answer is not
        /// Klaviyo's.
        Retry = "retry",
        /// It was sent, and no complete answer came: Klaviyo may have accepted it.
        Unknown = "unknown",
        /// Klaviyo will never accept this request (other 4xx with its errors): the request is at fault.
        Refused = "refused",
        /// Klaviyo accepts nothing at all at the moment (401, 403, 405, 410, 415 with its errors): the key, its scopes
        /// or the revision are at fault, not this request. Delivery pauses for the account; no event becomes dead.
        Stopped = "stopped",
        /// 409 `duplicate_profile`: two identifiers of the request belong to two profiles. The weaker one is dropped
        /// and the request is sent once more.
        Conflict = "conflict",
    }
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its kind.
    pub kind: OutcomeKind,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The error text of Klaviyo or of the transport; at most a few hundred characters. `None` when accepted.
    pub error: Option<String>,
    /// The code of this outcome as a reason, where its error gives one; otherwise the other members do.
    pub reason_code: Option<Cow<'static, str>>,
    /// The place in the request that Klaviyo's error is about, as a JSON pointer.
    pub pointer: Option<String>,
    /// Whether the answer is not Klaviyo's: it comes from a proxy, a portal, or Cloudflare in front of it. Such an
    /// answer is always a retry.
    pub foreign: bool,
    /// Klaviyo's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Klaviyo's figures for the endpoint's limit, if the answer has them.
    pub rate: Option<RateInfo>,
    /// Klaviyo's id of the request or of its error.
    pub request_id: Option<String>,
    /// The profile's id at Klaviyo, answered to `profile-import` only.
    pub profile_id: Option<String>,
    /// A note for the operator about a delivery that succeeded in part: something that Klaviyo left out, an identifier
    /// that was dropped. Stored together with the mapper's warnings.
    pub note: Option<String>,
}

impl Outcome {
    /// An outcome of this kind with nothing else known.
    pub const fn of(kind: OutcomeKind) -> Self {
        Self {
            kind,
            http_status: None,
            error: None,
            reason_code: None,
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
