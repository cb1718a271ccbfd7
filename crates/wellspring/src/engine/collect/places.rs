//! One request, within the limits of its host, of this process and of all replicas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use url::Url;
use wellspring_core::failure::Failure;
use wellspring_core::moment::{Moment, Mono};

use super::{Bounds, Collector, Known};
use crate::engine::limits::{Busy, PerHost, Permit};
use crate::fetch::{FetchError, Fetched, Request};
use crate::lifecycle;
use crate::store::{Slot, Store};

/// How long a place among all replicas' requests to a host is kept when its holder dies.
const SLOT_TTL: Duration = Duration::from_secs(300);
/// How long a store may take to give a place.
const SLOT_PATIENCE: Duration = Duration::from_secs(2);

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
    /// To be held until what came is extracted, and not while waiting for a place for the next request.
    pub permit: Permit,
    /// How long it took, waiting for its place left out.
    pub took: Duration,
    /// What came.
    pub fetched: Result<Fetched, Miss>,
}

/// A request that gave nothing.
#[derive(Debug)]
pub(super) struct Miss {
    /// Why.
    pub failure: Failure,
    /// What the upstream answered, where it did.
    pub status: Option<u16>,
}

impl Miss {
    /// True where what was asked for is not there, which is an answer about one of many.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status, Some(404 | 410))
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None }
    }
}

impl From<FetchError> for Miss {
    fn from(error: FetchError) -> Self {
        let status = if let FetchError::Status { status, .. } = &error { Some(*status) } else { None };
        Self { failure: error.failure(), status }
    }
}

impl Collector {
    /// Fetches when there is a place for it.
    pub(super) async fn send(&self, mut request: Request, terms: Terms<'_>) -> Sent {
        let Terms { bounds: &Bounds { per_host, .. }, known, deadline, place, .. } = terms;
        let host: Arc<str> =
            Url::parse(request.url.expose()).ok().and_then(|u| u.host_str().map(Arc::from)).unwrap_or_else(|| Arc::from(""));
        // One at another host is given back before this request waits for its own.
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|permit| permit.host() == &*host);
        let permit = match place {
            Some(permit) => permit,
            None => self.enter(&host, per_host).await,
        };
        if let Some(refusal) = self.breaker.refusal(&host, self.clock.mono()).filter(|_| !known.forced) {
            return Sent { permit, took: Duration::ZERO, fetched: Err(refusal.into()) };
        }
        let slot = self.slot(&host, per_host, deadline).await;
        let started = self.clock.mono();
        request.within = request.within.min(started.until(deadline));
        let fetched = self.fetcher.fetch(&request).await.map_err(Miss::from);
        let ended = self.clock.mono();
        self.breaker.report(&host, fetched.as_ref().err().map(|miss| &miss.failure), ended);
        if let Some(slot) = slot {
            slot.leave().await;
        }
        Sent { permit, took: ended.since(started), fetched }
    }

    /// A place among the requests of all replicas.
    async fn slot(&self, host: &str, per_host: PerHost, deadline: Mono) -> Option<TakenSlot> {
        loop {
            let now = self.clock.now();
            // Without a shared store each replica keeps to its own limits; so it does when the store is late.
            let asking = self.store.slot(host, per_host.at_once, SLOT_TTL, now);
            let Ok(asked) = timeout(SLOT_PATIENCE, asking).await else { return None };
            match asked {
                Ok(Some(slot)) => return Some(TakenSlot { store: Arc::clone(&self.store), slot: Some(slot) }),
                Ok(None) if now.mono < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(None) | Err(_) => return None,
            }
        }
    }

    async fn enter(&self, host: &Arc<str>, per_host: PerHost) -> Permit {
        loop {
            // Made before looking, so that no place that becomes free is missed.
            let freed = self.freed.notified();
            let now = self.clock.mono();
            match self.limits.enter(host, per_host, now) {
                Ok(permit) => return permit,
                Err(Busy::Until(at)) => tokio::time::sleep(now.until(at)).await,
                Err(Busy::Full) => freed.await,
            }
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

impl TakenSlot {
    async fn leave(mut self) {
        if let Some(slot) = self.slot.take() {
            let _ = self.store.leave(&slot).await;
        }
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let store = Arc::clone(&self.store);
            lifecycle::spawn(async move { drop(store.leave(&slot).await) });
        }
    }
}
