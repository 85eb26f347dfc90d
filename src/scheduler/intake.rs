//! Claims events, reads them, maps those that are not mapped, and returns them as active events.

use std::collections::HashMap;
use std::time::Duration;

use tracing::Instrument as _;

use crate::model::{DeliveryStatus, EventId, Reason, SourceRules, Timestamp};
use crate::outbox::{ClaimedEvent, Next, NextDue, PlannedDelivery, ReadError, StoredDelivery};

use crate::telemetry;

use super::active::ActiveEvent;
use super::context::{Context, End, WriteGaveUp, error_chain};
use super::counters;
use super::plan::{Envelopes, Plan, Settings, plan};
use super::policy::Cause;
use super::reading;

/// Events claimed in one intake, so that mapping does not delay other work for long.
const AT_ONCE: usize = 500;
/// Events claimed behind these in one intake: as many as fit in one job with the first.
const FOLLOWERS_AT_ONCE: usize = 999;
/// Events read at once.
const READ_AT_ONCE: usize = 50;
/// Bodies of mapped requests written at once, in bytes: incoming calls wait no longer than this write takes.
const WRITE_AT_ONCE: usize = 512 << 10;
/// How long events wait that could not be read or written, to avoid a busy loop.
const TROUBLE_WAIT: Duration = Duration::from_mins(1);

/// When to look again after a look that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many events may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) live: usize,
    pub(super) replayed: usize,
    /// Only of those that wait behind claimed ones.
    pub(super) followers: usize,
}

impl Capacity {
    /// Whether something is due for which there is capacity.
    pub(super) fn fits(self, due: NextDue, now: Timestamp) -> bool {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        (self.live > 0 && is_due(due.live)) || (self.replayed > 0 && is_due(due.replayed))
    }
}

/// The result of an intake: mapped events that owe something, and when the next events are due, whether or not there is
/// capacity for them.
pub(super) type Intake = (Vec<ActiveEvent>, NextDue);

/// Claims the events that are due, as far as there is capacity.
pub(super) async fn take(context: &Context, capacity: Capacity) -> Result<Intake, WriteGaveUp> {
    let capacity = Capacity {
        live: capacity.live.min(AT_ONCE),
        replayed: capacity.replayed.min(AT_ONCE),
        followers: capacity.followers.min(FOLLOWERS_AT_ONCE),
    };
    let now = context.now();
    bring_forward(context).await?;
    let due = next_due(context).await?;
    if !capacity.fits(due, now) {
        return Ok((Vec::new(), due));
    }
    let outbox = &context.scheduler.outbox;
    let by = now.plus(context.lead());
    let claim = || outbox.claim(by, capacity.live, capacity.replayed, capacity.followers);
    let claimed = context.write_until_done("a claim", claim).await?;
    let ids: Vec<EventId> = claimed.iter().map(|claimed| claimed.event).collect();
    let read = read(context, &ids).await;
    context.scheduler.instruments.heartbeats.events_read(read.is_ok());
    let batch = if let Ok(mut batch) = read {
        let runs: HashMap<_, _> = claimed.iter().map(|claimed| (claimed.event, claimed.run)).collect();
        for active in &mut batch {
            active.run = runs.get(&active.event.id).copied().flatten();
        }
        batch
    } else {
        requeue(context, &ids).await;
        Vec::new()
    };
    // The claimed events stay active, even if this read fails.
    let later = NextDue::at(now.plus(LOOK_AGAIN));
    Ok((batch, next_due(context).await.unwrap_or(later)))
}

/// When the next events are due.
async fn next_due(context: &Context) -> Result<NextDue, WriteGaveUp> {
    let due = context.scheduler.outbox.next_due().await;
    let due = due.map_err(|error| failed_to_look(context, &error))?;
    Ok(due.earlier_by(context.lead()))
}

/// Makes events due whose due time is further away than the longest wait: they were written by a clock that has been
/// set back since.
async fn bring_forward(context: &Context) -> Result<(), WriteGaveUp> {
    let outbox = &context.scheduler.outbox;
    let now = context.now().plus(context.lead());
    let beyond = now.plus(context.longest_wait());
    let latest = outbox.latest_due().await;
    if latest.map_err(|error| failed_to_look(context, &error))? <= beyond {
        return Ok(());
    }
    tracing::warn!(
        "some events are due later than the longest wait: the clock was ahead when they were stored; they are due now"
    );
    let bring = || outbox.bring_forward(beyond, now);
    while context.write_until_done("due times", bring).await? {}
    Ok(())
}

fn failed_to_look(context: &Context, error: &ReadError) -> WriteGaveUp {
    context.scheduler.outbox.judge(error);
    tracing::error!(error = %error_chain(error), "failed to look for work");
    WriteGaveUp
}

pub(super) async fn requeue(context: &Context, ids: &[EventId]) {
    let now = context.now();
    let due = now.plus(TROUBLE_WAIT);
    let steps = ids.iter().map(|id| Next::Requeue { event: *id, due, now });
    context.requeue(steps.collect()).await;
}

/// Reads claimed events and maps those that were not mapped in this generation, a few at a time: a call may be large,
/// and its requests larger.
async fn read(context: &Context, ids: &[EventId]) -> Result<Vec<ActiveEvent>, WriteGaveUp> {
    let mut batch = Vec::with_capacity(ids.len());
    for ids in ids.chunks(READ_AT_ONCE) {
        let (events, ended) = reading::claimed(context, ids).await?;
        let mut mapped = MappedEvents {
            ended,
            ..MappedEvents::default()
        };
        let mut envelopes = Envelopes::default();
        for event in events {
            mapped.add(context, event, &mut envelopes).await?;
            if mapped.bytes >= WRITE_AT_ONCE {
                batch.extend(mapped.write(context).await?);
            }
        }
        batch.extend(mapped.write(context).await?);
    }
    Ok(batch)
}

