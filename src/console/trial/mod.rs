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
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::event::{self, sides};
use super::frame::Section;
use super::urls::address;
use super::visit::{self, Answer, Visit};
use crate::admin::refusal::Refusal;
use crate::model::Side;
use crate::operator::{ExplainError, Explanation, Fate, Foreseen, TakeError, explain, foresee, take};
use edit::Original;
use examples::EXAMPLES;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    example: String,
    /// The number of the event whose call is to be edited.
    #[serde(default)]
    event: String,
}

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
struct Typed {
    #[serde(default)]
    call: String,
    /// `server` or `client`; anything else: the call's library decides.
    #[serde(default)]
    side: String,
    /// The source of the call; may be empty if there is only one.
    #[serde(default)]
    source: String,
    /// The number of the event that it is an edited copy of; empty if it is no copy.
    #[serde(default)]
    event: String,
    /// How many requests the confirmation page showed; empty before the confirmation.
    #[serde(default)]
    requests: String,
}

/// The page with an example or the call of an event, and what it becomes.
pub(super) async fn form(Extension(visit): Extension<Visit>, uri: Uri) -> Answer {
    let asked = Query::try_from_uri(&uri).map_or_else(|_| Asked::default(), |Query(asked)| asked);
    if !asked.event.is_empty() {
        let original = edit::original(&visit, &asked.event).await?;
        let typed = Typed {
            call: original.draft.call.clone(),
            source: original.draft.source.clone(),
            event: asked.event,
            ..Typed::default()
        };
        let words = outcome(&visit, &typed, Some(&original));
        return Ok(page(&visit, &typed, "", Some(&original), &words));
    }
    let mut examples = EXAMPLES.iter();
    let example = examples.find(|example| example.word == asked.example);
    let example = example.unwrap_or(&EXAMPLES[0]);
    let typed = Typed {
        call: example.call.to_owned(),
        ..Typed::default()
    };
    let words = outcome(&visit, &typed, None);
    Ok(page(&visit, &typed, example.word, None, &words))
}

/// Shows what the entered call becomes.
pub(super) async fn explained(Extension(visit): Extension<Visit>, body: Bytes) -> Answer {
    let typed = typed(&body);
    let original = original(&visit, &typed).await?;
    let words = outcome(&visit, &typed, original.as_ref());
    Ok(page(&visit, &typed, "", original.as_ref(), &words))
}

