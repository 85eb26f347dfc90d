//! What the calls of a source may ask for: a browser's write key is public, a server's is not.

use super::Side;

words! {
    /// What not everybody may ask for who knows a write key.
    Right {
        /// Delete calls: they erase a person here, and have Klaviyo delete it where `delete_profiles` is on.
        Delete = "delete",
        /// The list that a call names itself.
        List = "list",
        /// Whether the person is asked to confirm, where a call says it itself.
        ConfirmOptin = "confirm_optin",
        /// The time of a consent, where a call says it itself.
        ConsentAt = "consent_at",
    }
}

/// What holds for the calls of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRules {
    /// The side its calls are mapped as; `None`: each call's library decides.
    pub side: Option<Side>,
    /// What its calls may ask for besides what their side may.
    pub allow: Vec<Right>,
}

impl SourceRules {
    /// The rights of its calls of one side. The server's side may ask for all but deletion, the client's for nothing.
    pub fn rights(&self, side: Side) -> Rights {
        let of_server = [Right::List, Right::ConfirmOptin, Right::ConsentAt];
        let own: &[Right] = match side {
            Side::Server => &of_server,
            Side::Client => &[],
        };
        let mut rights = Rights::default();
        for right in own.iter().chain(&self.allow) {
            rights.0[*right as usize] = true;
        }
        rights
    }
}

/// What a call may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights([bool; Right::ALL.len()]);

impl Rights {
    /// Whether this is among them.
    pub const fn may(self, right: Right) -> bool {
        self.0[right as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_has_rights_and_a_source_may_have_more() {
        let rules = |allow: &[Right]| SourceRules {
            side: None,
            allow: allow.to_vec(),
        };
        let words = |rights: Rights| -> Vec<&str> {
            let held = Right::ALL.iter().filter(|right| rights.may(**right));
            held.map(|right| right.word()).collect()
        };
        let server = ["list", "confirm_optin", "consent_at"];
        assert_eq!(words(rules(&[]).rights(Side::Server)), server);
        assert!(words(rules(&[]).rights(Side::Client)).is_empty());
        let more = rules(&[Right::Delete]);
        assert!(more.rights(Side::Server).may(Right::Delete));
        assert_eq!(words(more.rights(Side::Client)), ["delete"]);
    }
}
