//! How reasons are declared: one table for each kind of reason, of which its text, its code and the list of all codes
//! are made.

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
            pub const CODES: &'static [ReasonCode] = &[
                $(ReasonCode { code: $code, about: $about.trim_ascii() }),+
            ];

            /// The reason's code, in snake case. It stays the same when the text changes.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code),+ }
            }
        }
    };
}

pub(super) use reasons;
