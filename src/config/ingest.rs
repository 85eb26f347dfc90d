//! `[ingest]` and `[[ingest.sources]]`: where Segment calls come in, and who may send them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper::Uri;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use secrecy::{ExposeSecret, SecretString};

use super::public::PublicUrl;
use super::secret::{is_header_safe, or_elsewhere};
use super::section::Section;
use super::suggest::shown;
use super::values::{has_plain_port, not_blank, size_text};
use crate::model::{Right, Side, SourceRules};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The write key of the configuration as shipped.
pub const DEV_WRITE_KEY: &str = "dev";

/// Where Segment calls come in.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// The address to listen on. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The proxies whose `X-Forwarded-…` headers are believed, and that may have more than a share of the connections.
    /// Default: those on this machine.
    pub trusted_proxies: Vec<IpNet>,
    /// The certificate it speaks TLS with; `None`, the default: it speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// The largest single event, in bytes. Default 256 KiB.
    pub max_event_bytes: usize,
    /// The largest request body after decompression, in bytes. Default 4 MiB.
    pub max_batch_bytes: usize,
    /// All request bodies in progress together, compressed and decompressed, in bytes. Default 128 MiB.
    pub max_bytes_in_progress: usize,
    /// The path under which all paths are served too: a slash first, none at the end. Default none.
    pub path_prefix: Option<String>,
    /// Where clients are told to send, whatever address they asked. Default none: the address they asked.
    pub public_url: Option<PublicUrl>,
    /// The file that is served as `analytics.min.js`. Default none.
    pub analytics_js: Option<PathBuf>,
    /// Who may send.
    pub sources: Vec<SourceConfig>,
}

/// The PEM files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and those that lead to its issuer, relative to the configuration file's folder.
    pub certificate: PathBuf,
    /// Its private key, relative to the same folder.
    pub key: PathBuf,
}

/// One sender, known by its write key.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name in the outbox.
    pub name: String,
    /// Its write key: what SDKs are configured with.
    pub write_key: SecretString,
    /// The side its calls are mapped as; `None` is `auto`.
    pub side: Option<Side>,
    /// What its calls may ask for besides.
    pub allow: Vec<Right>,
    /// The browser origins that may use this key, as browsers send them; empty allows all.
    pub allowed_origins: Vec<String>,
    /// What Segment signs its webhooks with. When it is set, calls are taken at the webhook path alone, signed.
    pub shared_secret: Option<SecretString>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        let dev = SourceConfig {
            name: "dev".to_owned(),
            write_key: SecretString::from(DEV_WRITE_KEY),
            side: None,
            allow: Vec::new(),
            allowed_origins: Vec::new(),
            shared_secret: None,
        };
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            trusted_proxies: this_machine(),
            tls: None,
            max_event_bytes: 256 << 10,
            max_batch_bytes: 4 << 20,
            max_bytes_in_progress: 128 << 20,
            path_prefix: None,
            public_url: None,
            analytics_js: None,
            sources: vec![dev],
        }
    }
}

/// The networks of proxies on this machine.
pub(super) fn this_machine() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
    vec![v4.into(), v6.into()]
}

impl IngestConfig {
    /// `folder` is the configuration file's.
    pub(super) fn read(section: &Section<'_>, folder: &Path) -> Self {
        let default = Self::default();
        let bytes = |key, default: usize, range| {
            let default = u64::try_from(default).unwrap_or(u64::MAX);
            usize::try_from(section.bytes(key, default, range)).unwrap_or(usize::MAX)
        };
        let read = Self {
            listen: section.address("listen", default.listen),
            trusted_proxies: section.networks("trusted_proxies", default.trusted_proxies),
            tls: section.tls(folder),
            max_event_bytes: bytes("max_event_bytes", default.max_event_bytes, KIB..=16 * MIB),
            max_batch_bytes: bytes("max_batch_bytes", default.max_batch_bytes, KIB..=64 * MIB),
            max_bytes_in_progress: bytes("max_bytes_in_progress", default.max_bytes_in_progress, MIB..=64 * GIB),
            path_prefix: section.path_prefix(),
            public_url: section.public_url(),
            analytics_js: section
                .value("analytics_js", FILE, not_blank)
                .map(|file| folder.join(file)),
            sources: section.sources_of_events(),
        };
        read.check_sizes(section);
        read
    }

