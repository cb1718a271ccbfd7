//! The keys of one source: readers take no lock however many there are, and one more costs what it cost with few.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

/// Of this many places all but one may be taken; beyond that, a search would pass by too many.
const FREE_OF: usize = 8;
/// Every hash has this bit, so that none is zero.
const TAKEN: u64 = 1 << 63;

/// What is found by a name.
pub trait Named {
    /// The name, which never changes.
    fn name(&self) -> &str;
}

/// A set of named things, each in the first place that was free from where the hash of its name points to: of many keys nearly every
/// one is found cold by the processor, and so there is nothing between the place and what it holds. A writer changes one place at a
/// time and, where too many are taken, replaces all of them.
pub struct Keys<T> {
    places: ArcSwap<Places<T>>,
    /// Seeded: clients choose the names.
    hasher: RandomState,
    /// Held by whoever changes what is held.
    count: Mutex<Count>,
}

/// A power of two of them.
type Places<T> = Vec<Place<T>>;

/// Where one may stand.
struct Place<T> {
    /// Of the name of what stands here, so that others are passed over without a look at them. It stays when that goes, for a
    /// search ends where there is none.
    hash: AtomicU64,
    one: ArcSwapOption<T>,
}

/// What stood in a place, kept from being freed.
type Lent<T> = Guard<Option<Arc<T>>>;

#[derive(Clone, Copy, Debug)]
struct Count {
    held: usize,
    /// With those whose hash alone is left.
    taken: usize,
}

/// The right to change what is held.
pub struct Change<'a, T> {
    keys: &'a Keys<T>,
    count: MutexGuard<'a, Count>,
}

impl<T: Named> Keys<T> {
    /// These; no two have one name.
    pub fn new(all: Vec<Arc<T>>) -> Self {
        let hasher = RandomState::new();
        let held = all.len();
        let places = arranged(held, all.into_iter().map(|one| (hash(&hasher, one.name()), one)));
        Self { places: ArcSwap::from_pointee(places), hasher, count: Mutex::new(Count { held, taken: held }) }
    }

    /// The one of this name. Takes no lock.
    pub fn find(&self, name: &str) -> Option<Arc<T>> {
        self.lend(name, Arc::clone)
    }

    /// What `look` makes of the one of this name, without counting that somebody has it. Takes no lock.
    pub fn lend<R>(&self, name: &str, look: impl FnOnce(&Arc<T>) -> R) -> Option<R> {
        let places = self.places.load();
        let (_, found) = search(&places, hash(&self.hasher, name), name)?;
        found.as_ref().map(look)
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.places.load().iter().filter_map(|place| place.one.load_full()).collect()
    }

    /// Waits for the right to change what is held.
    pub fn change(&self) -> Change<'_, T> {
        Change { keys: self, count: self.count.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<T: Named> Change<'_, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.held
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one whose name no other has.
    pub fn add(&mut self, one: Arc<T>) {
        let hash = hash(&self.keys.hasher, one.name());
        let places = self.keys.places.load();
        let free = free(&places, hash);
        let is_new = free.is_none_or(|place| place.hash.load(Ordering::Relaxed) == 0);
        if let Some(place) = free.filter(|_| !is_new || self.count.taken < most(places.len())) {
            place.put(hash, one);
            self.count.taken += usize::from(is_new);
        } else {
            let others = places.iter().filter_map(|place| Some((place.hash.load(Ordering::Relaxed), place.one.load_full()?)));
            let more = arranged(self.count.held + 1, others.chain([(hash, one)]));
            self.count.taken = self.count.held + 1;
            self.keys.places.store(Arc::new(more));
        }
        self.count.held += 1;
    }

    /// Removes the one of this name, where there is one.
    pub fn remove(&mut self, name: &str) {
        let places = self.keys.places.load();
        if let Some((place, _)) = search(&places, hash(&self.keys.hasher, name), name) {
            self.count.held -= 1;
            place.one.store(None);
        }
    }
}

impl<T> Place<T> {
    /// Whoever comes by before the hash has changed goes on, or finds that the name is not the one that is looked for.
    fn put(&self, hash: u64, one: Arc<T>) {
        self.one.store(Some(one));
        self.hash.store(hash, Ordering::Release);
    }
}

impl<T> fmt::Debug for Keys<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("count", &self.count).finish_non_exhaustive()
    }
}

fn hash(hasher: &RandomState, name: &str) -> u64 {
    hasher.hash_one(name) | TAKEN
}

