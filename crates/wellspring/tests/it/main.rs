//! Everything from outside: one binary, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admission;
mod answers;
mod bad_input;
mod browser;
mod browser_proxy;
mod caching;
mod captured;
mod coded;
mod command_line;
mod details;
mod edges_engine;
mod edges_http;
mod fetch;
mod history;
mod hosts;
mod keys;
mod manners;
mod openapi;
mod processes;
mod query;
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
