//! `[log]`: what is logged, and how.

use tracing_subscriber::EnvFilter;

use super::section::Section;
use super::suggest::shown;

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

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

impl LogConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let filter = section.value("filter", FILTER, |entry| {
            let text = entry.text()?.trim();
            is_filter(text)
                .then(|| text.to_owned())
                .ok_or_else(|| format!("is {}, not a filter", shown(text)))
        });
        Self {
            format: section.one_of("format", &formats, default.format),
            filter: filter.unwrap_or(default.filter),
        }
    }
}

const FILTER: &str = "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", also by module: \
                      \"info,klaviyo_relay::delivery=debug\"";

/// The subscriber takes any word for a module's name, so that `inof` would silence everything: a directive without
/// `=` must be a level.
fn is_filter(text: &str) -> bool {
    let level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    !text.is_empty()
        && text.split(',').all(|part| part.contains('=') || level(part.trim()))
        && text.parse::<EnvFilter>().is_ok()
}
