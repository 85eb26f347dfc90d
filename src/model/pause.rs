//! Why delivery to an endpoint family or to the whole account is paused.

words! {
    /// Why delivery is paused: only probes are sent, and no attempt counts.
    PauseKind {
        /// Klaviyo refuses the key, its scopes or the revision. An operator has to act; delivery resumes by itself when
        /// a probe is accepted. The pause continues after a restart.
        Refused = "refused",
        /// Connecting fails, or the requests of several different events fail: no answer, server errors, answers that
        /// are not Klaviyo's. Delivery resumes by itself when the problem is over. The pause continues after a restart.
        Unreachable = "unreachable",
        /// An answer demands a wait of more than a minute (429 with a long `Retry-After`). One request is tried after
        /// five minutes at most, and `release` tries at once. The pause does not continue after a restart.
        RateLimited = "rate_limited",
    }
}
