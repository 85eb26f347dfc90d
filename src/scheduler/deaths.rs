//! How dead events are logged: the first ten of a kind in a minute one by one, then one line with the number of the
//! others.
//!
//! One mistake can make thousands of events dead in a minute, and the outbox has the reason of each. [`Deaths`] decides
//! what is logged; it is pure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::{DeliveryKind, EventId};

/// The answer that refused a request for good, without anything that may not be logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
}

/// How many events of a kind are logged one by one in each minute.
const ONE_BY_ONE: u64 = 10;
/// The length of the minute, which begins with the first of its events.
const SPAN: Duration = Duration::from_mins(1);

/// Why an event is dead, for the log: a request of this kind was refused, or (`None`) nothing was sent.
type Kind = Option<DeliveryKind>;

/// How a dead event is logged.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// In a line of its own.
    Own,
    /// It is the first one that is only counted. The count is logged after this time.
    Counted { due: Duration },
    /// Not at all: it is part of a count that will be logged.
    Nothing,
}

/// The current minutes, by kind.
#[derive(Debug, Default)]
struct Deaths(HashMap<Kind, Minute>);

#[derive(Debug)]
struct Minute {
    began: Duration,
    dead: u64,
}

impl Deaths {
    /// Records that an event died at `now`, by a monotonic clock.
    fn one(&mut self, kind: Kind, now: Duration) -> Line {
        let minute = self.0.entry(kind).or_insert(Minute { began: now, dead: 0 });
        let over = now.saturating_sub(minute.began) >= SPAN;
        if over && minute.dead <= ONE_BY_ONE {
            *minute = Minute { began: now, dead: 0 };
        }
        minute.dead += 1;
        match minute.dead {
            ..=ONE_BY_ONE => Line::Own,
            dead if dead == ONE_BY_ONE + 1 => Line::Counted {
                due: (minute.began + SPAN).saturating_sub(now),
            },
            _ => Line::Nothing,
        }
    }

    /// Ends the minute of a kind. Returns how many events were only counted.
    fn end(&mut self, kind: Kind) -> u64 {
        let minute = self.0.remove(&kind);
        minute.map_or(0, |minute| minute.dead.saturating_sub(ONE_BY_ONE))
    }
}

/// Logs dead events.
#[derive(Debug, Default)]
pub(super) struct DeadLog(Arc<Mutex<Deaths>>);

impl DeadLog {
    /// Logs one dead event, or counts it. The count is logged at the end of its minute, or at `stop`.
    pub(super) fn note(
        &self,
        event: EventId,
        refused: Option<(DeliveryKind, Refusal)>,
        hold: bool,
        clock: &dyn Clock,
        stop: &CancellationToken,
    ) {
        let (kind, refusal) = refused.unzip();
        let refused = kind.map(DeliveryKind::word);
        let Refusal { status, request_id } = refusal.unwrap_or_default();
        let mut deaths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match deaths.one(kind, clock.monotonic()) {
            Line::Own => {
                tracing::warn!(
                    %event,
                    refused,
                    refused.status = status,
                    refused.request_id = request_id,
                    hold,
                    "event is dead; `klaviyo-relay show` has the reason"
                );
            }
            Line::Nothing => {}
            Line::Counted { due } => {
                let (deaths, stop) = (Arc::clone(&self.0), stop.clone());
                tokio::spawn(async move {
                    stop.run_until_cancelled(tokio::time::sleep(due)).await;
                    let mut deaths = deaths.lock().unwrap_or_else(PoisonError::into_inner);
                    let more = deaths.end(kind);
                    tracing::warn!(
                        more,
                        refused,
                        "more events are dead; `klaviyo-relay status` shows them by reason"
                    );
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Kind = Some(DeliveryKind::Event);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The log decisions for `count` events that die at the same time.
    fn lines(deaths: &mut Deaths, count: u64, now: u64) -> Vec<Line> {
        let lines = (0..count).map(|_| deaths.one(REFUSED, seconds(now)));
        lines.filter(|line| *line != Line::Nothing).collect()
    }

    fn own(count: usize) -> Vec<Line> {
        (0..count).map(|_| Line::Own).collect()
    }

    #[test]
    fn the_first_ten_of_a_minute_have_lines_and_the_others_a_count() {
        let mut deaths = Deaths::default();
        assert_eq!(lines(&mut deaths, 10, 100), own(10));
        let due = seconds(20);
        assert_eq!(lines(&mut deaths, 4990, 140), [Line::Counted { due }]);
        assert_eq!(deaths.end(REFUSED), 4990);
        assert_eq!(lines(&mut deaths, 3, 160), own(3));
    }

    #[test]
    fn a_few_in_each_minute_have_lines_for_ever() {
        let mut deaths = Deaths::default();
        for minute in 0..100 {
            assert_eq!(lines(&mut deaths, 10, minute * 60), own(10));
        }
    }

    #[test]
    fn a_kind_hides_no_other() {
        let mut deaths = Deaths::default();
        lines(&mut deaths, 5000, 0);
        let others = [None, Some(DeliveryKind::Profile)];
        for kind in others {
            assert_eq!(deaths.one(kind, seconds(1)), Line::Own);
        }
    }

    #[test]
    fn a_count_whose_time_has_come_takes_all_until_it_is_logged() {
        let mut deaths = Deaths::default();
        lines(&mut deaths, 11, 0);
        assert_eq!(lines(&mut deaths, 5, 61), []);
        assert_eq!(deaths.end(REFUSED), 6);
    }
}
