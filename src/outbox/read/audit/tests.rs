//! Each rule holds for an outbox in operation, and reports an event whose row was changed by hand.

use super::*;
use crate::model::{DeliveryStatus, EventStatus};
use crate::outbox::Outbox;
use crate::outbox::tests::import_jobs::profile;
use crate::outbox::tests::{Files, NOW, begin, claim_all, event, files, finish, plan, planned, settle, start};

/// Events in various states: delivered with an `$event_id`, dead, skipped, pending behind another, held.
async fn filled(files: &Files) -> Outbox {
    let outbox = files.open().await;
    let calls = ["a", "b", "c", "d", "e"].map(|user| event(&format!("m-{user}"), &[user]));
    let behind = event("m-behind", &["d", "x"]);
    let behind_held = event("m-behind-held", &["e"]);
    outbox
        .intake()
        .append(calls.into_iter().chain([behind, behind_held]).collect())
        .await
        .unwrap();
    outbox.hold(vec![EventId(5)]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [1, 2, 3, 4]);
    let delivery = plan(&outbox, 1, planned(Some("k1"))).await;
    begin(&outbox, delivery).await;
    settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
    finish(&outbox, 1, EventStatus::Delivered).await;
    finish(&outbox, 2, EventStatus::Dead).await;
    finish(&outbox, 3, EventStatus::Skipped).await;
    let profile = plan(&outbox, 4, profile("d")).await;
    outbox.queue().begin_import(vec![start(profile)]).await.unwrap();
    outbox
}

/// Writes past the triggers that guard the tables. The triggers that keep the counts still run.
async fn tamper(files: &Files, sql: &'static str) {
    let mut connection = connect::writer(&files.config.path, false).await.unwrap();
    let allowed = "INSERT INTO write_guard (id) VALUES (1)";
    sqlx::raw_sql(allowed).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connect::close(connection).await;
}

#[tokio::test]
async fn all_rules_hold_for_an_outbox_in_use() {
    let files = files();
    let outbox = filled(&files).await;
    let audit = outbox.audit(true).await.unwrap();
    assert!(audit.holds, "{audit:?}");
    assert_eq!(audit.rules.len(), RULES.len());
    assert_eq!(audit.totals.accepted, 7);
    assert_eq!(audit.file.as_deref(), Some(&[][..]));
}

/// Tracks of one person are claimed together, to leave in one job.
#[tokio::test]
async fn an_active_event_that_follows_an_active_one_breaks_no_rule() {
    let files = files();
    let outbox = files.open().await;
    let tracks = ["m1", "m2", "m3"].map(|message| event(message, &["a"]));
    outbox.intake().append(tracks.to_vec()).await.unwrap();
    assert_eq!(outbox.queue().claim(NOW, 10, 10, 10).await.unwrap().len(), 3);
    let audit = outbox.audit(false).await.unwrap();
    assert!(audit.holds, "{audit:?}");
}

#[tokio::test]
async fn every_rule_names_the_events_that_break_it() {
    for (rule, sql, event) in [
        ("known_messages", "DELETE FROM message WHERE event_id = 2", 2),
        ("numbers", "UPDATE counter SET value = 6 WHERE name = 'last_id'", 7),
        ("payloads", "DELETE FROM payload WHERE event_id = 6", 6),
        (
            "payloads",
            "PRAGMA foreign_keys = OFF; UPDATE payload SET envelope_id = 7 WHERE event_id = 6",
            6,
        ),
        ("queues", "DELETE FROM queue_entry WHERE identifier = 'user:x'", 6),
        ("queue_entries", "INSERT INTO queue_entry VALUES ('user:a', 1, 1)", 1),
        ("blocked_by", "UPDATE event SET blocked_by = 0 WHERE id = 6", 6),
        ("in_flight", "UPDATE event SET active = 1 WHERE id = 7", 7),
        ("import_jobs", "UPDATE import_job SET ended_ms = 1", 4),
        (
            "delivered",
            "UPDATE delivery SET status = 'pending', delivered_ms = NULL WHERE id = 1",
            1,
        ),
        ("accepted", "DELETE FROM attempt WHERE delivery_id = 1", 1),
        ("dedup_keys", "DELETE FROM dedup_key", 1),
    ] {
        let files = files();
        let outbox = filled(&files).await;
        tamper(&files, sql).await;
        let audit = outbox.audit(false).await.unwrap();
        assert!(!audit.holds, "{rule}");
        let broken = audit.rules.iter().find(|found| found.name == rule).unwrap();
        assert_eq!((broken.broken, &*broken.first), (1, &[EventId(event)][..]), "{rule}");
    }
}

#[tokio::test]
async fn a_lost_event_is_a_difference_and_a_lost_count_is_reported() {
    let files = files();
    let outbox = filled(&files).await;
    tamper(&files, "DELETE FROM event WHERE id = 6").await;
    assert_eq!(outbox.audit(false).await.unwrap().totals.difference, 1);

    let files = crate::outbox::tests::files();
    let outbox = filled(&files).await;
    tamper(&files, "UPDATE counter SET value = 7 WHERE name = 'status_held'").await;
    let audit = outbox.audit(false).await.unwrap();
    assert_eq!(audit.totals.difference, 0);
    let held = audit.counts.iter().find(|counted| counted.name == "held");
    assert_eq!(held.map(|held| (held.rows, held.kept)), Some((1, 7)));
    assert!(!audit.holds);
}
