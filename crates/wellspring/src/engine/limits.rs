//! How many requests a host and the server bear at once, and how far apart they start. Nobody waits here while holding a place
//! elsewhere: the delay is known before the permit is taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wellspring_core::moment::Mono;

/// The limits of every host together.
#[derive(Debug)]
pub struct Limits {
    inner: Mutex<Inner>,
    /// Told whenever a place becomes free; everyone who waits for one looks again.
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    hosts: HashMap<Arc<str>, Host>,
    /// In all, and how many there may be.
    flying: usize,
    at_once: usize,
}

#[derive(Debug, Default)]
struct Host {
    flying: u32,
    next_start: Option<Mono>,
    /// What the host itself asks for between two starts.
    pace: Duration,
}

/// What a host bears.
#[derive(Clone, Copy, Debug)]
pub struct PerHost {
    /// Requests at once.
    pub at_once: u32,
    /// Between two starts.
    pub gap: Duration,
}

/// Why there is no place now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// All places are taken: wait for one to become free.
    Full,
    /// The next may start at this moment.
    Until(Mono),
}

/// A place at a host and in all, until dropped.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    host: Arc<str>,
    since: Mono,
}

impl Permit {
    /// When it was given.
    pub fn since(&self) -> Mono {
        self.since
    }

    /// Whose place it is.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.limits.lock();
        inner.flying = inner.flying.saturating_sub(1);
        if let Some(host) = inner.hosts.get_mut(&self.host) {
            host.flying = host.flying.saturating_sub(1);
        }
        drop(inner);
        self.limits.freed.notify_waiters();
    }
}

impl Limits {
    /// No host is known yet, and all together have no bound. `freed` is told whenever a place becomes free.
    pub fn new(freed: Arc<Notify>) -> Arc<Self> {
        let inner = Inner { hosts: HashMap::new(), flying: 0, at_once: usize::MAX };
        Arc::new(Self { inner: Mutex::new(inner), freed })
    }

    /// Bounds all hosts together.
    pub fn allow(&self, at_once: usize) {
        self.lock().at_once = at_once.max(1);
        self.freed.notify_waiters();
    }

    /// What a host itself asks for between two starts, the next after `since`: it holds where it is longer than the gap.
    pub fn pace(&self, host: &Arc<str>, pace: Duration, since: Mono) {
        let mut inner = self.lock();
        if pace.is_zero() && !inner.hosts.contains_key(host) {
            return;
        }
        let state = inner.hosts.entry(Arc::clone(host)).or_default();
        state.pace = pace;
        let earliest = since.after(pace);
        state.next_start = Some(state.next_start.map_or(earliest, |next| next.max(earliest)));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place if there is one now.
    ///
    /// # Errors
    /// [`Busy`], which says what to wait for.
    pub fn enter(self: &Arc<Self>, host: &Arc<str>, per_host: PerHost, now: Mono) -> Result<Permit, Busy> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if inner.flying >= inner.at_once {
            return Err(Busy::Full);
        }
        let hosts = &mut inner.hosts;
        let state = hosts.entry(Arc::clone(host)).or_default();
        if state.flying >= per_host.at_once.max(1) {
            return Err(Busy::Full);
        }
        if let Some(next) = state.next_start.filter(|next| *next > now) {
            return Err(Busy::Until(next));
        }
        state.flying += 1;
        inner.flying += 1;
        state.next_start = Some(now.after(per_host.gap.max(state.pace)));
        // Hosts come and go with parameters; one that is idle and past its gap carries nothing worth keeping.
        if hosts.len() > 1_024 {
            hosts.retain(|_, h| h.flying > 0 || h.next_start.is_some_and(|next| next > now));
        }
        drop(guard);
        Ok(Permit { limits: Arc::clone(self), host: Arc::clone(host), since: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono::from_nanos(0);

    #[test]
    fn a_host_has_so_many_places_and_no_more() {
        let limits = Limits::new(Arc::new(Notify::new()));
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let two = PerHost { at_once: 2, gap: Duration::ZERO };
        let first = limits.enter(&a, two, NOW).unwrap();
        let _second = limits.enter(&a, two, NOW).unwrap();
        assert_eq!(limits.enter(&a, two, NOW).unwrap_err(), Busy::Full);
        assert!(limits.enter(&b, two, NOW).is_ok(), "another host is another matter");
        drop(first);
        assert!(limits.enter(&a, two, NOW).is_ok());
    }

    #[test]
    fn all_hosts_together_are_bounded() {
        let limits = Limits::new(Arc::new(Notify::new()));
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let many = PerHost { at_once: 9, gap: Duration::ZERO };
        limits.allow(1);
        let first = limits.enter(&a, many, NOW).unwrap();
        assert_eq!(limits.enter(&b, many, NOW).unwrap_err(), Busy::Full);
        drop(first);
        assert!(limits.enter(&b, many, NOW).is_ok());
    }

    #[test]
    fn starts_keep_their_gap() {
        let limits = Limits::new(Arc::new(Notify::new()));
        let a = Arc::from("a");
        let spaced = PerHost { at_once: 9, gap: Duration::from_millis(200) };
        drop(limits.enter(&a, spaced, NOW).unwrap());
        let next = NOW.after(spaced.gap);
        assert_eq!(limits.enter(&a, spaced, NOW).unwrap_err(), Busy::Until(next));
        assert!(limits.enter(&a, spaced, next).is_ok());
    }

    #[test]
    fn what_a_host_asks_for_lengthens_its_gap_and_never_shortens_it() {
        let limits = Limits::new(Arc::new(Notify::new()));
        let a = Arc::from("a");
        let spaced = PerHost { at_once: 9, gap: Duration::from_secs(2) };
        drop(limits.enter(&a, spaced, NOW).unwrap());
        let learned = NOW.after(Duration::from_secs(1));
        limits.pace(&a, Duration::from_secs(10), learned);
        let next = learned.after(Duration::from_secs(10));
        assert_eq!(limits.enter(&a, spaced, learned).unwrap_err(), Busy::Until(next));
        drop(limits.enter(&a, spaced, next).unwrap());
        // Said again, as every request does.
        limits.pace(&a, Duration::from_secs(10), learned);
        assert_eq!(limits.enter(&a, spaced, next).unwrap_err(), Busy::Until(next.after(Duration::from_secs(10))));
        limits.pace(&a, Duration::ZERO, learned);
        let later = next.after(Duration::from_secs(10));
        drop(limits.enter(&a, spaced, later).unwrap());
        assert_eq!(limits.enter(&a, spaced, later).unwrap_err(), Busy::Until(later.after(spaced.gap)));
    }
}
