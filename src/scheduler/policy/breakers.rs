//! The cause of a failed attempt: the event, its endpoint family, or the account.
//!
//! Each family that sends has a circuit breaker, and the account has one. The account's breaker counts what concerns
//! every endpoint: no connection can be made, or the accounts endpoint itself refuses the key. A family's breaker
//! counts the rest. When an event's request fails again although its family has accepted the request of another event
//! in between, the event itself is the cause: that is no sign of an outage, and its attempts are counted until it is
//! dead. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::model::{EventId, Family, OutcomeKind, PauseKind, Timestamp};

use super::breaker::{CircuitBreaker, Permit, Sign};
use super::limits::TOO_MANY_REQUESTS;

/// How many failed events are remembered: more than are ever claimed at once by default. A failure of an event that is
/// not remembered counts as its first one.
const REMEMBERED: usize = 4096;
/// A family counts as tried for this time after its last attempt.
const TRIED: std::time::Duration = std::time::Duration::from_mins(15);

/// One attempt, with the data needed here.
#[derive(Debug, Clone, Copy)]
pub struct Attempted {
    /// The event of the request; for a job, its first event.
    pub event: EventId,
    /// The family of its endpoint.
    pub family: Family,
    /// The kind of its outcome.
    pub kind: OutcomeKind,
    /// The status, when there was an answer.
    pub http_status: Option<u16>,
    /// When it was started.
    pub started: Timestamp,
}

/// A pause of a family or of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// The family that is paused; `None`: the whole account.
    pub family: Option<Family>,
    /// Why.
    pub why: PauseKind,
    /// When the next probe may be sent.
    pub probe_at: Timestamp,
}

/// All circuit breakers of a running relay. They are closed at first.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    account: CircuitBreaker,
    families: [CircuitBreaker; Family::ALL.len()],
    /// When each family was tried last, and the number of the last request that it accepted.
    tried: [Option<Timestamp>; Family::ALL.len()],
    taken: [u64; Family::ALL.len()],
    failures: Failures,
}

/// Events that failed, with the number of their last failure. Failures and successes share one numbering.
#[derive(Debug, Clone, Default)]
struct Failures {
    last: u64,
    by_event: HashMap<EventId, u64>,
    by_number: BTreeMap<u64, EventId>,
}

impl Breakers {
    fn of(&mut self, family: Option<Family>) -> &mut CircuitBreaker {
        family.map_or(&mut self.account, |family| &mut self.families[family as usize])
    }

    /// Opens a breaker that was open before a restart; it is probed at once.
    pub fn restore(&mut self, family: Option<Family>, why: PauseKind, now: Timestamp) {
        *self.of(family) = CircuitBreaker::open_before(why, now);
        if let Some(family) = family {
            self.tried[family as usize] = Some(now);
        }
    }

    /// The key was changed: what was refused is probed at once.
    pub fn key_changed(&mut self, now: Timestamp) {
        for breaker in std::iter::once(&mut self.account).chain(&mut self.families) {
            if breaker.open().is_some_and(|(why, _)| why == PauseKind::Refused) {
                breaker.probe_now(now);
            }
        }
    }

    /// An operator requests a probe of a family, or of the account, now.
    pub fn probe_now(&mut self, family: Option<Family>, now: Timestamp) {
        self.of(family).probe_now(now);
    }

    /// What a family may send now. `in_flight`: of the family and of all, without those in flight for long.
    pub fn permit(&self, family: Family, now: Timestamp, in_flight: [usize; 2]) -> Permit {
        let [own, all] = in_flight;
        let account = self.account.permit(now, all);
        match (account, self.families[family as usize].permit(now, own)) {
            (Permit::Wait(one), Permit::Wait(other)) => Permit::Wait(one.max(other)),
            (wait @ Permit::Wait(_), _) | (_, wait @ Permit::Wait(_)) => wait,
            (Permit::Probe, _) | (_, Permit::Probe) => Permit::Probe,
            (Permit::Free, other) => other,
            (Permit::UpTo(one), Permit::UpTo(other)) => Permit::UpTo(one.min(other)),
            (up_to @ Permit::UpTo(_), Permit::Free) => up_to,
        }
    }

    /// A request of this family is sent now.
    pub fn sent(&mut self, family: Family, now: Timestamp) {
        self.tried[family as usize] = Some(now);
        self.families[family as usize].probe_sent(now);
        self.account.probe_sent(now);
    }

    /// The request of this family was not sent after all.
    pub fn unsent(&mut self, family: Family, now: Timestamp) {
        self.families[family as usize].probe_unsent(now);
        self.account.probe_unsent(now);
    }

