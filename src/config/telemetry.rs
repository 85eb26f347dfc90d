//! `[telemetry]`: where traces are sent.

use hyper::Uri;

use super::section::{Entry, Section};
use super::suggest::shown;
use super::values::has_plain_port;

/// Where traces are sent.
#[derive(Debug, Clone, Default)]
pub struct TelemetryConfig {
    /// The address of an OpenTelemetry collector that takes OTLP over HTTP, without `/v1/traces` and without a slash at
    /// its end. Default none.
    pub otlp_endpoint: Option<String>,
}

const ENDPOINT: &str = "the URL of a collector that takes OTLP over HTTP, in quotes, such as \"http://127.0.0.1:4318\"";

impl TelemetryConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            otlp_endpoint: section.value("otlp_endpoint", ENDPOINT, endpoint),
        }
    }
}

fn endpoint(entry: &Entry<'_>) -> Result<String, String> {
    let text = entry.text()?;
    if text.contains(['@', '?', '#']) {
        // It can be a password, so that the text is not shown.
        return Err("holds more than a host, a port and a path".to_owned());
    }
    let uri: Option<Uri> = text.parse().ok();
    let parts = uri.as_ref().and_then(|uri| {
        let authority = uri.authority().filter(|it| has_plain_port(it))?;
        Some((uri.scheme_str()?, authority, uri.path()))
    });
    match parts {
        Some((scheme @ ("http" | "https"), authority, path)) => {
            let path = path.trim_end_matches('/').trim_end_matches("/v1/traces");
            Ok(format!("{scheme}://{authority}{path}"))
        }
        _ => Err(format!("is {}, not a URL of http or https", shown(text))),
    }
}
