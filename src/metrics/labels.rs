//! The words in labels that no other module has.

use crate::model::words;

words! {
    /// The result of storing an event.
    EventResult {
        /// It is in the outbox.
        Stored = "stored",
        /// It is in the outbox as dead: it can never be delivered and came in a batch, or another call has its
        /// `messageId`.
        Dead = "dead",
        /// The same call was stored before; this one is not.
        Copy = "copy",
        /// It could not be stored now; the answer makes its sender retry.
        Rejected = "turned_away",
    }
}

words! {
    /// Klaviyo's answers, in the classes that an operator needs.
    AnswerClass {
        /// 2xx.
        Accepted = "2xx",
        /// 429.
        RateLimited = "429",
        /// Other 4xx.
        Refused = "4xx",
        /// 5xx.
        Failed = "5xx",
        /// Any other status.
        Other = "other",
        /// No answer came.
        None = "none",
    }
}

words! {
    /// Whether requests flow to Klaviyo: the breaker and the pause in one.
    DeliveryState {
        /// Requests are sent.
        Flowing = "flowing",
        /// After an outage, the rate rises step by step.
        Recovering = "recovering",
        /// Paused: Klaviyo is not reachable.
        Unreachable = "unreachable",
        /// Paused: Klaviyo refuses the key, a scope or the revision.
        Refused = "refused",
    }
}

impl AnswerClass {
    /// The class of an HTTP status; `None` where no answer came.
    pub const fn of(http_status: Option<u16>) -> Self {
        match http_status {
            None => Self::None,
            Some(200..=299) => Self::Accepted,
            Some(429) => Self::RateLimited,
            Some(400..=499) => Self::Refused,
            Some(500..=599) => Self::Failed,
            Some(_) => Self::Other,
        }
    }
}
