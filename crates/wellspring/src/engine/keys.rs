//! The keys of one source: readers take no lock however many there are, and one more costs what it cost with few.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};

/// How many share a room on average, at most: what adding one copies.
const CROWD: usize = 8;

/// What is found by a name.
pub trait Named {
    /// The name, which never changes.
    fn name(&self) -> &str;
}

/// A set of named things, in rooms by the hash of their names. A writer replaces one room as a whole, and where the rooms have
/// become too few, all of them.
pub struct Keys<T> {
    rooms: ArcSwap<Rooms<T>>,
    /// Seeded: clients choose the names.
    hasher: RandomState,
    /// How many there are. Held by whoever changes them.
    held: Mutex<usize>,
}

/// A power of two of them.
type Rooms<T> = Vec<ArcSwapOption<Room<T>>>;

/// The hash stands beside each, so that others are passed over without a look at them.
type Room<T> = Vec<(u64, Arc<T>)>;

/// The right to change what is held.
pub struct Change<'a, T> {
    keys: &'a Keys<T>,
    held: MutexGuard<'a, usize>,
}

impl<T: Named> Keys<T> {
    /// These; no two have one name.
    pub fn new(all: Vec<Arc<T>>) -> Self {
        let hasher = RandomState::new();
        let held = all.len();
        let hashed = all.into_iter().map(|one| (hasher.hash_one(one.name()), one));
        let rooms = arranged(held.div_ceil(CROWD).next_power_of_two(), hashed);
        Self { rooms: ArcSwap::from_pointee(rooms), hasher, held: Mutex::new(held) }
    }

    /// The one of this name. Takes no lock.
    pub fn find(&self, name: &str) -> Option<Arc<T>> {
        let hash = self.hasher.hash_one(name);
        let rooms = self.rooms.load();
        let room = rooms[place(hash, rooms.len())].load();
        room.as_ref()?.iter().find(|(other, one)| *other == hash && one.name() == name).map(|(_, one)| Arc::clone(one))
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<T>> {
        let rooms = self.rooms.load();
        rooms
            .iter()
            .flat_map(|room| room.load().iter().flat_map(|room| room.iter().map(|(_, one)| Arc::clone(one))).collect::<Vec<_>>())
            .collect()
    }

    /// Waits for the right to change what is held.
    pub fn change(&self) -> Change<'_, T> {
        Change { keys: self, held: self.held.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<T: Named> Change<'_, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        *self.held
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one whose name no other has.
    pub fn add(&mut self, one: Arc<T>) {
        let hash = self.keys.hasher.hash_one(one.name());
        *self.held += 1;
        let rooms = self.keys.rooms.load();
        if *self.held > rooms.len() * CROWD {
            let others = rooms.iter().flat_map(|room| room.load().iter().flat_map(|room| room.iter().cloned()).collect::<Vec<_>>());
            let more = arranged(rooms.len() * 2, others.chain([(hash, one)]));
            self.keys.rooms.store(Arc::new(more));
            return;
        }
        let room = &rooms[place(hash, rooms.len())];
        let mut more = room.load().as_ref().map_or_else(Vec::new, |room| with_room_for_one(room));
        more.push((hash, one));
        room.store(Some(Arc::new(more)));
    }

    /// Removes the one of this name, where there is one.
    pub fn remove(&mut self, name: &str) {
        let hash = self.keys.hasher.hash_one(name);
        let rooms = self.keys.rooms.load();
        let room = &rooms[place(hash, rooms.len())];
        let Some(before) = room.load_full() else { return };
        let left: Room<T> = before.iter().filter(|(_, one)| one.name() != name).cloned().collect();
        if left.len() < before.len() {
            *self.held -= 1;
            room.store((!left.is_empty()).then(|| Arc::new(left)));
        }
    }
}

impl<T> fmt::Debug for Keys<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("held", &self.held).finish_non_exhaustive()
    }
}

fn with_room_for_one<T>(room: &Room<T>) -> Room<T> {
    let mut more = Vec::with_capacity(room.len() + 1);
    more.extend_from_slice(room);
    more
}

fn arranged<T>(count: usize, all: impl Iterator<Item = (u64, Arc<T>)>) -> Rooms<T> {
    let mut rooms: Vec<Room<T>> = (0..count).map(|_| Vec::new()).collect();
    for (hash, one) in all {
        rooms[place(hash, count)].push((hash, one));
    }
    let settled = |mut room: Room<T>| {
        room.shrink_to_fit();
        ArcSwapOption::from((!room.is_empty()).then(|| Arc::new(room)))
    };
    rooms.into_iter().map(settled).collect()
}

/// `count` is a power of two.
fn place(hash: u64, count: usize) -> usize {
    usize::try_from(hash & (count as u64 - 1)).unwrap_or(0)
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
