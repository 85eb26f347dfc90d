//! The JSON:API frame around every body: `{"data": {"type": …, "attributes": …}}`.

use std::io::{self, Write};

use serde::Serialize;

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

/// The bytes of the JSON text of a body, which is not made.
pub(super) fn bytes(body: &impl Serialize) -> usize {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, body).expect("a body is made of strings, numbers and string-keyed maps");
    count.0
}

/// Counts the bytes that are written to it.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
