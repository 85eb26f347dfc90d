//! The metrics of the scheduler. They are updated after the write to the outbox.

use crate::metrics::{DeliveryState, LimitUse, Metrics};
use crate::model::{PauseKind, Timestamp};
use crate::outbox::{LimitInUse as StoredLimit, Next, PlannedDelivery, Transition};
use crate::scheduler::policy::{Breakers, Limits};

/// Counts attempts, and events that ended.
pub(super) fn settled(metrics: &Metrics, transitions: &[Transition]) {
    for transition in transitions {
        if let Some(settlement) = &transition.settlement
            && settlement.attempt > 0
        {
            metrics.attempt(settlement.outcome.kind);
        }
        match &transition.next {
            Next::Complete {
                status,
                reason,
                copy_of,
                ..
            } => {
                metrics.finished(*status, reason.as_ref());
                if copy_of.is_some() {
                    metrics.finished_as_copy();
                }
            }
            Next::Continue | Next::Reschedule { .. } | Next::Requeue { .. } => {}
        }
    }
}

/// Counts deliveries that were rejected before they were sent.
pub(super) fn planned(metrics: &Metrics, planned: &[PlannedDelivery]) {
    for delivery in planned.iter().filter(|planned| planned.rejected.is_some()) {
        metrics.delivery(delivery.kind, crate::model::DeliveryStatus::Rejected);
    }
}

/// The use of the limits by the families that sent something in the last minute or are closed by a 429, for readers of
/// the outbox.
pub(super) fn limits_in_use(limits: &Limits, now: Timestamp) -> Vec<StoredLimit> {
    let used = limits.snapshot(now).into_iter().map(|family| StoredLimit {
        family: family.family.word().to_owned(),
        second: family.second.map(u64::from),
        minute: family.minute.map(u64::from),
        closed: family.closed_until.is_some_and(|until| until > now),
    });
    used.filter(|family| family.minute[0] > 0 || family.closed).collect()
}

/// Sets the metrics of the breakers and limits.
pub(super) fn standing(metrics: &Metrics, breakers: &Breakers, limits: &Limits, now: Timestamp) {
    let paused = breakers.paused(now);
    let account = paused.iter().find(|paused| paused.family.is_none());
    let refused = paused.iter().any(|paused| paused.why == PauseKind::Refused);
    let state = match account.map(|paused| paused.why) {
        _ if refused => DeliveryState::Refused,
        Some(PauseKind::Refused | PauseKind::Unreachable | PauseKind::RateLimited) => DeliveryState::Unreachable,
        None if breakers.all_closed() => DeliveryState::Flowing,
        None => DeliveryState::Recovering,
    };
    metrics.delivery_state(state);
    for family in limits.snapshot(now) {
        let limit = LimitUse {
            second: family.second,
            minute: family.minute,
            closed: family.closed_until.is_some(),
            paused: paused
                .iter()
                .any(|paused| paused.family.is_none_or(|of| of == family.family)),
        };
        metrics.limit(family.family, limit);
    }
}
