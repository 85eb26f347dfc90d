//! 2,000 events of 200 people whose ids interleave and link, each with a script of answers of its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Daemon, Klaviyo, assert_ascending, count};

const PEOPLE: u64 = 200;
const EVENTS: u64 = 10;

/// A small generator, the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// How the sandbox answers each time the event is sent; the sandbox reads it from the event itself.
fn script(chance: &mut Chance) -> Value {
    match chance.below(20) {
        // A 429 closes its family for a second: few of them.
        3 if chance.below(10) == 0 => json!([429, 202]),
        0 => json!([500, "lost", 202]),
        1 => json!(["lost", 202]),
        2 => json!([503, 502, 202]),
        3 => json!([503, 202]),
        4 => json!([400]),
        5 => json!(["reset", 202]),
        _ => json!([202]),
    }
}

/// The n-th event of a person. A person begins anonymous; the fifth event is the identify that links the ids, and
/// the later ones know the user id only.
fn event(person: u64, number: u64, script: &Value) -> Value {
    let (anonymous, user) = (format!("anon-{person}"), format!("user-{person}"));
    let message = format!("{person}-{number}");
    let properties = json!({"number": number, "person": person, "sandbox_script": script});
    let (kind, who) = match number {
        5 => (
            "identify",
            json!({"anonymousId": anonymous, "userId": user, "traits": {"n": number}}),
        ),
        1..5 => (
            "track",
            json!({"anonymousId": anonymous, "event": "Step", "properties": properties}),
        ),
        _ => (
            "track",
            json!({"userId": user, "event": "Step", "properties": properties}),
        ),
    };
    let mut call = who;
    call["type"] = json!(kind);
    call["messageId"] = json!(message);
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_answers_each_person_gets_every_event_once_and_in_order() {
    let klaviyo = Klaviyo::start().await;
    let settings = "[mapping]\nfallback_to_anonymous_id = true\n\
        [delivery]\nfirst_retry = \"10ms\"\nlongest_retry = \"50ms\"\nlimit_share = 1.0\nbulk = false\n\
        [delivery.limits.event]\nburst = 10000\nsteady = 100000\n\
        [delivery.limits.profile]\nburst = 10000\nsteady = 100000";
    let daemon = Daemon::start(&klaviyo, settings).await;
    let mut chance = Chance(20_261_123);
    let mut refused = 0;
    let mut batch = Vec::new();
    for number in 1..=EVENTS {
        for person in 0..PEOPLE {
            let script = script(&mut chance);
            if script == json!([400]) && number != 5 {
                refused += 1;
            }
            batch.push(event(person, number, &script));
        }
    }
    for part in batch.chunks(250) {
        daemon.send("/v1/batch", &json!({ "batch": part })).await;
    }
    let status = daemon.settled().await;
    assert_eq!(count(&status, "accepted"), i64::try_from(PEOPLE * EVENTS).unwrap());
    assert_eq!(count(&status, "dead"), refused);
    assert_eq!(count(&status, "difference"), 0);

    let mut people: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for event in klaviyo.events() {
        let properties: Value = serde_json::from_str(event.properties.get()).unwrap();
        let person = properties["person"].as_u64().unwrap_or(0);
        people
            .entry(person)
            .or_default()
            .push(properties["number"].as_u64().unwrap());
    }
    let held: usize = people.values().map(Vec::len).sum();
    let tracks = PEOPLE * (EVENTS - 1);
    assert_eq!(held as u64, tracks - u64::try_from(refused).unwrap(), "each once");
    for (person, numbers) in &people {
        assert_ascending(&person.to_string(), numbers);
    }
}
