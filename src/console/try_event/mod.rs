//! Tries a call before it is sent: shows the requests it becomes and by which rules. With the sandbox on, the call can
//! also be sent and followed. An edited copy of a stored call can be sent to Klaviyo too, after a confirmation.
//!
//! A preview stores nothing. A submitted call passes through ingest's checks into the outbox, like every call.

mod edit;
mod examples;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::event::{self, call_and_requests};
use super::frame::Section;
use super::request::{self, Answer, PageRequest};
use super::urls::address;
use crate::admin::refusal::Refusal;
use crate::model::Side;
use crate::operator::{ExplainError, Explanation, SubmitError, SubmitPreview, explain, preview_submit, submit};
use edit::Original;
use examples::EXAMPLES;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TryParams {
    example: String,
    /// The number of the event whose call is to be edited.
    event: String,
}

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CallForm {
    call: String,
    /// `server` or `client`; anything else: the call's library decides.
    side: String,
    /// The source of the call; may be empty if there is only one.
    source: String,
    /// The number of the event that it is an edited copy of; empty if it is no copy.
    event: String,
    /// How many requests the confirmation page showed; empty before the confirmation.
    requests: String,
}

/// The page with an example or the call of an event, and what it becomes.
pub(super) async fn form(Extension(request): Extension<PageRequest>, uri: Uri) -> Answer {
    let params = Query::try_from_uri(&uri).map_or_else(|_| TryParams::default(), |Query(params)| params);
    if !params.event.is_empty() {
        let original = edit::original(&request, &params.event).await?;
        let input = CallForm {
            call: original.draft.call.clone(),
            source: original.draft.source.clone(),
            event: params.event,
            ..CallForm::default()
        };
        let words = outcome(&request, &input, Some(&original));
        return Ok(page(&request, &input, "", Some(&original), &words));
    }
    let mut examples = EXAMPLES.iter();
    let example = examples.find(|example| example.word == params.example);
    let example = example.unwrap_or(&EXAMPLES[0]);
    let input = CallForm {
        call: example.call.to_owned(),
        ..CallForm::default()
    };
    let words = outcome(&request, &input, None);
    Ok(page(&request, &input, example.word, None, &words))
}

/// Shows what the entered call becomes.
pub(super) async fn explain_call(Extension(request): Extension<PageRequest>, body: Bytes) -> Answer {
    let input = input(&body);
    let original = original(&request, &input).await?;
    let words = outcome(&request, &input, original.as_ref());
    Ok(page(&request, &input, "", original.as_ref(), &words))
}

/// Submits the entered call and opens its event: only if it can only reach the sandbox, or is a confirmed edited copy.
pub(super) async fn send(Extension(request): Extension<PageRequest>, body: Bytes) -> Answer {
    let input = input(&body);
    let original = original(&request, &input).await?;
    if request.admin.sandbox.is_none() {
        let original = original.as_ref().ok_or(Refusal::NO_SANDBOX)?;
        if let Some(before) = confirmation(&request, &input, original) {
            return Ok(before);
        }
    }
    let settings = request.admin.settings();
    let (outbox, intake) = (&request.admin.outbox, &request.admin.intake);
    let clock = &*request.admin.clock;
    let source = source(&request, &input);
    let copy_of = original.as_ref().map(|original| original.id);
    match submit(call(&input), &source, copy_of, &settings, (outbox, intake), clock).await {
        Ok(submitted) => {
            let words = match (submitted.known, copy_of.is_some()) {
                (true, true) => "This very copy was accepted before: nothing was stored, and this is its event.",
                (false, true) => "The edited copy was accepted. This is its event.",
                (true, false) => {
                    "A call with this messageId was accepted before: nothing was stored, and this is its event. Leave \
                     messageId out to send it again."
                }
                (false, false) => "The call was accepted. This is its event.",
            };
            Ok(request::redirect_with_flash(&event::path(submitted.event), words))
        }
        Err(error) => {
            let (status, words) = rejected(&input, error);
            let page = page(&request, &input, "", original.as_ref(), &words);
            Ok((status, page).into_response())
        }
    }
}

