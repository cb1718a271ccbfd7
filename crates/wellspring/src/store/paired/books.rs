//! What a pair keeps in mind: who has a lease of which store, what waits, and which keys the shared store cannot be used for.

use std::collections::{BTreeMap, HashMap};

use wellspring_core::key::Key;
use wellspring_core::moment::Mono;

use super::verdict::Base;
use crate::store::Lease;

/// How many keys are remembered that the shared store cannot be used for, and how many of them are named.
const UNFIT: usize = 1_024;
const NAMED: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Books {
    /// Leases that were given out, by their owner.
    pub(super) leases: HashMap<u128, Held>,
    /// At which version what is shared of a key was what is here.
    pub(super) versions: HashMap<Key, u64>,
    /// Keys that were refreshed alone and are to be told; with what was shared before, where that is known.
    pub(super) waiting: BTreeMap<Key, Option<Base>>,
    /// Leases of the shared store that could not be given back.
    pub(super) unreleased: Vec<Lease>,
    /// Keys of which the shared store holds what is of no use to this version, and why.
    unfit: BTreeMap<Key, String>,
    pub(super) closed: bool,
}

/// A lease is used in the world where it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) world: World,
    pub(super) ends: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum World {
    Shared,
    Local,
}

impl Books {
    /// True where both hold the same of a key, at this version.
    pub(super) fn knows(&self, key: &Key, version: u64) -> bool {
        !self.waiting.contains_key(key) && self.versions.get(key) == Some(&version)
    }

    /// The shared store cannot be used for a key; true where that is news.
    pub(super) fn is_unfit(&mut self, key: &Key, why: &str) -> bool {
        let has_room = self.unfit.len() < UNFIT || self.unfit.contains_key(key);
        has_room && self.unfit.insert(key.clone(), why.to_owned()).is_none()
    }

    /// It can.
    pub(super) fn is_fit(&mut self, key: &Key) -> bool {
        self.unfit.remove(key).is_some()
    }

    /// The keys that it cannot be used for, where there are any.
    pub(super) fn tell_unfit(&self) -> Option<String> {
        let named: Vec<String> = self.unfit.iter().take(NAMED).map(|(key, why)| format!("`{key}` ({why})")).collect();
        let more = self.unfit.len().saturating_sub(NAMED);
        let and = if more == 0 { String::new() } else { format!(" and {more} more") };
        (!named.is_empty()).then(|| format!("refreshed without the others, for what is shared cannot be used: {}{and}", named.join(", ")))
    }
}
