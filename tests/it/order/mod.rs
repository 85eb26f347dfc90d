//! The order of events against a model that cannot be wrong: random histories of arrivals, claims, releases, ends,
//! replays, import jobs and crashes, and at each claim the outbox must give exactly the events that may go.
//!
//! Histories follow each other in one file, since opening one costs more than they do; each works off all it brought.
//! They are the same every time. `RELAY_TEST_SEED` begins at another one, `RELAY_TEST_HISTORIES` lives more of them; a
//! failure names its own.

mod jobs;
mod model;
mod operator;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::model::{EventId, EventStatus, EventType, Identifier, IdentifierKind, NewEvent, Reason, Timestamp};
use klaviyo_relay::outbox::{Claimed, Next, NextDue, Outbox, Selection, Transition};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::reopen;
use model::{Chance, Model, Modelled, State};

/// Histories of a run, unless `RELAY_TEST_HISTORIES` is set.
const RUNS: u64 = 300;
/// A run brings this many messages or a few more, and then works off what waits.
const MESSAGES: u64 = 60;
/// Few, so that most events share one with others.
const IDENTIFIERS: u64 = 8;
const START: Timestamp = Timestamp::from_millis(1_795_430_000_000);

#[test]
fn at_every_step_exactly_those_events_may_go_whose_turn_has_come() {
    let first = number("RELAY_TEST_SEED").unwrap_or(1);
    let seeds = first..first + number("RELAY_TEST_HISTORIES").unwrap_or(RUNS).max(RUNS);
    let mut totals = Totals::default();
    thread::scope(|scope| {
        let workers = [0, 1].map(|worker| {
            let seeds = seeds.clone().filter(move |seed| seed % 2 == worker);
            scope.spawn(move || live_all(seeds))
        });
        for worker in workers {
            totals.add(&worker.join().expect("the seed is reported above"));
        }
    });
    // Each kind of step was really taken, and most claims had something to choose from.
    assert!(
        totals.events > 10_000 && totals.waited > 50_000 && totals.followed > 1_000,
        "{totals:?}"
    );
    assert!(
        totals.replayed > 1_000 && totals.held > 50 && totals.crashes > 100,
        "{totals:?}"
    );
    assert!(totals.kept > 20, "{totals:?}");
}

/// A number from the environment; anything else is an error.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Prints the seed of a run that failed.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    #[expect(clippy::print_stderr, reason = "who reads of the failure needs it")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to see this again: RELAY_TEST_SEED={}", self.0);
        }
    }
}

/// What was done, so that the test cannot pass by doing nothing.
#[derive(Debug, Default)]
struct Totals {
    events: usize,
    replayed: usize,
    held: usize,
    crashes: usize,
    /// Events that stayed in flight through a crash, since their import job did.
    kept: usize,
    /// Events that were found waiting for another at a claim.
    waited: usize,
    /// Of them, events that were claimed behind the others.
    followed: usize,
}

impl Totals {
    fn add(&mut self, run: &Self) {
        self.events += run.events;
        self.replayed += run.replayed;
        self.held += run.held;
        self.crashes += run.crashes;
        self.kept += run.kept;
        self.waited += run.waited;
        self.followed += run.followed;
    }
}

/// One history after another.
struct History {
    chance: Chance,
    model: Model,
    totals: Totals,
    /// How the events of the histories before ended.
    ended: Vec<EventStatus>,
    /// There but for the moment of a crash.
    outbox: Option<Outbox>,
    config: OutboxConfig,
    now: Timestamp,
    /// The messages of this history and of those before.
    messages: Range<u64>,
    /// The people of each of them: a copy is about the same people.
    people: Vec<BTreeSet<u64>>,
}

fn live_all(seeds: impl Iterator<Item = u64>) -> Totals {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let dir = folder();
    let config = OutboxConfig {
        path: dir.path().join("outbox.db"),
        min_free_disk: 0,
        max_pending: None,
        ..Config::default().outbox
    };
    runtime.block_on(async {
        let mut history = History {
            chance: Chance::new(0),
            model: Model::default(),
            totals: Totals::default(),
            ended: Vec::new(),
            outbox: Some(Outbox::open(&config, START).await.unwrap()),
            config,
            now: START,
            messages: 0..0,
            people: Vec::new(),
        };
        for seed in seeds {
            let _seed = SeedOnPanic(seed);
            history.live(seed).await;
        }
        history.outbox.take().unwrap().close().await;
        history.totals
    })
}

/// In memory where there is such a folder: what a sync costs is no matter here.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    TempDir::new_in(memory).unwrap_or_else(|_| TempDir::new().unwrap())
}

