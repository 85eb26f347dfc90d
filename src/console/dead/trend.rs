//! When the events of a group became dead: by hour over the last day, or by day over the last eight days if there are
//! none in the last day. Pure.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::super::drawing::{HEIGHT, WIDTH, area, as_float, outline};
use super::super::format;
use crate::model::Timestamp;

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// The number of events that became dead, in equal steps of time, oldest first. The last step is the current one.
#[derive(Debug, PartialEq, Eq)]
struct Trend {
    /// The name of one step and of the whole period.
    words: (&'static str, &'static str),
    counts: Vec<i64>,
}

/// The drawing and its text; empty if no event became dead within eight days. `hours` are those of
/// [`crate::operator::DeadGroup`].
pub(super) fn drawing(hours: &BTreeMap<i64, i64>, now: Timestamp) -> Markup {
    let Some(trend) = of(hours, now) else {
        return html! {};
    };
    let values: Vec<Option<f64>> = trend.counts.iter().map(|count| Some(as_float(*count))).collect();
    let most = trend.counts.iter().copied().max().unwrap_or_default();
    let sum: i64 = trend.counts.iter().sum();
    let (step, all) = trend.words;
    let last = trend.counts.last().copied().unwrap_or_default();
    let words = format!(
        "Died in the last {all}: {}, at most {} in one {step}, {} in the newest",
        format::count(sum),
        format::count(most),
        format::count(last)
    );
    html! {
        span.trend {
            svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(words) {
                path.plot-fill d=(PreEscaped(area(&values, as_float(most)))) {}
                path.plot-line d=(PreEscaped(outline(&values, as_float(most)))) {}
                line.plot-base x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            }
            " " (format::count(sum)) " died in the last " (all)
        }
    }
}

fn of(hours: &BTreeMap<i64, i64>, now: Timestamp) -> Option<Trend> {
    let spans = [(("hour", "24 hours"), 24, 1), (("day", "8 days"), 8, 24)];
    let mut trends = spans.into_iter().map(|(words, steps, step)| Trend {
        words,
        counts: counts(hours, now, steps, step),
    });
    trends.find(|trend| trend.counts.iter().any(|count| *count > 0))
}

/// The counts of `steps` steps of `step` hours each; the last one ends with the current hour.
fn counts(hours: &BTreeMap<i64, i64>, now: Timestamp, steps: usize, step: i64) -> Vec<i64> {
    let present = now.as_millis().div_euclid(HOUR);
    let mut counts = vec![0; steps];
    for (hour, count) in hours {
        // After a clock was set back, some hours are in the future.
        let ago = (present - hour).max(0) / step;
        let at = usize::try_from(ago).ok().and_then(|ago| steps.checked_sub(ago + 1));
        if let Some(at) = at {
            counts[at] += count;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_of_the_last_day_are_drawn_by_hour_and_older_ones_by_day() {
        let now = Timestamp::from_millis(1000 * HOUR + 7);
        let trend = |hours: &[(i64, i64)]| of(&hours.iter().copied().collect(), now);
        let at = |hours: &[(i64, i64)]| {
            let trend = trend(hours).unwrap();
            let places = trend.counts.into_iter().enumerate();
            let places: Vec<_> = places.filter(|(_, count)| *count > 0).collect();
            (trend.words.0, places)
        };
        assert_eq!(at(&[(1000, 2), (977, 1), (976, 9)]), ("hour", vec![(0, 1), (23, 2)]));
        assert_eq!(at(&[(1003, 4)]), ("hour", vec![(23, 4)]));
        assert_eq!(at(&[(976, 9), (809, 1), (808, 5)]), ("day", vec![(0, 1), (6, 9)]));
        assert_eq!(trend(&[(808, 5)]), None);
    }
}
