//! A log that nobody reads.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::track;
use crate::support::{Daemon, Klaviyo, count};

/// Passes the log on until the daemon listens, and then holds the pipe open without reading.
const UNREAD: &str = r#"exec "$0" "$@" 2> >(sed -u '/"listening"/q' >&2; exec sleep 100 >&- 2>&-)"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing_and_what_is_dropped_is_counted() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    daemon.terminate().await;
    daemon.restart_under(&["bash", "-c", UNREAD]).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_mins(1))
        .build()
        .unwrap();
    let url = format!("http://{}/v1/track", daemon.ingest);
    // Each is rejected, which is a line.
    let rejected = stream::iter(0..12_000).map(|_| {
        let request = client.post(&url).basic_auth("nobody", Some(""));
        async move { request.body("{}").send().await.unwrap().status() }
    });
    let rejected = rejected.buffer_unordered(64);
    let rejected: Vec<_> = rejected.collect().await;
    assert!(rejected.iter().all(|status| *status == 401));
    daemon.send("/v1/track", &track("u1", 1)).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    assert_eq!(daemon.look("/healthz").await.0, 200);
    let dropped = daemon.counted("klaviyo_relay_log_lines_dropped_total").await;
    assert!(dropped > 1000, "{dropped}");
    assert!(daemon.terminate().await.success());
}
