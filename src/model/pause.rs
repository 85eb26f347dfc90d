//! Why delivery is paused.

words! {
    /// Why delivery is paused: nothing goes out but probes, and no attempt counts.
    PauseKind {
        /// Klaviyo refuses the key, its scopes or the revision. An operator has to do something.
        Refused = "refused",
        /// Klaviyo is not reachable, or answers nothing but server errors. It passes.
        Unreachable = "unreachable",
    }
}
