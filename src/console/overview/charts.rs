//! Charts of the last hour and the last day: one point for each minute of the hour, one for each ten minutes of the
//! day. Pure.
//!
//! A chart is an SVG without style or script. Its numbers are stored with it, so that the script can show the value
//! under the pointer, and as text for screen readers.

use std::iter;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use super::super::drawing::{HEIGHT, WIDTH, area, as_float, outline};
use super::super::format;
use super::data::OverviewData;
use crate::model::Timestamp;
use crate::operator::Minute;

/// The time range of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeRange {
    /// The last hour, by minute.
    Hour,
    /// The last day, by ten minutes.
    Day,
}

/// The unit of a chart's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Events,
    Seconds,
}

/// One line of a chart: its name, and its value at each step; `None` where the value is unknown.
struct Line {
    name: &'static str,
    values: Vec<Option<f64>>,
}

struct Chart {
    title: &'static str,
    unit: Unit,
    /// Whether its numbers are per time span, not at a moment.
    flows: bool,
    lines: Vec<Line>,
}

impl TimeRange {
    /// The range from the address.
    pub(super) fn of(word: Option<&str>) -> Self {
        if word == Some("day") { Self::Day } else { Self::Hour }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    const fn step(self) -> Duration {
        match self {
            Self::Hour => Duration::from_mins(1),
            Self::Day => Duration::from_mins(10),
        }
    }

    const fn steps(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 144,
        }
    }
}

/// All charts.
pub(super) fn of(data: &OverviewData, over: TimeRange) -> Markup {
    let from = first_step(data.now, over);
    let steps = in_steps(&data.minutes, from, over);
    let line = |name, of: fn(&[&Minute]) -> Option<f64>| Line {
        name,
        values: steps.iter().map(|step| of(step)).collect(),
    };
    let charts = [
        Chart {
            title: "In and out",
            unit: Unit::Events,
            flows: true,
            lines: vec![
                line("came", |step| sum(step, |minute| minute.came)),
                line("done", |step| sum(step, |minute| minute.done)),
            ],
        },
        Chart {
            title: "Waiting",
            unit: Unit::Events,
            flows: false,
            lines: vec![line("waiting", |step| Some(as_float(step.last()?.pending)))],
        },
        Chart {
            title: "Age of the oldest waiting event",
            unit: Unit::Seconds,
            flows: false,
            lines: vec![line("age", |step| {
                Some(step.last()?.oldest_pending.map_or(0.0, |age| age.as_secs_f64()))
            })],
        },
        Chart {
            title: "Time to delivery",
            unit: Unit::Seconds,
            flows: false,
            lines: vec![
                line("p50", |step| largest(step, |minute| minute.p50)),
                line("p95", |step| largest(step, |minute| minute.p95)),
            ],
        },
        Chart {
            title: "Dead",
            unit: Unit::Events,
            flows: true,
            lines: vec![line("died", |step| sum(step, |minute| minute.died))],
        },
        Chart {
            title: "Rate limited (429)",
            unit: Unit::Events,
            flows: true,
            lines: vec![line("answers", |step| sum(step, |minute| minute.throttled))],
        },
    ];
    html! {
        @for chart in &charts { (figure(chart, from, over)) }
    }
}

/// When the first step began: aligned to whole steps, so that a point does not move between refreshes.
fn first_step(now: Timestamp, over: TimeRange) -> i64 {
    let step = millis(over.step());
    let running = now.as_millis().div_euclid(step) * step;
    running - step * (i64::try_from(over.steps()).unwrap_or(0) - 1)
}

/// The minutes of each step.
fn in_steps(minutes: &[Minute], from: i64, over: TimeRange) -> Vec<Vec<&Minute>> {
    let mut steps = vec![Vec::new(); over.steps()];
    for minute in minutes {
        let at = (minute.at.as_millis() - from).div_euclid(millis(over.step()));
        if let Some(step) = usize::try_from(at).ok().and_then(|at| steps.get_mut(at)) {
            step.push(minute);
        }
    }
    steps
}

