//! Seeds for jitter: unpredictable enough that replicas and keys do not retry in step, and the same again for whoever plays a run again.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of seeds.
#[derive(Debug)]
pub(super) struct Seeds {
    first: u64,
    count: AtomicU64,
}

impl Seeds {
    /// Those that follow from this one.
    pub(super) fn of(first: u64) -> Self {
        Self { first, count: AtomicU64::new(0) }
    }

    /// The next seed.
    pub(super) fn next(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.first, self.count.fetch_add(1, Ordering::Relaxed)).hash(&mut hasher);
        hasher.finish()
    }
}

/// Seeded by the system: different in every process.
impl Default for Seeds {
    fn default() -> Self {
        Self::of(RandomState::new().hash_one(0_u8))
    }
}
