//! The command line: one file per subcommand, each with its options and its run.
//!
//! Data goes to stdout, logs and errors to stderr. Exit code 0: done; 1: failed; 2: used wrongly.
//! Commands print; they decide nothing. Text leaves through [`screen`] and JSON through [`print_json`], which escape what a
//! terminal would obey. May use every other module.

mod audit;
mod backup;
mod check;
mod colour;
mod completions;
mod demo;
mod discard;
mod explain;
mod export;
mod filter;
mod forget;
mod hold;
mod import;
mod replay;
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
use serde_json::Value;
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
    Replay(replay::Options),
    Hold(hold::Hold),
    Release(hold::Release),
    Discard(discard::Options),
    Forget(forget::Options),
    Import(import::Options),
    Export(export::Options),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Sandbox(sandbox::Options),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// The variable that names the configuration's file where `--config` does not.
const CONFIG_VARIABLE: &str = "KLAVIYO_RELAY_CONFIG";
/// The file where neither does.
const DEFAULT_CONFIG: &str = "config.toml";

/// A command line that clap takes and that means nothing: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(&'static str);

/// How a command that ran to its end came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitStatus {
    /// Exit code 0.
    Done,
    /// Exit code 1: it ran, and what it looked at is not well.
    Failed,
}

/// Reads the command line and does what it says.
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

/// From now on a write beyond the limit on the size of files is an error (`EFBIG`) instead of the end of the process.
/// One to a pipe that nobody reads is one already (`EPIPE`): Rust's start sees to it.
fn survive_file_limits() -> anyhow::Result<()> {
    let exceeded = SignalKind::from_raw(Signal::XFSZ.as_raw());
    // Nobody waits for it: that it is registered is what counts.
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
            Command::Replay(ref options) => replay::run(options, self.load()?).await,
            Command::Hold(ref options) => hold::hold(options, self.load()?).await,
            Command::Release(ref options) => hold::release(options, self.load()?).await,
            Command::Discard(ref options) => discard::run(options, self.load()?).await,
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

    /// The configuration's file.
    fn file(&self) -> PathBuf {
        self.named_file().unwrap_or_else(|| DEFAULT_CONFIG.into())
    }

    /// The configuration's file, where one is named.
    fn named_file(&self) -> Option<PathBuf> {
        let variable = || process_environment(CONFIG_VARIABLE).filter(|file| !file.is_empty());
        self.config.clone().or_else(|| variable().map(PathBuf::from))
    }

    /// Reads the configuration without what its secrets refer to, and starts logging as it says. A command that looks
    /// at the outbox, or changes it, has no use for a key, and is run by people who have none.
    fn load(&self) -> anyhow::Result<Config> {
        let config = Config::load_without_secrets(&self.file())?;
        telemetry::init(&config.log)?;
        Ok(config)
    }

    /// Reads the whole configuration and starts logging as it says.
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

/// Opens the outbox for a command, beside the daemon or without one.
async fn attach(config: &Config) -> anyhow::Result<Outbox> {
    Ok(Outbox::attach(&config.outbox).await?)
}

/// Prints lines for people.
fn print(screen: &Screen) -> anyhow::Result<()> {
    print_own(screen.text())
}

/// Prints one line for people; what stands in it is escaped.
fn print_line(line: Arguments<'_>) -> anyhow::Result<()> {
    let mut screen = Screen::default();
    screen.line(line);
    print(&screen)
}

/// Prints a text that holds nothing foreign; a reader that has gone away (`| head`) is an error that `main` knows.
fn print_own(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints JSON to stdout, for people's eyes too.
fn print_json(value: &Value) -> anyhow::Result<()> {
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

/// An error and its causes, in one line; the mistakes of a configuration are on lines of their own.
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
