//! `[klaviyo]`: where requests go, and with which key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::Uri;
use secrecy::SecretString;

use super::secret::{SecretOrigin, is_header_safe, or_elsewhere};
use super::section::{Entry, Section};
use super::suggest::{PRIVATE_KEY_PREFIX, shown};
use super::values::has_plain_port;

/// The length of a public key, also called site id or company id (Klaviyo's page on authentication).
const PUBLIC_KEY_CHARS: usize = 6;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct KlaviyoConfig {
    /// The sandbox in the program, or a Klaviyo at a URL.
    pub endpoint: Endpoint,
    /// The private key (`pk_…`); required for a URL endpoint.
    pub private_key: Option<SecretString>,
    /// Where that key came from.
    pub private_key_from: SecretOrigin,
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

impl Default for KlaviyoConfig {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Sandbox,
            private_key: None,
            private_key_from: SecretOrigin::Configuration,
            revision: "2026-10-15".to_owned(),
            sandbox_listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9100),
        }
    }
}

impl KlaviyoConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let endpoint = section.value("endpoint", ENDPOINT, endpoint);
        if !section.has("endpoint") {
            // A file that forgets it must not look delivered: the sandbox has to be asked for.
            section.wrong("endpoint", "is missing", format!("allowed: {ENDPOINT}"));
        }
        let private_key = section.secret_and_origin("private_key", PRIVATE_KEY, check_private_key);
        if matches!(endpoint, Some(Endpoint::Url(_))) && !section.has("private_key") {
            section.wrong(
                "private_key",
                "is missing, and klaviyo.endpoint takes nothing without it",
                format!("allowed: {}", or_elsewhere(PRIVATE_KEY)),
            );
        }
        let revision = section.value("revision", REVISION, |entry| {
            let text = entry.text()?;
            is_revision(text)
                .then(|| text.to_owned())
                .ok_or_else(|| format!("is {}, not a revision", shown(text)))
        });
        let (private_key, private_key_from) = private_key.unzip();
        Self {
            endpoint: endpoint.unwrap_or(default.endpoint),
            private_key,
            private_key_from: private_key_from.unwrap_or_default(),
            revision: revision.unwrap_or(default.revision),
            sandbox_listen: section.address("sandbox_listen", default.sandbox_listen),
        }
    }

    /// Puts back the key of another configuration, with where it came from.
    pub(crate) fn keep_private_key(&mut self, former: &Self) {
        self.private_key.clone_from(&former.private_key);
        self.private_key_from.clone_from(&former.private_key_from);
    }
}

const ENDPOINT: &str = "\"sandbox\" (nothing leaves this machine), or a URL such as \"https://a.klaviyo.com\"";
const PRIVATE_KEY: &str = "a private API key, which begins with pk_, in quotes";
const REVISION: &str =
    "a date as Klaviyo names its revisions, in quotes, such as \"2026-10-15\", with .pre for a pre-release";

fn endpoint(entry: &Entry<'_>) -> Result<Endpoint, String> {
    let text = entry.text()?;
    if text == "sandbox" {
        return Ok(Endpoint::Sandbox);
    }
    // Both can hold a secret that was put there by mistake, so that the text is not shown.
    if text.contains('@') {
        return Err("holds a user name or password, which Klaviyo does not know".to_owned());
    }
    if text.contains(['?', '#']) {
        return Err("has more than a path at its end".to_owned());
    }
    let uri: Option<Uri> = text.parse().ok();
    let parts = uri.as_ref().and_then(|uri| {
        let authority = uri.authority().filter(|it| has_plain_port(it))?;
        Some((uri.scheme_str()?, authority, uri))
    });
    let Some((scheme @ ("https" | "http"), authority, uri)) = parts else {
        return Err(format!("is {}, not a URL of http or https", shown(text)));
    };
    if scheme == "http" && !is_loopback(authority.host()) {
        return Err(format!(
            "is {}: the private key would travel unencrypted; http is for this machine alone",
            shown(text)
        ));
    }
    let path = uri.path().trim_end_matches('/');
    Ok(Endpoint::Url(format!("{scheme}://{authority}{path}")))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Says which of Klaviyo's keys it looks like. Never quotes it.
fn check_private_key(key: &str) -> Result<(), String> {
    let looks_public = key.len() == PUBLIC_KEY_CHARS && key.chars().all(|c| c.is_ascii_alphanumeric());
    let what = if looks_public {
        "looks like a public key (site id): those have 6 letters and digits, and cannot send events; a private key is \
         made in Klaviyo under Settings, API keys"
    } else if !key.starts_with(PRIVATE_KEY_PREFIX) {
        "does not begin with pk_, as private keys do"
    } else if key.len() == PRIVATE_KEY_PREFIX.len() {
        "ends after pk_"
    } else if !is_header_safe(key) {
        "holds a space or a character that no key has"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}

/// `2026-10-15`, or `2026-10-15.pre`.
fn is_revision(text: &str) -> bool {
    let date = text.strip_suffix(".pre").unwrap_or(text);
    // The calendar library also reads shorter forms; Klaviyo has this one.
    date.len() == "2026-10-15".len() && date.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_a_date_of_the_calendar() {
        for yes in ["2026-10-15", "2024-02-29", "2026-10-15.pre"] {
            assert!(is_revision(yes), "{yes}");
        }
        for no in [
            "",
            "latest",
            "2026-13-01",
            "2026-02-30",
            "20261015",
            "2026-10-15.beta",
            "2026-10-15T00:00",
        ] {
            assert!(!is_revision(no), "{no}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        for yes in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["a.klaviyo.com", "0.0.0.0", "localhost.example", "10.0.0.1", "[::]"] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
