//! Leases and slots of a store that serves one process: in memory, by the monotonic clock.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};

use super::row::sound;
use super::{Admission, FULL, Lease, Slot, StoreError};

/// Who may refresh what, and the fences given out so far.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<Key, Held>,
    /// The highest fence known: given out, stored or seen by a caller. One for all keys, so that evicting a key forgets none.
    highest: u64,
}

#[derive(Debug)]
struct Held {
    owner: u128,
    fence: u64,
    ends: Mono,
}

impl Leases {
    /// Makes every later fence lie above this one.
    pub(super) fn rise_above(&mut self, fence: u64) {
        self.highest = self.highest.max(sound(fence));
    }

    pub(super) fn acquire(&mut self, key: &Key, (seen, version): (u64, u64), ttl: Duration, now: Moment) -> Option<Lease> {
        if self.held.get(key).is_some_and(|held| now.mono < held.ends) {
            return None;
        }
        self.highest = self.highest.max(sound(seen)).saturating_add(1);
        let lease = Lease { key: key.clone(), owner: token(), fence: self.highest, version };
        self.held.insert(key.clone(), Held { owner: lease.owner, fence: lease.fence, ends: now.mono.after(ttl) });
        Some(lease)
    }

    pub(super) fn extend(&mut self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        match self.held.get_mut(&lease.key) {
            Some(held) if held.is(lease) && now.mono < held.ends => {
                held.ends = now.mono.after(ttl);
                Ok(())
            }
            _ => Err(StoreError::LeaseLost(lease.key.clone())),
        }
    }

    pub(super) fn check(&self, lease: &Lease) -> Result<(), StoreError> {
        let in_force = self.held.get(&lease.key).is_some_and(|held| held.is(lease));
        if in_force { Ok(()) } else { Err(StoreError::LeaseLost(lease.key.clone())) }
    }

    /// True where the lease was in force.
    pub(super) fn release(&mut self, lease: &Lease) -> bool {
        self.check(lease).is_ok() && self.held.remove(&lease.key).is_some()
    }

    /// True where the key has a lease whose time has not run out.
    pub(super) fn holds(&self, key: &Key, now: Mono) -> bool {
        self.held.get(key).is_some_and(|held| now < held.ends)
    }

    /// Ends whatever lease the key has; true where it had one.
    pub(super) fn void(&mut self, key: &Key) -> bool {
        self.held.remove(key).is_some()
    }
}

impl Held {
    fn is(&self, lease: &Lease) -> bool {
        self.owner == lease.owner && self.fence == lease.fence
    }
}

/// Places among the requests to each host.
#[derive(Debug, Default)]
pub(super) struct Slots {
    hosts: HashMap<String, Visits>,
}

#[derive(Debug, Default)]
struct Visits {
    taken: Vec<(u128, Mono)>,
    next_start: Option<Mono>,
}

impl Slots {
    pub(super) fn take(&mut self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Admission {
        let visits = self.hosts.entry(host.to_owned()).or_default();
        visits.taken.retain(|(_, ends)| now.mono < *ends);
        visits.next_start = visits.next_start.filter(|at| now.mono < *at);
        let admission = if visits.taken.len() >= usize::try_from(at_once).unwrap_or(usize::MAX) {
            Admission::After(FULL)
        } else if let Some(at) = visits.next_start {
            Admission::After(now.mono.until(at))
        } else {
            let owner = token();
            visits.taken.push((owner, now.mono.after(ttl)));
            visits.next_start = Some(now.mono.after(gap)).filter(|_| !gap.is_zero());
            Admission::Taken(Slot { host: host.to_owned(), owner })
        };
        self.drop_if_empty(host);
        admission
    }

    pub(super) fn stay(&mut self, slot: &Slot, ttl: Duration, now: Moment) {
        let taken = self.hosts.get_mut(&slot.host).map(|visits| &mut visits.taken);
        if let Some((_, ends)) = taken.and_then(|taken| taken.iter_mut().find(|(owner, ends)| *owner == slot.owner && now.mono < *ends)) {
            *ends = now.mono.after(ttl);
        }
    }

    pub(super) fn leave(&mut self, slot: &Slot) {
        if let Some(visits) = self.hosts.get_mut(&slot.host) {
            visits.taken.retain(|(owner, _)| *owner != slot.owner);
        }
        self.drop_if_empty(&slot.host);
    }

    fn drop_if_empty(&mut self, host: &str) {
        if self.hosts.get(host).is_some_and(|visits| visits.taken.is_empty() && visits.next_start.is_none()) {
            self.hosts.remove(host);
        }
    }
}

/// A random token. The standard library seeds each hasher state differently; 128 bits of them do not meet twice.
pub(super) fn token() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    half() << 64 | half()
}
