//! The replicas of a shared store: what this one is called, and which were last seen there.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::debug;

use super::Engine;
use super::execute::STORE_PATIENCE;
use super::shared::Shared;
use crate::store::{Partner, Replica};

#[derive(Debug, Default)]
pub(super) struct Crew {
    me: OnceLock<Me>,
    seen: ArcSwap<Vec<Replica>>,
}

#[derive(Debug)]
struct Me {
    name: Arc<str>,
    since: Timestamp,
}

impl Crew {
    /// What this replica is called, where it is.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.me.get().map(|me| Arc::clone(&me.name))
    }
}

/// What is known of the replicas of a shared store.
#[derive(Clone, Debug)]
pub struct Replicas {
    /// What this one is called.
    pub me: Arc<str>,
    /// Those that said lately that they are there, this one among them. None while that is not known.
    pub seen: Arc<Vec<Replica>>,
    /// How the shared store is.
    pub partner: Option<Partner>,
}

impl Engine {
    /// Says what this replica is called, once and before it is loaded: what it refreshes in a shared store bears that name.
    pub fn call(&self, name: &str) {
        let since = self.0.clock.now().wall;
        // It has its name already.
        let _ = self.0.crew.me.set(Me { name: name.into(), since });
    }

    /// The replicas, where a store is shared and this one has a name.
    pub fn replicas(&self) -> Option<Replicas> {
        let store = self.store();
        let me = self.0.crew.name().filter(|_| store.is_shared())?;
        // What was seen before says nothing of now.
        let seen = if store.is_alone() { Arc::default() } else { self.0.crew.seen.load_full() };
        Some(Replicas { me, seen, partner: store.partner() })
    }
}

impl Shared {
    /// Who did a refresh that is stored now: in a shared store.
    pub(super) fn by(&self) -> Option<Arc<str>> {
        self.crew.name().filter(|_| self.collector.store.is_shared())
    }

    /// Says that this replica is there, and notes who else is.
    pub(super) async fn present(&self) {
        let Some(Me { name, since }) = self.crew.me.get() else { return };
        let keys = self.catalog.load().sources().map(|source| source.cells_unordered().len() as u64).sum();
        let me = Replica { name: name.to_string(), version: env!("CARGO_PKG_VERSION").to_owned(), since: *since, keys };
        let seen = match timeout(STORE_PATIENCE, self.collector.store.present(&me)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                debug!(%error, "which replicas are there is not known now");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        self.crew.seen.store(Arc::new(seen));
    }
}
