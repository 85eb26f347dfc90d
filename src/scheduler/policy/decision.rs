//! What an answer means for a delivery.

use std::time::Duration;

use crate::config::DeliveryConfig;
use crate::model::{DeliveryKind, DeliveryStatus, Outcome, OutcomeKind, Reason, Timestamp};

use super::breaker::LONGEST_PROBE;
use super::cause::{Cause, reason_of};
use super::limits::{LONGEST_RETRY_AFTER, TOO_MANY_REQUESTS};
use super::retry::retry_delay;

/// The longest time that a delivery waits for its next attempt.
pub fn longest_wait(policy: &DeliveryConfig) -> Duration {
    // The jitter is added to the wait that an answer requires.
    policy.longest_retry.max(LONGEST_RETRY_AFTER + LONGEST_RETRY_AFTER / 10)
}

/// What is known of a delivery in addition to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptContext {
    /// The kind of its request.
    pub kind: DeliveryKind,
    /// Counted tries before this one.
    pub tries: u32,
    /// Failed attempts before this one, counted or not: its back-off grows with them.
    pub failures: u32,
    /// The minimum age of the event's current generation, since its arrival or its replay.
    pub age: Duration,
    /// Whether the request can be sent without the part that Klaviyo refused.
    pub can_go_without: bool,
    /// Whether its endpoint family, or the account, is paused or just recovering: then it is not the cause of a
    /// failure.
    pub outage: bool,
    /// Whether its family has accepted other events' requests since it failed before: then it is the cause of a
    /// failure.
    pub alone: bool,
}

/// The decision about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its new status.
    pub status: DeliveryStatus,
    /// Why, when it is not delivered.
    pub reason: Option<Reason>,
    /// Whether the attempt counts against `max_attempts`.
    pub counts: bool,
    /// Whether it failed, so that the back-off grows.
    pub failed: bool,
    /// What comes next.
    pub next: Action,
}

/// What comes next for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is settled: the event's next one follows.
    Settled,
    /// Retry, not before this time.
    RetryAt(Timestamp),
    /// Send it again at once, without the part that Klaviyo refused.
    Resend,
}

/// Decides. `chance` lies in 0..1.
pub fn decide(
    outcome: &Outcome,
    facts: AttemptContext,
    policy: &DeliveryConfig,
    now: Timestamp,
    chance: f64,
) -> Decision {
    match outcome.kind {
        OutcomeKind::Accepted => Decision {
            status: DeliveryStatus::Delivered,
            reason: None,
            counts: true,
            failed: false,
            next: Action::Settled,
        },
        OutcomeKind::Conflict | OutcomeKind::Refused if facts.can_go_without => Decision {
            status: DeliveryStatus::Pending,
            reason: Some(Reason::from(&Cause::WithoutRefused)),
            counts: false,
            failed: false,
            next: Action::Resend,
        },
        OutcomeKind::Refused | OutcomeKind::Conflict => rejected(reason_of(outcome)),
        OutcomeKind::Retry | OutcomeKind::Stopped => {
            again(outcome, DeliveryStatus::Pending, facts, policy, now, chance)
        }
        OutcomeKind::Unknown => match not_resent(facts.kind, policy) {
            Some(why) => {
                let why = Reason::from(&why);
                rejected(why.with_text(format!("{why}; what was seen of it: {}", reason_of(outcome))))
            }
            None => again(outcome, DeliveryStatus::Unknown, facts, policy, now, chance),
        },
    }
}

/// Why a delivery of this kind is not sent again when its answer was lost, by a time-out or a crash; `None` when it is
/// sent again. Klaviyo drops a second event by its `$event_id`, and a second profile, list change or deletion changes
/// nothing. A second subscription may cancel an unsubscribe, or send a person a second mail.
pub const fn not_resent(kind: DeliveryKind, policy: &DeliveryConfig) -> Option<Cause> {
    match kind {
        DeliveryKind::Subscription if !policy.resend_unknown_subscriptions => Some(Cause::SubscriptionLost),
        DeliveryKind::Subscription
        | DeliveryKind::Profile
        | DeliveryKind::Event
        | DeliveryKind::ListAdd
        | DeliveryKind::ListRemove
        | DeliveryKind::Deletion => None,
    }
}

