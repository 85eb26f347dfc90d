//! A file of an older program, brought up to date: what it held, it holds.

use std::borrow::Cow;

use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use super::{Files, NOW, count, files, planned};
use crate::model::DeliveryKind;
use crate::outbox::*;

/// What a program of version 2 may have left: every kind of request, attempts, a line, the ledger, a gap in the numbers.
const FILLED: &str = "
    INSERT INTO message VALUES ('shop', 'm1', 1, 5), ('shop', 'm2', 2, 6), ('shop', 'm3', 3, 7);
    INSERT INTO event (id, source, message_id, type, name, profile, at_ms, received_ms, status, reason, seq, due_ms,
                       cycle_ms, finished_ms)
    VALUES (1, 'shop', 'm1', 'track', 'Order', 'user:1', 5, 5, 'delivered', NULL, 1, 5, 5, 9),
           (2, 'shop', 'm2', 'identify', NULL, 'user:1', 6, 6, 'dead', 'no', 2, 6, 6, 9),
           (3, 'shop', 'm3', 'track', 'Later', 'user:1', 7, 7, 'pending', NULL, 3, 7, 7, NULL);
    INSERT INTO payload VALUES (1, '{\"n\":1.10}', NULL), (2, '{}', '{}'), (3, '{}', NULL);
    INSERT INTO event_identifier VALUES (1, 'user:1'), (2, 'user:1'), (3, 'user:1');
    INSERT INTO turn VALUES ('user:1', 3, 3);
    INSERT INTO delivery (id, event_id, cycle, position, kind, metric, event_key, list_id, status, reason, warnings,
                          tries, request, sent_to, http_status, profile_id, delivered_ms)
    VALUES (1, 1, 1, 0, 'event', 'Order', 'k', NULL, 'delivered', NULL, 'odd', 1, '{}', 'sandbox', 202, NULL, 8),
           (2, 2, 1, 0, 'profile', NULL, NULL, NULL, 'delivered', NULL, NULL, 1, '{}', 'sandbox', 201, 'P', 8),
           (3, 2, 1, 1, 'subscription', NULL, NULL, 'L', 'unknown', 'why', NULL, 2, '{}', 'sandbox', NULL, NULL, NULL),
           (4, 2, 1, 2, 'list_add', NULL, NULL, 'L', 'rejected', 'no', NULL, 1, NULL, NULL, 400, NULL, NULL),
           (9, 2, 1, 3, 'list_remove', NULL, NULL, 'L', 'pending', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO attempt VALUES (1, 1, 7, 8, 202, 'accepted', NULL, 'r'), (3, 1, 7, 8, NULL, 'unknown', 'lost', NULL),
                               (3, 2, 8, 9, NULL, 'unknown', 'lost', NULL), (4, 1, 8, 9, 400, 'refused', 'no', NULL);
    INSERT INTO sent_key VALUES ('sandbox', 'Order', 'k', 1, 8);
    INSERT INTO fact VALUES ('a', 'b');
    UPDATE counter SET value = 3 WHERE name IN ('last_id', 'accepted');
";
/// What must be the same before and after, row for row; what is new in a table is not in it.
const TABLES: [&str; 10] = [
    "SELECT * FROM counter WHERE name NOT IN ('last_envelope', 'copies', 'repeats')",
    "SELECT source, message_id, event_id, received_ms FROM message",
    "SELECT id, source, message_id, type, name, profile, at_ms, received_ms, status, reason, seq, ahead, in_air, due_ms,
            cycle, cycle_ms, consent, backfill, as_sent, finished_ms FROM event",
    "SELECT event_id, body, envelope FROM payload",
    "SELECT * FROM event_identifier",
    "SELECT * FROM turn",
    "SELECT id, event_id, cycle, position, kind, metric, event_key, list_id, status, reason, warnings, tries, request,
            sent_to, http_status, profile_id, delivered_ms FROM delivery",
    "SELECT delivery_id, number, started_ms, ended_ms, http_status, outcome, error, request_id FROM attempt",
    "SELECT sent_to, metric, event_key, delivery_id, at_ms FROM sent_key",
    "SELECT * FROM fact",
];
/// Tables and views as they were made, apart from the table whose CHECK changed, and those that have columns more.
const SCHEMA_TEXTS: &str = "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema
    WHERE type IN ('table', 'view') AND name NOT IN ('delivery', 'event', 'events', 'erasure', 'erasures', 'pause',
                                                 'attempt', 'attempts', 'payload', 'message', 'sent_key', 'deliveries') ORDER BY name";

/// Every row of these tables, as text.
async fn contents(connection: &mut SqliteConnection) -> Vec<String> {
    let mut contents = Vec::new();
    for table in TABLES {
        for row in sqlx::query(table).fetch_all(&mut *connection).await.unwrap() {
            let cells = (0..row.len()).map(|at| {
                row.try_get_unchecked::<Option<String>, _>(at)
                    .unwrap()
                    .unwrap_or_default()
            });
            contents.push(format!("{table}: {:?}", cells.collect::<Vec<_>>()));
        }
    }
    contents
}

async fn texts(connection: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

/// A filled file as the first two migrations make it.
async fn version_2(files: &Files) -> SqliteConnection {
    let newest = sqlx::migrate!("./migrations");
    let of_version_2 = newest.iter().filter(|migration| migration.version <= 2);
    let old = Migrator {
        migrations: Cow::Owned(of_version_2.cloned().collect()),
        ..Migrator::DEFAULT
    };
    let mut connection = connect::writer(&files.config.path, true).await.unwrap();
    old.run(&mut connection).await.unwrap();
    sqlx::raw_sql(FILLED).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn a_file_of_version_2_keeps_everything_and_takes_deletions() {
    let files = files();
    let mut connection = version_2(&files).await;
    let (before, schema) = (
        contents(&mut connection).await,
        texts(&mut connection, SCHEMA_TEXTS).await,
    );
    assert_eq!((before.len(), schema.len() > 9), (29, true));
    connect::close(connection).await;

    for _start in 0..2 {
        let outbox = files.open().await;
        assert_eq!(count(&outbox, "PRAGMA user_version").await, SCHEMA);
        outbox.close().await;
        let mut connection = connect::writer(&files.config.path, false).await.unwrap();
        assert_eq!(contents(&mut connection).await, before);
        let now = texts(&mut connection, SCHEMA_TEXTS).await;
        for text in &schema {
            assert!(now.contains(text), "gone or changed: {text}");
        }
        assert_eq!(texts(&mut connection, "PRAGMA integrity_check").await, ["ok"]);
        let broken = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert!(broken.is_empty());
        connect::close(connection).await;
    }

    // The new word is taken, a word that is none is not, and numbers go on where they were.
    let outbox = files.open().await;
    let owed = PlannedDelivery {
        kind: DeliveryKind::Deletion,
        metric: None,
        event_key: None,
        list_id: None,
        request: None,
        refused: None,
        warnings: Vec::new(),
    };
    let event = EventId(3);
    let numbers = outbox.plan(vec![(event, vec![owed])]).await.unwrap();
    assert_eq!(numbers[&event], [DeliveryId(10)]);
    outbox.close().await;
    let mut connection = connect::writer(&files.config.path, false).await.unwrap();
    let odd = "BEGIN; INSERT INTO writing (id) VALUES (1); UPDATE delivery SET kind = 'odd' WHERE id = 1";
    let odd = sqlx::query(odd).execute(&mut connection).await;
    assert!(odd.unwrap_err().to_string().contains("CHECK constraint"));
}

#[tokio::test]
async fn the_start_that_brings_a_file_up_to_date_can_write_what_is_new() {
    let files = files();
    let connection = version_2(&files).await;
    connect::close(connection).await;
    let outbox = Outbox::open(&files.config, NOW).await.unwrap();
    let deletion = PlannedDelivery {
        kind: DeliveryKind::Deletion,
        ..planned(None)
    };
    outbox.plan(vec![(EventId(3), vec![deletion])]).await.unwrap();
    let deletions = "SELECT count(*) FROM deliveries WHERE kind = 'deletion'";
    assert_eq!(count(&outbox, deletions).await, 1);
}

/// Bodies as calls can have them, and the order that each names; some are no JSON, or nothing that one can look into.
const BODIES: [(&str, Option<&str>); 20] = [
    (r#"{"properties":{"orderId":"o-1"}}"#, Some("o-1")),
    (r#"{"properties":{"a":1,"Order ID":" o-2 "}}"#, Some("o-2")),
    (r#"{"properties":{"order_id":1001}}"#, Some("1001")),
    (
        r#"{"properties":{"order-id":12345678901234567890123}}"#,
        Some("12345678901234567890123"),
    ),
    (r#"{"properties":{"ORDERID":1.10}}"#, Some("1.10")),
    (
        r#"{"properties":{"order_id":"first","orderId":"second"}}"#,
        Some("first"),
    ),
    (r#"{"properties":{"order_id":null,"orderId":"second"}}"#, None),
    (r#"{"properties":{"orderId":"\"quoted\""}}"#, Some("\"quoted\"")),
    (r#"{"properties":{"orderId":"\ud83d"}}"#, None),
    (r#"{"properties":{"orderId":"undefined"}}"#, None),
    (r#"{"properties":{"orderId":" "}}"#, None),
    (r#"{"properties":{"orderId":["o-1"]}}"#, None),
    (r#"{"properties":{"orderId":true}}"#, None),
    (r#"{"properties":["orderId"],"orderId":"o-1"}"#, None),
    (r#"{"properties":"orderId"}"#, None),
    (r#"["order_id"]"#, None),
    (r#""order_id""#, None),
    (r#"{"properties":{"orderId":"cut"#, None),
    ("order_id", None),
    ("", None),
];

#[tokio::test]
async fn orders_are_read_from_the_calls_that_are_there_whatever_these_are() {
    let files = files();
    let mut connection = version_2(&files).await;
    for (number, (body, _)) in (10..).zip(BODIES) {
        let insert =
            "INSERT INTO event (id, source, message_id, at_ms, received_ms, status, reason, seq, due_ms, cycle_ms,
                                         finished_ms)
                      VALUES (?1, 'shop', ?1, 5, 5, 'dead', 'no', ?1, 5, 5, 9)";
        for sql in [insert, "INSERT INTO payload VALUES (?1, ?2, NULL)"] {
            let query = sqlx::query(sql).bind(number).bind(body);
            query.execute(&mut connection).await.unwrap();
        }
    }
    connect::close(connection).await;
    let outbox = files.open().await;
    let orders: Vec<Option<String>> = sqlx::query_scalar("SELECT order_id FROM events WHERE id >= 10 ORDER BY id")
        .fetch_all(&outbox.readers)
        .await
        .unwrap();
    let found = BODIES.iter().zip(&orders);
    let wrong: Vec<_> = found
        .filter(|((_, expected), found)| *expected != found.as_deref())
        .collect();
    assert!(wrong.is_empty() && orders.len() == BODIES.len(), "{wrong:?}");
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let files = files();
    let outbox = files.open().await;
    outbox.close().await;
    let mut connection = connect::writer(&files.config.path, false).await.unwrap();
    sqlx::query("PRAGMA user_version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    connect::close(connection).await;
    let error = Outbox::attach(&files.config).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    let error = Outbox::open(&files.config, NOW).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}
