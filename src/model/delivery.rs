//! One Klaviyo request that an event requires: its kind and its state.

words! {
    /// The kind of Klaviyo request.
    DeliveryKind {
        /// Create or update a profile (`profile-import`).
        Profile = "profile",
        /// Record an event (`events`).
        Event = "event",
        /// Subscribe a person to e-mail, on a list (`profile-subscription-bulk-create-jobs`).
        Subscription = "subscription",
        /// Put a profile on a list. Needs the profile id from the answer to the event's `profile` delivery.
        ListAdd = "list_add",
        /// Take a profile off a list. Needs the same id.
        ListRemove = "list_remove",
        /// Delete a person's profiles (`data-privacy-deletion-jobs`).
        Deletion = "deletion",
    }
}

words! {
    /// The state of a delivery.
    DeliveryStatus {
        /// Not accepted yet: it was never sent, or it has to be tried again. The relay continues it. A crash before an
        /// attempt leaves it in this state.
        Pending = "pending",
        /// Klaviyo accepted it. Final.
        Delivered = "delivered",
        /// An earlier delivery with the same metric and `$event_id` was sent to the same destination; `reason` names
        /// it. This one was not sent. Final.
        Duplicate = "duplicate",
        /// Refused for good, by Klaviyo or before sending; `reason` has the error. Final; a replay makes a new one.
        Rejected = "rejected",
        /// Sent without an answer: a crash or a time-out. The relay sends it again with the same bytes and the same
        /// `$event_id`. A crash during an attempt leaves it in this state at the next start.
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
