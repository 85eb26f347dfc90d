//! `[ingest]` and `[[ingest.sources]]`: where Segment calls come in, and who may send them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::declare::{Header, Listing, Merge, Settings, settings};
use super::public::{PublicUrl, path_prefix, public_url};
use super::secret::{is_header_safe, secret};
use super::section::Section;
use super::setting::{Setting, list, text};
use super::suggest::quoted;
use super::url::Url;
use super::values::{address, bytes, file, networks, not_blank, one_of, size_text, this_machine};
use crate::model::{Right, Side, SourceRules};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const FILE: &str = "a file in quotes, relative to the configuration's folder";
const PEM: &str = "the path of a PEM file, in quotes";
const SHARED_SECRET: &str = "the secret set in Segment's webhook, 8 to 256 characters in quotes";
const NAME: &str = "letters, digits, - _ and . in quotes, 64 at most";
const WRITE_KEY: &str = "visible ASCII characters in quotes, 256 at most, without a colon";
const ORIGIN: &str = "origins as browsers send them, such as [\"https://shop.example\"]: scheme, host and port, \
                      no path; leave the list out to allow all";

const SIDES: [(&str, Option<Side>); 3] = [
    ("auto", None),
    (Side::Server.word(), Some(Side::Server)),
    (Side::Client.word(), Some(Side::Client)),
];

/// The write key of the configuration as shipped.
pub const DEV_WRITE_KEY: &str = "dev";

settings! {
    /// Where Segment calls come in.
    pub struct IngestConfig, checked by Self::check {
        /// The IP address and port to listen on: by default this machine alone. "0.0.0.0:8080" lets others in; when
        /// they come over the internet, give `tls_cert` and `tls_key`, or put a proxy with TLS in front. Port 0 lets
        /// the system choose.
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 8080).into(), address().restart();

        /// The proxies in front of this port: addresses and networks, by default this machine. From them alone
        /// `X-Forwarded-Host` and `X-Forwarded-Proto` are believed, and they alone may have more than an eighth of the
        /// connections that the port serves at once (`check` reports how many). Name yours when it runs on another
        /// machine; `[]` where nothing is in front.
        trusted_proxies: Vec<IpNet> = this_machine(), networks().restart();

        /// The certificate this port speaks TLS with, relative to the configuration's folder: your host's certificate,
        /// then those that lead to its issuer. Without one, the port speaks plain HTTP; with one, plain HTTP is
        /// answered 400. The files are read again within seconds of a change, and on SIGHUP; while the new ones are
        /// wrong, the old certificate stays.
        tls_cert: Option<PathBuf> = None, file(PEM).optional().restart().examples(&["\"tls/fullchain.pem\""]);

        /// The private key of `tls_cert`, not encrypted. Both or neither. Let only the daemon's user read it.
        tls_key: Option<PathBuf> = None, file(PEM).optional().restart().examples(&["\"tls/privkey.pem\""]);

        /// The largest single event. A larger one that comes alone is rejected with 413, and so is lost unless its
        /// sender makes it smaller; within a batch it is kept as dead. Segment takes 32 KB.
        max_event_bytes: usize = 256 << 10, bytes(KIB..=16 * MIB);

        /// The largest request body, after decompression. Larger ones are rejected with 413. Segment itself takes 500
        /// KB.
        max_batch_bytes: usize = 4 << 20, bytes(KIB..=64 * MIB);

        /// All request bodies in progress together, as they came and decompressed, at least twice `max_batch_bytes`.
        /// Beyond it a request is answered 429, and its sender comes back seconds later. An eighth more is kept for
        /// small bodies, and an eighth for those without a known write key in a header or the query, which may have
        /// 512KiB. Judging a body takes memory besides, but large ones are judged one after the other.
        max_bytes_in_progress: usize = 128 << 20, bytes(MIB..=64 * GIB);

        /// A path under which everything is served too, such as "/segment" for `https://shop.example/segment/v1/track`.
        /// It counts for a proxy that keeps the path and for one that cuts it off: all paths are also served without
        /// it.
        path_prefix: Option<String> = None, path_prefix().optional().examples(&["\"/segment\""]);

        /// The address that browser and mobile SDKs get to send to, with the path if there is one and without /v1. By
        /// default the host they fetched their settings from (as Host names it, or `X-Forwarded-Host` and
        /// `X-Forwarded-Proto` of one of `trusted_proxies`), and `path_prefix`. Set it when others can reach the port.
        public_url: Option<PublicUrl> = None, public_url().optional().examples(&["\"https://relay.example\""]);

        /// A file to serve as `/analytics.js/v1/KEY/analytics.min.js`, so that Segment's snippet needs only its host
        /// changed: `dist/umd/standalone.js` of the npm package @segment/analytics-next. The `*.bundle.*.js` files in
        /// its folder are served with it. Read at the start and on SIGHUP.
        analytics_js: Option<PathBuf> = None, file(FILE).optional()
            .examples(&["\"analytics-next/dist/umd/standalone.js\""]);
    }
    sections {
        /// Who may send: one section `[[ingest.sources]]` for each website, app or server. At least one.
        sources: Vec<SourceConfig> = vec![SourceConfig::default()];
    }
}

