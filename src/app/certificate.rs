//! The certificate of the ingest port: loaded at the start, read again after a change, and checked for its expiry.

use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::listener::{Files, Tls};
use crate::model::Timestamp;

/// A warning is given for a certificate that expires within this time.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);

/// The certificate of the ingest port, if it has one.
pub(crate) fn load_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let Some((certificate, key)) = config.ingest.tls() else {
        return Ok(None);
    };
    let files = Files { certificate, key };
    Ok(Some(Tls::load(files).context("[ingest]")?))
}

pub(super) fn reload_certificate(tls: &Tls, now: Timestamp) {
    match tls.reload() {
        Ok(()) => {
            tracing::info!("the certificate was read again; new connections use it");
            warn_of_expiry(tls, now);
        }
        Err(error) => {
            let error = format_args!("{:#}", anyhow::Error::from(error)).to_string();
            tracing::error!(error, "the certificate was not read again; the previous one stays");
        }
    }
}

pub(super) fn warn_of_expiry(tls: &Tls, now: Timestamp) {
    if let Some(words) = expiry(tls, now) {
        tracing::warn!("{words}");
    }
}

/// The warning about a certificate that has expired, or soon will.
pub(crate) fn expiry(tls: &Tls, now: Timestamp) -> Option<String> {
    let at = Timestamp::from_millis(tls.expires_at_ms()?);
    if at <= now {
        let then = "clients refuse it; renew it";
        return Some(format!("the certificate in ingest.tls_cert expired at {at}: {then}"));
    }
    let soon = at.since(now) <= EXPIRES_SOON;
    soon.then(|| format!("the certificate in ingest.tls_cert expires at {at}; renew it before"))
}
