//! The pages, as a browser gets them.

mod blocked;
mod dead;
mod sandbox;
mod shelf;
