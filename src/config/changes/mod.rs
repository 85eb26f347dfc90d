//! What of a configuration that was read again counts at once, and what needs a restart.
//!
//! Pure. Every key of the file stands in one table; a test fails when one is missing. Uses the sections' types.

use secrecy::{ExposeSecret, SecretString};

use super::{Config, Endpoint, SourceConfig};

#[cfg(test)]
mod tests;

/// The keys by which two configurations differ, in the order of the shipped file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a running daemon takes over.
    pub applied: Vec<&'static str>,
    /// Those that stay as they were until it is started again.
    pub needs_restart: Vec<&'static str>,
}

impl Changes {
    /// The keys of a file by which `new` differs from `old`, as a running daemon sees them.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut changes = Self::default();
        for key in KEYS.iter().filter(|key| !(key.same)(old, new)) {
            if key.is_fixed(old, new) {
                changes.needs_restart.push(key.name);
            } else {
                changes.applied.push(key.name);
            }
        }
        changes
    }

    /// Whether the files say the same.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.needs_restart.is_empty()
    }
}

impl Config {
    /// The configuration of a daemon that ran with `old` and was told to go on with this one: what needs a restart is
    /// as it was.
    #[must_use]
    pub fn after(mut self, old: &Self) -> Self {
        // All are judged by the file as it is, then all are put back: one may depend on another.
        let stay: Vec<&Key> = KEYS.iter().filter(|key| key.is_fixed(old, &self)).collect();
        for key in stay {
            if let Some(fixed) = key.fixed {
                (fixed.keep)(&mut self, old);
            }
        }
        self
    }
}

/// A key of the file.
struct Key {
    /// In full and without indices.
    name: &'static str,
    same: fn(&Config, &Config) -> bool,
    /// `None`: it always counts at once.
    fixed: Option<Fixed>,
}

/// A key that needs a restart.
#[derive(Clone, Copy)]
struct Fixed {
    /// Whether it does between these two.
    when: fn(&Config, &Config) -> bool,
    /// Puts back what was before.
    keep: fn(&mut Config, &Config),
}

impl Key {
    fn is_fixed(&self, old: &Config, new: &Config) -> bool {
        self.fixed.is_some_and(|fixed| (fixed.when)(old, new))
    }

    const fn live(name: &'static str, same: fn(&Config, &Config) -> bool) -> Self {
        let fixed = None;
        Self { name, same, fixed }
    }

    const fn fixed(name: &'static str, same: fn(&Config, &Config) -> bool, keep: fn(&mut Config, &Config)) -> Self {
        let when = |_: &Config, _: &Config| true;
        let fixed = Some(Fixed { when, keep });
        Self { name, same, fixed }
    }
}

/// A key whose name is that of its field.
macro_rules! live {
    ($section:ident $(. $field:ident)+) => {
        Key::live(
            concat!(stringify!($section) $(, ".", stringify!($field))+),
            |old, new| old.$section$(.$field)+ == new.$section$(.$field)+,
        )
    };
}

macro_rules! fixed {
    ($section:ident . $field:ident) => {
        Key::fixed(
            concat!(stringify!($section), ".", stringify!($field)),
            |old, new| old.$section.$field == new.$section.$field,
            |new, old| new.$section.$field.clone_from(&old.$section.$field),
        )
    };
}

