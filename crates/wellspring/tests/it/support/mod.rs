//! What the whole suite stands on. Each part is used by some tests and not by others.
#![allow(dead_code, reason = "shared by every test of the suite, used in full by none")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

pub mod app;
pub mod client;
pub mod clock;
pub mod disk;
pub mod faults;
pub mod origin;
pub mod program;
pub mod redis;
pub mod tix;
