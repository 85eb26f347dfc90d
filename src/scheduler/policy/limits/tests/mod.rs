//! The limits, fact by fact. [`simulation`] tests them against a server.

mod simulation;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::model::{OutcomeKind, RateInfo};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000).plus(Duration::from_millis(millis))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Klaviyo's figures and 0.8 of them: 280 and 2800 events, 8 and 120 bulk requests.
fn limits() -> Limits {
    let mut limits = Limits::new(&DeliveryConfig::default());
    for family in Family::ALL {
        // Klaviyo answered just now, as it does while work continues.
        limits.sent(*family, 1, at(0).minus(secs(3600)));
        answer(&mut limits, *family, at(0));
    }
    limits
}

fn accepted(rate: Option<RateInfo>) -> Outcome {
    Outcome {
        http_status: Some(202),
        rate,
        ..Outcome::of(OutcomeKind::Accepted)
    }
}

fn too_many(retry_after: Option<Duration>) -> Outcome {
    Outcome {
        http_status: Some(TOO_MANY_REQUESTS),
        retry_after,
        ..Outcome::of(OutcomeKind::Retry)
    }
}

fn answer(limits: &mut Limits, family: Family, now: Timestamp) {
    limits.answered(family, Some(&accepted(None)), now);
}

fn answer_with(limits: &mut Limits, family: Family, rate: RateInfo, now: Timestamp) {
    limits.answered(family, Some(&accepted(Some(rate))), now);
}

fn rate_limit(limits: &mut Limits, family: Family, retry_after: Option<Duration>, now: Timestamp) {
    limits.answered(family, Some(&too_many(retry_after)), now);
}

fn rate(limit: u32, remaining: u32, reset: u64) -> RateInfo {
    RateInfo {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(secs(reset)),
    }
}

/// Sends `n` requests and answers them at once.
fn send(limits: &mut Limits, family: Family, n: usize, now: Timestamp) {
    limits.sent(family, n, now);
    for _ in 0..n {
        answer(limits, family, now);
    }
}

#[test]
fn a_second_holds_the_share_of_the_burst_and_then_names_the_next_time() {
    let mut limits = limits();
    assert_eq!(limits.room(Family::Event, at(0)), 280);
    assert_eq!(limits.next(Family::Event, at(0)), None);
    send(&mut limits, Family::Event, 280, at(0));
    assert_eq!(limits.room(Family::Event, at(0)), 0);
    let next = limits.next(Family::Event, at(0));
    assert_eq!(next, Some(at(1_320)), "a second, the guard, and its cell");
    assert_eq!(limits.room(Family::Event, at(1_319)), 0);
    assert_eq!(limits.room(Family::Event, at(1_320)), 280);
}

#[test]
fn a_minute_holds_the_share_of_the_steady_limit() {
    let mut limits = limits();
    for second in 0..15 {
        send(&mut limits, Family::EventBulk, 8, at(second * 2_000));
    }
    assert_eq!(limits.room(Family::EventBulk, at(40_000)), 0);
    let next = limits.next(Family::EventBulk, at(40_000));
    assert_eq!(next, Some(at(61_000)), "a minute, the guard, and its cell");
    answer(&mut limits, Family::EventBulk, at(61_000));
    assert_eq!(
        limits.room(Family::EventBulk, at(61_000)),
        8,
        "the first second's are gone"
    );
}

#[test]
fn the_families_do_not_slow_each_other() {
    let mut limits = limits();
    send(&mut limits, Family::Event, 280, at(0));
    rate_limit(&mut limits, Family::Profile, Some(secs(30)), at(0));
    assert_eq!(limits.room(Family::Event, at(0)), 0);
    assert_eq!(limits.room(Family::Profile, at(0)), 0);
    assert_eq!(limits.room(Family::Subscription, at(0)), 60);
    assert_eq!(limits.room(Family::List, at(0)), 8);
}

#[test]
fn a_limit_of_one_is_one_whatever_the_share() {
    let settings = DeliveryConfig {
        limit_share: 0.01,
        ..DeliveryConfig::default()
    };
    let mut limits = Limits::new(&settings);
    assert_eq!(limits.room(Family::List, at(0)), 1);
}

