//! The overview's parts, sent as they change, by server-sent events.
//!
//! It promises that a tab that is closed costs nothing: the stream is made by whoever reads it, so that it ends with the
//! connection; and that it ends when the daemon stops.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream;

use super::plots::Over;
use super::{LAST, Live, PARTS, over};
use crate::admin::page::visit::Visit;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Looks without a change after which something is said all the same, so that a connection whose other end is gone
/// without a word is noticed.
const QUIET: u32 = 8;

/// One tab.
struct Tab {
    visit: Visit,
    newest: Arc<Live>,
    over: Over,
    /// What it was sent last, by part.
    sent: HashMap<&'static str, String>,
    /// What is still to be sent of the last look.
    changed: Vec<Event>,
    quiet: u32,
}

/// The stream.
pub(in super::super) async fn live(
    Extension(visit): Extension<Visit>,
    Extension(newest): Extension<Arc<Live>>,
    uri: Uri,
) -> impl IntoResponse {
    let tab = Tab {
        visit,
        newest,
        over: over(&uri),
        sent: HashMap::new(),
        changed: Vec::new(),
        quiet: 0,
    };
    Sse::new(stream::unfold(tab, |mut tab| async move {
        let event = tab.next().await?;
        Some((Ok::<_, Infallible>(event), tab))
    }))
}

impl Tab {
    /// What it is sent next; `None` when the daemon stops.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.visit.admin.stop.clone();
        loop {
            if let Some(event) = self.changed.pop() {
                self.quiet = 0;
                return Some(event);
            }
            // Nothing was sent yet: the page may be older than the moment it is listened to.
            if !self.sent.is_empty() {
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
            }
            self.look().await;
            self.quiet += 1;
            if self.changed.is_empty() && self.quiet >= QUIET {
                self.quiet = 0;
                return Some(Event::default().comment("nothing new"));
            }
        }
    }

    async fn look(&mut self) {
        let facts = match self.newest.look(&self.visit.admin).await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::warn!(%error, "failed to look for an open page");
                self.sent.insert("", String::new());
                return;
            }
        };
        for (name, of) in PARTS.into_iter().chain(LAST) {
            let html = of(&facts, self.over).into_string();
            if self.sent.get(name) != Some(&html) {
                self.changed.push(Event::default().event(name).data(&html));
                self.sent.insert(name, html);
            }
        }
    }
}
