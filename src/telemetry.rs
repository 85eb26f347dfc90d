//! The program's log lines: to stderr, for people or for machines. May use `config`.
//!
//! A log line carries numbers of events and deliveries, never a payload, a person's data, or a key.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "`log.filter` is not a filter; use a level such as `info`, or `info,klaviyo_relay::relay=debug`"
)]
pub struct TelemetryError(#[source] ParseError);

/// Starts logging for the whole process; does nothing when that was done before.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&config.filter)
        .map_err(TelemetryError)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && config.format == LogFormat::Text);
    let set = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    // Set before: a second start in the same process keeps the first's.
    drop(set);
    Ok(())
}
