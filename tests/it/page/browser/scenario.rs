//! A scenario as a child process: a script of `tests/page` that has a browser visit the daemon's page.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::{Daemon, require};

/// A browser takes a whole small machine, so that there is one at a time.
static BROWSER: Mutex<()> = Mutex::const_new(());

/// Whether this machine has a browser and what drives it; prints a line where it has not.
pub(super) fn can_be_played() -> bool {
    let modules = root().join("target/page/node_modules");
    let node = Command::new("node").arg("--version").output();
    let there = node.is_ok_and(|node| node.status.success())
        && ["playwright-core", "axe-core"]
            .iter()
            .all(|package| modules.join(package).exists())
        && Path::new("/usr/bin/chromium").exists();
    require(
        "node, Chromium, Playwright or axe-core (run tests/page/prepare)",
        there.then_some(()),
    )
    .is_some()
}

/// Plays `tests/page/NAME.cjs` on the daemon's page, with `more` as its arguments; returns the facts that it reports.
/// Asserts that no page complained: no script failed, nothing was blocked, and only this daemon was requested. A
/// scenario ends by itself in bounded time.
pub(super) async fn play(name: &str, daemon: &Daemon, mut more: Value) -> Value {
    more["address"] = format!("http://{}", daemon.admin).into();
    let mut command = Command::new("node");
    command
        .arg(root().join("tests/page").join(name).with_extension("cjs"))
        .arg(more.to_string())
        .stdin(Stdio::null());
    // The daemon is on this machine.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let _browser = BROWSER.lock().await;
    let ended = tokio::task::spawn_blocking(move || command.output());
    let output = ended.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the scenario {name}: {}\n{text}{complained}",
        output.status
    );
    let mut report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{complained}"));
    assert_eq!(report["complaints"], json!([]), "{name}");
    report["facts"].take()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