/// Submits the entered call and opens its event: only if it can only reach the sandbox, or is a confirmed edited copy.
pub(super) async fn send(Extension(visit): Extension<Visit>, body: Bytes) -> Answer {
    let typed = typed(&body);
    let original = original(&visit, &typed).await?;
    if visit.admin.sandbox.is_none() {
        let original = original.as_ref().ok_or(Refusal::NO_SANDBOX)?;
        if let Some(before) = before_klaviyo(&visit, &typed, original) {
            return Ok(before);
        }
    }
    let settings = visit.admin.settings();
    let (outbox, clock) = (&visit.admin.outbox, &*visit.admin.clock);
    let source = source(&visit, &typed);
    let copy_of = original.as_ref().map(|original| original.id);
    match take(call(&typed), &source, copy_of, &settings, outbox, clock).await {
        Ok(taken) => {
            let words = if taken.known && copy_of.is_some() {
                "This very copy was taken before: nothing was stored, and this is its event."
            } else if copy_of.is_some() {
                "The edited copy was taken in. This is its event."
            } else if taken.known {
                "A call with this messageId was taken before: nothing was stored, and this is its event. Leave messageId \
                 out to send it again."
            } else {
                "The call was taken in. This is its event."
            };
            Ok(visit::go_on(&event::path(taken.event), words))
        }
        Err(error) => {
            let (status, words) = not_taken(&typed, error);
            let mut response = page(&visit, &typed, "", original.as_ref(), &words);
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

/// The page before a copy is sent to Klaviyo: its requests, or why it cannot be sent. `None` once it is confirmed.
fn before_klaviyo(visit: &Visit, typed: &Typed, original: &Original) -> Option<Response> {
    let (status, words) = match foreseen(visit, typed, Some(original)) {
        Err(error) => not_taken(typed, error),
        Ok(foreseen) => match foreseen.explanation.fate() {
            Fate::Requests(owed) if edit::is_confirmed(typed, &owed) => return None,
            Fate::Requests(owed) => {
                return Some(edit::confirm(visit, typed, original, &foreseen, &owed));
            }
            Fate::Refused(_) | Fate::Skipped(_) => (StatusCode::BAD_REQUEST, fate(&foreseen.explanation)),
        },
    };
    let mut response = page(visit, typed, "", Some(original), &words);
    *response.status_mut() = status;
    Some(response)
}

/// A preview of the submission.
fn foreseen(visit: &Visit, typed: &Typed, original: Option<&Original>) -> Result<Foreseen, TakeError> {
    let settings = visit.admin.settings();
    let source = source(visit, typed);
    let copy_of = original.map(|original| original.id);
    foresee(call(typed), &source, copy_of, &settings, &*visit.admin.clock)
}

/// The event that the entered call is an edited copy of, if it is a copy.
async fn original(visit: &Visit, typed: &Typed) -> Result<Option<Original>, Refusal> {
    match typed.event.as_str() {
        "" => Ok(None),
        number => edit::original(visit, number).await.map(Some),
    }
}

/// The source of the call. The form has no field for it if there is only one source.
fn source(visit: &Visit, typed: &Typed) -> String {
    let settings = visit.admin.settings();
    let mut sources = settings.sources();
    let first = sources.next().unwrap_or_default();
    let is_asked = sources.next().is_some();
    match typed.source.as_str() {
        source if source.is_empty() || (!is_asked && !typed.event.is_empty()) => first.to_owned(),
        source => source.to_owned(),
    }
}

fn typed(body: &Bytes) -> Typed {
    serde_urlencoded::from_bytes(body).unwrap_or_default()
}

/// The call without a byte-order mark, which ingest removes too.
fn call(typed: &Typed) -> &str {
    typed.call.trim_start_matches('\u{feff}').trim_end()
}

/// Why a call was not accepted.
fn not_taken(typed: &Typed, error: TakeError) -> (StatusCode, Markup) {
    let words = match error {
        TakeError::Json(error) => return (StatusCode::BAD_REQUEST, no_json(typed, &error)),
        TakeError::Refused(reason) => return (StatusCode::BAD_REQUEST, refused(&reason)),
        TakeError::NoSource | TakeError::Gone | TakeError::Other => error.to_string(),
        TakeError::Store(error) => format!("{error}: {}", error.source),
        TakeError::Read(ref read) => format!("{error}: {read}"),
        TakeError::Call(ref call) => format!("{error}: {call}"),
    };
    let words =
        html! { div.note.bad role="alert" { strong { "Nothing was sent." } p { (super::say::sentence(&words)) } } };
    (StatusCode::SERVICE_UNAVAILABLE, words)
}

/// What the entered call becomes, as text and requests. A copy is mapped by the rules of its source, unless a side is
/// chosen.
fn outcome(visit: &Visit, typed: &Typed, original: Option<&Original>) -> Markup {
    if original.is_some() && typed.side.is_empty() {
        return match foreseen(visit, typed, original) {
            Ok(foreseen) => fate(&foreseen.explanation),
            Err(error) => not_taken(typed, error).1,
        };
    }
    let side = Side::from_word(&typed.side);
    let settings = visit.admin.settings();
    match explain(call(typed), side, &settings, visit.now) {
        Ok(explanation) => fate(&explanation),
        Err(ExplainError::Json(error)) => no_json(typed, &error),
        Err(ExplainError::Call(error)) => refused(&format!("it cannot be read: {error}")),
    }
}

fn fate(explanation: &Explanation) -> Markup {
    let as_what = explanation.mapped_as();
    match explanation.fate() {
        Fate::Refused(reason) => refused(&reason),
        Fate::Skipped(reason) => html! {
            div.note.warn { strong { "Nothing is sent to Klaviyo for it." } p { (super::say::sentence(&reason)) } }
        },
        Fate::Requests(owed) => html! {
            div.note.good {
                strong { "It becomes " (super::say::counted(i64::try_from(owed.len()).unwrap_or(i64::MAX), "request")) "." }
                @if let Some((kind, side)) = as_what {
                    p { "Mapped as " (kind) ", made on the " (side) " side. Nothing was sent." }
                }
            }
            p.hint { "Point at a field, tap it or tab to it: it says where it comes from." }
            @for (at, owed) in owed.iter().enumerate() {
                (sides::planned(at + 1, owed))
            }
        },
    }
}

fn refused(reason: &str) -> Markup {
    html! {
        div.note.bad role="alert" {
            strong { "It is refused when it arrives." }
            p { (super::say::sentence(reason)) }
            p { "Alone it is answered 400; in a batch or from a webhook it is kept as dead." }
        }
    }
}

/// The error of a text that is not JSON, and its position.
fn no_json(typed: &Typed, error: &serde_json::Error) -> Markup {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let at = format!(" at line {line} column {column}");
    let words = words.strip_suffix(&at).unwrap_or(&words);
    let text = call(typed).lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // The error's columns are bytes.
    let (before, after) = text.split_at(text.floor_char_boundary(column));
    html! {
        div.note.bad role="alert" {
            @if call(typed).trim().is_empty() {
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

fn page(visit: &Visit, typed: &Typed, example: &str, original: Option<&Original>, words: &Markup) -> Response {
    let main = html! {
        @match original {
            Some(original) => (edit::note(visit, original)),
            None => p.soft { "Paste a Segment call and see which requests Klaviyo would get, and which rule gave each field." },
        }
        div.halves {
            section.card.stays aria-label="The call" {
                @if original.is_none() { (examples(example)) }
                (fields(visit, typed))
            }
            section.card.side aria-label="What becomes of it" { h2 { "What becomes of it" } (words) }
        }
    };
    let title = match original {
        Some(original) => format!("Edit a copy of event {}", original.id),
        None => "Try an event".to_owned(),
    };
    visit.page(&title, Section::Try, &main)
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

fn fields(visit: &Visit, typed: &Typed) -> Markup {
    html! {
        form method="post" action="/try" {
            (visit.sealed())
            @if !typed.event.is_empty() { input type="hidden" name="event" value=(typed.event); }
            label for="call" { "Segment call, as JSON" }
            // A browser drops the first line break of a text area.
            textarea #call name="call" rows=(typed.call.lines().count().clamp(14, 32)) spellcheck="false" autocomplete="off" { "\n" (typed.call) }
            div.filters {
                div {
                    label for="side" { "Mapped as made" }
                    select #side name="side" {
                        @for (word, name) in [("", "where its library says"), ("server", "on a server"), ("client", "in a browser")] {
                            option value=(word) selected[word == typed.side] { (name) }
                        }
                    }
                }
                button.primary { "Explain" }
            }
            @if visit.admin.sandbox.is_some() || !typed.event.is_empty() { (sending(visit, typed)) }
        }
    }
}

/// The part of the form that submits.
fn sending(visit: &Visit, typed: &Typed) -> Markup {
    let settings = visit.admin.settings();
    let sources: Vec<&str> = settings.sources().collect();
    html! {
        div.filters {
            @if sources.len() > 1 {
                div {
                    label for="source" { "Sent as" }
                    select #source name="source" {
                        @for source in &sources { option value=(source) selected[*source == typed.source] { (source) } }
                    }
                }
            }
            @if visit.admin.sandbox.is_some() {
                button formaction="/try/send" aria-describedby="sending" { "Send it to the sandbox" }
            } @else { (edit::button(visit)) }
        }
        p.hint #sending {
            "It is taken in as a call of the source "
            @if let [source] = sources[..] { code { (source) } } @else { "you choose" }
            ", mapped as that source's calls are, and you can watch it arrive."
            @if visit.admin.sandbox.is_none() { " What will be sent is shown first." }
        }
    }
}