settings! {
    /// One sender, known by its write key.
    pub struct SourceConfig, checked by Self::check {
        /// The source's name in the outbox and in commands (`--source`). Each source needs its own. Renaming one makes
        /// it another source: what it sends again is then not recognised as sent before.
        name: String = "dev".to_owned(), name().required();

        /// What the source's SDK is configured with. Each source needs its own. Everybody who knows it can send events;
        /// `check` notes one of fewer than 16 characters.
        write_key: SecretString = DEV_WRITE_KEY.into(), secret(WRITE_KEY, check_write_key).required();

        /// How its calls are mapped: "server", "client" (as Segment maps analytics.js), or "auto": by the library and
        /// channel each call names, and as "client" beside `allowed_origins`.
        side: Option<Side> = None, one_of(&SIDES);

        /// What its calls may also request: `"delete"` people, and on the client's side `"list"` (a call's own
        /// `listId`), `"confirm_optin"` (its own `confirmOptin`) and `"consent_at"` (its time as that of a consent),
        /// which calls of the server's side may always. `"delete"` is not for a key that stands in web pages. Sources
        /// with a `shared_secret` may delete.
        allow: Vec<Right> = Vec::new(), rights();

        /// The websites that may use this write key, as origins. None listed: any. Browsers on other websites are
        /// rejected; senders that are no browsers have no origin and are not.
        allowed_origins: Vec<String> = Vec::new(), origins();

        /// For a source that is Segment forwarding events: the shared secret set there. With it, the source's calls are
        /// accepted at `/v1/webhook` alone, and each request there must carry `X-Signature` beside the key.
        shared_secret: Option<SecretString> = None, secret(SHARED_SECRET, check_shared_secret).optional()
            .examples(&["\"env:SEGMENT_SHARED_SECRET\""]);
    }
}

impl IngestConfig {
    /// The files of the certificate it speaks TLS with, and of its private key; `None`: it speaks plain HTTP.
    pub fn tls(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.tls_cert.clone()?, self.tls_key.clone()?))
    }

    fn check(mut self, section: &Section<'_>) -> Self {
        let folder = section.document.folder;
        for file in [&mut self.tls_cert, &mut self.tls_key, &mut self.analytics_js] {
            *file = file.take().map(|file| folder.join(file));
        }
        for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
            if section.has(one) && !section.has(other) {
                let what = format!("stands without {other}");
                section.error(one, &what, "give both for TLS, or neither for plain HTTP");
            }
        }
        self.check_sizes(section);
        self
    }

    /// A size that leaves no place for another would reject all that the other allows.
    fn check_sizes(&self, section: &Section<'_>) {
        let text = |size: usize| size_text(u64::try_from(size).unwrap_or(u64::MAX));
        let [event, batch, all] = [self.max_event_bytes, self.max_batch_bytes, self.max_bytes_in_progress];
        if batch < event {
            section.conflict(
                ["max_batch_bytes", "max_event_bytes"],
                |[one, other]| format!("{one} is {}, less than {other}, which is {}", text(batch), text(event)),
                "raise max_batch_bytes, or lower max_event_bytes",
            );
        }
        // Once as it came, and once decompressed.
        if all < batch.saturating_mul(2) {
            section.conflict(
                ["max_bytes_in_progress", "max_batch_bytes"],
                |[one, other]| {
                    format!(
                        "{one} is {}, less than twice {other}, which is {}",
                        text(all),
                        text(batch)
                    )
                },
                "raise max_bytes_in_progress, or lower max_batch_bytes",
            );
        }
    }
}

impl Settings for Vec<SourceConfig> {
    const HEADER: Header = Header::Sections;

