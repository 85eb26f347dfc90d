//! The list of problems: what happened, since when, its effect on the events, and what to do. Pure.

use maud::{Markup, html};

use super::super::format;
use super::data::OverviewData;
use crate::metrics::Stalled;
use crate::model::{EventStatus, Timestamp, masked_text};
use crate::operator::{Problem, Severity, SharedIdentifier, WriteError, rejected_sender};

/// An event that waits longer than this is a problem of its own, in milliseconds.
const LONG: i64 = 5 * 60_000;

/// One problem.
pub(super) struct Alert {
    pub(super) severity: Severity,
    /// The problem.
    pub(super) words: Markup,
    /// Its effect, and what to do.
    pub(super) advice: Markup,
}

impl Alert {
    fn new(severity: Severity, words: Markup, advice: Markup) -> Self {
        Self {
            severity,
            words,
            advice,
        }
    }
}

/// The class of a severity, and its word, so that the colour is not needed.
pub(super) const fn shown(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Bad => ("bad", "Wrong"),
        Severity::Warn => ("warn", "Look at this"),
        Severity::Calm => ("calm", "Good to know"),
    }
}

/// All problems, the most severe first.
pub(super) fn of(data: &OverviewData) -> Vec<Alert> {
    let found = [
        stopped(data),
        rejecting(data),
        dying(data),
        slow(data),
        throttled(data),
        rejected(data),
        stopping(data, "dead"),
        stopping(data, "held"),
        blocked(data),
        unknown(data),
        copies(data),
        held(data),
        buried(data),
    ];
    let mut found: Vec<Alert> = common(data).chain(found.into_iter().flatten()).collect();
    found.sort_by_key(|alert| alert.severity);
    found
}

/// The problems that `status` and the readiness check report too; of the failing events and the shared identifiers, the
/// first.
fn common(data: &OverviewData) -> impl Iterator<Item = Alert> {
    let overview = &data.overview;
    let of_shared = |shared: &SharedIdentifier| Problem::shared(shared, &masked_text(&shared.identifier));
    let config = overview
        .config_rejected_since
        .map(|since| Problem::config_rejected(Some(since)));
    let pauses = overview.pauses.iter().map(Problem::pause);
    pauses
        .chain(overview.wal.iter().map(Problem::wal))
        .chain(overview.failing.first().map(Problem::failing))
        .chain(overview.shared_identifiers.first().map(of_shared))
        .chain(overview.clock_ahead.into_iter().map(Problem::clock))
        .chain(config)
        .map(|problem| alert(&problem))
}

fn alert(problem: &Problem) -> Alert {
    let words = format::with_times(&format::sentence(&problem.message));
    let advice = html! {
        (format::with_times(&format::sentence(&problem.advice)))
        @if let Some(event) = problem.about.get("event") { " " a href={ "/events/" (event) } { "Look at event " (event) } "." }
    };
    Alert::new(problem.severity, words, advice)
}

fn stopped(data: &OverviewData) -> Option<Alert> {
    if data.ended {
        let advice = html! { "Senders keep their events and try again. Look at the disk and the log, then start the relay again." };
        return Some(Alert::new(
            Severity::Bad,
            html! { "The disk failed: nothing is stored any more." },
            advice,
        ));
    }
    let what = match data.stuck.first()? {
        Stalled::Writer => "Nothing could be stored for 20 seconds.",
        Stalled::Relay | Stalled::Intake => "The relay's loop has stopped.",
        Stalled::Reading => "The relay cannot read what it takes from the outbox.",
        Stalled::Settling => "Events are due, and nothing has come of any for a quarter of an hour.",
    };
    let advice = html! { "Nothing that was accepted is lost. The log may have the reason; a restart may fix it." };
    Some(Alert::new(Severity::Bad, html! { (what) }, advice))
}

fn rejecting(data: &OverviewData) -> Option<Alert> {
    let (words, advice) = match data.overview.rejection_cause.as_ref()? {
        WriteError::DiskFull => {
            let disk = &data.overview.disk;
            let problem = Problem::disk(disk.free_bytes, disk.min_free_bytes);
            return Some(problem.map_or_else(disk_full, |problem| alert(&problem)));
        }
        WriteError::Backlog { .. } => (
            "New requests are rejected: as many events wait as outbox.max_pending allows.".to_owned(),
            "It goes on by itself when events get through.",
        ),
        WriteError::FileGone => (
            "New requests are rejected: the outbox's file was deleted, moved or replaced.".to_owned(),
            "Put it back; while this process lives, it goes on with what is stored and can be restarted only then.",
        ),
        other @ (WriteError::Overloaded | WriteError::Locked | WriteError::Closed | WriteError::Sqlite(_)) => {
            (format!("New requests are rejected: {other}."), "The log has more.")
        }
    };
    let advice = html! { "Senders keep their events and try again. " (advice) };
    Some(Alert::new(Severity::Bad, html! { (words) }, advice))
}

/// The disk is full although enough space seems to be free.
fn disk_full() -> Alert {
    let words = html! { "New events are rejected: the disk is full." };
    let advice = html! { "Senders keep their events and try again. Make room on the outbox's disk." };
    Alert::new(Severity::Bad, words, advice)
}

/// Whether delivery is paused for the whole account.
fn all_paused(data: &OverviewData) -> bool {
    let mut pauses = data.overview.pauses.iter();
    pauses.any(|pause| pause.family.is_none())
}

