//! What a store of one process holds in memory: the latest of every key, leases, slots, and who watches. SQLite keeps it
//! durable, memory does not; the rules are here, once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use tokio::sync::broadcast;
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use super::lease::{Leases, Slots};
use super::{Admission, Change, Entry, Head, Latest, Lease, Slot, StoreError};

/// Hints that a slow watcher may fall behind before it is told that it missed some.
const HINTS: usize = 1_024;

#[derive(Debug)]
pub(super) struct Local {
    entries: BTreeMap<Key, Entry>,
    notes: BTreeMap<String, String>,
    leases: Leases,
    slots: Slots,
    changes: broadcast::Sender<Change>,
}

/// What became of an entry of another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adopted {
    /// It is a new revision.
    Rises,
    /// The revision is the one that was here.
    Renews,
    /// It was written before what is here, which stays.
    Older,
    /// Its revision does not follow the one that is here, which stays for now.
    FollowsNot,
}

impl Local {
    pub(super) fn new(entries: impl IntoIterator<Item = Entry>, notes: BTreeMap<String, String>) -> Self {
        let entries: BTreeMap<Key, Entry> = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let mut leases = Leases::default();
        entries.values().filter_map(|entry| entry.latest.as_ref()).for_each(|latest| leases.rise_above(latest.fence));
        Self { entries, notes, leases, slots: Slots::default(), changes: broadcast::Sender::new(HINTS) }
    }

    pub(super) fn list(&self) -> Vec<Entry> {
        self.entries.values().cloned().collect()
    }

