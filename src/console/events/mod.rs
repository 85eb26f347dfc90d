//! The event list: filters, search, pages, and the actions for all selected events.

pub(super) mod empty;
mod form;
pub(super) mod list;

use axum::Extension;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::filter::FilterParams;
use super::format;
use super::frame::Section;
use super::request::{self, Answer, PageRequest};
use super::urls::address;
use crate::model::{EventId, EventStatus};
use crate::operator::{Brief, Change, FoundBy, Hit, Page, ReadError, event_number};

/// Events on a page.
const PAGE: u32 = 50;
/// The maximum number of events that a search shows.
const MOST: u32 = 100;

/// The list, or the result of a search.
pub(super) async fn page(Extension(request): Extension<PageRequest>, uri: Uri) -> Answer {
    let query = uri.query().unwrap_or_default();
    let params = FilterParams::read(query, &["q", "before"], request.now);
    let mut params = params.known(&request).await?;
    let before = match params.own("before").map(event_number) {
        None => None,
        Some(Ok(number)) => Some(EventId(number)),
        Some(Err(_)) => {
            params.note("before", "is the number of an event");
            None
        }
    };
    if !params.wrongs().is_empty() {
        return Ok(unreadable(&request, &params));
    }
    if params.has_empty() {
        return Ok(request::see_other(&tidied(&params)));
    }
    if let Some(word) = params.own("q").map(str::trim) {
        return found(&request, &params, word).await;
    }
    let selection = params.selection();
    let page = request.admin.outbox.page(&selection, before, PAGE).await?;
    let main = html! {
        (form::form(&request, &params))
        (form::chips(&request, &params))
        @if page.events.is_empty() {
            (empty::list(&request, &params, before, &page))
        } @else {
            @if params.is_given() {
                (form::actions(&request, |change| works_on_all(change, &params), |path, more| params.address(path, more)))
            }
            (list::table(&request, "Events, the newest first", &page.events.iter().collect::<Vec<_>>(), None))
            (pages(&params, before, &page))
        }
    };
    Ok(request.page(&params.title(&request), Section::Events, &main))
}

/// Whether a change works on every state that the filters name.
fn works_on_all(change: Change, params: &FilterParams) -> bool {
    let mut states = params.filter().states.iter();
    states.all(|state| change.states().contains(state))
}

/// The address without empty keys.
fn tidied(params: &FilterParams) -> String {
    let own = ["q", "before"].map(|key| (key, params.own(key).unwrap_or_default()));
    let own: Vec<(&str, &str)> = own.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    params.address("/events", &own)
}

/// Shows the form again, with the errors at their fields. No events are listed: without the invalid filter the list
/// would have more events than requested.
fn unreadable(request: &PageRequest, params: &FilterParams) -> Response {
    let others = params.wrongs().iter();
    let others: Vec<_> = others.filter(|(key, _)| !form::has_field(key)).collect();
    let main = html! {
        div.note.bad role="alert" {
            strong { "Nothing is listed, since not all filters can be read." }
            @if others.is_empty() { p { "Change what is marked below." } }
            @else { ul { @for (key, words) in others { li { code { (key) } ": " (words) "." } } } }
        }
        (form::form(request, params))
    };
    let page = request.page("Events", Section::Events, &main);
    (StatusCode::BAD_REQUEST, page).into_response()
}

/// The links to other pages.
fn pages(params: &FilterParams, before: Option<EventId>, page: &Page) -> Markup {
    let last = page.events.last().map(|brief| brief.id);
    html! {
        nav.actions.pages aria-label="Pages of the list" {
            @if before.is_some() { a.button href=(params.address("/events", &[])) { "Newest" } }
            @match page.next {
                None => span.soft { "These are all." },
                Some(next) if Some(next) == last => {
                    a.button rel="next" href=(older(params, next)) { "Older" }
                }
                Some(next) => {
                    a.button rel="next" href=(older(params, next)) { "Look further back" }
                    span.soft { (looked_back(page)) }
                }
            }
        }
    }
}

/// How far back a page searched, if it did not search everything.
fn looked_back(page: &Page) -> Markup {
    html! {
        "A page looks through a part of the events"
        @if let Some(back) = page.looked_back_to { "; this one came to those of " (format::time(back)) }
        "."
    }
}

