//! Points in time as the outbox stores them: whole milliseconds since 1970, UTC.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. There is no `now` here: callers pass the clock's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point in time from milliseconds since 1970; values outside the years 0001..9999 are clamped.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < MIN_MILLIS {
            Self(MIN_MILLIS)
        } else if millis > MAX_MILLIS {
            Self(MAX_MILLIS)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses the ISO-8601 forms that SDKs send: with `Z`, an offset, or neither (then UTC); with any fraction of a
    /// second or none; a bare date is its midnight, UTC. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Self::from_millis(instant.as_millisecond()));
        }
        let local = text.parse::<jiff::civil::DateTime>().ok()?;
        let instant = jiff::tz::TimeZone::UTC.to_timestamp(local).ok()?;
        Some(Self::from_millis(instant.as_millisecond()))
    }

    /// This much later, at most the last representable moment.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This much earlier, at least the first representable moment.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The time since `earlier`; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// 0001-01-02 and 9999-12-30: one day inside the range that the calendar library can print.
const MIN_MILLIS: i64 = -62_135_510_400_000;
const MAX_MILLIS: i64 = 253_402_128_000_000;

impl fmt::Display for Timestamp {
    /// `2026-11-23T10:00:00.000Z`: always UTC, always milliseconds, so that texts sort in time order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$"})
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For `#[serde(with)]`: a time in stored JSON, as milliseconds since 1970.
pub(crate) mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_sdks_send_is_read() {
        let expected = "2026-11-23T10:47:49.000Z";
        for text in [
            "2026-11-23T10:47:49Z",
            "2026-11-23T10:47:49.000Z",
            "2026-11-23T10:47:49+00:00",
            "2026-11-23T11:47:49+01:00",
            "2026-11-23T10:47:49",
            "2026-11-23 10:47:49",
            "2026-11-23T10:47:49.000000001Z",
        ] {
            assert_eq!(
                Timestamp::parse(text).map(|t| t.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!(
            Timestamp::parse("2026-11-23").map(|t| t.to_string()).as_deref(),
            Some("2026-11-23T00:00:00.000Z")
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "1700000000", "2026-11-23T25:00:00Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_edges_of_the_calendar_can_be_printed() {
        assert!(Timestamp::from_millis(i64::MAX).to_string().starts_with("9999-"));
        assert!(Timestamp::from_millis(i64::MIN).to_string().starts_with("0001-"));
    }
}
