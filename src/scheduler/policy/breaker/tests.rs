//! The circuit breaker, fact by fact.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
/// `max_in_flight`.
const MAX: usize = 16;

fn later(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::default()
}

fn fails(event: i64) -> Sign {
    Sign::Fails(EventId(event))
}

fn refuses(event: i64) -> Sign {
    Sign::Refuses(EventId(event))
}

fn why(breaker: &CircuitBreaker) -> Option<PauseKind> {
    breaker.open().map(|(why, _)| why)
}

fn after(mut breaker: CircuitBreaker, signs: &[Sign], now: Timestamp) -> CircuitBreaker {
    for sign in signs {
        breaker.record(*sign, MAX, now, now);
    }
    breaker
}

/// An outage that was noticed at `NOW`.
fn outage() -> CircuitBreaker {
    let begin = after(breaker(), &[fails(1)], NOW.minus(LASTS));
    after(begin, &[fails(2), fails(3), fails(4), fails(5)], NOW)
}

fn refused() -> CircuitBreaker {
    after(breaker(), &[refuses(1), refuses(2), refuses(3)], NOW)
}

#[test]
fn five_different_events_that_fail_make_an_outage_and_one_that_fails_often_does_not() {
    let one = (0..100).fold(breaker(), |breaker, second| after(breaker, &[fails(1)], later(second)));
    assert_eq!(why(&one), None, "a hundred failures of one event");
    let four = after(breaker(), &[fails(1), fails(2), fails(3), fails(4)], NOW);
    assert_eq!(four.permit(later(9), 3), Permit::Free);
    let five = after(four.clone(), &[fails(5)], later(1));
    assert_eq!(why(&five), Some(PauseKind::Unreachable));
    for works in [Sign::Works, Sign::Answers] {
        let interrupted = after(four.clone(), &[works, fails(5)], later(1));
        assert_eq!(why(&interrupted), None, "{works:?}: the row is broken");
    }
}

#[test]
fn a_hundred_failures_in_a_moment_are_no_outage() {
    let hundred = (0..100).map(fails).collect::<Vec<_>>();
    let moment = NOW.plus(LASTS).minus(Duration::from_millis(1));
    let failed = after(after(breaker(), &hundred, NOW), &hundred, moment);
    assert_eq!(why(&failed), None);
    let failed = after(failed, &[fails(7)], NOW.plus(LASTS));
    assert_eq!(why(&failed), Some(PauseKind::Unreachable), "it goes on");
}

#[test]
fn five_requests_that_had_no_answer_for_long_are_an_outage_though_they_end_together() {
    let mut breaker = breaker();
    for event in 1..=5 {
        breaker.record(fails(event), MAX, NOW, NOW.plus(LASTS));
    }
    assert_eq!(why(&breaker), Some(PauseKind::Unreachable));
}

#[test]
fn three_different_events_that_are_refused_are_about_the_key_and_one_is_about_itself() {
    let one = after(breaker(), &[refuses(1), refuses(1), refuses(1), refuses(1)], NOW);
    assert_eq!(why(&one), None);
    let two = after(one, &[refuses(2)], NOW);
    assert_eq!(why(&after(two.clone(), &[refuses(3)], NOW)), Some(PauseKind::Refused));
    assert_eq!(why(&after(two, &[Sign::Works, refuses(3)], NOW)), None);
}

#[test]
fn a_refused_key_lets_probes_through_until_one_is_accepted() {
    let mut breaker = refused();
    assert_eq!(breaker.permit(later(1), 0), Permit::Wait(later(5)));
    assert_eq!(breaker.permit(later(5), 40), Permit::Probe, "whatever is in flight");
    breaker.probe_sent(later(5));
    assert_eq!(breaker.permit(later(5), 0), Permit::Wait(later(15)), "one at a time");
    for sign in [refuses(9), fails(9), Sign::Answers] {
        assert_eq!(after(breaker.clone(), &[sign], later(6)), breaker, "{sign:?}");
    }
    assert!(after(breaker, &[Sign::Works], later(6)).is_closed());
}

#[test]
fn probes_are_never_further_apart_than_a_minute() {
    for (mut breaker, first) in [(refused(), [5, 10, 20, 40, 60, 60]), (outage(), [1, 2, 4, 8, 16, 32])] {
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..20 {
            let at = breaker.open().expect("it is open").1;
            waits.push(at.since(now).as_secs());
            now = at;
            breaker.probe_sent(now);
        }
        assert!(waits.starts_with(&first), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 60), "{waits:?}");
    }
}