/// The page before a copy is sent to Klaviyo: its requests, or why it cannot be sent. `None` once it is confirmed.
fn confirmation(request: &PageRequest, input: &CallForm, original: &Original) -> Option<Response> {
    let (status, words) = match submit_preview(request, input, Some(original)) {
        Err(error) => rejected(input, error),
        Ok(preview) => match &preview.explanation {
            Explanation::Requests { requests, .. } if edit::is_confirmed(input, requests) => return None,
            Explanation::Requests { requests, .. } => {
                return Some(edit::confirm(request, input, original, &preview, requests));
            }
            Explanation::Rejected { .. } | Explanation::Skipped { .. } => {
                (StatusCode::BAD_REQUEST, preview_markup(&preview.explanation))
            }
        },
    };
    let page = page(request, input, "", Some(original), &words);
    Some((status, page).into_response())
}

/// A preview of the submission.
fn submit_preview(
    request: &PageRequest,
    input: &CallForm,
    original: Option<&Original>,
) -> Result<SubmitPreview, SubmitError> {
    let settings = request.admin.settings();
    let source = source(request, input);
    let copy_of = original.map(|original| original.id);
    preview_submit(call(input), &source, copy_of, &settings, &*request.admin.clock)
}

/// The event that the entered call is an edited copy of, if it is a copy.
async fn original(request: &PageRequest, input: &CallForm) -> Result<Option<Original>, Refusal> {
    match input.event.as_str() {
        "" => Ok(None),
        number => edit::original(request, number).await.map(Some),
    }
}

/// The source of the call. The form has no field for it if there is only one source.
fn source(request: &PageRequest, input: &CallForm) -> String {
    let settings = request.admin.settings();
    let mut sources = settings.sources();
    let first = sources.next().unwrap_or_default();
    let is_asked = sources.next().is_some();
    match input.source.as_str() {
        source if source.is_empty() || (!is_asked && !input.event.is_empty()) => first.to_owned(),
        source => source.to_owned(),
    }
}

fn input(body: &Bytes) -> CallForm {
    serde_urlencoded::from_bytes(body).unwrap_or_default()
}

/// The call without a byte-order mark, which ingest removes too.
fn call(input: &CallForm) -> &str {
    input.call.trim_start_matches('\u{feff}').trim_end()
}

/// Why a call was not accepted.
fn rejected(input: &CallForm, error: SubmitError) -> (StatusCode, Markup) {
    let words = match error {
        SubmitError::Json(error) => return (StatusCode::BAD_REQUEST, no_json(input, &error)),
        SubmitError::Rejected(reason) => return (StatusCode::BAD_REQUEST, rejected_call(&reason)),
        SubmitError::NoSource | SubmitError::Gone | SubmitError::Other => error.to_string(),
        SubmitError::Store(error) => format!("{error}: {}", error.source),
        SubmitError::Read(ref read) => format!("{error}: {read}"),
        SubmitError::Call(ref call) => format!("{error}: {call}"),
    };
    let words =
        html! { div.note.bad role="alert" { strong { "Nothing was sent." } p { (super::format::sentence(&words)) } } };
    (StatusCode::SERVICE_UNAVAILABLE, words)
}

/// What the entered call becomes, as text and requests. A copy is mapped by the rules of its source, unless a side is
/// chosen.
fn outcome(request: &PageRequest, input: &CallForm, original: Option<&Original>) -> Markup {
    if original.is_some() && input.side.is_empty() {
        return match submit_preview(request, input, original) {
            Ok(preview) => preview_markup(&preview.explanation),
            Err(error) => rejected(input, error).1,
        };
    }
    let side = Side::from_word(&input.side);
    let settings = request.admin.settings();
    match explain(call(input), side, &settings, request.now) {
        Ok(explanation) => preview_markup(&explanation),
        Err(ExplainError::Json(error)) => no_json(input, &error),
        Err(ExplainError::Call(error)) => rejected_call(&format!("it cannot be read: {error}")),
    }
}

fn preview_markup(explanation: &Explanation) -> Markup {
    match explanation {
        Explanation::Rejected { refused: reason, .. } => rejected_call(reason),
        Explanation::Skipped { skipped, .. } => html! {
            div.note.warn { strong { "Nothing is sent to Klaviyo for it." } p { (super::format::sentence(skipped)) } }
        },
        Explanation::Requests { kind, side, requests } => html! {
            div.note.good {
                strong {
                    "It becomes " (super::format::counted(requests.len(), "request")) "."
                }
                p { "Mapped as " (kind) ", made on the " (side) " side. Nothing was sent." }
            }
            p.hint { "Point at a field, tap it or tab to it: it says where it comes from." }
            @for (at, owed) in requests.iter().enumerate() {
                (call_and_requests::planned(at + 1, owed))
            }
        },
    }
}

