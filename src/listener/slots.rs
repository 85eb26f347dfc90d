//! The connection slots of a port: how many there are, how many each address has, and which connection must end when
//! all are taken.
//!
//! Promises that no more connections are open than there are slots; that an address has an eighth of them at most,
//! unless it is a trusted proxy; and that when all are taken, a new connection gets the slot of one without a request:
//! the oldest that has sent no complete request head for a second, else the one that has been idle for the longest,
//! else the oldest without a complete head. A request in progress never loses its slot to a new connection. Does no
//! I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::log_limit::LogLimit;
use super::peer::{Trusted, client_network};
use crate::clock::Clock;

/// One address may have one of this many parts of the slots.
const SHARE_DIVISOR: usize = 8;
/// After this time, a client that wants to send a request has sent its head.
const HEAD_EXPECTED: Duration = Duration::from_secs(1);
/// How long a new connection waits for another one to end, before a further one is closed.
const EVICTION_WAIT: Duration = Duration::from_millis(100);

/// The slots of a port.
pub(super) struct Slots {
    max: usize,
    trusted: Trusted,
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
    /// A slot is free. Only one task waits at a time: the accept loop.
    freed: Notify,
}

/// A connection's slot; free again when this and every [`ActiveRequest`] of it are dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    /// Cancelled when the connection must end once nothing is in progress on it.
    pub(super) close: CancellationToken,
    /// Cancelled when it must end at once.
    pub(super) cut: CancellationToken,
}

/// A request on a connection, from its head to the end of its answer.
pub(super) struct ActiveRequest(Arc<Slot>);

#[derive(Default)]
struct Table {
    connections: HashMap<u64, Connection>,
    by_client: HashMap<IpAddr, usize>,
    /// The last number that was assigned, to a connection or to a moment at which one became idle.
    last: u64,
    /// Connections that have sent no complete head, in the order of their arrival.
    awaiting_head: BTreeSet<u64>,
    /// Connections with nothing in progress, in the order in which they became idle.
    idle: BTreeMap<u64, u64>,
    warnings: LogLimit,
}

struct Connection {
    /// `None` for a trusted proxy.
    client: Option<IpAddr>,
    since: Duration,
    requests: usize,
    state: State,
    close: CancellationToken,
    cut: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitingHead,
    Busy,
    /// Since the moment with this number.
    Idle(u64),
    /// It is about to close.
    Closing,
}

/// The result for a new connection.
enum AdmitResult {
    Admitted(Slot),
    /// Its address has as many slots as it may.
    ShareUsedUp,
    /// All are taken.
    Full,
}

