//! How SQLite will run the statements of the hot path: none may read a table that grows from end to end.

use super::places::Range;
use super::tests::files;
use super::{Outbox, Selection};
use crate::model::EventStatus;

/// The statements that run for each event or group of events.
const HOT: [(&str, &str); 17] = [
    ("append", include_str!("sql/append.sql")),
    ("line_up", include_str!("sql/line_up.sql")),
    ("claim", include_str!("sql/claim.sql")),
    ("next_due", include_str!("sql/next_due.sql")),
    ("plan", include_str!("sql/plan.sql")),
    ("begin", include_str!("sql/begin.sql")),
    ("settle", include_str!("sql/settle.sql")),
    ("release", include_str!("sql/release.sql")),
    ("give_back", include_str!("sql/give_back.sql")),
    ("finish", include_str!("sql/finish.sql")),
    ("prune", include_str!("sql/prune.sql")),
    ("strippable", include_str!("sql/strippable.sql")),
    ("strip", include_str!("sql/strip.sql")),
    ("recover", include_str!("sql/recover.sql")),
    ("erasable", include_str!("sql/erasable.sql")),
    ("erase", include_str!("sql/erase.sql")),
    ("chronicle", include_str!("sql/chronicle.sql")),
];

/// Indexes that hold only what is in the air, bounded by the window and empty at rest, or what was never answered.
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
        ("claimed", super::work::EVENTS),
        ("owed", super::work::DELIVERIES),
        ("dead since", super::stopped::DEAD_SINCE),
        ("what may begin", super::begin::MAY_BEGIN),
        ("known", super::arrival::KNOWN),
        ("open import jobs", super::import_job::OPEN),
        ("their events", super::import_job::EVENTS),
        ("their items", super::import_job::ITEMS),
        ("the latest due time", super::waiting::LATEST_DUE),
        ("the latest time", super::waiting::LATEST_TIME),
        ("what is brought forward", super::waiting::BRING_FORWARD),
        ("the oldest pending event", super::history::OLDEST_PENDING),
        ("unanswered subscriptions", super::report::UNKNOWN_SUBSCRIPTIONS),
        ("how far minutes are written", super::history::MARK),
        ("what came since", super::history::CAME),
        ("what ended since", super::history::ENDED),
        ("times to delivery", super::history::DELIVERED_AFTER),
        ("minutes", super::history::WRITTEN),
        ("the minutes' sources", super::history::WRITTEN_SOURCES),
        ("the ends", super::places::ENDS),
        ("a place by time", super::places::NEXT),
        ("search by number", super::search::BY_NUMBER),
        ("search by $event_id", super::search::BY_EVENT_ID),
        ("search by order", super::search::BY_ORDER),
        ("search by person", super::search::BY_IDENTIFIER),
        ("neighbours", super::near::NEIGHBOURS),
        ("the event of a message", super::near::OF_MESSAGE),
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
    let steps = steps(&outbox, super::arrival::KNOWN).await;
    let by_key = |step: &String| step.contains("(source=? AND message_id=?)");
    assert!(steps.last().is_some_and(by_key), "{steps:?}");
}

#[tokio::test]
async fn shared_identifiers_are_found_by_look_ups() {
    let files = files();
    let outbox = files.open().await;
    let steps = steps(&outbox, super::shared::SHARED).await;
    // What else is scanned are the few that were looked up.
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
    let steps = steps(&outbox, super::search::BY_MESSAGE).await;
    let by_key = |step: &&String| step.contains("(source=? AND message_id=?)");
    assert_eq!(steps.iter().filter(by_key).count(), 1, "{steps:?}");
    // What else is scanned are the sources.
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
                group: Some("400 invalid: …".to_owned()),
                ..Selection::default()
            },
            "event_dead_id",
        ),
    ] {
        let places = outbox.places(&selection).await.unwrap();
        for query in [
            places.portion(all, 10),
            super::page::looked_at(&selection, &places, all),
        ] {
            let steps = steps(&outbox, query.sql().as_str()).await;
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            let rows = |step: &&String| reads_all(step) && !is_of_a_portion(step);
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
            group: Some("no …".to_owned()),
            ..Selection::default()
        },
    ] {
        let mut query = super::select::selected("SELECT e.id", &selection);
        query.push(" ORDER BY e.id");
        let steps = steps(&outbox, query.sql().as_str()).await;
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0].ends_with("INDEX event_dead_id"), "{steps:?}");
    }
}

/// How SQLite will run a statement.
async fn steps(outbox: &Outbox, sql: &str) -> Vec<String> {
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let plan = sqlx::query(sql).fetch_all(&outbox.readers).await.unwrap();
    let steps = plan.iter().map(|row| sqlx::Row::get(row, "detail"));
    steps.collect()
}

/// A list that is bounded by its number of rows.
fn is_of_a_portion(step: &str) -> bool {
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
fn a_scan_is_told_from_a_search() {
    assert!(reads_all("SCAN event"));
    assert!(reads_all("SCAN event USING COVERING INDEX event_dead"));
    assert!(!reads_all("SEARCH event USING INDEX event_due (run_after_ms<?)"));
    assert!(!reads_all("SCAN j VIRTUAL TABLE INDEX 1:"));
}
