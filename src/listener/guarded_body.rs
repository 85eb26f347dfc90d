//! An answer's body that holds a value until the body is sent or dropped. No I/O of its own.

use axum::body::Body;
use http_body_util::BodyExt as _;

/// The same body; `kept` is dropped with it.
pub fn with_guard(body: Body, kept: impl Send + 'static) -> Body {
    Body::new(body.map_err(move |error| {
        let _held = &kept;
        error
    }))
}
