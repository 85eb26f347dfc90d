//! How SQLite will run the statements of the hot path: none may read a table that grows from end to end.

use super::tests::files;

/// The statements that run for each event or group of events.
const HOT: [(&str, &str); 15] = [
    ("append", include_str!("sql/append.sql")),
    ("line_up", include_str!("sql/line_up.sql")),
    ("claim", include_str!("sql/claim.sql")),
    ("next_due", include_str!("sql/next_due.sql")),
    ("plan", include_str!("sql/plan.sql")),
    ("begin", include_str!("sql/begin.sql")),
    ("settle", include_str!("sql/settle.sql")),
    ("release", include_str!("sql/release.sql")),
    ("finish", include_str!("sql/finish.sql")),
    ("prune", include_str!("sql/prune.sql")),
    ("strippable", include_str!("sql/strippable.sql")),
    ("strip", include_str!("sql/strip.sql")),
    ("recover", include_str!("sql/recover.sql")),
    ("erasable", include_str!("sql/erasable.sql")),
    ("erase", include_str!("sql/erase.sql")),
];

/// Indexes that hold only what is in the air: bounded by the window, and empty at rest.
const BOUNDED: [&str; 2] = ["INDEX event_in_air", "INDEX attempt_open"];

#[tokio::test]
async fn hot_statements_scan_no_table_that_grows() {
    let files = files();
    let outbox = files.open().await;
    let mut looked_at = 0;
    for (name, text) in HOT.into_iter().chain([
        ("claimed", super::work::EVENTS),
        ("owed", super::work::DELIVERIES),
        ("known", super::import::KNOWN),
        ("the oldest pending event", super::sample::OLDEST_PENDING),
        ("a page of events", super::page::LOOKED_THROUGH),
        ("neighbours", super::near::NEIGHBOURS),
        ("the event of a message", super::near::OF_MESSAGE),
    ]) {
        for statement in statements(text) {
            let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan = sqlx::query(sql).fetch_all(&outbox.readers).await.unwrap();
            for row in &plan {
                let step: String = sqlx::Row::get(row, "detail");
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
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", super::import::KNOWN));
    let plan = sqlx::query(sql).fetch_all(&outbox.readers).await.unwrap();
    let steps: Vec<String> = plan
        .iter()
        .map(|row| sqlx::Row::get(row, "detail"))
        .collect();
    let by_key = |step: &String| step.contains("(source=? AND message_id=?)");
    assert!(steps.last().is_some_and(by_key), "{steps:?}");
}

/// The statements of a text, without its comments.
fn statements(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let code = code.collect::<Vec<_>>().join("\n");
    let statements = code
        .split(';')
        .filter(|statement| !statement.trim().is_empty());
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
    assert!(!reads_all("SEARCH event USING INDEX event_due (due_ms<?)"));
    assert!(!reads_all("SCAN j VIRTUAL TABLE INDEX 1:"));
}