/// Events that are mapped, and what is not written of them yet.
#[derive(Default)]
struct MappedEvents {
    events: Vec<ClaimedEvent>,
    planned: Vec<(EventId, Vec<PlannedDelivery>)>,
    /// The length of the bodies in `planned`.
    bytes: usize,
    ended: Vec<Next>,
}

impl MappedEvents {
    /// Adds an event, and maps it if it is not mapped.
    async fn add(
        &mut self,
        context: &Context,
        mut event: ClaimedEvent,
        envelopes: &mut Envelopes,
    ) -> Result<(), WriteGaveUp> {
        if event.deliveries.is_empty() {
            let span = tracing::info_span!("map", event = %event.id);
            telemetry::resumed(&span, event.traceparent.as_deref());
            match map(context, &event, envelopes).instrument(span).await? {
                Plan::Owes(deliveries) => {
                    let requests = deliveries.len();
                    tracing::debug!(event = %event.id, source = event.source, requests, "mapped");
                    let bodies = deliveries.iter().flat_map(|delivery| &delivery.request);
                    self.bytes += bodies.map(String::len).sum::<usize>();
                    self.planned.push((event.id, deliveries));
                }
                Plan::Skip(reason) => {
                    self.ended.push(context.finish(&event, End::Skipped(reason)));
                }
                Plan::Dead(cause) => {
                    self.ended.push(context.finish(&event, End::Dead(Reason::from(&cause))));
                }
            }
        }
        // The stored bodies are sent as they are; the call is not needed any more.
        event.payload = String::new();
        event.envelope = None;
        self.events.push(event);
        Ok(())
    }

    /// Writes what the events owe, and the ends of those that owe nothing. Returns the others.
    async fn write(&mut self, context: &Context) -> Result<Vec<ActiveEvent>, WriteGaveUp> {
        let Self {
            mut events,
            planned,
            mut ended,
            bytes: _,
        } = std::mem::take(self);
        write_plans(context, &mut events, planned).await?;
        let mut batch = Vec::with_capacity(events.len());
        for event in events {
            if !event.deliveries.is_empty() {
                let (active, owes) = ActiveEvent::new(event);
                if owes {
                    batch.push(active);
                } else {
                    // Everything was rejected before it was sent.
                    ended.push(active.end(context));
                }
            }
        }
        context.step(ended).await?;
        Ok(batch)
    }
}

async fn map(context: &Context, event: &ClaimedEvent, envelopes: &mut Envelopes) -> Result<Plan, WriteGaveUp> {
    let unknown = SourceRules::default();
    let settings = Settings {
        mapping: &context.settings.mapping,
        rules: context.settings.sources.get(&event.source).unwrap_or(&unknown),
        replay_consent_within: context.settings.policy.replay_consent_within,
        now: context.now(),
        latest: context.latest(),
    };
    if event.replay.as_sent {
        let former = match context.scheduler.outbox.formerly_owed(event.id).await {
            Ok(former) => former,
            Err(error) if error.is_damage() => {
                reading::damaged(context, 1).await;
                return Ok(Plan::Dead(Cause::Damaged));
            }
            Err(error) => {
                tracing::error!(error = %error_chain(&error), "failed to read what was sent before");
                return Err(WriteGaveUp);
            }
        };
        if !former.is_empty() {
            return Ok(Plan::of(former, event, event.at, &settings));
        }
    }
    // The mapper is pure: a panic in it, which is a bug in this program, leaves no partial state. It affects only this
    // event.
    let mapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| plan(event, envelopes, &settings)));
    Ok(mapped.unwrap_or_else(|_| {
        tracing::error!(event = %event.id, "failed to map an event; it is dead, please report this");
        Plan::Dead(Cause::Bug)
    }))
}

/// Writes what events owe, and sets the delivery ids in the active events.
async fn write_plans(
    context: &Context,
    events: &mut [ClaimedEvent],
    planned: Vec<(EventId, Vec<PlannedDelivery>)>,
) -> Result<(), WriteGaveUp> {
    if planned.is_empty() {
        return Ok(());
    }
    let outbox = &context.scheduler.outbox;
    let mut ids = context
        .write_until_done("what events owe", || outbox.plan(planned.clone()))
        .await?;
    for (_, deliveries) in &planned {
        counters::planned(&context.scheduler.instruments.metrics, deliveries);
    }
    let mut planned: HashMap<_, _> = planned.into_iter().collect();
    for event in events {
        let (Some(deliveries), Some(ids)) = (planned.remove(&event.id), ids.remove(&event.id)) else {
            continue;
        };
        event.deliveries = deliveries
            .into_iter()
            .zip(ids)
            .map(|(delivery, id)| stored(delivery, id))
            .collect();
    }
    Ok(())
}

fn stored(planned: PlannedDelivery, id: crate::model::DeliveryId) -> StoredDelivery {
    let status = match planned.rejected {
        Some(_) => DeliveryStatus::Rejected,
        None => DeliveryStatus::Pending,
    };
    StoredDelivery {
        id,
        kind: planned.kind,
        list_id: planned.list_id,
        status,
        reason: planned.rejected,
        tries: 0,
        failures: 0,
        request: planned.request,
        profile_id: None,
        copy_of: None,
    }
}
