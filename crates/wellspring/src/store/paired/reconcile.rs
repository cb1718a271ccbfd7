//! What was refreshed on two sides becomes one again: key by key, under a lease, the newer one above both.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wellspring_core::key::Key;
use wellspring_core::moment::Moment;

use super::circuit::PATIENCE;
use super::{Pair, Verdict, judge};
use crate::store::{Change, Entry, Head, Health, Latest, Lease, StoreError, copy};

/// How long one key may take.
const LEASE: Duration = Duration::from_secs(10);
/// Keys on their way at once.
const ABREAST: usize = 32;
/// A note in the shared store: one that does not have it was emptied.
const FILLED: &str = "paired";

impl Pair {
    /// Finds out whether the shared store is there, and what it and ours do not both hold; how many keys it was told.
    pub(super) async fn come_back(&self) -> Result<usize, StoreError> {
        let is_marked = !self.is_emptied().await?;
        // One that answers and takes no writes (a read-only replica, no memory left) would be back and away again with each refresh.
        if let Health::Degraded(why) = self.shared.health() {
            return Err(StoreError::Unavailable(why));
        }
        let now = self.clock.now();
        let ours = self.local.heads(now).await?;
        let heads = self.reach(self.heads_patience(), self.shared.heads(now)).await?;
        self.note_heads(&heads, &ours).await?;
        self.books().unmarked |= !is_marked;
        let unreleased = std::mem::take(&mut self.books().unreleased);
        for lease in unreleased {
            // Else it is over, or of a key that cannot be used and runs out by itself.
            if let Err(error @ StoreError::Unavailable(_)) = self.reach_of(&lease.key, self.shared.release(&lease)).await {
                return Err(error);
            }
        }
        self.books().rest();
        let told = self.tell_all().await?;
        self.circuit.close();
        self.hint(Change::Missed);
        Ok(told)
    }

    /// Tells the keys that wait, and how many that were. Those that somebody refreshes right now wait on.
    pub(super) async fn tell_all(&self) -> Result<usize, StoreError> {
        let waiting = self.books().due(self.clock.mono());
        let failed = Mutex::new(None);
        for some in waiting.chunks(ABREAST) {
            copy::together(some.iter().map(|key| Box::pin(self.tell(key, &failed)) as copy::Working<'_>).collect()).await?;
            if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(error);
            }
        }
        self.mark().await?;
        let books = self.books();
        Ok(waiting.iter().filter(|key| !books.waiting.contains_key(key)).count())
    }

    /// One that fails does not end the others, which would leave their leases behind.
    async fn tell(&self, key: &Key, failed: &Mutex<Option<StoreError>>) -> Result<(), StoreError> {
        match self.settle(key).await {
            // The others are told all the same.
            Ok(()) => {}
            Err(StoreError::Unfit(_)) => self.books().told(key, self.clock.mono()),
            Err(error) => drop(failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error)),
        }
        Ok(())
    }