#[test]
fn a_429_closes_the_family_for_as_long_as_it_says() {
    let mut limits = limits();
    rate_limit(&mut limits, Family::Event, Some(secs(17)), at(0));
    rate_limit(&mut limits, Family::Event, Some(secs(3)), at(10));
    assert_eq!(limits.room(Family::Event, at(16_999)), 0);
    assert_eq!(limits.next(Family::Event, at(5_000)), Some(at(17_000)));
    assert!(limits.room(Family::Event, at(17_000)) > 0);
}

#[test]
fn a_429_without_a_time_closes_the_family_for_a_second() {
    for retry_after in [None, Some(Duration::ZERO)] {
        let mut limits = limits();
        rate_limit(&mut limits, Family::Event, retry_after, at(0));
        assert_eq!(limits.next(Family::Event, at(0)), Some(at(1_000)));
    }
}

#[test]
fn a_429_slows_the_family_down_and_a_minute_without_one_brings_it_back() {
    let mut limits = limits();
    for _ in 0..40 {
        rate_limit(&mut limits, Family::Event, Some(secs(1)), at(0));
    }
    let allowed = |limits: &Limits, millis| {
        let event = limits.snapshot(at(millis))[0];
        (event.second[1], event.minute[1])
    };
    assert_eq!(allowed(&limits, 1_000), (196, 1960), "0.7, once");
    assert_eq!(allowed(&limits, 11_000), (210, 2100), "0.75");
    assert_eq!(allowed(&limits, 61_000), (280, 2800));
    rate_limit(&mut limits, Family::Event, None, at(11_000));
    assert_eq!(allowed(&limits, 12_000), (147, 1470), "0.75 of 0.7");
}

#[test]
fn klaviyos_own_count_is_believed_when_it_leaves_less_and_until_it_is_reset() {
    let mut limits = limits();
    limits.sent(Family::Event, 1, at(0));
    answer_with(&mut limits, Family::Event, rate(3500, 100, 20), at(0));
    // 70 stay for the others: a tenth of the fifth that is theirs.
    assert_eq!(limits.room(Family::Event, at(0)), 30);
    limits.sent(Family::Event, 30, at(0));
    assert_eq!(limits.room(Family::Event, at(0)), 0);
    assert_eq!(limits.next(Family::Event, at(0)), Some(at(21_000)));
    for _ in 0..30 {
        answer(&mut limits, Family::Event, at(20_000));
    }
    assert_eq!(limits.room(Family::Event, at(21_000)), 280);
    answer_with(&mut limits, Family::Event, rate(3500, 3400, 60), at(21_000));
    assert_eq!(
        limits.room(Family::Event, at(21_000)),
        280,
        "it leaves more than we allow ourselves"
    );
}

#[test]
fn answers_that_overtake_each_other_do_not_raise_what_is_left() {
    let mut limits = limits();
    limits.sent(Family::Event, 3, at(0));
    answer_with(&mut limits, Family::Event, rate(3500, 80, 20), at(300));
    assert_eq!(limits.room(Family::Event, at(300)), 8, "two in flight");
    answer_with(&mut limits, Family::Event, rate(3500, 82, 20), at(400));
    assert_eq!(limits.room(Family::Event, at(400)), 9, "one in flight");
    answer_with(&mut limits, Family::Event, rate(3500, 3400, 59), at(21_000));
    assert_eq!(limits.room(Family::Event, at(21_000)), 280, "a new minute");
    limits.sent(Family::Event, 1, at(21_000));
    answer_with(&mut limits, Family::Event, rate(3500, 0, 1), at(21_500));
    assert_eq!(
        limits.room(Family::Event, at(21_500)),
        279,
        "an answer of the minute before does not count in this one"
    );
}

#[test]
fn a_server_limit_lower_than_the_one_set_is_shared_instead() {
    let mut limits = limits();
    answer_with(&mut limits, Family::Event, rate(700, 699, 60), at(0));
    assert_eq!(limits.snapshot(at(0))[0].minute[1], 560);
    answer_with(&mut limits, Family::Event, rate(7000, 6000, 60), at(0));
    assert_eq!(limits.snapshot(at(0))[0].minute[1], 2800);
}

#[test]
fn a_count_that_does_not_move_is_no_limit() {
    let mut limits = limits();
    answer_with(&mut limits, Family::Event, rate(10, 10, 60), at(0));
    assert_eq!(limits.room(Family::Event, at(0)), 280);
}

