//! Checks the source of a filter: a mistyped name would look like a source without events.
//!
//! A configured source is valid, and so is one with stored events: the events of a source that is no longer configured
//! can still be listed, held and replayed. The commands, the API and the page reject any other name with the same
//! sentence.

use super::filter::Filter;
use crate::config::IngestConfig;
use crate::outbox::{ReadError, Reader, Selection};

/// Why a source is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not configured and has no events.
    #[error("no source is named {name}; there are: {}", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The configured names, in the order of the configuration.
        known: Vec<String>,
    },
    /// The look-up of its events failed.
    #[error("failed to look for an event of the source")]
    Read(#[source] ReadError),
}

impl SourceError {
    /// The error for an unknown source, with the configured names.
    pub fn unknown(name: &str, ingest: &IngestConfig) -> Self {
        let known = ingest.sources.iter().map(|source| source.name.clone());
        Self::Unknown {
            name: name.to_owned(),
            known: known.collect(),
        }
    }
}

impl Filter {
    /// Rejects a source that is not configured and has no events.
    pub async fn check_source(&self, ingest: &IngestConfig, outbox: &Reader) -> Result<(), SourceError> {
        let Some(name) = &self.source else {
            return Ok(());
        };
        if ingest.sources.iter().any(|known| known.name == *name) {
            return Ok(());
        }
        let selection = Selection {
            source: Some(name.clone()),
            ..Selection::default()
        };
        let found = outbox.briefs(&selection, 1).await;
        if found.map_err(SourceError::Read)?.is_empty() {
            return Err(SourceError::unknown(name, ingest));
        }
        Ok(())
    }
}
