//! [`Pages`] with a sandbox beside them, which gets requests as from the relay.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use klaviyo_relay::clock::SystemClock;
use klaviyo_relay::model::{EventType, Identifier, IdentifierKind, NewEvent, Reason, Timestamp};
use klaviyo_relay::outbox::Outbox;
use klaviyo_relay::sandbox::{Options, Sandbox};
use tower::ServiceExt as _;

use super::Pages;

/// What the pages are made of.
pub(super) struct Shelf {
    pub(super) outbox: Outbox,
    pub(super) sandbox: Sandbox,
    pages: Pages,
}

/// What is there to be shown, and how.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) sandbox: bool,
    pub(super) personal_data: bool,
}

impl Shelf {
    pub(super) async fn new() -> Self {
        Self::with(Shown {
            sandbox: true,
            personal_data: false,
        })
        .await
    }

    pub(super) async fn with(shown: Shown) -> Self {
        let sandbox = Sandbox::new(Options::default(), Arc::new(SystemClock));
        let pages = Pages::with(|admin| {
            admin.sandbox = shown.sandbox.then(|| sandbox.clone());
            admin.show_personal_data = shown.personal_data;
        });
        let pages = pages.await;
        Self {
            outbox: pages.outbox.clone(),
            sandbox,
            pages,
        }
    }

    /// The page at a path.
    pub(super) async fn page(&self, path: &str) -> String {
        self.pages.get(path).await.well()
    }

    /// Sends a request to the sandbox, as the relay does.
    pub(super) async fn klaviyo(&self, path: &str, body: String) -> u16 {
        let media_type = if path.starts_with("/sandbox/") {
            "application/json"
        } else {
            "application/vnd.api+json"
        };
        let request = Request::post(path)
            .header("authorization", "Klaviyo-API-Key pk_sandbox")
            .header("revision", "2026-10-15")
            .header("content-type", media_type)
            .body(Body::from(body))
            .unwrap();
        let answer = self.sandbox.routes().oneshot(request).await.unwrap();
        answer.status().as_u16()
    }
}

/// A track of a person, by their user id.
pub(super) fn event(user: &str, number: u64) -> NewEvent {
    let at = Timestamp::from_millis(1_795_440_000_000 + i64::try_from(number).unwrap());
    NewEvent {
        traceparent: None,
        source: "shop".to_owned(),
        message_id: format!("m{number}"),
        kind: Some(EventType::Track),
        name: Some("Step".to_owned()),
        at,
        received_at: at,
        order_id: None,
        identifiers: Vec::from_iter(Identifier::new(IdentifierKind::UserId, user)),
        payload: "{}".to_owned(),
        envelope: None,
        dead: None,
    }
}

/// One that is dead for this reason.
pub(super) fn dead(user: &str, number: u64, code: &str, text: &str) -> NewEvent {
    NewEvent {
        dead: Some(Reason::new(code.to_owned(), text)),
        ..event(user, number)
    }
}

/// Where a page's links lead: the texts of `href`, as a browser reads them.
pub(super) fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1);
    let links = links.map(|rest| rest.split('"').next().unwrap_or_default());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

/// How often a page has a text.
pub(super) fn times(page: &str, text: &str) -> usize {
    page.matches(text).count()
}
