//! Sends the parts of the overview that have changed, by server-sent events.
//!
//! It promises that a closed tab costs nothing: the stream is driven by its reader, so that it ends with the
//! connection; that it ends when the daemon stops; and that a part that the page already has is not sent again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream;

use super::charts::TimeRange;
use super::{OverviewCache, OverviewParams, PARTS, RenderedPart, rendered};
use crate::console::request::PageRequest;

/// The refresh interval.
const PAUSE: Duration = Duration::from_secs(2);
/// After this many refreshes without a change, an event is sent all the same: both ends then notice a connection that
/// broke silently, and the page can show how old its data is.
const QUIET: u32 = 2;

/// One tab.
struct Tab {
    request: PageRequest,
    newest: Arc<OverviewCache>,
    over: TimeRange,
    /// The hashes of the parts that the tab has.
    has: HashMap<&'static str, String>,
    /// The changed parts of the last refresh that are not sent yet.
    changed: Vec<Event>,
    looked: bool,
    quiet: u32,
}

/// The stream.
pub(in super::super) async fn live(
    Extension(request): Extension<PageRequest>,
    Extension(newest): Extension<Arc<OverviewCache>>,
    uri: Uri,
) -> impl IntoResponse {
    let params = OverviewParams::of(&uri);
    let seen = params.seen.as_deref().unwrap_or_default();
    let names = PARTS.map(|(name, _)| name).into_iter();
    let tab = Tab {
        request,
        newest,
        over: params.over(),
        has: names.zip(seen.split('.').map(str::to_owned)).collect(),
        changed: Vec::new(),
        looked: false,
        quiet: 0,
    };
    Sse::new(stream::unfold(tab, |mut tab| async move {
        let event = tab.next().await?;
        Some((Ok::<_, Infallible>(event), tab))
    }))
}

/// The hashes of the parts on a page, for the address of its stream.
pub(super) fn seen(parts: &[RenderedPart]) -> String {
    let prints = parts.iter().map(|(_, html)| print(html));
    prints.collect::<Vec<_>>().join(".")
}

/// The hash of a part; the same in every process.
fn print(html: &str) -> String {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

impl Tab {
    /// The next event for the tab; `None` when the daemon stops.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.request.admin.stop.clone();
        loop {
            if let Some(event) = self.changed.pop() {
                self.quiet = 0;
                return Some(event);
            }
            // The first refresh is immediate: the page may be older than the stream.
            if self.looked {
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
            }
            self.refresh().await;
            self.quiet += 1;
            if self.changed.is_empty() && self.quiet >= QUIET {
                self.quiet = 0;
                return Some(Event::default().event("still").data(""));
            }
        }
    }

    async fn refresh(&mut self) {
        self.looked = true;
        let data = match self.newest.get(&self.request.admin).await {
            Ok(data) => data,
            Err(error) => return tracing::warn!(%error, "failed to look for an open page"),
        };
        for (name, html) in rendered(&data, self.over) {
            let print = print(&html);
            if self.has.get(name) != Some(&print) {
                self.changed.push(Event::default().event(name).data(&html));
                self.has.insert(name, print);
            }
        }
    }
}