fn dying(data: &OverviewData) -> Option<Alert> {
    let died = data.overview.died;
    if died == 0 {
        return None;
    }
    let words = html! { (format::counted(died, "event")) " died in the last hour." };
    let advice = html! { a href="/dead" { "See why, by reason" } ", correct the cause, and send them again." };
    Some(Alert::new(Severity::Bad, words, advice))
}

fn slow(data: &OverviewData) -> Option<Alert> {
    let oldest = data.overview.oldest_pending?;
    if all_paused(data) || late(data.now, oldest) < LONG {
        return None;
    }
    let words = html! {
        "The oldest waiting event came " (format::span(data.now.since(oldest))) " ago; "
        (format::waiting(data.overview.counts.stored(EventStatus::Pending))) "."
    };
    let advice = html! {
        "It is sent as fast as Klaviyo's limits allow, or tried again after a failure. "
        a href="/events?status=pending" { "See what waits" } "."
    };
    Some(Alert::new(Severity::Warn, words, advice))
}

fn late(now: Timestamp, then: Timestamp) -> i64 {
    now.as_millis() - then.as_millis()
}

fn throttled(data: &OverviewData) -> Option<Alert> {
    let closed = data
        .overview
        .recent_limits(data.now)
        .iter()
        .filter(|limit| limit.closed);
    let closed: Vec<String> = closed.map(|limit| limit.family.replace('_', " ")).collect();
    if closed.is_empty() {
        return None;
    }
    let words = html! { "Rate limited by Klaviyo (429): " (closed.join(", ")) "." };
    let advice = html! {
        "It goes on by itself after the time that Klaviyo named. If it happens often, another program uses the same "
        "account: lower " code { "delivery.limit_share" } "."
    };
    Some(Alert::new(Severity::Warn, words, advice))
}

fn blocked(data: &OverviewData) -> Option<Alert> {
    // While delivery is paused for the whole account, all events wait, and the reason is reported above.
    if data.blocked == 0 || all_paused(data) {
        return None;
    }
    let words = match data.blocked {
        1 => html! { "Later events of a person wait behind 1 event." },
        all => {
            html! { "Behind each of " (format::counted(all, "event")) " later ones of the same person wait." }
        }
    };
    let advice = html! { "That is the order being kept. " a href="/blocked" { "See who waits for what" } "." };
    Some(Alert::new(Severity::Calm, words, advice))
}

/// Requests that ingest rejected; most SDKs drop such a request silently.
fn rejected(data: &OverviewData) -> Option<Alert> {
    let lost = data.overview.rejected.iter().filter(|rejected| rejected.status != 429);
    let requests: u64 = lost.clone().map(|rejected| rejected.requests).sum();
    let latest = lost.max_by_key(|rejected| rejected.last_ms)?;
    let words = html! {
        (format::counted(requests, "request")) " rejected by ingest in the last hour: nothing of them is stored."
    };
    let advice = html! {
        "The last was answered " (latest.status) " " code { (latest.code) } ", to " (rejected_sender(latest)) ". "
        a href="#rejected" { "See who sends what" } ", and correct the sender: it may lose its events."
    };
    Some(Alert::new(Severity::Bad, words, advice))
}

/// Events that block others until an operator acts.
fn stopping(data: &OverviewData, state: &str) -> Option<Alert> {
    let stopped = data.overview.stopped.iter().find(|stopped| stopped.status == state)?;
    let hold = if stopped.heads == 1 { "holds" } else { "hold" };
    let heads = format::counted(stopped.heads, &format!("{state} event"));
    let words = html! {
        (heads) " " (hold) " up " (format::counted(stopped.behind, "later event")) " of the same people."
    };
    let way = if state == "held" { "Release" } else { "Replay" };
    let advice = html! { (way) " or discard: " a href="/blocked" { "see who waits for what" } "." };
    Some(Alert::new(Severity::Warn, words, advice))
}

fn unknown(data: &OverviewData) -> Option<Alert> {
    let count = data.overview.unknown_subscriptions;
    if count == 0 {
        return None;
    }
    let words = html! { (format::counted(count, "subscription")) " got no answer: Klaviyo may have accepted them." };
    let advice = html! {
        "They are not sent again by themselves, since a person may have unsubscribed meanwhile. "
        code { "klaviyo-relay replay --consent" } " sends them."
    };
    Some(Alert::new(Severity::Warn, words, advice))
}

fn copies(data: &OverviewData) -> Option<Alert> {
    let count = data.overview.counts.copies;
    if count == 0 {
        return None;
    }
    let words = html! { (format::counted(count, "event")) " skipped as copies: delivered before with the same `$event_id` for the same person." };
    let advice = html! {
        "Each names the first. If two were meant, send a `$event_id` of its own with each. "
        a href="/events?status=skipped" { "See what was skipped" } "."
    };
    Some(Alert::new(Severity::Calm, words, advice))
}

fn held(data: &OverviewData) -> Option<Alert> {
    let count = data.overview.counts.stored(EventStatus::Held);
    if count == 0 {
        return None;
    }
    let words = html! { (format::counted(count, "event")) " held by an operator." };
    let advice = html! {
        "Later events of the same people wait behind them. " a href="/events?status=held" { "See them, and let them go" } "."
    };
    Some(Alert::new(Severity::Warn, words, advice))
}

fn buried(data: &OverviewData) -> Option<Alert> {
    let count = data.overview.counts.stored(EventStatus::Dead);
    if count == 0 || data.overview.died > 0 {
        return None;
    }
    let words = html! { (format::counted(count, "dead letter")) " kept, none of them new in the last hour." };
    let advice = html! { a href="/dead" { "See why, by reason" } "." };
    Some(Alert::new(Severity::Calm, words, advice))
}
