//! Does. The server, the command line and the only IO: see ARCHITECTURE.md for where a line lives.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod fetch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod lifecycle;
pub mod notify;
pub mod store;
