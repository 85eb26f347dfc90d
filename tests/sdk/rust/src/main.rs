//! The `segment` crate as a server uses it: every type of call once, then numbered events of several people.
//!
//! Arguments: the daemon's address, the write key, and how many people there are. The crate sends once and never
//! again, and gives a call no message id. So this program does what its user must: it gives each call an id, so that a
//! second copy is recognised, and sends a batch until it is accepted. The test writes to stdin how many numbered events
//! may have been handed over by now. Where stdin ends, the program prints what it made, and ends.

use std::io::BufRead as _;
use std::time::Duration;

use segment::message::{Alias, Batch, BatchMessage, Group, Identify, Page, Screen, Track, User};
use segment::{Batcher, Client as _, Error, HttpClient, Message};
use serde_json::{Map, Value, json};

/// Numbered events in one batch. The crate itself knows no such number.
const BATCH: usize = 20;
/// The wait before a batch is sent again. The crate does not give its callers `Retry-After`.
const PAUSE: Duration = Duration::from_millis(250);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, write_key, people] = arguments.as_slice() else {
        panic!("arguments: address, write key, people");
    };
    let people: u64 = people.parse().expect("a number of people");
    let client = HttpClient::new(reqwest::Client::new(), address.clone());
    let mut handed = 0;
    for line in std::io::stdin().lock().lines() {
        let up_to: u64 = line.expect("stdin is text").parse().expect("a number");
        if handed == 0 {
            for call in every_call() {
                send(&client, write_key, call).await;
            }
        }
        let numbers: Vec<u64> = (handed + 1..=up_to).collect();
        for part in numbers.chunks(BATCH) {
            let mut batcher = Batcher::new(None);
            for number in part {
                let refused = batcher.push(step(*number, people)).expect("a small event");
                assert!(refused.is_none(), "a small batch");
            }
            send(&client, write_key, batcher.into_message()).await;
        }
        handed = up_to;
    }
    let made = json!({
        "identify": 1, "track": handed + 1, "page": 1, "screen": 1, "group": 1, "alias": 1,
    });
    println!(
        "{}",
        json!({"library": "segment", "version": version(), "made": made, "failed": []})
    );
}

/// Sends until it is accepted; what can never be is a mistake of this program.
async fn send(client: &HttpClient, write_key: &str, message: Message) {
    loop {
        match client.send(write_key.to_owned(), message.clone()).await {
            Ok(()) => return,
            Err(Error::NetworkError(error)) => {
                let status = error.status().map_or(503, |status| status.as_u16());
                assert!(status == 429 || status >= 500, "refused for good: {status}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The top-level key by which a second copy is recognised.
fn id(text: String) -> Map<String, Value> {
    Map::from_iter([("messageId".to_owned(), Value::String(text))])
}

fn user(id: &str) -> User {
    User::UserId { user_id: id.to_owned() }
}

fn step(number: u64, people: u64) -> BatchMessage {
    let person = (number - 1) % people;
    BatchMessage::Track(Track {
        user: user(&format!("person-{person}")),
        event: "Step".to_owned(),
        properties: json!({ "sequence": number }),
        extra: id(format!("step-{number}")),
        ..Track::default()
    })
}

/// Each type once, each to its own path, and one batch of one.
fn every_call() -> Vec<Message> {
    let user = || user("caller");
    let named = |name: &str| id(format!("call-{name}"));
    vec![
        Message::Identify(Identify {
            user: user(),
            traits: json!({"email": "caller@klaviyo-demo.com", "plan": "gold"}),
            extra: named("identify"),
            ..Identify::default()
        }),
        Message::Track(Track {
            user: user(),
            event: "Called".to_owned(),
            properties: json!({"price": 39.95}),
            extra: named("track"),
            ..Track::default()
        }),
        Message::Page(Page {
            user: user(),
            name: "Home".to_owned(),
            properties: json!({"path": "/"}),
            extra: named("page"),
            ..Page::default()
        }),
        Message::Screen(Screen {
            user: user(),
            name: "Start".to_owned(),
            properties: json!({"tab": 1}),
            extra: named("screen"),
            ..Screen::default()
        }),
        Message::Group(Group {
            user: user(),
            group_id: "g1".to_owned(),
            traits: json!({"name": "Guild"}),
            extra: named("group"),
            ..Group::default()
        }),
        Message::Batch(Batch {
            batch: vec![BatchMessage::Alias(Alias {
                user: user(),
                previous_id: "caller-before".to_owned(),
                extra: named("alias"),
                ..Alias::default()
            })],
            ..Batch::default()
        }),
    ]
}

/// The version of the crate that this program was built with.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let package = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"segment\"\n"))
        .expect("the crate is locked");
    let line = package.lines().find(|line| line.starts_with("version = "));
    line.expect("it has a version").split('"').nth(1).expect("a text")
}