    /// A size that leaves no place for another would refuse all that the other allows.
    fn check_sizes(&self, section: &Section<'_>) {
        let text = |size: usize| size_text(u64::try_from(size).unwrap_or(u64::MAX));
        let [event, batch, all] = [self.max_event_bytes, self.max_batch_bytes, self.max_bytes_in_progress];
        if batch < event {
            section.disagree(
                ["max_batch_bytes", "max_event_bytes"],
                [
                    &format!("is {}, less than", text(batch)),
                    &format!("which is {}", text(event)),
                ],
                "raise max_batch_bytes, or lower max_event_bytes",
            );
        }
        // Once as it came, and once decompressed.
        if all < batch.saturating_mul(2) {
            section.disagree(
                ["max_bytes_in_progress", "max_batch_bytes"],
                [
                    &format!("is {}, less than twice", text(all)),
                    &format!("which is {}", text(batch)),
                ],
                "raise max_bytes_in_progress, or lower max_batch_bytes",
            );
        }
    }
}

impl Section<'_> {
    /// The certificate's files: both, or neither.
    fn tls(&self, folder: &Path) -> Option<TlsConfig> {
        let file = |key| {
            let file = self.value(key, "the path of a PEM file, in quotes", not_blank);
            file.map(|file| folder.join(file))
        };
        let (certificate, key) = (file("tls_cert"), file("tls_key"));
        for (one, other, is_absent) in [
            ("tls_cert", "tls_key", !self.has("tls_key")),
            ("tls_key", "tls_cert", !self.has("tls_cert")),
        ] {
            if self.has(one) && is_absent {
                let what = format!("stands without {other}");
                self.wrong(one, &what, "give both for TLS, or neither for plain HTTP");
            }
        }
        Some(TlsConfig {
            certificate: certificate?,
            key: key?,
        })
    }

    /// The sources, each complete and unlike the others. A wrong one is noted and left out.
    fn sources_of_events(&self) -> Vec<SourceConfig> {
        let sources = self.sections("sources", SourceConfig::read);
        let sources = sources.unwrap_or_default();
        if sources.is_empty() && self.is_sound("sources") {
            self.wrong(
                "sources",
                "names no source, so that every call would be refused",
                "add a section [[ingest.sources]] with name = \"shop\" and write_key = \"…\"",
            );
        }
        for (index, source) in sources.iter().enumerate() {
            let Some(source) = source else { continue };
            let earlier = sources.iter().enumerate().take(index);
            let same = |of: fn(&SourceConfig) -> &str| {
                earlier
                    .clone()
                    .find(|(_, other)| other.as_ref().is_some_and(|other| of(other) == of(source)))
                    .map(|(other, _)| other)
            };
            if let Some(other) = same(|source| &source.name) {
                self.already_used(index, other, "name");
            }
            if let Some(other) = same(|source| source.write_key.expose_secret()) {
                self.already_used(index, other, "write_key");
            }
        }
        sources.into_iter().flatten().collect()
    }

    fn already_used(&self, index: usize, other: usize, key: &str) {
        let other_key = self.full(&format!("sources[{other}].{key}"));
        let line = self.document().line_of(&other_key).unwrap_or_default();
        self.wrong(
            &format!("sources[{index}].{key}"),
            &format!("is the same as {other_key} in line {line}"),
            "each source needs its own: its write key says which source a call is from",
        );
    }
}

