//! The data of the overview, read once for all concurrent viewers.
//!
//! It promises to use only look-ups, so that its cost does not depend on how many events are stored, and that many open
//! tabs cost as much as one: the data is reused while it is fresh. Without viewers nothing is read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::admin::Admin;
use crate::metrics::{self, LimitUse, Stalled};
use crate::model::{EventStatus, Family, Timestamp};
use crate::operator::{Minute, ReadError, RejectedRequests, SourceCame, Standing, Stopped};

/// How long the data is reused: less than the refresh interval of a tab.
const FRESH: Duration = Duration::from_millis(1500);
const HOUR: Duration = Duration::from_hours(1);
/// Up to this many unfinished events, the blocked profiles are counted for each refresh.
const FEW: i64 = 5_000;
const DAY: Duration = Duration::from_hours(24);

/// The data of the overview.
#[derive(Debug)]
pub(super) struct OverviewData {
    pub(super) now: Timestamp,
    pub(super) standing: Standing,
    /// The minutes of the last day.
    pub(super) minutes: Vec<Minute>,
    /// Events received by source: the name, in the last hour, in the last day. Includes sources without events.
    pub(super) sources: Vec<SourceFlow>,
    /// The use of Klaviyo's rate limits, of families that sent something in the last minute or are paused.
    pub(super) limits: Vec<(Family, LimitUse)>,
    /// Profiles that are blocked, at the time of the last count.
    pub(super) blocked: i64,
    /// Of the events that became dead in the last hour, those that are still dead and not discarded.
    pub(super) died: i64,
    /// Events that block others and do not continue by themselves.
    pub(super) stopped: Vec<Stopped>,
    /// Whether the configuration that was read last is in effect.
    pub(super) config_taken: bool,
    /// Requests that ingest refused within the last hour.
    pub(super) refused: Vec<RejectedRequests>,
    /// The parts of the daemon that have stalled.
    pub(super) stuck: Vec<Stalled>,
    /// Whether the writer has ended, so that nothing can be written any more.
    pub(super) ended: bool,
}

/// How many events of a source were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFlow {
    pub(super) name: String,
    pub(super) hour: i64,
    pub(super) day: i64,
}

/// The newest data.
#[derive(Debug, Default)]
pub(in super::super) struct OverviewCache(Mutex<Option<(Duration, Arc<OverviewData>)>>);

impl OverviewCache {
    /// Returns fresh data. A concurrent caller waits for the same read and gets its result.
    pub(super) async fn get(&self, admin: &Admin) -> Result<Arc<OverviewData>, ReadError> {
        let mut kept = self.0.lock().await;
        let now = admin.clock.monotonic();
        if let Some((read, data)) = &*kept
            && now.saturating_sub(*read) < FRESH
        {
            return Ok(Arc::clone(data));
        }
        let data = Arc::new(OverviewData::read(admin).await?);
        *kept = Some((now, Arc::clone(&data)));
        Ok(data)
    }
}

impl OverviewData {
    async fn read(admin: &Admin) -> Result<Self, ReadError> {
        let (outbox, instruments, now) = (&admin.outbox, &admin.instruments, admin.clock.now());
        let throttled = instruments.metrics.rate_limited();
        let hour = outbox.came_by_source(now.minus(HOUR), now).await?;
        let day = outbox.came_by_source(now.minus(DAY), now).await?;
        let settings = admin.settings();
        let standing = outbox.standing().await?;
        // The periodic count is used only when a new count would take long.
        let waiting = kept(&standing, EventStatus::Pending) + kept(&standing, EventStatus::Held);
        let blocked = if waiting <= FEW {
            outbox.count_blocked().await?
        } else {
            instruments.metrics.blocked_profiles()
        };
        Ok(Self {
            now,
            died: outbox.dead_within(HOUR, now).await?,
            stopped: outbox.stopped().await?,
            config_taken: instruments.metrics.is_config_applied(),
            refused: outbox.rejected_requests(now).await?,
            standing,
            minutes: outbox.history(now.minus(DAY), now, throttled).await?,
            sources: flows(settings.sources(), &hour, &day),
            limits: instruments.metrics.limits(),
            blocked,
            stuck: metrics::stalled(&instruments.heartbeats.vitals()),
            ended: outbox.has_ended(),
        })
    }

    /// The minutes of the last `span`, including the one in which it began: events by source are counted the same way.
    pub(super) fn last(&self, span: Duration) -> &[Minute] {
        let from = self.now.minus(span + Duration::from_mins(1));
        let first = self.minutes.partition_point(|minute| minute.at <= from);
        &self.minutes[first..]
    }

    /// The sum over the minutes of the last hour.
    pub(super) fn hour(&self, of: impl Fn(&Minute) -> i64) -> i64 {
        self.last(HOUR).iter().map(of).sum()
    }
}

fn kept(standing: &Standing, state: EventStatus) -> i64 {
    let mut counts = standing.counts.iter();
    let found = counts.find(|(known, _)| *known == state);
    found.map_or(0, |(_, count)| *count)
}

/// The configured sources, including those without events, then sources that are no longer configured.
fn flows<'a>(configured: impl Iterator<Item = &'a str>, hour: &[SourceCame], day: &[SourceCame]) -> Vec<SourceFlow> {
    let of = |came: &[SourceCame], name: &str| {
        let mut known = came.iter().filter(|came| came.source == name);
        known.next().map_or(0, |came| came.came)
    };
    let mut names: Vec<&str> = configured.collect();
    for came in day {
        if !names.contains(&came.source.as_str()) {
            names.push(&came.source);
        }
    }
    let flow = |name: &str| SourceFlow {
        name: name.to_owned(),
        hour: of(hour, name),
        day: of(day, name),
    };
    names.into_iter().map(flow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_source_is_among_the_sources() {
        let came = |source: &str, came| SourceCame {
            source: source.to_owned(),
            came,
        };
        let day = [came("former", 3), came("shop", 9)];
        let flows = flows(["shop", "app"].into_iter(), &[came("shop", 2)], &day);
        let flows: Vec<_> = flows
            .iter()
            .map(|flow| (flow.name.as_str(), flow.hour, flow.day))
            .collect();
        assert_eq!(flows, [("shop", 2, 9), ("app", 0, 0), ("former", 0, 3)]);
    }
}
