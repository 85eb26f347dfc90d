//! The texts of an empty list, and what to do next.

use std::net::IpAddr;

use maud::{Markup, html};
use secrecy::ExposeSecret as _;

use super::super::filter::FilterParams;
use super::super::format;
use super::super::request::PageRequest;
use super::{looked_back, older};
use crate::config::{DEV_WRITE_KEY, IngestConfig};
use crate::model::EventId;
use crate::operator::Page;

/// The list has no events.
pub(super) fn list(request: &PageRequest, params: &FilterParams, before: Option<EventId>, page: &Page) -> Markup {
    if let Some(next) = page.next {
        let further = html! {
            p { (looked_back(page)) }
            a.button href=(older(params, next)) { "Look further back" }
        };
        return format::empty("None of these is such an event.", &further);
    }
    if before.is_some() {
        let newest = html! { a href=(params.address("/events", &[])) { "To the newest" } };
        return format::empty("There are no older ones.", &newest);
    }
    if !params.is_given() {
        return format::empty("No event has arrived yet.", &first(request));
    }
    let wider = html! {
        "Take a filter away above, or "
        a href="/events" { "look at all events" }
        ". A name is compared letter by letter; a person is looked for by user id, anonymous id, e-mail and phone."
    };
    format::empty("No event meets all of these filters.", &wider)
}

/// A search found nothing.
pub(super) fn search(request: &PageRequest, params: &FilterParams, word: &str) -> Markup {
    let found = if params.is_given() {
        "Nothing that meets the filters above is known by"
    } else {
        "Nothing is known by"
    };
    let words = format!("{found} “{}”.", request.masked(word));
    let wider = html! {
        "It was looked for as an event's number, message id and " code { "$event_id" }
        ", as an order, and as a person's user id, anonymous id, e-mail and phone, each of them whole."
        br;
        @if params.is_given() {
            a href=(super::address("/events", &[("q", word)])) { "Search without the filters" } " · "
        }
        a href=(super::address("/events", &[("event", word)])) { "Look at events of this name" } " · "
        a href="/events" { "Look at the newest events" }
    };
    format::empty(&words, &wider)
}

/// How to send the first event.
pub(in super::super) fn first(request: &PageRequest) -> Markup {
    let settings = request.admin.settings();
    html! {
        "Point an SDK at the ingest port, or send one from a terminal:"
        pre.command tabindex="0" { code { (curl(settings.ingest())) } }
        @if !has_shipped_key(settings.ingest()) {
            span { code { "KEY" } " is the " code { "write_key" } " of a source under " code { "[[ingest.sources]]" } ". " }
        }
        a href=(request.here) { "Look again" } ", or " a href="/try" { "try an event" } " here."
    }
}

/// A command that sends an event.
fn curl(ingest: &IngestConfig) -> String {
    let key = if has_shipped_key(ingest) { DEV_WRITE_KEY } else { "KEY" };
    let base = ingest.public_url.as_ref().map_or_else(
        || address(ingest),
        |url| format!("{}://{}", scheme(url.https), url.address),
    );
    format!(
        "curl -u {key}: -d '{{\"userId\":\"u1\",\"event\":\"Order Completed\",\"properties\":{{\"orderId\":\"1001\"}}}}' \
         {base}/v1/track"
    )
}

/// The address of ingest, as seen from this machine.
fn address(ingest: &IngestConfig) -> String {
    let host = match ingest.listen.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let (scheme, port) = (scheme(ingest.tls_cert.is_some()), ingest.listen.port());
    let prefix = ingest.path_prefix.as_deref().unwrap_or_default();
    format!("{scheme}://{host}:{port}{prefix}")
}

const fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Whether a source still has the write key of the shipped configuration, which is public.
fn has_shipped_key(ingest: &IngestConfig) -> bool {
    let mut keys = ingest.sources.iter().map(|source| source.write_key.expose_secret());
    keys.any(|key| key == DEV_WRITE_KEY)
}
