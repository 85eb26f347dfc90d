//! `config.toml` and the environment, read into final types.
//!
//! The only reader of either. All mistakes of a file are reported at once, each with file, line, key, what is allowed
//! and the nearest known key; secrets come in as `"env:NAME"` or `"file:PATH"` and are never printed, by `Debug`,
//! errors or warnings. One file for each section, which declares its keys: see `declare`. May use `model`.

mod admin;
mod declare;
mod delivery;
mod document;
mod error;
mod ingest;
mod klaviyo;
mod limits;
mod log;
mod mapping;
mod outbox;
mod public;
mod reference;
mod script;
mod secret;
mod section;
mod setting;
mod suggest;
mod syntax;
mod telemetry;
mod url;
mod values;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use secrecy::ExposeSecret;
use toml::de::DeTable;

pub use admin::AdminConfig;
pub use declare::Changes;
pub use delivery::DeliveryConfig;
pub use error::{ConfigError, Position, Problem};
pub use ingest::{DEV_WRITE_KEY, IngestConfig, SourceConfig};
pub use klaviyo::{Endpoint, KlaviyoConfig};
pub use limits::{FamilyLimit, LimitSettings};
pub use log::{LogConfig, LogFormat};
pub use mapping::MappingConfig;
pub use outbox::OutboxConfig;
pub use public::PublicUrl;
pub use script::{AnalyticsJs, AnalyticsJsError};
pub use secret::{SecretOrigin, process_environment};
pub use telemetry::TelemetryConfig;
pub(crate) use url::{has_plain_port, is_loopback};

use declare::{Listing, Merge, Settings, settings};
use document::{Diagnostics, Document};
pub use document::{Environment, Secrets};
use section::Section;

settings! {
    /// The whole configuration, checked. Its default is the `config.toml` of the repository's root, as shipped.
    pub struct Config, checked by Self::check_addresses {}
    sections {
        /// Where Segment SDKs send their calls: point their host (`apiHost`, endpoint) at `http://ADDRESS`.
        ingest: IngestConfig = IngestConfig::default();
        /// The one file that keeps every event until it is delivered, and its history after.
        outbox: OutboxConfig = OutboxConfig::default();
        /// Where the requests go.
        klaviyo: KlaviyoConfig = KlaviyoConfig::default();
        /// The settings of Segment's Klaviyo destination. They mean what they mean there.
        mapping: MappingConfig = MappingConfig::default();
        /// How requests are sent, sent again, and given up.
        delivery: DeliveryConfig = DeliveryConfig::default();
        /// The operator's port: the page for a browser, `/healthz`, `/readyz`, `/metrics` for Prometheus, and
        /// `/api/v1`, which can do what the commands do and answers with personal data.
        admin: AdminConfig = AdminConfig::default();
        /// What is logged, to stderr. Neither personal data nor keys are.
        log: LogConfig = LogConfig::default();
        /// Traces: one from a client's request to Klaviyo's answer. For a program built with the feature `otlp`.
        telemetry: TelemetryConfig = TelemetryConfig::default();
    }
    computed {
        /// Sentences for the operator about what is allowed and probably not meant.
        warnings: Vec<String> = Vec::new();
    }
}

/// Every key that a file may have.
static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut listing = Listing::default();
    Config::default().list(&mut listing);
    listing.items.into_iter().map(|item| item.key).collect()
});

impl Config {
    /// Reads a file with all its secrets. `environment` looks up the variables that they name:
    /// [`process_environment`], but in tests.
    pub fn load(file: &Path, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Self::load_with(file, Secrets::Read(environment))
    }

    /// Reads a file for what neither sends nor receives: a secret that the file only refers to is not read, and the
    /// reference stands in its place.
    pub fn load_without_secrets(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with(file, Secrets::Unused)
    }