const KEYS: &[Key] = &[
    fixed!(ingest.listen),
    fixed!(ingest.trusted_proxies),
    Key::fixed(
        "ingest.tls_cert",
        |old, new| of_tls(old, |tls| &tls.certificate) == of_tls(new, |tls| &tls.certificate),
        |new, old| new.ingest.tls.clone_from(&old.ingest.tls),
    ),
    Key::fixed(
        "ingest.tls_key",
        |old, new| of_tls(old, |tls| &tls.key) == of_tls(new, |tls| &tls.key),
        |new, old| new.ingest.tls.clone_from(&old.ingest.tls),
    ),
    live!(ingest.max_event_bytes),
    live!(ingest.max_batch_bytes),
    live!(ingest.max_bytes_in_progress),
    live!(ingest.path_prefix),
    live!(ingest.public_url),
    live!(ingest.analytics_js),
    Key::live("ingest.sources.name", |old, new| {
        let known = |source| counterpart(source, old).is_some();
        old.ingest.sources.len() == new.ingest.sources.len() && new.ingest.sources.iter().all(known)
    }),
    Key::live("ingest.sources.write_key", |old, new| {
        same_of_sources(old, new, |old, new| {
            same_secret(Some(&old.write_key), Some(&new.write_key))
        })
    }),
    Key::live("ingest.sources.side", |old, new| {
        same_of_sources(old, new, |old, new| old.side == new.side)
    }),
    Key::live("ingest.sources.allow", |old, new| {
        same_of_sources(old, new, |old, new| old.allow == new.allow)
    }),
    Key::live("ingest.sources.allowed_origins", |old, new| {
        same_of_sources(old, new, |old, new| old.allowed_origins == new.allowed_origins)
    }),
    Key::live("ingest.sources.shared_secret", |old, new| {
        same_of_sources(old, new, |old, new| {
            same_secret(old.shared_secret.as_ref(), new.shared_secret.as_ref())
        })
    }),
    fixed!(outbox.path),
    live!(outbox.retain_delivered),
    live!(outbox.retain_bodies),
    live!(outbox.retain_dead),
    live!(outbox.min_free_disk),
    live!(outbox.max_pending),
    fixed!(klaviyo.endpoint),
    Key {
        name: "klaviyo.private_key",
        same: |old, new| {
            let [old, new] = [old, new].map(|config| config.klaviyo.private_key.as_ref());
            same_secret(old, new)
        },
        fixed: Some(Fixed {
            // A key for another endpoint must not be shown to this one; the sandbox in the program has the first one.
            when: |old, new| old.klaviyo.endpoint != new.klaviyo.endpoint || old.klaviyo.endpoint == Endpoint::Sandbox,
            keep: |new, old| {
                new.klaviyo.keep_private_key(&old.klaviyo);
            },
        }),
    },
    fixed!(klaviyo.revision),
    fixed!(klaviyo.sandbox_listen),
    live!(mapping.enforce_email),
    live!(mapping.fallback_to_anonymous_id),
    live!(mapping.list_id),
    live!(mapping.confirm_optin),
    live!(mapping.order_completed_as_is),
    live!(mapping.max_products),
    live!(mapping.order_id_events),
    live!(mapping.event_id_events),
    live!(mapping.garbage_ids),
    live!(mapping.delete_profiles),
    live!(mapping.audience_lists),
    live!(delivery.max_in_flight),
    live!(delivery.window),
    live!(delivery.bulk),
    Key::live("delivery.limit_share", |old, new| {
        same_part(old.delivery.limits.share, new.delivery.limits.share)
    }),
    Key::live("delivery.replay_share", |old, new| {
        same_part(old.delivery.replay_share, new.delivery.replay_share)
    }),
    live!(delivery.resend_unknown_subscriptions),
    live!(delivery.after_dead),
    live!(delivery.max_attempts),
    live!(delivery.max_age),
    live!(delivery.first_retry),
    live!(delivery.longest_retry),
    live!(delivery.timeout),
    live!(delivery.replay_consent_within),
    live!(delivery.shutdown_deadline),
    live!(delivery.after_dead_for),
    live!(delivery.limits.event.burst),
    live!(delivery.limits.event.steady),
    live!(delivery.limits.event_bulk.burst),
    live!(delivery.limits.event_bulk.steady),
    live!(delivery.limits.profile.burst),
    live!(delivery.limits.profile.steady),
    live!(delivery.limits.profile_bulk.burst),
    live!(delivery.limits.profile_bulk.steady),
    live!(delivery.limits.profile_bulk_status.burst),
    live!(delivery.limits.profile_bulk_status.steady),
    live!(delivery.limits.subscription.burst),
    live!(delivery.limits.subscription.steady),
    live!(delivery.limits.list.burst),
    live!(delivery.limits.list.steady),
    live!(delivery.limits.deletion.burst),
    live!(delivery.limits.deletion.steady),
    fixed!(admin.listen),
    Key::fixed(
        "admin.token",
        |old, new| same_secret(old.admin.token.as_ref(), new.admin.token.as_ref()),
        |new, old| new.admin.token.clone_from(&old.admin.token),
    ),
    fixed!(admin.trusted_proxies),
    fixed!(admin.show_personal_data),
    fixed!(log.format),
    live!(log.filter),
    fixed!(telemetry.otlp_endpoint),
];

fn of_tls<T>(config: &Config, of: fn(&super::TlsConfig) -> &T) -> Option<&T> {
    config.ingest.tls.as_ref().map(of)
}

fn same_secret(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

fn same_part(one: f64, other: f64) -> bool {
    one.total_cmp(&other).is_eq()
}

/// The source of the same name.
fn counterpart<'c>(source: &SourceConfig, config: &'c Config) -> Option<&'c SourceConfig> {
    let mut sources = config.ingest.sources.iter();
    sources.find(|other| other.name == source.name)
}

/// Compares the sources that both have.
fn same_of_sources(old: &Config, new: &Config, same: fn(&SourceConfig, &SourceConfig) -> bool) -> bool {
    new.ingest
        .sources
        .iter()
        .all(|source| counterpart(source, old).is_none_or(|former| same(former, source)))
}
