//! The status as text: one screen, problems first.

use std::time::Duration;

use crate::cli::colour::Tone;
use crate::cli::screen::Screen;
use crate::config::Config;
use crate::model::{EventType, Timestamp, masked_text};
use crate::operator::{Problem, Severity, bytes, rejected_last, rejected_sender};
use crate::outbox::{Blocked, Flow, Overview, SourceRate, Spans, Status};

/// The maximum length of a reason on the screen.
const REASON: usize = 160;

/// Writes the screen.
pub(super) fn write(screen: &mut Screen, status: &Status, config: &Config, sandbox: bool, now: Timestamp) {
    let overview = &status.overview;
    for problem in problems(overview, config, sandbox) {
        let tone = match problem.severity {
            Severity::Bad => Tone::Bad,
            Severity::Warn | Severity::Calm => Tone::Note,
        };
        screen.toned_line(tone, format_args!("{}", problem.message));
        screen.line(format_args!("  {}", problem.advice));
        screen.end();
    }
    stopped(screen, overview);
    for (name, count) in overview.counts.audit() {
        let wrong = name == "difference" && count != 0;
        screen.put(format_args!("{name:<12}"));
        if wrong {
            screen.toned(Tone::Bad, format_args!("{count:>10}"));
        } else {
            screen.put(format_args!("{count:>10}"));
        }
        screen.end();
    }
    flow(screen, &status.flow);
    sources(screen, overview, config);
    rejected(screen, overview);
    backlog(screen, status);
    import_jobs(screen, overview);
    blocked(screen, &status.blocked);
    dead(screen, status);
    limits(screen, overview, now);
    disk(screen, overview, config);
    let look = if status.dead.is_empty() {
        ""
    } else {
        "look: klaviyo-relay show EVENT   send again: klaviyo-relay replay --status dead   "
    };
    screen.section(format_args!("{look}at {now}"));
}

/// The most important problems.
fn problems(overview: &Overview, config: &Config, sandbox: bool) -> Vec<Problem> {
    let disk = Problem::disk(overview.disk.free_bytes, config.outbox.min_free_disk);
    let config = overview
        .config_rejected_since
        .map(|since| Problem::config_rejected(Some(since)));
    let shared = |shared| Problem::shared(shared, &shared.identifier);
    let (pauses, failing) = (&overview.pauses, &overview.failing);
    let first = disk.into_iter().chain(config).chain(sandbox.then(Problem::sandbox));
    first
        .chain(pauses.iter().map(Problem::pause))
        .chain(failing.iter().map(Problem::failing))
        .chain(overview.shared_identifiers.iter().map(shared))
        .chain(overview.wal.iter().map(Problem::wal))
        .chain(overview.clock_ahead.into_iter().map(Problem::clock))
        .collect()
}

/// Events that block others until an operator acts.
fn stopped(screen: &mut Screen, overview: &Overview) {
    for stopped in &overview.stopped {
        let (plural, hold) = if stopped.heads == 1 {
            ("", "holds")
        } else {
            ("s", "hold")
        };
        let way = if stopped.status == "held" { "release" } else { "replay" };
        screen.toned_line(
            Tone::Bad,
            format_args!(
                "{} {} event{plural} {hold} up {} of the same people: {way} or discard; for example event {}",
                stopped.heads, stopped.status, stopped.behind, stopped.sample
            ),
        );
        screen.end();
    }
}

/// Requests that ingest rejected; most SDKs drop such a request silently.
fn rejected(screen: &mut Screen, overview: &Overview) {
    if overview.rejected.is_empty() {
        return;
    }
    screen.end();
    screen.toned_line(Tone::Bad, format_args!("rejected by ingest, last hour"));
    for rejected in &overview.rejected {
        screen.line(format_args!(
            "  {:>8}  {} {}  {}  {}  last at {}",
            rejected.requests,
            rejected.status,
            rejected.code,
            rejected_sender(rejected),
            rejected.client.as_deref().unwrap_or("no user agent"),
            rejected_last(rejected)
        ));
    }
}

/// The use of Klaviyo's limits.
fn limits(screen: &mut Screen, overview: &Overview, now: Timestamp) {
    let families = overview.recent_limits(now);
    if families.is_empty() {
        return;
    }
    screen.section(format_args!("limits in use              second              minute"));
    for family in families {
        let window = |[used, allowed]: [u64; 2]| format!("{used} of {allowed}");
        let closed = if family.closed { "  closed by a 429" } else { "" };
        screen.line(format_args!(
            "  {:<19}{:>12}{:>20}{closed}",
            family.family,
            window(family.second),
            window(family.minute)
        ));
    }
}

