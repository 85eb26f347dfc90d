//! The people of the attack: each has an anonymous id, a user id and an e-mail address, which an identify links. The
//! same ones on every machine.

use serde_json::{Value, json};

/// A small generator, the same on every machine.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A call, and what the judge must know of it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Its message id, which the double finds in what arrives: the person and the number.
    pub(super) message: String,
    pub(super) person: String,
    /// Its place among the person's calls.
    pub(super) number: u64,
    /// Whether it writes the profile; else it is an event.
    pub(super) identify: bool,
    /// Whether it is one that Klaviyo never takes.
    pub(super) bad: bool,
    /// Whether it may take its time: its delay is no part of the worst.
    pub(super) patient: bool,
    pub(super) body: Value,
}

impl Call {
    fn of(person: &str, number: u64, identify: bool, mut body: Value) -> Self {
        let message = format!("{person}#{number}");
        body["messageId"] = json!(message);
        let place = if identify { "traits" } else { "properties" };
        body[place]["m"] = json!(message);
        Self {
            message,
            person: person.to_owned(),
            number,
            identify,
            bad: false,
            patient: false,
            body,
        }
    }

    /// A track call of a user.
    pub(super) fn track(person: &str, number: u64) -> Self {
        let body = json!({"type": "track", "userId": user(person), "event": "Step", "properties": {}});
        Self::of(person, number, false, body)
    }

    /// An identify call of a user.
    pub(super) fn identify(person: &str, number: u64) -> Self {
        let body = json!({"type": "identify", "userId": user(person), "traits": {"n": number}});
        Self::of(person, number, true, body)
    }

    /// As it is, and with a word by which the double's script knows that it is to be refused for ever.
    pub(super) fn bad(mut self) -> Self {
        let place = if self.identify { "traits" } else { "properties" };
        self.body[place]["word"] = json!(BAD);
        self.bad = true;
        self
    }

    /// As it is, with another property or trait.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        let place = if self.identify { "traits" } else { "properties" };
        self.body[place][name] = value;
        self
    }

    /// A track call that names an e-mail address and an anonymous id, and no user.
    pub(super) fn of_email(person: &str, number: u64, email: &str, anonymous: &str) -> Self {
        let body = json!({"type": "track", "anonymousId": anonymous, "event": "Step",
            "properties": {"email": email}});
        Self::of(person, number, false, body)
    }
}

/// The word in a bad call's request.
pub(super) const BAD: &str = "never-accepted";

fn user(person: &str) -> String {
    format!("user-{person}")
}

/// One person's calls, one after the other: it browses, is identified, and goes on under any of its names.
pub(super) struct Life {
    person: String,
    number: u64,
    chance: Chance,
}

impl Life {
    /// The life of the n-th person.
    pub(super) fn new(name: &str, n: u64) -> Self {
        Self {
            person: format!("{name}{n}"),
            number: 0,
            chance: Chance::new(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        }
    }
}

impl Iterator for Life {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        self.number += 1;
        let (person, number) = (self.person.as_str(), self.number);
        let anonymous = format!("anon-{person}");
        let email = format!("{person}@klaviyo-demo.com");
        let linking = || {
            json!({"type": "identify", "anonymousId": anonymous, "userId": user(person),
                "traits": {"email": email, "n": number}})
        };
        let track = |mut who: Value| {
            who["type"] = json!("track");
            who["event"] = json!("Step");
            who
        };
        let (identify, body) = match (number, self.chance.below(6)) {
            (1, _) => (false, track(json!({"anonymousId": anonymous}))),
            (2, _) | (_, 0) => (true, linking()),
            (_, 1) => (false, track(json!({"anonymousId": anonymous, "userId": user(person)}))),
            (_, 2) => {
                let who = json!({"userId": user(person), "properties": {"email": email}});
                (false, track(who))
            }
            (_, 3) => {
                let body = json!({"type": "identify", "userId": user(person), "traits": {"n": number}});
                (true, body)
            }
            (_, _) => (false, track(json!({"userId": user(person)}))),
        };
        Some(Call::of(person, number, identify, body))
    }
}