    /// Applies the result of an attempt. After an outage a breaker closes again when `max_in_flight` concurrent
    /// requests were answered.
    pub fn record(&mut self, attempted: Attempted, max_in_flight: usize, now: Timestamp) {
        let event = attempted.event;
        let family = attempted.family as usize;
        let sign = sign(&attempted);
        let own = self.fails_alone(event, attempted.family);
        match sign {
            Sign::Works => {
                self.taken[family] = self.failures.next();
                self.failures.forget(event);
            }
            Sign::Answers => {}
            Sign::Refuses(_) | Sign::Fails(_) => self.failures.remember(event),
        }
        let never_connected = attempted.kind == OutcomeKind::Retry && attempted.http_status.is_none();
        let record = |breaker: &mut CircuitBreaker| breaker.record(sign, max_in_flight, attempted.started, now);
        match sign {
            // A request that was never connected gives no information about its endpoint.
            Sign::Fails(_) if never_connected => record(&mut self.account),
            Sign::Works | Sign::Answers => {
                record(&mut self.account);
                record(&mut self.families[family]);
            }
            Sign::Fails(_) | Sign::Refuses(_) if own => {}
            Sign::Fails(_) | Sign::Refuses(_) => record(&mut self.families[family]),
        }
    }

    /// The accounts endpoint refuses the key: no request can be sent.
    pub fn key_refused(&mut self, now: Timestamp) {
        self.account.refuse(now);
    }

    /// Whether an event itself is the cause of its failure: it failed before, and its family has accepted another
    /// event's request since.
    pub fn fails_alone(&self, event: EventId, family: Family) -> bool {
        let last = self.failures.by_event.get(&event);
        last.is_some_and(|failed| *failed < self.taken[family as usize])
    }

    /// Whether attempts of this family count: not while the family or the account is paused or just recovering.
    pub fn counts(&self, family: Family) -> bool {
        self.account.is_closed() && self.families[family as usize].is_closed()
    }

    /// Whether the account's state is in doubt: it is paused or just recovering.
    pub fn account_in_doubt(&self) -> bool {
        !self.account.is_closed()
    }

    /// Whether all breakers are closed.
    pub fn all_closed(&self) -> bool {
        self.account.is_closed() && self.families.iter().all(CircuitBreaker::is_closed)
    }

    /// The pauses. When no family that was tried recently can be reached, the account is paused.
    pub fn paused(&self, now: Timestamp) -> Vec<Paused> {
        let paused = |family: Option<Family>, breaker: &CircuitBreaker| {
            let (why, probe_at) = breaker.open()?;
            Some(Paused { family, why, probe_at })
        };
        let account = paused(None, &self.account);
        let of = |family: &Family| paused(Some(*family), &self.families[*family as usize]);
        let families: Vec<Paused> = Family::ALL.iter().filter_map(of).collect();
        let tried = |family: &&Family| self.tried[**family as usize].is_some_and(|at| now.since(at) <= TRIED);
        let unreachable = |family: &Family| of(family).is_some_and(|paused| paused.why == PauseKind::Unreachable);
        let all = families.len() > 1 && Family::ALL.iter().filter(tried).all(unreachable);
        match families.iter().map(|paused| paused.probe_at).min() {
            Some(probe_at) if account.is_none() && all => vec![Paused {
                family: None,
                why: PauseKind::Unreachable,
                probe_at,
            }],
            Some(_) | None => account.into_iter().chain(families).collect(),
        }
    }
}

impl Failures {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn remember(&mut self, event: EventId) {
        let number = self.next();
        if let Some(before) = self.by_event.insert(event, number) {
            self.by_number.remove(&before);
        }
        self.by_number.insert(number, event);
        if self.by_number.len() > REMEMBERED
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.by_event.remove(&oldest);
        }
    }

    fn forget(&mut self, event: EventId) {
        if let Some(number) = self.by_event.remove(&event) {
            self.by_number.remove(&number);
        }
    }
}