fn flow(screen: &mut Screen, flow: &Flow) {
    let head = ["last minute", "5 minutes", "hour", "day"];
    screen.section(format_args!(
        "events        {:>12}{:>12}{:>12}{:>12}",
        head[0], head[1], head[2], head[3]
    ));
    for (name, counts, least) in [
        ("came", flow.came, flow.came_at_least),
        ("done", flow.done, Spans::default()),
        ("died", flow.died, Spans::default()),
    ] {
        screen.put(format_args!("  {name:<12}"));
        for (count, least) in counts.all().into_iter().zip(least.all()) {
            screen.put(format_args!("{:>12}", at_least(count, least)));
        }
        screen.end();
    }
}

/// A count, or a lower bound of it.
fn at_least(count: i64, least: bool) -> String {
    format!("{}{count}", if least { "> " } else { "" })
}

fn sources(screen: &mut Screen, overview: &Overview, config: &Config) {
    let sources = &overview.sources;
    screen.section(format_args!("sources         last hour         day"));
    let configured = config.ingest.sources.iter().map(|source| &source.name);
    let silent = configured.filter(|name| !sources.iter().any(|source| source.source == **name));
    let silent = silent.map(|name| SourceRate {
        source: name.clone(),
        hour: 0,
        day: 0,
    });
    for source in sources.iter().cloned().chain(silent) {
        screen.line(format_args!(
            "  {:<12}{:>11}{:>12}",
            source.source, source.hour, source.day
        ));
    }
}

fn backlog(screen: &mut Screen, status: &Status) {
    if status.backlog.is_empty() {
        screen.section(format_args!("nothing waits"));
        return;
    }
    screen.section(format_args!(
        "waiting                   all      < 1 m     < 10 m      < 1 h      < 1 d      older  oldest"
    ));
    for row in &status.backlog {
        let kind = row.kind.map_or("?", EventType::word);
        screen.put(format_args!("  {:<8} {kind:<9} {:>8}", row.status, row.count));
        for age in [row.under_1m, row.under_10m, row.under_1h, row.under_1d, row.older] {
            screen.put(format_args!(" {age:>10}"));
        }
        let oldest = row.oldest.map_or("?".to_owned(), |oldest| oldest.to_string());
        screen.line(format_args!("  {oldest}"));
    }
}

/// The import jobs that events wait for.
fn import_jobs(screen: &mut Screen, overview: &Overview) {
    for job in &overview.import_jobs {
        let id = match &job.klaviyo_id {
            Some(id) => format!("import job {id}"),
            None => "an import job whose id is not known".to_owned(),
        };
        screen.section(format_args!(
            "{} profiles wait for {id} of Klaviyo, sent at {}",
            job.profiles, job.since
        ));
    }
}

fn blocked(screen: &mut Screen, blocked: &Blocked) {
    if blocked.heads == 0 {
        return;
    }
    let plural = if blocked.heads == 1 { "" } else { "s" };
    screen.section(format_args!("others wait behind {} event{plural}", blocked.heads));
    for head in &blocked.worst {
        screen.line(format_args!(
            "  {:>8}  {} behind it  {} since {}  {}  {}",
            head.event.0,
            head.waiting,
            head.status,
            head.since,
            head.profile.as_deref().unwrap_or("nobody"),
            short(head.reason.as_deref().unwrap_or("not sent yet"))
        ));
    }
}

fn dead(screen: &mut Screen, status: &Status) {
    let overview = &status.overview;
    if overview.counts.copies > 0 {
        screen.section(format_args!(
            "copies skipped: {}; each names the event that was delivered (the view `events`, copy_of is not null)",
            overview.counts.copies
        ));
    }
    if overview.unknown_subscriptions > 0 {
        screen.section(format_args!(
            "subscriptions sent and never answered: {}; Klaviyo may have accepted them (the view `deliveries`, \
             status = 'unknown' and kind = 'subscription')",
            overview.unknown_subscriptions
        ));
    }
    if overview.repeats > 0 {
        screen.section(format_args!(
            "calls that came again: {}; they are stored once",
            overview.repeats
        ));
    }
    if status.dead.is_empty() {
        return;
    }
    screen.section(format_args!("dead, by reason"));
    for group in &status.dead {
        screen.put(format_args!("  "));
        screen.toned(Tone::Bad, format_args!("{:>8}", group.count));
        screen.line(format_args!("  {}", group.code));
        let (sample, example) = (group.sample, short(&masked_text(&group.example)));
        screen.line(format_args!("            event {sample}: {example}"));
    }
}

fn disk(screen: &mut Screen, overview: &Overview, config: &Config) {
    let outbox = &config.outbox;
    let free = overview.disk.free_bytes.map_or("?".to_owned(), bytes);
    screen.section(format_args!(
        "outbox {}, WAL {}, disk free {free} (accepts down to {})",
        bytes(overview.disk.database_bytes),
        bytes(overview.disk.wal_bytes),
        bytes(outbox.min_free_disk)
    ));
    screen.line(format_args!(
        "kept: delivered {}, their bodies {}, dead {}; removed so far {}",
        days(outbox.retain_delivered),
        days(outbox.retain_bodies),
        days(outbox.retain_dead),
        overview.counts.removed
    ));
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
