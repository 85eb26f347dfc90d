//! Bodies: sizes, times, memory, and how they are compressed.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use hyper::body::Frame;

use super::{config, decide, gzip};
use crate::ingest::answer::Rejection;
use crate::ingest::body;
use crate::ingest::body_budget::BodyBudget;
use crate::ingest::inflate::Coding;
use crate::ingest::pace::Pace;

const CALL: &str = r#"{"userId":"u","event":"e"}"#;

fn zlib(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_decompression_bomb_costs_no_more_than_the_limit() {
    let limit = config().max_batch_bytes;
    let blank = vec![b' '; limit * 8];
    for (coding, bomb) in [
        ("gzip", gzip(&blank)),
        ("deflate", zlib(&blank, 6)),
        ("deflate", bare_deflate(&blank, 6)),
    ] {
        assert!(bomb.len() < limit / 10);
        let headers = [("x-write-key", "dev"), ("content-encoding", coding)];
        let rejection = decide("/v1/batch", &headers, bomb).unwrap_err();
        assert!(matches!(rejection, Rejection::BodyTooLarge { .. }), "{coding}");
    }
}

#[test]
fn gzip_is_accepted_in_every_spelling_of_its_name() {
    for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip", " gzip ,"] {
        let headers = [("x-write-key", "dev"), ("content-encoding", coding)];
        let accepted = decide("/v1/track", &headers, gzip(CALL.as_bytes())).unwrap();
        assert_eq!(accepted.events[0].payload, CALL, "{coding}");
    }
}

#[test]
fn deflate_is_accepted_with_and_without_the_header_of_zlib() {
    for level in 0..=9 {
        for body in [zlib(CALL.as_bytes(), level), bare_deflate(CALL.as_bytes(), level)] {
            let headers = [("x-write-key", "dev"), ("content-encoding", "Deflate")];
            let accepted = decide("/v1/track", &headers, body).unwrap();
            assert_eq!(accepted.events[0].payload, CALL, "level {level}");
        }
    }
}

#[test]
fn deflate_that_ends_early_is_rejected() {
    for whole in [zlib(CALL.as_bytes(), 6), bare_deflate(CALL.as_bytes(), 6)] {
        let cut = whole[..whole.len() - 5].to_vec();
        let headers = [("x-write-key", "dev"), ("content-encoding", "deflate")];
        let rejection = decide("/v1/track", &headers, cut).unwrap_err();
        assert!(
            rejection.to_string().contains("not whole and valid deflate"),
            "{rejection}"
        );
    }
}

#[test]
fn a_body_may_be_some_gzip_files_and_not_thousands() {
    let headers = [("x-write-key", "dev"), ("content-encoding", "gzip")];
    let (one, other) = CALL.split_at(CALL.len() / 2);
    let two = [gzip(one.as_bytes()), gzip(other.as_bytes())].concat();
    assert_eq!(decide("/v1/track", &headers, two).unwrap().events[0].payload, CALL);
    let many = gzip(b"").repeat(200_000);
    let rejection = decide("/v1/track", &headers, many).unwrap_err();
    assert_eq!(rejection.status().as_u16(), 400, "{rejection}");
}

#[test]
fn decompressed_bytes_count_against_the_budget() {
    let body = gzip(&vec![b' '; 1_000_000]);
    let mut lease = BodyBudget::new(500_000).lease(true);
    let rejection = Coding::Gzip.inflate(&body, usize::MAX, &mut lease);
    assert_eq!(rejection.unwrap_err().code(), "cannot_store_now");
    drop(lease);
    let mut lease = BodyBudget::new(1_000_000).lease(true);
    let inflated = Coding::Gzip.inflate(&body, usize::MAX, &mut lease);
    assert_eq!(inflated.unwrap().len(), 1_000_000);
    assert!(lease.reserve(1).is_err(), "all of the budget is taken");
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_for_a_limited_time() {
    let budget = BodyBudget::new(1000);
    let read = async |size: usize| {
        let body = Body::from(vec![b'x'; size]);
        body::read(body, 10, Pace::KNOWN, &mut budget.lease(true)).await
    };
    assert_eq!(read(10).await.unwrap().len(), 10);
    assert!(matches!(read(11).await, Err(Rejection::BodyTooLarge { limit: 10 })));
    let silent = Body::new(Silent);
    let impatient = Pace {
        stall: Duration::ZERO,
        ..Pace::KNOWN
    };
    let rejection = body::read(silent, 10, impatient, &mut budget.lease(true)).await;
    assert_eq!(rejection.unwrap_err().status(), 503);
}

#[tokio::test]
async fn a_body_without_memory_is_read_to_its_end_and_discarded() {
    let budget = BodyBudget::new(25);
    let mut other = budget.lease(true);
    other.reserve(20).unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let body = Body::new(Bytewise {
        left: 10,
        read: Arc::clone(&read),
    });
    let mut lease = budget.lease(true);
    let rejection = body::read(body, 10, Pace::KNOWN, &mut lease).await.unwrap_err();
    assert_eq!(
        (rejection.status().as_u16(), rejection.code()),
        (429, "cannot_store_now")
    );
    assert_eq!(read.load(Ordering::Relaxed), 10);
    // Its lease is released already: what was read is discarded.
    budget.lease(true).reserve(5).unwrap();
    drop(other);
    let body = Body::from("0123456789");
    assert!(body::read(body, 10, Pace::KNOWN, &mut lease).await.is_ok());
}

#[tokio::test]
async fn an_upload_over_the_limit_is_read_further_for_a_while_and_then_cut_off() {
    let read = Arc::new(AtomicUsize::new(0));
    let endless = Body::new(Bytewise {
        left: usize::MAX,
        read: Arc::clone(&read),
    });
    let mut lease = BodyBudget::new(1000).lease(true);
    let rejection = body::read(endless, 10, Pace::KNOWN, &mut lease).await.unwrap_err();
    assert!(matches!(rejection, Rejection::BodyTooLarge { limit: 10 }));
    assert_eq!(read.load(Ordering::Relaxed), 41);
}

type FramePoll = Poll<Option<Result<Frame<Bytes>, Infallible>>>;

/// A body whose next part never comes.
struct Silent;

impl hyper::body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> FramePoll {
        Poll::Pending
    }
}

/// A body that arrives one byte at a time, and counts how much of it was read.
struct Bytewise {
    left: usize,
    read: Arc<AtomicUsize>,
}

impl hyper::body::Body for Bytewise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> FramePoll {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        self.read.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}
