//! The limits against a server that counts as Klaviyo does: an endless backlog is sent, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::config::FamilyLimit;

const MINUTES: usize = 10;
/// The step of the virtual time, in milliseconds.
const TICK: i64 = 10;
/// A request takes up to this long to arrive, and so does its answer.
const LATENCY: i64 = 300;
/// The largest number of requests in flight, far more than any family needs.
const IN_FLIGHT: usize = 512;

/// One endpoint of a server, with two fixed windows that start anywhere.
struct Server {
    limit: FamilyLimit,
    /// Where the windows start.
    phase: [i64; 2],
    window: [i64; 2],
    count: [u32; 2],
}

impl Server {
    fn new(limit: FamilyLimit, chance: &mut StdRng) -> Self {
        Self {
            limit,
            phase: [chance.random_range(0..1_000), chance.random_range(0..60_000)],
            window: [0; 2],
            count: [0; 2],
        }
    }

    fn answer(&mut self, now: i64) -> Outcome {
        let lengths = [1_000, 60_000];
        let limits = [self.limit.burst, self.limit.steady];
        let mut rate_limited = None;
        let mut left = [0; 2];
        for index in [0, 1] {
            let since = now - self.phase[index];
            let window = since.div_euclid(lengths[index]);
            if self.window[index] != window {
                (self.window[index], self.count[index]) = (window, 0);
            }
            left[index] = lengths[index] - since.rem_euclid(lengths[index]);
            if self.count[index] >= limits[index] {
                rate_limited = rate_limited.max(Some(seconds(left[index])));
            }
        }
        if rate_limited.is_some() {
            return too_many(rate_limited);
        }
        self.count[0] += 1;
        self.count[1] += 1;
        accepted(Some(RateInfo {
            limit: Some(self.limit.steady),
            remaining: Some(self.limit.steady - self.count[1]),
            reset: Some(seconds(left[1])),
        }))
    }
}

fn seconds(millis: i64) -> Duration {
    Duration::from_secs(u64::try_from(millis).unwrap().div_ceil(1_000))
}

/// The result of a simulation.
#[derive(Debug)]
struct Drain {
    accepted: u32,
    /// In each minute.
    rate_limited: [u32; MINUTES],
}

impl Drain {
    /// The fraction of what the server allows in that time that was accepted.
    fn part_of(&self, limit: FamilyLimit) -> f64 {
        let minutes = f64::from(u32::try_from(MINUTES).unwrap());
        f64::from(self.accepted) / (f64::from(limit.steady) * minutes)
    }
}

/// The setup of a simulation.
struct Setup {
    limit: FamilyLimit,
    settings: DeliveryConfig,
    family: Family,
    /// The part of the steady limit that another program uses, at random.
    others: f64,
    /// Whether answers carry `RateLimit-*`.
    headers: bool,
}

impl Setup {
    fn of(family: Family) -> Self {
        let settings = DeliveryConfig::default();
        Self {
            limit: settings.limits.of(family),
            settings,
            family,
            others: 0.15,
            headers: true,
        }
    }

    fn run(&self, seed: u64) -> Drain {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut run = Run {
            setup: self,
            server: Server::new(self.limit, &mut chance),
            limits: Limits::new(&self.settings),
            chance,
            requests: BTreeSet::new(),
            answers: BTreeMap::new(),
            number: 0,
        };
        let mut drain = Drain {
            accepted: 0,
            rate_limited: [0; MINUTES],
        };
        let mut at = 1_000_000_000;
        for rate_limited in &mut drain.rate_limited {
            for _ in 0..60_000 / TICK {
                let [accepted, refused] = run.tick(at);
                drain.accepted += accepted;
                *rate_limited += refused;
                at += TICK;
            }
        }
        drain
    }
}

/// A running simulation. Each message in transit has its arrival time and a number.
struct Run<'a> {
    setup: &'a Setup,
    chance: StdRng,
    server: Server,
    limits: Limits,
    requests: BTreeSet<(i64, u64)>,
    answers: BTreeMap<(i64, u64), Outcome>,
    number: u64,
}

impl Run<'_> {
    /// How many were accepted and how many were rate limited, as far as the answers have arrived.
    fn tick(&mut self, at: i64) -> [u32; 2] {
        let tick = f64::from(i32::try_from(TICK).unwrap());
        let others = f64::from(self.setup.limit.steady) * self.setup.others * tick / 60_000.0;
        if self.chance.random_bool(others) {
            self.server.answer(at);
        }
        while self.requests.first().is_some_and(|(due, _)| *due <= at) {
            let (_, number) = self.requests.pop_first().unwrap();
            let mut answer = self.server.answer(at);
            answer.rate = answer.rate.filter(|_| self.setup.headers);
            let due = at + self.chance.random_range(0..=LATENCY);
            self.answers.insert((due, number), answer);
        }
        let counts = self.receive(at);
        let now = Timestamp::from_millis(at);
        let family = self.setup.family;
        let free = IN_FLIGHT.saturating_sub(self.requests.len() + self.answers.len());
        let room = self.limits.room(family, now).min(free);
        for _ in 0..room {
            self.number += 1;
            let due = at + self.chance.random_range(0..=LATENCY);
            self.requests.insert((due, self.number));
        }
        self.limits.sent(family, room, now);
        counts
    }

    fn receive(&mut self, at: i64) -> [u32; 2] {
        let mut counts = [0; 2];
        while let Some(answer) = self.answers.first_entry().filter(|next| next.key().0 <= at) {
            let answer = answer.remove();
            let now = Timestamp::from_millis(at);
            self.limits.answered(self.setup.family, Some(&answer), now);
            counts[usize::from(answer.kind == OutcomeKind::Retry)] += 1;
        }
        counts
    }
}

/// One family for each of the three different limits.
const TIERS: [Family; 3] = [Family::Event, Family::Profile, Family::EventBulk];

#[test]
fn a_steady_drain_meets_at_most_one_429_a_minute_and_uses_three_quarters_of_the_limit() {
    for family in TIERS {
        for seed in 0..5 {
            let setup = Setup::of(family);
            let drain = setup.run(seed);
            println!("{family}, seed {seed}: {drain:?}");
            assert!(
                drain.rate_limited.iter().all(|minute| *minute <= 1),
                "{family}, seed {seed}: {drain:?}"
            );
            let used = drain.part_of(setup.limit);
            assert!(used >= 0.75, "{family}, seed {seed}: {used}");
        }
    }
}

#[test]
fn what_klaviyo_says_is_left_spares_most_429s_when_others_take_more_than_their_part() {
    for family in TIERS {
        let total = |headers: bool| -> u32 {
            let setup = Setup {
                others: 0.6,
                headers,
                ..Setup::of(family)
            };
            (0..3).flat_map(|seed| setup.run(seed).rate_limited).sum()
        };
        let (with, without) = (total(true), total(false));
        assert!(
            with * 3 <= without * 2,
            "{family}: {with} with the headers, {without} without"
        );
    }
}

#[test]
fn a_limit_that_is_half_of_what_was_set_is_used_well_at_the_cost_of_a_few_429s() {
    for family in TIERS {
        let mut setup = Setup::of(family);
        setup.limit.burst /= 2;
        setup.limit.steady /= 2;
        setup.headers = false;
        let drain = setup.run(7);
        let used = drain.part_of(setup.limit);
        let rate_limited: u32 = drain.rate_limited.iter().sum();
        println!("{family}: {used} used, {rate_limited} rate_limited");
        assert!(used >= 0.75, "{family}: {used}");
        assert!(rate_limited * 10 <= drain.accepted, "{family}: {drain:?}");
    }
}
