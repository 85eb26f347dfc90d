//! What Klaviyo limits the rate of: its endpoints, and what it says of a limit. Facts and names only.

use std::time::Duration;

use super::DeliveryKind;

words! {
    /// Endpoints that share a limit: Klaviyo counts requests of each by itself, and so do we. The two list
    /// endpoints are one family here though Klaviyo counts them apart, and so are the two that ask after an import:
    /// too careful by half at worst, and neither is ever busy.
    Family {
        /// One event (`events`).
        Event = "event",
        /// Many events (`event-bulk-create-jobs`).
        EventBulk = "event_bulk",
        /// One profile (`profile-import`).
        Profile = "profile",
        /// Many profiles (`profile-bulk-import-jobs`).
        ProfileBulk = "profile_bulk",
        /// What became of a bulk import (`profile-bulk-import-jobs/{id}` and its `import-errors`).
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

/// What an answer's `RateLimit-*` headers say. They describe the steady window of 60 s, the remaining count is
/// approximate, and a 429 has none of them (Klaviyo's page on rate limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateInfo {
    /// Requests a minute that the account may make of this endpoint.
    pub limit: Option<u32>,
    /// How many of them are left.
    pub remaining: Option<u32>,
    /// In how long they are full again; whole seconds on the wire.
    pub reset: Option<Duration>,
}
