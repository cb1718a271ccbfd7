//! Everything from outside: one binary, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod fetch;
mod support;
