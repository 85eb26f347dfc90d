//! The gate, fact by fact.

use OutcomeKind::{Accepted, Conflict, Refused, Retry, Stopped, Unknown};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const OPEN: Gate = Gate::open(16);

fn later(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

/// The status such an outcome comes with.
fn status(kind: OutcomeKind) -> Option<u16> {
    match kind {
        Accepted => Some(202),
        Refused => Some(400),
        Conflict => Some(409),
        Stopped => Some(401),
        Retry => Some(503),
        Unknown => None,
    }
}

fn after(gate: &Gate, kind: OutcomeKind, now: Timestamp) -> Gate {
    gate.after(kind, status(kind), now)
}

fn why(gate: &Gate) -> Option<PauseKind> {
    gate.pause().map(|pause| pause.why)
}

fn probe_at(gate: &Gate) -> Option<Timestamp> {
    gate.pause().map(|pause| pause.probe_at)
}

/// An outage that was noticed at `NOW`.
fn outage(gate: &Gate) -> Gate {
    let begin = after(gate, Retry, NOW.minus(LASTS));
    (1..FAILURES).fold(begin, |gate, _| after(&gate, Retry, NOW))
}

#[test]
fn a_refused_key_closes_the_gate_until_a_probe_is_answered() {
    let gate = after(&OPEN, Stopped, NOW);
    assert_eq!(why(&gate), Some(PauseKind::Refused));
    assert_eq!(gate.passage(later(1), 0), Passage::Wait(later(5)));
    assert_eq!(gate.passage(later(5), 0), Passage::Probe);
    assert!(
        matches!(gate.passage(later(5), 1), Passage::Wait(_)),
        "one probe at a time"
    );
    let refused = after(&gate, Stopped, later(5));
    assert_eq!(refused.passage(later(14), 0), Passage::Wait(later(15)));
    assert_eq!(
        refused.passage(later(15), 0),
        Passage::Probe,
        "10 s after the first probe"
    );
    assert_eq!(after(&refused, Accepted, later(15)), OPEN);
}

#[test]
fn probes_are_never_further_apart_than_a_minute() {
    for kind in [Stopped, Retry] {
        let mut gate = after(&outage(&OPEN), kind, later(1));
        let mut now = later(1);
        let mut waits = Vec::new();
        for _ in 0..20 {
            let at = probe_at(&gate).expect("it is closed");
            waits.push(at.since(now).as_secs());
            now = at;
            gate = after(&gate, kind, now);
        }
        let first: &[u64] = if kind == Stopped {
            &[5, 10, 20, 40, 60, 60]
        } else {
            &[2, 4, 8, 16, 32, 60, 60]
        };
        assert!(waits.starts_with(first), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 60), "{waits:?}");
    }
}

#[test]
fn a_clock_that_goes_back_an_hour_delays_no_probe_by_an_hour() {
    for kind in [Stopped, Retry] {
        let gate = after(&outage(&OPEN), kind, later(3600));
        assert_eq!(gate.passage(NOW, 0), Passage::Probe);
        let gate = after(&gate, kind, NOW);
        assert!(matches!(gate.passage(NOW, 0), Passage::Wait(_)));
    }
}

#[test]
fn refusals_of_what_was_in_the_air_are_one_refusal() {
    let gate = after(&OPEN, Stopped, NOW);
    assert_eq!(after(&gate, Stopped, later(1)), gate);
}

#[test]
fn a_server_error_says_nothing_about_the_key() {
    let gate = after(&OPEN, Stopped, NOW);
    for kind in [Retry, Unknown] {
        let still = after(&gate, kind, later(5));
        assert_eq!(why(&still), Some(PauseKind::Refused));
        assert!(probe_at(&still) > Some(later(5)));
    }
    let throttled = gate.after(Retry, Some(429), later(5));
    assert_eq!(why(&throttled), Some(PauseKind::Refused));
}

#[test]
fn four_failures_in_a_row_are_bad_luck_and_five_are_an_outage() {
    let mut gate = OPEN;
    for kind in [Retry, Unknown, Unknown, Retry] {
        gate = after(&gate, kind, NOW);
        assert_eq!(gate.passage(NOW, 3), Passage::Free);
        assert!(gate.counts());
    }
    for answer in [Accepted, Refused, Conflict] {
        let recovered = after(&gate, answer, NOW);
        assert_eq!(recovered, OPEN, "{answer}: the row is broken");
    }
    assert_eq!(
        gate.after(Retry, Some(429), NOW),
        OPEN,
        "throttled is answered"
    );
    let gate = after(&gate, Unknown, later(1));
    assert_eq!(why(&gate), Some(PauseKind::Unreachable));
    assert_eq!(gate.passage(later(1), 0), Passage::Wait(later(2)));
    assert_eq!(gate.passage(later(2), 0), Passage::Probe);
    assert!(matches!(gate.passage(later(2), 1), Passage::Wait(_)));
}

#[test]
fn a_hundred_failures_in_a_moment_are_no_outage() {
    let failed = |gate: Gate, now| (0..100).fold(gate, |gate, _| after(&gate, Retry, now));
    let moment = NOW.plus(LASTS).minus(Duration::from_millis(1));
    let gate = failed(failed(OPEN, NOW), moment);
    assert_eq!(why(&gate), None);
    let gate = after(&gate, Retry, NOW.plus(LASTS));
    assert_eq!(why(&gate), Some(PauseKind::Unreachable), "it goes on");
    let late = after(&after(&OPEN, Retry, NOW), Retry, later(3600));
    assert_eq!(why(&late), None, "two in an hour");
}

