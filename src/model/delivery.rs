//! One Klaviyo request that an event owes: its kind, and where it stands.

words! {
    /// What a delivery asks of Klaviyo.
    DeliveryKind {
        /// Create or update a profile (`profile-import`).
        Profile = "profile",
        /// Record an event (`events`).
        Event = "event",
        /// Subscribe a person to e-mail, on a list (`profile-subscription-bulk-create-jobs`).
        Subscription = "subscription",
        /// Put a profile on a list. Needs the profile id that the event's `profile` delivery was answered with.
        ListAdd = "list_add",
        /// Take a profile off a list. Needs the same id.
        ListRemove = "list_remove",
        /// Delete a person's profiles (`data-privacy-deletion-jobs`).
        Deletion = "deletion",
    }
}

words! {
    /// Where a delivery stands.
    DeliveryStatus {
        /// Not accepted yet; it was never sent, or Klaviyo asked to try again. The relay moves it on. A crash
        /// before an attempt leaves it here.
        Pending = "pending",
        /// Klaviyo accepted it. Final.
        Delivered = "delivered",
        /// Its metric and `$event_id` had gone out before, to the same place; `reason` names that delivery. It was
        /// not sent. Final.
        Duplicate = "duplicate",
        /// Refused for good, by Klaviyo or before sending; `reason` has the words. Final; a replay makes a new one.
        Rejected = "rejected",
        /// Sent, and the answer never came: a crash or a time-out. The relay sends it again with the same bytes and
        /// the same `$event_id`. A crash in the middle of an attempt leaves it here at the next start.
        Unknown = "unknown",
    }
}

impl DeliveryStatus {
    /// Whether nothing more will be sent for it.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Unknown => false,
            Self::Delivered | Self::Duplicate | Self::Rejected => true,
        }
    }
}
