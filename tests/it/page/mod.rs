//! The page over the router, without a browser: what each page shows, what it permits nobody, and that events are text.

mod blocked;
mod browser;
mod change;
mod dead;
mod edited;
mod event;
mod events;
mod export;
mod overview;
mod sandbox;
mod shelf;
mod try_event;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use klaviyo_relay::admin::{self, Admin, Auth};
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::config::{AdminConfig, Config, OutboxConfig};
use klaviyo_relay::console;
use klaviyo_relay::metrics::Instruments;
use klaviyo_relay::model::{
    DeliveryKind, EventId, EventStatus, EventType, Identifier, IdentifierKind, NewEvent, Reason, Timestamp,
};
use klaviyo_relay::operator::ExplainSettings;
use klaviyo_relay::outbox::{Outbox, PlannedDelivery};
use klaviyo_relay::sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{attempts, request_routes};

/// The headers of a browser for a form that it sends to where it got it from.
const FROM_HERE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// The pages on an outbox of their own; no relay takes anything from it.
struct Pages {
    outbox: Outbox,
    routes: Router,
    dir: TempDir,
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The page of a request that must succeed.
    fn well(self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text
    }

    /// Where a visitor is sent on to.
    fn sent_on(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location").unwrap()
    }
}

impl Pages {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a port that is set up otherwise.
    async fn with(otherwise: impl FnOnce(&mut Admin)) -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            ..OutboxConfig::default()
        };
        let instruments = Instruments::new(Arc::new(SystemClock), ["shop", "app"]);
        let reported = Some(instruments.clone());
        let outbox = Outbox::open_measured(&config, SystemClock.now(), reported);
        let outbox = outbox.await.unwrap();
        let config = AdminConfig::default();
        let mut admin = Admin {
            outbox: outbox.control().clone(),
            intake: outbox.intake(),
            instruments,
            clock: Arc::new(SystemClock),
            sandbox: Some(Sandbox::new(Options::default(), Arc::new(SystemClock))),
            explain: watch::Sender::new(ExplainSettings::of(&Config::default())).subscribe(),
            at_once: 16,
            auth: Auth::of(&config, [7; 32]),
            stop: CancellationToken::new(),
            show_personal_data: config.show_personal_data,
        };
        otherwise(&mut admin);
        let admin = Arc::new(admin);
        Self {
            outbox,
            routes: admin::routes(Arc::clone(&admin), console::routes(&admin)),
            dir,
        }
    }

    /// With the events of [`shop`].
    async fn filled() -> Self {
        let pages = Self::new().await;
        pages.fill().await;
        pages
    }

    async fn fill(&self) {
        self.outbox.intake().append(shop()).await.unwrap();
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (status, headers, text) = request_routes(&self.routes, method, path, headers, body).await;
        Answer { status, headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// The page with the result of a change: where a form sent the visitor on to.
    async fn follow(&self, answer: &Answer) -> String {
        let cookie = answer.header("set-cookie").unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default();
        let headers = [("cookie", cookie)];
        let page = self.request("GET", answer.sent_on(), &headers, "").await;
        page.well()
    }

    /// Sends a form as a browser would that has this page open, changed so.
    async fn send(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form(page, action);
        for (name, value) in fields {
            form.retain(|(known, _)| known != name);
            form.push(((*name).to_owned(), (*value).to_owned()));
        }
        let body = serde_urlencoded::to_string(form).unwrap();
        self.request("POST", action, &[FROM_HERE], &body).await
    }

    /// Where each event stands, the oldest first.
    async fn statuses(&self) -> Vec<String> {
        let all = klaviyo_relay::outbox::Selection::default();
        let briefs = self.outbox.briefs(&all, 10_000).await.unwrap();
        briefs.into_iter().map(|brief| brief.status).collect()
    }

    /// Takes what waits out of the way: each of these becomes delivered, with its `$event_id`.
    async fn deliver(&self, keys: &[(i64, &str)]) {
        let now = SystemClock.now();
        let claimed = attempts::claim(&self.outbox, now).await;
        for (id, key) in keys {
            assert!(claimed.contains(&EventId(*id)), "{claimed:?}");
            let delivery = PlannedDelivery {
                metric: Some("Placed Order".to_owned()),
                event_key: Some((*key).to_owned()),
                ..attempts::planned(DeliveryKind::Event)
            };
            attempts::plan(&self.outbox, *id, delivery).await;
        }
        let is_delivered = |id: &EventId| keys.iter().any(|(key, _)| *key == id.0);
        let settled = claimed.into_iter().map(|event| {
            if is_delivered(&event) {
                attempts::finished(event, EventStatus::Delivered, None, now)
            } else {
                attempts::requeued(event, now)
            }
        });
        attempts::settle(&self.outbox, settled).await;
    }
}

/// The fields of the form on a page that goes to `action`: their names and values, as a browser sends them.
fn form(page: &str, action: &str) -> Vec<(String, String)> {
    let start = format!("action=\"{action}\">");
    let (_, form) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no form for {action}: {page}"));
    let (form, _) = form.split_once("</form>").unwrap();
    let hidden = form.split("<input type=\"hidden\" ").skip(1);
    let field = |input: &str| {
        let value = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            Some(unescaped(rest.split_once('"')?.0))
        };
        value("name").zip(value("value")).unwrap()
    };
    hidden.map(field).collect()
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// Elements that begin and end a line of [`text`].
const BLOCKS: [&str; 9] = ["div", "form", "h1", "h2", "li", "p", "section", "tr", "ul"];

/// The text of a part of a page without its markup: a line for each block, and `TIME` for each time.
fn text(part: &str) -> String {
    let mut text = String::new();
    for piece in part.split('<') {
        let (tag, after) = piece.split_once('>').unwrap_or(("", piece));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        text.push(if BLOCKS.contains(&name) { '\n' } else { ' ' });
        text.push_str(if tag.starts_with("time ") { "TIME" } else { after });
    }
    let text = unescaped(&text);
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

/// [`text`] of what a page has between its header and its footer.
fn main_text(page: &str) -> String {
    let (_, main) = page.split_once("<main").unwrap();
    let (_, main) = main.split_once('>').unwrap();
    text(main.split_once("</main>").unwrap().0)
}

/// The numbers of the events that a page lists, in its order.
fn listed(page: &str) -> Vec<i64> {
    let rows = page.split("<a class=\"row\" href=\"/events/").skip(1);
    rows.map(|row| row.split_once('"').unwrap().0.parse().unwrap())
        .collect()
}

/// Events 1 to 6: an order of Jane's two days ago, and of today an `identify`, an order from the app, a page, and two
/// tracks that are dead on arrival.
fn shop() -> Vec<NewEvent> {
    let order = |number| NewEvent {
        name: Some("Order Completed".to_owned()),
        order_id: Some("o-1001".to_owned()),
        ..event(
            number,
            EventType::Track,
            &[(IdentifierKind::Email, "jane@shop.example")],
        )
    };
    let days_ago = Timestamp::from_millis(SystemClock.now().as_millis() - 48 * 3_600_000);
    let dead = |number| NewEvent {
        dead: Some(Reason::new(
            "klaviyo_400_invalid_email",
            "invalid: 'joe@shop.example' is no address",
        )),
        ..event(number, EventType::Track, &[(IdentifierKind::UserId, "u3")])
    };
    vec![
        NewEvent {
            at: days_ago,
            received_at: days_ago,
            ..order(1)
        },
        event(2, EventType::Identify, &[(IdentifierKind::UserId, "u2")]),
        NewEvent {
            source: "app".to_owned(),
            name: Some("Order Completed".to_owned()),
            order_id: Some("o-1002".to_owned()),
            ..event(3, EventType::Track, &[(IdentifierKind::Phone, "+4917012345678")])
        },
        NewEvent {
            name: Some("Home".to_owned()),
            ..event(4, EventType::Page, &[(IdentifierKind::UserId, "u2")])
        },
        dead(5),
        dead(6),
    ]
}

fn event(number: i64, kind: EventType, people: &[(IdentifierKind, &str)]) -> NewEvent {
    let at = SystemClock.now();
    let people = people.iter().filter_map(|(kind, name)| Identifier::new(*kind, name));
    NewEvent {
        traceparent: None,
        source: "shop".to_owned(),
        message_id: format!("m-{number}"),
        kind: Some(kind),
        name: None,
        at,
        received_at: at,
        order_id: None,
        identifiers: people.collect(),
        payload: format!(r#"{{"type":"{kind}","messageId":"m-{number}","writeKey":"wk_secret"}}"#),
        envelope: None,
        dead: None,
    }
}

/// What an event may hold to become a part of a page.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "</textarea></title><svg onload=alert(3)>",
    "' autofocus onfocus='alert(4)",
];

/// An event that is made of markup, and is dead of it.
fn hostile(number: i64) -> NewEvent {
    let all = HOSTILE.join(" ");
    NewEvent {
        source: all.clone(),
        message_id: format!("{all}{number}"),
        name: Some(all.clone()),
        dead: Some(Reason::new("because", all.clone())),
        payload: serde_json::json!({"type": "track", "event": all, "userId": all}).to_string(),
        ..event(number, EventType::Track, &[(IdentifierKind::UserId, &all)])
    }
}

/// Asserts that nothing of [`HOSTILE`] is markup on a page, and that it is there as text.
fn shows_as_text(page: &str) {
    let markup = page.to_lowercase();
    for part in [
        "<script>alert",
        "<img src=x",
        "<svg onload",
        "</textarea></title>",
        "' autofocus onfocus='\">",
    ] {
        assert!(!markup.contains(part), "{part} in {page}");
    }
    let attributes = ["onerror", "onload", "onfocus"];
    for tag in tags(&markup) {
        let named = |name: &&str| outside_of_values(tag).contains(*name);
        assert!(!attributes.iter().any(named), "{tag}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
}

/// The tags of a page, without their angles.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<')
        .skip(1)
        .filter_map(|tag| tag.split_once('>').map(|(tag, _)| tag))
}

/// A tag without the values of its attributes.
fn outside_of_values(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

#[tokio::test]
async fn an_address_without_a_page_has_the_menu_and_the_search() {
    let pages = Pages::filled().await;
    let answer = pages.request("GET", "/nothing", &[("accept", "text/html")], "").await;
    assert_eq!(answer.status, 404);
    for part in ["href=\"/dead\"", "name=\"q\"", "There is nothing here"] {
        assert!(answer.text.contains(part), "{}", answer.text);
    }
    assert!(!answer.text.contains("openapi"), "{}", answer.text);
}
