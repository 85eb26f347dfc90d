//! The changing endpoints: replay, hold, release and discard events, erase a person; and `explain`, which changes
//! nothing. The descriptions of the bodies' fields are those of the API's document.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Admin;
use super::super::refusal::Refusal;
use super::params::{self, FilterBody};
use crate::model::Side;
use crate::operator::{self, Change, ErasureReport, Explanation, Filter, ProfileFilter};
use crate::outbox::Replay;

/// The size limit of a body that names events: enough for thousands of numbers.
const CHANGE_BYTES: usize = 64 << 10;

/// How long an erasure waits for requests in flight.
const FORGET_PATIENCE: Duration = Duration::from_secs(10);

type Answer<T = Value> = Result<Json<T>, Refusal>;

/// The body of a change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    #[schemars(with = "Filter")]
    filter: FilterBody,
    /// Change nothing, and show what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// The body of a replay.
#[expect(clippy::struct_excessive_bools, reason = "the options of the command, by its names")]
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {
    "required": ["backfill", "as_sent"],
    "properties": {"backfill": {"const": true}, "as_sent": {"const": true}},
}))]
pub(super) struct ReplayBody {
    #[schemars(with = "Filter")]
    filter: FilterBody,
    /// Change nothing, and show what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Subscriptions of any age too.
    #[serde(default)]
    consent: bool,
    /// Have Klaviyo record events without starting flows; not with `as_sent`.
    #[serde(default)]
    backfill: bool,
    /// The requests of the generation before, instead of mapping again.
    #[serde(default)]
    as_sent: bool,
    /// Send what an earlier generation delivered too: its old traits overwrite newer ones.
    #[serde(default)]
    again: bool,
}

/// The body of an erasure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    /// A user id, anonymous id, e-mail or phone; `user:ID` is exact. One that may be several people is refused.
    profile: String,
    /// Change nothing, and show how many events it would be.
    #[serde(default)]
    dry_run: bool,
}

/// An erasure, or its dry run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Erasure {
    /// A dry run.
    Preview {
        /// `true`: nothing was erased.
        dry_run: bool,
        /// How many events would be erased.
        count: usize,
        /// How many of them wait.
        waiting: usize,
    },
    /// An erasure.
    Made {
        /// `false`.
        dry_run: bool,
        #[serde(flatten)]
        report: ErasureReport,
    },
}

/// The query of `explain`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// Map it as made on this side, in place of the side of its library.
    #[schemars(with = "Side")]
    side: Option<String>,
}

pub(super) async fn replay(State(admin): State<Arc<Admin>>, request: Request) -> Answer {
    let body: ReplayBody = params::json(request, CHANGE_BYTES).await?;
    let ReplayBody {
        filter,
        dry_run,
        consent,
        backfill,
        as_sent,
        again,
    } = body;
    if backfill && as_sent {
        let words = "backfill and as_sent exclude each other: what was sent once is not changed";
        return Err(Refusal::bad_request("contradiction", words));
    }
    let how = Replay {
        consent,
        backfill,
        as_sent,
        again,
    };
    make(admin, Change::Replay(how), ChangeBody { filter, dry_run }).await
}

/// Makes a change that has no options.
pub(super) async fn plain(change: Change, admin: Arc<Admin>, request: Request) -> Answer {
    let body = params::json(request, CHANGE_BYTES).await?;
    make(admin, change, body).await
}

/// Like the command `forget`, but waits a shorter time for requests in flight: the client can repeat the request.
pub(super) async fn forget(State(admin): State<Arc<Admin>>, request: Request) -> Answer<Erasure> {
    let EraseBody { profile, dry_run } = params::json(request, CHANGE_BYTES).await?;
    let profile: ProfileFilter = profile
        .parse()
        .map_err(|error| Refusal::filter("profile", error, "bad_json"))?;
    let person = operator::find_person(&admin.outbox, &profile).await?;
    if dry_run {
        return Ok(Json(Erasure::Preview {
            dry_run,
            count: person.events.len(),
            waiting: operator::open_events(&person).len(),
        }));
    }
    let report = operator::forget(&admin.outbox, &*admin.clock, person, FORGET_PATIENCE).await?;
    Ok(Json(Erasure::Made { dry_run, report }))
}

/// Returns what `explain --json` prints.
pub(super) async fn explain(State(admin): State<Arc<Admin>>, request: Request) -> Answer<Explanation> {
    let ExplainQuery { side } = params::read_query(request.uri())?;
    let read = |word: String| {
        let wrong = || Refusal::bad_request("bad_side", "a side is `server` or `client`");
        Side::from_word(&word).ok_or_else(wrong)
    };
    let side = side.map(read).transpose()?;
    let settings = admin.settings();
    let call = params::json_text(request, settings.max_event_bytes()).await?;
    let call = call.trim_start_matches('\u{feff}').trim();
    Ok(Json(operator::explain(call, side, &settings, admin.clock.now())?))
}

/// Makes a change in chunks. When the client disconnects, finished chunks stay; a repeated request does the rest.
async fn make(admin: Arc<Admin>, change: Change, body: ChangeBody) -> Answer {
    let now = admin.clock.now();
    let filter = body.filter.read()?;
    let settings = admin.settings();
    let ingest = settings.ingest();
    let made = change.make(&filter, body.dry_run, ingest, &admin.outbox, now);
    Ok(Json(made.await?.json(body.dry_run)))
}
