//! What has changed since when: one number for the whole engine, and on each cell the number of its last change. A listener
//! that was away compares numbers and reads the present; nothing is queued for it, so it cannot fall behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::watch;

use super::cell::Cell;

/// How many may listen at once: each keeps a connection and a few kilobytes.
const MOST: usize = 10_000;

/// Numbers the changes of all keys.
#[derive(Debug)]
pub(super) struct Changes {
    /// The number of the last change. All marks are set under its lock.
    last: watch::Sender<u64>,
    /// The number of the change that gave the catalog.
    catalog: AtomicU64,
    listeners: Arc<AtomicUsize>,
}

/// When a cell last changed.
#[derive(Debug, Default)]
pub struct Changed {
    revision: AtomicU64,
    state: AtomicU64,
}

/// Somebody who hears of changes, counted while it lives.
#[derive(Debug)]
pub struct Listener {
    last: watch::Receiver<u64>,
    listeners: Arc<AtomicUsize>,
}

impl Changed {
    /// The number of the change that gave it its revision.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// The number of the last change of any kind.
    pub fn state(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }

    fn mark(&self, number: u64, is_revision: bool) {
        self.state.store(number, Ordering::Relaxed);
        if is_revision {
            self.revision.store(number, Ordering::Relaxed);
        }
    }
}

impl Changes {
    pub(super) fn new() -> Self {
        Self { last: watch::Sender::new(0), catalog: AtomicU64::new(0), listeners: Arc::default() }
    }

    /// Numbers a change of a cell, after it was published.
    pub(super) fn announce(&self, cell: &Cell, is_revision: bool) {
        // Under the channel's lock: whoever reads number n finds the marks of all changes up to n.
        self.last.send_modify(|number| {
            *number += 1;
            cell.changed.mark(*number, is_revision);
        });
    }

    /// Numbers the exchange of the catalog, after it was published, with these new cells.
    pub(super) fn announce_catalog<'a>(&self, new: impl Iterator<Item = &'a Arc<Cell>>) {
        self.last.send_modify(|number| {
            *number += 1;
            self.catalog.store(*number, Ordering::Relaxed);
            new.for_each(|cell| cell.changed.mark(*number, true));
        });
    }

    pub(super) fn catalog(&self) -> u64 {
        self.catalog.load(Ordering::Relaxed)
    }

    pub(super) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// `None` while too many listen.
    pub(super) fn listen(&self) -> Option<Listener> {
        let room = |listeners: usize| (listeners < MOST).then_some(listeners + 1);
        self.listeners.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Listener { last: self.last.subscribe(), listeners: Arc::clone(&self.listeners) })
    }
}

impl Listener {
    /// The number of the last change.
    pub fn last(&mut self) -> u64 {
        *self.last.borrow_and_update()
    }

    /// One who hears of what a test says.
    #[cfg(test)]
    pub(crate) fn of(last: &watch::Sender<u64>) -> Self {
        Self { last: last.subscribe(), listeners: Arc::new(AtomicUsize::new(1)) }
    }

    /// Waits for one after that; false once there will be none.
    pub async fn more(&mut self) -> bool {
        self.last.changed().await.is_ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_counted_and_bounded() {
        let changes = Changes::new();
        let mut all: Vec<Listener> = (0..MOST).map(|_| changes.listen().unwrap()).collect();
        assert!(changes.listen().is_none());
        assert_eq!(changes.listeners(), MOST);
        all.truncate(1);
        assert_eq!(changes.listeners(), 1);
        assert!(changes.listen().is_some());
    }
}