    /// Compares what the shared store holds with what is here, which was read before: what we write between the two is no sign that
    /// the shared one has fallen behind.
    pub(super) async fn note_heads(&self, heads: &[Head], ours: &[Head]) -> Result<(), StoreError> {
        let shared: HashMap<&Key, &Head> = heads.iter().map(|head| (&head.key, head)).collect();
        let (mut behind, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for head in ours.iter().filter(|head| head.latest.is_some()) {
            match shared.get(&head.key) {
                None => drop(missing.insert(&head.key)),
                Some(theirs) if theirs.latest == head.latest => drop(self.books().versions.insert(head.key.clone(), theirs.version)),
                Some(theirs) if theirs.latest.map(|(fence, _)| fence) < head.latest.map(|(fence, _)| fence) => {
                    behind.insert(&head.key);
                }
                // Newer: whoever serves it reads it.
                Some(_) => {}
            }
        }
        let is_emptied = !missing.is_empty() && behind.is_empty() && self.is_emptied().await?;
        if is_emptied || !behind.is_empty() {
            // It was emptied, or comes from an old backup.
            behind.append(&mut missing);
        }
        // One key alone that is gone was evicted elsewhere, or has lost its line there: which of them, is seen by its name.
        if self.books().misses(missing.into_iter()) {
            self.kick.notify_one();
        }
        for key in behind {
            self.wait(key, None).await;
        }
        self.books().unmarked |= is_emptied;
        Ok(())
    }

    /// Marks the shared store where all that waited was told: from then on, what is gone from there was evicted by somebody. Not before:
    /// it may be copied meanwhile, and the copy come back.
    async fn mark(&self) -> Result<(), StoreError> {
        if !self.books().is_to_be_marked() {
            return Ok(());
        }
        self.reach(PATIENCE, self.shared.note(FILLED, Some("filled"))).await?;
        self.books().unmarked = false;
        Ok(())
    }

    async fn is_emptied(&self) -> Result<bool, StoreError> {
        let notes = self.reach(PATIENCE, self.shared.notes()).await?;
        Ok(notes.iter().all(|(name, _)| name != FILLED))
    }

    /// Looks for keys by their names that were missed among all: what is found there is listed again.
    pub(super) async fn seek(&self) -> Result<(), StoreError> {
        loop {
            let some = {
                let mut books = self.books();
                let rest = books.sought.len().saturating_sub(ABREAST);
                books.sought.split_off(rest)
            };
            if some.is_empty() {
                return Ok(());
            }
            let looking = |key| async move { self.reach_of(key, self.shared.get(key)).await.map(drop).or_else(of_one_key) };
            copy::together(some.iter().map(|key| Box::pin(looking(key)) as copy::Working<'_>).collect()).await?;
        }
    }

    /// Makes both hold the same of a key, unless it is being refreshed.
    async fn settle(&self, key: &Key) -> Result<(), StoreError> {
        let now = self.clock.now();
        // Ours too: what is being written here meanwhile would be lost.
        let Some(own) = self.local.acquire(key, 0, LEASE, now).await? else { return Ok(()) };
        let settled = self.settle_shared(key, own.fence, now).await;
        self.local.release(&own).await?;
        settled
    }

    async fn settle_shared(&self, key: &Key, seen: u64, now: Moment) -> Result<(), StoreError> {
        let Some(lease) = self.reach_of(key, self.shared.acquire(key, seen, LEASE, now)).await? else { return Ok(()) };
        let settled = self.settle_under(&lease).await;
        if let Err(error) = self.reach_of(key, self.shared.release(&lease)).await {
            self.books().unreleased.push(lease);
            return Err(error);
        }
        match settled {
            Err(StoreError::LeaseLost(_) | StoreError::Outdated { .. }) => Ok(()),
            settled => settled,
        }
    }

    /// True where what is shared was made of what is here, whatever their clocks say of the two.
    async fn is_past(&self, shared: Option<&Entry>, ours: Option<&Entry>) -> Result<bool, StoreError> {
        let latest = |entry: Option<&Entry>| entry?.latest.as_ref().map(|latest| (latest.snapshot.revision, latest.snapshot.digest));
        let (Some(entry), Some(theirs), Some(own)) = (shared, latest(shared), latest(ours)) else { return Ok(false) };
        if theirs.0 <= own.0 {
            return Ok(false);
        }
        let history = self.reach_of(&entry.key, self.shared.revisions(&entry.key)).await?;
        Ok(history.iter().any(|line| (line.revision, line.digest) == own))
    }

    /// The same under a lease of the shared store.
    pub(super) async fn settle_under(&self, lease: &Lease) -> Result<(), StoreError> {
        let key = &lease.key;
        let shared = self.reach_of(key, self.shared.get(key)).await?;
        self.fits(key);
        let ours = self.local.get(key).await?;
        let base = self.books().waiting.get(key).copied();
        let is_past = self.is_past(shared.as_ref(), ours.as_ref()).await?;
        match judge(shared.as_ref(), ours.as_ref(), base.is_some(), base.flatten(), is_past) {
            Verdict::Same => {}
            Verdict::Adopt => {
                if let Some(shared) = &shared {
                    self.keep(shared).await;
                    if base.is_some() {
                        // While it waited, it was served as it was here.
                        self.hint(Change::Touched(key.clone()));
                    }
                }
            }
            Verdict::Put(new) => {
                let (snapshot, mut renewal, attempts) = *new;
                renewal.told_late = true;
                self.reach_of(key, self.shared.put_if(lease, &snapshot, &renewal, &attempts)).await?;
                self.copy(lease, snapshot, &renewal, &attempts).await;
            }
            Verdict::Touch(new) => {
                let (mut renewal, attempts) = *new;
                renewal.told_late = true;
                self.reach_of(key, self.shared.touch_if(lease, &renewal, &attempts)).await?;
                if let Some(Entry { latest: Some(Latest { snapshot, .. }), .. }) = shared {
                    self.copy(lease, snapshot, &renewal, &attempts).await;
                }
            }
        }
        self.settled(key).await;
        self.books().told(key, self.clock.mono());
        Ok(())
    }
}

/// What is wrong with one key alone was said, and keeps nobody from the next.
fn of_one_key(error: StoreError) -> Result<(), StoreError> {
    if matches!(error, StoreError::Unfit(_)) { Ok(()) } else { Err(error) }
}