    /// The sources, each unlike the others.
    fn read(parent: &Section<'_>, key: &str, default: Self) -> Self {
        let sections = parent.sections(key);
        let read = |section| SourceConfig::read_keys(section, SourceConfig::default());
        let sources: Self = sections.iter().map(read).collect();
        if !parent.is_sound(key) {
            return default;
        }
        if sources.is_empty() {
            parent.error(
                key,
                "names no source, so that every call would be rejected",
                "add a section [[ingest.sources]] with name = \"shop\" and write_key = \"…\"",
            );
        }
        reject_same(&sections, "name", &sources, |source| &source.name);
        reject_same(&sections, "write_key", &sources, |source| {
            source.write_key.expose_secret()
        });
        sources
    }

    fn list(&self, listing: &mut Listing) {
        SourceConfig::default().list(listing);
    }

    /// A source is compared with the one of its name; of another name, it is another source.
    fn merge(&mut self, old: &Self, merge: &mut Merge<'_>) {
        let same_name = |source: &SourceConfig| old.iter().find(|other| other.name == source.name);
        if self.len() != old.len() || self.iter().any(|source| same_name(source).is_none()) {
            merge.applied("name");
        }
        for source in self {
            if let Some(old) = same_name(source) {
                source.merge(old, merge);
            }
        }
    }
}

/// Adds each source whose value of a key is that of an earlier one.
fn reject_same(sections: &[Section<'_>], key: &str, sources: &[SourceConfig], value: fn(&SourceConfig) -> &str) {
    let read: Vec<(&Section<'_>, &str)> = sections.iter().zip(sources.iter().map(value)).collect();
    let read: Vec<_> = read.into_iter().filter(|(section, _)| section.is_sound(key)).collect();
    for (index, (section, value)) in read.iter().enumerate() {
        if let Some((first, _)) = read[..index].iter().find(|(_, other)| other == value) {
            let what = format!("is the same as {} in line {}", first.full(key), first.line_of(key));
            let hint = "each source needs its own: its write key determines the source of a call";
            section.error(key, &what, hint);
        }
    }
}

impl SourceConfig {
    fn check(self, section: &Section<'_>) -> Self {
        if !self.allowed_origins.is_empty() && self.allow.contains(&Right::Delete) {
            section.conflict(
                ["allow", "allowed_origins"],
                |[allow, origins]| {
                    format!(
                        "{allow} holds \"delete\" beside {origins}, which means that the write key stands in web pages"
                    )
                },
                "give what deletes people a source of its own; a key that everybody can read would delete anybody",
            );
        }
        self
    }

    /// The rules for its calls. A source with `allowed_origins` is a website, whatever library its calls name. A source
    /// that signs its calls may delete.
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

fn name() -> Setting<String> {
    let read = |text: &str| {
        let name = not_blank(text)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.len() > 64 || !name.chars().all(plain) {
            return Err(format!("is {}, not a plain name", quoted(&name)));
        }
        Ok(name)
    };
    text(NAME, read, String::clone)
}

fn rights() -> Setting<Vec<Right>> {
    let words: Vec<String> = Right::ALL.iter().map(|right| format!("{:?}", right.word())).collect();
    let read = |text: &str| Right::from_word(text).ok_or_else(|| format!("is {}, none of its words", quoted(text)));
    list(format!("a list of {}", words.join(", ")), read, |right| {
        right.word().to_owned()
    })
}

fn origins() -> Setting<Vec<String>> {
    let read = |text: &str| read_origin(text).ok_or_else(|| format!("is {}, not an origin", quoted(text)));
    list(ORIGIN, read, String::clone)
}

fn check_shared_secret(secret: &str) -> Result<(), String> {
    match secret.chars().count() {
        0..8 => Err("is shorter than 8 characters".to_owned()),
        8..=256 => Ok(()),
        _ => Err("is longer than 256 characters".to_owned()),
    }
}

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
fn read_origin(text: &str) -> Option<String> {
    let url = Url::parse(text)?;
    let bare = format!("{}://{}", url.scheme(), url.authority).eq_ignore_ascii_case(text);
    bare.then(|| format!("{}://{}", url.scheme(), url.host_and_port()))
}

#[cfg(test)]
mod tests {
    use super::read_origin;

    #[test]
    fn an_origin_is_kept_as_a_browser_sends_it() {
        for (text, sent) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.Example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(read_origin(text).as_deref(), Some(sent), "{text}");
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
            assert_eq!(read_origin(text), None, "{text}");
        }
    }
}
