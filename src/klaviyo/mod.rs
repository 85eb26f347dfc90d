//! The remote's vocabulary.
