//! kill -9 at random moments under load, with bad answers among the good ones: all that was acknowledged is in effect
//! once and in order, and profiles end with their newest values.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::Scenario;
use super::double::{Answer, Fate};
use super::judge::Ledger;
use super::people::{Chance, Life};
use super::scene::{JOBS_ABOVE_60, Offers, Scene, Verdict, run, span};

const CLIENTS: u64 = 4;
/// People of each client; each does something once a second.
const PEOPLE: u64 = 25;
/// Bad answers in a hundred.
const BAD: u64 = 12;

fn bad_answer(chance: &mut Chance) -> Answer {
    match chance.below(6) {
        0 => Answer::error(500, "error"),
        1 => Answer::html(502),
        2 => Answer::lost(),
        3 => Answer::reset(),
        4 => Answer::error(429, "throttled").with("Retry-After", "1"),
        _ => Answer::status(503),
    }
}

async fn client(n: u64, offers: &Offers, ledger: &Ledger, until: Instant) {
    let lives = n * PEOPLE..(n + 1) * PEOPLE;
    let mut lives: Vec<Life> = lives.map(|n| Life::new("p", n)).collect();
    while Instant::now() < until {
        let calls: Vec<_> = lives.iter_mut().filter_map(Iterator::next).collect();
        offers.until_acknowledged(&calls).await;
        ledger.enter(calls);
        sleep(Duration::from_secs(1)).await;
    }
}

async fn storm() -> Verdict {
    let settings = format!("[mapping]\nfallback_to_anonymous_id = true\n{JOBS_ABOVE_60}");
    let mut scene = Scene::start("kill -9 storm, 12 % bad answers", &settings).await;
    scene.double.fate(Fate::done(Duration::from_secs(3)));
    let chance = Mutex::new(Chance::new(20_261_128));
    scene.double.script(move |_| {
        let mut chance = chance.lock().unwrap();
        if chance.below(100) < BAD {
            bad_answer(&mut chance)
        } else {
            Answer::normal()
        }
    });
    let until = Instant::now() + span(25, 3600);
    let offers = scene.offers();
    let (ledger, daemon) = (&scene.ledger, &mut scene.daemon);
    let clients = join_all((0..CLIENTS).map(|n| client(n, &offers, ledger, until)));
    let mut kills = 0;
    let killing = async {
        let mut chance = Chance::new(7);
        while Instant::now() < until {
            sleep(Duration::from_millis(1000 + chance.below(4000))).await;
            daemon.kill();
            kills += 1;
            daemon.restart().await;
        }
    };
    tokio::join!(clients, killing);
    scene.name = format!("{}, {kills} kills", scene.name);
    scene.arrived(Duration::from_mins(2)).await;
    scene.drained(Duration::from_mins(1)).await;
    // Import jobs that outlived a daemon run in the end too.
    let within = Duration::from_secs(10);
    scene.until(within, |effects| !effects.owes_jobs()).await;
    scene.verdict(None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_under_load_lose_repeat_and_reorder_nothing() {
    let scenes: Vec<Scenario> = vec![Box::pin(storm())];
    run(1, scenes).await;
}
