//! Exports the selected events as a file with the lines that `export` writes; personal data is unmasked.
//!
//! It promises bounded memory for an export of any size, and that an incomplete file is recognized as incomplete: the
//! connection is aborted.

use std::iter;

use axum::Extension;
use axum::body::Body;
use axum::http::{Uri, header};
use axum::response::IntoResponse as _;
use futures_util::stream;

use super::filter::FilterParams;
use super::request::{Answer, PageRequest};
use crate::model::{EventId, EventStatus, Timestamp};
use crate::operator::{ReadError, Reader, Selection, exported_line};

/// The file.
pub(super) async fn file(Extension(request): Extension<PageRequest>, uri: Uri) -> Answer {
    let params = FilterParams::strictly(uri.query().unwrap_or_default(), &[], request.now)?;
    let settings = request.admin.settings();
    let (ingest, outbox) = (settings.ingest(), &request.admin.outbox);
    params.filter().check_source(ingest, outbox).await?;
    let body = lines((*request.admin.outbox).clone(), params.selection());
    let name = format!("attachment; filename=\"{}\"", name(&params, request.now));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}

/// Reads one chunk of events at a time, when the client has read the previous one.
fn lines(outbox: Reader, selection: Selection) -> Body {
    let from = (outbox, selection, EventId(0));
    let portions = stream::try_unfold(from, |(outbox, selection, after)| async move {
        let events = outbox.export(&selection, after).await;
        let events = events.inspect_err(|error| {
            tracing::error!(%error, "an export on the admin port was cut off");
        })?;
        let Some(last) = events.last().map(|event| event.id) else {
            return Ok(None);
        };
        let lines: String = events.iter().map(exported_line).collect();
        Ok::<_, ReadError>(Some((lines, (outbox, selection, last))))
    });
    Body::from_stream(portions)
}

/// The file name: `events-dead-2026-11-23T093000Z.ndjson`.
fn name(params: &FilterParams, now: Timestamp) -> String {
    let states = params.filter().states.iter().copied().map(EventStatus::word);
    let words: Vec<&str> = iter::once("events").chain(states).collect();
    let now = now.to_string();
    let time = now.get(..19).unwrap_or(&now).replace(':', "");
    format!("{}-{time}Z.ndjson", words.join("-"))
}