fn sum(step: &[&Minute], of: fn(&Minute) -> i64) -> Option<f64> {
    let known = !step.is_empty();
    known.then(|| as_float(step.iter().map(|minute| of(minute)).sum()))
}

fn largest(step: &[&Minute], of: fn(&Minute) -> Option<Duration>) -> Option<f64> {
    let spans = step.iter().filter_map(|minute| of(minute));
    spans.max().map(|span| span.as_secs_f64())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn figure(chart: &Chart, from: i64, over: TimeRange) -> Markup {
    let values = chart.lines.iter().flat_map(|line| line.values.iter().flatten());
    let top = values.copied().fold(0.0, f64::max);
    let several = chart.lines.len() > 1;
    let numbers = |line: &Line| {
        let texts = line.values.iter().map(|value| match value {
            Some(value) => format!("{}", (value * 1000.0).round() / 1000.0),
            None => String::new(),
        });
        texts.collect::<Vec<_>>().join(",")
    };
    html! {
        figure data-plot=(chart.unit.word()) data-from=(from) data-step=(millis(over.step())) {
            figcaption {
                strong { (chart.title) }
                p {
                    @for (at, line) in chart.lines.iter().enumerate() {
                        span class={ @if several { "key" } @if at > 0 { " second" } } data-name=(line.name) data-values=(numbers(line)) {
                            @if several { (line.name) " " } (newest(line, chart.unit))
                        } " "
                    }
                    output {}
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(in_words(chart, top)) {
                @for (at, line) in chart.lines.iter().enumerate() {
                    @if at == 0 { path.plot-fill d=(PreEscaped(area(&line.values, top))) {} }
                    path class={ "plot-line" @if at > 0 { " second" } } d=(PreEscaped(outline(&line.values, top))) {}
                }
                line.plot-base x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            }
            div.plot-foot {
                (format::hour_and_minute(Timestamp::from_millis(from)))
                span { "most " (chart.unit.text(top)) @if chart.flows { (over.per()) } }
                span { "now" }
            }
        }
    }
}

impl TimeRange {
    /// The time span of one step.
    const fn per(self) -> &'static str {
        match self {
            Self::Hour => " a minute",
            Self::Day => " in 10 min",
        }
    }
}

impl Unit {
    const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Seconds => "seconds",
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::Events => format::count(whole(value)),
            Self::Seconds => format::span(Duration::from_secs_f64(value.max(0.0))),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "counts are far below what a float holds exactly"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// The newest value, if it is known.
fn newest(line: &Line, unit: Unit) -> String {
    let value = line.values.last().copied().flatten();
    value.map_or_else(|| "–".to_owned(), |value| unit.text(value))
}

/// The text of a chart for screen readers.
fn in_words(chart: &Chart, top: f64) -> String {
    let first = format!("{}: at most {}", chart.title, chart.unit.text(top));
    let lines = chart.lines.iter();
    let lines = lines.map(|line| format!("{} now {}", line.name, newest(line, chart.unit)));
    iter::once(first).chain(lines).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_fall_into_their_steps() {
        let now = Timestamp::parse("2026-11-23T10:30:30Z").unwrap();
        let minute = |at: &str| Minute {
            came: 1,
            ..Minute::empty(Timestamp::parse(at).unwrap())
        };
        let minutes = [
            minute("2026-11-23T09:30:00Z"),
            minute("2026-11-23T09:31:00Z"),
            minute("2026-11-23T10:29:00Z"),
            minute("2026-11-23T10:30:00Z"),
        ];
        let steps = |over| {
            let steps = in_steps(&minutes, first_step(now, over), over);
            let sizes = steps.iter().enumerate().filter(|(_, step)| !step.is_empty());
            sizes.map(|(at, step)| (at, step.len())).collect::<Vec<_>>()
        };
        assert_eq!(steps(TimeRange::Hour), [(0, 1), (58, 1), (59, 1)]);
        assert_eq!(steps(TimeRange::Day), [(137, 2), (142, 1), (143, 1)]);
    }
}
