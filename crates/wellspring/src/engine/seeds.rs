//! Seeds for jitter: unpredictable enough that replicas and keys do not retry in step.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of seeds, different in every process.
#[derive(Debug)]
pub(super) struct Seeds {
    state: RandomState,
    count: AtomicU64,
}

impl Seeds {
    /// Seeded by the system.
    pub(super) fn new() -> Self {
        Self { state: RandomState::new(), count: AtomicU64::new(0) }
    }

    /// The next seed.
    pub(super) fn next(&self) -> u64 {
        self.state.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }
}
