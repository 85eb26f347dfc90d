//! The cost of judging a body, estimated before it is done. Pure.
//!
//! A call becomes a tree of values in memory, and a value of two characters takes a hundred bytes. So work is measured
//! in bytes that will be allocated, not in bytes that arrived. Expensive bodies are judged one after the other, on
//! other threads than those that serve all requests.

use serde_json::Value;

/// The bytes of a value's slot in a tree.
const SLOT: usize = size_of::<Value>();
/// The bytes of an array apart from all values but the first: the smallest allocation is four values.
const ARRAY: usize = 4 * SLOT;
/// The bytes of another value in an array, which doubles its allocation when it is full, or of a member of an object.
const NEXT: usize = 2 * SLOT;
/// The additional bytes of a member: the slot of its key.
const KEY: usize = 80;
/// The bytes of an object apart from its members: its table, and its keys on the heap; for a call, also what is known
/// of it.
const OBJECT: usize = 1024;
/// Copies of a text on its way to the file.
const COPIES: usize = 4;
/// A body up to this cost is judged at once, on the thread that received it: a batch of a few hundred ordinary calls.
pub(super) const LIGHT: usize = 2 << 20;

/// The bytes that are allocated at most to judge and store this body; it need not be JSON. What is known of a call that
/// is no object is not counted: some hundred bytes each, for as many calls as a batch may contain.
pub fn of(body: &str) -> usize {
    let mut made = COPIES * body.len();
    let mut bytes = body.bytes();
    while let Some(byte) = bytes.next() {
        made += match byte {
            b'{' => OBJECT,
            b'[' => ARRAY,
            b',' => NEXT,
            b':' => KEY,
            b'"' => {
                skip_string(&mut bytes);
                0
            }
            _ => 0,
        };
    }
    made
}

/// Moves behind the end of a string.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_small_on_the_wire_and_large_in_memory_has_a_high_cost() {
        let many = |item: &str| format!("[{}]", vec![item; 1 << 19].join(","));
        // Measured in the process: 287 MiB and 108 bytes a number.
        assert!(of(&many("{\"\":1}")) > 287 << 20);
        assert!(of(&many("1")) > 56 << 20);
        let text = format!("[\"{}\"]", ",{[:\\\"".repeat(1 << 17));
        assert!(of(&text) < 5 * text.len());
    }

    #[test]
    fn an_array_allocates_more_than_it_contains() {
        let many = 1 << 19;
        let ones = format!("[{}]", vec!["[1]"; many].join(","));
        assert!(of(&ones) > many * (1 + 4) * SLOT);
        // One more than the allocation had space for.
        let full = format!("[{}]", vec!["1"; many + 1].join(","));
        assert!(of(&full) > 2 * many * SLOT);
    }

    #[test]
    fn an_ordinary_batch_is_light() {
        let call = r#"{"type":"track","userId":"u-123456","messageId":"0192f7c2-7c1e-7b43-8f0e-1d9c4d3c6a4e",
            "event":"Product Viewed","timestamp":"2026-11-23T12:00:00.000Z",
            "properties":{"product_id":"p-1","sku":"s-1","name":"Shirt","price":19.9,"quantity":1,
            "category":"Clothes","url":"https://shop.example/shirt","image_url":"https://shop.example/shirt.png"},
            "context":{"ip":"192.0.2.1","userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "library":{"name":"analytics-node","version":"2.1.3"}}}"#;
        let batch = format!("{{\"batch\":[{}]}}", vec![call; 200].join(","));
        assert!(of(&batch) < LIGHT, "{}", of(&batch));
    }
}
