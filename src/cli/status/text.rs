//! The status for people: one screen, what is wrong first.

use std::fmt::{Result, Write};
use std::time::Duration;

use crate::cli::colour::{Tone, tone};
use crate::config::{Config, Endpoint};
use crate::model::Timestamp;
use crate::operator::{bytes, log_advice, log_words};
use crate::outbox::{Flow, LimitsInUse, Overview, SourceRate, Status};

/// As long as a reason may be on the screen.
const REASON: usize = 90;

/// The screen.
pub(super) fn of(
    overview: &Overview,
    config: &Config,
    now: Timestamp,
) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    let status = &overview.status;
    alarms(&mut text, status, config)?;
    for (name, count) in &status.audit {
        let wrong = name == "difference" && *count != 0;
        let count = format!("{count:>10}");
        let count = if wrong {
            tone(Tone::Bad, &count)
        } else {
            count
        };
        writeln!(text, "{name:<12}{count}")?;
    }
    flow(&mut text, &overview.flow)?;
    sources(&mut text, overview, config)?;
    backlog(&mut text, status)?;
    import_jobs(&mut text, status)?;
    blocked(&mut text, overview)?;
    dead(&mut text, status)?;
    limits(&mut text, overview, now)?;
    disk(&mut text, overview, config)?;
    if status.dead.is_empty() {
        writeln!(text, "\nat {now}")?;
    } else {
        writeln!(
            text,
            "\nlook: klaviyo-relay show EVENT   send again: klaviyo-relay replay --status dead   at {now}"
        )?;
    }
    Ok(text)
}

/// What somebody has to know before all else.
fn alarms(text: &mut String, status: &Status, config: &Config) -> Result {
    if config.klaviyo.endpoint == Endpoint::Sandbox {
        let words = "requests go to the sandbox: NOTHING REACHES KLAVIYO";
        writeln!(text, "{}\n", tone(Tone::Note, words))?;
    }
    for pause in &status.pauses {
        let what = match pause.family {
            None => "delivery".to_owned(),
            Some(family) => format!("delivery to the endpoint `{family}`"),
        };
        let words = format!("{what} is PAUSED since {}", pause.since);
        writeln!(text, "{}", tone(Tone::Bad, &words))?;
        writeln!(text, "  {}", pause.reason)?;
        writeln!(
            text,
            "  next probe at {}; nothing is lost, events wait\n",
            pause.probe_at
        )?;
    }
    for failing in &status.failing {
        let words = format!(
            "event {} fails for its own sake: its {} has failed {} times",
            failing.event, failing.kind, failing.failures
        );
        writeln!(text, "{}", tone(Tone::Note, &words))?;
        writeln!(
            text,
            "  {}",
            failing.reason.as_deref().unwrap_or("no answer")
        )?;
        writeln!(
            text,
            "  next attempt at {}; its person's later events wait behind it, nobody else's\n",
            failing.next_attempt_at
        )?;
    }
    if let Some(trouble) = &status.log {
        writeln!(text, "{}", tone(Tone::Bad, &log_words(trouble)))?;
        writeln!(text, "  {}\n", log_advice(trouble))?;
    }
    Ok(())
}

/// What was told within the last minute: what is older says nothing of the present.
fn limits(text: &mut String, overview: &Overview, now: Timestamp) -> Result {
    let recent = |told: &&LimitsInUse| {
        now.since(Timestamp::from_millis(told.at_ms)) < Duration::from_mins(1)
    };
    let Some(told) = overview.limits.as_ref().filter(recent) else {
        return Ok(());
    };
    if told.families.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\nlimits in use              second              minute"
    )?;
    for family in &told.families {
        let window = |[used, allowed]: [u64; 2]| format!("{used} of {allowed}");
        let closed = if family.closed {
            "  closed by a 429"
        } else {
            ""
        };
        writeln!(
            text,
            "  {:<19}{:>12}{:>20}{closed}",
            family.family,
            window(family.second),
            window(family.minute)
        )?;
    }
    Ok(())
}

