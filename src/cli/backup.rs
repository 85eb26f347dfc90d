//! `backup` and `restore`: a consistent copy of the outbox in one file, and the way back.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::json;

use super::filter::{events, list};
use super::screen::Screen;
use super::{ExitStatus, attach, print, print_json, print_line};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, OutboxConfig};
use crate::model::EventStatus;
use crate::operator::SHOWN;
use crate::outbox::{Brief, Outbox, Reader, Selection};

/// Copy the outbox into one file: a single moment of it, whole, while the daemon works
///
/// The copy is readable by its owner alone and on disk when the command ends; it is opened again and audited. It holds
/// personal data, whole. Never copy the file itself while a daemon runs. Exit code 1 when FILE exists, or when the
/// audit finds something.
///
/// Example: klaviyo-relay backup /var/backups/outbox-2026-11-23.db
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file to make
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Make a backup the outbox again; what was not finished in it is held, and nothing is sent by itself
///
/// Refused while the daemon runs, and where there is an outbox, unless --force moves that aside. A backup does not know
/// what was delivered after it was made: a release of what is held sends that again. Klaviyo drops the second copy of
/// an event by its `$event_id`, and a second profile changes nothing; a second subscription may cancel an unsubscribe
/// or mail somebody twice. What arrived after the backup was made is not in it. Exit code 1 when it was refused.
///
/// Example: klaviyo-relay restore /var/backups/outbox-2026-11-23.db --force --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Move the present outbox aside first
    #[arg(long)]
    force: bool,
    /// Change nothing, and show what would be held: the count and the first ten
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const UNFINISHED: [EventStatus; 2] = [EventStatus::Pending, EventStatus::Held];

pub(super) async fn backup(options: &Backup, config: Config) -> anyhow::Result<ExitStatus> {
    Outbox::backup(&config.outbox, &options.file).await?;
    let bytes = std::fs::metadata(&options.file)?.len();
    let Some(audit) = Reader::audit_file(&options.file).await? else {
        print_line(format_args!(
            "{}: {bytes} bytes; an older klaviyo-relay made the outbox, so the copy was not audited",
            options.file.display()
        ))?;
        return Ok(ExitStatus::Done);
    };
    let accepted = audit.totals.accepted;
    let waiting = audit.totals.pending + audit.totals.held;
    if options.json {
        print_json(&json!({
            "file": options.file, "bytes": bytes, "accepted": accepted, "unfinished": waiting,
            "holds": audit.holds,
        }))?;
    } else {
        print_line(format_args!(
            "{}: {bytes} bytes, {accepted} events accepted, {waiting} of them not finished",
            options.file.display()
        ))?;
    }
    if !audit.holds {
        bail!("the copy fails the audit, and so does the outbox; see: klaviyo-relay audit --deep");
    }
    Ok(ExitStatus::Done)
}

pub(super) async fn restore(options: &Restore, config: Config) -> anyhow::Result<ExitStatus> {
    Outbox::check_backup(&options.file).await?;
    let audit = Reader::audit_file(&options.file).await?;
    if audit.is_some_and(|audit| !audit.holds) {
        bail!(
            "{} fails the audit: its counts or its pages are wrong; use another backup",
            options.file.display()
        );
    }
    if options.dry_run {
        let (count, first) = preview(options, &config).await?;
        return report(options, None, count, &first);
    }
    let now = SystemClock.now();
    let restored = Outbox::restore(&config.outbox, &options.file, options.force, now).await?;
    let outbox = attach(&config).await?;
    let (count, first) = open_events(&outbox).await?;
    outbox.close().await;
    report(options, restored.former.as_deref(), count, &first)
}

/// Works on a copy in a temporary folder: a backup file is never written to.
async fn preview(options: &Restore, config: &Config) -> anyhow::Result<(usize, Vec<Brief>)> {
    let folder = tempfolder(config)?;
    let copy = OutboxConfig {
        path: folder.join("outbox.db"),
        ..config.outbox.clone()
    };
    let looked = async {
        Outbox::restore(&copy, &options.file, false, SystemClock.now()).await?;
        let outbox = Outbox::attach(&copy).await?;
        let found = open_events(&outbox).await;
        outbox.close().await;
        found
    };
    let looked = looked.await;
    std::fs::remove_dir_all(&folder)?;
    looked
}

/// Makes a new folder next to the outbox, where there is enough free space.
fn tempfolder(config: &Config) -> anyhow::Result<PathBuf> {
    let name = format!(".klaviyo-relay-{}", std::process::id());
    let folder = config.outbox.path.with_file_name(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

async fn open_events(outbox: &Outbox) -> anyhow::Result<(usize, Vec<Brief>)> {
    let selection = Selection {
        states: UNFINISHED.to_vec(),
        ..Selection::default()
    };
    let count = outbox.select(&selection).await?.len();
    Ok((count, outbox.briefs(&selection, SHOWN).await?))
}

/// Prints what was restored, or would be. `former`: the outbox that was there before.
fn report(options: &Restore, former: Option<&Path>, count: usize, first: &[Brief]) -> anyhow::Result<ExitStatus> {
    if options.json {
        print_json(&json!({"dry_run": options.dry_run, "count": count, "first": first, "former": former}))?;
        return Ok(ExitStatus::Done);
    }
    let mut screen = Screen::default();
    if let Some(former) = former {
        screen.line(format_args!("the outbox that was here is now {}", former.display()));
    }
    let what = if options.dry_run {
        "would be held, to be sent again"
    } else {
        "are held and would be sent again"
    };
    screen.line(format_args!("{} {what}", events(count)));
    list(&mut screen, first, count);
    if count > 0 {
        screen.line(format_args!(
            "what was delivered after the backup was made goes out a second time; Klaviyo drops copies of events by \
             their $event_id"
        ));
        screen.line(format_args!(
            "send them: klaviyo-relay release --status held   give them up: klaviyo-relay discard --status held"
        ));
    }
    print(&screen)?;
    Ok(ExitStatus::Done)
}
