//! F3, F7 and F9: the results of import jobs, with a newer identify behind each of their 300 people.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::Scenario;
use super::double::{Answer, End, Endpoint, Fate};
use super::people::Call;
use super::scene::{JOBS_ABOVE_60, JOBS_ABOVE_150, Scene, Verdict, run, span};

const PEOPLE: u64 = 300;

fn identifies(number: u64) -> Vec<Call> {
    let people = (0..PEOPLE).map(|n| Call::identify(&format!("p{n}"), number));
    people.collect()
}

/// A job that outlives a daemon is executed after this at the latest, and at once when all else is in effect: so it is
/// the last on a machine of any speed, unless the daemon waits for it.
const JOB_TAKES: Duration = Duration::from_secs(20);

/// A job is accepted, the daemon ends, and comes back before the job is executed.
async fn outlived(name: &str, end: Ending) -> Verdict {
    let mut scene = Scene::start(name, JOBS_ABOVE_150).await;
    scene.double.fate(Fate::done(JOB_TAKES));
    scene.send(identifies(1)).await;
    let within = Duration::from_secs(20);
    let jobs = scene
        .until(within, |effects| effects.requests.contains_key(&Endpoint::ProfileBulk))
        .await;
    sleep(Duration::from_millis(200)).await;
    match end {
        Ending::Killed => scene.daemon.kill(),
        Ending::Terminated => {
            scene.daemon.terminate().await;
        }
    }
    sleep(Duration::from_millis(500)).await;
    scene.daemon.restart().await;
    scene.double.fate(Fate::done(Duration::from_secs(1)));
    scene.send(identifies(2)).await;
    scene.arrived(Duration::from_mins(1)).await;
    scene.double.effects().run_jobs();
    finish(scene, jobs, Duration::from_mins(1)).await
}

#[derive(Clone, Copy)]
enum Ending {
    Killed,
    Terminated,
}

/// Waits for all effects and for the jobs' own, which come later; then judges.
async fn finish(scene: Scene, jobs: bool, within: Duration) -> Verdict {
    scene.arrived(within).await;
    scene.until(JOB_TAKES * 2, |effects| !effects.owes_jobs()).await;
    let row = scene.row().await;
    let mut faults = row.faults(None);
    if !jobs {
        faults.push("no job was sent: the scenario tests nothing".to_owned());
    }
    scene.end(row, faults)
}

/// The first answer to a job is lost; the job is executed six seconds later.
async fn answer_lost() -> Verdict {
    let scene = Scene::start("job answer lost, executed 6 s later", JOBS_ABOVE_150).await;
    scene.double.fate(Fate::done(Duration::from_secs(6)));
    let lost = AtomicBool::new(false);
    scene.double.script(move |request| {
        if request.endpoint == Endpoint::ProfileBulk && !lost.swap(true, Ordering::Relaxed) {
            Answer::lost()
        } else {
            Answer::normal()
        }
    });
    scene.send(identifies(1)).await;
    scene.send(identifies(2)).await;
    scene.arrived(Duration::from_mins(1)).await;
    let jobs = scene.double.request_count(Endpoint::ProfileBulk) > 0;
    finish(scene, jobs, Duration::from_mins(1)).await
}

/// For a while jobs end in some way, or their polls are answered in some way; all is in effect within a time.
async fn ends(
    name: &'static str,
    fate: Fate,
    polls: Option<fn() -> Answer>,
    misbehaves: Duration,
    within: Duration,
) -> Verdict {
    let scene = Scene::start(name, JOBS_ABOVE_60).await;
    scene.double.fate(fate);
    if let Some(answer) = polls {
        scene.double.script(move |request| {
            if matches!(request.endpoint, Endpoint::ImportJob | Endpoint::ImportErrors) {
                answer()
            } else {
                Answer::normal()
            }
        });
    }
    scene.send(identifies(1)).await;
    scene.send(identifies(2)).await;
    let heal = async {
        sleep(misbehaves).await;
        scene.double.behave();
        scene.double.fate(Fate::done(Duration::from_secs(1)));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = heal => {}
        _ = scene.arrived(within) => {}
    }
    let jobs = scene.double.request_count(Endpoint::ProfileBulk) > 0;
    let row = scene.row().await;
    let mut faults = row.faults(Some(within));
    if !jobs {
        faults.push("no job was sent: the scenario tests nothing".to_owned());
    }
    scene.end(row, faults)
}

/// A job that Klaviyo never finishes, and a blip: the others wait no longer than five seconds beyond it.
async fn blip_beside_an_endless_job() -> Verdict {
    let blip = Duration::from_secs(3);
    let bound = blip + Duration::from_secs(5);
    let scene = Scene::start("a blip of 3 s beside an endless job", JOBS_ABOVE_60).await;
    scene.double.fate(Fate::ending(Duration::ZERO, End::Endless));
    // The job's own people are not the others: it never ends.
    let people = identifies(1).into_iter().map(Call::bad);
    scene.send(people.collect()).await;
    let within = Duration::from_secs(20);
    let jobs = scene
        .until(within, |effects| effects.requests.contains_key(&Endpoint::ProfileBulk))
        .await;
    let good = (0..).map(|n| Call::track(&format!("good{n}"), 1));
    let load = scene.send_paced(good, Duration::from_millis(200), Duration::from_secs(10));
    let play = async {
        sleep(Duration::from_secs(2)).await;
        scene.double.script(|request| {
            if request.endpoint.writes() {
                Answer::status(503)
            } else {
                Answer::normal()
            }
        });
        sleep(blip).await;
        scene.double.behave();
    };
    tokio::join!(load, play);
    scene.arrived(bound + Duration::from_secs(1)).await;
    let row = scene.row().await;
    let mut faults = row.faults(Some(bound));
    if !jobs {
        faults.push("no job was sent: the scenario tests nothing".to_owned());
    }
    scene.end(row, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn older_traits_never_end_over_newer_ones() {
    let scenes: Vec<Scenario> = vec![
        Box::pin(outlived("kill -9 while a job runs", Ending::Killed)),
        Box::pin(outlived("SIGTERM while a job runs", Ending::Terminated)),
        Box::pin(answer_lost()),
    ];
    run(3, scenes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_people_of_a_job_go_on_however_it_ends() {
    let secs = Duration::from_secs;
    let of = |after, end| Fate::ending(secs(after), end);
    let failing = |listed| End::Complete {
        failing: vec!["user-p1".to_owned()],
        listed,
    };
    let scenes: Vec<Scenario> = vec![
        Box::pin(ends("polls of a job 404", of(0, End::Unknown), None, secs(5), secs(30))),
        Box::pin(ends("cancelled job", of(3, End::Cancelled), None, secs(8), secs(60))),
        Box::pin(ends(
            "failed job with errors",
            of(3, failing(true)),
            None,
            secs(8),
            secs(60),
        )),
        Box::pin(ends(
            "failed job without errors",
            of(3, failing(false)),
            None,
            secs(8),
            secs(60),
        )),
        Box::pin(ends(
            "polls of a job 500 for a while",
            Fate::done(secs(3)),
            Some(|| Answer::error(500, "error")),
            span(8, 60),
            span(60, 120),
        )),
        Box::pin(blip_beside_an_endless_job()),
    ];
    run(6, scenes).await;
}
