//! An event is sent through its requests, step by step, as the scheduler does it: claim, plan, begin, settle.

use klaviyo_relay::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, Outcome, Reason, Timestamp,
};
use klaviyo_relay::outbox::{Begun, Next, Outbox, PlannedDelivery, Settlement, Start, Transition};

/// The code of the reasons.
pub(crate) const CODE: &str = "klaviyo_400_invalid_email";

/// Claims every event that is due, with none of those behind it.
pub(crate) async fn claim(outbox: &Outbox, now: Timestamp) -> Vec<EventId> {
    let claimed = outbox.queue().claim(now, 1000, 1000, 0).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.event).collect()
}

/// A delivery of this kind with an empty request.
pub(crate) fn planned(kind: DeliveryKind) -> PlannedDelivery {
    PlannedDelivery {
        kind,
        metric: None,
        event_key: None,
        list_id: None,
        request: Some(r#"{"data":{}}"#.to_owned()),
        rejected: None,
        warnings: Vec::new(),
    }
}

/// Plans the only delivery of an event.
pub(crate) async fn plan(outbox: &Outbox, event: i64, delivery: PlannedDelivery) -> DeliveryId {
    let event = EventId(event);
    outbox.queue().plan(vec![(event, vec![delivery])]).await.unwrap()[&event][0]
}

/// Begins an attempt, whose request is then in flight; returns its number.
pub(crate) async fn begin(outbox: &Outbox, delivery: DeliveryId, now: Timestamp) -> i64 {
    let start = Start {
        delivery,
        sent_to: "sandbox".to_owned(),
        request: None,
        now,
    };
    let Begun::Go { attempt } = outbox.queue().begin(vec![start]).await.unwrap()[0] else {
        panic!("another delivery has its key");
    };
    attempt
}

/// Makes an attempt from its begin to its end, after which the delivery has this status.
pub(crate) async fn attempt(
    outbox: &Outbox,
    delivery: DeliveryId,
    outcome: Outcome,
    status: DeliveryStatus,
    reason: Option<&str>,
    [begun, ended]: [Timestamp; 2],
) {
    let settlement = Settlement {
        delivery,
        attempt: begin(outbox, delivery, begun).await,
        outcome,
        status,
        reason: reason.map(|text| Reason::new(CODE, text)),
        request: None,
        counts: true,
        failed: false,
        now: ended,
    };
    let settlement = Some(settlement);
    outbox
        .queue()
        .settle(vec![Transition {
            settlement,
            next: Next::Continue,
        }])
        .await
        .unwrap();
}

/// What ends an event with this status.
pub(crate) fn finished(event: EventId, status: EventStatus, reason: Option<&str>, now: Timestamp) -> Next {
    let code = match status {
        EventStatus::Skipped => "type_not_mapped",
        EventStatus::Pending | EventStatus::Held | EventStatus::Delivered | EventStatus::Dead => CODE,
    };
    Next::Complete {
        event,
        status,
        reason: reason.map(|text| Reason::new(code, text)),
        copy_of: None,
        hold: false,
        erase: false,
        now,
    }
}

/// What returns a claimed event to its queues until it is due.
pub(crate) fn requeued(event: EventId, due: Timestamp) -> Next {
    Next::Reschedule {
        parked: None,
        event,
        due,
    }
}

/// Settles events without an attempt.
pub(crate) async fn settle(outbox: &Outbox, events: impl IntoIterator<Item = Next>) {
    let steps = events.into_iter().map(|next| Transition { settlement: None, next });
    outbox.queue().settle(steps.collect()).await.unwrap();
}
