//! `analytics.js`, served for Segment's snippet from the file that the operator provides.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use klaviyo_relay::config::{AnalyticsJs, AnalyticsJsError};
use klaviyo_relay::ingest::Ingest;
use tempfile::TempDir;

use super::{Answer, Bench, Standing, config_of_sources};

/// As much of the script as shows that it is the one for the snippet.
const SCRIPT: &str = "window.analyticsWriteKey='__WRITE_KEY__';var o=window.analytics._loadOptions;";
const PART: &str = "auto-track.bundle.f131ce01a05e3a33a8c1.js";

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("standalone.js", SCRIPT);
    write(PART, "part");
    write(&format!("{PART}.map"), "map");
    write("private.key", "secret");
    let path = folder.path().join("standalone.js");
    (folder, path)
}

async fn bench(path: &Path) -> Bench {
    let script = AnalyticsJs::read(path).unwrap();
    let more = |ingest: Ingest| ingest.with_analytics_js(script);
    Bench::made(config_of_sources(), 0, Arc::new(Standing), more).await
}

async fn get(bench: &Bench, path: &str) -> Answer {
    bench.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_script_is_served_for_a_known_key_with_its_parts() {
    let (folder, path) = folder();
    let bench = bench(&path).await;
    // Kept in memory: later changes of the files do not matter.
    drop(folder);
    let answer = get(&bench, "/analytics.js/v1/dev/analytics.min.js").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, SCRIPT));
    assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let part = get(&bench, &format!("/analytics-next/bundles/{PART}")).await;
    assert_eq!((part.status.as_u16(), &*part.text), (200, "part"));
    assert!(part.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn an_unknown_key_and_an_unknown_part_are_not_found() {
    let (_folder, path) = folder();
    let bench = bench(&path).await;
    let answer = get(&bench, "/analytics.js/v1/nobody/analytics.min.js").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["code"], "unknown_source");
    for name in ["private.key", "..%2Fprivate.key", "standalone.js", "x.bundle.0.js"] {
        let answer = get(&bench, &format!("/analytics-next/bundles/{name}")).await;
        assert_eq!(answer.status, 404, "{name}");
        assert_eq!(answer.json()["code"], "not_found", "{name}");
    }
}

#[tokio::test]
async fn without_the_setting_nothing_is_served() {
    let bench = Bench::new().await;
    let answer = get(&bench, "/analytics.js/v1/dev/analytics.min.js").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["code"], "not_found");
}

#[test]
fn a_missing_or_wrong_file_is_an_error_that_names_the_right_one() {
    let (folder, path) = folder();
    let error = AnalyticsJs::read(&folder.path().join("nowhere.js")).err().unwrap();
    assert!(matches!(error, AnalyticsJsError::Read { .. }));
    assert!(error.to_string().contains("dist/umd/standalone.js"));
    // The package's build for bundlers does not find its own key.
    fs::write(&path, "window.AnalyticsNext = {}").unwrap();
    let error = AnalyticsJs::read(&path).err().unwrap();
    assert!(matches!(error, AnalyticsJsError::NoScript { .. }));
    assert!(error.to_string().contains("dist/umd/standalone.js"));
}

#[test]
fn no_part_is_served_from_outside_of_the_folder() {
    let (folder, path) = folder();
    let link = folder.path().join("passwd.bundle.0123.js");
    symlink("/etc/passwd", &link).unwrap();
    let error = AnalyticsJs::read(&path).err().unwrap();
    assert!(matches!(&error, AnalyticsJsError::LeadsOut { path } if *path == link));
    // As a container mounts a folder: each file is a link into a folder in it.
    fs::remove_file(&link).unwrap();
    fs::create_dir(folder.path().join("..data")).unwrap();
    fs::write(folder.path().join("..data/x.bundle.1.js"), "x").unwrap();
    symlink("..data/x.bundle.1.js", folder.path().join("x.bundle.1.js")).unwrap();
    let script = AnalyticsJs::read(&path).unwrap();
    assert_eq!(&script.parts["x.bundle.1.js"][..], b"x");
}
