//! The pauses and their reasons, stored in the outbox, where `status` reads them and the next start restores them.

use std::sync::Arc;
use std::time::Duration;

use crate::config::SecretOrigin;
use crate::delivery::Remote;
use crate::model::{Family, KLAVIYO, Outcome, OutcomeKind, PauseKind, Reason, Timestamp};
use crate::outbox::Pause;
use crate::scheduler::policy::{Breakers, Cause, Limits, code_of};

use super::super::context::{Context, error_chain, request_id};
use super::super::queues::Queues;
use super::{Dispatcher, Returned, has_passed};

/// The shortest time between two requests to the accounts endpoint; Klaviyo allows 15 of them a minute.
const PROBE_ACCOUNT_EVERY: Duration = Duration::from_secs(10);
/// How often the outbox is read for an operator's `release` while something is paused.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pauses, as the outbox has them.
pub(super) struct Pauses {
    written: Vec<Pause>,
    /// The last failure of each family.
    last: [Option<Outcome>; Family::ALL.len()],
    /// The last failure of the accounts endpoint, or of a connection.
    last_of_all: Option<Outcome>,
    /// When the last request to the accounts endpoint was made, and when the outbox was last read.
    account_probed_at: Timestamp,
    looked: Timestamp,
}

impl Pauses {
    /// Opens the breakers that an earlier run left open.
    pub(super) async fn load(context: &Context, breakers: &mut Breakers) -> Self {
        let now = context.now();
        let written = match context.scheduler.outbox.pauses().await {
            Ok(pauses) => pauses,
            Err(error) => {
                tracing::error!(error = %error_chain(&error), "failed to read what is paused; assuming that nothing is");
                Vec::new()
            }
        };
        for pause in &written {
            tracing::warn!(
                scope = pause.scope(),
                since = %pause.since,
                why = %pause.kind,
                "delivery is paused; probing; `klaviyo-relay status` has the reason"
            );
            if pause.kind != PauseKind::RateLimited {
                breakers.restore(pause.family, pause.kind, now);
            }
        }
        Self {
            written,
            last: [const { None }; Family::ALL.len()],
            last_of_all: None,
            account_probed_at: Timestamp::from_millis(0),
            looked: now,
        }
    }

    /// Whether nothing is paused.
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Whether a family is paused.
    pub(super) fn stops(&self, family: Family) -> bool {
        let of = |pause: &Pause| pause.family.is_none_or(|paused| paused == family);
        self.written.iter().any(of)
    }

    /// Keeps an answer, for the reason of a pause.
    pub(super) fn note(&mut self, family: Family, outcome: &Outcome) {
        match outcome.kind {
            OutcomeKind::Retry | OutcomeKind::Unknown | OutcomeKind::Stopped => {
                if outcome.kind == OutcomeKind::Retry && outcome.http_status.is_none() {
                    self.last_of_all = Some(outcome.clone());
                }
                self.last[family as usize] = Some(outcome.clone());
            }
            OutcomeKind::Accepted | OutcomeKind::Refused | OutcomeKind::Conflict => {}
        }
    }

    /// The current pauses.
    fn now(&self, breakers: &Breakers, limits: &Limits, key: &SecretOrigin, now: Timestamp) -> Vec<Pause> {
        let open = breakers.paused(now).into_iter().map(|paused| {
            let failure = match paused.family {
                Some(family) => self.last[family as usize].as_ref(),
                None => self.last_of_all.as_ref().or_else(|| self.last.iter().flatten().last()),
            };
            let before = self
                .written
                .iter()
                .find(|pause| pause.family == paused.family && pause.kind == paused.why);
            let reason = match (failure, before) {
                (Some(failure), _) => reason(paused.family, paused.why, failure, key),
                // Restored at a start, and nothing has failed since.
                (None, Some(before)) => Reason::new(before.reason_code.clone(), before.reason.clone()),
                (None, None) => reason(paused.family, paused.why, &Outcome::of(OutcomeKind::Retry), key),
            };
            Pause {
                family: paused.family,
                kind: paused.why,
                since: before.map_or(now, |before| before.since),
                reason_code: reason.code.into_owned(),
                reason: reason.text,
                probe_at: paused.probe_at,
            }
        });
        let closed = limits.closed_long(now).into_iter().map(|(family, closed)| Pause {
            family: Some(family),
            kind: PauseKind::RateLimited,
            since: closed.since,
            reason_code: format!("{KLAVIYO}429"),
            reason: format!(
                "429: rate limited by Klaviyo until {}, and one request is tried at {} at the latest; \
                 `klaviyo-relay release --status pending` tries one now",
                closed.until, closed.probe_at
            ),
            probe_at: closed.probe_at,
        });
        let open: Vec<Pause> = open.collect();
        let closed: Vec<Pause> = closed
            .filter(|closed| open.iter().all(|open| open.family != closed.family))
            .collect();
        open.into_iter().chain(closed).collect()
    }

