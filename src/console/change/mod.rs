//! Changes many events in two steps: a preview, then a confirmation that does what was previewed.
//!
//! The preview changes nothing. The confirmation form carries the filters with absolute times, the number of events and
//! the highest event number, so that events that arrive later are excluded. When the filters then select a different
//! number of events, nothing is changed and the new preview is shown. The change is made by event number, on exactly
//! the events that were counted: events that start to match the filters in between stay unchanged.

mod form;
mod texts;

use axum::Extension;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;

use super::filter::FilterParams;
use super::request::{self, Answer, CSRF, PageRequest};
use crate::admin::refusal::Refusal;
use crate::model::EventId;
use crate::operator::{self, Brief, Change, Matches, Replay, event_number};

/// How many excluded event numbers are listed with their reason.
const NAMED: usize = 10;
/// The keys of a change besides its filters.
const OWN: [&str; 7] = ["do", "back", "consent", "backfill", "as_sent", "again", "fewer"];
/// The keys of the confirmation form.
const CONFIRMED: [&str; 10] = [
    "do", "back", "consent", "backfill", "as_sent", "again", "fewer", "count", "highest", CSRF,
];

/// A requested change.
struct Plan {
    params: FilterParams,
    change: Change,
    /// Continue even if some of the events have changed their state in the meantime.
    fewer: bool,
    /// The page to return to afterwards.
    back: String,
}

/// The events that the plan selects now.
struct ChangePreview {
    found: Matches,
    /// The first of the excluded numbers; without an event where the number does not exist.
    left_out: Vec<(i64, Option<Brief>)>,
}

/// Why a confirmation changed nothing.
enum Unchanged {
    /// The preview showed this many events; the number is different now.
    Counted(usize),
    /// Two options exclude each other.
    Contradiction,
}

/// Shows what a change will do.
pub(super) async fn preview(Extension(request): Extension<PageRequest>, uri: Uri) -> Answer {
    let query = uri.query().unwrap_or_default();
    let plan = Plan::of(FilterParams::strictly(query, &OWN, request.now)?)?;
    let preview = plan.preview(&request).await?;
    Ok(form::page(&request, &plan, &preview, None))
}

/// Makes a confirmed change.
pub(super) async fn confirm(Extension(request): Extension<PageRequest>, body: Bytes) -> Answer {
    let body = String::from_utf8_lossy(&body);
    let plan = Plan::of(FilterParams::strictly(&body, &CONFIRMED, request.now)?)?;
    let (count, highest) = plan.confirmed()?;
    let mut preview = plan.preview(&request).await?;
    let selected = preview.found.events.iter().copied();
    let selected: Vec<i64> = selected.map(|id| id.0).filter(|id| *id <= highest).collect();
    let is_as_shown = selected.len() == count || (plan.fewer && selected.len() < count);
    let unchanged = if plan.contradicts_itself() {
        Some((Unchanged::Contradiction, StatusCode::BAD_REQUEST))
    } else if !is_as_shown || selected.is_empty() {
        Some((Unchanged::Counted(count), StatusCode::CONFLICT))
    } else {
        None
    };
    if let Some((unchanged, status)) = unchanged {
        let page = form::page(&request, &plan, &preview, Some(&unchanged));
        return Ok((status, page).into_response());
    }
    let filter = operator::Filter {
        ids: selected,
        ..plan.params.filter().clone()
    };
    let made = plan.make(&filter, false, &request).await?;
    preview.found.missing.extend(made.missing);
    let done = texts::done(plan.change, made.events.len(), &preview.found.missing);
    Ok(request::redirect_with_flash(&plan.back, &done))
}

impl Plan {
    /// Reads the requested change and rejects an impossible one.
    fn of(params: FilterParams) -> Result<Self, Refusal> {
        let chosen = |key| params.own(key).is_some();
        let change = match params.own("do") {
            Some("replay") => Change::Replay(Replay {
                consent: chosen("consent"),
                backfill: chosen("backfill"),
                as_sent: chosen("as_sent"),
                again: chosen("again"),
            }),
            Some("hold") => Change::Hold,
            Some("release") => Change::Release,
            Some("discard") => Change::Discard,
            Some(_) | None => return Err(Refusal::bad_request("bad_change", NO_CHANGE)),
        };
        if !params.is_given() {
            return Err(operator::ChangeError::NoFilter.into());
        }
        let allowed = change.states();
        let mut states = params.filter().states.iter().copied();
        if let Some(status) = states.find(|status| !allowed.contains(status)) {
            return Err(operator::ChangeError::WrongState { status, allowed }.into());
        }
        let back = params.own("back").filter(|back| request::is_own_path(back));
        Ok(Self {
            back: back.map_or_else(|| params.address("/events", &[]), str::to_owned),
            fewer: chosen("fewer"),
            change,
            params,
        })
    }

    /// The change's verb in the request.
    fn verb(&self) -> &str {
        self.params.own("do").unwrap_or_default()
    }

    fn contradicts_itself(&self) -> bool {
        match self.change {
            Change::Replay(how) => how.backfill && how.as_sent,
            Change::Hold | Change::Release | Change::Discard => false,
        }
    }

    /// The confirmed count and the highest event number.
    fn confirmed(&self) -> Result<(usize, i64), Refusal> {
        let whole = |key| self.params.own(key)?.parse().ok();
        let highest = self.params.own("highest").and_then(|text| event_number(text).ok());
        let confirmed = whole("count").zip(highest);
        confirmed.ok_or_else(|| Refusal::bad_request("unconfirmed", UNCONFIRMED))
    }

    /// Changes the selected events; with `dry_run` it only finds them.
    async fn make(
        &self,
        filter: &operator::Filter,
        dry_run: bool,
        request: &PageRequest,
    ) -> Result<Matches, operator::ChangeError> {
        let settings = request.admin.settings();
        let (ingest, outbox) = (settings.ingest(), &request.admin.outbox);
        let made = self.change.make(filter, dry_run, ingest, outbox, request.now);
        made.await
    }

    /// Finds the selected events.
    async fn preview(&self, request: &PageRequest) -> Result<ChangePreview, Refusal> {
        let outbox = &request.admin.outbox;
        let found = self.make(self.params.filter(), true, request).await?;
        let named: Vec<i64> = found.missing.iter().copied().take(NAMED).collect();
        let ids: Vec<EventId> = named.iter().copied().map(EventId).collect();
        let known = outbox.briefs_of(&ids).await?;
        let brief = |id| known.iter().find(|brief| brief.id.0 == id).cloned();
        let left_out = named.into_iter().map(|id| (id, brief(id))).collect();
        Ok(ChangePreview { found, left_out })
    }
}

const NO_CHANGE: &str =
    "`do` is what to do with the events: replay, hold, release or discard; go back, and choose one of them";
const UNCONFIRMED: &str = "the form lacks the number of events that were shown; nothing was changed: load the page again, \
                           and confirm there";
