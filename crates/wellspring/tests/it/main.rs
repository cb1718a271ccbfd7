//! Everything from outside: one binary, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admission;
mod answers;
mod browser;
mod browser_proxy;
mod captured;
mod command_line;
mod details;
mod edges_engine;
mod edges_http;
mod fetch;
mod hosts;
mod manners;
mod openapi;
mod processes;
mod rendering;
mod robots;
mod serving;
mod shipped;
mod steps;
mod store_contract;
mod store_damage;
mod store_faults;
mod store_kit;
mod store_model;
mod support;
mod traps_engine;
mod traps_http;
mod urgency;
mod worker;