/// Retries the delivery, or ends it. A delivery that is the cause of its failures ends after `max_attempts`, so that
/// its people do not wait for days; any other one only when `max_age` has passed too. Attempts that give no information
/// about the delivery itself are not counted: an outage, and a 429, which concerns everything that is sent.
fn again(
    outcome: &Outcome,
    status: DeliveryStatus,
    facts: AttemptContext,
    policy: &DeliveryConfig,
    now: Timestamp,
    chance: f64,
) -> Decision {
    let rate_limited = outcome.http_status == Some(TOO_MANY_REQUESTS);
    let counts = !facts.outage && !rate_limited;
    let tries = facts.tries.saturating_add(1);
    let old = facts.age >= policy.max_age;
    if counts && tries >= policy.max_attempts && (facts.alone || old) {
        let last = reason_of(outcome).text;
        let cause = if facts.alone {
            Cause::GaveUpAlone { tries, last }
        } else {
            Cause::GaveUp { tries, last }
        };
        return rejected(Reason::from(&cause));
    }
    // The end of an outage is noticed within a minute: nothing that waits for it should wait for longer.
    let longest = if facts.outage {
        policy.longest_retry.min(LONGEST_PROBE)
    } else {
        policy.longest_retry
    };
    let failures = facts.failures.saturating_add(1);
    let retry_after = outcome.retry_after.map(|wait| wait.min(LONGEST_RETRY_AFTER));
    let delay = retry_delay(failures, policy.first_retry, longest, retry_after, chance);
    Decision {
        status,
        reason: Some(reason_of(outcome)),
        counts,
        failed: !rate_limited,
        next: Action::RetryAt(now.plus(delay)),
    }
}

