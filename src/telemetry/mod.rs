//! The program's log lines, on stderr, for people or for machines; and its traces, if it was built with the feature
//! `otlp`. May use `config` and `escape`.
//!
//! A log line has event and delivery numbers, but never a payload, personal data or a key. Our own lines are written
//! that way. Libraries see every header, body and statement, and what they log below `info` may change with each
//! version. So library lines below `info` are never logged, whatever the filter is.
//!
//! A log that nobody reads does not block the daemon: see [`init_daemon`].

mod lines;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
mod without;

use std::error::Error;
use std::io::IsTerminal;
use std::panic;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, WorkerGuard};
use tracing_subscriber::filter::{FilterExt as _, ParseError, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{LogConfig, LogFormat, TelemetryConfig};

#[cfg(not(feature = "otlp"))]
use without as otlp;

pub use otlp::{linked, resumed, traceparent};

/// The target prefix of all lines of this program.
const OURS: &str = env!("CARGO_CRATE_NAME");

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The subscriber cannot parse the filter.
    #[error("`log.filter` is not a filter; use a level such as `info`, or `info,klaviyo_relay::scheduler=debug`")]
    Filter(#[source] ParseError),
    /// Traces are configured, but the program was built without them.
    #[error(
        "`telemetry.otlp_endpoint` is set, and this program was built without traces; build it with \
         `cargo build --release --features otlp`, or leave the key out"
    )]
    NotBuiltIn,
    /// The trace exporter could not be set up.
    #[error("failed to set up the sending of traces to `telemetry.otlp_endpoint`")]
    Exporter(#[source] Box<dyn Error + Send + Sync>),
}

/// The logging of the process; its filter can be changed.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    exporter: Option<otlp::Exporter>,
    /// Writes the remaining lines when it is dropped, but waits at most a second for the reader.
    flush: Option<WorkerGuard>,
}

/// Counts the dropped lines.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts logging for the process of a command: each line is written at once. Does nothing if logging has started.
pub fn init(config: &LogConfig) -> Result<Logging, TelemetryError> {
    let writer = BoxMakeWriter::new(lines::to_stderr(config.format));
    start(config, writer, &TelemetryConfig::default())
}

/// Starts logging for the process of a daemon: a separate thread writes the lines, and they are dropped while nobody
/// reads them ([`dropped_lines`]). Sends traces if they are configured.
pub fn init_daemon(config: &LogConfig, traces: &TelemetryConfig) -> Result<Logging, TelemetryError> {
    let (writer, flush) = lines::to_stderr_aside(config.format);
    // Already set: a second start in the same process keeps the first counter.
    drop(DROPPED.set(writer.error_counter()));
    let mut logging = start(config, BoxMakeWriter::new(writer), traces)?;
    logging.flush = Some(flush);
    Ok(logging)
}

/// Log lines that were dropped since the start of the process because nobody read the log.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(dropped).unwrap_or(u64::MAX)
}

fn start(config: &LogConfig, writer: BoxMakeWriter, traces: &TelemetryConfig) -> Result<Logging, TelemetryError> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal() && config.format == LogFormat::Text);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let mut layers: Vec<BoxedLayer<Registry>> = vec![lines.with_filter(filter.and(of_libraries())).boxed()];
    let mut exporter = None;
    if let Some(endpoint) = &traces.otlp_endpoint {
        let (layer, sends) = otlp::layer(endpoint)?;
        layers.push(layer);
        exporter = Some(sends);
    }
    // Already set: a second start in the same process keeps the first subscriber.
    drop(tracing_subscriber::registry().with(layers).try_init());
    Ok(Logging {
        filter: handle,
        exporter,
        flush: None,
    })
}

impl Logging {
    /// Replaces the log filter.
    pub fn filter(&self, filter: &str) -> Result<(), TelemetryError> {
        // The error means that an earlier start set up the logging; its filter stays.
        drop(self.filter.reload(parse(filter)?));
        Ok(())
    }

    /// Sends the remaining traces and writes the remaining lines; blocks until that is done.
    pub fn close(self) {
        if let Some(exporter) = self.exporter {
            exporter.close();
        }
        drop(self.flush);
    }
}

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder().parse(filter).map_err(TelemetryError::Filter)
}

/// The highest level that libraries may log.
fn of_libraries() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target(OURS, LevelFilter::TRACE)
}

/// From now on, a panic is one log line with its location. Its own text is hidden, because it may contain event data: a
/// slice that is cut within a character prints the text.
pub fn hide_texts_of_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        tracing::error!(place, "the program panicked; please report this");
    }));
}