impl Slots {
    pub(super) fn new(max: usize, trusted: Trusted, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            max: max.max(1),
            trusted,
            clock,
            table: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A slot for a connection from this address, as soon as there is one; `None` when the address has its share. The
    /// connection's `close` is cancelled with `stop` too.
    pub(super) async fn admit(self: &Arc<Self>, from: IpAddr, stop: &CancellationToken) -> Option<Slot> {
        let mut evict = true;
        loop {
            match self.try_admit(from, stop, evict) {
                AdmitResult::Admitted(slot) => return Some(slot),
                AdmitResult::ShareUsedUp => return None,
                AdmitResult::Full => {
                    let freed = tokio::time::timeout(EVICTION_WAIT, self.freed.notified());
                    evict = freed.await.is_err();
                }
            }
        }
    }

    fn try_admit(self: &Arc<Self>, from: IpAddr, stop: &CancellationToken, evict: bool) -> AdmitResult {
        let client = (!self.trusted.contains(from)).then(|| client_network(from));
        let now = self.clock.monotonic();
        let mut table = self.table();
        let held = client.and_then(|client| table.by_client.get(&client));
        if held.is_some_and(|held| *held >= (self.max / SHARE_DIVISOR).max(1)) {
            table.warn(
                now,
                "an address has as many connections as it may; more are closed at once",
            );
            return AdmitResult::ShareUsedUp;
        }
        if table.connections.len() >= self.max {
            table.warn(now, "every place for connections is taken; idle ones are closed");
            if evict {
                table.evict(now);
            }
            return AdmitResult::Full;
        }
        let (close, cut) = (stop.child_token(), CancellationToken::new());
        let number = table.insert(Connection {
            client,
            since: now,
            requests: 0,
            state: State::AwaitingHead,
            close: close.clone(),
            cut: cut.clone(),
        });
        let slots = Arc::clone(self);
        AdmitResult::Admitted(Slot {
            slots,
            number,
            close,
            cut,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// A request begins: its head is complete.
    pub(super) fn request_started(self: &Arc<Self>) -> ActiveRequest {
        self.slots.table().start_request(self.number);
        ActiveRequest(Arc::clone(self))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.table().remove(self.number);
        self.slots.freed.notify_one();
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.slots.table().end_request(self.0.number);
    }
}

impl Table {
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn insert(&mut self, connection: Connection) -> u64 {
        let number = self.next_number();
        if let Some(client) = connection.client {
            *self.by_client.entry(client).or_default() += 1;
        }
        self.awaiting_head.insert(number);
        self.connections.insert(number, connection);
        number
    }

    fn start_request(&mut self, number: u64) {
        self.awaiting_head.remove(&number);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.requests += 1;
        match connection.state {
            State::Idle(since) => {
                self.idle.remove(&since);
            }
            State::AwaitingHead | State::Busy => {}
            State::Closing => return,
        }
        connection.state = State::Busy;
    }

    fn end_request(&mut self, number: u64) {
        let since = self.next_number();
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.requests = connection.requests.saturating_sub(1);
        if connection.requests == 0 && connection.state == State::Busy {
            connection.state = State::Idle(since);
            self.idle.insert(since, number);
        }
    }

    fn remove(&mut self, number: u64) {
        self.awaiting_head.remove(&number);
        let Some(connection) = self.connections.remove(&number) else {
            return;
        };
        if let State::Idle(since) = connection.state {
            self.idle.remove(&since);
        }
        if let Some(client) = connection.client
            && let Some(held) = self.by_client.get_mut(&client)
        {
            *held -= 1;
            if *held == 0 {
                self.by_client.remove(&client);
            }
        }
    }

    /// Closes one connection that has no request in progress, if there is one.
    fn evict(&mut self, now: Duration) {
        let oldest = self.awaiting_head.first().copied();
        let since = oldest.and_then(|number| Some(self.connections.get(&number)?.since));
        let is_late = since.is_some_and(|since| since + HEAD_EXPECTED <= now);
        let idle = self.idle.first_key_value().map(|(_, number)| *number);
        let evicted = oldest.filter(|_| is_late).or(idle).or(oldest);
        let Some(connection) = evicted.and_then(|number| self.connections.get_mut(&number)) else {
            return;
        };
        let state = std::mem::replace(&mut connection.state, State::Closing);
        match state {
            State::Idle(since) => {
                connection.close.cancel();
                self.idle.remove(&since);
            }
            State::AwaitingHead | State::Busy | State::Closing => {
                connection.cut.cancel();
                if let Some(number) = oldest {
                    self.awaiting_head.remove(&number);
                }
            }
        }
    }

    fn warn(&mut self, now: Duration, message: &'static str) {
        if self.warnings.count(now).is_some() {
            tracing::warn!(connections = self.connections.len(), "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::model::Timestamp;

    /// A clock that is set by hand, in seconds.
    #[derive(Default)]
    struct TestClock(AtomicI64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1_000)
        }

        fn chance(&self) -> f64 {
            0.5
        }
    }

    struct Port {
        slots: Arc<Slots>,
        hand: Arc<TestClock>,
    }

    impl Port {
        /// Trusts `10.0.0.0/8`.
        fn with(max: usize) -> Self {
            let hand = Arc::new(TestClock::default());
            let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap()]);
            let clock = Arc::clone(&hand) as Arc<dyn Clock>;
            let slots = Slots::new(max, trusted, clock);
            Self { slots, hand }
        }

        fn admit(&self, from: &str) -> AdmitResult {
            let from = from.parse().unwrap();
            let stop = CancellationToken::new();
            self.slots.try_admit(from, &stop, true)
        }

        fn admitted(&self, from: &str) -> Arc<Slot> {
            match self.admit(from) {
                AdmitResult::Admitted(slot) => Arc::new(slot),
                AdmitResult::ShareUsedUp | AdmitResult::Full => panic!("{from} has no slot"),
            }
        }

        fn seconds_later(&self, seconds: i64) {
            self.hand.0.fetch_add(seconds, Ordering::Relaxed);
        }

        /// A new connection finds all slots taken.
        fn fill_up(&self) {
            assert!(matches!(self.admit("10.0.0.9"), AdmitResult::Full));
        }
    }

    fn is_closing(slot: &Slot) -> bool {
        slot.close.is_cancelled() || slot.cut.is_cancelled()
    }

    #[test]
    fn an_address_has_an_eighth_of_the_slots() {
        let port = Port::with(16);
        let held = ["192.0.2.1", "::ffff:192.0.2.1"].map(|from| port.admitted(from));
        assert!(matches!(port.admit("192.0.2.1"), AdmitResult::ShareUsedUp));
        let _other = port.admitted("192.0.2.2");
        drop(held);
        let _again = port.admitted("192.0.2.1");
        let _networks = ["2001:db8::1", "2001:db8::2"].map(|from| port.admitted(from));
        assert!(matches!(port.admit("2001:db8::3"), AdmitResult::ShareUsedUp));
        let _next = port.admitted("2001:db8:0:1::1");
        let _proxied = [1; 5].map(|_| port.admitted("10.0.0.1"));
    }

    #[test]
    fn the_evicted_one_has_a_late_head_or_else_is_idle_or_else_is_new() {
        let port = Port::with(4);
        let [busy, late, idle] = [1; 3].map(|_| port.admitted("10.0.0.1"));
        let in_progress = busy.request_started();
        drop(idle.request_started());
        port.seconds_later(2);
        let new = port.admitted("10.0.0.1");
        let mut left = Vec::new();
        for _ in 0..4 {
            port.fill_up();
            left.push([&late, &idle, &new, &busy].map(|slot| is_closing(slot)));
        }
        assert_eq!(left[0], [true, false, false, false]);
        assert_eq!(left[1], [true, true, false, false]);
        assert_eq!(left[2], [true, true, true, false]);
        assert_eq!(left[3], left[2], "a request in progress stays");
        assert!(late.cut.is_cancelled() && idle.close.is_cancelled());
        assert!(!idle.cut.is_cancelled(), "it ends in good order");
        drop(in_progress);
        port.fill_up();
        assert!(busy.close.is_cancelled(), "once nothing is in progress");
    }

    #[test]
    fn of_idle_connections_the_longest_idle_is_evicted() {
        let port = Port::with(2);
        let [one, other] = [1; 2].map(|_| port.admitted("10.0.0.1"));
        drop(other.request_started());
        drop(one.request_started());
        let again = other.request_started();
        drop(again);
        port.fill_up();
        assert!(is_closing(&one) && !is_closing(&other));
    }

    #[tokio::test]
    async fn a_new_connection_gets_the_slot_of_a_closed_one() {
        let port = Port::with(1);
        let old = port.admitted("10.0.0.1");
        let leaving = async {
            old.cut.cancelled().await;
            drop(old);
        };
        let stop = CancellationToken::new();
        let from = "10.0.0.2".parse().unwrap();
        let (slot, ()) = tokio::join!(port.slots.admit(from, &stop), leaving);
        let slot = slot.unwrap();
        assert!(!is_closing(&slot));
        stop.cancel();
        assert!(slot.close.is_cancelled(), "it ends with the port");
    }
}
