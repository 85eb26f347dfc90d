//! The limit of open files, and how it is divided: connections get what delivery and the outbox do not need.
//!
//! Promises that connections alone never use up the file descriptors: those of the outbox, of requests to Klaviyo and
//! of the operator's port are reserved first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Endpoint};
use crate::listener::{ServeOptions, Tls, Trusted};

/// Descriptors of the program itself: SQLite's files (about seven connections), the runtime, the log, the ports, the
/// files read at a reload, and connections that are accepted and have no slot yet.
const OWN: u64 = 96;
/// The smallest number of connections of a port, and the largest on ingest and admin.
const LEAST: u64 = 16;
const MOST_OF_INGEST: u64 = 8192;
const MOST_OF_ADMIN: u64 = 1024;
/// The admin port gets one of this many parts of the rest.
const PARTS: u64 = 8;
/// A warning is given when ingest has fewer slots than this.
const FEW: usize = 256;

/// How the descriptors are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// The limit of open files.
    pub(crate) files: u64,
    /// The part of them that is reserved: incoming connections never get it.
    pub(crate) kept: u64,
    /// Concurrent connections on each port.
    pub(crate) ingest: usize,
    pub(crate) admin: usize,
    pub(crate) sandbox: usize,
}

/// Raises the soft limit of open files to the hard one, and returns the resulting limit. When that fails, the old limit
/// stays.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// The limit that [`raise`] would reach.
pub(crate) fn reachable() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

impl Shares {
    /// Divides this many descriptors.
    pub(crate) fn of(files: u64, config: &Config) -> Self {
        let in_flight = u64::try_from(config.delivery.max_in_flight).unwrap_or(u64::MAX);
        // Both ends of a request to the embedded sandbox are in this process.
        let (deliveries, sandbox) = match config.klaviyo.endpoint {
            Endpoint::Sandbox => (in_flight.saturating_mul(2) + LEAST, in_flight + LEAST),
            Endpoint::Url(_) => (in_flight, 0),
        };
        let kept = OWN + deliveries;
        let left = files.saturating_sub(kept);
        let admin = (left / PARTS).clamp(LEAST, MOST_OF_ADMIN);
        let ingest = left.saturating_sub(admin).clamp(LEAST, MOST_OF_INGEST);
        let count = |places| usize::try_from(places).unwrap_or(usize::MAX);
        Self {
            files,
            kept,
            ingest: count(ingest),
            admin: count(admin),
            sandbox: count(sandbox),
        }
    }

    /// The limits under which the ingest port serves its connections.
    pub(super) fn of_ingest(self, config: &Config, tls: Option<&Tls>) -> ServeOptions {
        ServeOptions {
            tls: tls.cloned(),
            slots: self.ingest,
            trusted: Trusted::new(&config.ingest.trusted_proxies),
            ..ServeOptions::default()
        }
    }

    /// The same for the admin port.
    pub(super) fn of_admin(self, config: &Config) -> ServeOptions {
        ServeOptions {
            slots: self.admin,
            trusted: Trusted::new(&config.admin.trusted_proxies),
            ..ServeOptions::default()
        }
    }

    /// The same for the embedded sandbox.
    pub(super) fn of_sandbox(self) -> ServeOptions {
        ServeOptions {
            slots: self.sandbox,
            ..ServeOptions::default()
        }
    }

    /// Whether ingest has so few slots that a warning is due.
    pub(crate) fn are_few(&self) -> bool {
        self.ingest < FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(files: u64, max_in_flight: usize) -> Shares {
        let mut config = Config::default();
        config.klaviyo.endpoint = Endpoint::Url("https://a.klaviyo.com".to_owned());
        config.delivery.max_in_flight = max_in_flight;
        Shares::of(files, &config)
    }

    #[test]
    fn connections_get_what_the_program_itself_leaves() {
        for (files, max_in_flight) in [(1024, 16), (4096, 1000), (20_000, 16), (u64::MAX, 1000)] {
            let shares = shares(files, max_in_flight);
            let connections = u64::try_from(shares.ingest + shares.admin).unwrap();
            assert!(connections <= files - shares.kept, "{shares:?}");
            assert!(shares.kept >= OWN + u64::try_from(max_in_flight).unwrap());
            assert!(!shares.are_few(), "{shares:?}");
        }
        let usual = shares(1024, 16);
        assert_eq!((usual.ingest, usual.admin, usual.sandbox), (798, 114, 0));
    }

    #[test]
    fn however_few_there_are_every_port_has_some() {
        let shares = shares(64, 1000);
        assert_eq!((shares.ingest, shares.admin), (16, 16));
        assert!(shares.are_few());
    }

    #[test]
    fn the_sandbox_in_the_program_has_a_place_for_every_request() {
        let config = Config::default();
        let shares = Shares::of(1024, &config);
        assert!(shares.sandbox >= config.delivery.max_in_flight);
    }
}
