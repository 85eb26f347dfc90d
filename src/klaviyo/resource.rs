//! The JSON:API frame around every body: `{"data": {"type": …, "attributes": …}}`.

use std::fmt::Display;

use serde::{Serialize, Serializer};

/// `{"data": …}`.
#[derive(Serialize)]
pub(super) struct Data<T> {
    pub(super) data: T,
}

/// One resource: its type and its attributes.
#[derive(Serialize)]
pub(super) struct Resource<A> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) attributes: A,
}

/// `{"data": {"type": kind, "attributes": attributes}}`.
pub(super) const fn resource<A>(kind: &'static str, attributes: A) -> Data<Resource<A>> {
    Data {
        data: Resource { kind, attributes },
    }
}

/// The JSON text of a body.
pub(super) fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body is made of strings, numbers and string-keyed maps")
}

/// Serialises a value as the text it displays.
pub(super) fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
