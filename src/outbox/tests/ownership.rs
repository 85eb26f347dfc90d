//! What a file is, determined from its content and the journal next to it.

use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;

fn theirs(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).create_if_missing(true)
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Writes to `path` the state after a kill in a transaction that had begun to write the file.
async fn killed_in_a_transaction(path: &Path, before: &'static str) {
    let elsewhere = beside(path, ".elsewhere");
    let options = theirs(&elsewhere).pragma("cache_size", "10");
    let mut connection = options.connect().await.unwrap();
    run(&mut connection, before).await;
    run(
        &mut connection,
        "BEGIN; CREATE TABLE more (x); INSERT INTO more SELECT zeroblob(4096) FROM (VALUES (1), (2), (3), (4), (5)), \
         (VALUES (1), (2), (3), (4), (5)), (VALUES (1), (2), (3), (4), (5))",
    )
    .await;
    for end in ["", "-journal"] {
        std::fs::copy(beside(&elsewhere, end), beside(path, end)).unwrap();
    }
}

async fn assert_refused(files: &Files) {
    for error in [
        Outbox::open(&files.config, NOW).await.unwrap_err(),
        Outbox::attach(&files.config).await.unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn another_programs_file_is_refused_and_left_as_it_was() {
    for table in [
        "CREATE TABLE theirs (x)",
        "CREATE TABLE _sqlx_migrations (x); INSERT INTO _sqlx_migrations VALUES (1)",
        "PRAGMA application_id = 7",
    ] {
        let files = files();
        let path = &files.config.path;
        let mut foreign = theirs(path).connect().await.unwrap();
        run(&mut foreign, table).await;
        connect::close(foreign).await;
        let before = std::fs::read(path).unwrap();
        assert_refused(&files).await;
        assert_eq!(std::fs::read(path).unwrap(), before, "{table}");
    }
}

#[tokio::test]
async fn another_programs_file_is_left_as_it_was_in_the_middle_of_a_transaction_too() {
    let files = files();
    let path = &files.config.path;
    killed_in_a_transaction(path, "CREATE TABLE theirs (x)").await;
    let read = |end| std::fs::read(beside(path, end)).unwrap();
    let before = [read(""), read("-journal")];
    assert_refused(&files).await;
    assert!([read(""), read("-journal")] == before);
}

#[tokio::test]
async fn a_file_whose_first_transaction_was_cut_is_nobodys() {
    let files = files();
    killed_in_a_transaction(&files.config.path, "").await;
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m", &[])]).await.unwrap();
}

#[tokio::test]
async fn an_outbox_with_a_journal_is_rolled_back_and_taken() {
    let files = files();
    // Like a backup that was copied to the outbox's path: its journal mode is changed at its first start.
    let ours = "PRAGMA application_id = 1263293017; CREATE TABLE _sqlx_migrations (version)";
    killed_in_a_transaction(&files.config.path, ours).await;
    assert_eq!(identity::version(&files.config.path).await.unwrap(), 0);
}

#[tokio::test]
async fn a_file_with_an_empty_list_of_migrations_alone_is_nobodys() {
    use sqlx::migrate::Migrate as _;
    let files = files();
    let mut connection = connect::writer(&files.config.path, true).await.unwrap();
    let list = connection.ensure_migrations_table("_sqlx_migrations");
    list.await.unwrap();
    connect::close(connection).await;
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m", &[])]).await.unwrap();
}

#[tokio::test]
async fn a_command_that_only_reads_writes_nothing() {
    let files = files();
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m", &[])]).await.unwrap();
    // It checkpoints the WAL, and no other process writes.
    outbox.close().await;
    let command = Outbox::attach(&files.config).await.unwrap();
    command.overview(NOW).await.unwrap();
    let wal = std::fs::metadata(beside(&files.config.path, "-wal"));
    assert_eq!(wal.unwrap().len(), 0);
    command.close().await;
}
