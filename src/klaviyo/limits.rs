//! What Klaviyo limits, one name each.
//!
//! Sizes are published in "KB" and "MB", which are ambiguous; the larger reading is used. Klaviyo's own refusal is
//! as final as ours, so the larger reading can cost a request and never an event that Klaviyo would have accepted.

const KB: usize = 1024;

/// Bytes of any request body, before compression.
pub const MAX_PAYLOAD_BYTES: usize = 5 * KB * KB;

/// Bytes of a `profile-import` body.
pub const MAX_PROFILE_BYTES: usize = 100 * KB;

/// Bytes of the profile within an event.
pub const MAX_EVENT_PROFILE_BYTES: usize = 95 * KB;

/// Properties of one event.
pub const MAX_EVENT_PROPERTIES: usize = 400;

/// Bytes of one string among the properties.
pub const MAX_STRING_BYTES: usize = 100 * KB;

/// Items of one array among the properties.
pub const MAX_ARRAY_ITEMS: usize = 4000;

/// Levels of objects and arrays in one property: `{"a": {}}` as the property's value has two.
pub const MAX_NESTING: usize = 10;

/// The smallest integer: integers are signed and of 64 bits.
pub const MIN_INTEGER: i64 = i64::MIN;

/// The largest integer.
pub const MAX_INTEGER: i64 = i64::MAX;

/// Characters of a `unique_id`; an empty one is refused too.
pub const MAX_UNIQUE_ID_CHARS: usize = 255;

/// Characters of a metric's name ("less than 128"); an empty one is refused too.
pub const MAX_METRIC_CHARS: usize = 127;

/// Characters of an `external_id`.
pub const MAX_EXTERNAL_ID_CHARS: usize = 255;

/// The earliest time of an event, in milliseconds since 1970: 2000-01-01T00:00:00Z. Newer revisions are documented to
/// take 1990; 2000 holds on all of them.
pub const EARLIEST_EVENT_MILLIS: i64 = 946_684_800_000;

/// How far ahead of now an event may be, in milliseconds: one year, the shortest that one can be.
pub const LATEST_EVENT_AHEAD_MILLIS: i64 = 365 * 24 * 3600 * 1000;

/// Profiles of one subscription job.
pub const MAX_SUBSCRIBE_PROFILES: usize = 1000;

/// Events of one `event-bulk-create-jobs` request.
pub const MAX_BULK_EVENTS: usize = 1000;

/// Profiles of one `profile-bulk-import-jobs` request.
pub const MAX_BULK_PROFILES: usize = 10_000;

/// Bytes of a bulk job's body: Klaviyo's 5 MB in the smaller reading, less 2 %. The larger reading could cost a whole
/// job of events that Klaviyo would have accepted.
pub const MAX_JOB_BYTES: usize = 4_900_000;

/// Bytes of a single event's body that may travel in a bulk job: 95 KB in the smaller reading, so that neither its
/// profile nor one of its strings can be over a limit. Larger ones go singly, so that they cost no other event
/// anything.
pub const BULK_EVENT_BYTES: usize = 95_000;

/// Bytes of a single profile's or subscription's body that may travel in a bulk job: 100 KB in the smaller reading.
pub const BULK_PERSON_BYTES: usize = 100_000;
