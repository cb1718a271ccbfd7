//! Who else writes to a store that is shared, and whether it can be reached.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A server that serves from a shared store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// What it is called: what people are shown.
    pub name: String,
    /// Which version of the program it runs.
    pub version: String,
    /// When it was started, by its own clock.
    pub since: Timestamp,
    /// How many keys it holds.
    pub keys: u64,
}

/// How a store stands to the one that it shares with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Since when that is out of reach, where it is.
    pub away_since: Option<Timestamp>,
    /// Keys that were refreshed alone and wait to be told to it.
    pub waiting: usize,
}
