//! The connection slots of a port: how many there are, how many each address has, and which connection must end when
//! all are taken.
//!
//! Promises that no more connections are open than there are slots; that an address has an eighth of them at most,
//! unless it is a trusted proxy; and that when all are taken, a new connection gets the slot of one without a request:
//! the oldest that has sent no complete request head for a second, else the one that has been idle for the longest,
//! else the oldest without a complete head. A request in progress never loses its slot to a new connection. Does no
//! I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::peer::Trusted;
use crate::clock::Clock;

/// One address may have one of this many parts of the slots.
const SHARES: usize = 8;
/// After this time, a client that wants to send a request has sent its head.
const FRESH: Duration = Duration::from_secs(1);
/// How long a new connection waits for another one to end, before a further one is closed.
const LEAVING: Duration = Duration::from_millis(100);
/// The shortest time between two warnings that all slots are taken.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The slots of a port.
pub(super) struct Places {
    most: usize,
    trusted: Trusted,
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
    /// A slot is free. Only one task waits at a time: the accept loop.
    freed: Notify,
}

/// A connection's slot; free again when this and every [`Asking`] of it are dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// Cancelled when the connection must end once nothing is in progress on it.
    pub(super) close: CancellationToken,
    /// Cancelled when it must end at once.
    pub(super) cut: CancellationToken,
}

/// A request on a connection, from its head to the end of its answer.
pub(super) struct Asking(Arc<Place>);

/// The unit that shares the slots of an address: for IPv6 its network, since one machine has all of a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

#[derive(Default)]
struct Book {
    seats: HashMap<u64, Seat>,
    of_origin: HashMap<Origin, usize>,
    /// The last number that was assigned, to a connection or to a moment at which one became idle.
    last: u64,
    /// Connections that have sent no complete head, in the order of their arrival.
    fresh: BTreeSet<u64>,
    /// Connections with nothing in progress, in the order in which they became idle.
    idle: BTreeMap<u64, u64>,
    warned_at: Option<Duration>,
}

struct Seat {
    /// `None` for a trusted proxy.
    origin: Option<Origin>,
    since: Duration,
    requests: usize,
    state: State,
    close: CancellationToken,
    cut: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Busy,
    /// Since the moment with this number.
    Idle(u64),
    /// It is about to close.
    Leaving,
}

/// The result for a new connection.
enum Admission {
    Admitted(Place),
    /// Its address has as many slots as it may.
    Refused,
    /// All are taken.
    Full,
}

