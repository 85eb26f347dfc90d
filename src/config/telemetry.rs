//! `[telemetry]`: where traces are sent.

use super::declare::{Settings, settings};
use super::setting::text;
use super::suggest::quoted;
use super::url::Url;

const ENDPOINT: &str = "the URL of a collector that takes OTLP over HTTP, in quotes, such as \"http://127.0.0.1:4318\"";

settings! {
    /// Where traces are sent.
    pub struct TelemetryConfig {
        /// The OpenTelemetry collector they are sent to by OTLP over HTTP, without `/v1/traces`. With it, `serve` of a
        /// program built without the feature does not start.
        otlp_endpoint: Option<String> = None, text(ENDPOINT, endpoint, String::clone).optional().restart()
            .examples(&["\"http://127.0.0.1:4318\""]);
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    if text.contains(['@', '?', '#']) {
        // It can be a password, so that the text is not shown.
        return Err("holds more than a host, a port and a path".to_owned());
    }
    let url = Url::parse(text).ok_or_else(|| format!("is {}, not a URL of http or https", quoted(text)))?;
    let path = url.path.trim_end_matches('/').trim_end_matches("/v1/traces");
    Ok(format!("{}://{}{path}", url.scheme(), url.authority))
}
