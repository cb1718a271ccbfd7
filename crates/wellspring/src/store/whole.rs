//! A key as a whole, for copies: its entry and its past, of one life, while others go on writing.

use std::collections::VecDeque;

use async_trait::async_trait;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::row::unconfirmed;
use super::{Entry, Latest, Revision, Store, StoreError};

/// How often the past is looked at again that does not lead up to the latest: the key was written or evicted in between.
const TRIES: u32 = 5;

/// What can be copied: a store, or the file of one that nobody uses.
#[async_trait]
pub trait Holdings: Send + Sync {
    /// As [`Store::keys`].
    async fn keys(&self) -> Result<Vec<Key>, StoreError>;
    /// As [`Store::get`].
    async fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError>;
    /// As [`Store::revisions`].
    async fn lines(&self, key: &Key) -> Result<Vec<Revision>, StoreError>;
    /// As [`Store::revision`].
    async fn one(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Holdings for S {
    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        Store::keys(self).await
    }

    async fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.get(key).await
    }

    async fn lines(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        self.revisions(key).await
    }

    async fn one(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        self.revision(key, revision).await
    }
}

/// A key as it stood at one moment. Its past is named and read one by one: what a copy holds in memory does not grow with it.
#[derive(Debug)]
pub struct Whole {
    /// The latest, with what belongs to it.
    pub entry: Entry,
    /// The revisions before the latest that are still to be read, oldest first.
    past: VecDeque<Revision>,
}

/// A key as it stands now; none where nothing is stored of it.
///
/// # Errors
/// Where the store cannot be read now.
pub async fn whole<S: Holdings + ?Sized>(store: &S, key: &Key) -> Result<Option<Whole>, StoreError> {
    let mut tries = TRIES;
    loop {
        let Some(entry) = store.entry(key).await? else { return Ok(None) };
        let Some(latest) = &entry.latest else { return Ok(Some(Whole { entry, past: VecDeque::new() })) };
        let lines = store.lines(key).await?;
        let (revision, digest) = (latest.snapshot.revision, latest.snapshot.digest);
        // A key that was evicted and begun anew has another past than the entry that was read before.
        let leads_here = lines.iter().any(|line| line.revision == revision && line.digest == digest);
        tries -= 1;
        if leads_here || tries == 0 {
            let past = lines.into_iter().filter(|line| leads_here && line.revision < revision).rev().collect();
            return Ok(Some(Whole { entry, past }));
        }
    }
}

impl Whole {
    /// How many revisions of its past are named.
    pub fn past(&self) -> usize {
        self.past.len()
    }

    /// Puts the newest of its past that `suits` in the place of the latest, and none where none does. When it was confirmed is not
    /// known then: it is stale at once.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn step_back<S: Holdings + ?Sized>(
        &mut self,
        store: &S,
        mut suits: impl FnMut(&Snapshot) -> bool + Send,
    ) -> Result<(), StoreError> {
        let fence = self.entry.latest.take().map_or(0, |latest| latest.fence);
        while let Some(line) = self.past.pop_back() {
            let found = store.one(&self.entry.key, line.revision).await?;
            if let Some(snapshot) = found.filter(|snapshot| snapshot.digest == line.digest && suits(snapshot)) {
                let renewal = unconfirmed(&snapshot);
                self.entry.latest = Some(Latest { snapshot, renewal, fence });
                break;
            }
        }
        Ok(())
    }

    /// The next revision of its past, oldest first; none after the last. What was pruned meanwhile is left out.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn next_past<S: Holdings + ?Sized>(&mut self, store: &S) -> Result<Option<Snapshot>, StoreError> {
        while let Some(line) = self.past.pop_front() {
            let found = store.one(&self.entry.key, line.revision).await?;
            if let Some(snapshot) = found.filter(|snapshot| snapshot.digest == line.digest) {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }
}
