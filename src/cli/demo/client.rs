//! A small HTTP client for the demonstration: it connects only to this machine, with one request per connection. (Only
//! `delivery` may use reqwest.)

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Posts JSON as an SDK would, with the write key `dev`; returns the status and the JSON body.
pub(super) async fn post(to: SocketAddr, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let request = Request::post(path)
        .header("host", to.to_string())
        .header("content-type", "application/json")
        // `dev:` in base 64: the write key as the user name, without a password.
        .header("authorization", "Basic ZGV2Og==")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let stream = TcpStream::connect(to)
        .await
        .with_context(|| format!("failed to connect to {to}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    drop(sender);
    driving.await??;
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body)?
    };
    Ok((status, body))
}