fn rejected_call(reason: &str) -> Markup {
    html! {
        div.note.bad role="alert" {
            strong { "Ingest rejects it." }
            p { (super::format::sentence(reason)) }
            p { "Alone it is answered 400; in a batch or from a webhook it is kept as dead." }
        }
    }
}

/// The error of a text that is not JSON, and its position.
fn no_json(input: &CallForm, error: &serde_json::Error) -> Markup {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let at = format!(" at line {line} column {column}");
    let words = words.strip_suffix(&at).unwrap_or(&words);
    let text = call(input).lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // The error's columns are bytes.
    let (before, after) = text.split_at(text.floor_char_boundary(column));
    html! {
        div.note.bad role="alert" {
            @if call(input).trim().is_empty() {
                strong { "There is no call." }
                p { "Paste one Segment call as JSON, or take one of the examples." }
            } @else {
                strong { "This is not JSON." }
                p { "Line " (line) ", column " (column) ": " (words) "." }
                p { code { (tail(before)) mark { "◀" } (head(after)) } }
            }
        }
    }
}

/// The part of a long line before a position.
fn tail(text: &str) -> &str {
    let from = text.char_indices().rev().nth(59).map_or(0, |(at, _)| at);
    &text[from..]
}

/// The part of a long line after a position.
fn head(text: &str) -> &str {
    let to = text.char_indices().nth(30).map_or(text.len(), |(at, _)| at);
    &text[..to]
}

fn page(
    request: &PageRequest,
    input: &CallForm,
    example: &str,
    original: Option<&Original>,
    words: &Markup,
) -> Response {
    let main = html! {
        @match original {
            Some(original) => (edit::note(request, original)),
            None => p.soft { "Paste a Segment call and see which requests Klaviyo would get, and which rule gave each field." },
        }
        div.halves {
            section.card.stays aria-label="The call" {
                @if original.is_none() { (examples(example)) }
                (fields(request, input))
            }
            section.card.side aria-label="What becomes of it" { h2 { "What becomes of it" } (words) }
        }
    };
    let title = match original {
        Some(original) => format!("Edit a copy of event {}", original.id),
        None => "Try an event".to_owned(),
    };
    request.page(&title, Section::Try, &main)
}

fn examples(current: &str) -> Markup {
    html! {
        nav.actions aria-label="Examples" {
            span.soft { "Examples:" }
            @for example in &EXAMPLES {
                a href=(address("/try", &[("example", example.word)]))
                    aria-current=[(example.word == current).then_some("true")] { (example.name) }
            }
        }
    }
}

fn fields(request: &PageRequest, input: &CallForm) -> Markup {
    html! {
        form method="post" action="/try" {
            (request.csrf_field())
            @if !input.event.is_empty() { input type="hidden" name="event" value=(input.event); }
            label for="call" { "Segment call, as JSON" }
            // A browser drops the first line break of a text area.
            textarea #call name="call" rows=(input.call.lines().count().clamp(14, 32)) spellcheck="false" autocomplete="off" { "\n" (input.call) }
            div.filters {
                div {
                    label for="side" { "Mapped as made" }
                    select #side name="side" {
                        @for (word, name) in [("", "where its library says"), ("server", "on a server"), ("client", "in a browser")] {
                            option value=(word) selected[word == input.side] { (name) }
                        }
                    }
                }
                button.primary { "Explain" }
            }
            @if request.admin.sandbox.is_some() || !input.event.is_empty() { (sending(request, input)) }
        }
    }
}

/// The part of the form that submits.
fn sending(request: &PageRequest, input: &CallForm) -> Markup {
    let settings = request.admin.settings();
    let sources: Vec<&str> = settings.sources().collect();
    html! {
        div.filters {
            @if sources.len() > 1 {
                div {
                    label for="source" { "Sent as" }
                    select #source name="source" {
                        @for source in &sources { option value=(source) selected[*source == input.source] { (source) } }
                    }
                }
            }
            @if request.admin.sandbox.is_some() {
                button formaction="/try/send" aria-describedby="sending" { "Send it to the sandbox" }
            } @else { (edit::button(request)) }
        }
        p.hint #sending {
            "It is accepted as a call of the source "
            @if let [source] = sources[..] { code { (source) } } @else { "you choose" }
            ", mapped as that source's calls are, and you can watch it arrive."
            @if request.admin.sandbox.is_none() { " What will be sent is shown first." }
        }
    }
}
