//! Decides. What a source is, when what it gave is fresh, and what a refresh may do next.
//!
//! Nothing here does IO, reads a clock, the environment or a random source: time, seeds and variables come in as
//! arguments, decisions go out as values. So nothing here can fail for a reason outside its arguments.

pub mod diagnostic;
pub mod failure;
pub mod freshness;
pub mod gate;
pub mod key;
pub mod moment;
pub mod period;
pub mod policy;
pub mod refresh;
pub mod robots;
pub mod rung;
pub mod snapshot;
pub mod source;
pub mod telling;
pub mod template;
