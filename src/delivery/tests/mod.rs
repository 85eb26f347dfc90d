//! How answers are read from a connection.

mod wire;
