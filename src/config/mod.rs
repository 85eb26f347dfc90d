//! `config.toml` and the environment, read once into final types.
//!
//! The only reader of either. Wrong or unknown keys are refused with file, line, key, what is allowed and the
//! nearest known key; secrets come in as `"env:NAME"` and are never printed. May use `model`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::model::{GarbageIds, Side};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[ingest]`.
    pub ingest: IngestConfig,
    /// `[outbox]`.
    pub outbox: OutboxConfig,
    /// `[klaviyo]`.
    pub klaviyo: KlaviyoConfig,
    /// `[mapping]`.
    pub mapping: MappingConfig,
    /// `[delivery]`.
    pub delivery: DeliveryConfig,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[log]`.
    pub log: LogConfig,
}

/// Where Segment calls come in.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// The address to listen on. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The largest single event, in bytes. Default 256 KiB.
    pub max_event_bytes: usize,
    /// The largest request body after decompression, in bytes. Default 4 MiB.
    pub max_batch_bytes: usize,
    /// Who may send.
    pub sources: Vec<SourceConfig>,
}

/// One sender, known by its write key.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name in the outbox.
    pub name: String,
    /// Its write key: what SDKs are configured with.
    pub write_key: SecretString,
    /// The side its calls are mapped as; `None` is `auto`: each call's library decides.
    pub side: Option<Side>,
    /// The browser origins that may use this key; empty allows all.
    pub allowed_origins: Vec<String>,
}

/// The file that keeps everything.
#[derive(Debug, Clone)]
pub struct OutboxConfig {
    /// The SQLite file. Default `outbox.db`, relative to the configuration file's folder.
    pub path: PathBuf,
    /// How long delivered and skipped events are kept, and message ids are known again. Default 30 days.
    pub retain_delivered: Duration,
    /// How long dead events are kept. Default 90 days.
    pub retain_dead: Duration,
    /// Free space on the disk, in bytes, below which nothing more is accepted. Default 256 MiB.
    pub min_free_disk: u64,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct KlaviyoConfig {
    /// The sandbox in the program, or a Klaviyo at a URL.
    pub endpoint: Endpoint,
    /// The private key (`pk_…`); required for a URL endpoint.
    pub private_key: Option<SecretString>,
    /// The API revision sent with each request. Default `2026-10-15`.
    pub revision: String,
    /// The address the sandbox listens on when it is the endpoint. Default `127.0.0.1:9100`.
    pub sandbox_listen: SocketAddr,
}

/// The two places requests can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The Klaviyo in the program: nothing leaves the machine.
    Sandbox,
    /// A base URL without a trailing slash, such as `https://a.klaviyo.com`.
    Url(String),
}

/// The settings of Segment's Klaviyo destination.
#[derive(Debug, Clone)]
pub struct MappingConfig {
    /// "Enforce email as primary identifier". Default false.
    pub enforce_email: bool,
    /// "Fallback on Anonymous ID". Default false.
    pub fallback_to_anonymous_id: bool,
    /// The default list of identify calls. Default none.
    pub list_id: Option<String>,
    /// "Confirm opt in". Default true.
    pub confirm_optin: bool,
    /// "Send placed order events as order completed". Default false.
    pub order_completed_as_is: bool,
    /// Events of an order that happen once, whose `$event_id` is the order's id.
    pub order_id_events: Vec<String>,
    /// Personas audience key to list id.
    pub audience_lists: BTreeMap<String, String>,
    /// Ids that identify nobody.
    pub garbage_ids: GarbageIds,
}

impl Default for MappingConfig {
    fn default() -> Self {
        let order_id_events = [
            "Order Completed",
            "Order Refunded",
            "Order Cancelled",
            "Order Fulfilled",
        ];
        Self {
            enforce_email: false,
            fallback_to_anonymous_id: false,
            list_id: None,
            confirm_optin: true,
            order_completed_as_is: false,
            order_id_events: order_id_events.map(str::to_owned).to_vec(),
            audience_lists: BTreeMap::new(),
            garbage_ids: GarbageIds::default(),
        }
    }
}

/// How requests are sent and sent again.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// Requests in the air at once. Default 16.
    pub max_in_flight: usize,
    /// Attempts after which a delivery may be given up, once `max_age` has passed too. Default 20.
    pub max_attempts: u32,
    /// Age of an event, since it arrived or was replayed, after which it may be given up. Default 3 days.
    pub max_age: Duration,
    /// The upper bound of the wait before the second attempt. Default 1 s.
    pub first_retry: Duration,
    /// The longest wait between attempts. Default 10 min.
    pub longest_retry: Duration,
    /// How long one request may take, from connecting to the last byte of its answer. Default 30 s.
    pub timeout: Duration,
    /// How old a subscription may be when it is replayed; older ones are left out. Default 24 h.
    pub replay_consent_within: Duration,
    /// How long a shutdown waits for requests in the air. Default 30 s.
    pub shutdown_deadline: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        const HOUR: u64 = 3600;
        Self {
            max_in_flight: 16,
            max_attempts: 20,
            max_age: Duration::from_secs(72 * HOUR),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(600),
            timeout: Duration::from_secs(30),
            replay_consent_within: Duration::from_secs(24 * HOUR),
            shutdown_deadline: Duration::from_secs(30),
        }
    }
}

/// The operator's port.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The address to listen on. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// The token a caller must show; required when `listen` is not loopback.
    pub token: Option<SecretString>,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Lines for people or for machines. Default text.
    pub format: LogFormat,
    /// A tracing filter. Default `info`.
    pub filter: String,
}

/// The two forms of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
