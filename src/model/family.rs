//! Endpoint families with a rate limit, and the figures that Klaviyo reports about it. Facts and names only.

use std::time::Duration;

use super::DeliveryKind;

words! {
    /// Endpoints that share a rate limit: Klaviyo counts the requests of each family separately, and so do we. The two
    /// list endpoints are one family here although Klaviyo counts them separately, and so are the two endpoints for the
    /// result of an import. That costs at most half of a limit that is never used up.
    Family {
        /// One event (`events`).
        Event = "event",
        /// Many events (`event-bulk-create-jobs`).
        EventBulk = "event_bulk",
        /// One profile (`profile-import`).
        Profile = "profile",
        /// Many profiles (`profile-bulk-import-jobs`).
        ProfileBulk = "profile_bulk",
        /// The result of a bulk import (`profile-bulk-import-jobs/{id}` and its `import-errors`).
        ProfileBulkStatus = "profile_bulk_status",
        /// Subscriptions, one or many (`profile-subscription-bulk-create-jobs`).
        Subscription = "subscription",
        /// Profiles put on a list or taken off it (`lists/{id}/relationships/profiles`).
        List = "list",
        /// Deleted people (`data-privacy-deletion-jobs`).
        Deletion = "deletion",
    }
}

impl DeliveryKind {
    /// The family of a single request of this kind.
    pub const fn family(self) -> Family {
        match self {
            Self::Profile => Family::Profile,
            Self::Event => Family::Event,
            Self::Subscription => Family::Subscription,
            Self::ListAdd | Self::ListRemove => Family::List,
            Self::Deletion => Family::Deletion,
        }
    }
}

/// The `RateLimit-*` headers of an answer. They describe the steady window of 60 s, the remaining count is approximate,
/// and a 429 has none of them (Klaviyo's page on rate limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateInfo {
    /// The account's limit for this endpoint, in requests a minute.
    pub limit: Option<u32>,
    /// How many of them are left.
    pub remaining: Option<u32>,
    /// Time until the window resets; whole seconds in the header.
    pub reset: Option<Duration>,
}