#[test]
fn after_a_silence_a_few_go_ahead_and_the_rest_when_one_was_answered() {
    let mut limits = limits();
    assert_eq!(limits.room(Family::Event, at(10_000)), 14);
    limits.sent(Family::Event, 14, at(10_000));
    assert_eq!(limits.room(Family::Event, at(10_100)), 0);
    assert!(limits.next(Family::Event, at(10_100)) > Some(at(10_100)));
    limits.answered(Family::Event, None, at(10_200));
    assert_eq!(limits.room(Family::Event, at(10_200)), 1, "a lost answer has no count");
    answer(&mut limits, Family::Event, at(10_300));
    assert_eq!(limits.room(Family::Event, at(10_300)), 266);
}

#[test]
fn a_clock_that_goes_back_an_hour_stops_nothing_for_an_hour() {
    let hour = 3_600_000;
    let mut limits = limits();
    send(&mut limits, Family::Event, 280, at(hour));
    rate_limit(&mut limits, Family::Event, Some(secs(30)), at(hour));
    limits.sent(Family::Profile, 1, at(hour));
    answer_with(&mut limits, Family::Profile, rate(750, 0, 30), at(hour));
    assert_eq!(limits.room(Family::Event, at(0)), 0);
    assert_eq!(limits.room(Family::Profile, at(0)), 0);
    assert_eq!(limits.next(Family::Event, at(0)), Some(at(30_000)));
    assert!(limits.room(Family::Event, at(30_000)) > 0);
    assert!(limits.room(Family::Profile, at(31_000)) > 0);
}

#[test]
fn status_shows_what_is_used_and_what_is_closed() {
    let mut limits = limits();
    send(&mut limits, Family::EventBulk, 5, at(0));
    send(&mut limits, Family::EventBulk, 3, at(5_000));
    rate_limit(&mut limits, Family::List, Some(secs(9)), at(5_000));
    let shown = limits.snapshot(at(5_500));
    assert_eq!(shown.len(), Family::ALL.len());
    let bulk = shown[Family::EventBulk as usize];
    assert_eq!(bulk.family, Family::EventBulk);
    assert_eq!(bulk.second, [3, 8]);
    assert_eq!(bulk.minute, [8, 120]);
    assert_eq!(bulk.closed_until, None);
    let list = shown[Family::List as usize];
    assert_eq!(list.closed_until, Some(at(14_000)));
    let later = limits.snapshot(at(14_000))[Family::List as usize];
    assert_eq!(later.closed_until, None);
}

/// In every state: without room there is a later time to try again, and at some such time there is room.
#[test]
fn there_is_always_a_way_on() {
    let seed = 20_261_123;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut limits = limits();
    let mut now = at(0);
    for round in 0..2_000 {
        let family = Family::ALL[chance.random_range(0..Family::ALL.len())];
        let room = limits.room(family, now);
        let next = limits.next(family, now);
        assert_eq!(room == 0, next.is_some(), "seed {seed}, round {round}");
        limits.sent(family, room, now);
        for _ in 0..room {
            let answer = match chance.random_range(0..100) {
                0 => Some(too_many(Some(secs(5)))),
                1..10 => None,
                10..40 => Some(accepted(Some(rate(150, chance.random_range(0..150), 40)))),
                _ => Some(accepted(None)),
            };
            limits.answered(family, answer.as_ref(), now);
        }
        for looks in 0.. {
            let Some(next) = limits.next(family, now) else {
                break;
            };
            assert!(next > now, "seed {seed}, round {round}: a spin");
            assert!(looks < 50, "seed {seed}, round {round}: no way on");
            now = next;
        }
        now = now.plus(Duration::from_millis(chance.random_range(0..3_000)));
    }
}

#[test]
fn other_limits_count_what_was_sent_before() {
    let mut limits = limits();
    send(&mut limits, Family::Event, 100, at(1));
    assert_eq!(limits.room(Family::Event, at(2)), 180);
    let mut settings = DeliveryConfig {
        limit_share: 0.5,
        ..DeliveryConfig::default()
    };
    limits.set(&settings);
    assert_eq!(limits.room(Family::Event, at(2)), 75);
    settings.limits.event.burst = 100;
    limits.set(&settings);
    assert_eq!(limits.room(Family::Event, at(2)), 0);
    assert_eq!(limits.room(Family::Profile, at(2)), 37);
    limits.set(&DeliveryConfig::default());
    assert_eq!(limits.room(Family::Event, at(2)), 180);
}
