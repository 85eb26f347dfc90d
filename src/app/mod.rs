//! The one place that opens, builds and connects the parts, and stops them in order.
//!
//! Start: outbox (with its lock), sandbox, ports, then the scheduler; on a full disk the ports first ([`waiting`]).
//! Stop: ingest first, so that nothing new arrives; then the scheduler, which finishes what is in flight; the ports;
//! the outbox last. No data depends on an orderly stop: a kill at any moment loses nothing.

mod certificate;
mod descriptors;
mod destination;
mod garbage;
mod reload;
mod series;
mod supervisor;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Admin, Auth};
use crate::clock::{self, Clock};
use crate::config::{AnalyticsJs, Config, Endpoint, OutboxConfig};
use crate::console;
use crate::delivery::Sender;
use crate::ingest::{Ingest, ReloadableIngest};
use crate::listener::{self, ServeOptions, Tls};
use crate::metrics::{Instruments, Metrics};
use crate::operator::ExplainSettings;
use crate::outbox::{self, Destination, Outbox};
use crate::sandbox::{self, Sandbox, Snapshot};
use crate::scheduler::{Scheduler, Settings};

pub(crate) use certificate::{expiry, load_tls};
use certificate::{reload_certificate, warn_of_expiry};
pub(crate) use descriptors::{Shares, reachable};
use destination::KeyOwner;
use waiting::Ports;

/// How long answers in progress may take to finish at a shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// The key of the embedded sandbox, when none is configured.
const SANDBOX_KEY: &str = "pk_sandbox";

/// A running daemon.
pub struct App {
    /// The address for Segment calls.
    pub ingest: SocketAddr,
    /// The address of the operator's port.
    pub admin: SocketAddr,
    /// A handle to the outbox, for reading.
    pub outbox: Outbox,
    tls: Option<Tls>,
    shares: Shares,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    sandbox: Option<LocalSandbox>,
    stop_ports: CancellationToken,
    stop_scheduler: CancellationToken,
    ports: TaskTracker,
    scheduler: JoinHandle<()>,
    /// The current configuration.
    config: Config,
    /// The part of it that the scheduler applies on a reload.
    settings: Arc<watch::Sender<Arc<Settings>>>,
    /// Cancelled when the destination's name is known.
    named: CancellationToken,
    /// The part that retention applies.
    retention: watch::Sender<OutboxConfig>,
    /// The part that ingest applies.
    api: ReloadableIngest,
    /// The part that `explain` on the admin port applies.
    explain: watch::Sender<ExplainSettings>,
}

