//! What a client's calls became: as they lie in the outbox, and as they lie in the sandbox.

use std::collections::BTreeMap;

use klaviyo_relay::model::EventType;
use klaviyo_relay::outbox::Selection;
use klaviyo_relay::sandbox::ProfileNumber;
use serde_json::Value;

use super::client::Belief;
use crate::support::{Daemon, Klaviyo};

/// Numbered events by person, in some order.
pub(super) type Numbers = BTreeMap<String, Vec<u64>>;

/// Both ends of the way, after everything has been delivered.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Calls in the outbox, by type.
    pub(super) accepted: BTreeMap<String, u64>,
    /// Numbered events in order of arrival at the relay.
    pub(super) arrived: Numbers,
    /// Numbered events in the order in which the sandbox accepted them.
    pub(super) delivered: Numbers,
}

impl Ledger {
    pub(super) async fn of(daemon: &Daemon, klaviyo: &Klaviyo) -> Self {
        let outbox = daemon.outbox().await;
        let (mut accepted, mut arrived) = (BTreeMap::new(), Numbers::new());
        for id in outbox.select(&Selection::default()).await.unwrap() {
            let event = outbox.report(id).await.unwrap().unwrap();
            *accepted
                .entry(event.kind.map_or("none", EventType::word).to_owned())
                .or_insert(0) += 1;
            let payload: Value = serde_json::from_str(event.payload.as_deref().unwrap()).unwrap();
            if let Some(number) = payload["properties"]["sequence"].as_u64() {
                let person = payload["userId"].as_str().unwrap().to_owned();
                arrived.entry(person).or_insert_with(Vec::new).push(number);
            }
        }
        outbox.close().await;
        Self {
            accepted,
            arrived,
            delivered: delivered(klaviyo),
        }
    }

    /// Asserts that `events` numbered events of `people` people are there, each once, and that the relay sent them on
    /// as they arrived; and that every other call is there too.
    pub(super) fn assert_each_once(&self, belief: &Belief, events: u64, people: u64) {
        assert_eq!(belief.failed, [""; 0], "the SDK gave up");
        assert_eq!(self.accepted, belief.made, "calls by type");
        assert_eq!(self.delivered, self.arrived, "delivered in order of arrival");
        let expected: Numbers = (0..people)
            .map(|person| {
                let own = (1..=events).filter(|number| (number - 1) % people == person);
                (format!("person-{person}"), own.collect())
            })
            .collect();
        let sorted: Numbers = self
            .delivered
            .iter()
            .map(|(person, numbers)| {
                let mut numbers = numbers.clone();
                numbers.sort_unstable();
                (person.clone(), numbers)
            })
            .collect();
        assert_eq!(sorted, expected, "each once");
    }

    /// Numbered events delivered, copies counted once.
    pub(super) fn distinct(&self) -> u64 {
        let distinct = self.delivered.values().map(|numbers| {
            let numbers: std::collections::BTreeSet<&u64> = numbers.iter().collect();
            numbers.len()
        });
        u64::try_from(distinct.sum::<usize>()).unwrap()
    }

    /// Numbered events that are in the sandbox more than once.
    pub(super) fn duplicates(&self) -> u64 {
        let all: usize = self.delivered.values().map(Vec::len).sum();
        u64::try_from(all).unwrap() - self.distinct()
    }

    /// Numbered events that came to the relay after a later one of the same person.
    pub(super) fn late(&self) -> usize {
        self.arrived
            .values()
            .map(|numbers| {
                let mut newest = 0;
                let is_late = |number: &&u64| {
                    let late = **number < newest;
                    newest = newest.max(**number);
                    late
                };
                numbers.iter().filter(is_late).count()
            })
            .sum()
    }
}

/// The numbered events that the sandbox holds.
fn delivered(klaviyo: &Klaviyo) -> Numbers {
    let snapshot = klaviyo.snapshot();
    let people: BTreeMap<ProfileNumber, &str> = snapshot
        .profiles
        .iter()
        .filter_map(|profile| {
            let person = profile.identifiers.get("external_id")?;
            Some((profile.id, person.as_str()))
        })
        .collect();
    let mut delivered = Numbers::new();
    for event in &snapshot.events {
        let properties: Value = serde_json::from_str(event.properties.get()).unwrap();
        if let Some(number) = properties["sequence"].as_u64() {
            let person = people[&event.profile].to_owned();
            delivered.entry(person).or_default().push(number);
        }
    }
    delivered
}
