//! Import jobs in the file: what a start recovers of them, and what closes them.

use super::*;
use crate::model::{DeliveryId, EventId, ImportJobId};
use crate::outbox::maintain::retention::Round;

/// The import of a profile.
pub(in crate::outbox) fn profile(user: &str) -> PlannedDelivery {
    let body = format!(r#"{{"data":{{"type":"profile","attributes":{{"external_id":"{user}"}}}}}}"#);
    PlannedDelivery {
        kind: DeliveryKind::Profile,
        metric: None,
        request: Some(body),
        ..planned(None)
    }
}

/// Two identifies of each of three people; the first of each person is in an import job.
async fn begun(files: &Files) -> (Outbox, ImportJobId, Vec<DeliveryId>) {
    let outbox = files.open().await;
    let calls = ["a", "b", "c", "a", "b", "c"].into_iter().enumerate();
    let calls = calls.map(|(at, user)| event(&format!("m{at}"), &[user]));
    outbox.intake().append(calls.collect()).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [1, 2, 3]);
    let mut deliveries = Vec::new();
    for (at, user) in [(1, "a"), (2, "b"), (3, "c")] {
        deliveries.push(plan(&outbox, at, profile(user)).await);
    }
    // Not in ascending order.
    deliveries.swap(0, 2);
    let starts = deliveries.iter().copied().map(start).collect();
    let (job, begun) = outbox.queue().begin_import(starts).await.unwrap();
    assert_eq!(begun, vec![Begun::Go { attempt: 1 }; 3]);
    (outbox, job, deliveries)
}

async fn reopened(outbox: Outbox, files: &Files) -> Outbox {
    outbox.close().await;
    files.open().await
}

fn settled(delivery: DeliveryId, event: i64) -> Transition {
    Transition {
        settlement: Some(Settlement {
            delivery,
            attempt: 1,
            outcome: Outcome::of(OutcomeKind::Unknown),
            status: DeliveryStatus::Unknown,
            reason: Some(because("why")),
            request: None,
            counts: false,
            failed: false,
            now: NOW,
        }),
        next: Next::Reschedule {
            parked: None,
            event: EventId(event),
            due: NOW,
        },
    }
}

#[tokio::test]
async fn a_start_finds_an_open_job_with_its_items_in_order_and_its_people_wait() {
    let files = files();
    let (outbox, job, deliveries) = begun(&files).await;
    outbox.queue().import_accepted(job, "J1".to_owned()).await.unwrap();
    let outbox = reopened(outbox, &files).await;
    let open = OpenImport {
        id: job,
        klaviyo_id: Some("J1".to_owned()),
        began: NOW,
        items: 3,
        events: vec![EventId(1), EventId(2), EventId(3)],
    };
    let mut found = outbox.queue().open_imports().await.unwrap();
    found[0].events.sort();
    assert_eq!(found, [open]);
    let items = outbox.queue().import_items(job).await.unwrap();
    let order: Vec<_> = items.iter().map(|item| item.delivery).collect();
    assert_eq!(order, deliveries);
    let first = items[0].request.as_deref().unwrap();
    assert!(items[0].open && first.contains("\"c\""), "{items:?}");
    assert_eq!(claim_all(&outbox).await, [0; 0], "neither they nor those behind");
    let audit = outbox.audit(true).await.unwrap();
    assert!(audit.holds, "{audit:?}");
    outbox.discard(NOW, vec![EventId(1)]).await.unwrap();
    outbox.hold(vec![EventId(1)]).await.unwrap();
    let left_alone = "SELECT count(*) FROM event WHERE id = 1 AND status = 'pending' AND active = 1";
    assert_eq!(count(&outbox, left_alone).await, 1);
}

#[tokio::test]
async fn a_job_whose_id_never_came_is_found_too() {
    let files = files();
    let (outbox, job, _) = begun(&files).await;
    let outbox = reopened(outbox, &files).await;
    let open = outbox.queue().open_imports().await.unwrap();
    assert_eq!((open[0].id, &open[0].klaviyo_id), (job, &None));
    assert_eq!(claim_all(&outbox).await, [0; 0]);
}