fn flow(text: &mut String, flow: &Flow) -> Result {
    let head = ["last minute", "5 minutes", "hour", "day"];
    writeln!(
        text,
        "\nevents        {:>12}{:>12}{:>12}{:>12}",
        head[0], head[1], head[2], head[3]
    )?;
    for (name, counts, least) in [
        ("came", flow.came, flow.at_least),
        ("done", flow.done, [false; 4]),
        ("died", flow.died, [false; 4]),
    ] {
        write!(text, "  {name:<12}")?;
        for (count, least) in counts.into_iter().zip(least) {
            write!(text, "{:>12}", at_least(count, least))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// A count, or that there are more.
fn at_least(count: i64, least: bool) -> String {
    format!("{}{count}", if least { "> " } else { "" })
}

fn sources(text: &mut String, overview: &Overview, config: &Config) -> Result {
    let sources = &overview.sources;
    let [.., hour, day] = overview.flow.at_least;
    writeln!(text, "\nsources         last hour         day")?;
    let configured = config.ingest.sources.iter().map(|source| &source.name);
    let silent = configured.filter(|name| !sources.iter().any(|source| source.source == **name));
    let silent = silent.map(|name| SourceRate {
        source: name.clone(),
        hour: 0,
        day: 0,
    });
    for source in sources.iter().cloned().chain(silent) {
        writeln!(
            text,
            "  {:<12}{:>11}{:>12}",
            source.source,
            at_least(source.hour, hour),
            at_least(source.day, day)
        )?;
    }
    Ok(())
}

fn backlog(text: &mut String, status: &Status) -> Result {
    if status.backlog.is_empty() {
        return writeln!(text, "\nnothing waits");
    }
    writeln!(
        text,
        "\nwaiting                   all      < 1 m     < 10 m      < 1 h      < 1 d      older  oldest"
    )?;
    for row in &status.backlog {
        let kind = row.kind.as_deref().unwrap_or("?");
        write!(text, "  {:<8} {kind:<9} {:>8}", row.status, row.count)?;
        for age in &row.ages {
            write!(text, " {age:>10}")?;
        }
        writeln!(text, "  {}", row.oldest.as_deref().unwrap_or("?"))?;
    }
    Ok(())
}

/// Which import jobs events wait for.
fn import_jobs(text: &mut String, status: &Status) -> Result {
    for job in &status.import_jobs {
        let id = match &job.klaviyo_id {
            Some(id) => format!("import job {id}"),
            None => "an import job whose id is not known".to_owned(),
        };
        writeln!(
            text,
            "\n{} profiles wait for {id} of Klaviyo, sent at {}",
            job.profiles, job.since
        )?;
    }
    Ok(())
}

fn blocked(text: &mut String, overview: &Overview) -> Result {
    let blocked = &overview.blocked;
    if blocked.heads == 0 {
        return Ok(());
    }
    let plural = if blocked.heads == 1 { "" } else { "s" };
    writeln!(text, "\nothers wait behind {} event{plural}", blocked.heads)?;
    for head in &blocked.worst {
        writeln!(
            text,
            "  {:>8}  {} behind it  {} since {}  {}  {}",
            head.event.0,
            head.waiting,
            head.status,
            head.since,
            head.profile.as_deref().unwrap_or("nobody"),
            short(head.reason.as_deref().unwrap_or("not sent yet"))
        )?;
    }
    Ok(())
}

fn dead(text: &mut String, status: &Status) -> Result {
    if status.unknown_subscriptions > 0 {
        writeln!(
            text,
            "\nsubscriptions sent and never answered: {}; Klaviyo may have taken them (the view `deliveries`, \
             status = 'unknown' and kind = 'subscription')",
            status.unknown_subscriptions
        )?;
    }
    if status.dead.is_empty() {
        return Ok(());
    }
    writeln!(text, "\ndead, by reason")?;
    for group in &status.dead {
        let count = tone(Tone::Bad, &format!("{:>8}", group.count));
        writeln!(text, "  {count}  {}", short(&group.reason))?;
    }
    Ok(())
}

fn disk(text: &mut String, overview: &Overview, config: &Config) -> Result {
    let outbox = &config.outbox;
    let free = overview.free_bytes.map_or("?".to_owned(), bytes);
    writeln!(
        text,
        "\noutbox {}, log {}, disk free {free} (accepts down to {})",
        bytes(overview.database_bytes),
        bytes(overview.wal_bytes),
        bytes(outbox.min_free_disk)
    )?;
    writeln!(
        text,
        "kept: delivered {}, their bodies {}, dead {}; removed so far {}",
        days(outbox.retain_delivered),
        days(outbox.retain_bodies),
        days(outbox.retain_dead),
        overview.removed
    )
}

fn short(reason: &str) -> String {
    match reason.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

fn days(span: Duration) -> String {
    let hours = span.as_secs() / 3600;
    if hours.is_multiple_of(24) {
        format!("{} d", hours / 24)
    } else {
        format!("{hours} h")
    }
}
