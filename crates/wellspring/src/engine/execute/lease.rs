//! The lease of a flight: taken, kept while it collects, and given back.

use std::future::pending;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use wellspring_core::policy::Policy;
use wellspring_core::refresh::Event;

use super::{Flight, STORE_PATIENCE, late, store_failure};
use crate::store::StoreError;

/// How much longer than the deadline a lease lasts in a store that serves one process: work times out before its lease does.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a lease lasts that others wait for: a replica that crashes keeps its keys from them no longer.
const SHARED: Duration = Duration::from_secs(15);
/// How often that is prolonged while its holder collects: it outlives a prolongation that fails, and what is stored at the end.
const PROLONGED_EVERY: Duration = Duration::from_secs(5);
/// How long the store may take to prolong it; more than the patience of a store that goes on alone when the shared one is late.
const PROLONG_PATIENCE: Duration = Duration::from_millis(1_500);

/// For how long at most another replica may hold a lease of a key.
pub(in crate::engine) fn longest_shared(policy: &Policy) -> Duration {
    policy.deadline + SHARED
}

impl Flight {
    pub(super) async fn acquire(&mut self) -> Event {
        // Its successor is to have the lease.
        if self.cell.is_retired() {
            return Event::Cancelled;
        }
        let store = &self.shared.collector.store;
        let ttl = if store.is_shared() { SHARED } else { self.cell.recipe.spec.policy.deadline + MARGIN };
        let seen = self.cell.lock().fence;
        let acquiring = store.acquire(&self.cell.key, seen, ttl, self.shared.clock.now());
        match timeout(STORE_PATIENCE, acquiring).await.unwrap_or_else(|_| Err(late())) {
            Ok(Some(lease)) => {
                self.cell.lock().fence = lease.fence;
                self.lease = Some(lease);
                Event::LeaseGranted
            }
            Ok(None) => Event::LeaseDenied,
            Err(error) => Event::Failed(store_failure(&error)),
        }
    }

    /// Keeps the lease for as long as this is waited for; ends where it was lost. A store that is away ends nothing: what is written
    /// without a lease is refused, and what a replica refreshes alone is judged when it tells of it.
    pub(super) async fn loses_lease(&self) {
        let store = &self.shared.collector.store;
        let Some(lease) = self.lease.as_ref().filter(|_| store.is_shared()) else { return pending().await };
        loop {
            sleep(PROLONGED_EVERY).await;
            match timeout(PROLONG_PATIENCE, store.extend(lease, SHARED, self.shared.clock.now())).await {
                Ok(Err(StoreError::LeaseLost(_))) => return,
                Ok(Err(error)) => debug!(key = %self.cell.key, %error, "the lease could not be prolonged"),
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    pub(super) async fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            let released = timeout(STORE_PATIENCE, self.shared.collector.store.release(&lease)).await;
            if !matches!(released, Ok(Ok(()))) {
                warn!(key = %self.cell.key, "the lease could not be given back; it runs out by itself");
            }
        }
    }
}
