//! `schemathesis` makes requests from the API's document, right ones and wrong ones, and holds the answers against it.

use std::path::Path;
use std::process::Command;

use super::document::lived_in;
use crate::support::{Klaviyo, require};

/// Where `.ci/run` installs it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/ci/schemathesis-4.32.5");

#[tokio::test(flavor = "multi_thread")]
async fn no_request_gets_an_answer_that_the_document_does_not_have() {
    let installed = Path::new(FOLDER).join("bin/schemathesis");
    let found = require(
        "schemathesis (installed by .ci/run)",
        installed.is_file().then_some(installed),
    );
    let Some(schemathesis) = found else { return };
    let klaviyo = Klaviyo::start().await;
    let daemon = lived_in(&klaviyo).await;
    let url = format!("http://{}/api/v1/openapi.json", daemon.admin);
    let files = tempfile::TempDir::new().unwrap();
    let ran = tokio::task::spawn_blocking(move || {
        Command::new("python3")
            .arg(schemathesis)
            .args(["run", &url, "--no-color", "--seed", "1", "--max-examples", "8"])
            .args(["--phases", "coverage,fuzzing", "--generation-database", "none"])
            .env("PYTHONPATH", FOLDER)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(files.path())
            .output()
            .unwrap()
    });
    let ran = ran.await.unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(
        text.contains("Tested: 12"),
        "every operation but the document's own was tested: {text}"
    );
    // It got many requests, and is alive and in order.
    assert_eq!(daemon.look("/healthz").await.0, 200);
    assert_eq!(daemon.look("/api/v1/audit").await.1["holds"], true);
}
