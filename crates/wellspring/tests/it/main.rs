//! The parts together, as one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that meets the unexpected should stop there")]

mod store_contract;
mod store_damage;
mod store_faults;
mod store_kit;
mod store_model;
