//! How many files may be open, and what they are shared out to: connections have what delivery and the outbox leave.
//!
//! It promises that connections alone never use up the descriptors: those of the outbox, of requests to Klaviyo and of
//! the operator's port are kept back first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Endpoint};
use crate::listener::{Terms, Tls, Trusted};

/// Descriptors of the program itself: SQLite's files (some seven connections), the runtime, the log, the ports, what is
/// read at a reload, and connections that are accepted and have no place yet.
const OWN: u64 = 96;
/// Connections of a port at least, and on ingest and admin at most.
const LEAST: u64 = 16;
const MOST_OF_INGEST: u64 = 8192;
const MOST_OF_ADMIN: u64 = 1024;
/// The part of what is left that the admin port has is one of this many.
const PARTS: u64 = 8;
/// Fewer places on ingest than this are worth a note.
const FEW: usize = 256;

/// How the descriptors are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Files that may be open.
    pub(crate) files: u64,
    /// Those of them that no connection from outside gets.
    pub(crate) kept: u64,
    /// Connections on each port at once.
    pub(crate) ingest: usize,
    pub(crate) admin: usize,
    pub(crate) sandbox: usize,
}

/// Raises the soft limit of open files to the hard one, and answers what it is then. Where that fails, the old one
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
    /// Shares this many out.
    pub(crate) fn of(files: u64, config: &Config) -> Self {
        let in_flight = u64::try_from(config.delivery.max_in_flight).unwrap_or(u64::MAX);
        // Requests to the sandbox in the program have both their ends here.
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

    /// By what the ingest port serves its connections.
    pub(super) fn of_ingest(self, config: &Config, tls: Option<&Tls>) -> Terms {
        Terms {
            tls: tls.cloned(),
            places: self.ingest,
            trusted: Trusted::new(&config.ingest.trusted_proxies),
            ..Terms::default()
        }
    }

    /// The same of the admin port.
    pub(super) fn of_admin(self, config: &Config) -> Terms {
        Terms {
            places: self.admin,
            trusted: Trusted::new(&config.admin.trusted_proxies),
            ..Terms::default()
        }
    }

    /// The same of the sandbox in the program.
    pub(super) fn of_sandbox(self) -> Terms {
        Terms {
            places: self.sandbox,
            ..Terms::default()
        }
    }

    /// Whether ingest has so few places that this is worth a note.
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
