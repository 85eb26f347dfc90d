//! `[log]`: what is logged, and how.

use tracing_subscriber::EnvFilter;

use super::declare::{Settings, settings};
use super::setting::{Setting, text};
use super::suggest::quoted;
use super::values::one_of;

settings! {
    /// What is logged, and how.
    pub struct LogConfig {
        /// For people, or for machines.
        format: LogFormat = LogFormat::Text, one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]).restart();

        /// How much. Lines of libraries are logged from "info" up alone.
        filter: String = "info".to_owned(), filter();
    }
}

/// The two forms of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn filter() -> Setting<String> {
    let allowed = "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", also by module: \
                   \"info,klaviyo_relay::delivery=debug\"";
    let read = |text: &str| {
        let filter = text.trim();
        let filter = is_filter(filter).then(|| filter.to_owned());
        filter.ok_or_else(|| format!("is {}, not a filter", quoted(text.trim())))
    };
    text(allowed, read, String::clone)
}

/// The subscriber takes any word for a module's name, so that `inof` would silence everything: a directive without
/// `=` must be a level.
fn is_filter(text: &str) -> bool {
    let level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    !text.is_empty()
        && text.split(',').all(|part| part.contains('=') || level(part.trim()))
        && text.parse::<EnvFilter>().is_ok()
}