#[tokio::test]
async fn a_job_is_over_with_the_last_of_its_items_and_its_id_stays_known() {
    let files = files();
    let (outbox, job, deliveries) = begun(&files).await;
    outbox.queue().import_accepted(job, "J1".to_owned()).await.unwrap();
    let two = vec![settled(deliveries[0], 3), settled(deliveries[1], 2)];
    outbox.queue().settle(two).await.unwrap();
    let outbox = reopened(outbox, &files).await;
    let open = outbox.queue().open_imports().await.unwrap();
    assert_eq!(open[0].events, [EventId(1)]);
    let open = outbox.queue().import_items(job).await.unwrap();
    let open: Vec<bool> = open.iter().map(|item| item.open).collect();
    assert_eq!(open, [false, false, true]);
    outbox.queue().settle(vec![settled(deliveries[2], 1)]).await.unwrap();
    assert_eq!(outbox.queue().open_imports().await.unwrap(), []);
    let shown = "SELECT count(*) FROM attempts WHERE klaviyo_job_id = 'J1'";
    assert_eq!(count(&outbox, shown).await, 3);
    assert!(outbox.queue().known_imports(NOW).await.unwrap().contains("J1"));
    let outbox = reopened(outbox, &files).await;
    assert_eq!(claim_all(&outbox).await.len(), 3);
}

#[tokio::test]
async fn what_was_in_flight_beside_a_job_is_taken_up_as_ever() {
    let files = files();
    let (outbox, _, _) = begun(&files).await;
    outbox.intake().append(vec![event("m9", &["z"])]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [7]);
    let single = plan(&outbox, 7, planned(Some("k"))).await;
    begin(&outbox, single).await;
    let outbox = reopened(outbox, &files).await;
    assert_eq!(claim_all(&outbox).await, [7]);
    let unknown = "SELECT count(*) FROM delivery WHERE status = 'unknown'";
    assert_eq!(count(&outbox, unknown).await, 1);
}

#[tokio::test]
async fn a_job_whose_events_were_given_back_is_over_at_the_next_start() {
    let files = files();
    let (outbox, _, _) = begun(&files).await;
    let back = |event| Transition {
        settlement: None,
        next: Next::Requeue {
            event: EventId(event),
            due: NOW,
            now: NOW,
        },
    };
    outbox.queue().settle([1, 2, 3].map(back).to_vec()).await.unwrap();
    let outbox = reopened(outbox, &files).await;
    assert_eq!(outbox.queue().open_imports().await.unwrap(), []);
    assert_eq!(claim_all(&outbox).await.len(), 3);
    assert!(outbox.audit(true).await.unwrap().holds);
}

#[tokio::test]
async fn a_restored_backup_knows_of_no_open_job_and_holds_its_people() {
    let files = files();
    let (outbox, _, _) = begun(&files).await;
    let copy = files.config.path.with_extension("copy");
    Outbox::backup(&files.config, &copy).await.unwrap();
    outbox.close().await;
    let restored = Outbox::restore(&files.config, &copy, true, NOW).await.unwrap();
    assert_eq!(restored.held, 6);
    let outbox = files.open().await;
    assert_eq!(outbox.queue().open_imports().await.unwrap(), []);
    assert!(outbox.audit(true).await.unwrap().holds);
}

#[tokio::test]
async fn a_job_is_forgotten_when_its_attempts_are() {
    let files = files();
    let (outbox, _, deliveries) = begun(&files).await;
    let steps = deliveries.iter().zip([3, 2, 1]);
    let steps = steps.map(|(delivery, event)| settled(*delivery, event));
    outbox.queue().settle(steps.collect()).await.unwrap();
    let kept = "SELECT count(*) FROM import_job";
    let later = NOW.plus(Duration::from_hours(1));
    let round = |import_jobs| Round {
        minutes: NOW,
        delivered: later,
        dead: later,
        bodies: later,
        import_jobs,
    };
    outbox.run_round(round(later)).await.unwrap();
    assert_eq!(count(&outbox, kept).await, 1, "its attempts are there");
    outbox.discard(NOW, (1..=6).map(EventId).collect()).await.unwrap();
    outbox.run_round(round(NOW)).await.unwrap();
    assert_eq!(count(&outbox, kept).await, 1, "it has just ended");
    outbox.run_round(round(later)).await.unwrap();
    assert_eq!(count(&outbox, kept).await, 0);
}
