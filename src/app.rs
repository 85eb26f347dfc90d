//! The one place that wires all of it: opens, builds, joins, and takes it down again in order.
//!
//! Start: outbox (with its lock), sandbox, ports, then the relay. Stop: ingest first, so that nothing new comes;
//! then the relay, which finishes what is in the air; the ports; the outbox last. Nothing depends on a good end: a
//! kill at any moment loses nothing either.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Access, Admin};
use crate::clock::Clock;
use crate::config::{AnalyticsJs, Config, Endpoint};
use crate::delivery::{Remote, Sender};
use crate::ingest::{self, Ingest};
use crate::listener::{self, Files, Tls};
use crate::metrics::Instruments;
use crate::model::Timestamp;
use crate::operator::ExplainSettings;
use crate::outbox::{self, Outbox};
use crate::relay::Relay;
use crate::sandbox::{self, Sandbox};

/// How long answers in progress may take to finish at a shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the start waits for Klaviyo to say whose key this is. Events are accepted meanwhile.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// The key the sandbox in the program takes, where none is configured.
const SANDBOX_KEY: &str = "pk_sandbox";

/// A certificate that expires within this is worth a word.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);

/// A running daemon.
pub struct App {
    /// Where Segment calls come in.
    pub ingest: SocketAddr,
    /// The operator's port.
    pub admin: SocketAddr,
    /// A handle to the outbox, for looking.
    pub outbox: Outbox,
    tls: Option<Tls>,
    clock: Arc<dyn Clock>,
    sandbox: Option<LocalSandbox>,
    stop_ports: CancellationToken,
    stop_relay: CancellationToken,
    ports: TaskTracker,
    relay: JoinHandle<()>,
    shutdown_deadline: Duration,
}

impl App {
    /// Starts everything. On an error nothing keeps running.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let tls = load_tls(&config)?;
        let sources = config.ingest.sources.iter();
        let sources = sources.map(|source| source.name.as_str());
        let instruments = Instruments::new(Arc::clone(&clock), sources);
        let told = Some(instruments.clone());
        let outbox = Outbox::open_measured(&config.outbox, clock.now(), told).await?;
        let ingest_port = listener::bind(config.ingest.listen)
            .await
            .context("[ingest] listen")?;
        let admin_port = listener::bind(config.admin.listen)
            .await
            .context("[admin] listen")?;
        let ingest = ingest(&config, &outbox, &clock)?.measured_by(instruments.metrics.clone());
        let sandbox = match config.klaviyo.endpoint {
            Endpoint::Sandbox => Some(LocalSandbox::start(&config, &clock).await?),
            Endpoint::Url(_) => None,
        };
        let sender = sender(&config, sandbox.as_ref().map(|sandbox| sandbox.address))?;

