//! Every test that needs more than one module, in one binary: it links once.
#![expect(
    clippy::unwrap_used,
    reason = "what these tests set up is known to work; clippy sees only the test functions themselves as tests"
)]

mod admin;
mod architecture;
mod attack;
mod bulk_jobs;
mod commands;
mod config;
mod connections;
mod daemon;
mod docs;
mod fuzz;
mod ingest;
mod mapping;
mod order;
mod otlp;
mod page;
mod sdk;
mod support;
mod tls;
mod upgrade;
