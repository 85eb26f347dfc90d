//! The command line: one file per subcommand or group of them, with its options and its run function.
//!
//! Data goes to stdout, logs and errors to stderr. Exit code 0: done; 1: failed; 2: wrong usage. Commands print; the
//! decisions are in other modules. Text is printed by [`screen`] and JSON by [`print_json`], which escape everything
//! that a terminal would execute. May use every other module.

mod audit;
mod backup;
mod change;
mod check;
mod colour;
mod completions;
mod demo;
mod explain;
mod export;
mod filter;
mod forget;
mod import;
mod sandbox;
mod screen;
mod serve;
mod show;
mod status;

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rustix::process::Signal;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError, LogConfig, process_environment};
use crate::escape;
use crate::outbox::Outbox;
use crate::telemetry;
use screen::Screen;

/// Durable delivery of Segment events to Klaviyo: in order per profile, once in effect.
#[derive(Debug, Parser)]
#[command(
    name = "klaviyo-relay",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Data goes to stdout, logs and errors to stderr. Exit code 0: done; 1: failed; 2: used wrongly."
)]
pub struct Cli {
    /// The configuration file [default: what the variable `KLAVIYO_RELAY_CONFIG` names, else config.toml]; demo and
    /// sandbox read none
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    Demo(demo::Options),
    Check(check::Options),
    Audit(audit::Options),
    Explain(explain::Options),
    Status(status::Options),
    Show(show::Options),
    #[command(flatten)]
    Change(change::ChangeCommand),
    Forget(forget::Options),
    Import(import::Options),
    Export(export::Options),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Sandbox(sandbox::Options),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// The variable that names the configuration file if `--config` does not.
const CONFIG_VARIABLE: &str = "KLAVIYO_RELAY_CONFIG";
/// The default file.
const DEFAULT_CONFIG: &str = "config.toml";

/// A command line that clap accepts but that makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(&'static str);

/// The result of a command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitStatus {
    /// Exit code 0.
    Done,
    /// Exit code 1: the command ran and found a problem.
    Failed,
}

impl ExitStatus {
    /// The result of a command that found no problem if `holds`.
    const fn of(holds: bool) -> Self {
        if holds { Self::Done } else { Self::Failed }
    }
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&anyhow::Error::from(error).context("failed to start the runtime"));
        }
    };
    match runtime.block_on(async {
        survive_file_limits()?;
        cli.run().await
    }) {
        Ok(ExitStatus::Done) => ExitCode::SUCCESS,
        Ok(ExitStatus::Failed) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// From now on a write beyond the limit on the size of files returns an error (`EFBIG`) instead of ending the process.
/// A write to a closed pipe already returns an error (`EPIPE`), because Rust's runtime ignores SIGPIPE.
fn survive_file_limits() -> anyhow::Result<()> {
    let exceeded = SignalKind::from_raw(Signal::XFSZ.as_raw());
    // The signal is never awaited: its registration is enough.
    let registered = signal(exceeded).context("failed to register a signal")?;
    drop(registered);
    Ok(())
}

impl Cli {
    async fn run(self) -> anyhow::Result<ExitStatus> {
        match self.command {
            Command::Serve(_) => serve::run(&self.file()).await,
            Command::Demo(options) => demo::run(options).await,
            Command::Check(ref options) => check::run(options, self.load_with_secrets()?).await,
            Command::Audit(ref options) => audit::run(options, self.load()?).await,
            Command::Explain(ref options) => explain::run(options, self.named_file().as_deref()),
            Command::Status(ref options) => status::run(options, self.load()?).await,
            Command::Show(ref options) => show::run(options, self.load()?).await,
            Command::Change(ref command) => change::run(command, self.load()?).await,
            Command::Forget(ref options) => forget::run(options, self.load()?).await,
            Command::Import(ref options) => {
                let config = self.load()?;
                import::run(options.clone(), config).await
            }
            Command::Export(ref options) => export::run(options, self.load()?).await,
            Command::Backup(ref options) => backup::backup(options, self.load()?).await,
            Command::Restore(ref options) => backup::restore(options, self.load()?).await,
            Command::Completions(ref options) => completions::completions(options),
            Command::Man(ref options) => completions::man(options),
            Command::Sandbox(options) => sandbox::run(options).await,
        }
    }

    /// The configuration file.
    fn file(&self) -> PathBuf {
        self.named_file().unwrap_or_else(|| DEFAULT_CONFIG.into())
    }

    /// The configuration file, if one is named.
    fn named_file(&self) -> Option<PathBuf> {
        let variable = || process_environment(CONFIG_VARIABLE).filter(|file| !file.is_empty());
        self.config.clone().or_else(|| variable().map(PathBuf::from))
    }

    /// Reads the configuration without resolving its secrets, and starts logging as configured. A command that reads or
    /// changes the outbox needs no key, and its users may not have access to one.
    fn load(&self) -> anyhow::Result<Config> {
        let config = Config::load_without_secrets(&self.file())?;
        telemetry::init(&config.log)?;
        Ok(config)
    }

    /// Reads the configuration with its secrets and starts logging as configured.
    fn load_with_secrets(&self) -> anyhow::Result<Config> {
        let config = Config::load(&self.file(), &process_environment)?;
        telemetry::init(&config.log)?;
        Ok(config)
    }
}

/// Starts logging for a command without a configuration.
fn log_plainly(filter: &str) -> anyhow::Result<()> {
    let log = LogConfig {
        filter: filter.to_owned(),
        ..LogConfig::default()
    };
    telemetry::init(&log)?;
    Ok(())
}

/// Opens the outbox for a command, with or without a running daemon.
async fn attach(config: &Config) -> anyhow::Result<Outbox> {
    Ok(Outbox::attach(&config.outbox).await?)
}

/// Prints text lines.
fn print(screen: &Screen) -> anyhow::Result<()> {
    print_own(screen.text())
}

/// Prints one text line; its values are escaped.
fn print_line(line: Arguments<'_>) -> anyhow::Result<()> {
    let mut screen = Screen::default();
    screen.line(line);
    print(&screen)
}

/// Prints a text without foreign values. A closed pipe (`| head`) is an error that `main` recognizes.
fn print_own(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints JSON to stdout, escaped because a person may read it.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_own(&escape::json(&serde_json::to_string_pretty(value)?))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where an error reaches the person who ran the command"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", words(error));
    if error.is::<UsageError>() {
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

/// An error and its causes, in one line; the errors of a configuration are on separate lines.
fn words(error: &anyhow::Error) -> String {
    let words = format!("{error:#}");
    if error.is::<ConfigError>() {
        let lines: Vec<Cow<'_, str>> = words.lines().map(escape::text).collect();
        return lines.join("\n");
    }
    escape::text(&words).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
