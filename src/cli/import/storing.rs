//! Stores the batches in order. The position after each batch is written in the commit of the next one.

use anyhow::bail;

use super::Session;
use super::lines::Place;
use super::reading::Batch;
use super::tally::Problem;
use crate::clock::{Clock, SystemClock};
use crate::model::NewEvent;
use crate::outbox::{AppendError, Arrival, Outbox, WriteError, fingerprint};

/// The first unreadable lines are reported one by one; the others are only counted.
const REPORTED: u64 = 100;

/// The key under which the position in an archive is stored.
pub(super) fn position_key(identity: &str, source: &str) -> String {
    format!("import_position {identity} {source}")
}

/// Reads the stored position. An invalid one counts as none: the message ids then prevent duplicates.
pub(super) async fn stored_position(outbox: &Outbox, key: &str) -> anyhow::Result<Option<Place>> {
    let found = outbox.kv_get(key).await?;
    Ok(found.and_then(|place| {
        let (number, mark) = place.split_once(' ')?;
        Some((number.parse().ok()?, mark.to_owned()))
    }))
}

impl Session {
    /// Stores one batch. `reached` is the position before the batch, which is stored in the same commit; afterwards it
    /// is the position after the batch. `false` when the import was interrupted and the batch is not stored.
    pub(super) async fn take(
        &mut self,
        batch: Batch,
        key: Option<&str>,
        reached: &mut Option<Place>,
    ) -> anyhow::Result<bool> {
        self.hint_at_history(&batch.events);
        let (fresh, known) = self.sort_out(batch.events).await?;
        let dead_on_arrival: Vec<bool> = fresh.iter().map(|event| event.dead.is_some()).collect();
        let arrivals = if self.options.dry_run {
            vec![Arrival::New; fresh.len()]
        } else {
            let Some(arrivals) = self.store(fresh, key, reached.take()).await? else {
                return Ok(false);
            };
            arrivals
        };
        let all = arrivals.iter().zip(dead_on_arrival);
        let copies = all.clone().filter(|(arrival, _)| **arrival == Arrival::Copy);
        let copies = count(copies.count());
        let dead = all.filter(|(arrival, is_dead)| match arrival {
            Arrival::New => *is_dead,
            Arrival::Copy => false,
            Arrival::Other => true,
        });
        let (dead, events) = (count(dead.count()), count(arrivals.len()));
        self.tally.lines += batch.lines;
        self.tally.known += known + copies;
        self.tally.dead += dead;
        self.tally.stored += events - dead - copies;
        for problem in &batch.unreadable {
            self.report_unreadable(problem);
        }
        for problem in &batch.problems {
            self.tally.note(problem);
        }
        if batch.last.0 > 0 {
            *reached = Some(batch.last);
        }
        Ok(true)
    }

    /// Removes and counts the events that are already stored.
    async fn sort_out(&mut self, events: Vec<NewEvent>) -> anyhow::Result<(Vec<NewEvent>, u64)> {
        let all = events.len();
        let known = match &self.outbox {
            Some(outbox) => outbox.known(&self.source.name, &events).await?,
            None => vec![false; events.len()],
        };
        let mut here = std::collections::HashSet::new();
        let mut fresh = events;
        let mut known = known.into_iter();
        fresh.retain(|event| {
            let (id, same) = (&event.message_id, fingerprint(event));
            let is_new = known.next() != Some(true) && here.insert((id.clone(), same));
            is_new && (!self.options.dry_run || self.tally.is_new(&format!("{id} {same}")))
        });
        let left_out = count(all - fresh.len());
        Ok((fresh, left_out))
    }

    /// Stores events, with as many attempts as needed; returns the result for each, or `None` if interrupted before.
    async fn store(
        &self,
        events: Vec<NewEvent>,
        key: Option<&str>,
        reached: Option<Place>,
    ) -> anyhow::Result<Option<Vec<Arrival>>> {
        let Some(outbox) = &self.outbox else {
            bail!("there is no outbox to store in");
        };
        // Both writes are submitted together, so that they are in one commit.
        let position_stored = store_position(outbox, key, reached);
        let stored = async {
            if events.is_empty() {
                return Ok(Some(Vec::new()));
            }
            loop {
                match outbox.intake().import(events.clone(), self.how).await {
                    Ok(arrivals) => return Ok(Some(arrivals)),
                    Err(error) => {
                        if !self.wait_out(error).await? {
                            return Ok(None);
                        }
                    }
                }
            }
        };
        let (position_stored, stored) = tokio::join!(position_stored, stored);
        position_stored?;
        stored
    }

    /// Waits as long as the outbox requests; `false` when it was interrupted meanwhile.
    async fn wait_out(&self, error: AppendError) -> anyhow::Result<bool> {
        match error.source {
            WriteError::Closed | WriteError::FileGone | WriteError::Sqlite(_) => {
                return Err(error.into());
            }
            WriteError::Overloaded | WriteError::DiskFull | WriteError::Backlog { .. } | WriteError::Locked => {}
        }
        let seconds = error.retry_after.as_secs();
        self.print(&format!("{}; trying again in {seconds} s", error.source));
        let slept = self.stop.run_until_cancelled(tokio::time::sleep(error.retry_after));
        Ok(slept.await.is_some())
    }

    fn hint_at_history(&mut self, events: &[NewEvent]) {
        if self.hinted || self.options.backfill {
            return;
        }
        let now = SystemClock.now();
        let is_old = |event: &NewEvent| now.since(event.at) > self.recent;
        if events.iter().any(is_old) {
            self.hinted = true;
            self.print(
                "hint: some of these events are older than delivery.replay_consent_within, and start flows at Klaviyo \
                 as if they happened now; --backfill has them recorded as history",
            );
        }
    }

    fn report_unreadable(&mut self, problem: &Problem) {
        self.tally.unreadable += 1;
        self.tally.note(problem);
        if self.tally.unreadable <= REPORTED && !self.options.dry_run {
            self.print(&problem.to_string());
        }
        if self.tally.unreadable == REPORTED + 1 {
            self.print("further unreadable lines are counted, and not reported one by one");
        }
    }
}

/// Stores a position, if there is one.
pub(super) async fn store_position(outbox: &Outbox, key: Option<&str>, place: Option<Place>) -> anyhow::Result<()> {
    if let (Some(key), Some((number, mark))) = (key, place) {
        outbox.kv_set(key.to_owned(), format!("{number} {mark}")).await?;
    }
    Ok(())
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}
