//! The settings that decide what a call becomes. Uses the configuration and the model.

use crate::config::{Config, IngestConfig, MappingConfig, OutboxConfig, SourceConfig};
use crate::model::SourceRules;

/// The settings that decide what a call becomes.
#[derive(Debug, Clone)]
pub struct ExplainSettings {
    ingest: IngestConfig,
    mapping: MappingConfig,
    outbox: OutboxConfig,
}

impl ExplainSettings {
    /// The settings of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            ingest: config.ingest.clone(),
            mapping: config.mapping.clone(),
            outbox: config.outbox.clone(),
        }
    }

    /// The names of the configured sources, in the order of the configuration.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.ingest.sources.iter().map(|source| &*source.name)
    }

    /// The limits and retention times of the outbox.
    pub const fn outbox(&self) -> &OutboxConfig {
        &self.outbox
    }

    /// The rules for the calls of a source.
    pub(super) fn rules_of(&self, source: &str) -> SourceRules {
        let source = self.source(source);
        source.map_or_else(SourceRules::default, SourceConfig::rules)
    }

    /// A source by its name.
    pub(super) fn source(&self, name: &str) -> Option<&SourceConfig> {
        self.ingest.sources.iter().find(|source| source.name == name)
    }

    /// `[mapping]`.
    pub(super) fn mapping(&self) -> &MappingConfig {
        &self.mapping
    }

    /// The settings of ingest, with its sources.
    pub fn ingest(&self) -> &IngestConfig {
        &self.ingest
    }

    /// The largest call that ingest accepts, in bytes.
    pub fn max_event_bytes(&self) -> usize {
        self.ingest.max_event_bytes
    }
}