impl Places {
    pub(super) fn new(most: usize, trusted: Trusted, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            trusted,
            clock,
            book: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A slot for a connection from this address, as soon as there is one; `None` when the address has its share. The
    /// connection's `close` is cancelled with `stop` too.
    pub(super) async fn admit(self: &Arc<Self>, from: IpAddr, stop: &CancellationToken) -> Option<Place> {
        let mut make_room = true;
        loop {
            match self.try_admit(from, stop, make_room) {
                Admission::Admitted(place) => return Some(place),
                Admission::Refused => return None,
                Admission::Full => {
                    let freed = tokio::time::timeout(LEAVING, self.freed.notified());
                    make_room = freed.await.is_err();
                }
            }
        }
    }

    fn try_admit(self: &Arc<Self>, from: IpAddr, stop: &CancellationToken, make_room: bool) -> Admission {
        let origin = (!self.trusted.contains(from)).then(|| Origin::of(from));
        let now = self.clock.monotonic();
        let mut book = self.book();
        let held = origin.and_then(|origin| book.of_origin.get(&origin));
        if held.is_some_and(|held| *held >= (self.most / SHARES).max(1)) {
            book.warn(
                now,
                "an address has as many connections as it may; more are closed at once",
            );
            return Admission::Refused;
        }
        if book.seats.len() >= self.most {
            book.warn(
                now,
                "every place for connections is taken; those that ask for nothing are closed",
            );
            if make_room {
                book.make_room(now);
            }
            return Admission::Full;
        }
        let (close, cut) = (stop.child_token(), CancellationToken::new());
        let number = book.seat(Seat {
            origin,
            since: now,
            requests: 0,
            state: State::Fresh,
            close: close.clone(),
            cut: cut.clone(),
        });
        let places = Arc::clone(self);
        Admission::Admitted(Place {
            places,
            number,
            close,
            cut,
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request begins: its head is complete.
    pub(super) fn ask(self: &Arc<Self>) -> Asking {
        self.places.book().begin(self.number);
        Asking(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.book().leave(self.number);
        self.places.freed.notify_one();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.places.book().end(self.0.number);
    }
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Book {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn seat(&mut self, seat: Seat) -> u64 {
        let number = self.number();
        if let Some(origin) = seat.origin {
            *self.of_origin.entry(origin).or_default() += 1;
        }
        self.fresh.insert(number);
        self.seats.insert(number, seat);
        number
    }

    fn begin(&mut self, number: u64) {
        self.fresh.remove(&number);
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        seat.requests += 1;
        match seat.state {
            State::Idle(since) => {
                self.idle.remove(&since);
            }
            State::Fresh | State::Busy => {}
            State::Leaving => return,
        }
        seat.state = State::Busy;
    }

    fn end(&mut self, number: u64) {
        let since = self.number();
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        seat.requests = seat.requests.saturating_sub(1);
        if seat.requests == 0 && seat.state == State::Busy {
            seat.state = State::Idle(since);
            self.idle.insert(since, number);
        }
    }

    fn leave(&mut self, number: u64) {
        self.fresh.remove(&number);
        let Some(seat) = self.seats.remove(&number) else {
            return;
        };
        if let State::Idle(since) = seat.state {
            self.idle.remove(&since);
        }
        if let Some(origin) = seat.origin
            && let Some(held) = self.of_origin.get_mut(&origin)
        {
            *held -= 1;
            if *held == 0 {
                self.of_origin.remove(&origin);
            }
        }
    }

    /// Closes one connection that has no request in progress, if there is one.
    fn make_room(&mut self, now: Duration) {
        let oldest = self.fresh.first().copied();
        let since = oldest.and_then(|number| Some(self.seats.get(&number)?.since));
        let is_late = since.is_some_and(|since| since + FRESH <= now);
        let idle = self.idle.first_key_value().map(|(_, number)| *number);
        let leaves = oldest.filter(|_| is_late).or(idle).or(oldest);
        let Some(seat) = leaves.and_then(|number| self.seats.get_mut(&number)) else {
            return;
        };
        let state = std::mem::replace(&mut seat.state, State::Leaving);
        match state {
            State::Idle(since) => {
                seat.close.cancel();
                self.idle.remove(&since);
            }
            State::Fresh | State::Busy | State::Leaving => {
                seat.cut.cancel();
                if let Some(number) = oldest {
                    self.fresh.remove(&number);
                }
            }
        }
    }

    fn warn(&mut self, now: Duration, words: &'static str) {
        let due = self.warned_at.is_none_or(|at| now.saturating_sub(at) >= WARN_EVERY);
        if due {
            self.warned_at = Some(now);
            tracing::warn!(connections = self.seats.len(), "{words}");
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
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1_000)
        }

        fn chance(&self) -> f64 {
            0.5
        }
    }

    struct Port {
        places: Arc<Places>,
        hand: Arc<Hand>,
    }

    impl Port {
        /// Trusts `10.0.0.0/8`.
        fn with(most: usize) -> Self {
            let hand = Arc::new(Hand::default());
            let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap()]);
            let clock = Arc::clone(&hand) as Arc<dyn Clock>;
            let places = Places::new(most, trusted, clock);
            Self { places, hand }
        }

        fn admission(&self, from: &str) -> Admission {
            let from = from.parse().unwrap();
            let stop = CancellationToken::new();
            self.places.try_admit(from, &stop, true)
        }

        fn admitted(&self, from: &str) -> Arc<Place> {
            match self.admission(from) {
                Admission::Admitted(place) => Arc::new(place),
                Admission::Refused | Admission::Full => panic!("{from} has no place"),
            }
        }

        fn seconds_later(&self, seconds: i64) {
            self.hand.0.fetch_add(seconds, Ordering::Relaxed);
        }

        /// A new connection finds all slots taken.
        fn crowd(&self) {
            assert!(matches!(self.admission("10.0.0.9"), Admission::Full));
        }
    }

    fn has_to_go(place: &Place) -> bool {
        place.close.is_cancelled() || place.cut.is_cancelled()
    }

    #[test]
    fn an_address_has_an_eighth_of_the_places() {
        let port = Port::with(16);
        let held = ["192.0.2.1", "::ffff:192.0.2.1"].map(|from| port.admitted(from));
        assert!(matches!(port.admission("192.0.2.1"), Admission::Refused));
        let _other = port.admitted("192.0.2.2");
        drop(held);
        let _again = port.admitted("192.0.2.1");
        let _networks = ["2001:db8::1", "2001:db8::2"].map(|from| port.admitted(from));
        assert!(matches!(port.admission("2001:db8::3"), Admission::Refused));
        let _next = port.admitted("2001:db8:0:1::1");
        let _proxied = [1; 5].map(|_| port.admitted("10.0.0.1"));
    }

    #[test]
    fn whose_head_is_late_leaves_first_then_who_is_idle_then_who_is_new() {
        let port = Port::with(4);
        let [busy, late, idle] = [1; 3].map(|_| port.admitted("10.0.0.1"));
        let asking = busy.ask();
        drop(idle.ask());
        port.seconds_later(2);
        let new = port.admitted("10.0.0.1");
        let mut left = Vec::new();
        for _ in 0..4 {
            port.crowd();
            left.push([&late, &idle, &new, &busy].map(|place| has_to_go(place)));
        }
        assert_eq!(left[0], [true, false, false, false]);
        assert_eq!(left[1], [true, true, false, false]);
        assert_eq!(left[2], [true, true, true, false]);
        assert_eq!(left[3], left[2], "a request in progress stays");
        assert!(late.cut.is_cancelled() && idle.close.is_cancelled());
        assert!(!idle.cut.is_cancelled(), "it ends in good order");
        drop(asking);
        port.crowd();
        assert!(busy.close.is_cancelled(), "once nothing is in progress");
    }

    #[test]
    fn who_has_been_idle_for_longest_leaves_first() {
        let port = Port::with(2);
        let [one, other] = [1; 2].map(|_| port.admitted("10.0.0.1"));
        drop(other.ask());
        drop(one.ask());
        let again = other.ask();
        drop(again);
        port.crowd();
        assert!(has_to_go(&one) && !has_to_go(&other));
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_place_of_who_left() {
        let port = Port::with(1);
        let old = port.admitted("10.0.0.1");
        let leaving = async {
            old.cut.cancelled().await;
            drop(old);
        };
        let stop = CancellationToken::new();
        let from = "10.0.0.2".parse().unwrap();
        let (place, ()) = tokio::join!(port.places.admit(from, &stop), leaving);
        let place = place.unwrap();
        assert!(!has_to_go(&place));
        stop.cancel();
        assert!(place.close.is_cancelled(), "it ends with the port");
    }
}
