//! `[delivery.limits]`: how many requests a second and a minute each family of endpoints may get.

use super::section::Section;
use crate::model::Family;

/// The most that can be set: far above any figure of Klaviyo's, low enough for sums of it to stay exact.
const LARGEST: u32 = 1_000_000;

/// Requests of a family in Klaviyo's two windows, which hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyLimit {
    /// In one second.
    pub burst: u32,
    /// In 60 seconds.
    pub steady: u32,
}

/// Every family's limit, and how much of it is for us. The defaults are Klaviyo's figures: `x-klaviyo-ratelimit` of
/// each operation in its `OpenAPI` description.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// The part of each limit that this program uses, above 0 and up to 1. Default 0.8: other programs share the
    /// account's limits.
    pub share: f64,
    /// [`Family::Event`]. Default 350 and 3500.
    pub event: FamilyLimit,
    /// [`Family::EventBulk`]. Default 10 and 150.
    pub event_bulk: FamilyLimit,
    /// [`Family::Profile`]. Default 75 and 750.
    pub profile: FamilyLimit,
    /// [`Family::ProfileBulk`]. Default 10 and 150.
    pub profile_bulk: FamilyLimit,
    /// [`Family::ProfileBulkStatus`]. Default 10 and 150.
    pub profile_bulk_status: FamilyLimit,
    /// [`Family::Subscription`]. Default 75 and 750.
    pub subscription: FamilyLimit,
    /// [`Family::List`]. Default 10 and 150.
    pub list: FamilyLimit,
    /// [`Family::Deletion`]. Default 3 and 60.
    pub deletion: FamilyLimit,
}

impl LimitSettings {
    /// A family's whole limit, of which [`share`](Self::share) is ours.
    pub const fn of(&self, family: Family) -> FamilyLimit {
        match family {
            Family::Event => self.event,
            Family::EventBulk => self.event_bulk,
            Family::Profile => self.profile,
            Family::ProfileBulk => self.profile_bulk,
            Family::ProfileBulkStatus => self.profile_bulk_status,
            Family::Subscription => self.subscription,
            Family::List => self.list,
            Family::Deletion => self.deletion,
        }
    }

    /// `share` stands in `[delivery]` itself, beside `replay_share`.
    pub(super) fn read(section: &Section<'_>, share: f64) -> Self {
        let limit = |family| limit(section, family);
        Self {
            share,
            event: limit(Family::Event),
            event_bulk: limit(Family::EventBulk),
            profile: limit(Family::Profile),
            profile_bulk: limit(Family::ProfileBulk),
            profile_bulk_status: limit(Family::ProfileBulkStatus),
            subscription: limit(Family::Subscription),
            list: limit(Family::List),
            deletion: limit(Family::Deletion),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            share: 0.8,
            event: published(Family::Event),
            event_bulk: published(Family::EventBulk),
            profile: published(Family::Profile),
            profile_bulk: published(Family::ProfileBulk),
            profile_bulk_status: published(Family::ProfileBulkStatus),
            subscription: published(Family::Subscription),
            list: published(Family::List),
            deletion: published(Family::Deletion),
        }
    }
}

const fn published(family: Family) -> FamilyLimit {
    let (burst, steady) = match family {
        Family::Event => (350, 3500),
        Family::Profile | Family::Subscription => (75, 750),
        Family::EventBulk | Family::ProfileBulk | Family::ProfileBulkStatus | Family::List => (10, 150),
        Family::Deletion => (3, 60),
    };
    FamilyLimit { burst, steady }
}

fn limit(section: &Section<'_>, family: Family) -> FamilyLimit {
    let default = published(family);
    section.section(family.word(), |section| {
        let limit = FamilyLimit {
            burst: section.count("burst", default.burst, 1..=LARGEST),
            steady: section.count("steady", default.steady, 1..=LARGEST),
        };
        if limit.burst > limit.steady {
            section.disagree(
                ["burst", "steady"],
                [
                    &format!("is {}, more in a second than", limit.burst),
                    &format!("which is {} in a minute", limit.steady),
                ],
                "lower burst, or raise steady",
            );
        }
        limit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_the_limit_that_klaviyo_publishes() {
        let limits = LimitSettings::default();
        let figures: Vec<String> = Family::ALL
            .iter()
            .map(|family| {
                let FamilyLimit { burst, steady } = limits.of(*family);
                format!("{family} {burst}/s {steady}/m")
            })
            .collect();
        assert_eq!(
            figures,
            [
                "event 350/s 3500/m",
                "event_bulk 10/s 150/m",
                "profile 75/s 750/m",
                "profile_bulk 10/s 150/m",
                "profile_bulk_status 10/s 150/m",
                "subscription 75/s 750/m",
                "list 10/s 150/m",
                "deletion 3/s 60/m",
            ]
        );
    }
}