fn older(params: &FilterParams, next: EventId) -> String {
    params.address("/events", &[("before", &next.to_string())])
}

/// The result of a search: the event itself if the match is exact, the events of a person, or all candidates.
async fn found(request: &PageRequest, params: &FilterParams, word: &str) -> Answer {
    let mut hits = request.admin.outbox.search(word, MOST).await?;
    let of_person = !hits.is_empty() && hits.iter().all(|hit| hit.by == FoundBy::Person);
    if of_person && params.text("profile").is_empty() {
        return Ok(request::see_other(&params.address("/events", &[("profile", word)])));
    }
    if params.is_given() {
        hits = narrowed(request, params, hits).await?;
    } else if let [hit] = &hits[..] {
        return Ok(request::see_other(&format!("/events/{}", hit.brief.id)));
    }
    let main = html! {
        (form::chips(request, params))
        @if hits.is_empty() { (empty::search(request, params, word)) } @else { (hits_shown(request, word, &hits)) }
    };
    let title = format!("Search for “{}”", request.masked(word));
    Ok(request.page(&title, Section::Events, &main))
}

fn hits_shown(request: &PageRequest, word: &str, hits: &[Hit]) -> Markup {
    let briefs: Vec<&Brief> = hits.iter().map(|hit| &hit.brief).collect();
    let by: Vec<&str> = hits.iter().map(|hit| by_words(hit.by)).collect();
    let ids: Vec<String> = hits.iter().map(|hit| hit.brief.id.to_string()).collect();
    let ids = ids.join(",");
    let states = briefs.iter();
    let states: Vec<EventStatus> = states
        .filter_map(|brief| EventStatus::from_word(&brief.status))
        .collect();
    let some_are_of_a_person = hits.iter().any(|hit| hit.by == FoundBy::Person);
    let all_shown = hits.len() < MOST as usize;
    html! {
        p {
            (format::counted(hits.len(), "event")) " may be meant"
            @if !all_shown { "; there may be more" }
            "."
            @if some_are_of_a_person {
                " " a href=(address("/events", &[("profile", word)])) { "All events of this person" }
            }
        }
        (form::actions(request, |change| states.iter().any(|state| change.states().contains(state)), |path, more| {
            address(path, &more.iter().copied().chain([("id", ids.as_str())]).collect::<Vec<_>>())
        }))
        (list::table(request, "Events that may be meant", &briefs, Some(&by)))
    }
}

/// The hits that meet the filters.
async fn narrowed(request: &PageRequest, params: &FilterParams, hits: Vec<Hit>) -> Result<Vec<Hit>, ReadError> {
    let mut selection = params.selection();
    let is_meant = |id: EventId| selection.ids.is_empty() || selection.ids.contains(&id);
    let ids = hits.iter().map(|hit| hit.brief.id);
    let ids: Vec<EventId> = ids.filter(|id| is_meant(*id)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    selection.ids = ids;
    let met = request.admin.outbox.select(&selection).await?;
    let hits = hits.into_iter();
    Ok(hits.filter(|hit| met.contains(&hit.brief.id)).collect())
}

/// Completes "found by its …".
const fn by_words(by: FoundBy) -> &'static str {
    match by {
        FoundBy::Number => "number",
        FoundBy::MessageId => "message id",
        FoundBy::EventId => "$event_id",
        FoundBy::OrderId => "order",
        FoundBy::Person => "person",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_page_that_reached_its_bound_shows_how_far_it_read_and_where_to_continue() {
        let now = Timestamp::from_millis(1_795_440_000_000);
        let params = FilterParams::read("type=identify", &[], now);
        let page = Page {
            events: Vec::new(),
            next: Some(EventId(7)),
            looked_back_to: Some(now),
        };
        let markup = pages(&params, None, &page).into_string();
        assert!(
            markup.contains("href=\"/events?before=7&amp;type=identify\""),
            "{markup}"
        );
        assert!(markup.contains("Look further back"), "{markup}");
        assert!(markup.contains(&now.to_string()), "{markup}");
    }
}
