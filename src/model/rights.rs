//! What the calls of a source are allowed to do: a browser's write key is public, a server's is not.

use super::Side;

words! {
    /// Actions that a write key alone does not allow.
    Right {
        /// Delete calls: they erase a person here, and at Klaviyo if `delete_profiles` is on.
        Delete = "delete",
        /// A call may choose the list.
        List = "list",
        /// A call may choose whether the person has to confirm the subscription.
        ConfirmOptin = "confirm_optin",
        /// A call may set the time of a consent.
        ConsentAt = "consent_at",
    }
}

/// The rules for the calls of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRules {
    /// The side its calls are mapped as; `None`: each call's library decides.
    pub side: Option<Side>,
    /// Rights of its calls in addition to those of their side.
    pub allow: Vec<Right>,
}

impl SourceRules {
    /// The rights of its calls of one side. The server side has all rights except deletion, the client side has none.
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

/// The rights of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights([bool; Right::ALL.len()]);

impl Rights {
    /// Whether the call has this right.
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