impl App {
    /// Starts everything; on a full disk it waits for free space. After an error nothing keeps running.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if !clock::is_set(clock.now()) {
            tracing::warn!(
                now = %clock.now(),
                "the machine's clock is wrong: this version was written later; set it"
            );
        }
        if let Some(why) = outbox::fleeting(&config.outbox.path) {
            let outbox = config.outbox.path.display();
            tracing::warn!(%outbox, why, "what is stored in the outbox does not last");
        }
        let tls = load_tls(&config)?;
        let sources = config.ingest.sources.iter();
        let sources = sources.map(|source| source.name.as_str());
        let instruments = Instruments::new(Arc::clone(&clock), sources.clone());
        series::create_series(&instruments.metrics, sources);
        let shares = Shares::of(descriptors::raise(), &config);
        let options = [shares.of_ingest(&config, tls.as_ref()), shares.of_admin(&config)];
        let (outbox, ports) = waiting::open(&config, &clock, &instruments, &options).await?;
        let ingest = ingest(&config, &outbox, &clock)?.with_metrics(instruments.metrics.clone());
        let api = ReloadableIngest::new(ingest);
        let sandbox = match config.klaviyo.endpoint {
            Endpoint::Sandbox => Some(LocalSandbox::start(&config, &clock, shares).await?),
            Endpoint::Url(_) => None,
        };
        let sender = sender(&config, sandbox.as_ref().map(|sandbox| sandbox.address))?;

        let sent_to = destination::until_known(&config.klaviyo.endpoint, &sender);
        let settings = Arc::new(watch::Sender::new(Arc::new(settings(&config, sender, sent_to))));
        let mut app = Self {
            ingest: ports.ingest.local_addr()?,
            admin: ports.admin.local_addr()?,
            tls,
            shares,
            clock: Arc::clone(&clock),
            metrics: instruments.metrics.clone(),
            sandbox,
            outbox: outbox.clone(),
            stop_ports: CancellationToken::new(),
            stop_scheduler: CancellationToken::new(),
            ports: TaskTracker::new(),
            scheduler: tokio::spawn(async {}),
            settings: Arc::clone(&settings),
            named: CancellationToken::new(),
            retention: watch::Sender::new(config.outbox.clone()),
            api,
            explain: watch::Sender::new(ExplainSettings::of(&config)),
            config,
        };
        instruments.metrics.sandbox(app.sandbox.is_some());
        app.open_ports(ports, options, app.admin(&instruments));
        app.start_maintenance(instruments.metrics.clone());
        supervisor::ready();
        app.log_addresses();
        app.scheduler = tokio::spawn(run_scheduler(
            settings,
            (app.named.clone(), app.endpoint()),
            outbox,
            clock,
            instruments,
            app.stop_scheduler.clone(),
        ));
        Ok(app)
    }

    fn admin(&self, instruments: &Instruments) -> Admin {
        Admin {
            outbox: self.outbox.control().clone(),
            intake: self.outbox.intake(),
            instruments: instruments.clone(),
            clock: Arc::clone(&self.clock),
            sandbox: self.sandbox.as_ref().map(|sandbox| sandbox.state.clone()),
            explain: self.explain.subscribe(),
            auth: Auth::of(&self.config.admin, clock::secret()),
            // The other half is for idle connections, which are closed when their slot is needed.
            at_once: self.shares.admin.div_ceil(2),
            stop: self.stop_ports.clone(),
            show_personal_data: self.config.admin.show_personal_data,
        }
    }

    /// Starts the tasks that record the history and the rejections, and the retention.
    fn start_maintenance(&self, metrics: Metrics) {
        self.ports.spawn(self.api.rejections().run(
            self.outbox.intake(),
            Arc::clone(&self.clock),
            self.stop_ports.clone(),
        ));
        self.ports.spawn(outbox::rollup(
            self.outbox.control().clone(),
            metrics,
            Arc::clone(&self.clock),
            self.stop_ports.clone(),
        ));
        self.ports.spawn(outbox::keep(
            self.outbox.control().clone(),
            self.retention.subscribe(),
            Arc::clone(&self.clock),
            self.stop_ports.clone(),
        ));
    }

    fn open_ports(&self, ports: Ports, options: [ServeOptions; 2], admin: Admin) {
        let (outbox, pulse) = (admin.outbox.clone(), admin.instruments.heartbeats.clone());
        let is_alive = move || admin::is_alive(&outbox, &pulse);
        self.ports.spawn(supervisor::watch(is_alive, self.stop_ports.clone()));
        self.ports
            .spawn(admin::count_blocked(admin.clone(), self.stop_ports.clone()));
        let stop = &self.stop_ports;
        if let Some(tls) = self.tls.clone() {
            warn_of_expiry(&tls, self.clock.now());
            let (stop, clock) = (stop.clone(), Arc::clone(&self.clock));
            self.ports.spawn(async move {
                let changed = || reload_certificate(&tls, clock.now());
                tls.watch(stop, changed).await;
            });
        }
        let (admin, [ingest, operator]) = (Arc::new(admin), options);
        self.ports.spawn(listener::serve_with(
            ingest,
            ports.ingest,
            self.api.routes(),
            stop.clone(),
            DRAIN,
        ));
        self.ports.spawn(listener::serve_with(
            operator,
            ports.admin,
            admin::routes(Arc::clone(&admin), console::routes(&admin)),
            stop.clone(),
            DRAIN,
        ));
    }

    fn log_addresses(&self) {
        let (tls, outbox) = (self.tls.is_some(), self.outbox.path().display());
        let page = format_args!("http://{}/", self.admin);
        tracing::info!(ingest = %self.ingest, tls, admin = %self.admin, %page, %outbox, "listening");
        let Shares {
            files,
            kept,
            ingest,
            admin,
            ..
        } = self.shares;
        tracing::info!(open_files = files, kept, ingest, admin, "places for connections");
        match (&self.config.klaviyo.endpoint, self.sandbox()) {
            (Endpoint::Sandbox, Some(sandbox)) => tracing::warn!(
                sandbox = %format_args!("http://{sandbox}/sandbox/requests"),
                "requests go to the sandbox: NOTHING REACHES KLAVIYO; set [klaviyo] endpoint to deliver"
            ),
            (Endpoint::Url(url), _) => tracing::info!(endpoint = url, "requests go to Klaviyo"),
            (Endpoint::Sandbox, None) => {}
        }
    }

    /// The configured endpoint.
    fn endpoint(&self) -> String {
        match &self.config.klaviyo.endpoint {
            Endpoint::Sandbox => destination::SANDBOX.to_owned(),
            Endpoint::Url(url) => url.clone(),
        }
    }

    /// The address of the embedded sandbox, if requests go there.
    pub fn sandbox(&self) -> Option<SocketAddr> {
        self.sandbox.as_ref().map(|sandbox| sandbox.address)
    }

    /// What the embedded sandbox holds, if requests go there.
    pub fn sandbox_snapshot(&self) -> Option<Snapshot> {
        self.sandbox.as_ref().map(|sandbox| sandbox.state.snapshot())
    }

    /// Stops accepting, finishes what is in flight within the deadline, and closes the outbox. `true` when everything
    /// ended in time.
    pub async fn stop(self) -> bool {
        supervisor::stopping();
        self.stop_ports.cancel();
        self.stop_scheduler.cancel();
        let abort = self.scheduler.abort_handle();
        let deadline = self.config.delivery.shutdown_deadline;
        let in_time = tokio::time::timeout(deadline, self.scheduler).await.is_ok();
        if !in_time {
            tracing::warn!(
                deadline_s = deadline.as_secs(),
                "requests were still in flight at the shutdown deadline; the next start sends them again \
                 with the same $event_id"
            );
            abort.abort();
        }
        self.ports.close();
        self.ports.wait().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
        // The last handle to the outbox except one.
        drop(self.api);
        if in_time && !self.outbox.fatal().is_cancelled() {
            self.outbox.close().await;
        }
        in_time
    }
}

