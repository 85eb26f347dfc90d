//! Why nothing, or almost nothing, is sent to an endpoint family or to the whole account.

words! {
    /// Why delivery is paused: nothing goes out but probes, and no attempt counts.
    PauseKind {
        /// Klaviyo refuses the key, its scopes or the revision. An operator has to do something; it resumes by itself
        /// when a probe is accepted. A restart goes on with it.
        Refused = "refused",
        /// No connection is made, or the requests of several different events fail: no answer, server errors, answers
        /// that are not Klaviyo's. It passes, and resumes by itself. A restart goes on with it.
        Unreachable = "unreachable",
        /// An answer asked to wait for longer than a minute (429 with a far `Retry-After`). One request is tried after
        /// five minutes at most, and `release` tries at once. A restart forgets it.
        RateLimited = "rate_limited",
    }
}
