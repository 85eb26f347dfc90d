//! One hot queue: very many events that share an e-mail address, concurrently with others'. It keeps its order, needs
//! few requests, and delays nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Scenario;
use super::double::{Answer, Endpoint, Request};
use super::people::Call;
use super::scene::{Scene, Verdict, long, run, span};

const EMAIL: &str = "pos@klaviyo-demo.com";
/// How long the double takes.
const ANSWERS_IN: Duration = Duration::from_millis(50);

async fn hot_queue() -> Verdict {
    let (hot, others) = if long() { (20_000, 2000) } else { (3000, 200) };
    let name = format!("{hot} events of one e-mail beside {others} others");
    let scene = Scene::start(&name, "").await;
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&requests);
    scene.double.script(move |request: &Request| {
        let events = matches!(request.endpoint, Endpoint::Event | Endpoint::EventBulk);
        if events && request.names(EMAIL) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Answer::normal().after(ANSWERS_IN)
    });
    let each = hot / others;
    for other in 0..others {
        let mut calls: Vec<Call> = (0..each).map(|n| shared(other * each + n + 1)).collect();
        calls.push(Call::track(&format!("other{other}"), 1));
        scene.send(calls).await;
    }
    scene.arrived(span(60, 300)).await;
    let row = scene.row().await;
    let mut faults = row.faults(None);
    let requests = requests.load(Ordering::Relaxed);
    if requests * 4 > hot {
        faults.push(format!("{requests} requests for a queue of {hot} events"));
    }
    scene.end(row, faults)
}

fn shared(number: u64) -> Call {
    let mut call = Call::of_email("hot", number, EMAIL, &format!("till-{number}"));
    call.patient = true;
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_queue_needs_few_requests_and_delays_nobody() {
    let scenes: Vec<Scenario> = vec![Box::pin(hot_queue())];
    run(1, scenes).await;
}
