//! Which sources a filter may name: a mistyped name would look like a source that has no events.
//!
//! A name that is configured may be used, and one that an event has: a source that is no longer configured can still be
//! looked at, held and replayed. The commands, the API and the page refuse any other by the same sentence.

use super::filter::Filter;
use crate::config::IngestConfig;
use crate::outbox::{Outbox, ReadError, Selection};

/// Why a source cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is neither configured nor has an event.
    #[error("no source is named {name}; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The configured names, in the order of the configuration.
        known: Vec<String>,
    },
    /// Whether an event has it could not be read.
    #[error("failed to look for an event of the source")]
    Read(#[source] ReadError),
}

impl SourceError {
    /// That no source has this name, with the names that there are.
    pub fn unknown(name: &str, ingest: &IngestConfig) -> Self {
        let known = ingest.sources.iter().map(|source| source.name.clone());
        Self::Unknown {
            name: name.to_owned(),
            known: known.collect(),
        }
    }
}

impl Filter {
    /// Refuses a source that is neither configured nor has an event.
    pub async fn check_source(&self, ingest: &IngestConfig, outbox: &Outbox) -> Result<(), SourceError> {
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
