//! What visitors, SDKs and Klaviyo send, as a terminal gets to see it: characters that it would obey leave as escapes,
//! from every command and in both forms.

use std::fs;

use klaviyo_relay::model::{DeliveryKind, DeliveryStatus, EventId, EventStatus, Outcome, OutcomeKind, PauseKind};
use klaviyo_relay::outbox::Pause;
use serde_json::{Value, json};

use super::prepared::{NOW, attempt, end, event, plan};
use super::{Bench, Ran, Sandbox};
use crate::support::{attempts, reopen};

/// One of every kind: the clipboard and the screen by ESC and by C1, line breaks, a bell, marks and overrides of
/// direction, separators. Without NUL, which no argument of a command can hold.
const FOUL: &str = "\u{1b}]52;c;eA==\u{7}\u{1b}[2J\r\n\t\u{7f}\u{80}\u{85}\u{9b}31m\u{9f}\u{61c}\u{200e}\u{200f}\
                    \u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
/// The characters of it that `serde_json` writes as they are.
const LEFT_BY_JSON: &str = "\u{7f}\u{80}\u{85}\u{9b}\u{61c}\u{200e}\u{2028}\u{202e}\u{2066}";
/// The dead order, and the event that waits behind nothing.
const ORDER: i64 = 1;
const WAITING: i64 = 2;
const FLAWED: i64 = 3;

fn foul(word: &str) -> String {
    format!("{word}{FOUL}")
}

/// Two people's calls with it in every field, and one that is dead on arrival.
fn calls() -> [Value; 3] {
    let order = json!({
        "type": "track", "messageId": foul("m"), "userId": foul("u"), "anonymousId": foul("a"),
        "event": foul("Order Completed\0"), "context": {"traits": {"email": foul("e@shop.example")}},
        "properties": {"orderId": foul("o"), "total": 1, "products": [{"name": foul("p")}], (foul("key")): FOUL},
    });
    let waiting = json!({
        "type": "identify", "messageId": foul("m2"), "userId": foul("w"), "traits": {"name": FOUL},
    });
    let flawed = json!({"type": "track", "messageId": foul("m3"), "anonymousId": foul("b"), "context": FOUL});
    [order, waiting, flawed]
}

async fn prepare(bench: &Bench) {
    let outbox = reopen(&bench.outbox_config(), NOW).await;
    let events = calls().map(|call| event(&call.to_string()));
    outbox.intake().append(events.to_vec()).await.unwrap();
    attempts::claim(&outbox, NOW).await;
    let delivery = plan(&outbox, ORDER, DeliveryKind::Event, Some(&foul("o"))).await;
    let words = foul("400 invalid:");
    let refused = Outcome {
        http_status: Some(400),
        error: Some(words.clone()),
        request_id: Some(foul("ray")),
        note: Some(foul("left out")),
        ..Outcome::of(OutcomeKind::Refused)
    };
    let rejected = DeliveryStatus::Rejected;
    attempt(&outbox, delivery, refused, rejected, Some(&words)).await;
    end(&outbox, ORDER, EventStatus::Dead, Some(&words)).await;
    let pause = Pause {
        family: None,
        kind: PauseKind::Refused,
        since: NOW,
        reason: foul("401"),
        reason_code: "klaviyo_401".to_owned(),
        probe_at: NOW,
    };
    outbox.queue().set_pauses(vec![pause]).await.unwrap();
    attempts::settle(&outbox, [attempts::requeued(EventId(WAITING), NOW)]).await;
    outbox.close().await;
}

/// Nothing left raw, and something left as an escape where a value of an event was to be shown.
fn assert_clean(arguments: &[&str], ran: &Ran, shows: bool) {
    for text in [&ran.out, &ran.err] {
        let raw = text.chars().find(|c| {
            let obeyed = c.is_control() && *c != '\n';
            obeyed || FOUL.contains(*c) && !c.is_ascii()
        });
        assert_eq!(raw, None, "{arguments:?} printed\n{text:?}");
    }
    let escaped = ["\\u{9b}", "\\u009b"].iter().any(|escape| ran.out.contains(escape));
    assert_eq!(escaped, shows, "{arguments:?} printed\n{ran:?}");
}

