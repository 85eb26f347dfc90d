//! Segment's API with the current configuration: a request is processed with the configuration at its arrival, and the
//! next one with the newest. May use `config` and `model`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::rejections::Rejections;
use super::routes::{Ingest, routes};
use crate::config::{AnalyticsJs, IngestConfig};
use crate::model::GarbageIds;

/// An ingest whose configuration can change while it runs.
pub struct ReloadableIngest {
    ingest: Ingest,
    current: watch::Sender<Router>,
}

impl ReloadableIngest {
    /// Begins with this one.
    pub fn new(ingest: Ingest) -> Self {
        let current = watch::Sender::new(routes(ingest.clone()));
        Self { ingest, current }
    }

    /// The routes, which always use the configuration at the time of a request.
    pub fn routes(&self) -> Router {
        let current = self.current.subscribe();
        Router::new().fallback(pass).with_state(current)
    }

    /// The counts of rejected requests.
    pub fn rejections(&self) -> Rejections {
        self.ingest.rejections()
    }

    /// Continues with this configuration. Requests in progress keep their own.
    pub fn reload(&mut self, config: IngestConfig, garbage: GarbageIds, script: Option<AnalyticsJs>) {
        self.ingest = self.ingest.with_config(config, garbage, script);
        drop(self.current.send_replace(routes(self.ingest.clone())));
    }
}

async fn pass(State(current): State<watch::Receiver<Router>>, request: Request) -> Response {
    let router = current.borrow().clone();
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
