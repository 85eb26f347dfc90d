//! F1: events that Klaviyo never takes, beside other people's good ones, which must arrive within ten seconds.

use std::time::Duration;

use super::double::{Answer, Endpoint, Request};
use super::people::{BAD, Call};
use super::scene::{JOBS_ABOVE_60, Scene, Verdict, run, span};

/// Good calls of others are in effect within this.
const BOUND: Duration = Duration::from_secs(10);

/// Bad calls for ever, and the good ones beside them.
struct Poison {
    name: &'static str,
    settings: &'static str,
    bad: Vec<Call>,
    answer: BadAnswer,
    /// A good track so often, in CI and at full length, for so many seconds.
    pace: [Duration; 2],
    seconds: [u64; 2],
}

fn bad(count: u64, call: impl Fn(&str, u64) -> Call) -> Vec<Call> {
    (0..count).map(|n| call(&format!("bad{n}"), 1).bad()).collect()
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type BadAnswer = fn() -> Answer;
const PAGE: BadAnswer = || Answer::html(403);
const ERROR: BadAnswer = || Answer::error(500, "error");
const FORBIDDEN: BadAnswer = || Answer::error(403, "permission_denied");
const TOO_LARGE: BadAnswer = || Answer::html(413);
const FIVE_SECONDS: &str = "[delivery]\ntimeout = \"5s\"";

impl Poison {
    fn new(name: &'static str, bad: Vec<Call>, answer: BadAnswer) -> Self {
        Self {
            name,
            settings: "",
            bad,
            answer,
            pace: [secs(2), secs(2)],
            seconds: [18, 120],
        }
    }

    /// With a good track so often, for so long; in CI and at full length.
    fn beside(self, pace: [u64; 2], seconds: [u64; 2]) -> Self {
        let pace = pace.map(secs);
        Self { pace, seconds, ..self }
    }

    fn set(self, settings: &'static str) -> Self {
        Self { settings, ..self }
    }
}

fn poisons() -> Vec<Poison> {
    let (identify, track) = (Call::identify, Call::track);
    let impatient = "[delivery]\nmax_attempts = 3\nmax_age = \"0s\"";
    vec![
        Poison::new("1 identify, 403 HTML", bad(1, identify), PAGE).beside([3, 20], [18, 240]),
        Poison::new("3 identifies, 403 HTML", bad(3, identify), PAGE).beside([3, 10], [18, 300]),
        Poison::new("6 identifies, 500", bad(6, identify), ERROR).beside([2, 2], [18, 480]),
        Poison::new("6 identifies, 500, max_attempts 3", bad(6, identify), ERROR).set(impatient),
        Poison::new("6 tracks, 500", bad(6, track), ERROR).beside([2, 2], [18, 200]),
        Poison::new("1 track, 500", bad(1, track), ERROR).beside([3, 20], [18, 240]),
        Poison::new("40 tracks, no answer, 30 s", bad(40, track), Answer::hang).beside([1, 1], [20, 100]),
        Poison::new("6 tracks, no answer, 5 s", bad(6, track), Answer::hang).set(FIVE_SECONDS),
        Poison::new("20 tracks, no answer, 5 s", bad(20, track), Answer::hang)
            .beside([1, 1], [18, 60])
            .set(FIVE_SECONDS),
        Poison::new("1 identify, 403 JSON", bad(1, identify), FORBIDDEN),
    ]
}

async fn poison(row: Poison) -> Verdict {
    let scene = Scene::start(row.name, row.settings).await;
    scene.double.script(move |request| {
        if request.names(BAD) {
            (row.answer)()
        } else {
            Answer::normal()
        }
    });
    let endpoint = if row.bad[0].identify {
        Endpoint::Profile
    } else {
        Endpoint::Event
    };
    // At night nothing good comes until the bad ones have failed often; as many as fit hang at once.
    let often = (row.bad.len() * 3).clamp(8, 16);
    scene.send(row.bad).await;
    scene
        .until(secs(15), |effects| {
            effects.requests.get(&endpoint).is_some_and(|count| *count >= often)
        })
        .await;
    let [pace, lasts] = [
        row.pace[usize::from(super::scene::long())],
        span(row.seconds[0], row.seconds[1]),
    ];
    let good = (0..).map(|n| Call::track(&format!("good{n}"), 1));
    scene.send_paced(good, pace, lasts).await;
    scene.arrived(BOUND + secs(1)).await;
    scene.verdict(Some(BOUND)).await
}

/// One endpoint is down, the other works: its calls are the good ones.
async fn half_down(name: &'static str, down: Endpoint, identifies: u64, tracks: u64, pace: u64) -> Verdict {
    let scene = Scene::start(name, "").await;
    scene.double.script(move |request| {
        if request.endpoint == down {
            Answer::error(500, "error")
        } else {
            Answer::normal()
        }
    });
    let calls = (0..).map(|n| {
        let person = format!("p{n}");
        let identify = n % (identifies + tracks) < identifies;
        let mut call = if identify {
            Call::identify(&person, 1)
        } else {
            Call::track(&person, 1)
        };
        call.bad = identify == (down == Endpoint::Profile);
        call
    });
    let pace = Duration::from_millis(1000 / pace);
    scene.send_paced(calls, pace, span(25, 150)).await;
    scene.arrived(BOUND + secs(1)).await;
    scene.verdict(Some(BOUND)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_delay_nobody_else() {
    let mut scenes: Vec<super::Scenario> = Vec::new();
    for row in poisons() {
        scenes.push(Box::pin(poison(row)));
    }
    let halves = [
        (
            "profile-import down, 9 identifies to 1 track, 3 a second",
            Endpoint::Profile,
            9,
            1,
            3,
        ),
        (
            "profile-import down, 1 identify to 5 tracks, 6 a second",
            Endpoint::Profile,
            1,
            5,
            6,
        ),
        (
            "events down, 5 tracks to 1 identify, 6 a second",
            Endpoint::Event,
            1,
            5,
            6,
        ),
    ];
    for (name, down, identifies, tracks, pace) in halves {
        scenes.push(Box::pin(half_down(name, down, identifies, tracks, pace)));
    }
    run(13, scenes).await;
}

/// 300 calls at once, so that they go in jobs; whatever has the bad one is answered so.
async fn in_job(name: &'static str, call: fn(&str, u64) -> Call, answer: BadAnswer) -> Verdict {
    // No answer is no answer after five seconds here: a job's others wait for it.
    let settings = JOBS_ABOVE_60.replacen("[delivery]\n", "[delivery]\ntimeout = \"5s\"\n", 1);
    let scene = Scene::start(name, &settings).await;
    scene.double.script(
        move |request: &Request| {
            if request.names(BAD) { answer() } else { Answer::normal() }
        },
    );
    let calls = (0..300).map(|n| {
        let call = call(&format!("p{n}"), 1);
        if n == 150 { call.bad() } else { call }
    });
    scene.send(calls.collect()).await;
    scene.arrived(secs(60)).await;
    // For jobs were what the scenario is about.
    let jobs = scene.double.request_count(Endpoint::ProfileBulk) + scene.double.request_count(Endpoint::EventBulk);
    let row = scene.row().await;
    let mut faults = row.faults(Some(secs(60)));
    if jobs == 0 {
        faults.push("no job was sent: the scenario tests nothing".to_owned());
    }
    scene.end(row, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_item_costs_no_other_of_its_job() {
    let answers: [(&str, &str, BadAnswer); 4] = [
        (
            "300 identifies in jobs, 1 with 500",
            "300 tracks in jobs, 1 with 500",
            ERROR,
        ),
        (
            "300 identifies in jobs, 1 without an answer",
            "300 tracks in jobs, 1 without an answer",
            Answer::hang,
        ),
        (
            "300 identifies in jobs, 1 with 403 HTML",
            "300 tracks in jobs, 1 with 403 HTML",
            PAGE,
        ),
        (
            "300 identifies in jobs, 1 with 413 HTML",
            "300 tracks in jobs, 1 with 413 HTML",
            TOO_LARGE,
        ),
    ];
    let mut scenes: Vec<super::Scenario> = Vec::new();
    for (identifies, tracks, answer) in answers {
        scenes.push(Box::pin(in_job(identifies, Call::identify, answer)));
        scenes.push(Box::pin(in_job(tracks, Call::track, answer)));
    }
    run(8, scenes).await;
}