#[test]
fn what_fails_late_moves_no_probe() {
    let gate = outage(&OPEN);
    assert_eq!(after(&gate, Unknown, NOW), gate);
    assert_eq!(probe_at(&after(&gate, Unknown, later(1))), Some(later(3)));
}

#[test]
fn after_an_outage_the_gate_opens_by_doubling() {
    let mut gate = after(&outage(&OPEN), Accepted, later(1));
    assert_eq!(why(&gate), None);
    for allowed in [1, 2, 4, 8, 16] {
        assert_eq!(gate.passage(later(1), 0), Passage::UpTo(allowed));
        assert!(matches!(gate.passage(later(1), allowed), Passage::Wait(_)));
        assert!(!gate.counts());
        for _ in 0..allowed {
            assert_ne!(gate, OPEN);
            gate = after(&gate, Accepted, later(1));
        }
    }
    assert_eq!(gate, OPEN);
    let small = Gate::open(1);
    let gate = after(&outage(&small), Accepted, later(1));
    assert_eq!(after(&gate, Refused, later(1)), small);
}

#[test]
fn when_all_that_was_let_through_fails_the_outage_goes_on() {
    let mut gate = outage(&OPEN);
    for (now, next) in [(1, 3), (3, 7), (7, 15)] {
        // The probe, the first that was let through, and one of the two after it.
        for kind in [Accepted, Accepted, Retry] {
            gate = after(&gate, kind, later(now));
            assert_eq!(why(&gate), None);
        }
        gate = after(&gate, Unknown, later(now));
        assert_eq!(why(&gate), Some(PauseKind::Unreachable));
        assert_eq!(probe_at(&gate), Some(later(next)), "less and less often");
    }
}

#[test]
fn a_service_that_fails_one_in_five_is_let_through_all_the_same() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    let mut opened = 0;
    for seed in 0..100 {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut gate = after(&outage(&OPEN), Accepted, later(1));
        // Twice the answers that are needed when none fails.
        for _ in 0..62 {
            if gate == OPEN {
                opened += 1;
                break;
            }
            let kind = if chance.random_bool(0.2) {
                Retry
            } else {
                Accepted
            };
            gate = after(&gate, kind, later(600));
        }
    }
    assert!(opened >= 70, "{opened} of 100");
}

#[test]
fn a_429_ends_an_outage_and_opens_the_gate_no_further() {
    let gate = outage(&OPEN).after(Retry, Some(429), later(1));
    assert_eq!(gate.passage(later(1), 0), Passage::UpTo(1));
    let gate = gate.after(Retry, Some(429), later(2));
    assert_eq!(gate.passage(later(2), 0), Passage::UpTo(1));
}

#[test]
fn a_key_refused_in_or_after_an_outage_is_a_refused_key() {
    let down = outage(&OPEN);
    let ramp = after(&down, Accepted, later(1));
    for gate in [down, ramp] {
        let gate = after(&gate, Stopped, later(1));
        assert_eq!(why(&gate), Some(PauseKind::Refused));
        assert_eq!(probe_at(&gate), Some(later(6)));
    }
}

#[test]
fn attempts_count_only_while_the_gate_is_open() {
    assert!(OPEN.counts());
    let down = outage(&OPEN);
    let ramp = after(&down, Accepted, later(1));
    let refused = after(&OPEN, Stopped, NOW);
    assert!(!down.counts() && !ramp.counts() && !refused.counts());
}

#[test]
fn a_gate_that_was_closed_before_a_restart_probes_at_once() {
    for kind in PauseKind::ALL {
        let gate = Gate::closed_before(*kind, 16, NOW);
        assert_eq!(why(&gate), Some(*kind));
        assert_eq!(gate.passage(NOW, 0), Passage::Probe);
        let opened = after(&gate, Accepted, NOW);
        let expected = match kind {
            PauseKind::Refused => Passage::Free,
            PauseKind::Unreachable => Passage::UpTo(1),
        };
        assert_eq!(opened.passage(NOW, 0), expected);
    }
}

#[test]
fn another_key_is_probed_at_once_and_an_outage_is_not_ended_by_it() {
    let refused = after(&OPEN, Stopped, NOW);
    assert_eq!(refused.passage(later(1), 0), Passage::Wait(later(5)));
    let other = refused.with_another_key(later(1));
    assert_eq!(other.passage(later(1), 0), Passage::Probe);
    assert_eq!(
        why(&other),
        Some(PauseKind::Refused),
        "not before it is taken"
    );
    let unreachable = outage(&OPEN);
    assert_eq!(unreachable.with_another_key(NOW), unreachable);
    assert_eq!(OPEN.with_another_key(NOW), OPEN);
}

#[test]
fn after_an_outage_it_is_open_at_as_many_as_are_set_now() {
    let ramp = after(&outage(&OPEN), Accepted, later(1));
    assert_eq!(ramp.passage(later(1), 0), Passage::UpTo(1));
    let one = ramp.with_max_in_flight(1);
    assert_eq!(after(&one, Accepted, later(1)), Gate::open(1));
    assert_ne!(after(&ramp, Accepted, later(1)), OPEN);
}
