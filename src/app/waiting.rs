//! A start on a full disk: the ports are open and refuse requests until the outbox can be opened.
//!
//! SQLite needs some space to open a file at all (the index of its WAL), so a full disk can prevent the daemon from
//! opening its outbox. If it ended, a supervisor would restart it again and again, and senders would find a closed
//! port. So it waits, and answers as it does when the disk fills up later.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DRAIN, supervisor};
use crate::admin;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest;
use crate::listener::{self, ServeOptions};
use crate::metrics::Instruments;
use crate::outbox::{OpenError, Outbox, WriteError, free_inodes};

/// The interval between attempts to open the outbox.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The two ports, open.
pub(super) struct Ports {
    pub(super) ingest: TcpListener,
    pub(super) admin: TcpListener,
}

/// Opens the outbox, then the ports; in the other order when the disk is full. `options` are those of ingest and admin.
pub(super) async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    instruments: &Instruments,
    options: &[ServeOptions; 2],
) -> anyhow::Result<(Outbox, Ports)> {
    let open = || Outbox::open_measured(&config.outbox, clock.now(), Some(instruments.clone()));
    let wants_space = |error: &OpenError| error.wants_space(&config.outbox.path);
    let error = match open().await {
        Ok(outbox) => return Ok((outbox, Ports::bind(config).await?)),
        Err(error) if wants_space(&error) => error,
        Err(error) => return Err(error.into()),
    };
    let ports = Ports::bind(config).await?;
    let closed = Closed::start(&ports, config, options)?;
    supervisor::ready();
    let (ingest, admin) = (ports.ingest.local_addr()?, ports.admin.local_addr()?);
    let error = format!("{:#}", anyhow::Error::from(error));
    tracing::error!(
        %ingest, %admin, error, free_inodes = free_inodes(&config.outbox.path),
        "the outbox's disk is full: it cannot be opened, and nothing is accepted until there is space"
    );
    let outbox = loop {
        supervisor::alive();
        tokio::time::sleep(TRY_EVERY).await;
        match open().await {
            Ok(outbox) => break outbox,
            Err(error) if wants_space(&error) => {}
            Err(error) => return Err(error.into()),
        }
    };
    tracing::info!("there is disk space again; the outbox is open");
    closed.end().await;
    Ok((outbox, ports))
}

impl Ports {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let ingest = listener::bind(config.ingest.listen).await;
        let admin = listener::bind(config.admin.listen).await;
        Ok(Self {
            ingest: ingest.context("[ingest] listen")?,
            admin: admin.context("[admin] listen")?,
        })
    }
}

/// The servers of the ports meanwhile. They end when this is dropped.
struct Closed {
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Closed {
    fn start(ports: &Ports, config: &Config, options: &[ServeOptions; 2]) -> anyhow::Result<Self> {
        let closed = Self {
            stop: CancellationToken::new(),
            serving: TaskTracker::new(),
        };
        let sources = config.ingest.sources.clone();
        let api = ingest::unavailable(sources, WriteError::DiskFull);
        let [of_ingest, of_admin] = options.clone();
        for (port, options, routes) in [
            (&ports.ingest, of_ingest, api),
            (&ports.admin, of_admin, admin::closed(&WriteError::DiskFull)),
        ] {
            let port = another(port)?;
            let stop = closed.stop.clone();
            let serve = listener::serve_with(options, port, routes, stop, DRAIN);
            closed.serving.spawn(serve);
        }
        Ok(closed)
    }

    /// Lets answers in progress finish. Connections that arrive meanwhile are served by the regular server afterwards.
    async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        self.serving.wait().await;
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A second handle to the same port.
fn another(port: &TcpListener) -> std::io::Result<TcpListener> {
    use std::os::fd::AsFd as _;
    let port = port.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(port.into())
}
