//! The query plans of the statements of the hot path: none may scan a table that grows.

use crate::model::EventStatus;
use crate::outbox::read::scan::Range;
use crate::outbox::tests::files;
use crate::outbox::{Outbox, Selection};

/// The statements that run for each event or group of events.
const HOT: [(&str, &str); 17] = [
    ("append", include_str!("intake/sql/append.sql")),
    ("enqueue", include_str!("intake/sql/enqueue.sql")),
    ("claim", include_str!("queue/sql/claim.sql")),
    ("next_due", include_str!("queue/sql/next_due.sql")),
    ("plan", include_str!("queue/sql/plan.sql")),
    ("begin", include_str!("queue/sql/begin.sql")),
    ("settle", include_str!("queue/sql/settle.sql")),
    ("requeue", include_str!("queue/sql/requeue.sql")),
    ("close_lost", include_str!("queue/sql/close_lost.sql")),
    ("finish", include_str!("queue/sql/finish.sql")),
    ("delete_events", include_str!("maintain/sql/delete_events.sql")),
    ("bodies_due", include_str!("maintain/sql/bodies_due.sql")),
    ("delete_bodies", include_str!("maintain/sql/delete_bodies.sql")),
    ("recover", include_str!("queue/sql/recover.sql")),
    ("erasable", include_str!("control/sql/erasable.sql")),
    ("erase", include_str!("control/sql/erase.sql")),
    ("rollup", include_str!("maintain/sql/rollup.sql")),
];

/// Indexes that contain only active events and attempts in flight (bounded by the window and empty at rest), or
/// requests that got no answer.
const BOUNDED: [&str; 4] = [
    "INDEX event_active",
    "INDEX attempt_open",
    "INDEX import_job_open",
    "INDEX delivery_unknown",
];

