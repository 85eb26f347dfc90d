//! Why an event or a request is in its state: a code for programs, and a text for people. Selections,
//! groups, counters and advice use the code; no code reads the text.
//!
//! Each kind of reason is declared as a table with [`reasons!`], of which its text, its code and the list of all codes
//! are made. The codes of Klaviyo's answers are derived from the answer ([`crate::klaviyo::answer_code`]).

use std::borrow::Cow;
use std::fmt;

/// Why an event or a request is in its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its code, in snake case. It stays the same when the text changes, and contains nothing of a person.
    pub code: Cow<'static, str>,
    /// Its text, which may contain Klaviyo's words and parts of a call.
    pub text: String,
}

impl Reason {
    /// A reason with this code and this text.
    pub fn new(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
        }
    }

    /// The same code with another text.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        Self::new(self.code.clone(), text)
    }

    /// The code as the label of a metric: of Klaviyo's answers only the status counts, so that the number of labels is
    /// bounded.
    pub fn label(&self) -> &str {
        match self.code.strip_prefix(KLAVIYO) {
            Some(rest) if rest.starts_with("400") => "klaviyo_400",
            Some(rest) if rest.starts_with("404") => "klaviyo_404",
            Some(rest) if rest.starts_with("409") => "klaviyo_409",
            Some(rest) if rest.starts_with('4') => "klaviyo_4xx",
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => "klaviyo_other",
            Some(_) | None => &self.code,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The beginning of the codes of Klaviyo's answers; the HTTP status follows.
pub const KLAVIYO: &str = "klaviyo_";

/// A reason's code, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonCode {
    /// The code, in snake case. It stays the same when the reason's text changes.
    pub code: &'static str,
    /// What it stands for, in one sentence.
    pub about: &'static str,
}

/// Declares an enum of reasons. Each variant has its meaning as a doc comment of one line, its text as in `thiserror`,
/// and its code.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident {
        $(
            #[doc = $about:literal]
            #[error($($text:tt)+)]
            $variant:ident $(($($tuple:tt)+))? $({ $($fields:tt)+ })? = $code:literal;
        )+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum $name {
            $(
                #[doc = $about]
                #[error($($text)+)]
                $variant $(($($tuple)+))? $({ $($fields)+ })?,
            )+
        }

        impl $name {
            /// The code of every variant, and what it stands for.
            pub const CODES: &'static [$crate::model::ReasonCode] = &[
                $($crate::model::ReasonCode { code: $code, about: $about.trim_ascii() }),+
            ];

            /// The reason's code, in snake case. It stays the same when the text changes.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code),+ }
            }
        }

        impl From<&$name> for $crate::model::Reason {
            fn from(reason: &$name) -> Self {
                Self::new(reason.code(), reason.to_string())
            }
        }
    };
}

pub(crate) use reasons;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_klaviyo_answers_the_labels_of_its_answers_are_five() {
        let labels = (100..1000).flat_map(|status| {
            ["", "_invalid_email", "_other"]
                .map(|rest| Reason::new(format!("{KLAVIYO}{status}{rest}"), "").label().to_owned())
        });
        let labels: std::collections::BTreeSet<String> = labels.collect();
        assert_eq!(labels.len(), 5, "{labels:?}");
        assert_eq!(Reason::new("no_email", "").label(), "no_email");
    }
}
