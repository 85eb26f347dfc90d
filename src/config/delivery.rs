//! `[delivery]`: how requests are sent, sent again, and given up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::LimitSettings;
use super::section::Section;
use super::suggest::shown;
use super::values::duration_text;
use crate::model::{AfterDead, EventType};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How requests are sent and sent again.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// Requests in the air at once. Default 16.
    pub max_in_flight: usize,
    /// Attempts after which a delivery may be given up, once `max_age` has passed too. Default 20.
    pub max_attempts: u32,
    /// Age of an event, since it arrived or was replayed, after which it may be given up. Default 3 days.
    pub max_age: Duration,
    /// The upper bound of the wait before the second attempt. Default 1 s.
    pub first_retry: Duration,
    /// The longest wait between attempts. Default 10 min.
    pub longest_retry: Duration,
    /// How long one request may take, from connecting to the last byte of its answer. Default 30 s.
    pub timeout: Duration,
    /// How old a subscription may be when it is replayed; older ones are left out. Default 24 h.
    pub replay_consent_within: Duration,
    /// How long a shutdown waits for requests in the air. Default 30 s.
    pub shutdown_deadline: Duration,
    /// Requests in hand at once, in flight or about to be: what bounds memory. Default 2000.
    pub window: usize,
    /// Whether many may go in one request when there are many. Default true.
    pub bulk: bool,
    /// How many requests Klaviyo takes, and our share of them. Default: its published figures, and 0.8.
    pub limits: LimitSettings,
    /// The part of the window that replayed events may take. Default 0.2.
    pub replay_share: f64,
    /// Whether a subscription whose answer was lost is sent again. Default true.
    pub resend_unknown_subscriptions: bool,
    /// What a dead event means for its people's later ones. Default [`AfterDead::Continue`].
    pub after_dead: AfterDead,
    /// The same for events of a name; see [`DeliveryConfig::after_dead_of`].
    pub after_dead_for: BTreeMap<String, AfterDead>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            max_in_flight: 16,
            max_attempts: 20,
            max_age: DAY * 3,
            first_retry: SECOND,
            longest_retry: MINUTE * 10,
            timeout: SECOND * 30,
            replay_consent_within: DAY,
            shutdown_deadline: SECOND * 30,
            window: 2000,
            bulk: true,
            limits: LimitSettings::default(),
            replay_share: 0.2,
            resend_unknown_subscriptions: true,
            after_dead: AfterDead::Continue,
            after_dead_for: BTreeMap::new(),
        }
    }
}

impl DeliveryConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        const TEN_MILLIS: Duration = Duration::from_millis(10);
        const ZERO: Duration = Duration::ZERO;
        let default = Self::default();
        let duration = |key, default, range| section.duration(key, default, range);
        let many = |key, default: usize, most| {
            let default = u32::try_from(default).unwrap_or(u32::MAX);
            let count = section.count(key, default, 1..=most);
            usize::try_from(count).unwrap_or(usize::MAX)
        };
        // A share of nothing would be a standstill: a hundredth is the least.
        let share = |key, default| section.part(key, default, 0.01..=1.0);
        let read = Self {
            max_in_flight: many("max_in_flight", default.max_in_flight, 1000),
            max_attempts: section.count("max_attempts", default.max_attempts, 1..=1000),
            max_age: duration("max_age", default.max_age, ZERO..=DAY * 365),
            first_retry: duration("first_retry", default.first_retry, TEN_MILLIS..=HOUR),
            longest_retry: duration("longest_retry", default.longest_retry, TEN_MILLIS..=DAY),
            timeout: duration("timeout", default.timeout, SECOND / 10..=MINUTE * 10),
            replay_consent_within: duration("replay_consent_within", default.replay_consent_within, ZERO..=DAY * 365),
            shutdown_deadline: duration("shutdown_deadline", default.shutdown_deadline, ZERO..=MINUTE * 10),
            window: many("window", default.window, 100_000),
            bulk: section.yes_or_no("bulk", default.bulk),
            limits: {
                let share = share("limit_share", default.limits.share);
                section.section("limits", |limits| LimitSettings::read(limits, share))
            },
            replay_share: share("replay_share", default.replay_share),
            resend_unknown_subscriptions: section
                .yes_or_no("resend_unknown_subscriptions", default.resend_unknown_subscriptions),
            after_dead: section.one_of("after_dead", &AFTER_DEAD, default.after_dead),
            after_dead_for: after_dead_for(&section.words_section("after_dead_for")),
        };
        read.check(section);
        read
    }

    /// What the death of an event means for its people's later ones. A track goes by its event's name, every other
    /// call by its own word: `identify`, `page`.
    pub fn after_dead_of(&self, kind: EventType, name: Option<&str>) -> AfterDead {
        let name = match kind {
            EventType::Track => name.unwrap_or_default(),
            EventType::Identify
            | EventType::Page
            | EventType::Screen
            | EventType::Group
            | EventType::Alias
            | EventType::Delete => kind.word(),
        };
        self.after_dead_for.get(name).copied().unwrap_or(self.after_dead)
    }

    /// What shows only when several keys are seen together.
    fn check(&self, section: &Section<'_>) {
        if self.first_retry > self.longest_retry {
            let [first, longest] = [self.first_retry, self.longest_retry].map(duration_text);
            section.disagree(
                ["first_retry", "longest_retry"],
                [&format!("is {first}, longer than"), &format!("which is {longest}")],
                "lower first_retry, or raise longest_retry",
            );
        }
        if self.window < self.max_in_flight {
            section.disagree(
                ["window", "max_in_flight"],
                [
                    &format!("is {}, less than", self.window),
                    &format!("which is {}", self.max_in_flight),
                ],
                "raise window, or lower max_in_flight",
            );
        }
    }
}

const AFTER_DEAD: [(&str, AfterDead); 2] = [
    (AfterDead::Continue.word(), AfterDead::Continue),
    (AfterDead::Hold.word(), AfterDead::Hold),
];

fn after_dead_for(section: &Section<'_>) -> BTreeMap<String, AfterDead> {
    let pairs = section.words("the name of an event = \"continue\" or \"hold\"", |name, entry| {
        let text = entry.text()?;
        let then = AfterDead::from_word(text).ok_or_else(|| format!("is {}, none of its words", shown(text)))?;
        if name.trim().is_empty() {
            return Err("is for events without a name".to_owned());
        }
        Ok((name.to_owned(), then))
    });
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_goes_by_its_name_and_every_other_call_by_its_word() {
        let hold = |name: &str| (name.to_owned(), AfterDead::Hold);
        let config = DeliveryConfig {
            after_dead_for: [hold("Order Completed"), hold("identify")].into(),
            ..DeliveryConfig::default()
        };
        for (kind, name, expected) in [
            (EventType::Track, Some("Order Completed"), AfterDead::Hold),
            (EventType::Track, Some("Order"), AfterDead::Continue),
            (EventType::Track, None, AfterDead::Continue),
            (EventType::Page, Some("Order Completed"), AfterDead::Continue),
            (EventType::Identify, None, AfterDead::Hold),
        ] {
            assert_eq!(config.after_dead_of(kind, name), expected, "{kind} {name:?}");
        }
    }
}
