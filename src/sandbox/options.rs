//! The options of a sandbox: the key it accepts, limits, lists, and how much it keeps.
//!
//! Plain data with defaults that fit a first try without an account. Uses `model`.

use std::time::Duration;

use crate::model::words;

/// How a sandbox behaves. The default accepts the key `pk_sandbox` and any list id, and limits no rate.
#[derive(Clone)]
pub struct Options {
    /// The private key that is accepted; any other is answered 401. Not printed, not logged.
    pub private_key: String,
    /// Whether requests per second and minute are limited.
    pub rate_limits: RateLimits,
    /// Which lists the account has.
    pub lists: AccountLists,
    /// Whether a bulk job of events is also refused for a `unique_id` that an earlier request brought. Klaviyo's
    /// pages disagree; off means that such an event is dropped as a duplicate. A job that repeats one within itself
    /// is refused either way.
    pub bulk_refuses_stored: bool,
    /// How long a bulk import of profiles waits before it is carried out; zero: it is done before its answer.
    pub job_delay: Duration,
    /// How much is remembered before the oldest is forgotten.
    pub keep: Keep,
}

/// Whether rates are limited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateLimits {
    /// Nothing is counted; the `RateLimit-*` headers show a full window.
    Off,
    /// Klaviyo's published windows of each endpoint, times `factor` (1.0 as published; at least one request per
    /// window is left).
    Published {
        /// What the published numbers are multiplied by.
        factor: f64,
    },
}

/// Which lists the account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountLists {
    /// Every id names a list, made on first use with this opt-in process: a shop can try its own configuration,
    /// whose list ids the sandbox cannot know.
    Any(OptIn),
    /// Exactly these; another id is refused as Klaviyo refuses it.
    Only(Vec<ListOption>),
}

/// A list of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOption {
    /// Its id, six characters at Klaviyo.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What subscribing to it takes.
    pub opt_in: OptIn,
}

words! {
    /// What subscribing to a list takes, in Klaviyo's words.
    OptIn {
        /// The request is enough.
        Single = "single_opt_in",
        /// The person confirms by a message; until then nothing is subscribed. Klaviyo's default for a new list.
        Double = "double_opt_in",
    }
}

/// How much a sandbox remembers. Past a bound the oldest goes, and the counts have how many went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Requests in the log.
    pub requests: usize,
    /// Bytes of request bodies in the log.
    pub request_bytes: usize,
    /// Events. A forgotten one no longer de-duplicates.
    pub events: usize,
    /// Bytes of event properties.
    pub event_bytes: usize,
    /// Profiles. A forgotten one is created again when it is named again.
    pub profiles: usize,
    /// Bytes of profile attributes.
    pub profile_bytes: usize,
}

const MIB: usize = 1024 * 1024;

impl Default for Options {
    fn default() -> Self {
        Self {
            private_key: "pk_sandbox".to_owned(),
            rate_limits: RateLimits::Off,
            lists: AccountLists::Any(OptIn::Double),
            bulk_refuses_stored: false,
            job_delay: Duration::ZERO,
            keep: Keep::default(),
        }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            requests: 100_000,
            request_bytes: 64 * MIB,
            events: 1_000_000,
            event_bytes: 256 * MIB,
            profiles: 500_000,
            profile_bytes: 256 * MIB,
        }
    }
}
