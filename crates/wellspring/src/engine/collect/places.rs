//! One request, within the limits of its host, of this process and of all replicas.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::time::timeout;
use url::Url;
use wellspring_core::failure::Failure;
use wellspring_core::moment::{Moment, Mono};

use super::{Bounds, Collector, Known};
use crate::engine::limits::{Busy, PerHost, Permit};
use crate::engine::pages::PagePlace;
use crate::fetch::{FetchError, Fetched, Request, Seen};
use crate::lifecycle;
use crate::store::{Admission, Slot, Store};

/// How long a store may take to give a place.
const SLOT_PATIENCE: Duration = Duration::from_secs(2);
/// How long a place lasts that others wait for, and how often it is prolonged: one that its holder cannot give back, because it was killed
/// or the store is away, keeps a host from nobody for longer.
const SHARED: Duration = Duration::from_secs(15);
const PROLONGED_EVERY: Duration = Duration::from_secs(5);

/// What holds for every request of a collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The server's own bounds.
    pub bounds: &'a Bounds,
    /// What is known of the key.
    pub known: &'a Known,
    /// When it began.
    pub started: Moment,
    /// When all of it must be over.
    pub deadline: Mono,
    /// A place at a host that is taken already.
    pub place: &'a Mutex<Option<Permit>>,
}

/// A request that was made.
#[derive(Debug)]
pub(super) struct Sent {
    /// To be held until what came is extracted, and not while waiting for a place for the next request. A refusal may hold none.
    pub permit: Option<Permit>,
    /// How long it took, waiting for its place left out.
    pub took: Duration,
    /// What came.
    pub fetched: Result<Fetched, Miss>,
}

/// A request that gave nothing.
#[derive(Debug)]
pub(in crate::engine) struct Miss {
    /// Why.
    pub failure: Failure,
    /// What the upstream answered, where it did.
    pub status: Option<u16>,
    /// What the page was like, where a browser came so far.
    pub seen: Option<Seen>,
}

impl Miss {
    /// True where what was asked for is not there, which is an answer about one of many.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status, Some(404 | 410))
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, seen: None }
    }
}

impl From<FetchError> for Miss {
    fn from(error: FetchError) -> Self {
        let failure = error.failure();
        match error {
            FetchError::Status { status, .. } => Self { failure, status: Some(status), seen: None },
            FetchError::NeverAppeared { seen, .. } => Self { failure, status: None, seen: Some(seen) },
            _ => failure.into(),
        }
    }
}

impl Collector {
    /// Fetches when there is a place for it, and its host's robots.txt lets it where that is heeded.
    pub(super) async fn send(&self, request: Request, heeds: bool, terms: Terms<'_>) -> Sent {
        let Terms { bounds, known, deadline, place, .. } = terms;
        let host: Arc<str> =
            Url::parse(request.url.expose()).ok().and_then(|u| u.host_str().map(Arc::from)).unwrap_or_else(|| Arc::from(""));
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        if heeds && let Err(refusal) = self.may_ask(&request, bounds, deadline, known.forced, &mut place).await {
            return Sent { permit: place, took: Duration::ZERO, fetched: Err(refusal.into()) };
        }
        // One at another host is given back before this request waits for its own.
        let place = place.filter(|permit| permit.host() == &*host);
        let (permit, page) = match (place, &request.page) {
            (place, Some(_)) => {
                let (permit, page) = self.enter_with_page(&host, bounds.per_host, place).await;
                (permit, Some(page))
            }
            (Some(permit), None) => (permit, None),
            (None, None) => (self.enter(&host, bounds.per_host).await, None),
        };
        let (took, fetched) = self.visit(request, &host, bounds.per_host, deadline, known.forced).await;
        // What came is read without the browser.
        drop(page);
        Sent { permit: Some(permit), took, fetched }
    }

