//! `[klaviyo]`: where requests go, and with which key.

use std::net::{Ipv4Addr, SocketAddr};

use secrecy::SecretString;

use super::declare::{Settings, settings};
use super::secret::{self, SecretOrigin, allowed_or_reference, is_header_safe, secret};
use super::section::Section;
use super::setting::text;
use super::suggest::{PRIVATE_KEY_PREFIX, quoted};
use super::url::{Url, is_loopback};
use super::values::address;

/// The length of a public key, also called site id or company id (Klaviyo's page on authentication).
const PUBLIC_KEY_CHARS: usize = 6;

const ENDPOINT: &str = "\"sandbox\" (nothing leaves this machine), or a URL such as \"https://a.klaviyo.com\"";
const PRIVATE_KEY: &str = "a private API key, which begins with pk_, in quotes";
const REVISION: &str =
    "a date as Klaviyo names its revisions, in quotes, such as \"2026-10-15\", with .pre for a pre-release";

settings! {
    /// Where requests go.
    pub struct KlaviyoConfig, checked by Self::require_private_key {
        /// "sandbox": a Klaviyo inside the program, which checks requests as the real one does and keeps what it got;
        /// nothing reaches Klaviyo. Or a URL: `https://a.klaviyo.com` is the real one. Plain http is accepted for this
        /// machine alone, since the private key would travel unencrypted.
        // A file that forgets it must not look delivered: the sandbox has to be configured.
        endpoint: Endpoint = Endpoint::Sandbox, text(ENDPOINT, endpoint, Endpoint::text).required().restart();

        /// Klaviyo's private API key, with write access to Events, Profiles, Lists and Subscriptions, and read access
        /// to Accounts if the outbox is to name the account. Required when `endpoint` is a URL. Klaviyo refuses a key
        /// it does not know: then everything waits and nothing is lost. Another key is accepted on reload when Klaviyo
        /// says that it belongs to the same account; otherwise the former one stays, and the log says why. A key for
        /// another endpoint, or for the sandbox, needs a restart.
        // A key for another endpoint must not be shown to this one; the sandbox in the program keeps the first one.
        private_key: Option<SecretString> = None, secret(PRIVATE_KEY, check_private_key).optional()
            .restart_if(|old, new| {
                old.klaviyo.endpoint != new.klaviyo.endpoint || old.klaviyo.endpoint == Endpoint::Sandbox
            })
            .examples(&["\"env:KLAVIYO_PRIVATE_KEY\""]);

        /// The revision of Klaviyo's API that requests are written for. The default is the one this program was built
        /// for. Klaviyo retires a revision two years after its date; change it only together with the program.
        revision: String = "2026-10-15".to_owned(), text(REVISION, revision, String::clone).restart();

        /// The address of the sandbox, when it is the endpoint. Everybody who reaches it can read at `/sandbox` what it
        /// got: it requires no password there.
        sandbox_listen: SocketAddr = (Ipv4Addr::LOCALHOST, 9100).into(), address().restart();
    }
    computed {
        /// Where the private key came from.
        private_key_from: SecretOrigin = SecretOrigin::Configuration;
    }
}

/// The two places requests can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The Klaviyo in the program: nothing leaves the machine.
    Sandbox,
    /// A base URL without a trailing slash, such as `https://a.klaviyo.com`.
    Url(String),
}

impl Endpoint {
    fn text(&self) -> String {
        match self {
            Self::Sandbox => "sandbox".to_owned(),
            Self::Url(url) => url.clone(),
        }
    }
}

impl KlaviyoConfig {
    fn require_private_key(mut self, section: &Section<'_>) -> Self {
        if matches!(self.endpoint, Endpoint::Url(_)) && !section.has("private_key") {
            section.error(
                "private_key",
                "is missing, and klaviyo.endpoint takes nothing without it",
                format!("allowed: {}", allowed_or_reference(PRIVATE_KEY)),
            );
        }
        let origin = section.entry("private_key").map(|entry| secret::origin(&entry));
        self.private_key_from = origin.and_then(Result::ok).unwrap_or_default();
        self
    }

    /// Puts back the key of another configuration, with where it came from.
    pub(crate) fn keep_private_key(&mut self, old: &Self) {
        self.private_key.clone_from(&old.private_key);
        self.private_key_from.clone_from(&old.private_key_from);
    }
}

fn revision(text: &str) -> Result<String, String> {
    let revision = is_revision(text).then(|| text.to_owned());
    revision.ok_or_else(|| format!("is {}, not a revision", quoted(text)))
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
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
    let url = Url::parse(text).ok_or_else(|| format!("is {}, not a URL of http or https", quoted(text)))?;
    if !url.https && !is_loopback(url.authority.host()) {
        return Err(format!(
            "is {}: the private key would travel unencrypted; http is for this machine alone",
            quoted(text)
        ));
    }
    let path = url.path.trim_end_matches('/');
    Ok(Endpoint::Url(format!("{}://{}{path}", url.scheme(), url.authority)))
}

/// Names which of Klaviyo's keys it looks like. Never quotes it.
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
