//! `serve`: runs the daemon until a signal or a disk failure ends it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ExitStatus;
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{Config, process_environment};
use crate::telemetry::{self, Logging};

/// Run the daemon: take Segment calls, store them, deliver them to Klaviyo
///
/// SIGTERM or SIGINT stops it in good order: it takes nothing more, and finishes the requests in flight within
/// `delivery.shutdown_deadline`. A second signal stops it at once. Nothing is lost either way. On SIGHUP it reads its
/// configuration and its certificate again; mistakes in them are logged, and change nothing. Exit code 1 when a request
/// was still in flight, or when the disk failed.
///
/// Example: klaviyo-relay --config /etc/klaviyo-relay/config.toml serve
#[derive(Debug, clap::Args)]
pub(super) struct Options {}

pub(super) async fn run(file: &Path) -> anyhow::Result<ExitStatus> {
    return_freed_memory();
    let config = Config::load(file, &process_environment)?;
    let logging = telemetry::init_daemon(&config.log, &config.telemetry)?;
    telemetry::hide_texts_of_panics();
    keep_memory_private();
    // Registered first: from here on SIGHUP does not end the process.
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut app = tokio::select! {
        app = App::start(config, Arc::new(SystemClock)) => app?,
        () = any(&mut terminate, &mut interrupt) => {
            tracing::info!("stopped before the start was done");
            return Ok(ExitStatus::Done);
        }
    };
    let fatal = app.outbox.fatal().clone();
    let failed = loop {
        tokio::select! {
            () = any(&mut terminate, &mut interrupt) => break false,
            () = fatal.cancelled() => break true,
            Some(()) = hang_up.recv() => {}
        }
        tokio::select! {
            () = any(&mut terminate, &mut interrupt) => break false,
            () = fatal.cancelled() => break true,
            () = reload(&mut app, file, &logging) => {}
        }
    };
    tracing::info!("stopping; a second signal stops at once");
    let in_order = tokio::select! {
        in_order = app.stop() => in_order,
        () = any(&mut terminate, &mut interrupt) => {
            tracing::warn!("stopped at once; the next start takes up what was in flight");
            false
        }
    };
    tracing::info!("stopped");
    tokio::task::spawn_blocking(|| logging.close()).await?;
    Ok(ExitStatus::of(in_order && !failed))
}

/// Makes glibc return buffers of 128 KiB and more to the system when they are freed. By default glibc stops doing that
/// after the first large buffer is freed, and after many large bodies the process stays large. glibc reads the setting
/// at process start, so the process executes itself again, with the same process id and arguments.
fn return_freed_memory() {
    const SETTING: &str = "MALLOC_MMAP_THRESHOLD_";
    let (true, None) = (cfg!(target_env = "gnu"), std::env::var_os(SETTING)) else {
        return;
    };
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    again.arg0(arguments.next().unwrap_or_default());
    // Returns only on failure; the daemon works without the setting.
    drop(again.args(arguments).env(SETTING, "131072").exec());
}

/// From now on no core dump contains keys and calls, and no other process of this user can read memory or environment.
fn keep_memory_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "failed to turn off core dumps");
    }
}

/// Reads the configuration and the certificate again. Errors are logged one by one; the old settings then stay.
async fn reload(app: &mut App, file: &Path, logging: &Logging) {
    app.reload_certificate();
    match Config::load(file, &process_environment) {
        Ok(config) => app.reload(config, logging).await,
        Err(error) => app.reject_config(&error.into()).await,
    }
}

async fn any(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn the_daemon_leaves_no_core_dump() {
        keep_memory_private();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