        let stop_ports = CancellationToken::new();
        let ports = TaskTracker::new();
        let mut app = Self {
            ingest: ingest_port.local_addr()?,
            admin: admin_port.local_addr()?,
            tls,
            clock: Arc::clone(&clock),
            sandbox,
            outbox: outbox.clone(),
            stop_ports,
            stop_relay: CancellationToken::new(),
            ports,
            relay: tokio::spawn(async {}),
            shutdown_deadline: config.delivery.shutdown_deadline,
        };
        instruments.metrics.sandbox(app.sandbox.is_some());
        let admin = Admin {
            outbox: outbox.clone(),
            instruments: instruments.clone(),
            clock: Arc::clone(&clock),
            sandbox: app.sandbox.is_some(),
            explain: ExplainSettings::of(&config),
            access: Access::of(&config.admin),
        };
        app.ports
            .spawn(admin::count_blocked(admin.clone(), app.stop_ports.clone()));
        app.open_ports(ingest_port, admin_port, ingest, admin);
        app.ports.spawn(outbox::keep(
            outbox.clone(),
            config.outbox.clone(),
            Arc::clone(&clock),
            app.stop_ports.clone(),
        ));
        app.say_where_it_goes(&config.klaviyo.endpoint);
        app.relay = tokio::spawn(run_relay(
            config,
            sender,
            outbox,
            clock,
            instruments,
            app.stop_relay.clone(),
        ));
        Ok(app)
    }

    fn open_ports(
        &self,
        ingest_port: TcpListener,
        admin_port: TcpListener,
        ingest: Ingest,
        admin: Admin,
    ) {
        let stop = &self.stop_ports;
        if let Some(tls) = self.tls.clone() {
            warn_of_expiry(&tls, self.clock.now());
            let (stop, clock) = (stop.clone(), Arc::clone(&self.clock));
            self.ports.spawn(async move {
                let changed = || reload_certificate(&tls, clock.now());
                tls.watch(stop, changed).await;
            });
        }
        self.ports.spawn(listener::serve_over(
            ingest_port,
            self.tls.clone(),
            ingest::routes(ingest),
            stop.clone(),
            DRAIN,
        ));
        self.ports.spawn(listener::serve(
            admin_port,
            admin::routes(admin),
            stop.clone(),
            DRAIN,
        ));
    }

    fn say_where_it_goes(&self, endpoint: &Endpoint) {
        let (tls, outbox) = (self.tls.is_some(), self.outbox.path().display());
        tracing::info!(ingest = %self.ingest, tls, admin = %self.admin, %outbox, "listening");
        match (endpoint, self.sandbox()) {
            (Endpoint::Sandbox, Some(sandbox)) => tracing::warn!(
                sandbox = %format_args!("http://{sandbox}/sandbox/requests"),
                "requests go to the sandbox: NOTHING REACHES KLAVIYO; set [klaviyo] endpoint to deliver"
            ),
            (Endpoint::Url(url), _) => tracing::info!(endpoint = url, "requests go to Klaviyo"),
            (Endpoint::Sandbox, None) => {}
        }
    }

    /// Reads anew what can change while the daemon runs: the certificate. What is wrong is logged, and the old stays.
    pub fn reload(&self) {
        if let Some(tls) = &self.tls {
            reload_certificate(tls, self.clock.now());
        } else {
            tracing::info!("nothing to reload: without TLS, changes take a restart");
        }
    }

    /// Where the sandbox in the program listens, if that is where requests go.
    pub fn sandbox(&self) -> Option<SocketAddr> {
        self.sandbox.as_ref().map(|sandbox| sandbox.address)
    }

    /// Stops taking, finishes what is in the air within the deadline, and closes the outbox.
    /// `true` when everything ended in good order.
    pub async fn stop(self) -> bool {
        self.stop_ports.cancel();
        self.stop_relay.cancel();
        let abort = self.relay.abort_handle();
        let in_time = tokio::time::timeout(self.shutdown_deadline, self.relay)
            .await
            .is_ok();
        if !in_time {
            tracing::warn!(
                deadline_s = self.shutdown_deadline.as_secs(),
                "requests were still in the air at the shutdown deadline; the next start sends them again \
                 with the same $event_id"
            );
            abort.abort();
        }
        self.ports.close();
        self.ports.wait().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
        if in_time && !self.outbox.fatal().is_cancelled() {
            self.outbox.close().await;
        }
        in_time
    }
}

/// The sandbox in the program, listening.
struct LocalSandbox {
    address: SocketAddr,
    state: Sandbox,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl LocalSandbox {
    async fn start(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let key = config.klaviyo.private_key.as_ref();
        let key = key.map_or(SANDBOX_KEY, |key| key.expose_secret());
        let options = sandbox::Options {
            private_key: key.to_owned(),
            ..sandbox::Options::default()
        };
        let port = listener::bind(config.klaviyo.sandbox_listen)
            .await
            .context("[klaviyo] sandbox_listen")?;
        let state = Sandbox::new(options, Arc::clone(clock));
        let address = port.local_addr()?;
        let stop = CancellationToken::new();
        let serving = listener::serve(port, state.routes(), stop.clone(), DRAIN);
        Ok(Self {
            address,
            state,
            stop,
            serving: tokio::spawn(serving),
        })
    }

    async fn stop(self) {
        self.stop.cancel();
        // Lets go of what it was told to keep hanging.
        self.state.stop();
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the sandbox ended badly");
        }
    }
}

/// Segment's API in front of the outbox, with the script if one is configured.
fn ingest(config: &Config, outbox: &Outbox, clock: &Arc<dyn Clock>) -> anyhow::Result<Ingest> {
    let ingest = Ingest::new(
        config.ingest.clone(),
        config.mapping.garbage_ids.clone(),
        outbox.clone(),
        Arc::clone(clock),
    );
    Ok(match &config.ingest.analytics_js {
        Some(path) => {
            let script = AnalyticsJs::read(path).context("[ingest] analytics_js")?;
            ingest.with_analytics_js(script)
        }
        None => ingest,
    })
}

