//! F4: imports and replays get on by themselves, without live traffic.

use std::fs;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Scenario;
use super::double::Answer;
use super::people::Call;
use super::scene::{MANY_JOBS, Scene, Verdict, long, run, span};

/// The least a second that a release binary must move.
const LEAST: u64 = 2000;

/// `count` events of a tenth as many people.
fn events(count: u64) -> Vec<Call> {
    let people = count / 10;
    let calls = (0..count).map(|n| Call::track(&format!("p{}", n % people), n / people + 1));
    calls.collect()
}

async fn import() -> Verdict {
    let count = if long() { 20_000 } else { 5000 };
    let scene = Scene::start(&format!("import of {count} events"), MANY_JOBS).await;
    let calls = events(count);
    let lines: Vec<String> = calls.iter().map(|call| call.body.to_string()).collect();
    let file = scene.daemon.database().with_file_name("calls.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    let began = Instant::now();
    let mut import = scene.daemon.start_command(&["import", file.to_str().unwrap()]);
    let until = Instant::now() + span(60, 120);
    while import.try_wait().unwrap().is_none() && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
    scene.ledger.enter(calls);
    moved(scene, count, began).await
}

/// Waits for the end, and reports how fast it was.
async fn moved(mut scene: Scene, count: u64, began: Instant) -> Verdict {
    scene.arrived(span(60, 120)).await;
    let missing = u64::try_from(scene.ledger.missing(&scene.double)).unwrap();
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap().max(1);
    let a_second = (count - missing) * 1000 / millis;
    scene.name = format!("{}: {a_second} a second", scene.name);
    let row = scene.row().await;
    let mut faults = row.faults(None);
    if long() && !cfg!(debug_assertions) && a_second < LEAST {
        faults.push(format!("{a_second} a second, less than {LEAST}"));
    }
    scene.end(row, faults)
}

/// Events that Klaviyo refused, and takes now.
async fn replay() -> Verdict {
    let count = if long() { 20_000 } else { 2000 };
    let scene = Scene::start(&format!("replay of {count} dead events"), MANY_JOBS).await;
    scene.double.script(|request| {
        if request.endpoint.writes() {
            Answer::error(400, "invalid")
        } else {
            Answer::normal()
        }
    });
    for part in events(count).chunks(250) {
        scene.send(part.to_vec()).await;
    }
    let dead = scene.drained(span(60, 600)).await;
    scene.double.behave();
    let began = Instant::now();
    let replay = scene.daemon.command(&["replay", "--status", "dead"]);
    assert!(dead && replay.status.success(), "{replay:?}");
    moved(scene, count, began).await
}

#[tokio::test(flavor = "multi_thread")]
async fn history_moves_without_live_traffic() {
    let scenes: Vec<Scenario> = vec![Box::pin(import()), Box::pin(replay())];
    // One after the other: each is as fast as it is alone.
    run(1, scenes).await;
}
