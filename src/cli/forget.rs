//! `forget`: erases a person from the outbox, everywhere, for good.
//!
//! It promises that nothing of the person stays, or says what did and exits 1. So what still waits is given up first,
//! and what is in the air is waited for: it reaches Klaviyo or it does not, and is erased either way.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::filter::line;
use super::{End, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{EventId, Identifier};
use crate::operator::{SHOWN, brief_json};
use crate::outbox::{OpenError, Outbox, Person, Selection};

/// How often it looks whether what is in the air has come down, and whether the file is clear.
const LOOK: Duration = Duration::from_millis(100);
/// How long it waits for the file to be written anew beside a daemon.
const SCRUB: Duration = Duration::from_mins(2);

/// Erase a person from the outbox for good: calls, requests, names and Klaviyo's words
///
/// The person is everybody who is known to be the same: the events of one userId, and the e-mails, phones and browsers
/// on them. Events that wait or are held are discarded first and never reach Klaviyo; what is in the air is waited
/// for. Rows, counts and an entry in the view `erasures` stay. At Klaviyo nothing is erased: a `delete` call with
/// `mapping.delete_profiles` does that. It cannot be undone, and does not reach backups. Exit code 1 when something of
/// the person is left.
///
/// Example: klaviyo-relay forget --profile user:019mr8mf4r --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A user id, anonymous id, e-mail or phone; user:ID, anonymous:ID, email:ADDRESS and phone:NUMBER are exact
    #[arg(long, value_name = "ID")]
    profile: String,
    /// How long to wait for requests in the air, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Only say what would be erased: the count and the first ten
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What it came to.
#[derive(Default)]
struct Forgotten {
    /// Events emptied.
    erased: usize,
    /// Events among them that still waited.
    discarded: usize,
    /// Events that could not be erased, since they stayed in the air.
    left: Vec<EventId>,
    /// Whether copies may be left in unused parts of the file.
    rebuild_due: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
    if options.dry_run {
        return preview(options, &config).await;
    }
    let (outbox, alone) = open(&config).await?;
    let person = whom(&outbox, &options.profile).await?;
    let mut forgotten = forget(&outbox, person, Duration::from_secs(options.wait)).await?;
    if forgotten.erased > 0 {
        wait_until(SCRUB, async || Ok(outbox.is_scrubbed())).await?;
    }
    forgotten.rebuild_due = outbox.is_to_be_rebuilt().await?;
    outbox.close().await;
    if forgotten.rebuild_due && alone {
        // Opened as the daemon opens it, a file of any size is written anew.
        let outbox = Outbox::open(&config.outbox, SystemClock.now()).await?;
        forgotten.rebuild_due = outbox.is_to_be_rebuilt().await?;
        outbox.close().await;
    }
    say(options, &forgotten)
}

/// The outbox: as its daemon where none runs, so that nothing is left in the air by one that was killed; else beside it.
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

/// The one person that a word names.
async fn whom(outbox: &Outbox, word: &str) -> anyhow::Result<Person> {
    let mut found: Option<(Identifier, Person)> = None;
    for name in Selection::people(word) {
        let person = outbox.person(std::slice::from_ref(&name)).await?;
        if person.events.is_empty() {
            continue;
        }
        match &found {
            None => found = Some((name, person)),
            Some((_, known)) if known.identifiers.contains(&name) => {}
            Some((first, _)) => {
                bail!(
                    "{word:?} may be several people; say which one: --profile {first} or --profile {name}"
                )
            }
        }
    }
    Ok(found.map_or_else(nobody, |(_, person)| person))
}

fn nobody() -> Person {
    Person {
        identifiers: Vec::new(),
        events: Vec::new(),
    }
}

/// Erases everything at once when nothing of the person is unfinished any more; nothing when that does not come to be:
/// what was erased first would no longer tell who the rest is about.
async fn forget(outbox: &Outbox, person: Person, wait: Duration) -> anyhow::Result<Forgotten> {
    let mut forgotten = Forgotten::default();
    let mut person = person;
    if person.events.is_empty() {
        return Ok(forgotten);
    }
    let began = SystemClock.now();
    loop {
        let waiting: Vec<EventId> = person
            .events
            .iter()
            .filter(|event| !event.done && !event.in_air)
            .map(|event| event.id)
            .collect();
        if !waiting.is_empty() {
            outbox.discard(SystemClock.now(), waiting).await?;
        }
        let before: Vec<EventId> = unfinished(&person);
        // With all names: what is erased does not lead to the others any more.
        person = outbox.person(&person.identifiers).await?;
        let left = unfinished(&person);
        forgotten.discarded += before.iter().filter(|id| !left.contains(id)).count();
        if left.is_empty() {
            let erased = outbox
                .erase(SystemClock.now(), person.identifiers.clone())
                .await?;
            forgotten.erased += erased.events;
            if erased.left == 0 {
                return Ok(forgotten);
            }
        } else if SystemClock.now().since(began) >= wait {
            forgotten.left = left;
            return Ok(forgotten);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn unfinished(person: &Person) -> Vec<EventId> {
    let unfinished = person.events.iter().filter(|event| !event.done);
    unfinished.map(|event| event.id).collect()
}

async fn wait_until(
    most: Duration,
    holds: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let began = SystemClock.now();
    while !holds().await? {
        if SystemClock.now().since(began) >= most {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(true)
}

async fn preview(options: &Options, config: &Config) -> anyhow::Result<End> {
    let outbox = attach(config).await?;
    let person = whom(&outbox, &options.profile).await?;
    let waiting = unfinished(&person).len();
    let ids: Vec<EventId> = person.events.iter().map(|event| event.id).collect();
    let first: Vec<EventId> = ids.iter().take(usize::try_from(SHOWN)?).copied().collect();
    let first = if first.is_empty() {
        Vec::new()
    } else {
        outbox.briefs(&Selection::of(first), SHOWN).await?
    };
    outbox.close().await;
    let names: Vec<String> = person.identifiers.iter().map(ToString::to_string).collect();
    if options.json {
        let first: Vec<Value> = first.iter().map(brief_json).collect();
        print_json(&json!({
            "dry_run": true, "identifiers": names, "count": ids.len(), "waiting": waiting, "first": first,
        }))?;
        return Ok(End::Done);
    }
    let mut lines = vec![format!(
        "{} would be erased, of which {waiting} still wait and would be discarded",
        events(ids.len())
    )];
    lines.push(format!("the person: {}", names.join(", ")));
    lines.extend(first.iter().map(line));
    if ids.len() > first.len() {
        lines.push(format!("  … and {} more", ids.len() - first.len()));
    }
    print(&lines.join("\n"))?;
    Ok(End::Done)
}

fn say(options: &Options, forgotten: &Forgotten) -> anyhow::Result<End> {
    let Forgotten {
        erased,
        discarded,
        left,
        rebuild_due,
    } = forgotten;
    let end = if left.is_empty() {
        End::Done
    } else {
        End::Failed
    };
    if options.json {
        let left: Vec<i64> = left.iter().map(|id| id.0).collect();
        print_json(&json!({
            "dry_run": false, "erased": erased, "discarded": discarded, "left": left,
            "rebuild_due": rebuild_due,
        }))?;
        return Ok(end);
    }
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        bail!(
            "nothing is erased yet: still in the air after {} s: {}; run it again, with a longer --wait",
            options.wait,
            left.join(", ")
        );
    }
    let mut said = format!("{} erased", events(*erased));
    if *discarded > 0 {
        said = format!("{said}, {discarded} of them discarded before they were delivered");
    }
    if *rebuild_due {
        said = format!(
            "{said}\ncopies of names may be left in unused parts of the file until the daemon starts again"
        );
    }
    print(&said)?;
    Ok(End::Done)
}

fn events(count: usize) -> String {
    format!("{count} event{}", if count == 1 { "" } else { "s" })
}
