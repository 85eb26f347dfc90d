//! The data of the overview, read once for all concurrent viewers.
//!
//! It promises to use only look-ups, so that its cost does not depend on how many events are stored, and that many open
//! tabs cost as much as one: the data is reused while it is fresh. Without viewers nothing is read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::admin::Admin;
use crate::metrics::{self, Stalled};
use crate::model::{EventStatus, Timestamp};
use crate::operator::{self, Minute, Overview, ReadError, SourceRate};

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
    /// Where everything stands, as `status` shows it too.
    pub(super) overview: Overview,
    /// The minutes of the last day.
    pub(super) minutes: Vec<Minute>,
    /// Events received by source. Includes configured sources without events.
    pub(super) sources: Vec<SourceRate>,
    /// Profiles that are blocked, at the time of the last count.
    pub(super) blocked: i64,
    /// The parts of the daemon that have stalled.
    pub(super) stuck: Vec<Stalled>,
    /// Whether the writer has ended, so that nothing can be written any more.
    pub(super) ended: bool,
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
        let overview = outbox.overview(now).await?;
        let counts = &overview.counts;
        // The periodic count is used only when a new count would take long.
        let waiting = counts.stored(EventStatus::Pending) + counts.stored(EventStatus::Held);
        let blocked = if waiting <= FEW {
            outbox.count_blocked().await?
        } else {
            instruments.metrics.blocked_profiles()
        };
        Ok(Self {
            now,
            minutes: outbox.history(now.minus(DAY), now, throttled).await?,
            sources: with_silent(admin.settings().sources(), &overview.sources),
            overview,
            blocked,
            stuck: metrics::stalled(&instruments.heartbeats.vitals()),
            ended: outbox.has_ended(),
        })
    }

    /// The minutes of the last `span`, including the one in which it began: events by source are counted the same way.
    pub(super) fn last(&self, span: Duration) -> &[Minute] {
        operator::last(&self.minutes, span, self.now)
    }

    /// The sum over the minutes of the last hour.
    pub(super) fn hour(&self, of: impl Fn(&Minute) -> i64) -> i64 {
        self.last(HOUR).iter().map(of).sum()
    }
}

/// The configured sources, including those without events, then sources that are no longer configured.
fn with_silent<'a>(configured: impl Iterator<Item = &'a str>, rates: &[SourceRate]) -> Vec<SourceRate> {
    let silent = |name: &str| SourceRate {
        source: name.to_owned(),
        hour: 0,
        day: 0,
    };
    let of = |name: &str| rates.iter().find(|rate| rate.source == name).cloned();
    let mut all: Vec<SourceRate> = configured
        .map(|name| of(name).unwrap_or_else(|| silent(name)))
        .collect();
    let former = rates.iter().filter(|rate| !all.contains(rate)).cloned();
    let former: Vec<SourceRate> = former.collect();
    all.extend(former);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_source_is_among_the_sources() {
        let rate = |source: &str, hour, day| SourceRate {
            source: source.to_owned(),
            hour,
            day,
        };
        let rates = [rate("former", 0, 3), rate("shop", 2, 9)];
        let all = with_silent(["shop", "app"].into_iter(), &rates);
        assert_eq!(all, [rate("shop", 2, 9), rate("app", 0, 0), rate("former", 0, 3)]);
    }
}
