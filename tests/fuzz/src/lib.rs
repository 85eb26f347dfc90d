//! What the fuzz targets try: a function for each, from an input's bytes to what must hold.
//!
//! A function checks promises, and not only that nothing panics. There is one harness for all of them: libFuzzer feeds
//! the functions by the programs in `fuzz_targets/`, and the integration tests of the daemon have this folder as one of
//! their modules (`tests/it/fuzz.rs`) and feed them with the files of `corpus/` and `findings/`.
//!
//! `bash .ci/nightly` runs each target for a minute, `bash .ci/nightly 600 ingest` one for ten; cargo-fuzz works too:
//! `cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none ingest`. Stable Rust will do. A finding becomes a file of
//! `findings/<target>/`, named after what it showed, and stays. `corpus/` is small: what libFuzzer adds to it in
//! `target/fuzz/corpus/` is worth a new file only where it shows a kind of input that no file has.
//!
//! Inputs are texts, so that a difference can be read: each target documents how its own is written.

pub mod answer;
pub mod config;
pub mod filter;
pub mod ingest;
pub mod mapping;
pub mod memory;
mod requests;
