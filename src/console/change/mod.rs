//! Changes many events in two steps: a preview, then a confirmation that does what was previewed.
//!
//! The preview changes nothing. The confirmation form carries the filters with absolute times, the number of events and
//! the highest event number, so that events that arrive later are excluded. When the filters then select a different
//! number of events, nothing is changed and the new preview is shown. The change is made by event number, on exactly
//! the events that were counted: events that start to match the filters in between stay unchanged.

mod form;
mod words;

use axum::Extension;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};

use super::filter::Asked;
use super::visit::{self, Answer, SEAL, Visit};
use crate::admin::asked::number;
use crate::admin::refusal::Refusal;
use crate::model::EventId;
use crate::operator::{self, Brief, Change, Found, Replay, Selection};

/// How many excluded event numbers are listed with their reason.
const NAMED: usize = 10;
/// The keys of a change besides its filters.
const OWN: [&str; 7] = ["do", "back", "consent", "backfill", "as_sent", "again", "fewer"];
/// The keys of the confirmation form.
const CONFIRMED: [&str; 10] = [
    "do", "back", "consent", "backfill", "as_sent", "again", "fewer", "count", "highest", SEAL,
];

/// A requested change.
struct Plan {
    asked: Asked,
    change: Change,
    /// Continue even if some of the events have changed their state in the meantime.
    fewer: bool,
    /// The page to return to afterwards.
    back: String,
}

/// The events that the plan selects now.
struct Seen {
    found: Found,
    /// The first of the excluded numbers; without an event where the number does not exist.
    left_out: Vec<(i64, Option<Brief>)>,
}

/// Why a confirmation changed nothing.
enum Held {
    /// The preview showed this many events; the number is different now.
    Counted(usize),
    /// Two options exclude each other.
    Contradiction,
}

/// Shows what a change will do.
pub(super) async fn ask(Extension(visit): Extension<Visit>, uri: Uri) -> Answer {
    let query = uri.query().unwrap_or_default();
    let plan = Plan::of(Asked::strictly(query, &OWN, visit.now)?)?;
    let seen = plan.look(&visit).await?;
    Ok(form::page(&visit, &plan, &seen, None))
}

/// Makes a confirmed change.
pub(super) async fn make(Extension(visit): Extension<Visit>, body: Bytes) -> Answer {
    let body = String::from_utf8_lossy(&body);
    let plan = Plan::of(Asked::strictly(&body, &CONFIRMED, visit.now)?)?;
    let (count, highest) = plan.confirmed()?;
    let mut seen = plan.look(&visit).await?;
    let meant = seen.found.events.iter().copied();
    let meant: Vec<i64> = meant.map(|id| id.0).filter(|id| *id <= highest).collect();
    let all_said = meant.len() == count || (plan.fewer && meant.len() < count);
    let held = if plan.contradicts_itself() {
        Some((Held::Contradiction, StatusCode::BAD_REQUEST))
    } else if !all_said || meant.is_empty() {
        Some((Held::Counted(count), StatusCode::CONFLICT))
    } else {
        None
    };
    if let Some((held, status)) = held {
        let mut response = form::page(&visit, &plan, &seen, Some(&held));
        *response.status_mut() = status;
        return Ok(response);
    }
    let filter = operator::Filter {
        ids: meant,
        ..plan.asked.filter().clone()
    };
    let made = plan.make(&filter, false, &visit).await?;
    seen.found.missing.extend(made.missing);
    let done = words::done(plan.change, made.events.len(), &seen.found.missing);
    Ok(visit::go_on(&plan.back, &done))
}

impl Plan {
    /// Reads the requested change and rejects an impossible one.
    fn of(asked: Asked) -> Result<Self, Refusal> {
        let chosen = |key| asked.own(key).is_some();
        let change = match asked.own("do") {
            Some("replay") => Change::Replay(Replay {
                consent: chosen("consent"),
                backfill: chosen("backfill"),
                as_sent: chosen("as_sent"),
                again: chosen("again"),
            }),
            Some("hold") => Change::Hold,
            Some("release") => Change::Release,
            Some("discard") => Change::Discard,
            Some(_) | None => return Err(Refusal::asked("bad_change", NO_CHANGE)),
        };
        if !asked.is_given() {
            return Err(operator::ChangeError::NoFilter.into());
        }
        if asked.states().len() > 1 {
            return Err(Refusal::asked("several_states", ONE_STATE));
        }
        if let Some(status) = asked.filter().status
            && !change.states().contains(&status)
        {
            let allowed = change.states();
            return Err(operator::ChangeError::WrongState { status, allowed }.into());
        }
        let back = asked.own("back").filter(|back| visit::is_ours(back));
        Ok(Self {
            back: back.map_or_else(|| asked.address("/events", &[]), str::to_owned),
            fewer: chosen("fewer"),
            change,
            asked,
        })
    }

    /// The change's verb in the request.
    fn verb(&self) -> &str {
        self.asked.own("do").unwrap_or_default()
    }

    fn contradicts_itself(&self) -> bool {
        match self.change {
            Change::Replay(how) => how.backfill && how.as_sent,
            Change::Hold | Change::Release | Change::Discard => false,
        }
    }

    /// The confirmed count and the highest event number.
    fn confirmed(&self) -> Result<(usize, i64), Refusal> {
        let whole = |key| self.asked.own(key)?.parse().ok();
        let highest = self.asked.own("highest").and_then(|text| number(text).ok());
        let confirmed = whole("count").zip(highest);
        confirmed.ok_or_else(|| Refusal::asked("unconfirmed", UNCONFIRMED))
    }

    /// Changes the selected events; with `dry_run` it only finds them.
    async fn make(
        &self,
        filter: &operator::Filter,
        dry_run: bool,
        visit: &Visit,
    ) -> Result<Found, operator::ChangeError> {
        let settings = visit.admin.settings();
        let (ingest, outbox) = (settings.ingest(), &visit.admin.outbox);
        let made = self.change.make(filter, dry_run, ingest, outbox, visit.now);
        made.await
    }

    /// Finds the selected events.
    async fn look(&self, visit: &Visit) -> Result<Seen, Refusal> {
        let outbox = &visit.admin.outbox;
        let found = self.make(self.asked.filter(), true, visit).await?;
        let named: Vec<i64> = found.missing.iter().copied().take(NAMED).collect();
        let known = if named.is_empty() {
            Vec::new()
        } else {
            let named = named.iter().copied().map(EventId).collect();
            outbox.briefs(&Selection::of(named), u32::MAX).await?
        };
        let brief = |id| known.iter().find(|brief| brief.id.0 == id).cloned();
        let left_out = named.into_iter().map(|id| (id, brief(id))).collect();
        Ok(Seen { found, left_out })
    }
}

const NO_CHANGE: &str =
    "`do` says what to do with the events: replay, hold, release or discard; go back, and choose one of them";
const ONE_STATE: &str = "a change is made of events of one status; go back, and choose one";
const UNCONFIRMED: &str = "the form does not say how many events were shown; nothing was changed: load the page anew, \
                           and confirm there";
