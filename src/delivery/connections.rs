//! The connections to Klaviyo, and when they are replaced.
//!
//! An HTTP/2 connection carries all requests, and it can be dead without being closed: a load balancer acknowledges
//! packets although its back end is gone. So pings check the connection, also while it is idle; and after requests
//! without an answer, new requests use a new connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::header::HeaderMap;

/// How long connecting may take, DNS and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of HTTP/2 pings, and how long their answer may take.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// After this many consecutive requests without an answer, the connections are replaced.
const TIMEOUTS: u32 = 2;

/// How connections are made.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) headers: HeaderMap,
    /// A limit for connecting, if it is shorter than the default.
    pub(super) timeout: Duration,
    /// Whether a proxy from the environment is used.
    pub(super) proxy: bool,
}

/// The connections in use; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    making: Making,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    client: Client,
    generation: u64,
    /// Consecutive requests without an answer.
    timeouts: u32,
}

/// The connections for one request.
pub(super) struct Lease {
    pub(super) client: Client,
    generation: u64,
}

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Work,
    /// A check whether the endpoint answers: it does not use a suspect connection.
    Probe,
}

impl Making {
    fn client(&self) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .default_headers(self.headers.clone())
            .user_agent(concat!("klaviyo-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout));
        if !self.proxy {
            builder = builder.no_proxy();
        }
        builder.build()
    }
}

impl Connections {
    pub(super) fn new(making: Making) -> Result<Self, reqwest::Error> {
        let current = Current {
            client: making.client()?,
            generation: 0,
            timeouts: 0,
        };
        Ok(Self(Arc::new(Shared {
            making,
            current: Mutex::new(current),
        })))
    }

    /// The connections for the next request: new ones if the present ones are suspect. Requests in flight keep theirs.
    pub(super) fn lease(&self, purpose: Purpose) -> Lease {
        let mut current = self.current();
        let enough = match purpose {
            Purpose::Work => TIMEOUTS,
            Purpose::Probe => 1,
        };
        if current.timeouts >= enough {
            match self.0.making.client() {
                Ok(client) => {
                    tracing::info!(
                        timeouts = current.timeouts,
                        "requests were not answered; the next ones go over a new connection"
                    );
                    *current = Current {
                        client,
                        generation: current.generation + 1,
                        timeouts: 0,
                    };
                }
                Err(error) => tracing::warn!(%error, "failed to set up new connections"),
            }
        }
        Lease {
            client: current.client.clone(),
            generation: current.generation,
        }
    }

    /// Records whether an answer began in time.
    pub(super) fn ended(&self, lease: &Lease, timed_out: bool) {
        let mut current = self.current();
        if current.generation == lease.generation {
            current.timeouts = if timed_out { current.timeouts + 1 } else { 0 };
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        let current = self.0.current.lock();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections {
        let making = Making {
            headers: HeaderMap::new(),
            timeout: CONNECT_TIMEOUT,
            proxy: false,
        };
        Connections::new(making).unwrap()
    }

    #[test]
    fn two_time_outs_in_a_row_end_a_connection_and_one_suffices_for_a_probe() {
        let all = connections();
        let generation = |purpose| all.lease(purpose).generation;
        let first = all.lease(Purpose::Work);
        all.ended(&first, true);
        assert_eq!(generation(Purpose::Work), 0);
        all.ended(&first, false);
        all.ended(&first, true);
        assert_eq!(generation(Purpose::Work), 0, "not in a row");
        all.ended(&first, true);
        assert_eq!(generation(Purpose::Work), 1);
        // Requests that were still in flight on the earlier connection.
        all.ended(&first, true);
        all.ended(&first, true);
        assert_eq!(generation(Purpose::Probe), 1);
        all.ended(&all.lease(Purpose::Work), true);
        assert_eq!(generation(Purpose::Probe), 2);
    }
}
