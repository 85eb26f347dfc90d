//! What only the program as a whole can show.

mod mapping;