#[tokio::test]
async fn no_command_prints_what_a_terminal_would_obey() {
    let bench = Bench::new();
    prepare(&bench).await;
    let (user, message) = (foul("user:u"), foul("m"));
    for (arguments, shows) in [
        (&["status"][..], true),
        (&["show", "1"], true),
        (&["show", "2"], true),
        (&["show", "3"], true),
        (&["show", &message], true),
        (&["hold", "--status", "pending", "--dry-run"], true),
        (&["discard", "--status", "dead", "--dry-run"], true),
        (&["replay", "--status", "dead", "--dry-run"], true),
        (&["export", "--dry-run"], true),
        (&["forget", "--profile", &user, "--dry-run"], true),
        (&["audit", "--deep"], false),
        (&["check"], false),
    ] {
        assert_clean(arguments, &bench.run(arguments), shows);
        let json = [arguments, &["--json"]].concat();
        let ran = bench.run(&json);
        assert_clean(&json, &ran, shows);
        ran.json();
    }
    for call in calls() {
        let call = call.to_string();
        assert_clean(&["explain"], &bench.run_on(&call, &["explain"]), !call.contains("m3"));
        let ran = bench.run_on(&call, &["explain", "--json"]);
        assert_clean(&["explain", "--json"], &ran, !call.contains("m3"));
    }
    assert_clean(&["export"], &bench.run(&["export"]), true);
    assert_clean(&["hold"], &bench.run(&["hold", "--id", "2"]), true);
    assert_clean(
        &["release"],
        &bench.run(&["release", "--status", "held", "--dry-run"]),
        true,
    );
}

#[tokio::test]
async fn the_values_of_json_stay_what_they_are() {
    let bench = Bench::new();
    prepare(&bench).await;
    let ran = bench.run(&["show", &ORDER.to_string(), "--json"]);
    assert!(!ran.out.contains(|c| LEFT_BY_JSON.contains(c)), "{}", ran.out);
    let shown = ran.json();
    assert_eq!(shown["payload"], calls()[0]);
    assert_eq!(shown["message_id"], foul("m"));
    let exported = bench.run(&["export", "--id", &ORDER.to_string()]).well();
    let exported: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(exported["batch"][0], calls()[0]);
    for id in [WAITING, FLAWED] {
        bench.run(&["show", &id.to_string(), "--json"]).json();
    }
}

#[tokio::test]
async fn klaviyos_words_and_names_of_files_are_escaped_too() {
    let bench = Bench::new();
    let sandbox = Sandbox::start(&bench, "pk_sandbox");
    let bench = Bench::with(&sandbox.config("pk_sandbox"));
    prepare(&bench).await;
    let fault = json!({"status": 400, "body": {"errors": [{"code": "invalid", "detail": FOUL}]}});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}/sandbox/faults", sandbox.url));
    let request = request.header("content-type", "application/json");
    let answer = request.body(fault.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_clean(&["check"], &bench.run(&["check"]), true);
    assert_clean(&["check", "--json"], &bench.run(&["check", "--json"]), true);

    let (archive, copy) = (foul("archive"), foul("copy"));
    fs::write(bench.path().join(&archive), "no JSON\n").unwrap();
    for arguments in [
        &["import", "--dry-run", &archive][..],
        &["import", "--dry-run", "--json", &archive],
        &["backup", &copy],
        &["restore", "--dry-run", &copy],
        &["restore", "--dry-run", "--json", &copy],
    ] {
        assert_clean(arguments, &bench.run(arguments), true);
    }
    for arguments in [
        &["show", &archive][..],
        &["backup", &copy],
        &["export", "--output", &copy],
        &["restore", &foul("none")],
        &["--config", &foul("none"), "status"],
        &["import", "--strict", "--dry-run", &archive],
        &["forget", "--profile", &foul("nobody"), "--dry-run"],
    ] {
        let ran = bench.run(arguments);
        let shows = ran.out.contains("\\u{9b}");
        assert_clean(arguments, &ran, shows);
    }
}

#[tokio::test]
async fn a_colour_comes_from_the_layout_alone() {
    let bench = Bench::new();
    prepare(&bench).await;
    let mut command = bench.command(&["show", "1"]);
    command.env("CLICOLOR_FORCE", "1").stdout(std::process::Stdio::piped());
    let answer_text = super::finish(command, "").well();
    let colours = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"];
    let without = colours.iter().fold(answer_text.clone(), |answer_text, colour| {
        answer_text.replace(colour, "")
    });
    assert_ne!(without, answer_text, "there are colours");
    assert!(!without.contains('\u{1b}'), "{answer_text:?}");
}
