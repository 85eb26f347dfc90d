//! The owner of a key: the name of the destination, for `sent_to` and the ledger.
//!
//! It is the public id of the account, which stays the same when the key changes. Where the key has no right to read
//! it, a fingerprint of the key is used instead.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Endpoint;
use crate::delivery::{Remote, Sender};
use crate::model::OutcomeKind;
use crate::outbox::Control;

/// How long to wait for Klaviyo's answer about the key's account. Events are accepted meanwhile.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// The name of the destination when requests go to a sandbox.
pub(super) const SANDBOX: &str = "sandbox";
/// The prefix of names that replace an unknown account name.
const NAMELESS: &str = "klaviyo:key-";

/// What is known of the owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyOwner {
    /// The name of the account.
    Known(String),
    /// The account is unknown: a name made from the key.
    Unknown(String),
    /// Klaviyo refuses the key.
    Refused(String),
}

/// Why a running daemon does not apply another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyRejected {
    /// It belongs to another account, and the record of what was sent to which account must stay correct.
    #[error("it belongs to another account; restart the daemon if that is meant")]
    OtherAccount,
    /// It would stop delivery.
    #[error("Klaviyo refuses it; compare it with the key in Klaviyo, and reload again")]
    Refused,
    /// It may belong to another account.
    #[error(
        "Klaviyo does not say whether it belongs to the same account; give it the scope accounts:read and reload \
         again, or restart the daemon"
    )]
    Unclear,
}

impl KeyOwner {
    /// Requests the owner from Klaviyo, or else uses an earlier stored answer.
    pub(super) async fn of(sender: &Sender, outbox: &Control, clock: &Arc<dyn Clock>) -> Self {
        let key = format!("account_of_key {}", sender.fingerprint());
        let nameless = nameless(sender);
        let answered = tokio::time::timeout(IDENTIFY_TIMEOUT, sender.identify(clock.now())).await;
        let refused = match answered {
            Ok(Remote::Sandbox { refused: None }) => return Self::Known(SANDBOX.to_owned()),
            Ok(Remote::Sandbox { refused: Some(_) }) => return Self::Refused(SANDBOX.to_owned()),
            Ok(Remote::Account(account)) => {
                let name = format!("klaviyo:{account}");
                if let Err(error) = outbox.kv_set(key, name.clone()).await {
                    tracing::warn!(%error, "failed to store the account's name");
                }
                return Self::Known(name);
            }
            Ok(Remote::Unclear(outcome)) => outcome.kind == OutcomeKind::Stopped,
            Ok(Remote::Narrow) | Err(_) => false,
        };
        let known = outbox.kv_get(&key).await.ok().flatten();
        match (known, refused) {
            (known, true) => Self::Refused(known.unwrap_or(nameless)),
            (Some(known), false) => Self::Known(known),
            (None, false) => Self::Unknown(nameless),
        }
    }

    /// The destination's name at a start, known or not.
    pub(super) fn name(self) -> String {
        match self {
            Self::Known(name) | Self::Unknown(name) | Self::Refused(name) => {
                if name == SANDBOX {
                    tracing::warn!("the endpoint is a sandbox: NOTHING REACHES KLAVIYO");
                }
                name
            }
        }
    }

    /// The destination's name when a daemon that sends to `former` applies this owner's key.
    pub(super) fn instead_of(self, former: &str) -> Result<String, KeyRejected> {
        let was_nameless = former.starts_with(NAMELESS);
        match self {
            Self::Refused(_) => Err(KeyRejected::Refused),
            Self::Known(name) if was_nameless || name == former => Ok(name),
            Self::Known(_) => Err(KeyRejected::OtherAccount),
            Self::Unknown(name) if was_nameless => Ok(name),
            Self::Unknown(_) => Err(KeyRejected::Unclear),
        }
    }
}

/// The name of the destination until its owner is known.
pub(super) fn until_known(endpoint: &Endpoint, sender: &Sender) -> String {
    match endpoint {
        Endpoint::Sandbox => SANDBOX.to_owned(),
        Endpoint::Url(_) => nameless(sender),
    }
}

/// The name of a destination of which only the key is known.
fn nameless(sender: &Sender) -> String {
    format!("{NAMELESS}{}", sender.fingerprint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_exchanged_for_one_of_the_same_account() {
        let known = |name: &str| KeyOwner::Known(name.to_owned());
        let unknown = || KeyOwner::Unknown("klaviyo:key-2".to_owned());
        let refused = || KeyOwner::Refused("klaviyo:key-2".to_owned());
        let account = "klaviyo:AbC123";
        for (owner, former, name) in [
            (known(account), account, Ok(account)),
            (known("klaviyo:Other1"), account, Err(KeyRejected::OtherAccount)),
            (known(account), SANDBOX, Err(KeyRejected::OtherAccount)),
            (unknown(), account, Err(KeyRejected::Unclear)),
            (refused(), account, Err(KeyRejected::Refused)),
            // The former key was wrong, or its owner unknown: nothing contradicts the new owner.
            (known(account), "klaviyo:key-1", Ok(account)),
            (unknown(), "klaviyo:key-1", Ok("klaviyo:key-2")),
            (refused(), "klaviyo:key-1", Err(KeyRejected::Refused)),
        ] {
            let found = owner.clone().instead_of(former);
            let expected = name.map(str::to_owned);
            assert_eq!(found, expected, "{owner:?} instead of {former}");
        }
    }
}