fn rejected(reason: Reason) -> Decision {
    Decision {
        status: DeliveryStatus::Rejected,
        reason: Some(reason),
        counts: true,
        failed: false,
        next: Action::Settled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Timestamp = Timestamp::from_millis(1_000_000);

    fn facts(tries: u32) -> AttemptContext {
        AttemptContext {
            kind: DeliveryKind::Event,
            tries,
            failures: tries,
            age: Duration::ZERO,
            can_go_without: false,
            outage: false,
            alone: false,
        }
    }

    fn decision(kind: OutcomeKind, facts: AttemptContext, age: Duration) -> Decision {
        decide(
            &Outcome::of(kind),
            AttemptContext { age, ..facts },
            &DeliveryConfig::default(),
            BEGAN.plus(age),
            0.5,
        )
    }

    #[test]
    fn a_delivery_is_given_up_only_when_both_attempts_and_age_are_passed() {
        let policy = DeliveryConfig::default();
        let last = policy.max_attempts - 1;
        let old = policy.max_age;
        let young = policy.max_age.saturating_sub(Duration::from_millis(1));
        let status = |tries, age| decision(OutcomeKind::Retry, facts(tries), age).status;
        assert_eq!(status(last, young), DeliveryStatus::Pending);
        assert_eq!(status(last - 1, old), DeliveryStatus::Pending);
        assert_eq!(status(last, old), DeliveryStatus::Rejected);
        assert_eq!(status(u32::MAX, young), DeliveryStatus::Pending);
    }

    #[test]
    fn a_lost_answer_leaves_the_delivery_unknown_and_is_tried_again() {
        let decision = decision(OutcomeKind::Unknown, facts(0), Duration::ZERO);
        assert_eq!(decision.status, DeliveryStatus::Unknown);
        assert_eq!(decision.next, Action::RetryAt(BEGAN.plus(Duration::from_millis(500))));
    }

    #[test]
    fn neither_an_outage_nor_a_429_costs_a_delivery_a_try() {
        let policy = DeliveryConfig::default();
        let late = BEGAN.plus(policy.max_age);
        let last = facts(policy.max_attempts - 1);
        let outage = AttemptContext { outage: true, ..last };
        let outcome = |kind, http_status| Outcome {
            http_status,
            ..Outcome::of(kind)
        };
        for (outcome, facts, status) in [
            (outcome(OutcomeKind::Retry, Some(503)), outage, DeliveryStatus::Pending),
            (outcome(OutcomeKind::Unknown, None), outage, DeliveryStatus::Unknown),
            (outcome(OutcomeKind::Retry, Some(429)), last, DeliveryStatus::Pending),
        ] {
            let facts = AttemptContext {
                age: policy.max_age,
                ..facts
            };
            let decision = decide(&outcome, facts, &policy, late, 0.5);
            assert_eq!((decision.status, decision.counts), (status, false));
            assert!(matches!(decision.next, Action::RetryAt(_)));
        }
    }

    #[test]
    fn a_subscription_whose_answer_was_lost_is_sent_again_unless_the_operator_forbids_it() {
        let outcome = Outcome::of(OutcomeKind::Unknown);
        let status = |kind, resend_unknown_subscriptions| {
            let policy = DeliveryConfig {
                resend_unknown_subscriptions,
                ..DeliveryConfig::default()
            };
            let facts = AttemptContext { kind, ..facts(0) };
            let decision = decide(&outcome, facts, &policy, BEGAN, 0.5);
            (
                decision.status,
                decision.reason.map(|reason| reason.text).unwrap_or_default(),
            )
        };
        for kind in DeliveryKind::ALL {
            assert_eq!(status(*kind, true).0, DeliveryStatus::Unknown, "{kind}");
            let expected = if *kind == DeliveryKind::Subscription {
                DeliveryStatus::Rejected
            } else {
                DeliveryStatus::Unknown
            };
            assert_eq!(status(*kind, false).0, expected, "{kind}");
        }
        let (_, reason) = status(DeliveryKind::Subscription, false);
        assert!(reason.contains("resend_unknown_subscriptions"), "{reason}");
        assert!(reason.ends_with("no answer"), "{reason}");
    }

    #[test]
    fn a_refusal_as_of_a_wrong_key_is_tried_again_like_any_failure() {
        let refusal = decision(OutcomeKind::Stopped, facts(3), Duration::ZERO);
        assert_eq!(refusal.status, DeliveryStatus::Pending);
        assert!(refusal.counts && matches!(refusal.next, Action::RetryAt(_)));
        let paused = AttemptContext {
            outage: true,
            ..facts(3)
        };
        assert!(!decision(OutcomeKind::Stopped, paused, Duration::ZERO).counts);
    }

    #[test]
    fn what_fails_alone_is_given_up_by_its_attempts_whatever_its_age() {
        let last = DeliveryConfig::default().max_attempts - 1;
        for kind in [OutcomeKind::Retry, OutcomeKind::Unknown, OutcomeKind::Stopped] {
            let alone = |tries, outage| AttemptContext {
                alone: true,
                outage,
                ..facts(tries)
            };
            let status = |facts| decision(kind, facts, Duration::ZERO).status;
            assert!(!status(alone(last - 1, false)).is_final(), "{kind}");
            assert_eq!(status(alone(last, false)), DeliveryStatus::Rejected, "{kind}");
            assert!(!status(alone(last, true)).is_final(), "{kind}: an outage");
            assert!(!status(facts(last)).is_final(), "{kind}: nobody else was tried");
            let reason = decision(kind, alone(last, false), Duration::ZERO).reason;
            assert!(
                reason.is_some_and(|reason| reason.code == "gave_up_alone" && reason.text.contains("other requests"))
            );
        }
    }

    #[test]
    fn the_back_off_grows_with_all_attempts_and_in_an_outage_up_to_a_minute() {
        let delay = |facts| match decision(OutcomeKind::Retry, facts, Duration::ZERO).next {
            Action::RetryAt(at) => at.since(BEGAN),
            Action::Settled | Action::Resend => Duration::ZERO,
        };
        let failed = |failures, outage| AttemptContext {
            failures,
            outage,
            ..facts(0)
        };
        assert_eq!(delay(failed(5, false)), Duration::from_secs(16), "half of 2^5 s");
        assert_eq!(delay(failed(5, true)), Duration::from_secs(16));
        assert_eq!(delay(failed(30, false)), Duration::from_mins(5));
        assert_eq!(delay(failed(30, true)), Duration::from_secs(30));
    }

    #[test]
    fn a_conflict_is_resent_once_without_the_weaker_identifier_then_refused() {
        let can = AttemptContext {
            can_go_without: true,
            ..facts(0)
        };
        assert_eq!(
            decision(OutcomeKind::Conflict, can, Duration::ZERO).next,
            Action::Resend
        );
        let after = decision(OutcomeKind::Conflict, facts(0), Duration::ZERO);
        assert_eq!((after.status, after.next), (DeliveryStatus::Rejected, Action::Settled));
    }

    #[test]
    fn a_final_answer_ends_the_delivery_with_klaviyos_words() {
        let mut outcome = Outcome::of(OutcomeKind::Refused);
        outcome.http_status = Some(400);
        outcome.error = Some("invalid: metric name is required".to_owned());
        let decision = decide(&outcome, facts(0), &DeliveryConfig::default(), BEGAN, 0.0);
        assert_eq!(decision.status, DeliveryStatus::Rejected);
        assert_eq!(
            decision.reason,
            Some(Reason::new("klaviyo_400", "400: invalid: metric name is required"))
        );
    }

    #[test]
    fn the_servers_delay_is_honoured_up_to_five_minutes() {
        let mut outcome = Outcome::of(OutcomeKind::Retry);
        for (named, waited) in [(240, 240), (300, 300), (1_000_000, 300)] {
            outcome.retry_after = Some(Duration::from_secs(named));
            let decision = decide(&outcome, facts(0), &DeliveryConfig::default(), BEGAN, 0.0);
            let at = BEGAN.plus(Duration::from_secs(waited));
            assert_eq!(decision.next, Action::RetryAt(at), "{named}");
        }
    }
}