/// The embedded sandbox, listening.
struct LocalSandbox {
    address: SocketAddr,
    state: Sandbox,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl LocalSandbox {
    async fn start(config: &Config, clock: &Arc<dyn Clock>, shares: Shares) -> anyhow::Result<Self> {
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
        let options = shares.of_sandbox();
        let serving = listener::serve_with(options, port, state.routes(), stop.clone(), DRAIN);
        Ok(Self {
            address,
            state,
            stop,
            serving: tokio::spawn(serving),
        })
    }

    async fn stop(self) {
        self.stop.cancel();
        // Ends the requests that a fault delays.
        self.state.stop();
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the sandbox ended with an error");
        }
    }
}

/// Segment's API in front of the outbox, with the script if one is configured.
fn ingest(config: &Config, outbox: &Outbox, clock: &Arc<dyn Clock>) -> anyhow::Result<Ingest> {
    let ingest = Ingest::new(
        config.ingest.clone(),
        config.mapping.garbage_ids.clone(),
        outbox.intake(),
        Arc::clone(clock),
    );
    Ok(match script(config)? {
        Some(script) => ingest.with_analytics_js(script),
        None => ingest,
    })
}

/// The script for Segment's snippet, if one is configured.
fn script(config: &Config) -> anyhow::Result<Option<AnalyticsJs>> {
    let path = config.ingest.analytics_js.as_deref();
    let script = path.map(AnalyticsJs::read).transpose();
    script.context("[ingest] analytics_js")
}

/// The scheduler's settings, with a sender and the name of its destination.
fn settings(config: &Config, sender: Sender, sent_to: String) -> Settings {
    let sources = config.ingest.sources.iter();
    Settings {
        sender,
        sent_to,
        mapping: config.mapping.clone(),
        policy: config.delivery.clone(),
        key_from: config.klaviyo.private_key_from.clone(),
        sources: sources.map(|source| (source.name.clone(), source.rules())).collect(),
    }
}

/// The sender of a configuration. `sandbox` is the address of the embedded sandbox.
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
    Ok(Sender::new(&base, &key, &klaviyo.revision, config.delivery.timeout)?)
}

/// Identifies the destination, then runs the scheduler. `named` is cancelled in between.
async fn run_scheduler(
    settings: Arc<watch::Sender<Arc<Settings>>>,
    (named, endpoint): (CancellationToken, String),
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    instruments: Instruments,
    stop: CancellationToken,
) {
    let sender = settings.borrow().sender.clone();
    // A file that an earlier run rejected does not matter any more.
    if let Err(error) = outbox.report_config(None).await {
        tracing::warn!(%error, "failed to store that the configuration was accepted");
    }
    if settings.borrow().sent_to != destination::SANDBOX {
        let name = KeyOwner::of(&sender, &outbox, &clock).await.name();
        instruments.metrics.sandbox(name == destination::SANDBOX);
        let destination = Destination {
            endpoint,
            sent_to: name.clone(),
        };
        if let Err(error) = outbox.report_destination(&destination).await {
            tracing::warn!(%error, "failed to store the destination of the requests");
        }
        settings.send_modify(|settings| Arc::make_mut(settings).sent_to = name);
    }
    named.cancel();
    let garbage = settings.borrow().mapping.garbage_ids.clone();
    garbage::dissolve(&outbox, &garbage).await;
    let settings = settings.subscribe();
    let scheduler = Scheduler {
        outbox: outbox.queue(),
        settings,
        clock,
        instruments,
    };
    Box::pin(scheduler.run(stop)).await;
}
