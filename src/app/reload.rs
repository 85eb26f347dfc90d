//! Applies another configuration to a running daemon.
//!
//! Promises that a configuration that cannot be applied changes nothing, that a setting that needs a restart keeps its
//! old value and is logged, and that work in progress ends with the settings it began with. May use every part.

use std::sync::Arc;

use crate::config::{Changes, Config};
use crate::delivery::Sender;
use crate::operator::ExplainSettings;
use crate::telemetry::Logging;

use super::certificate::reload_certificate;
use super::destination::KeyOwner;
use super::{App, garbage, script, sender};

/// The one key whose change depends on Klaviyo's answer.
const PRIVATE_KEY: &str = "klaviyo.private_key";

impl App {
    /// Reads the certificate's files again, if there are any. An error is logged, and the old certificate stays.
    pub fn reload_certificate(&self) {
        if let Some(tls) = &self.tls {
            reload_certificate(tls, self.clock.now());
        }
    }

    /// Applies this configuration, as far as a running daemon can, and logs the result. If this future is dropped
    /// before it ends, nothing has changed.
    pub async fn reload(&mut self, new: Config, logging: &Logging) {
        for warning in &new.warnings {
            tracing::warn!("{warning}");
        }
        let script = match script(&new) {
            Ok(script) => script,
            Err(error) => return self.reject_config(&error).await,
        };
        let (mut config, mut changes) = new.reloaded_from(&self.config);
        let destination = match self.destination(&mut config, &mut changes).await {
            Ok(destination) => destination,
            Err(error) => return self.reject_config(&error).await,
        };
        if let Err(error) = logging.filter(&config.log.filter) {
            return self.reject_config(&error.into()).await;
        }
        self.settings.send_modify(|settings| {
            let (sender, sent_to) = destination.unwrap_or_else(|| (settings.sender.clone(), settings.sent_to.clone()));
            *settings = Arc::new(super::settings(&config, sender, sent_to));
        });
        // After the scheduler, so that calls of a new source are mapped with its settings.
        let garbage = config.mapping.garbage_ids.clone();
        self.api.reload(config.ingest.clone(), garbage.clone(), script);
        self.outbox.intake().set_bounds(&config.outbox);
        self.retention.send_replace(config.outbox.clone());
        self.explain.send_replace(ExplainSettings::of(&config));
        self.config = config;
        self.record_config(true).await;
        log_changes(&changes);
        // Events that arrived before the change were queued with the old list.
        garbage::dissolve(&self.outbox, &garbage).await;
    }

    /// Logs a configuration that cannot be applied, and reports it until another one is applied.
    pub async fn reject_config(&self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        tracing::error!(error, "the configuration was rejected; the previous one stays");
        self.record_config(false).await;
    }

    async fn record_config(&self, applied: bool) {
        let now = self.clock.now();
        self.metrics.config_applied(applied, now);
        let report = self.outbox.report_config((!applied).then_some(now));
        if let Err(error) = report.await {
            tracing::warn!(%error, "failed to store whether the configuration was applied; `status` does not show it");
        }
    }

    /// The sender from now on, and the destination's name; `None`: unchanged. A private key that is rejected is
    /// replaced by the old one.
    async fn destination(
        &self,
        config: &mut Config,
        changes: &mut Changes,
    ) -> anyhow::Result<Option<(Sender, String)>> {
        let sandbox = self.sandbox();
        if changes.applied.iter().any(|key| key == PRIVATE_KEY) {
            // Before that, the name of the current destination is not known.
            self.named.cancelled().await;
            let sender = sender(config, sandbox)?;
            let former = self.settings.borrow().sent_to.clone();
            let owner = KeyOwner::of(&sender, &self.outbox, &self.clock).await;
            match owner.instead_of(&former) {
                Ok(name) => return Ok(Some((sender, name))),
                Err(why) => {
                    tracing::error!(%why, "{PRIVATE_KEY} stays as it was");
                    config.klaviyo.keep_private_key(&self.config.klaviyo);
                    changes.applied.retain(|key| key != PRIVATE_KEY);
                }
            }
        }
        if !changes.applied.iter().any(|key| key == "delivery.timeout") {
            return Ok(None);
        }
        let former = self.settings.borrow().sent_to.clone();
        Ok(Some((sender(config, sandbox)?, former)))
    }
}

fn log_changes(changes: &Changes) {
    let Changes { applied, needs_restart } = changes;
    if !needs_restart.is_empty() {
        let keys = needs_restart.join(", ");
        tracing::warn!(keys, "changed in the file; takes effect at a restart");
    }
    if applied.is_empty() {
        tracing::info!("the configuration was read again; nothing else is to be done");
    } else {
        let keys = applied.join(", ");
        tracing::info!(keys, "the configuration was read again and is in effect");
    }
}
