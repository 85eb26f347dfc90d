//! The order of events in its simplest form, to compare the outbox with, and the chance that histories are made by.

use std::collections::{BTreeMap, BTreeSet};

use klaviyo_relay::model::{DeliveryId, EventId, EventStatus, Timestamp};
use klaviyo_relay::outbox::Claimed;

/// An event as the model sees it.
pub(crate) struct Modelled {
    pub(crate) id: i64,
    /// Its place in the order.
    pub(crate) place: i64,
    pub(crate) identifiers: BTreeSet<u64>,
    pub(crate) due: Timestamp,
    pub(crate) state: State,
    /// It was replayed at least once.
    pub(crate) replayed: bool,
    /// It ended dead and keeps its place: those behind it wait.
    pub(crate) holds: bool,
    /// What it owes in this generation, once that is planned.
    pub(crate) owes: Option<DeliveryId>,
    /// It is in an import job, with this attempt.
    pub(crate) in_job: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// An operator stopped it.
    Held,
    Active,
    Ended(EventStatus),
}

impl Modelled {
    pub(crate) fn is_unfinished(&self) -> bool {
        !matches!(self.state, State::Ended(_))
    }
}

/// All events, and the naive rule.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) events: Vec<Modelled>,
    /// The last number given, to an event or to a place.
    pub(crate) last: i64,
}

impl Model {
    /// Whether an earlier unfinished event shares an identifier.
    pub(crate) fn must_wait(&self, event: &Modelled) -> bool {
        self.events.iter().any(|other| {
            (other.is_unfinished() || other.holds)
                && other.place < event.place
                && !other.identifiers.is_disjoint(&event.identifiers)
        })
    }

    /// What waits and whose turn has come, by due time: of the replayed events, or of the others.
    pub(crate) fn ready(&self, replayed: bool) -> Vec<(Timestamp, i64)> {
        let waiting = self
            .events
            .iter()
            .filter(|event| event.state == State::Waiting && event.replayed == replayed);
        let ready = waiting.filter(|event| !self.must_wait(event));
        let mut ready: Vec<_> = ready.map(|event| (event.due, event.id)).collect();
        ready.sort_unstable();
        ready
    }

    /// Adds what may be claimed behind these, by the naive rule: whatever shares an identifier with one of them, and
    /// waits for nothing but events of one run.
    pub(crate) fn follow(&self, claimed: &mut Vec<Claimed>) {
        let heads: BTreeSet<i64> = claimed.iter().map(|claim| claim.event.0).collect();
        let mut runs: BTreeMap<i64, i64> = heads.iter().map(|head| (*head, *head)).collect();
        let shares = |one: &Modelled, other: &Modelled| !one.identifiers.is_disjoint(&other.identifiers);
        let mut waiting: Vec<&Modelled> = self.events.iter().collect();
        waiting.retain(|event| event.state == State::Waiting && !heads.contains(&event.id));
        waiting.sort_by_key(|event| event.place);
        for event in waiting {
            let blocks = |other: &&Modelled| {
                (other.is_unfinished() || other.holds) && other.place < event.place && shares(other, event)
            };
            let blockers: Vec<&Modelled> = self.events.iter().filter(blocks).collect();
            let near = blockers.iter().any(|other| heads.contains(&other.id));
            let run: BTreeSet<Option<i64>> = blockers.iter().map(|other| runs.get(&other.id).copied()).collect();
            if let [Some(run)] = run.into_iter().collect::<Vec<_>>()[..]
                && near
            {
                runs.insert(event.id, run);
                for head in claimed.iter_mut().filter(|claim| claim.event.0 == run) {
                    head.run = Some(EventId(run));
                }
                claimed.push(Claimed {
                    event: EventId(event.id),
                    run: Some(EventId(run)),
                });
            }
        }
    }

    pub(crate) fn count(&self, state: impl Fn(State) -> bool) -> usize {
        self.events.iter().filter(|event| state(event.state)).count()
    }

    pub(crate) fn ids(&self, state: impl Fn(State) -> bool) -> Vec<i64> {
        let events = self.events.iter().filter(|event| state(event.state));
        events.map(|event| event.id).collect()
    }

    pub(crate) fn get(&mut self, id: i64) -> &mut Modelled {
        let event = self.events.iter_mut().find(|event| event.id == id);
        event.expect("only known events are looked up")
    }
}

/// A small generator (xorshift64*), the same on every machine.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Small seeds differ in few bits, and zero would stay zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// Takes up to `most` of these, in random order.
    pub(crate) fn some(&mut self, mut of: Vec<i64>, most: u64) -> Vec<i64> {
        let count = self.below(most + 1);
        let mut taken = Vec::new();
        while !of.is_empty() && (taken.len() as u64) < count {
            let at = usize::try_from(self.below(of.len() as u64)).unwrap();
            taken.push(of.swap_remove(at));
        }
        taken
    }
}
