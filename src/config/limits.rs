//! `[delivery.limits]`: how many requests a second and a minute each family of endpoints may get.

use super::declare::{Settings, settings};
use super::section::Section;
use super::values::count;
use crate::model::Family;

/// The most that can be set: far above any figure of Klaviyo's, low enough for sums of it to stay exact.
const LARGEST: u64 = 1_000_000;

settings! {
    /// Requests of a family in Klaviyo's two windows, which hold at once.
    pub struct FamilyLimit: Copy PartialEq Eq, checked by Self::check {
        /// Requests in any second.
        burst: u32 = 1, count(1..=LARGEST);

        /// Requests in any minute, at least `burst`.
        steady: u32 = 1, count(1..=LARGEST);
    }
}

settings! {
    /// Every family's limit. The defaults are Klaviyo's figures: `x-klaviyo-ratelimit` of each operation in its
    /// `OpenAPI` description.
    pub struct LimitSettings {}
    sections {
        /// Single events: `POST /api/events`.
        event: FamilyLimit = limit(350, 3500);
        /// Up to 1000 events at once: `POST /api/event-bulk-create-jobs`.
        event_bulk: FamilyLimit = limit(10, 150);
        /// Single profiles: `POST /api/profile-import`.
        profile: FamilyLimit = limit(75, 750);
        /// Up to 10000 profiles at once: `POST /api/profile-bulk-import-jobs`.
        profile_bulk: FamilyLimit = limit(10, 150);
        /// Polling whether such a job is done: `GET /api/profile-bulk-import-jobs/ID`, and its `import-errors`.
        profile_bulk_status: FamilyLimit = limit(10, 150);
        /// Subscriptions: `POST /api/profile-subscription-bulk-create-jobs`.
        subscription: FamilyLimit = limit(75, 750);
        /// Putting people on a list or taking them off it: `/api/lists/ID/relationships/profiles`.
        list: FamilyLimit = limit(10, 150);
        /// Deleting people: `POST /api/data-privacy-deletion-jobs`.
        deletion: FamilyLimit = limit(3, 60);
    }
}

impl LimitSettings {
    /// A family's whole limit, of which [`limit_share`](super::DeliveryConfig::limit_share) is ours.
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
}

const fn limit(burst: u32, steady: u32) -> FamilyLimit {
    FamilyLimit { burst, steady }
}

impl FamilyLimit {
    fn check(self, section: &Section<'_>) -> Self {
        if self.burst > self.steady {
            section.conflict(
                ["burst", "steady"],
                |[one, other]| {
                    let Self { burst, steady } = self;
                    format!("{one} is {burst}, more in a second than {other}, which is {steady} in a minute")
                },
                "lower burst, or raise steady",
            );
        }
        self
    }
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
