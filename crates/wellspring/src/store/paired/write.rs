//! Leases and what is written under them: in the shared store first and then here, or here alone while that is away.

use std::time::Duration;

use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use super::{Base, Held, Pair, World};
use crate::store::{Entry, Latest, Lease, StoreError, row};

/// How long a result is written here whose shared lease cannot be used.
const ALONE: Duration = Duration::from_secs(20);

impl Pair {
    pub(super) async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        // None is lower than what is here: a shared store that was emptied gives no fence again.
        let here = self.local.get(key).await.ok().flatten().and_then(|entry| entry.latest).map_or(0, |latest| latest.fence);
        let seen = seen.max(row::sound(here));
        match self.ask_of(key, self.shared.acquire(key, seen, ttl, now)).await {
            Ok(None) => return Ok(None),
            Ok(Some(lease)) => {
                self.book(&lease, World::Shared, ttl, now);
                if self.books().knows(key, lease.version) {
                    return Ok(Some(lease));
                }
                // What is stored may have fallen behind what we have; under this lease it is put right before it is built upon.
                match self.settle_under(&lease).await {
                    Err(StoreError::Unfit(_)) => {
                        self.books().leases.remove(&lease.owner);
                        let _it_runs_out_by_itself = self.give_back(&lease).await;
                    }
                    Err(StoreError::Unavailable(_)) => {
                        let mut books = self.books();
                        books.leases.remove(&lease.owner);
                        books.unreleased.push(lease);
                    }
                    Err(error) => return Err(error),
                    Ok(()) => return Ok(Some(lease)),
                }
            }
            Err(StoreError::Unavailable(_) | StoreError::Unfit(_)) => {}
            Err(error) => return Err(error),
        }
        let lease = self.local.acquire(key, seen, ttl, now).await?;
        if let Some(lease) = &lease {
            self.book(lease, World::Local, ttl, now);
        }
        Ok(lease)
    }

    fn book(&self, lease: &Lease, world: World, ttl: Duration, now: Moment) {
        let mut books = self.books();
        if books.leases.len() >= 1_024 {
            // Those of holders that never gave them back.
            books.leases.retain(|_, held| now.mono < held.ends);
        }
        books.leases.insert(lease.owner, Held { world, ends: now.mono.after(ttl) });
    }

    /// While the shared store is away its holder goes on by itself: that nobody stopped it is what the time of its lease is for here.
    pub(super) async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        let held = self.held(lease);
        match held.world {
            World::Shared => match self.ask_of(&lease.key, self.shared.extend(lease, ttl, now)).await {
                Err(StoreError::Unavailable(_) | StoreError::Unfit(_)) if now.mono < held.ends => {}
                answered => answered?,
            },
            World::Local => self.local.extend(lease, ttl, now).await?,
        }
        self.book(lease, held.world, ttl, now);
        Ok(())
    }

    pub(super) async fn put(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let held = self.held(lease);
        if held.world == World::Local {
            return self.put_alone(lease, snapshot, renewal, attempts).await;
        }
        match self.ask_of(&lease.key, self.shared.put_if(lease, snapshot, renewal, attempts)).await {
            Ok(()) => {
                self.fits(&lease.key);
                self.copy(lease, snapshot.clone(), renewal, attempts).await;
                Ok(())
            }
            Err(StoreError::Unavailable(_) | StoreError::Unfit(_)) => {
                let alone = self.alone(lease, held).await?;
                let kept = self.put_alone(&alone, snapshot, renewal, attempts).await;
                self.local.release(&alone).await?;
                kept
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn touch(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let held = self.held(lease);
        if held.world == World::Local {
            return self.touch_alone(lease, renewal, attempts).await;
        }
        let ours = self.local.get(&lease.key).await.ok().flatten().and_then(|entry| entry.latest);
        match self.ask_of(&lease.key, self.shared.touch_if(lease, renewal, attempts)).await {
            Ok(()) => {
                self.fits(&lease.key);
                if let Some(ours) = ours {
                    self.copy(lease, ours.snapshot, renewal, attempts).await;
                }
                Ok(())
            }
            Err(StoreError::Outdated { .. }) if ours.is_some() => {
                // It was emptied, or the key was evicted elsewhere: what still holds is stored anew.
                let Some(ours) = ours else { return Ok(()) };
                self.ask_of(&lease.key, self.shared.put_if(lease, &ours.snapshot, renewal, attempts)).await?;
                self.copy(lease, ours.snapshot, renewal, attempts).await;
                Ok(())
            }
            Err(StoreError::Unavailable(_) | StoreError::Unfit(_)) => {
                let alone = self.alone(lease, held).await?;
                let kept = self.touch_alone(&alone, renewal, attempts).await;
                self.local.release(&alone).await?;
                kept
            }
            Err(error) => Err(error),
        }
    }

    /// What was written under a lease is kept here too.
    pub(super) async fn copy(&self, lease: &Lease, snapshot: Snapshot, renewal: &Renewal, attempts: &Attempts) {
        self.books().versions.remove(&lease.key);
        let latest = Latest { snapshot, renewal: renewal.clone(), fence: row::sound(lease.fence) };
        self.keep(&Entry { key: lease.key.clone(), latest: Some(latest), attempts: attempts.clone() }).await;
    }

    /// A lease of our own for a result whose shared lease cannot be used now. Not for one whose time has run out: somebody else may
    /// have written since.
    async fn alone(&self, lease: &Lease, held: Held) -> Result<Lease, StoreError> {
        let now = self.clock.now();
        let lost = || StoreError::LeaseLost(lease.key.clone());
        if now.mono >= held.ends {
            return Err(lost());
        }
        self.local.acquire(&lease.key, lease.fence, ALONE, now).await?.ok_or_else(lost)
    }

    async fn put_alone(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let base = self.base(&lease.key).await;
        self.local.put_if(lease, snapshot, renewal, attempts).await?;
        self.wait(&lease.key, base).await;
        Ok(())
    }

    async fn touch_alone(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let base = self.base(&lease.key).await;
        self.local.touch_if(lease, renewal, attempts).await?;
        self.wait(&lease.key, base).await;
        Ok(())
    }

    /// What is shared is what is here, until something is written here alone.
    async fn base(&self, key: &Key) -> Option<Base> {
        let latest = self.local.get(key).await.ok().flatten().and_then(|entry| entry.latest)?;
        Some((latest.fence, latest.renewal.checked_at))
    }
}
