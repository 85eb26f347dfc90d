//! A sandbox Klaviyo inside the test, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use klaviyo_relay::clock::SystemClock;
use klaviyo_relay::listener;
use klaviyo_relay::sandbox::{Event, Options, Sandbox, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

/// A listening sandbox; it stops with the test.
pub(crate) struct Klaviyo {
    pub(crate) address: SocketAddr,
    sandbox: Sandbox,
    stop: CancellationToken,
    client: reqwest::Client,
}

/// One request that the sandbox got.
#[derive(Debug, Deserialize)]
pub(crate) struct SandboxRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: Option<u16>,
    /// `waiting`, `stored`, `duplicate`, `dropped`, `read`, `refused` or `fault`.
    pub(crate) outcome: String,
    /// The fault that was played.
    pub(crate) fault: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) unique_id: Option<String>,
    pub(crate) body: Box<RawValue>,
}

#[derive(Deserialize)]
struct Log {
    requests: Vec<SandboxRequest>,
}

impl Klaviyo {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::new(options, Arc::new(SystemClock));
        let port = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = port.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(listener::serve(port, sandbox.routes(), stop.clone(), Duration::ZERO));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            sandbox,
            stop,
            client,
        }
    }

    /// Misbehave: see the sandbox's module.
    pub(crate) async fn fault(&self, fault: Value) {
        let url = format!("http://{}/sandbox/faults", self.address);
        let answer = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .body(fault.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{}", answer.text().await.unwrap());
    }

    /// Behave again, and let go of what hangs.
    pub(crate) async fn behave(&self) {
        let url = format!("http://{}/sandbox/faults", self.address);
        assert!(self.client.delete(url).send().await.unwrap().status().is_success());
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot()
    }

    /// The events held, in the order in which they were first accepted.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.snapshot().events
    }

    /// Every request to one of Klaviyo's paths, in order of arrival.
    pub(crate) async fn requests(&self) -> Vec<SandboxRequest> {
        let url = format!("http://{}/sandbox/requests?limit=100000", self.address);
        let answer = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let Log { requests } = serde_json::from_str(&answer).unwrap();
        requests
    }

    /// The number of requests so far, those that hang included.
    pub(crate) fn request_count(&self) -> u64 {
        self.snapshot().counts.requests
    }
}

impl Drop for Klaviyo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
