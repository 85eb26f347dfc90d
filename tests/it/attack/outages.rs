//! F2, F5 and every other outage: for a while everything gets an answer that is not Klaviyo's. Nothing may be dead,
//! falsely delivered, lost, reordered or twice in effect for it, and all is in effect within a minute of its end.

use std::time::Duration;

use tokio::time::sleep;

use super::Scenario;
use super::double::Answer;
use super::people::Life;
use super::scene::{Scene, Verdict, long, run};

/// All is in effect this long after an outage.
const BOUND: Duration = Duration::from_mins(1);
/// So many people send one call after the other.
const PEOPLE: u64 = 40;
/// Between two calls.
const PACE: Duration = Duration::from_millis(60);

/// What everything is answered.
#[derive(Clone, Copy)]
enum Out {
    Answers(fn() -> Answer),
    /// Nothing, and the connections that wait are closed in the end.
    Hangs,
    /// The port is closed.
    Refuses,
}

const JSON: &str = "application/vnd.api+json";

fn outages() -> Vec<(&'static str, Out)> {
    use Out::{Answers, Hangs, Refuses};
    vec![
        ("hang", Answers(Answer::hang)),
        ("404 HTML", Answers(|| Answer::html(404))),
        ("200 HTML", Answers(|| Answer::html(200))),
        ("503", Answers(|| Answer::text(503, "text/plain", "upstream"))),
        ("409 HTML", Answers(|| Answer::html(409))),
        ("402 HTML", Answers(|| Answer::html(402))),
        (
            "407 HTML",
            Answers(|| Answer::html(407).with("Proxy-Authenticate", "Basic")),
        ),
        ("413 HTML", Answers(|| Answer::html(413))),
        ("414 HTML", Answers(|| Answer::html(414))),
        ("418 HTML", Answers(|| Answer::html(418))),
        ("421 HTML", Answers(|| Answer::html(421))),
        ("423 HTML", Answers(|| Answer::html(423))),
        ("431 HTML", Answers(|| Answer::html(431))),
        ("451 HTML", Answers(|| Answer::html(451))),
        ("499 HTML", Answers(|| Answer::html(499))),
        ("404 empty", Answers(|| Answer::status(404))),
        ("200 garbage", Answers(|| Answer::text(200, JSON, "\u{1}\u{2}{garbage"))),
        (
            "200 JSON errors",
            Answers(|| {
                Answer::text(
                    200,
                    JSON,
                    r#"{"errors":[{"id":"e","status":500,"code":"error","title":"t","detail":"d"}]}"#,
                )
            }),
        ),
        ("204", Answers(|| Answer::status(204))),
        (
            "301",
            Answers(|| Answer::status(301).with("Location", "https://portal.example/login")),
        ),
        (
            "302 HTML",
            Answers(|| Answer::html(302).with("Location", "https://portal.example/login")),
        ),
        ("403 HTML", Answers(|| Answer::html(403))),
        ("reset", Answers(Answer::reset)),
        ("lost", Answers(Answer::lost)),
        ("hang, then closed", Hangs),
        ("connection refused", Refuses),
    ]
}

/// Some stay long in CI too.
fn lasts(name: &str) -> Duration {
    let ten = long() || matches!(name, "404 HTML" | "200 HTML" | "503");
    Duration::from_secs(if ten { 10 } else { 3 })
}

async fn outage(name: &'static str, out: Out) -> Verdict {
    let lasts = lasts(name);
    let name = format!("{name} to all for {} s", lasts.as_secs());
    let settings = "[mapping]\nfallback_to_anonymous_id = true";
    let scene = Scene::start(&name, settings).await;
    let mut lives: Vec<Life> = (0..PEOPLE).map(|n| Life::new("p", n)).collect();
    let calls = (0..).filter_map(|n: usize| lives[n % 40].next());
    let before = Duration::from_secs(1);
    let load = scene.send_paced(calls, PACE, before + lasts + before);
    let play = async {
        sleep(before).await;
        match out {
            Out::Answers(answer) => scene.double.script(move |_| answer()),
            Out::Hangs => scene.double.script(|_| Answer::hang()),
            Out::Refuses => scene.double.refuse(),
        }
        sleep(lasts).await;
        scene.double.behave();
        match out {
            Out::Answers(_) => {}
            Out::Hangs => scene.double.release(),
            Out::Refuses => scene.double.accept().await,
        }
    };
    tokio::join!(load, play);
    scene.arrived(BOUND).await;
    scene.verdict(None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_nothing() {
    let scenes = outages().into_iter();
    let scenes = scenes.map(|(name, out)| Box::pin(outage(name, out)) as Scenario);
    run(9, scenes.collect()).await;
}
