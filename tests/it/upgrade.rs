//! Outboxes of other versions (`tests/upgrade`) that this program does not open: it reports why, and leaves them as
//! they are.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::model::Timestamp;
use klaviyo_relay::outbox::{OpenError, Outbox};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

/// When the fixture was made, roughly: later than all that is in it.
const LATER: Timestamp = Timestamp::from_millis(1_795_480_000_000);

/// The fixture, unpacked where it can be written, with another version in its header if one is named.
fn unpack(folder: &Path, version: Option<u32>) -> OutboxConfig {
    let packed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/version-7.sqlite.gz")).unwrap();
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut file).unwrap();
    if let Some(version) = version {
        // `PRAGMA user_version`: four bytes at offset 60 of the file's header.
        file[60..64].copy_from_slice(&version.to_be_bytes());
    }
    let path: PathBuf = folder.join("outbox.db");
    fs::write(&path, file).unwrap();
    OutboxConfig {
        path,
        min_free_disk: 0,
        ..Config::default().outbox
    }
}

/// What a daemon and a command answer for this file, which both must leave as it is.
async fn refused(config: &OutboxConfig) -> [OpenError; 2] {
    let before = fs::read(&config.path).unwrap();
    let refused = [
        Outbox::open(config, LATER).await.unwrap_err(),
        Outbox::attach(config).await.unwrap_err(),
    ];
    assert!(fs::read(&config.path).unwrap() == before, "the file was changed");
    refused
}

#[tokio::test]
async fn an_outbox_of_an_unreleased_program_is_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    for error in refused(&unpack(folder.path(), None)).await {
        assert!(matches!(error, OpenError::Unreleased { found: 7, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("let that program deliver what is pending"), "{text}");
    }
}

#[tokio::test]
async fn an_outbox_of_a_newer_program_is_refused() {
    let folder = TempDir::new().unwrap();
    for error in refused(&unpack(folder.path(), Some(9999))).await {
        assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error}");
        assert!(error.to_string().contains("newer klaviyo-relay"), "{error}");
    }
}

#[tokio::test]
async fn the_keys_of_an_outbox_of_version_18_are_names_now_and_no_vacuum_is_forgotten() {
    let folder = TempDir::new().unwrap();
    let config = OutboxConfig {
        path: folder.path().join("outbox.db"),
        min_free_disk: 0,
        ..Config::default().outbox
    };
    Outbox::open(&config, LATER).await.unwrap().close().await;
    let identity = "0123456789abcdef0123456789abcdef";
    let mut file = SqliteConnection::connect(config.path.to_str().unwrap()).await.unwrap();
    for sql in [
        format!(
            "INSERT INTO kv (name, value) VALUES ('the file is to be written anew', ''), ('account behind key ab', 'A'),
             ('import of {identity} for shop', '7 mark')"
        ),
        "DELETE FROM _sqlx_migrations WHERE version = 4".to_owned(),
        "PRAGMA user_version = 18".to_owned(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut file).await.unwrap();
    }
    let outbox = Outbox::open(&config, LATER).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM kv WHERE value IN ('A', '7 mark') ORDER BY name")
        .fetch_all(&mut file)
        .await
        .unwrap();
    assert_eq!(
        names,
        ["account_of_key ab", &format!("import_position {identity} shop")]
    );
    let old: i64 = sqlx::query_scalar("SELECT count(*) FROM kv WHERE name LIKE '% is to be %'")
        .fetch_one(&mut file)
        .await
        .unwrap();
    assert_eq!(old, 0);
    outbox.close().await;
}