#[tokio::test]
async fn hot_statements_scan_no_table_that_grows() {
    let files = files();
    let outbox = files.open().await;
    let mut looked_at = 0;
    for (name, text) in HOT.into_iter().chain([
        ("claimed", crate::outbox::queue::work::EVENTS),
        ("owed", crate::outbox::queue::work::DELIVERIES),
        ("dead since", crate::outbox::read::stopped::DEAD_SINCE),
        ("what may begin", crate::outbox::queue::begin::MAY_BEGIN),
        ("known", crate::outbox::read::known::KNOWN),
        ("open import jobs", crate::outbox::queue::import_job::OPEN),
        ("their events", crate::outbox::queue::import_job::EVENTS),
        ("their items", crate::outbox::queue::import_job::ITEMS),
        ("the latest due time", crate::outbox::queue::waiting::LATEST_DUE),
        ("the latest time", crate::outbox::queue::waiting::LATEST_TIME),
        ("what is brought forward", crate::outbox::queue::waiting::BRING_FORWARD),
        (
            "the oldest pending event",
            crate::outbox::maintain::history::OLDEST_PENDING,
        ),
        (
            "unanswered subscriptions",
            crate::outbox::read::overview::UNKNOWN_SUBSCRIPTIONS,
        ),
        ("how far minutes are written", crate::outbox::maintain::history::CURSOR),
        ("what came since", crate::outbox::maintain::history::CAME),
        ("what ended since", crate::outbox::maintain::history::ENDED),
        ("times to delivery", crate::outbox::maintain::history::DELIVERED_AFTER),
        ("minutes", crate::outbox::maintain::history::WRITTEN),
        (
            "the minutes' sources",
            crate::outbox::maintain::history::WRITTEN_SOURCES,
        ),
        ("the ends", crate::outbox::read::scan::ENDS),
        ("a place by time", crate::outbox::read::scan::NEXT),
        ("search by number", crate::outbox::read::search::BY_NUMBER),
        ("search by $event_id", crate::outbox::read::search::BY_EVENT_ID),
        ("search by order", crate::outbox::read::search::BY_ORDER),
        ("search by person", crate::outbox::read::search::BY_IDENTIFIER),
        ("neighbours", crate::outbox::read::neighbours::NEIGHBOURS),
        ("the event of a message", crate::outbox::read::neighbours::OF_MESSAGE),
    ]) {
        for statement in statements(text) {
            for step in steps(&outbox, &statement).await {
                assert!(!reads_all(&step), "{name}: {step} in {statement}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 60, "{looked_at} steps");
}

#[tokio::test]
async fn a_known_message_is_found_by_its_whole_key() {
    let files = files();
    let outbox = files.open().await;
    let steps = steps(&outbox, crate::outbox::read::known::KNOWN).await;
    let by_key = |step: &String| step.contains("(source=? AND message_id=?)");
    assert!(steps.last().is_some_and(by_key), "{steps:?}");
}

#[tokio::test]
async fn shared_identifiers_are_found_by_look_ups() {
    let files = files();
    let outbox = files.open().await;
    let steps = steps(&outbox, crate::outbox::control::shared::SHARED).await;
    // The other scans are over the few rows that were looked up.
    let few = ["SCAN n", "SCAN q", "SCAN w", "SCAN counted"];
    let is_few = |step: &String| few.contains(&step.as_str());
    let scanned = steps.iter().filter(|step| reads_all(step));
    assert!(scanned.into_iter().all(is_few), "{steps:?}");
    let looked_up = |step: &&String| step.contains("(identifier=?)");
    assert_eq!(steps.iter().filter(looked_up).count(), 2, "{steps:?}");
}

#[tokio::test]
async fn a_message_is_looked_up_in_each_source_by_its_whole_key() {
    let files = files();
    let outbox = files.open().await;
    let steps = steps(&outbox, crate::outbox::read::search::BY_MESSAGE).await;
    let by_key = |step: &&String| step.contains("(source=? AND message_id=?)");
    assert_eq!(steps.iter().filter(by_key).count(), 1, "{steps:?}");
    // The other scan is over the sources.
    let scanned = steps.iter().filter(|step| step.starts_with("SCAN"));
    assert!(scanned.into_iter().all(|step| step == "SCAN s"), "{steps:?}");
}

#[tokio::test]
async fn a_page_is_read_by_the_index_of_what_it_lists() {
    let files = files();
    let outbox = files.open().await;
    let all = Range { from: 5, below: 9 };
    let state = |state| Selection {
        states: vec![state],
        ..Selection::default()
    };
    for (selection, index) in [
        (Selection::default(), "INTEGER PRIMARY KEY"),
        (state(EventStatus::Delivered), "INTEGER PRIMARY KEY"),
        (state(EventStatus::Dead), "event_dead_id"),
        (state(EventStatus::Skipped), "event_skipped_id"),
        (state(EventStatus::Held), "event_unfinished"),
        (
            Selection {
                order: Selection::orders("1001"),
                ..Selection::default()
            },
            "event_order",
        ),
        (
            Selection {
                profile: Selection::people("u1"),
                ..Selection::default()
            },
            "event_identifier_events",
        ),
        (
            Selection {
                states: vec![EventStatus::Dead],
                code: Some("klaviyo_400_invalid".to_owned()),
                ..Selection::default()
            },
            "event_dead_id",
        ),
    ] {
        let plan = outbox.scan_plan(&selection).await.unwrap();
        for query in [
            plan.chunk(all, 10),
            crate::outbox::read::page::chunk_query(&selection, &plan, all),
        ] {
            let steps = steps(&outbox, query.sql().as_str()).await;
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            let rows = |step: &&String| reads_all(step) && !is_of_a_bounded_list(step);
            assert_eq!(steps.iter().find(rows), None, "{steps:?}");
        }
    }
}

#[tokio::test]
async fn the_dead_are_selected_by_their_index_in_their_order() {
    let files = files();
    let outbox = files.open().await;
    for selection in [
        Selection {
            states: vec![EventStatus::Dead],
            ..Selection::default()
        },
        Selection {
            states: vec![EventStatus::Dead],
            code: Some("no_email".to_owned()),
            ..Selection::default()
        },
    ] {
        let mut query = crate::outbox::read::select::selected("SELECT e.id", &selection);
        query.push(" ORDER BY e.id");
        let steps = steps(&outbox, query.sql().as_str()).await;
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0].ends_with("INDEX event_dead_id"), "{steps:?}");
    }
}

/// The query plan of a statement.
async fn steps(outbox: &Outbox, sql: &str) -> Vec<String> {
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let plan = sqlx::query(sql).fetch_all(&outbox.store.readers).await.unwrap();
    let steps = plan.iter().map(|row| sqlx::Row::get(row, "detail"));
    steps.collect()
}

/// A list with a limited number of rows.
fn is_of_a_bounded_list(step: &str) -> bool {
    !step.starts_with("SCAN event") && !step.starts_with("SCAN e")
}

/// The statements of a text, without its comments.
fn statements(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let code = code.collect::<Vec<_>>().join("\n");
    let statements = code.split(';').filter(|statement| !statement.trim().is_empty());
    statements.map(str::to_owned).collect()
}

fn reads_all(step: &str) -> bool {
    step.starts_with("SCAN")
        && !step.contains("VIRTUAL TABLE")
        && !step.starts_with("SCAN (subquery")
        && !step.starts_with("SCAN CONSTANT ROW")
        && !BOUNDED.iter().any(|bounded| step.contains(bounded))
}

#[test]
fn a_scan_is_distinguished_from_a_search() {
    assert!(reads_all("SCAN event"));
    assert!(reads_all("SCAN event USING COVERING INDEX event_dead"));
    assert!(!reads_all("SEARCH event USING INDEX event_due (run_after_ms<?)"));
    assert!(!reads_all("SCAN j VIRTUAL TABLE INDEX 1:"));
}
