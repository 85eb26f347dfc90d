//! The whole program from outside, in one test binary.

mod ingest;
