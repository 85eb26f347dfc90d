//! Klaviyo's revisions: dated versions of its API, each live for two years, and what is answered for the others.
//!
//! Pure: the date is handed in. Uses `model` for time. Source: Klaviyo's versioning and deprecation policy.

use crate::model::Timestamp;

/// A revision's date, comparable: `2026-10-15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    year: u16,
    month: u8,
    day: u8,
}

/// What a revision header means today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Answered as that revision.
    Live(Revision),
    /// Retired: 410 for clients that opted out of falling forward, else answered as the oldest live one.
    Retired(Revision),
    /// Never released, not released yet, or not a date.
    Unknown,
}

/// Every stable revision before the quarterly rhythm began.
const EARLY: [(u16, u8, u8); 15] = [
    (2022, 10, 17),
    (2023, 1, 24),
    (2023, 2, 22),
    (2023, 6, 15),
    (2023, 7, 15),
    (2023, 8, 15),
    (2023, 9, 15),
    (2023, 10, 15),
    (2023, 12, 15),
    (2024, 2, 15),
    (2024, 5, 15),
    (2024, 6, 15),
    (2024, 7, 15),
    (2024, 10, 15),
    (2025, 1, 15),
];
/// From this year on, revisions come on the 15th of January, April, July and October.
const QUARTERLY_FROM: u16 = 2025;
/// A revision is retired this many years after its release.
const LIFETIME_YEARS: u16 = 2;

impl Revision {
    /// A revision by its date.
    pub(crate) const fn of(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Reads `2026-10-15`, or a pre-release `2026-10-15.pre`, which has the shapes of its date.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let date = text.strip_suffix(".pre").unwrap_or(text);
        let form = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !form {
            return None;
        }
        let date: jiff::civil::Date = date.parse().ok()?;
        let [year, month, day] = [i32::from(date.year()), i32::from(date.month()), i32::from(date.day())];
        Some(Self::of(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        ))
    }

    fn was_released(self) -> bool {
        let early = EARLY.contains(&(self.year, self.month, self.day));
        let quarterly = self.year >= QUARTERLY_FROM && self.day == 15 && matches!(self.month, 1 | 4 | 7 | 10);
        early || quarterly
    }

    fn is_live_on(self, today: Self) -> bool {
        let retired_on = Self::of(self.year + LIFETIME_YEARS, self.month, self.day);
        self <= today && today < retired_on
    }
}

/// What `text` means on the day of `now` by Klaviyo's policy.
pub(crate) fn by_policy(text: &str, now: Timestamp) -> Standing {
    let Some(today) = Revision::parse(now.to_string().get(..10).unwrap_or_default()) else {
        return Standing::Unknown;
    };
    match Revision::parse(text) {
        Some(revision) if !revision.was_released() || revision > today => Standing::Unknown,
        Some(revision) if revision.is_live_on(today) => Standing::Live(revision),
        Some(_) => Standing::Retired(oldest_live(today)),
        None => Standing::Unknown,
    }
}

/// What `text` means when exactly `accepted` are live.
pub(crate) fn by_list(text: &str, accepted: &[String]) -> Standing {
    let live: Vec<Revision> = accepted.iter().filter_map(|text| Revision::parse(text)).collect();
    let Some(oldest) = live.iter().min().copied() else {
        return Standing::Unknown;
    };
    match Revision::parse(text) {
        Some(revision) if live.contains(&revision) => Standing::Live(revision),
        Some(revision) if revision < oldest && revision.was_released() => Standing::Retired(oldest),
        Some(_) | None => Standing::Unknown,
    }
}

fn oldest_live(today: Revision) -> Revision {
    let from = today.year.saturating_sub(LIFETIME_YEARS);
    let quarterly = (from.max(QUARTERLY_FROM)..=today.year)
        .flat_map(|year| [1, 4, 7, 10].map(|month| Revision::of(year, month, 15)));
    EARLY
        .iter()
        .map(|&(year, month, day)| Revision::of(year, month, day))
        .chain(quarterly)
        .filter(|revision| revision.is_live_on(today))
        .min()
        .unwrap_or(today)
}