    /// Logs the pauses that began and those that ended.
    fn log(&self, now: &[Pause], key: &SecretOrigin) {
        let same = |one: &Pause, other: &Pause| one.family == other.family && one.kind == other.kind;
        for pause in now {
            if self.written.iter().any(|before| same(before, pause)) {
                continue;
            }
            let failure = pause
                .family
                .map_or(self.last_of_all.as_ref(), |family| self.last[family as usize].as_ref());
            // Klaviyo's error text is not logged, because it may repeat what was sent. The transport's text does not.
            let shown = match failure {
                Some(failure) if failure.http_status.is_none() => words(failure),
                Some(_) | None => "`klaviyo-relay status` has its words",
            };
            let status = failure.and_then(|failure| failure.http_status);
            let refused = status.filter(|_| pause.kind == PauseKind::Refused);
            let remedy = refused.and_then(|status| remedy(status, key));
            tracing::error!(
                scope = pause.scope(),
                kind = %pause.kind,
                http.status = status,
                klaviyo.request_id = failure.and_then(request_id),
                until = %pause.probe_at,
                reason = shown,
                remedy,
                "delivery is PAUSED; nothing is lost, events wait"
            );
        }
        for before in &self.written {
            if !now.iter().any(|pause| same(pause, before)) {
                tracing::info!(scope = before.scope(), kind = %before.kind, "delivery continues: the pause is over");
            }
        }
    }
}

impl Dispatcher {
    /// Writes the pauses when they have changed, and makes events due that waited for the end of a pause.
    pub(super) async fn write_pauses(&mut self, now: Timestamp) {
        let key = &self.context.settings.key_from;
        let pauses = self.pauses.now(&self.breakers, &self.limits, key, now);
        if pauses == self.pauses.written {
            return;
        }
        self.pauses.log(&pauses, key);
        let stopped = Queues::FAMILIES.map(|family| self.pauses.stops(family));
        self.pauses.written = pauses;
        for (family, stopped) in Queues::FAMILIES.into_iter().zip(stopped) {
            if stopped && !self.pauses.stops(family) {
                self.unpark(family, now);
            }
        }
        let outbox = &self.context.scheduler.outbox;
        if let Err(error) = outbox.set_pauses(self.pauses.written.clone()).await {
            tracing::warn!(error = %error_chain(&error), "failed to store the pauses; `status` does not show them");
        }
    }

    /// A refusal may concern one request or the key. A request to the accounts endpoint shows which.
    pub(super) fn probe_account(&mut self, now: Timestamp) {
        if !has_passed(PROBE_ACCOUNT_EVERY, self.pauses.account_probed_at, now) || self.breakers.account_in_doubt() {
            return;
        }
        self.pauses.account_probed_at = now;
        let context = Arc::clone(&self.context);
        self.tasks.spawn(async move {
            let now = context.now();
            Returned::Account(context.settings.sender.identify(now).await)
        });
    }

    /// Applies the answer of the accounts endpoint.
    pub(super) async fn account_answered(&mut self, remote: &Remote) {
        let outcome = match remote {
            Remote::Sandbox { refused } => refused.as_ref(),
            Remote::Unclear(outcome) => Some(outcome),
            Remote::Account(_) | Remote::Narrow => None,
        };
        if let Some(outcome) = outcome.filter(|outcome| outcome.kind == OutcomeKind::Stopped) {
            let now = self.context.now();
            self.pauses.last_of_all = Some(outcome.clone());
            self.breakers.key_refused(now);
            self.write_pauses(now).await;
        }
    }