/// The certificate of the ingest port, if it has one.
pub(crate) fn load_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let Some(tls) = config.ingest.tls.clone() else {
        return Ok(None);
    };
    let files = Files {
        certificate: tls.certificate,
        key: tls.key,
    };
    Ok(Some(Tls::load(files).context("[ingest]")?))
}

fn reload_certificate(tls: &Tls, now: Timestamp) {
    match tls.reload() {
        Ok(()) => {
            tracing::info!("the certificate was read again; new connections use it");
            warn_of_expiry(tls, now);
        }
        Err(error) => {
            let error = format_args!("{:#}", anyhow::Error::from(error)).to_string();
            tracing::error!(
                error,
                "the certificate was not read again; the one before stays"
            );
        }
    }
}

fn warn_of_expiry(tls: &Tls, now: Timestamp) {
    if let Some(words) = expiry(tls, now) {
        tracing::warn!("{words}");
    }
}

/// What is to be said of a certificate that has expired, or soon will.
pub(crate) fn expiry(tls: &Tls, now: Timestamp) -> Option<String> {
    let at = Timestamp::from_millis(tls.expires_at_ms()?);
    if at <= now {
        let then = "clients refuse it; renew it";
        return Some(format!(
            "the certificate in ingest.tls_cert expired at {at}: {then}"
        ));
    }
    let soon = at.since(now) <= EXPIRES_SOON;
    soon.then(|| format!("the certificate in ingest.tls_cert expires at {at}; renew it before"))
}

/// The sender of a configuration; `sandbox` is where the sandbox in the program listens.
pub(crate) fn sender(config: &Config, sandbox: Option<SocketAddr>) -> anyhow::Result<Sender> {
    let klaviyo = &config.klaviyo;
    let base = match (&klaviyo.endpoint, sandbox) {
        (Endpoint::Url(url), _) => url.clone(),
        (Endpoint::Sandbox, Some(address)) => format!("http://{address}"),
        (Endpoint::Sandbox, None) => anyhow::bail!("the sandbox is not running"),
    };
    let key = klaviyo
        .private_key
        .clone()
        .unwrap_or_else(|| SecretString::from(SANDBOX_KEY));
    Ok(Sender::new(
        &base,
        &key,
        &klaviyo.revision,
        config.delivery.timeout,
    )?)
}

async fn run_relay(
    config: Config,
    sender: Sender,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    instruments: Instruments,
    stop: CancellationToken,
) {
    let sent_to = match config.klaviyo.endpoint {
        Endpoint::Sandbox => "sandbox".to_owned(),
        Endpoint::Url(_) => destination(&sender, &outbox, &clock).await,
    };
    let sides: HashMap<_, _> = config
        .ingest
        .sources
        .iter()
        .filter_map(|source| Some((source.name.clone(), source.side?)))
        .collect();
    let relay = Relay {
        outbox,
        sender,
        sent_to,
        mapping: config.mapping,
        policy: config.delivery,
        sides,
        clock,
        instruments,
    };
    relay.run(stop).await;
}

/// The name of the destination, for `sent_to` and the ledger: the account's public id, which outlives a change of
/// keys. Where the key may not read it, a fingerprint of the key stands in.
async fn destination(sender: &Sender, outbox: &Outbox, clock: &Arc<dyn Clock>) -> String {
    let fact = format!("account behind key {}", sender.fingerprint());
    let asked = tokio::time::timeout(IDENTIFY_TIMEOUT, sender.identify(clock.now())).await;
    match asked {
        Ok(Remote::Sandbox { .. }) => {
            tracing::warn!("the endpoint is a sandbox: NOTHING REACHES KLAVIYO");
            return "sandbox".to_owned();
        }
        Ok(Remote::Account(account)) => {
            let name = format!("klaviyo:{account}");
            if let Err(error) = outbox.remember(fact, name.clone()).await {
                tracing::warn!(%error, "failed to keep the account's name");
            }
            return name;
        }
        Ok(Remote::Narrow | Remote::Unclear(_)) | Err(_) => {}
    }
    match outbox.recall(&fact).await {
        Ok(Some(name)) => name,
        Ok(None) | Err(_) => format!("klaviyo:key-{}", sender.fingerprint()),
    }
}