/// The place of this name, and what stands there.
fn search<'a, T: Named>(places: &'a Places<T>, hash: u64, name: &str) -> Option<(&'a Place<T>, Lent<T>)> {
    for place in from(places, hash) {
        let other = place.hash.load(Ordering::Acquire);
        if other == hash {
            let one = place.one.load();
            if one.as_ref().is_some_and(|one| one.name() == name) {
                return Some((place, one));
            }
        } else if other == 0 {
            break;
        }
    }
    None
}

/// Every place, from the one that a hash points to.
fn from<T>(places: &Places<T>, hash: u64) -> impl Iterator<Item = &Place<T>> {
    let first = usize::try_from(hash & (places.len() as u64 - 1)).unwrap_or(0);
    let (before, from) = places.split_at(first);
    from.iter().chain(before)
}

/// The first place from there where nothing stands.
fn free<T>(places: &Places<T>, hash: u64) -> Option<&Place<T>> {
    from(places, hash).find(|place| place.one.load().is_none())
}

/// How many of so many places may be taken: there is always one that ends a search.
fn most(places: usize) -> usize {
    places - places.div_ceil(FREE_OF)
}

/// So many in places of their own, at most three quarters of which they take.
fn arranged<T>(held: usize, all: impl Iterator<Item = (u64, Arc<T>)>) -> Places<T> {
    let count = (held + held / 3 + 1).next_power_of_two();
    let places: Places<T> = (0..count).map(|_| Place { hash: AtomicU64::new(0), one: ArcSwapOption::empty() }).collect();
    for (hash, one) in all {
        if let Some(place) = free(&places, hash) {
            place.put(hash, one);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl Named for String {
        fn name(&self) -> &str {
            self
        }
    }

    fn names(keys: &Keys<String>) -> BTreeSet<String> {
        keys.all().iter().map(|one| String::clone(one)).collect()
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_was_added_and_not_removed(
            first in proptest::collection::btree_set(0_u8..60, 0..40),
            changes in proptest::collection::vec((any::<bool>(), 0_u8..120), 0..200),
        ) {
            let mut model: BTreeSet<String> = first.iter().map(u8::to_string).collect();
            let keys = Keys::new(model.iter().cloned().map(Arc::new).collect());
            for (adds, name) in changes {
                let name = name.to_string();
                let mut change = keys.change();
                if !adds {
                    change.remove(&name);
                    model.remove(&name);
                } else if model.insert(name.clone()) {
                    change.add(Arc::new(name));
                }
                prop_assert_eq!(change.len(), model.len());
            }
            prop_assert_eq!(names(&keys), model.clone());
            for name in (0_u8..120).map(|n| n.to_string()) {
                prop_assert_eq!(keys.find(&name).map(|one| String::clone(&one)), model.get(&name).cloned());
            }
        }
    }

    #[test]
    fn coming_and_going_takes_no_more_places_and_every_search_ends() {
        let keys = Keys::new((0..100).map(|n| Arc::new(n.to_string())).collect());
        for n in 100..10_000 {
            let mut change = keys.change();
            change.remove(&(n - 100).to_string());
            change.add(Arc::new(n.to_string()));
            let places = keys.places.load();
            let never_taken = places.iter().filter(|place| place.hash.load(Ordering::Relaxed) == 0).count();
            assert!(places.len() <= 256 && never_taken > 0, "{never_taken} of {}", places.len());
        }
        assert_eq!(keys.all().len(), 100);
    }

    #[test]
    fn readers_find_what_was_there_before_while_the_rooms_multiply() {
        let keys = Keys::new((0..100).map(|n| Arc::new(n.to_string())).collect());
        let (added, read) = std::sync::mpsc::channel();
        let many = 20_000;
        let keys = Arc::new(keys);
        let seen = Arc::clone(&keys);
        let reader = crate::lifecycle::thread("reader", move || {
            for upto in read {
                // Whoever was told of a key finds it, and those from before are never lost from sight.
                for n in [0, 99, upto / 2, upto] {
                    assert!(seen.find(&n.to_string()).is_some(), "{n} of {upto}");
                }
            }
        });
        for n in 100..many {
            keys.change().add(Arc::new(n.to_string()));
            added.send(n).unwrap();
        }
        drop(added);
        reader.unwrap().join().unwrap();
        assert_eq!(keys.all().len(), many);
    }
}
