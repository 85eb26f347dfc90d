//! Filters and searches: what an operator types into an address, a request, a command line or a field for a search.
//!
//! The input's first byte is the place; the rest is the text.
//!
//! Held: a page's address means what the page's filters mean, and the same filters mean the same events to the page and
//! to the API; a time that is printed reads as the time it is; everybody who has a name is found by the name as it is
//! kept; and a command line is accepted or rejected, with words.

use axum::http::Uri;
use clap::Parser as _;
use klaviyo_relay::admin::params;
use klaviyo_relay::cli::Cli;
use klaviyo_relay::console::filter::{FilterParams, address};
use klaviyo_relay::model::{Identifier, IdentifierKind, Timestamp};
use klaviyo_relay::operator::TimeExpr;
use klaviyo_relay::outbox::Selection;

/// When it is asked: 2026-11-23T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_435_200_000);
/// Reads a filter.
pub fn target(data: &[u8]) {
    let Some((way, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    match way {
        b'p' => page(text),
        b'j' => body(text),
        b'c' => command(text),
        b't' => time(text),
        _ => word(text),
    }
}

/// The query of a page.
fn page(pairs: &str) {
    let asked = FilterParams::read(pairs, &["before"], NOW);
    assert_eq!(asked.fixed().is_empty(), !asked.is_given());
    if !asked.wrongs().is_empty() {
        assert!(FilterParams::strictly(pairs, &["before"], NOW).is_err());
        return;
    }
    let again = |query: &str| FilterParams::read(query, &[], NOW);
    let query = |address: &str| address.split_once('?').map_or("", |(_, query)| query).to_owned();
    let kept = again(&query(&asked.address("/events", &[])));
    assert_eq!(kept.selection(), asked.selection());
    assert_eq!(kept.filter(), asked.filter());
    assert!(kept.wrongs().is_empty());
    // Times that stay what they are mean the same at any later moment.
    let fixed = asked.fixed();
    let fixed: Vec<(&str, &str)> = fixed.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let later = NOW.plus(std::time::Duration::from_hours(1));
    let kept = FilterParams::read(&query(&address("/events", &fixed)), &[], later);
    assert_eq!(kept.selection(), asked.selection());
    listed(&fixed, &asked);
}

/// The API means the same events by the same filters.
fn listed(fixed: &[(&str, &str)], asked: &FilterParams) {
    let Ok(uri) = address("/api/v1/events", fixed).parse::<Uri>() else {
        return;
    };
    let listed = params::listed(&uri);
    let listed = listed.unwrap_or_else(|refusal| panic!("{uri}: {refusal:?}"));
    assert_eq!(listed.filter.selection(&[], NOW), asked.selection());
}

/// The body of a change.
fn body(text: &str) {
    let Ok(filter) = serde_json::from_str::<params::FilterBody>(text) else {
        return;
    };
    let Ok(filter) = filter.read() else {
        return;
    };
    // Every key in the body narrows what is meant: none is lost.
    let keys = serde_json::from_str::<serde_json::Value>(text).expect("it was read before");
    let keys = keys.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(filter.is_given(), keys > 0);
    assert!(filter.ids.iter().all(|id| *id > 0));
    let selection = filter.selection(&[], NOW);
    assert_eq!(selection.ids.len(), filter.ids.len());
    assert_eq!(filter.profile.is_some(), !selection.profile.is_empty());
    assert_eq!(filter.order_id.is_some(), !selection.order.is_empty());
}

/// The arguments of a command, one to a line.
fn command(text: &str) {
    let arguments = ["klaviyo-relay"].into_iter().chain(text.lines());
    match Cli::try_parse_from(arguments) {
        Ok(cli) => assert!(!format!("{cli:?}").is_empty()),
        Err(error) => assert!(!error.to_string().is_empty() && [0, 2].contains(&error.exit_code())),
    }
}

/// A time: as it is printed, it reads as itself.
fn time(text: &str) {
    let read = |text: &str| text.parse::<TimeExpr>().map(|time| time.at(NOW));
    let Ok(time) = read(text) else {
        return;
    };
    let printed = time.to_string();
    assert_eq!(Timestamp::parse(&printed), Some(time), "{text}");
    assert_eq!(read(&printed), Ok(time));
    assert_eq!(read(&format!(" {text} ")), Ok(time));
}

/// A word that is searched for: a person, an order.
fn word(text: &str) {
    for person in Selection::people(text) {
        let kept = person.to_string();
        assert_eq!(Selection::people(&kept), [person], "{kept}");
    }
    for kind in IdentifierKind::ALL {
        let Some(person) = Identifier::new(*kind, text) else {
            continue;
        };
        assert_eq!(Identifier::new(*kind, person.value()), Some(person.clone()));
        assert_eq!(Selection::people(&person.to_string()), [person]);
    }
    let orders = Selection::orders(text);
    // `##7` is the order that `#7` is written for, and not the one of 7.
    let is_plain = orders.first().is_some_and(|bare| !bare.starts_with('#'));
    for order in orders.iter().filter(|_| is_plain) {
        assert_eq!(Selection::orders(order), orders, "{order}");
    }
}