impl SourceConfig {
    /// The source, or `None` when its name or write key is missing or wrong, which is noted.
    fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.value("name", NAME, |entry| {
            let name = not_blank(entry)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.len() > 64 || !name.chars().all(plain) {
                return Err(format!("is {}, not a plain name", shown(&name)));
            }
            Ok(name)
        });
        let write_key = section.secret("write_key", WRITE_KEY, check_write_key);
        for (key, allowed) in [("name", NAME.to_owned()), ("write_key", or_elsewhere(WRITE_KEY))] {
            if !section.has(key) {
                section.wrong(key, "is missing", format!("allowed: {allowed}"));
            }
        }
        let sides = [
            ("auto", None),
            (Side::Server.word(), Some(Side::Server)),
            (Side::Client.word(), Some(Side::Client)),
        ];
        let side = section.one_of("side", &sides, None);
        let origins = section.list("allowed_origins", ORIGIN, |item| {
            let text = item.text()?;
            origin(text).ok_or_else(|| format!("is {}, not an origin", shown(text)))
        });
        let shared_secret = section.secret("shared_secret", SHARED_SECRET, check_shared_secret);
        let allowed_origins = origins.unwrap_or_default();
        Some(Self {
            allow: section.rights(!allowed_origins.is_empty()),
            name: name?,
            write_key: write_key?,
            side,
            allowed_origins,
            shared_secret,
        })
    }

    /// What holds for its calls: who lists websites is a website, whatever its calls say; who signs its calls may delete.
    pub fn rules(&self) -> SourceRules {
        let is_website = !self.allowed_origins.is_empty();
        let signs = self.shared_secret.is_some();
        let delete = signs.then_some(Right::Delete);
        SourceRules {
            side: self.side.or(is_website.then_some(Side::Client)),
            allow: self.allow.iter().copied().chain(delete).collect(),
        }
    }
}

impl Section<'_> {
    /// What the calls of a source may ask for.
    fn rights(&self, is_website: bool) -> Vec<Right> {
        let words = Right::ALL.iter().map(|right| format!("{:?}", right.word()));
        let words: Vec<String> = words.collect();
        let allow = self.list("allow", &format!("a list of {}", words.join(", ")), |item| {
            let text = item.text()?;
            Right::from_word(text).ok_or_else(|| format!("is {}, none of its words", shown(text)))
        });
        let allow = allow.unwrap_or_default();
        if is_website && allow.contains(&Right::Delete) {
            self.disagree(
                ["allow", "allowed_origins"],
                [
                    "holds \"delete\" beside",
                    "which says that the write key stands in web pages",
                ],
                "give what deletes people a source of its own; a key that everybody can read would delete anybody",
            );
        }
        allow
    }
}

const FILE: &str = "a file in quotes, relative to the configuration's folder";
const SHARED_SECRET: &str = "the secret set in Segment's webhook, 8 to 256 characters in quotes";

fn check_shared_secret(secret: &str) -> Result<(), String> {
    match secret.chars().count() {
        0..8 => Err("is shorter than 8 characters".to_owned()),
        8..=256 => Ok(()),
        _ => Err("is longer than 256 characters".to_owned()),
    }
}

const NAME: &str = "letters, digits, - _ and . in quotes, 64 at most";
const WRITE_KEY: &str = "visible ASCII characters in quotes, 256 at most, without a colon";
const ORIGIN: &str = "origins as browsers send them, such as [\"https://shop.example\"]: scheme, host and port, \
                      no path; leave the list out to allow all";

/// A write key travels as the user name of Basic authentication, which ends at the first colon.
fn check_write_key(key: &str) -> Result<(), String> {
    let what = if key.is_empty() {
        "is empty"
    } else if key.len() > 256 {
        "is longer than 256 characters"
    } else if key.contains(':') {
        "holds a colon, at which Basic authentication would cut it"
    } else if !is_header_safe(key) {
        "holds a space or a character that is not visible ASCII"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}

/// An origin in the form browsers send: lower case, without the scheme's own port.
fn origin(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let own_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let bare = format!("{scheme}://{authority}").eq_ignore_ascii_case(text);
    if !bare || authority.host().is_empty() || !has_plain_port(authority) {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    match authority.port_u16() {
        Some(port) if port != own_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_kept_as_a_browser_sends_it() {
        for (text, sent) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.Example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(sent), "{text}");
        }
        for text in [
            "*",
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/cart",
            "https://a@shop.example",
            "ftp://shop.example",
            "https://shop.example:",
            "https://shop.example:70000",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
