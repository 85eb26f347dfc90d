//! `[delivery]`: how requests are sent, sent again, and given up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::declare::{Settings, settings};
use super::limits::LimitSettings;
use super::section::Section;
use super::setting::map;
use super::suggest::quoted;
use super::values::{boolean, count, duration, duration_text, fraction, one_of};
use crate::model::{AfterDead, EventType};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_MILLIS: Duration = Duration::from_millis(10);
const ZERO: Duration = Duration::ZERO;

const AFTER_DEAD: [(&str, AfterDead); 2] = [
    (AfterDead::Continue.word(), AfterDead::Continue),
    (AfterDead::Hold.word(), AfterDead::Hold),
];

settings! {
    /// How requests are sent and sent again.
    pub struct DeliveryConfig, checked by Self::check {
        /// Requests in flight at once. More is faster until the limits below are reached, or Klaviyo answers 429; such
        /// a request is sent again after the time it names. One endpoint has at most three quarters of them, and of
        /// these requests that failed before have a third. Requests for one person always go one after the other, or in
        /// one bulk request.
        max_in_flight: usize = 16, count(1..=1000);

        /// Requests in memory at once, in flight or about to be, at least `max_in_flight`. All others wait on disk, so
        /// that this bounds memory: a few times `max_event_bytes` for each at worst, usually a few KiB. A small window
        /// makes for small bulk requests.
        window: usize = 2000, count(1..=100_000);

        /// Whether events and profiles go many to a request when more are ready than single requests clear in about a
        /// second. false: always one by one, which drains a backlog at 58 events a second at most, Klaviyo's limit.
        bulk: bool = true, boolean();

        /// The part of Klaviyo's limits that this program uses: all programs of an account share its limits, and our
        /// clock and Klaviyo's windows are not one. 1 is faster and is answered 429 now and then. After a 429 less is
        /// used for a while, whatever stands here.
        // A share of nothing would be a standstill: a hundredth is the least.
        limit_share: f64 = 0.8, fraction(0.01..=1.0);

        /// The part of the window that replayed and imported events may take: live events come first, however large a
        /// replay or import is.
        replay_share: f64 = 0.2, fraction(0.01..=1.0);

        /// Whether a subscription is sent again whose answer was lost, so that it may have been accepted. true: the
        /// person gave consent, and at worst gets a second mail to confirm. false: it is rejected with that reason, and
        /// so its event is dead, for you to look at and replay.
        resend_unknown_subscriptions: bool = true, boolean();

        /// What follows when an event is dead: "continue" (its people's later events go on without it) or "hold" (they
        /// wait until you replay or discard it). `[delivery.after_dead_for]` below has exceptions for some events.
        after_dead: AfterDead = AfterDead::Continue, one_of(&AFTER_DEAD);

        /// When a failing event is given up: dead, kept for replay. What fails for its own sake, while Klaviyo accepts
        /// other requests of its kind, is given up after so many attempts, which takes one to two hours with the
        /// defaults. Anything else only when its age passes `max_age` too; what Klaviyo refuses for good, at once.
        /// Attempts while the endpoint or the account is paused, and those answered 429, do not count.
        max_attempts: u32 = 20, count(1..=1000);

        /// The age of a failing event, since it arrived or was replayed, that must have passed besides `max_attempts`.
        max_age: Duration = DAY * 3, duration(ZERO..=DAY * 365);

        /// The wait before another attempt is drawn at random between nothing and a bound, which begins here and grows
        /// with each attempt up to `longest_retry`. A `Retry-After` of Klaviyo takes precedence.
        first_retry: Duration = SECOND, duration(TEN_MILLIS..=HOUR);

        /// The largest bound of the wait before another attempt.
        longest_retry: Duration = MINUTE * 10, duration(TEN_MILLIS..=DAY);

        /// How long one request may take at most, from connecting to the last byte of the answer. A request usually
        /// gets less: four times what its endpoint took lately, 3s at least (a job of events 10s), and twice as long
        /// after each failure. Subscriptions and import jobs always get all of it. After that it is sent again, byte
        /// for byte, an event with its `$event_id`, by which Klaviyo drops a second one.
        timeout: Duration = SECOND * 30, duration(SECOND / 10..=MINUTE * 10);

        /// How old a subscription may be when it is replayed. Subscribing somebody again lifts an unsubscribe that came
        /// in between, so older ones are left out of a replay or import without `--consent`.
        replay_consent_within: Duration = DAY, duration(ZERO..=DAY * 365);

        /// How long a shutdown waits for the requests in flight. Those not answered by then are sent again after the
        /// next start. Give the service manager longer than this before it kills.
        shutdown_deadline: Duration = SECOND * 30, duration(ZERO..=MINUTE * 10);

        /// `after_dead` for events of a name. A track goes by its event's name, every other call by its own word:
        /// identify, page, screen, group, alias, delete.
        after_dead_for: BTreeMap<String, AfterDead> = BTreeMap::new(),
            map("the name of an event = \"continue\" or \"hold\"", after_dead_for, |then| then.word().to_owned())
                .examples(&["\"Order Completed\" = \"hold\"", "identify = \"hold\""]);
    }
    sections {
        /// Klaviyo's limits for each family of endpoints, by default as Klaviyo publishes them. `limit_share` of both
        /// figures is used, one request at least. Change them only when Klaviyo has changed them for your account: a
        /// figure too high is answered 429, and what is sent slows down until it fits.
        limits: LimitSettings = LimitSettings::default();
    }
}

impl DeliveryConfig {
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

    /// Checks keys that depend on each other.
    fn check(self, section: &Section<'_>) -> Self {
        if self.first_retry > self.longest_retry {
            let [first, longest] = [self.first_retry, self.longest_retry].map(duration_text);
            section.conflict(
                ["first_retry", "longest_retry"],
                |[one, other]| format!("{one} is {first}, longer than {other}, which is {longest}"),
                "lower first_retry, or raise longest_retry",
            );
        }
        if self.window < self.max_in_flight {
            section.conflict(
                ["window", "max_in_flight"],
                |[one, other]| {
                    format!(
                        "{one} is {}, less than {other}, which is {}",
                        self.window, self.max_in_flight
                    )
                },
                "raise window, or lower max_in_flight",
            );
        }
        self
    }
}

fn after_dead_for(name: &str, word: &str) -> Result<AfterDead, String> {
    let then = AfterDead::from_word(word).ok_or_else(|| format!("is {}, none of its words", quoted(word)))?;
    if name.trim().is_empty() {
        return Err("is for events without a name".to_owned());
    }
    Ok(then)
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
