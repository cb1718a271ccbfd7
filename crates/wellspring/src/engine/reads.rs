//! How often a source was read, and what its readers found.

use std::sync::atomic::{AtomicU64, Ordering};

use wellspring_core::freshness::Freshness;

use crate::lifecycle::stripe::{STRIPES, stripe};

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A fresh snapshot.
    Fresh,
    /// A stale one.
    Stale,
    /// One past `max_stale`.
    Expired,
    /// None: it waited, and maybe in vain.
    Absent,
    /// Anything else: a query that was refused.
    Other,
}

impl Read {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fresh, Self::Stale, Self::Expired, Self::Absent, Self::Other];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Absent => "absent",
            Self::Other => "other",
        }
    }
}

impl From<Freshness> for Read {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Fresh => Self::Fresh,
            Freshness::Stale => Self::Stale,
            Freshness::Expired => Self::Expired,
            Freshness::Absent => Self::Absent,
        }
    }
}

/// Counts reads.
#[derive(Debug, Default)]
pub struct Reads([Stripe; STRIPES]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe([AtomicU64; 5]);

impl Reads {
    /// Counts one.
    pub fn count(&self, read: Read) {
        self.0[stripe()].0[read as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were of a kind, since the server started.
    pub fn of(&self, read: Read) -> u64 {
        self.0.iter().map(|stripe| stripe.0[read as usize].load(Ordering::Relaxed)).sum()
    }
}