    pub(super) fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) {
        self.entries.values().for_each(show);
    }

    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).cloned()
    }

    pub(super) fn notes(&self) -> Vec<(String, String)> {
        self.notes.iter().map(|(name, text)| (name.clone(), text.clone())).collect()
    }

    pub(super) fn note(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => drop(self.notes.insert(name.to_owned(), text.to_owned())),
            None => drop(self.notes.remove(name)),
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.keys().cloned().collect()
    }

    /// Like every change below, returns what is now to be stored.
    pub(super) fn put(&mut self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<Entry, StoreError> {
        self.leases.check(lease)?;
        let key = &lease.key;
        let stored = self.entries.get(key).and_then(|entry| entry.latest.as_ref()).map_or(0, |latest| latest.snapshot.revision);
        if snapshot.revision <= stored || snapshot.key != *key {
            return Err(StoreError::Outdated { key: key.clone(), offered: snapshot.revision, stored });
        }
        let latest = Latest { snapshot: snapshot.clone(), renewal: renewal.clone(), fence: lease.fence };
        let entry = Entry { key: key.clone(), latest: Some(latest), attempts: attempts.clone() };
        self.entries.insert(key.clone(), entry.clone());
        self.hint(Change::Revision(key.clone(), snapshot.revision));
        Ok(entry)
    }

    pub(super) fn touch(&mut self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<Entry, StoreError> {
        self.leases.check(lease)?;
        let key = &lease.key;
        let outdated = StoreError::Outdated { key: key.clone(), offered: 0, stored: 0 };
        let entry = self.entries.get_mut(key).ok_or_else(|| outdated.clone())?;
        let latest = entry.latest.as_mut().ok_or(outdated)?;
        latest.renewal = renewal.clone();
        latest.fence = lease.fence;
        entry.attempts = attempts.clone();
        let entry = entry.clone();
        self.hint(Change::Touched(key.clone()));
        Ok(entry)
    }

    pub(super) fn record(&mut self, key: &Key, attempts: &Attempts) -> Entry {
        let empty = || Entry { key: key.clone(), latest: None, attempts: Attempts::default() };
        let entry = self.entries.entry(key.clone()).or_insert_with(empty);
        entry.attempts = attempts.clone();
        let entry = entry.clone();
        self.hint(Change::Recorded(key.clone()));
        entry
    }

    pub(super) fn evict(&mut self, key: &Key) {
        self.entries.remove(key);
        self.void(key);
    }

    pub(super) fn restore(&mut self, entry: &Entry) -> Entry {
        self.void(&entry.key);
        let mut entry = entry.clone();
        let before = self.entries.get(&entry.key).and_then(|before| before.latest.as_ref()).map_or(0, |latest| latest.fence);
        if let Some(latest) = &mut entry.latest {
            latest.fence = latest.fence.max(before);
            self.leases.rise_above(latest.fence);
        }
        self.entries.insert(entry.key.clone(), entry.clone());
        if let Some(latest) = &entry.latest {
            self.hint(Change::Revision(entry.key.clone(), latest.snapshot.revision));
        }
        entry
    }

    /// Takes over another store's latest, unless what is here was written under a later lease.
    pub(super) fn adopt(&mut self, entry: &Entry) -> Adopted {
        let before = self.entries.get(&entry.key).and_then(|entry| entry.latest.as_ref());
        let after = entry.latest.as_ref();
        let adopted = match (before, after) {
            // One of no fence that counts is what others go on from all the same.
            (Some(before), Some(after)) if before.fence > after.fence && after.fence > 0 => return Adopted::Older,
            (Some(before), Some(after)) if before.snapshot.revision < after.snapshot.revision => Adopted::Rises,
            (Some(before), Some(after))
                if before.snapshot.digest == after.snapshot.digest && before.snapshot.revision == after.snapshot.revision =>
            {
                Adopted::Renews
            }
            (Some(_), _) => return Adopted::FollowsNot,
            (None, Some(_)) => Adopted::Rises,
            (None, None) => Adopted::Renews,
        };
        self.void(&entry.key);
        if let Some(latest) = &entry.latest {
            self.leases.rise_above(latest.fence);
        }
        self.entries.insert(entry.key.clone(), entry.clone());
        adopted
    }

    pub(super) fn acquire(&mut self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Option<Lease> {
        let version = self.entries.get(key).map_or(0, version);
        let lease = self.leases.acquire(key, (seen, version), ttl, now)?;
        self.hint(Change::Started(key.clone()));
        Some(lease)
    }

    pub(super) fn extend(&mut self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.leases.extend(lease, ttl, now)
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        if self.leases.release(lease) {
            self.hint(Change::Ended(lease.key.clone()));
        }
    }

    pub(super) fn heads(&self, now: Mono) -> Vec<Head> {
        let head = |entry: &Entry| Head {
            key: entry.key.clone(),
            version: version(entry),
            latest: entry.latest.as_ref().map(|latest| (latest.fence, latest.renewal.checked_at)),
            refreshing: self.leases.holds(&entry.key, now),
        };
        self.entries.values().map(head).collect()
    }

    pub(super) fn slot(&mut self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Admission {
        self.slots.take(host, at_once, gap, ttl, now)
    }

    pub(super) fn stay(&mut self, slot: &Slot, ttl: Duration, now: Moment) {
        self.slots.stay(slot, ttl, now);
    }

    pub(super) fn leave(&mut self, slot: &Slot) {
        self.slots.leave(slot);
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn void(&mut self, key: &Key) {
        if self.leases.void(key) {
            self.hint(Change::Ended(key.clone()));
        }
    }

    fn hint(&self, change: Change) {
        // It fails only while nobody watches.
        let _ = self.changes.send(change);
    }
}

/// Made of what is stored, so that nothing need be kept for it.
fn version(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(latest) = &entry.latest {
        (latest.fence, latest.snapshot.revision, latest.renewal.checked_at).hash(&mut hasher);
    }
    // Those of most keys are empty.
    if entry.attempts != Attempts::default() {
        // It has string keys and finite numbers only: encoding it cannot fail.
        serde_json::to_vec(&entry.attempts).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}

/// The history that results from a restore, newest first: what was given and the latest, each revision once, none above the
/// latest.
pub(super) fn restored_history(entry: &Entry, history: &[Snapshot]) -> Vec<Snapshot> {
    let Some(latest) = &entry.latest else { return Vec::new() };
    let latest = &latest.snapshot;
    let older = history.iter().filter(|snapshot| snapshot.key == entry.key && snapshot.revision < latest.revision);
    let mut all: Vec<Snapshot> = older.chain([latest]).cloned().collect();
    all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.revision));
    all.dedup_by_key(|snapshot| snapshot.revision);
    all
}
