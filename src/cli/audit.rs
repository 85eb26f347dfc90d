//! `audit`: proves that no event is lost, or reports where events are missing.

use super::screen::Screen;
use super::{ExitStatus, attach, print, print_json};
use crate::config::Config;
use crate::model::EventId;
use crate::outbox::{Audit, Checked};

/// Prove that every accepted event is delivered, skipped, dead, pending or held, and that the outbox is consistent
///
/// Counts rows, compares them with the stored counters, and checks the rules that order and single delivery need. Reads
/// one snapshot of the outbox and writes nothing, so it may run while a daemon works. Exit code 1 when a rule is
/// broken: then keep a copy of the file (`klaviyo-relay backup`) and report it.
///
/// Example: klaviyo-relay audit --deep
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Have SQLite check every page of the file too: slow when it is large
    #[arg(long)]
    deep: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let outbox = attach(&config).await?;
    let audit = outbox.audit(options.deep).await?;
    outbox.close().await;
    if options.json {
        print_json(&audit)?;
    } else {
        print(&screen_of(&audit))?;
    }
    Ok(ExitStatus::of(audit.holds))
}

/// The result of an audit, as text.
fn screen_of(audit: &Audit) -> Screen {
    let mut screen = Screen::default();
    for (name, count) in audit.totals.audit() {
        screen.line(format_args!("{name:<12}{count:>10}"));
    }
    screen.end();
    let gap = audit.totals.difference;
    if gap == 0 {
        screen.line(format_args!(
            "ok    accepted = delivered + skipped + dead + pending + held"
        ));
    } else {
        screen.line(format_args!(
            "WRONG accepted differs from delivered + skipped + dead + pending + held by {gap}"
        ));
    }
    let differing = audit.counts.iter().filter(|counted| counted.rows != counted.kept);
    let differing: Vec<_> = differing.collect();
    for counted in &differing {
        screen.line(format_args!(
            "WRONG {} {} events have a row, and {} are counted",
            counted.rows, counted.name, counted.kept
        ));
    }
    if differing.is_empty() {
        screen.line(format_args!("ok    the stored counts equal the counted rows"));
    }
    for rule in &audit.rules {
        match rule.broken {
            0 => screen.line(format_args!("ok    {}", rule.must)),
            broken => screen.line(format_args!(
                "WRONG not so: {}; broken by {broken}: {}",
                rule.must,
                named(rule)
            )),
        }
    }
    match &audit.file {
        None => {}
        Some(errors) if errors.is_empty() => {
            screen.line(format_args!("ok    SQLite finds no fault in the file"));
        }
        Some(errors) => {
            for words in errors {
                screen.line(format_args!("WRONG the file: {words}"));
            }
        }
    }
    screen
}

fn named(rule: &Checked) -> String {
    let ids: Vec<String> = rule.first.iter().map(EventId::to_string).collect();
    let named = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let more = if rule.broken > named { ", …" } else { "" };
    format!("{}{more}", ids.join(", "))
}
