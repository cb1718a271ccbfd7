//! Does. The server, the command line and the only IO: see ARCHITECTURE.md for where a line lives.

pub mod clock;
pub mod config;
pub mod fetch;
pub mod lifecycle;
pub mod store;
