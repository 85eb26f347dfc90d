//! The texts of each change: its name, its effect, its result.

use maud::{Markup, html};

use super::super::format;
use crate::model::EventStatus;
use crate::operator::{Brief, Change};

/// How many excluded numbers are listed.
const NAMED: usize = 5;

/// The question.
pub(super) fn title(change: Change, count: usize) -> String {
    format!("{}?", order(change, count))
}

/// The button's label.
pub(super) fn order(change: Change, count: usize) -> String {
    let events = counted(count);
    match change {
        Change::Replay(_) => format!("Send {events} again"),
        Change::Hold => format!("Hold {events}"),
        Change::Release => format!("Release {events}"),
        Change::Discard => format!("Discard {events} for good"),
    }
}

/// The effect.
pub(super) fn means(change: Change) -> Markup {
    match change {
        Change::Replay(_) => html! {
            li { "Each call is mapped again, by the configuration of now, and sent in the order of arrival, behind whatever \
                  its person still waits for. A dead event that holds up others is sent in its old place, before them." }
            li { "The " code { "$event_id" } " stays as it was: what was delivered under it is not sent to the same place \
                  twice, and Klaviyo drops what it already has." }
            li { "The traits of an identify are written again, over newer ones." }
            li { "Subscriptions older than " code { "delivery.replay_consent_within" } " are left out, unless you include \
                  them below." }
            li { "Live events come first: many events take their time." }
        },
        Change::Hold => html! {
            li { "They stay where they are, and are not sent until somebody releases them." }
            li { "Later events of the same people wait behind them, so that the order stays. Nothing is lost." }
            li { "A request that is in flight at this moment is left alone." }
        },
        Change::Release => html! {
            li { "Held events are sent again, in the order of arrival; those behind them follow." }
            li { "Events that wait for another attempt are tried at once." }
        },
        Change::Discard => html! {
            li { strong { "They are given up for good: " } "they become dead, and the relay does not send them any more." }
            li { "Events that wait behind them go on without them." }
            li { "A request that is in flight at this moment is left alone." }
            li { "While its call is kept, a discarded event can still be sent again by hand, then behind newer ones." }
        },
    }
}

/// The states that a change works on: `dead, skipped or delivered`.
pub(super) fn works_on(change: Change) -> String {
    let words: Vec<&str> = change.states().iter().map(|state| state.word()).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Why a requested number is excluded.
pub(super) fn why(change: Change, brief: Option<&Brief>) -> String {
    let Some(brief) = brief else {
        return "no event has this number, or it is no longer kept".to_owned();
    };
    let works = change.states().iter().copied().map(EventStatus::word);
    if works.into_iter().any(|word| word == brief.status) {
        return "it does not meet the other filters, or its call is no longer kept".to_owned();
    }
    format!("it is {}, not {}", brief.status, works_on(change))
}

/// The result.
pub(super) fn done(change: Change, count: usize, left_out: &[i64]) -> String {
    let events = counted(count);
    let (is, was) = match count {
        1 => ("is", "was"),
        _ => ("are", "were"),
    };
    let done = match change {
        Change::Replay(_) => format!("{events} will be sent again"),
        Change::Hold => format!("{events} {is} held now"),
        Change::Release => format!("{events} {was} released"),
        Change::Discard => format!("{events} {was} discarded"),
    };
    if left_out.is_empty() {
        return format!("{done}.");
    }
    let named: Vec<String> = left_out.iter().take(NAMED).map(ToString::to_string).collect();
    let (named, more) = (named.join(", "), if left_out.len() > NAMED { " and more" } else { "" });
    let left = format::count(left_out.len());
    let why = match left_out.len() {
        1 => "was left out because it was in flight, in another state, or gone",
        _ => "were left out because they were in flight, in another state, or gone",
    };
    format!("{done}; {left} {why}: {named}{more}.")
}

/// `1 event`, `2 events`.
pub(super) fn counted(count: usize) -> String {
    format::counted(count, "event")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Replay;

    #[test]
    fn a_change_is_reported_with_what_was_left_out() {
        let replay = Change::Replay(Replay::default());
        assert_eq!(done(replay, 1, &[]), "1 event will be sent again.");
        assert_eq!(
            done(Change::Hold, 1200, &[7]),
            "1,200 events are held now; 1 was left out because it was in flight, in another state, or gone: 7."
        );
        assert_eq!(
            done(Change::Discard, 0, &[1, 2, 3, 4, 5, 6]),
            "0 events were discarded; 6 were left out because they were in flight, in another state, or gone: \
             1, 2, 3, 4, 5 and more."
        );
        assert_eq!(works_on(replay), "dead, skipped or delivered");
        assert_eq!(works_on(Change::Hold), "pending");
    }
}