    /// While something is paused, checks for an operator's request to try at once: `release` deletes the stored pauses.
    pub(super) fn look_at_pauses(&mut self, now: Timestamp) {
        if self.pauses.written.is_empty() || !has_passed(LOOK_EVERY, self.pauses.looked, now) {
            return;
        }
        self.pauses.looked = now;
        let outbox = self.context.scheduler.outbox.clone();
        let scopes: Vec<Option<Family>> = self.pauses.written.iter().map(|pause| pause.family).collect();
        self.tasks.spawn(async move {
            let released = outbox.pauses().await.map(|kept| {
                let gone = |scope: &Option<Family>| !kept.iter().any(|pause| pause.family == *scope);
                scopes.into_iter().filter(gone).collect()
            });
            Returned::Looked(released.unwrap_or_default())
        });
    }

    /// When the outbox is read for this next; `None` while nothing is paused.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        (!self.pauses.written.is_empty()).then(|| self.pauses.looked.plus(LOOK_EVERY))
    }

    /// Tries at once the families that an operator has released.
    pub(super) fn looked(&mut self, released: &[Option<Family>]) {
        let now = self.context.now();
        let gone = |pause: &mut Pause| released.contains(&pause.family);
        let released: Vec<Pause> = self.pauses.written.extract_if(.., gone).collect();
        for pause in released {
            tracing::info!(scope = pause.scope(), kind = %pause.kind, "an operator's release: trying at once");
            for family in Queues::FAMILIES {
                if pause.family.is_none_or(|paused| paused == family) {
                    self.unpark(family, now);
                }
            }
            match (pause.kind, pause.family) {
                (PauseKind::RateLimited, Some(family)) => self.limits.probe_now(family, now),
                (PauseKind::RateLimited | PauseKind::Refused | PauseKind::Unreachable, family) => {
                    self.breakers.probe_now(family, now);
                }
            }
        }
    }
}

/// The error text of Klaviyo or of the transport.
fn words(failure: &Outcome) -> &str {
    failure.error.as_deref().unwrap_or("no words")
}

/// What happened, and what an operator can do about it.
fn reason(family: Option<Family>, why: PauseKind, failure: &Outcome, key: &SecretOrigin) -> Reason {
    let (status, words) = (failure.http_status, words(failure).trim_end_matches('.'));
    let answer = status.map_or_else(|| words.to_owned(), |status| format!("{status}: {words}"));
    if why != PauseKind::Refused {
        let text = match family {
            None => format!("Klaviyo is not reachable ({answer}); it is tried again and again"),
            Some(family) => format!(
                "requests of several events to the endpoint `{family}` fail, the last: {answer}; it is tried again and \
                 again, and other endpoints go on"
            ),
        };
        return Reason::new(code_of(failure), text);
    }
    let Some(status) = status else {
        let text = format!("Klaviyo refused the key, and has not answered a probe since ({words})");
        return Reason::from(&Cause::KeyRefused(text));
    };
    let remedy = remedy(status, key);
    let remedy = remedy.as_deref().unwrap_or(PROBED);
    let text = match family {
        None => format!("{answer}. {remedy}"),
        Some(family) => format!("{answer} (endpoint `{family}`). {remedy}"),
    };
    Reason::new(code_of(failure), text)
}

/// The reason after a key was refused and the next probe failed in another way.
const PROBED: &str = "it refused the key before, and has not accepted it since";

/// What makes Klaviyo accept requests again after this refusal; `None` where that is unknown.
fn remedy(status: u16, key: &SecretOrigin) -> Option<String> {
    Some(match status {
        401 => format!("the private key is wrong or was deleted; {}", another_key(key)),
        403 => format!(
            "the private key lacks a scope; make a key with the scopes that docs/setup/install.md lists, and {}",
            another_key(key)
        ),
        410 => "the revision is retired; set `klaviyo.revision`, or update klaviyo-relay, and restart".to_owned(),
        405 | 415 => "the endpoint does not have Klaviyo's API; check `klaviyo.endpoint`".to_owned(),
        _ => return None,
    })
}

/// How to set another key.
fn another_key(key: &SecretOrigin) -> String {
    match key {
        SecretOrigin::Configuration => "set `klaviyo.private_key` and reload (SIGHUP)".to_owned(),
        SecretOrigin::File(file) => format!("write it to {} and reload (SIGHUP)", file.display()),
        SecretOrigin::Environment(variable) => {
            format!("set {variable} and restart: the environment is read at the start alone")
        }
    }
}
