//! Durable delivery of Segment events to Klaviyo.
//!
//! The program receives Segment calls over HTTP, stores them in a SQLite outbox, and delivers them to Klaviyo: in
//! order per profile, once in effect, through crashes, outages and rate limits.
//!
//! ```text
//! Segment SDK ──HTTP──▶ ingest ──▶ outbox ──▶ scheduler ──▶ mapper ──▶ delivery ──HTTP──▶ Klaviyo
//!                                    ▲                                     │
//!                                    └────────── outcome, settled ─────────┘
//! cli, admin page, sqlite3 ──read──▶ outbox views
//! ```
//!
//! # Modules
//!
//! A test holds this table: an import that runs against it fails the build.
//!
//! | module | charge | may use |
//! |---|---|---|
//! | `model` | the nouns: event, identifier, delivery, attempt and their states; no I/O, no clock | – |
//! | `escape` | shows the control characters of foreign text, which a terminal would obey; pure | – |
//! | `json` | reads JSON as it is written, where `serde_json` gives some keys a meaning of their own; pure | – |
//! | `clock` | time and randomness, handed in to the parts that need them | model |
//! | `listener` | the accept loop under every port of the program, with TLS or without: its connections end, and their places are shared | clock |
//! | `segment` | Segment's vocabulary: the calls, and how their keys are looked up | model, json |
//! | `config` | reads `config.toml` and the environment into final types; the only reader of either | model |
//! | `klaviyo` | Klaviyo's vocabulary: request and response types, limits, error shapes | model, json |
//! | `mapper` | pure: an event and the settings in, Klaviyo requests out, or why there are none | model, config, klaviyo, segment |
//! | `metrics` | numbers and heartbeats of the running parts; a registry without I/O | model, clock |
//! | `outbox` | the only module with SQL: append, next, settle, replay, reports | model, config, clock, metrics |
//! | `ingest` | Segment's HTTP API in: authenticate, check, normalise, hand to the outbox, answer | model, config, outbox, segment, clock, listener, metrics, telemetry, json |
//! | `delivery` | one HTTP request out, one outcome back; the only user of reqwest | klaviyo, model, json |
//! | `scheduler` | the loop that joins outbox, mapper, delivery and outbox again | outbox, mapper, delivery, klaviyo, segment, model, config, clock, metrics, telemetry |
//! | `scheduler::policy` | pure decisions: how fast, singly or in a job, when to retry, what a failure is attributed to, what to pause | model, config |
//! | `sandbox` | a Klaviyo in the program: checks requests as the real one does, and stores what it got | model, clock, listener, json |
//! | `operator` | the operations of an operator, the same from the commands and from the admin port | outbox, ingest, scheduler, mapper, klaviyo, segment, model, config, clock, escape, json |
//! | `admin` | health, metrics and the API of the operator, on a port of their own, and its access control | operator, outbox, sandbox, metrics, model, config, clock, listener, json, telemetry |
//! | `console` | the web pages of the operator's port | admin, operator, sandbox, metrics, model, config, listener, json |
//! | `telemetry` | sets up what is logged and traced, and how | config, escape |
//! | `cli` | the commands, one file for each | all |
//! | `app` | the one place that wires the parts together | all |
//!
//! # What is absent, on purpose
//!
//! - Nothing is answered with 200 that is not on disk.
//! - Data enters only at `ingest` and leaves only at `delivery`; every state it ever has is in the outbox.
//! - `mapper`, `scheduler::policy` and the classification of an answer read no clock, draw no random number and do no
//!   I/O: a replay decides as the first attempt did.
//! - No key and no personal data in logs and errors.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod delivery;
pub mod escape;
pub mod ingest;
pub mod json;
pub mod klaviyo;
pub mod listener;
pub mod mapper;
pub mod metrics;
pub mod model;
pub mod operator;
pub mod outbox;
pub mod sandbox;
pub mod scheduler;
pub mod segment;
pub mod telemetry;
