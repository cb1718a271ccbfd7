//! Everything in memory, gone with the process: for tests and for those who want no file.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use super::local::{Adopted, Local, restored_history};
use super::{Admission, Change, Entry, Head, Health, Lease, Retention, Revision, Slot, Store, StoreError};

/// A store without a file.
#[derive(Debug)]
pub struct MemoryStore {
    retention: Retention,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    local: Local,
    /// Newest first.
    history: HashMap<Key, Vec<Snapshot>>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new(retention: Retention) -> Self {
        Self { retention, state: Mutex::new(State { local: Local::new([], BTreeMap::new()), history: HashMap::new() }) }
    }

    /// Never held across an await. No change below can panic half-way, so a poisoned state is a whole one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prune(&self, history: &mut Vec<Snapshot>) {
        history.truncate(self.retention.kept(history.iter().map(size)));
    }
}

fn size(snapshot: &Snapshot) -> u64 {
    snapshot.items.json().len() as u64
}

#[async_trait]
impl Store for MemoryStore {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.state().local.list())
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        self.state().local.each(show);
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.state().local.get(key))
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let mut state = self.state();
        state.local.put(lease, snapshot, renewal, attempts)?;
        let history = state.history.entry(lease.key.clone()).or_default();
        history.insert(0, snapshot.clone());
        self.prune(history);
        Ok(())
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        self.state().local.touch(lease, renewal, attempts).map(drop)
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        self.state().local.record(key, attempts);
        Ok(())
    }

    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError> {
        Ok(self.state().local.heads(now.mono))
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        let state = self.state();
        let history = state.history.get(key).map_or(&[][..], Vec::as_slice);
        Ok(history.iter().map(Revision::of).collect())
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        let state = self.state();
        let history = state.history.get(key).map_or(&[][..], Vec::as_slice);
        Ok(history.iter().find(|snapshot| snapshot.revision == revision).cloned())
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        let state = self.state();
        let history = state.history.get(key).map_or(&[][..], Vec::as_slice);
        Ok(history.iter().find(|snapshot| snapshot.made_at <= at).cloned())
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        let mut state = self.state();
        state.local.evict(key);
        state.history.remove(key);
        Ok(())
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        Ok(self.state().local.acquire(key, seen, ttl, now))
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.state().local.extend(lease, ttl, now)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.state().local.release(lease);
        Ok(())
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError> {
        Ok(self.state().local.slot(host, at_once, gap, ttl, now))
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.state().local.stay(slot, ttl, now);
        Ok(())
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        self.state().local.leave(slot);
        Ok(())
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(self.state().local.notes())
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.state().local.note(name, text);
        Ok(())
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.state().local.watch()
    }

    fn health(&self) -> Health {
        Health::Ok
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        let mut history = restored_history(entry, history);
        self.prune(&mut history);
        let mut state = self.state();
        drop(state.local.restore(entry));
        state.history.insert(entry.key.clone(), history);
        Ok(())
    }

    async fn adopt(&self, entry: &Entry) -> Result<(), StoreError> {
        {
            let mut state = self.state();
            match (state.local.adopt(entry), &entry.latest) {
                (Adopted::FollowsNot, _) => {}
                (Adopted::Rises, Some(latest)) => {
                    let history = state.history.entry(entry.key.clone()).or_default();
                    history.insert(0, latest.snapshot.clone());
                    self.prune(history);
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        super::copy::adopt(self, entry).await
    }

    async fn close(&self) {}
}