const fn sign(attempted: &Attempted) -> Sign {
    match attempted.kind {
        OutcomeKind::Accepted | OutcomeKind::Refused | OutcomeKind::Conflict => Sign::Works,
        OutcomeKind::Stopped => Sign::Refuses(attempted.event),
        OutcomeKind::Retry if matches!(attempted.http_status, Some(TOO_MANY_REQUESTS)) => Sign::Answers,
        OutcomeKind::Retry | OutcomeKind::Unknown => Sign::Fails(attempted.event),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    /// `max_in_flight`.
    const MAX: usize = 16;

    fn later(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    fn attempted(family: Family, event: i64, status: Option<u16>) -> Attempted {
        let kind = match status {
            None => OutcomeKind::Unknown,
            Some(200..=299) => OutcomeKind::Accepted,
            Some(401 | 403) => OutcomeKind::Stopped,
            Some(_) => OutcomeKind::Retry,
        };
        Attempted {
            event: EventId(event),
            family,
            kind,
            http_status: status,
            started: NOW,
        }
    }

    /// Six events of a family fail, a second apart, from `at` seconds on.
    fn fail(breakers: &mut Breakers, family: Family, status: Option<u16>, at: u64) {
        for event in 0..6 {
            let now = later(at + event);
            breakers.sent(family, now);
            let event = i64::try_from(event).unwrap() + 100 * family as i64;
            breakers.record(attempted(family, event, status), MAX, now);
        }
    }

    fn scopes(breakers: &Breakers, now: Timestamp) -> Vec<Option<Family>> {
        let paused = breakers.paused(now);
        paused.iter().map(|paused| paused.family).collect()
    }

    #[test]
    fn a_family_that_fails_pauses_alone() {
        for status in [None, Some(500), Some(403)] {
            let mut breakers = Breakers::default();
            breakers.sent(Family::Event, NOW);
            breakers.record(attempted(Family::Event, 1, Some(202)), MAX, NOW);
            fail(&mut breakers, Family::Profile, status, 0);
            assert_eq!(scopes(&breakers, later(6)), [Some(Family::Profile)]);
            assert_eq!(breakers.permit(Family::Event, later(6), [0, 0]), Permit::Free);
            assert!(breakers.counts(Family::Event) && !breakers.counts(Family::Profile));
            let permit = breakers.permit(Family::Profile, later(6), [0, 0]);
            assert_ne!(permit, Permit::Free, "{status:?}");
        }
    }

    #[test]
    fn when_all_families_that_are_tried_fail_it_is_the_account() {
        let mut breakers = Breakers::default();
        fail(&mut breakers, Family::Profile, Some(503), 0);
        fail(&mut breakers, Family::Event, Some(503), 6);
        assert_eq!(scopes(&breakers, later(12)), [None]);
        breakers.record(attempted(Family::Event, 7, Some(202)), MAX, later(13));
        assert_eq!(scopes(&breakers, later(13)), [Some(Family::Profile)]);
    }

    #[test]
    fn no_connection_is_the_accounts() {
        let mut breakers = Breakers::default();
        for event in 0..6 {
            let now = later(u64::try_from(event).unwrap());
            let refused = Attempted {
                kind: OutcomeKind::Retry,
                ..attempted(Family::Event, event, None)
            };
            breakers.record(refused, MAX, now);
        }
        assert_eq!(scopes(&breakers, later(6)), [None]);
        assert!(matches!(
            breakers.permit(Family::List, later(4), [0, 0]),
            Permit::Wait(_)
        ));
        let probing = later(7);
        assert_eq!(breakers.permit(Family::List, probing, [0, 0]), Permit::Probe);
        breakers.sent(Family::List, probing);
        let next = breakers.permit(Family::Event, probing, [0, 0]);
        assert!(matches!(next, Permit::Wait(_)), "one probe for all");
        breakers.record(attempted(Family::List, 9, Some(204)), MAX, probing);
        assert_eq!(breakers.permit(Family::Event, probing, [0, 0]), Permit::UpTo(1));
    }

    #[test]
    fn what_fails_again_while_others_of_its_family_are_taken_fails_alone_and_is_no_sign() {
        let mut breakers = Breakers::default();
        for round in 0..50 {
            let now = later(round);
            for event in 0..40 {
                breakers.record(attempted(Family::Event, event, Some(500)), MAX, now);
            }
            breakers.record(attempted(Family::Event, 1000, Some(202)), MAX, now);
            assert!(breakers.fails_alone(EventId(7), Family::Event));
        }
        // Forty events that fail by themselves, and no other event is tried for a while.
        for event in 0..40 {
            breakers.record(attempted(Family::Event, event, Some(500)), MAX, later(99));
        }
        assert!(breakers.all_closed());
        assert!(
            !breakers.fails_alone(EventId(7), Family::Event),
            "not known to be its own"
        );
        assert!(!breakers.fails_alone(EventId(7777), Family::Event), "it never failed");
    }

    #[test]
    fn a_key_that_the_accounts_endpoint_refuses_stops_all_until_one_request_is_taken() {
        let mut breakers = Breakers::default();
        breakers.key_refused(NOW);
        breakers.key_refused(NOW);
        assert_eq!(breakers.permit(Family::Event, NOW, [0, 0]), Permit::Wait(later(5)));
        breakers.key_changed(later(1));
        assert_eq!(breakers.permit(Family::Event, later(1), [0, 0]), Permit::Probe);
        breakers.record(attempted(Family::Profile, 1, Some(201)), MAX, later(2));
        assert_eq!(breakers.permit(Family::Event, later(2), [0, 0]), Permit::Free);
    }

    #[test]
    fn of_more_failures_than_are_remembered_the_oldest_are_forgotten() {
        let mut failures = Failures::default();
        for event in 0..10_000 {
            failures.remember(EventId(event));
        }
        assert_eq!(failures.by_event.len(), REMEMBERED);
        assert_eq!(failures.by_number.len(), REMEMBERED);
        assert!(!failures.by_event.contains_key(&EventId(0)));
    }
}
