//! Klaviyo's revisions: dated versions of its API, each live for two years, and what is answered for the others.
//!
//! Pure: the date is handed in. Uses `model` for time. Source: Klaviyo's versioning and deprecation policy.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

use crate::model::Timestamp;

/// What a revision header means today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Answered as that revision.
    Live(Date),
    /// Retired: 410 for clients that opted out of falling forward, else answered as the oldest live one.
    Retired(Date),
    /// Never released, not released yet, or not a date.
    Unknown,
}

/// Every stable revision before the quarterly rhythm began.
const EARLY: [Date; 15] = [
    date(2022, 10, 17),
    date(2023, 1, 24),
    date(2023, 2, 22),
    date(2023, 6, 15),
    date(2023, 7, 15),
    date(2023, 8, 15),
    date(2023, 9, 15),
    date(2023, 10, 15),
    date(2023, 12, 15),
    date(2024, 2, 15),
    date(2024, 5, 15),
    date(2024, 6, 15),
    date(2024, 7, 15),
    date(2024, 10, 15),
    date(2025, 1, 15),
];
/// From this year on, revisions come on the 15th of January, April, July and October.
const QUARTERLY_FROM: i16 = 2025;
/// A revision is retired this many years after its release.
const LIFETIME_YEARS: i16 = 2;

/// Reads `2026-10-15`, or a pre-release `2026-10-15.pre`, which has the shapes of its date.
fn parse(text: &str) -> Option<Date> {
    let text = text.strip_suffix(".pre").unwrap_or(text);
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

fn was_released(revision: Date) -> bool {
    let quarterly = revision.day() == 15 && matches!(revision.month(), 1 | 4 | 7 | 10);
    EARLY.contains(&revision) || (quarterly && revision.year() >= QUARTERLY_FROM)
}

fn is_live_on(revision: Date, today: Date) -> bool {
    revision <= today && today < revision.saturating_add(LIFETIME_YEARS.years())
}

/// What `text` means on the day of `now` by Klaviyo's policy.
pub(crate) fn standing(text: &str, now: Timestamp) -> Standing {
    let today = parse(now.to_string().get(..10).unwrap_or_default());
    let revision = parse(text).filter(|revision| was_released(*revision));
    match (revision, today) {
        (Some(revision), Some(today)) if is_live_on(revision, today) => Standing::Live(revision),
        (Some(revision), Some(today)) if revision <= today => Standing::Retired(oldest_live(today)),
        _ => Standing::Unknown,
    }
}

fn oldest_live(today: Date) -> Date {
    let from = today.year() - LIFETIME_YEARS;
    let quarterly = (from..=today.year()).flat_map(|year| [1, 4, 7, 10].map(|month| date(year, month, 15)));
    let released = EARLY.into_iter().chain(quarterly.filter(|date| was_released(*date)));
    let live = released.filter(|revision| is_live_on(*revision, today));
    live.min().unwrap_or(today)
}