    /// Asks a host at which there is a place, unless it is left alone. Also says how long that took.
    pub(in crate::engine) async fn visit(
        &self,
        mut request: Request,
        host: &Arc<str>,
        per_host: PerHost,
        deadline: Mono,
        forced: bool,
    ) -> (Duration, Result<Fetched, Miss>) {
        if let Some(refusal) = self.breaker.refusal(host, self.clock.mono()).filter(|_| !forced) {
            return (Duration::ZERO, Err(refusal.into()));
        }
        let slot = self.slot(host, per_host, deadline).await;
        let started = self.clock.mono();
        request.within = request.within.min(started.until(deadline));
        let fetched = tokio::select! {
            biased;
            fetched = self.fetcher.fetch(&request) => fetched.map_err(Miss::from),
            never = self.stay(slot.as_ref()) => match never {},
        };
        let failure = fetched.as_ref().err().map(|miss| &miss.failure);
        let ended = self.clock.mono();
        self.breaker.report(host, request.url.expose(), failure, ended);
        // Given back beside: what was fetched is as old as it is, and does not wait for a store that hangs.
        drop(slot);
        (ended.since(started), fetched)
    }

    /// A place among the requests of all replicas.
    async fn slot(&self, host: &str, per_host: PerHost, deadline: Mono) -> Option<TakenSlot> {
        loop {
            let now = self.clock.now();
            // Where the store is late each replica keeps to its own limits.
            // In a store that serves one process none is left behind: it is free at the latest when its refresh has to be over.
            let ttl = if self.store.is_shared() { SHARED } else { now.mono.until(deadline) + SLOT_PATIENCE };
            // What this process has started itself is spaced already.
            let gap = if self.store.is_shared() { per_host.gap } else { Duration::ZERO };
            let asking = self.store.slot(host, per_host.at_once, gap, ttl, now);
            let Ok(asked) = timeout(SLOT_PATIENCE, asking).await else { return None };
            match asked {
                Ok(Admission::Taken(slot)) => return Some(TakenSlot { store: Arc::clone(&self.store), slot: Some(slot) }),
                Ok(Admission::After(wait)) if now.mono < deadline => tokio::time::sleep(wait.min(now.mono.until(deadline))).await,
                Ok(Admission::After(_)) | Err(_) => return None,
            }
        }
    }

    /// Keeps a place for as long as this is waited for.
    async fn stay(&self, slot: Option<&TakenSlot>) -> Infallible {
        let Some(slot) = slot.and_then(|taken| taken.slot.as_ref()).filter(|_| self.store.is_shared()) else { return pending().await };
        loop {
            tokio::time::sleep(PROLONGED_EVERY).await;
            // It lasts for two more tries.
            let _tried_again_soon = timeout(SLOT_PATIENCE, self.store.stay(slot, SHARED, self.clock.now())).await;
        }
    }

    pub(in crate::engine) async fn enter(&self, host: &Arc<str>, per_host: PerHost) -> Permit {
        loop {
            // Made before looking, so that no place that becomes free is missed.
            let freed = self.freed.notified();
            let now = self.clock.mono();
            match self.limits.enter(host, per_host, now) {
                Ok(permit) => return permit,
                Err(busy) => self.wait(busy, now, freed).await,
            }
        }
    }

    /// A place at a host and one for a page. Neither is held while waiting for the other: a page that waits for its host keeps others
    /// from rendering, a host's place that waits for a page keeps others from the host, and counts among all.
    async fn enter_with_page(&self, host: &Arc<str>, per_host: PerHost, mut place: Option<Permit>) -> (Permit, PagePlace) {
        loop {
            let page = if let Some(page) = self.pages.try_take() {
                page
            } else {
                drop(place.take());
                self.pages.take().await
            };
            if let Some(permit) = place.take() {
                return (permit, page);
            }
            let freed = self.freed.notified();
            let now = self.clock.mono();
            match self.limits.enter(host, per_host, now) {
                Ok(permit) => return (permit, page),
                Err(busy) => {
                    drop(page);
                    self.wait(busy, now, freed).await;
                }
            }
        }
    }

    async fn wait(&self, busy: Busy, now: Mono, freed: Notified<'_>) {
        match busy {
            Busy::Until(at) => tokio::time::sleep(now.until(at)).await,
            Busy::Full => freed.await,
        }
    }
}

/// A place among all replicas' requests. Given back however the fetch ends: a collection is dropped at its deadline, at a
/// reload and in a drain.
#[derive(Debug)]
struct TakenSlot {
    store: Arc<dyn Store>,
    slot: Option<Slot>,
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let store = Arc::clone(&self.store);
            lifecycle::spawn(async move { drop(timeout(SLOT_PATIENCE, store.leave(&slot)).await) });
        }
    }
}
