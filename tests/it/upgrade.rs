//! Outboxes of other versions (`tests/upgrade`) that this program does not open: it says why, and leaves them as they are.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::model::Timestamp;
use klaviyo_relay::outbox::{OpenError, Outbox};
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
