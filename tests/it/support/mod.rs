//! The whole daemon as its users run it: the built binary as a child process, in front of a sandbox that lives in
//! the test and so outlives the daemon's restarts.

pub(crate) mod attempts;
mod daemon;
pub(crate) mod fault;
mod klaviyo;

use std::fmt::Debug;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use klaviyo_relay::config::OutboxConfig;
use klaviyo_relay::model::Timestamp;
use klaviyo_relay::outbox::{OpenError, Outbox};
use tower::ServiceExt as _;

pub(crate) use daemon::{Daemon, count};
pub(crate) use klaviyo::Klaviyo;

/// How long a condition may take to come true. Generous: the machine may be busy, and nothing waits longer than
/// it must.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers something; panics with what was waited for when it never does.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let mut pace = tokio::time::interval(LOOK_EVERY);
    let search = async {
        loop {
            pace.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// A port that nobody has, and that the system gives to nobody meanwhile: from below those it chooses from.
pub(crate) fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Concurrent test runs begin at different ports.
    let first = u16::try_from(std::process::id() % 1000).unwrap() * 16;
    let tries = std::iter::repeat_with(|| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        16_000 + (first + next) % 16_000
    });
    tries
        .take(1000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// What routes answer without a port: status, headers and text.
pub(crate) async fn request_routes(
    routes: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let answer = routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (parts.status.as_u16(), parts.headers, text)
}

/// Opens an outbox that was open before. Its lock may outlive it for a moment: another test that starts a program
/// passes every open file on to it, until that program has begun.
pub(crate) async fn reopen(config: &OutboxConfig, now: Timestamp) -> Outbox {
    let open = || async {
        match Outbox::open(config, now).await {
            Ok(outbox) => Some(outbox),
            Err(OpenError::InUse { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    };
    eventually("the outbox's lock is free", open).await
}

/// What a test needs of the machine. Absent, the test is skipped, and the last line of `cargo test` counts it
/// (tests/skipped.rs); in CI, where nothing may be skipped, it fails.
pub(crate) fn require<T>(what: &str, found: Option<T>) -> Option<T> {
    static SKIPPED: LazyLock<File> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
        File::create(path).unwrap()
    });
    let mut skipped: &File = &SKIPPED;
    if found.is_none() {
        assert!(
            std::env::var_os("RELAY_TESTS_REQUIRE_ALL").is_none(),
            "this machine lacks {what}"
        );
        let thread = std::thread::current();
        let line = format!("{}: {what}\n", thread.name().unwrap_or("a test"));
        skipped.write_all(line.as_bytes()).unwrap();
    }
    found
}

/// Asserts that a list never goes down: `n` of each item, in the order given.
pub(crate) fn assert_ascending<T: PartialOrd + Debug>(what: &str, items: &[T]) {
    for pair in items.windows(2) {
        assert!(
            pair[0] < pair[1],
            "{what}: {:?} came before {:?} in {items:?}",
            pair[0],
            pair[1]
        );
    }
}
