//! Formats values for the pages: times, counts, durations, states, empty lists.

use std::time::Duration;

use maud::{Markup, html};

use crate::model::Timestamp;

/// A point in time in UTC. The script converts it to the reader's time zone and shows UTC on hover.
pub(super) fn time(at: Timestamp) -> Markup {
    iso(&at.to_string())
}

/// [`time`] of a text that a timestamp was written as.
fn iso(text: &str) -> Markup {
    let day_and_time = text.get(..19).unwrap_or(text).replace('T', " ");
    html! { time datetime=(text) title={ (text) " (UTC)" } { (day_and_time) } }
}

/// Like [`time`], but only the hour and minute.
pub(super) fn hour_and_minute(at: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) data-short title={ (text) " (UTC)" } { (text.get(11..16).unwrap_or_default()) } }
}

/// A text whose points in time are shown as [`time`] shows them.
pub(super) fn with_times(text: &str) -> Markup {
    let stamp = |(end, _): (usize, &str)| {
        let written = text.get(end.checked_sub(23)?..=end)?;
        let is_time = written.as_bytes()[10] == b'T' && Timestamp::parse(written).is_some();
        is_time.then_some((end - 23, written))
    };
    let (mut parts, mut shown) = (Vec::new(), 0);
    for (start, written) in text.match_indices('Z').filter_map(stamp) {
        parts.push((&text[shown..start], written));
        shown = start + written.len();
    }
    html! { @for (before, at) in parts { (before) (iso(at)) } (&text[shown..]) }
}

/// A whole number with separated thousands.
pub(super) fn count(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    let digits = number.unsigned_abs().to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", groups.collect::<Vec<_>>().join(","))
}

/// A count with its noun: `1 event`, `2 events`.
pub(super) fn counted(number: impl TryInto<i64>, thing: &str) -> String {
    let number = count(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `3 events wait`.
pub(super) fn waiting(count: i64) -> String {
    let verb = if count == 1 { "waits" } else { "wait" };
    format!("{} {verb}", counted(count, "event"))
}

/// A duration in its two largest units that matter.
pub(super) fn span(span: Duration) -> String {
    let (millis, seconds) = (span.as_millis(), span.as_secs());
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, less: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {less}"),
    };
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{}.{} s", seconds, (millis % 1000) / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => two(minutes, "min", seconds % 60, "s"),
        3600..86_400 => two(hours, "h", minutes % 60, "min"),
        86_400.. => two(days, "d", hours % 24, "h"),
    }
}

/// A reason as a sentence: with a capital letter, unless it begins with a code, and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let code = text.split_whitespace().next().is_some_and(|word| word.contains('_'));
    let mut chars = text.chars();
    let text = if code {
        text.to_owned()
    } else {
        let first = chars.next().map(|first| first.to_uppercase().to_string());
        format!("{}{}", first.unwrap_or_default(), chars.as_str())
    };
    let ends = text.ends_with(['.', '!', '?']);
    if ends || text.is_empty() {
        text
    } else {
        format!("{text}.")
    }
}

/// The state of an event, a delivery or an attempt, as a badge. The word is sufficient; the colour repeats it.
pub(super) fn status(word: &str) -> Markup {
    let tone = match word {
        "delivered" | "duplicate" | "accepted" => "good",
        "dead" | "rejected" | "refused" => "bad",
        "held" | "unknown" | "stopped" | "conflict" | "retry" => "warn",
        "pending" => "busy",
        _ => "calm",
    };
    html! { span class={ "badge " (tone) } { (word) } }
}

/// A card with a heading; `id` is that of the heading.
pub(super) fn card(id: &str, heading: &str, content: &Markup) -> Markup {
    html! { section.card aria-labelledby=(id) { h2 id=(id) { (heading) } (content) } }
}

/// The text of an empty list, and what to do next.
pub(super) fn empty(words: &str, next: &Markup) -> Markup {
    html! { div.empty { p { strong { (words) } } p { (next) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_written_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(count(number), text);
        }
        let shown = with_times("since 2026-11-24T13:33:20.000Z: Zürich; 2Z").into_string();
        assert!(
            shown.starts_with("since <time datetime=\"2026-11-24T13:33:20.000Z\""),
            "{shown}"
        );
        assert!(shown.ends_with("</time>: Zürich; 2Z"), "{shown}");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(2, "event"), "2 events");
        for (millis, text) in [
            (0, "0 ms"),
            (950, "950 ms"),
            (1500, "1.5 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
