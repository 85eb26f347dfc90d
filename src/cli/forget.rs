//! `forget`: erases a person from the outbox, everywhere, for good.
//!
//! It promises the same as the erasure in `operator`, and waits until the file itself contains no data of the person.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::filter::{events, list};
use super::screen::Screen;
use super::{ExitStatus, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::escape;
use crate::model::EventId;
use crate::operator::{ErasureReport, ProfileFilter, SHOWN, find_person, forget, open_events};
use crate::outbox::{OpenError, Outbox, Person};

/// How often it checks whether the vacuum is done.
const LOOK: Duration = Duration::from_millis(100);
/// How long it waits for the daemon to vacuum the file.
const VACUUM: Duration = Duration::from_mins(2);

/// Erase a person from the outbox for good: calls, requests, names and Klaviyo's answers
///
/// The person is everybody who is known to be the same: the events of one userId, and the e-mails, phones and browsers
/// on them. Events that wait or are held are discarded first and never reach Klaviyo; what is in flight is waited
/// for. Rows, counts and an entry in the view `erasures` stay. At Klaviyo nothing is erased: a `delete` call with
/// `mapping.delete_profiles` does that. It cannot be undone, and does not reach backups. Exit code 1 when something of
/// the person is left, or nobody is known by that name. On a terminal it asks first.
///
/// Example: klaviyo-relay forget --profile user:019mr8mf4r --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A user id, anonymous id, e-mail or phone; user:ID, anonymous:ID, email:ADDRESS and phone:NUMBER are exact
    #[arg(long, value_name = "ID")]
    profile: ProfileFilter,
    /// How long to wait for requests in flight, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Change nothing, and show what would be erased: the count and the first ten
    #[arg(long)]
    dry_run: bool,
    /// Do not ask, on a terminal
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    if options.dry_run {
        return preview(options, &config).await;
    }
    let (outbox, alone) = open(&config).await?;
    let person = known(options, &outbox).await?;
    if !options.yes && !agreed(options, &person)? {
        outbox.close().await;
        bail!("nothing is erased");
    }
    let wait = Duration::from_secs(options.wait);
    let report = forget(&outbox, &SystemClock, person, wait).await?;
    if report.erased > 0 {
        let vacuumed = async {
            while outbox.is_vacuum_pending() {
                sleep(LOOK).await;
            }
        };
        // A timeout is no error: `is_vacuum_due_at_start` decides.
        drop(timeout(VACUUM, vacuumed).await);
    }
    let mut vacuum_due = outbox.is_vacuum_due_at_start().await?;
    outbox.close().await;
    if vacuum_due && alone {
        // Opened as the daemon opens it: a file of any size is then vacuumed.
        let outbox = Outbox::open(&config.outbox, SystemClock.now()).await?;
        vacuum_due = outbox.is_vacuum_due_at_start().await?;
        outbox.close().await;
    }
    print_report(options, &report, vacuum_due)
}

/// Opens the outbox as its daemon if none runs, so that no request of a killed daemon is left in flight; otherwise next
/// to the running daemon.
async fn open(config: &Config) -> anyhow::Result<(Outbox, bool)> {
    let beside = attach(config).await?;
    match Outbox::open(&config.outbox, SystemClock.now()).await {
        Ok(outbox) => {
            beside.close().await;
            Ok((outbox, true))
        }
        Err(OpenError::InUse { .. }) => Ok((beside, false)),
        Err(error) => Err(error.into()),
    }
}

/// The person; an error if the name has no events: a mistyped name must not look like a finished erasure.
async fn known(options: &Options, outbox: &Outbox) -> anyhow::Result<Person> {
    let person = find_person(outbox, &options.profile).await?;
    if person.events.is_empty() {
        bail!(
            "nobody is known as {:?}; nothing is erased",
            options.profile.to_string()
        );
    }
    Ok(person)
}

/// Asks for confirmation on a terminal; elsewhere it does not ask.
fn agreed(options: &Options, person: &Person) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut stderr = std::io::stderr().lock();
    let names: Vec<String> = person.identifiers.iter().map(ToString::to_string).collect();
    let question = format!(
        "erase {} of {}, known as {}? It cannot be undone. [y/N] ",
        events(person.events.len()),
        options.profile,
        names.join(", ")
    );
    stderr.write_all(escape::text(&question).as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn preview(options: &Options, config: &Config) -> anyhow::Result<ExitStatus> {
    let outbox = attach(config).await?;
    let person = known(options, &outbox).await?;
    let waiting = open_events(&person).len();
    let ids: Vec<EventId> = person.events.iter().map(|event| event.id).collect();
    let first = outbox.briefs_of(&ids[..ids.len().min(usize::try_from(SHOWN)?)]).await?;
    outbox.close().await;
    let names: Vec<String> = person.identifiers.iter().map(ToString::to_string).collect();
    if options.json {
        print_json(&json!({
            "dry_run": true, "identifiers": names, "count": ids.len(), "waiting": waiting, "first": first,
        }))?;
        return Ok(ExitStatus::Done);
    }
    let mut screen = Screen::default();
    screen.line(format_args!(
        "{} would be erased, of which {waiting} still wait and would be discarded",
        events(ids.len())
    ));
    screen.line(format_args!("the person: {}", names.join(", ")));
    list(&mut screen, &first, ids.len());
    print(&screen)?;
    Ok(ExitStatus::Done)
}

fn print_report(options: &Options, report: &ErasureReport, vacuum_due: bool) -> anyhow::Result<ExitStatus> {
    let ErasureReport {
        erased,
        discarded,
        left,
    } = report;
    let end = ExitStatus::of(left.is_empty());
    if options.json {
        print_json(&json!({
            "dry_run": false, "erased": erased, "discarded": discarded, "left": left,
            "rebuild_due": vacuum_due,
        }))?;
        return Ok(end);
    }
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        bail!(
            "nothing is erased yet: still in flight after {} s: {}; run it again, with a longer --wait",
            options.wait,
            left.join(", ")
        );
    }
    let mut screen = Screen::default();
    screen.put(format_args!("{} erased", events(*erased)));
    if *discarded > 0 {
        screen.put(format_args!(
            ", {discarded} of them discarded before they were delivered"
        ));
    }
    screen.end();
    if vacuum_due {
        screen.line(format_args!(
            "copies of names may be left in unused parts of the file until the daemon starts again"
        ));
    }
    print(&screen)?;
    Ok(ExitStatus::Done)
}
