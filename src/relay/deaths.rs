//! How dead events are logged: the first ten of a kind in a minute one by one, then how many more there were.
//!
//! One mistake can kill thousands of events in a minute, and each is in the outbox with its reason anyway. What is logged
//! is decided by [`Deaths`], which is pure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::{DeliveryKind, EventId};

/// An answer that refused a request for good, as a log may say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
}

/// Events of a kind that are logged one by one in each minute.
const ONE_BY_ONE: u64 = 10;
/// The minute, from the first of them.
const SPAN: Duration = Duration::from_mins(1);

/// Why events die, as far as a log may say: refused, as a request of this kind, or never sent.
type Kind = Option<DeliveryKind>;

/// What is logged of a dead event.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A line of its own.
    Own,
    /// It is the first that is counted, and the count is due after this span.
    Counted { due: Duration },
    /// Nothing: it is in a count that is due.
    Nothing,
}

/// The minutes that run, by kind.
#[derive(Debug, Default)]
struct Deaths(HashMap<Kind, Minute>);

#[derive(Debug)]
struct Minute {
    began: Duration,
    dead: u64,
}

impl Deaths {
    /// An event died at `now`, by a clock that never goes back.
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

    /// Ends a kind's minute. How many had no line of their own.
    fn end(&mut self, kind: Kind) -> u64 {
        let minute = self.0.remove(&kind);
        minute.map_or(0, |minute| minute.dead.saturating_sub(ONE_BY_ONE))
    }
}

/// Logs dead events.
#[derive(Debug, Default)]
pub(super) struct DeadLog(Arc<Mutex<Deaths>>);

impl DeadLog {
    /// Logs one, or counts it. What is counted is logged at the end of its minute, or at `stop`.
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
                    "event is dead; `klaviyo-relay show` says why"
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

    /// The lines of so many deaths at once.
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
