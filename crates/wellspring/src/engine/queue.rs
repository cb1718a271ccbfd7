//! Due keys: each stands here once, at its earliest moment. A wake carries no data and may come for nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::Notify;
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;

use super::cell::Cell;
use super::sync::Mutex;

/// Timers of keys.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    /// Told when the earliest moment changed.
    earlier: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    sequence: u64,
    due: BTreeMap<(Mono, u64), (Key, Weak<Cell>)>,
    places: HashMap<Key, (Mono, u64)>,
}

impl Queue {
    /// An empty queue. `earlier` is told when the earliest moment changed.
    pub fn new(earlier: Arc<Notify>) -> Self {
        Self { inner: Mutex::default(), earlier }
    }

    /// Wakes a key at a moment, or earlier where it stands there already. A later generation of the key takes the place over.
    pub fn wake_at(&self, cell: &Arc<Cell>, at: Mono) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = at;
        if let Some(place) = inner.places.remove(&cell.key)
            && let Some((_, old)) = inner.due.remove(&place)
            && old.strong_count() > 0
        {
            at = at.min(place.0);
        }
        inner.sequence += 1;
        let place = (at, inner.sequence);
        inner.places.insert(cell.key.clone(), place);
        inner.due.insert(place, (cell.key.clone(), Arc::downgrade(cell)));
        let first = inner.due.first_key_value().is_some_and(|(p, _)| *p == place);
        drop(inner);
        if first {
            self.earlier.notify_one();
        }
    }

    /// Takes a cell that is no longer held out of its place, which may lie days ahead.
    pub fn forget(&self, cell: &Arc<Cell>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = inner.places.get(&cell.key).copied() else { return };
        if inner.due.get(&place).is_some_and(|(_, stands)| std::ptr::eq(stands.as_ptr(), Arc::as_ptr(cell))) {
            inner.places.remove(&cell.key);
            inner.due.remove(&place);
        }
    }

    /// True where a key has a moment to wait for.
    pub fn holds(&self, key: &Key) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).places.contains_key(key)
    }

    /// Takes the keys whose moment has come.
    pub fn take_due(&self, now: Mono) -> Vec<Arc<Cell>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        while let Some(entry) = inner.due.first_entry().filter(|e| e.key().0 <= now) {
            let (key, cell) = entry.remove();
            inner.places.remove(&key);
            due.extend(cell.upgrade());
        }
        due
    }

    /// The earliest moment.
    pub fn next(&self) -> Option<Mono> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).due.first_key_value().map(|((at, _), _)| *at)
    }
}
