//! Real SDKs, as their users run them, against the built relay: every type of call, then 500 numbered events of several
//! people, while the relay refuses, is killed, is gone, and comes back with its answers lost for a while.
//!
//! The same must hold for each: every event is in the sandbox once, none is lost, and each person's are in the order in
//! which they came to the relay. In which order they come is the SDK's doing: where its design keeps the order through
//! such a storm, that is held too; where it does not, its row has it. A run leaves the table in `target/sdk/table.md`.

mod captures;
mod client;
mod leaving;
mod ledger;
mod storm;
mod table;

use client::{Program, Runtime};
use klaviyo_relay::sandbox::Event;
use ledger::Ledger;
use storm::{EVENTS, storm};
use table::Row;

use crate::support::{Daemon, Klaviyo, count};

/// Calls that every client makes beside the numbered ones: one of each type.
const TYPES: [&str; 6] = ["identify", "track", "page", "screen", "group", "alias"];
const BUSY_SETTINGS: &str = "[delivery]\nfirst_retry = \"10ms\"\nlongest_retry = \"50ms\"";

/// An SDK, and what is known of it.
struct Sdk {
    /// Its row in the table.
    row: usize,
    program: Program,
    /// The line that points it at the relay, as the manual has it.
    pointed: &'static str,
    /// Who the numbered events are about.
    people: u64,
    /// Calls beside the numbered ones.
    calls: u64,
    /// Closed by its user while the relay is gone; its closing then waits.
    closes_early: bool,
    /// Whether its design keeps one person's events in order through refusals and outages.
    keeps_order: bool,
    /// What its user should know.
    notes: &'static str,
}

const SERVER: Sdk = Sdk {
    row: 0,
    program: Program {
        runtime: Runtime::Node,
        file: "",
        arguments: &[],
    },
    pointed: "",
    people: 25,
    calls: 6,
    closes_early: true,
    keeps_order: false,
    notes: "",
};

/// A browser knows one visitor, who is identified first.
const BROWSER: Sdk = Sdk {
    people: 4,
    calls: 6 + 4,
    closes_early: false,
    ..SERVER
};

async fn weathers_the_storm(sdk: Sdk) {
    if !storm::can_be_played() {
        return;
    }
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start_staying(&klaviyo, &client::script(), BUSY_SETTINGS).await;
    let Some(mut client) = sdk.program.start(&daemon, sdk.people) else {
        return;
    };
    let calls = EVENTS + sdk.calls;
    let met = storm(&mut daemon, &mut client, calls, sdk.closes_early).await;
    let belief = client.ended().await;

    let status = daemon.settled().await;
    assert_eq!(count(&status, "dead"), 0, "{status:?}");
    assert_eq!(count(&status, "difference"), 0);
    let ledger = Ledger::of(&daemon, &klaviyo).await;
    ledger.assert_each_once(&belief, EVENTS, sdk.people);
    assert_types(&klaviyo, &ledger);
    if sdk.keeps_order {
        assert_eq!(ledger.late(), 0, "in order: {:?}", ledger.arrived);
    }
    table::add(Row::of(&sdk, &belief, &ledger, [met.refused, met.again]));
}

/// Asserts that each type of call was accepted, and that the two that Klaviyo knows are there.
fn assert_types(klaviyo: &Klaviyo, ledger: &Ledger) {
    assert!(ledger.accepted.keys().all(|kind| TYPES.contains(&kind.as_str())));
    assert_eq!(ledger.accepted.len(), TYPES.len());
    let snapshot = klaviyo.snapshot();
    let caller = snapshot.profiles.iter().find(|profile| {
        let email = profile.identifiers.get("email").map(String::as_str);
        email == Some("caller@klaviyo-demo.com")
    });
    let caller = caller.unwrap();
    assert_eq!(caller.identifiers["external_id"], "caller");
    assert_eq!(caller.properties["plan"], "gold");
    let is_first = |event: &&Event| event.metric == "Called";
    let tracked: Vec<_> = snapshot.events.iter().filter(is_first).collect();
    let [tracked] = tracked.as_slice() else {
        panic!("{tracked:?}");
    };
    assert_eq!(tracked.profile, caller.id);
    assert_eq!(tracked.properties.get(), r#"{"price":39.95}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 0,
        program: Program {
            runtime: Runtime::Node,
            file: "node/segment.cjs",
            arguments: &[],
        },
        pointed: "`host`",
        notes: "batches are sent concurrently",
        ..SERVER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_package_in_a_browser_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 1,
        program: Program {
            runtime: Runtime::Browser,
            file: "browser/client.cjs",
            arguments: &["npm", "standard"],
        },
        pointed: "npm: `cdnURL`, `apiHost`",
        notes: "one request for each event, sent concurrently",
        ..BROWSER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_package_in_batches_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 2,
        program: Program {
            runtime: Runtime::Browser,
            file: "browser/client.cjs",
            arguments: &["npm", "batching"],
        },
        pointed: "npm: `cdnURL`, `apiHost`; batching",
        notes: "a batch that is tried again can come after a later one",
        ..BROWSER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippet_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 3,
        program: Program {
            runtime: Runtime::Browser,
            file: "browser/client.cjs",
            arguments: &["snippet", "standard"],
        },
        pointed: "snippet: script and settings of the relay",
        notes: "one request for each event, sent concurrently",
        ..BROWSER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippet_in_batches_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 4,
        program: Program {
            runtime: Runtime::Browser,
            file: "browser/client.cjs",
            arguments: &["snippet", "batching"],
        },
        pointed: "snippet: script and settings of the relay; batching",
        notes: "a batch that is tried again can come after a later one",
        ..BROWSER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 5,
        program: Program {
            runtime: Runtime::Python,
            file: "python/client.py",
            arguments: &["plain"],
        },
        pointed: "`host`",
        notes: "a batch that was refused with `Retry-After` is requeued at the end of its queue",
        ..SERVER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_with_gzip_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 6,
        program: Program {
            runtime: Runtime::Python,
            file: "python/client.py",
            arguments: &["gzip"],
        },
        pointed: "`host`, `gzip=True`",
        notes: "as above",
        ..SERVER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rudderstack_sdk_loses_nothing_in_a_storm() {
    weathers_the_storm(Sdk {
        row: 7,
        program: Program {
            runtime: Runtime::Node,
            file: "node/rudder.cjs",
            arguments: &[],
        },
        pointed: "`dataPlaneUrl`",
        notes: "with `retryCount: 10` and an `errorHandler`; without, it gives up after three retries and ends the process",
        ..SERVER
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_crate_loses_nothing_in_a_storm_when_its_user_retries() {
    weathers_the_storm(Sdk {
        row: 8,
        program: Program {
            runtime: Runtime::Rust,
            file: "rust/debug/segment-rust-client",
            arguments: &[],
        },
        pointed: "`HttpClient::new`",
        keeps_order: true,
        notes: "sends once and gives no `messageId`: its user does both, as the test's program",
        ..SERVER
    })
    .await;
}