impl History {
    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().unwrap()
    }

    async fn live(&mut self, seed: u64) {
        self.chance = Chance::new(seed);
        self.messages.start = self.messages.end;
        self.model.events.clear();
        while self.messages.end - self.messages.start < MESSAGES {
            self.step().await;
        }
        self.work_off().await;
        self.assert_all_is_there().await;
        self.totals.events += self.model.events.len();
    }

    async fn step(&mut self) {
        let later = Duration::from_millis(self.chance.below(1000));
        self.now = self.now.plus(later);
        match self.chance.below(100) {
            0..=29 => self.arrive_and_end().await,
            30..=49 => {
                let limit = [1, 2, 5, 100][usize::try_from(self.chance.below(4)).unwrap()];
                self.claim(limit).await;
            }
            50..=57 => self.import().await,
            58..=66 => self.release().await,
            67..=84 => self.end().await,
            85..=94 => self.replay().await,
            95..=96 => self.discard().await,
            97 => self.hold().await,
            98 => self.let_go_again().await,
            _ => self.crash().await,
        }
        if self.chance.below(4) == 0 {
            self.assert_next_due().await;
            self.assert_pending().await;
        }
    }

    /// What the triggers keep count of, without counting.
    async fn assert_pending(&self) {
        let events = self.model.events.iter();
        let pending = |state| matches!(state, State::Waiting | State::Active);
        let expected = events.filter(|event| pending(event.state)).count();
        let pending = self.outbox().pending().await.unwrap();
        assert_eq!(usize::try_from(pending).unwrap(), expected);
    }

    /// Events arrive while others end, so that both can be in one commit.
    async fn arrive_and_end(&mut self) {
        let count = 1 + self.chance.below(8);
        let events: Vec<NewEvent> = (0..count).map(|_| self.arriving()).collect();
        let ending = self.choose_ending();
        let intake = self.outbox().intake();
        let (stored, ()) = tokio::join!(intake.append(events), settle(self.outbox(), ending));
        stored.unwrap();
    }

    /// A new message, sometimes one that is known or dead, and its place in the model.
    fn arriving(&mut self) -> NewEvent {
        self.model.last += 1;
        let kinds = self.chance.below(20);
        let (first, next) = (self.messages.start, self.messages.end);
        let known = kinds == 0 && next > first;
        let dead = kinds == 1;
        let message = if known {
            first + self.chance.below(next - first)
        } else {
            self.messages.end += 1;
            next
        };
        let count = self.chance.below(4);
        let identifiers: BTreeSet<u64> = (0..count).map(|_| self.chance.below(IDENTIFIERS)).collect();
        let identifiers = if known {
            self.people[usize::try_from(message).unwrap()].clone()
        } else {
            self.people.push(identifiers.clone());
            identifiers
        };
        let event = new_event(message, &identifiers, dead, self.now);
        if !known {
            self.model.events.push(Modelled {
                id: self.model.last,
                place: self.model.last,
                identifiers,
                due: self.now,
                state: if dead {
                    State::Ended(EventStatus::Dead)
                } else {
                    State::Waiting
                },
                replayed: false,
                holds: false,
                owes: None,
                in_job: None,
            });
        }
        event
    }

    async fn claim(&mut self, limit: usize) {
        let waiting = self.model.count(|state| state == State::Waiting);
        let ready = [false, true].map(|replayed| self.model.ready(replayed));
        self.totals.waited += waiting - ready[0].len() - ready[1].len();
        let due = ready
            .into_iter()
            .flat_map(|ready| ready.into_iter().filter(|(due, _)| *due <= self.now).take(limit));
        let mut expected: Vec<Claimed> = due
            .map(|(_, id)| Claimed {
                event: EventId(id),
                run: None,
            })
            .collect();
        let followers = [0, 100][usize::try_from(self.chance.below(2)).unwrap()];
        if followers > 0 {
            self.model.follow(&mut expected);
        }
        let claimed = self
            .outbox()
            .queue()
            .claim(self.now, limit, limit, followers)
            .await
            .unwrap();
        let followers = |claimed: &[Claimed]| -> Vec<EventId> {
            let behind = |claim: &&Claimed| claim.run.is_some_and(|run| run != claim.event);
            claimed.iter().filter(behind).map(|claim| claim.event).collect()
        };
        self.totals.followed += followers(&claimed).len();
        assert_eq!(followers(&claimed), followers(&expected), "behind each other, in order");
        let sorted = |claimed: Vec<Claimed>| -> BTreeMap<EventId, Option<EventId>> {
            claimed.into_iter().map(|claim| (claim.event, claim.run)).collect()
        };
        let (claimed, expected) = (sorted(claimed), sorted(expected));
        assert_eq!(claimed, expected, "claimed, and may go");
        for id in claimed.into_keys() {
            self.model.get(id.0).state = State::Active;
        }
    }

    async fn release(&mut self) {
        let active = self.model.ids(|state| state == State::Active);
        let mut releases = Vec::new();
        for id in self.chance.some(active, 3) {
            let due = self.now.plus(Duration::from_millis(self.chance.below(5000)));
            let event = self.model.get(id);
            (event.state, event.due) = (State::Waiting, due);
            let event = EventId(id);
            releases.push(self.settling(
                id,
                Next::Reschedule {
                    event,
                    due,
                    parked: None,
                },
            ));
        }
        settle(self.outbox(), releases).await;
    }

    async fn end(&mut self) {
        let ending = self.choose_ending();
        settle(self.outbox(), ending).await;
    }

    fn choose_ending(&mut self) -> Vec<Transition> {
        let active = self.model.ids(|state| state == State::Active);
        let chosen = self.chance.some(active, 4);
        chosen.into_iter().map(|id| self.ending(id)).collect()
    }

    fn ending(&mut self, id: i64) -> Transition {
        let status = match self.chance.below(3) {
            0 => EventStatus::Dead,
            1 => EventStatus::Skipped,
            _ => EventStatus::Delivered,
        };
        let hold = status == EventStatus::Dead && self.chance.below(2) == 0;
        let event = self.model.get(id);
        (event.state, event.holds) = (State::Ended(status), hold);
        let next = Next::Complete {
            event: EventId(id),
            status,
            reason: (status != EventStatus::Delivered).then(|| Reason::new("because", "because")),
            copy_of: None,
            hold,
            erase: false,
            now: self.now,
        };
        self.settling(id, next)
    }

    /// The daemon ends without a shutdown and starts again: the events in flight wait, at their old places, unless they
    /// are in an import job, which goes on.
    async fn crash(&mut self) {
        // The old handle goes, and its lock with it, before the new daemon takes the lock.
        drop(self.outbox.take());
        self.outbox = Some(reopen(&self.config, self.now).await);
        for event in &mut self.model.events {
            match (event.state, event.in_job) {
                (State::Active, Some(_)) => self.totals.kept += 1,
                (State::Active, None) => event.state = State::Waiting,
                (State::Waiting | State::Held | State::Ended(_), _) => {}
            }
        }
        self.totals.crashes += 1;
    }

    async fn assert_next_due(&self) {
        let first = |replayed| self.model.ready(replayed).first().map(|(due, _)| *due);
        let expected = NextDue {
            live: first(false),
            replayed: first(true),
        };
        assert_eq!(self.outbox().queue().next_due().await.unwrap(), expected);
    }

    /// Ends everything, and looks whether all of it is there.
    async fn work_off(&mut self) {
        let held = self.model.ids(|state| state == State::Held);
        self.release_all(held).await;
        while self.model.count(|state| !matches!(state, State::Ended(_))) > 0 {
            for replayed in [false, true] {
                if let Some((due, _)) = self.model.ready(replayed).last() {
                    self.now = self.now.max(*due);
                }
            }
            self.claim(100).await;
            let active = self.model.ids(|state| state == State::Active);
            if active.is_empty() {
                assert!(self.let_go().await > 0, "the rest can never go");
                continue;
            }
            let ending = active.into_iter().map(|id| self.ending(id)).collect();
            settle(self.outbox(), ending).await;
        }
        // The next history shares the file: it must not wait for this one's dead.
        self.let_go().await;
        self.assert_next_due().await;
    }

    async fn assert_all_is_there(&mut self) {
        let ids = self.model.ids(|_| true);
        let selection = Selection {
            states: vec![EventStatus::Delivered, EventStatus::Skipped, EventStatus::Dead],
            ..Selection::of(ids.iter().copied().map(EventId).collect())
        };
        let stored = self.outbox().select(&selection).await.unwrap();
        assert_eq!(stored, selection.ids);
        let ended = self.model.events.iter().filter_map(|event| match event.state {
            State::Ended(status) => Some(status),
            State::Waiting | State::Held | State::Active => None,
        });
        self.ended.extend(ended);
        let count = |status| self.ended.iter().filter(|ended| **ended == status).count();
        let expected = [
            ("accepted", self.ended.len()),
            ("delivered", count(EventStatus::Delivered)),
            ("skipped", count(EventStatus::Skipped)),
            ("dead", count(EventStatus::Dead)),
            ("pending", 0),
            ("held", 0),
            ("difference", 0),
        ];
        let expected = expected.map(|(name, count)| (name, i64::try_from(count).unwrap()));
        assert_eq!(self.outbox().counts().await.unwrap().audit(), expected);
    }
}

fn new_event(message: u64, identifiers: &BTreeSet<u64>, dead: bool, now: Timestamp) -> NewEvent {
    let kinds = [
        IdentifierKind::UserId,
        IdentifierKind::AnonymousId,
        IdentifierKind::Email,
        IdentifierKind::Phone,
    ];
    let identifier = |number: &u64| {
        let kind = kinds[usize::try_from(number % 4).unwrap()];
        Identifier::new(kind, &number.to_string()).unwrap()
    };
    NewEvent {
        traceparent: None,
        source: "shop".to_owned(),
        message_id: message.to_string(),
        kind: Some(EventType::Track),
        name: None,
        at: now,
        received_at: now,
        order_id: None,
        identifiers: identifiers.iter().map(identifier).collect(),
        payload: "{}".to_owned(),
        envelope: None,
        dead: dead.then(|| Reason::new("never_valid", "never valid")),
    }
}

/// Submits all of it at once, so that some of it shares a commit.
async fn settle(outbox: &Outbox, steps: Vec<Transition>) {
    let mut settling = JoinSet::new();
    for step in steps {
        let outbox = outbox.clone();
        settling.spawn(async move {
            outbox.queue().settle(vec![step]).await.unwrap();
        });
    }
    settling.join_all().await;
}
