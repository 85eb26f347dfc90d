//! A Klaviyo account that takes requests one by one or in jobs, and takes refused jobs apart.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request as HttpRequest;
use klaviyo_relay::clock::Clock;
use klaviyo_relay::klaviyo::bulk::{BulkJob, DoesNotFit, named_items};
use klaviyo_relay::klaviyo::{Request, Route, route};
use klaviyo_relay::model::{DeliveryKind, Timestamp};
use klaviyo_relay::sandbox::{Options, Sandbox};
use tower::ServiceExt;

/// After every time in the cases.
const NOW: &str = "2026-11-24T10:00:00Z";

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::parse(NOW).unwrap()
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// A Klaviyo account, and how often it got which request.
pub(super) struct Account {
    pub(super) sandbox: Sandbox,
    pub(super) jobs: usize,
    pub(super) in_jobs: usize,
    pub(super) singly: usize,
    pub(super) largest: usize,
}

impl Account {
    pub(super) fn new(options: Options) -> Self {
        Self {
            sandbox: Sandbox::new(options, Arc::new(StillClock)),
            jobs: 0,
            in_jobs: 0,
            singly: 0,
            largest: 0,
        }
    }

    pub(super) async fn send(&self, route: &Route, body: String) -> (u16, Vec<u8>) {
        let request = HttpRequest::builder()
            .method(route.method)
            .uri(&route.path)
            .header("authorization", "Klaviyo-API-Key pk_sandbox")
            .header("revision", "2026-10-15")
            .header("content-type", "application/vnd.api+json")
            .body(Body::from(body))
            .unwrap();
        let answer = self.sandbox.routes().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, body.to_vec())
    }

    /// Sends a request by itself; answers whether it was good. A conflict is no fault of its: an import job has an
    /// error for it instead.
    pub(super) async fn send_single(&mut self, request: &Request) -> bool {
        let route = route(request.kind(), request.list_id());
        let (status, answer) = self.send(&route, request.body().unwrap()).await;
        let good = matches!(status, 200..=202 | 409);
        assert!(good || status == 400, "{status} {}", text(&answer));
        self.singly += 1;
        good
    }

    /// Sends a job, and takes it apart when it is refused: what the errors name goes singly, the rest again.
    async fn send_job(&mut self, mut job: BulkJob, items: &[&Request]) {
        assert_eq!((job.len(), job.bytes()), (items.len(), job.body().len()));
        if job.is_empty() {
            return;
        }
        let (mut status, answer) = self.send(&job.route(), job.body()).await;
        let named = named_items(&job, &answer);
        if !named.is_empty() {
            assert_eq!(status, 400);
            job = BulkJob::new(job.kind(), items[0].list_id()).unwrap();
            for (place, item) in items.iter().enumerate() {
                if named.iter().all(|named| named.index != place) {
                    job.add(&item.body().unwrap()).unwrap();
                }
            }
            if !job.is_empty() {
                (status, _) = self.send(&job.route(), job.body()).await;
            }
        }
        assert!(status == 202 || job.is_empty(), "{status} {}", text(&answer));
        self.jobs += 1;
        self.in_jobs += job.len();
        self.largest = self.largest.max(job.len());
        for named in named {
            let good = self.send_single(items[named.index]).await;
            assert!(!good, "named for nothing: {}", named.words);
        }
    }

    /// Sends requests of one kind in jobs, in their order.
    pub(super) async fn send_in_jobs(&mut self, kind: DeliveryKind, requests: &[Request]) {
        let mut job = BulkJob::new(kind, None).unwrap();
        let mut items = Vec::new();
        for request in requests {
            let body = request.body().unwrap();
            let mut added = job.add(&body);
            if added.is_err() {
                self.send_job(job, &items).await;
                items.clear();
                job = BulkJob::new(kind, request.list_id()).unwrap();
                let alone = added == Err(DoesNotFit::NotBulk);
                added = if alone { added } else { job.add(&body) };
            }
            match added {
                Ok(place) => {
                    assert_eq!(place, items.len());
                    items.push(request);
                }
                Err(DoesNotFit::NotBulk) => {
                    self.send_single(request).await;
                }
                Err(error) => panic!("{error} though it is empty: {body}"),
            }
        }
        self.send_job(job, &items).await;
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