    fn load_with(file: &Path, secrets: Secrets<'_>) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| {
            let file = file.to_owned();
            if source.kind() == ErrorKind::NotFound {
                ConfigError::Missing { file }
            } else {
                ConfigError::Unreadable { file, source }
            }
        })?;
        let (mut config, diagnostics) = read(&text, file, secrets)?;
        let mut literal_secrets = diagnostics.literal_secrets;
        // Write keys are no secret to keep: browsers get them in plain sight.
        literal_secrets.retain(|key| !key.ends_with(".write_key"));
        if !literal_secrets.is_empty() && is_world_readable(file) {
            config.warnings.push(format!(
                "{} holds {} and can be read by every user of this machine: chmod 600, or use \"env:NAME\"",
                file.display(),
                literal_secrets.join(" and ")
            ));
        }
        let files = diagnostics.secret_files.iter();
        for (key, file) in files.filter(|(_, file)| is_world_readable(file)) {
            config.warnings.push(format!(
                "{}, from which {key} comes, can be read by every user of this machine: chmod 600",
                file.display()
            ));
        }
        if let Some(key) = &config.ingest.tls_key
            && is_world_readable(key)
        {
            config.warnings.push(format!(
                "ingest.tls_key {} can be read by every user of this machine, and with it your site be imitated: \
                 chmod 600",
                key.display()
            ));
        }
        Ok(config)
    }

    /// Reads the text of a file that is not opened; its name is for errors, its folder for relative paths.
    pub fn parse(text: &str, file: &Path, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        read(text, file, Secrets::Read(environment)).map(|(config, _)| config)
    }

    /// Every section and key that a file may have, in full and without indices: `ingest.sources.write_key`.
    pub fn known_keys() -> &'static [String] {
        &KNOWN
    }

    /// The configuration of a daemon that runs with `old` and goes on with this one, and what differs: what needs a
    /// restart is as it was.
    #[must_use]
    pub fn reloaded_from(self, old: &Self) -> (Self, Changes) {
        let mut config = self.clone();
        let mut merge = Merge::new(old, &self);
        config.merge(old, &mut merge);
        let changes = merge.changes;
        if changes.needs_restart.iter().any(|key| key == "klaviyo.private_key") {
            config.klaviyo.keep_private_key(&old.klaviyo);
        }
        (config, changes)
    }

    /// Two ports of the program cannot be one.
    fn check_addresses(self, root: &Section<'_>) -> Self {
        let mut taken: Vec<(&str, SocketAddr)> = vec![("ingest.listen", self.ingest.listen)];
        let sandbox = (self.klaviyo.endpoint == Endpoint::Sandbox)
            .then_some(("klaviyo.sandbox_listen", self.klaviyo.sandbox_listen));
        for (key, address) in sandbox.into_iter().chain([("admin.listen", self.admin.listen)]) {
            let same = |(_, other): &&(&str, SocketAddr)| address.port() != 0 && *other == address;
            if let Some((other, _)) = taken.iter().find(same) {
                let what =
                    |[one, other]: [&str; 2]| format!("{one} is {address}, and so is {other}, of the same program");
                root.conflict([key, other], what, "give each its own port");
            }
            taken.push((key, address));
        }
        self
    }

    fn find_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let sandbox = self.klaviyo.endpoint == Endpoint::Sandbox;
        if sandbox && self.klaviyo.private_key.is_some() {
            warnings.push(
                "klaviyo.private_key is set and klaviyo.endpoint is \"sandbox\": nothing reaches Klaviyo; set \
                 klaviyo.endpoint = \"https://a.klaviyo.com\" to deliver"
                    .to_owned(),
            );
        }
        if sandbox && is_exposed(self.klaviyo.sandbox_listen) {
            warnings.push(format!(
                "klaviyo.sandbox_listen is {}: other machines can read what the sandbox got, and make it fail",
                self.klaviyo.sandbox_listen
            ));
        }
        for source in &self.ingest.sources {
            if is_exposed(self.ingest.listen) && source.write_key.expose_secret() == DEV_WRITE_KEY {
                warnings.push(format!(
                    "the write key of source {} is the one shipped with klaviyo-relay, and ingest.listen is {}: anyone \
                     who reaches that port can send events; choose a write key of your own",
                    source.name, self.ingest.listen
                ));
            }
        }
        warnings
    }
}

fn read(text: &str, file: &Path, secrets: Secrets<'_>) -> Result<(Config, Diagnostics), ConfigError> {
    let wrong = |problems| ConfigError::Invalid {
        file: file.to_owned(),
        problems,
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // Of a file that is not TOML, only its syntax can be judged.
        return Err(wrong(syntax::problems(text, &errors, Config::known_keys())));
    }
    let document = Document {
        text,
        root: root.get_ref(),
        secrets,
        folder: file.parent().unwrap_or(Path::new("")),
        known: Config::known_keys(),
        diagnostics: RefCell::default(),
    };
    let mut config = Config::read_keys(&Section::root(&document), Config::default());
    let mut diagnostics = document.into_diagnostics();
    if !diagnostics.problems.is_empty() {
        return Err(wrong(std::mem::take(&mut diagnostics.problems)));
    }
    config.warnings = config.find_warnings();
    Ok((config, diagnostics))
}

fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(unix)]
fn is_world_readable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_world_readable(_: &Path) -> bool {
    false
}
