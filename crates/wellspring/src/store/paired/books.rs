//! What a pair keeps in mind: who has a lease of which store, what waits, and which keys the shared store cannot be used for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use wellspring_core::key::Key;
use wellspring_core::moment::Mono;

use super::verdict::Base;
use crate::store::Lease;

/// How many keys are remembered that the shared store cannot be used for, and how many of them are named.
const UNFIT: usize = 1_024;
const NAMED: usize = 3;
/// How soon a key is told again that waits still, or again. Where it was told in vain that is doubled each time, up to the longest.
pub(super) const AGAIN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(5);
/// A key that had nothing to tell for so long is told at once.
const QUIET: Duration = Duration::from_secs(30);

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
    /// Keys that are here, and in the shared store at the last look were not among all; those of them that are to be looked for by name.
    missed: HashSet<Key>,
    pub(super) sought: Vec<Key>,
    /// The shared store was found without its mark, which it is given when it was told all that waits.
    pub(super) unmarked: bool,
    /// How often a key was told of late, and when it may be told again.
    paces: HashMap<Key, (u32, Mono)>,
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

    /// These were not among all that is shared. Each is to be looked for by name, once; true where one is.
    pub(super) fn misses<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) -> bool {
        let missed: HashSet<Key> = keys.cloned().collect();
        self.sought = missed.difference(&self.missed).cloned().chain(self.sought.drain(..).filter(|key| missed.contains(key))).collect();
        self.missed = missed;
        !self.sought.is_empty()
    }

    /// Looking failed: all are looked for again that are missed at the next look.
    pub(super) fn seeks_anew(&mut self) {
        self.missed.clear();
        self.sought.clear();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.unmarked
    }

    pub(super) fn is_to_be_marked(&self) -> bool {
        self.unmarked && self.waiting.is_empty()
    }

    /// The keys that wait and may be told now; they are not before a pause, which grows each time.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Key> {
        let Self { waiting, paces, .. } = self;
        paces.retain(|_, (_, next)| now < next.after(QUIET));
        let may = |key: &&Key| paces.get(*key).is_none_or(|(_, next)| *next <= now);
        let due: Vec<Key> = waiting.keys().filter(may).cloned().collect();
        for key in &due {
            // One that somebody refreshes right now was not told.
            paces.entry(key.clone()).or_insert((0, now)).1 = now.after(AGAIN);
        }
        due
    }

    /// A key was told, or cannot be: where it waits again before long, it was in vain.
    pub(super) fn told(&mut self, key: &Key, now: Mono) {
        let (times, next) = self.paces.entry(key.clone()).or_insert((0, now));
        *next = now.after((AGAIN * 2_u32.pow((*times).min(8))).min(SELDOM));
        *times += 1;
    }

    /// All may be told at once.
    pub(super) fn rest(&mut self) {
        self.paces.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_told_in_vain_is_told_more_and_more_seldom() {
        let key = Key::parse("a").unwrap();
        let mut books = Books::default();
        let at = |millis: i64| Mono::from_nanos(millis * 1_000_000);
        // It is told and waits again each time, for ten minutes.
        let told = (0..60_000).filter(|tick| {
            books.waiting.insert(key.clone(), None);
            let is_due = !books.due(at(tick * 10)).is_empty();
            if is_due {
                books.told(&key, at(tick * 10));
            }
            books.waiting.clear();
            is_due
        });
        let told: Vec<i64> = told.collect();
        assert_eq!(told[..4], [0, 20, 60, 140]);
        assert!((100..150).contains(&told.len()), "{}", told.len());
        books.waiting.insert(key.clone(), None);
        assert!(books.due(at(600_010)).is_empty());
        books.rest();
        assert_eq!(books.due(at(600_010)), [key]);
    }
}
