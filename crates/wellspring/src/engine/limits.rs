//! How many requests a host bears at once, and how far apart they start. Nobody waits here while holding a place
//! elsewhere: the delay is known before the permit is taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wellspring_core::moment::Mono;

/// The limits of every host together.
#[derive(Debug)]
pub struct Limits {
    hosts: Mutex<HashMap<Arc<str>, Host>>,
    /// Told whenever a place becomes free; everyone who waits for one looks again.
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Host {
    flying: u32,
    next_start: Option<Mono>,
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

/// A place at a host, until dropped.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    host: Arc<str>,
}

impl Permit {
    /// Whose place it is.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut hosts = self.limits.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get_mut(&self.host) {
            host.flying = host.flying.saturating_sub(1);
        }
        drop(hosts);
        self.limits.freed.notify_waiters();
    }
}

impl Limits {
    /// No host is known yet. `freed` is told whenever a place becomes free.
    pub fn new(freed: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { hosts: Mutex::default(), freed })
    }

    /// Takes a place if there is one now.
    ///
    /// # Errors
    /// [`Busy`], which says what to wait for.
    pub fn enter(self: &Arc<Self>, host: &Arc<str>, per_host: PerHost, now: Mono) -> Result<Permit, Busy> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let state = hosts.entry(Arc::clone(host)).or_default();
        if state.flying >= per_host.at_once.max(1) {
            return Err(Busy::Full);
        }
        if let Some(next) = state.next_start.filter(|next| *next > now) {
            return Err(Busy::Until(next));
        }
        state.flying += 1;
        state.next_start = Some(now.after(per_host.gap));
        // Hosts come and go with parameters; one that is idle and past its gap carries nothing worth keeping.
        if hosts.len() > 1_024 {
            hosts.retain(|_, h| h.flying > 0 || h.next_start.is_some_and(|next| next > now));
        }
        drop(hosts);
        Ok(Permit { limits: Arc::clone(self), host: Arc::clone(host) })
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
    fn starts_keep_their_gap() {
        let limits = Limits::new(Arc::new(Notify::new()));
        let a = Arc::from("a");
        let spaced = PerHost { at_once: 9, gap: Duration::from_millis(200) };
        drop(limits.enter(&a, spaced, NOW).unwrap());
        let next = NOW.after(spaced.gap);
        assert_eq!(limits.enter(&a, spaced, NOW).unwrap_err(), Busy::Until(next));
        assert!(limits.enter(&a, spaced, next).is_ok());
    }
}