#[test]
fn a_clock_that_goes_back_an_hour_delays_no_probe_by_an_hour() {
    let mut breaker = outage();
    breaker.probe_sent(later(3600));
    assert_eq!(breaker.permit(NOW, 0), Permit::Probe);
}

#[test]
fn a_probe_that_is_never_answered_does_not_hold_up_the_next() {
    let mut breaker = outage();
    breaker.probe_sent(later(1));
    assert_eq!(breaker.permit(later(2), 1), Permit::Wait(later(3)));
    assert_eq!(breaker.permit(later(3), 1), Permit::Probe);
}

#[test]
fn after_an_outage_it_closes_by_doubling() {
    let mut breaker = after(outage(), &[Sign::Works], later(1));
    assert_eq!(why(&breaker), None);
    for allowed in [1, 2, 4, 8, 16] {
        assert_eq!(breaker.permit(later(1), 0), Permit::UpTo(allowed));
        assert!(matches!(breaker.permit(later(1), allowed), Permit::Wait(_)));
        assert!(!breaker.is_closed());
        breaker = after(breaker, &vec![Sign::Works; allowed], later(1));
    }
    assert!(breaker.is_closed());
    let mut small = after(outage(), &[Sign::Works], later(1));
    small.record(Sign::Works, 1, later(1), later(1));
    assert!(small.is_closed());
}

#[test]
fn when_all_that_was_let_through_fails_the_outage_goes_on() {
    let mut breaker = outage();
    for (now, next) in [(1, 3), (3, 5), (5, 7)] {
        // The probe, the first request that was allowed, and the two after it.
        breaker = after(breaker, &[Sign::Works, Sign::Works, fails(1)], later(now));
        assert_eq!(why(&breaker), None);
        breaker = after(breaker, &[fails(2)], later(now));
        assert_eq!(why(&breaker), Some(PauseKind::Unreachable));
        let probe_at = breaker.open().map(|(_, probe_at)| probe_at);
        assert_eq!(probe_at, Some(later(next)), "two seconds later: it takes some");
    }
}

#[test]
fn a_service_that_fails_one_in_five_is_let_through_all_the_same() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    let mut closed = 0;
    for seed in 0..100 {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut breaker = after(outage(), &[Sign::Works], later(1));
        // Twice as many answers as are needed when none fails.
        for event in 0..62 {
            if breaker.is_closed() {
                closed += 1;
                break;
            }
            let sign = if chance.random_bool(0.2) {
                fails(event)
            } else {
                Sign::Works
            };
            breaker.record(sign, MAX, later(600), later(600));
        }
    }
    assert!(closed >= 70, "{closed} of 100");
}

#[test]
fn a_429_ends_an_outage_and_lets_no_more_through() {
    let breaker = after(outage(), &[Sign::Answers], later(1));
    assert_eq!(breaker.permit(later(1), 0), Permit::UpTo(1));
    let breaker = after(breaker, &[Sign::Answers], later(2));
    assert_eq!(breaker.permit(later(2), 0), Permit::UpTo(1));
}

#[test]
fn a_key_refused_in_an_outage_is_a_refused_key() {
    let breaker = after(outage(), &[refuses(9)], later(1));
    assert_eq!(why(&breaker), Some(PauseKind::Refused));
}

#[test]
fn what_was_open_before_a_restart_is_probed_at_once() {
    for (kind, expected) in [
        (PauseKind::Refused, Permit::Free),
        (PauseKind::Unreachable, Permit::UpTo(1)),
    ] {
        let breaker = CircuitBreaker::open_before(kind, NOW);
        assert_eq!(why(&breaker), Some(kind));
        assert_eq!(breaker.permit(NOW, 0), Permit::Probe);
        assert_eq!(after(breaker, &[Sign::Works], NOW).permit(NOW, 0), expected);
    }
}

#[test]
fn what_is_open_can_be_probed_at_once_and_what_is_closed_is_left_alone() {
    let mut breaker = refused();
    breaker.probe_now(later(1));
    assert_eq!(breaker.permit(later(1), 0), Permit::Probe);
    assert_eq!(why(&breaker), Some(PauseKind::Refused), "not before it is taken");
    let mut closed = self::breaker();
    closed.probe_now(NOW);
    assert!(closed.is_closed());
}
