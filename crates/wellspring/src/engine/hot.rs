//! What is served, in memory: a revision's encoded items and the few tails that say what they are.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::{Freshness, Horizon};
use wellspring_core::moment::Mono;
use wellspring_core::snapshot::Snapshot;
use wellspring_core::source::SourceSpec;

/// A snapshot's items as they go out, with what is said of them elsewhere. Shared by all views of one revision.
#[derive(Clone, Debug)]
pub struct Content {
    /// The items as a JSON array, in memory that the store may share.
    pub items: Bytes,
    /// The revision.
    pub revision: u64,
    /// When these items were first seen.
    pub made_at: Timestamp,
    /// How many there are.
    pub count: u32,
    /// Which alternative of the source gave them.
    pub alternative: u32,
}

/// What a body says beside its items.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The last successful refresh.
    pub checked_at: Timestamp,
    /// When it turns.
    pub horizon: Horizon,
    /// A refresh is queued or runs.
    pub refreshing: bool,
    /// A reader that finds it stale starts none, for a refresh failed lately.
    pub held_back: bool,
    /// Why the last refresh failed, until one succeeds.
    pub degraded: Option<Failure>,
}

/// The end of a body and what identifies the whole.
#[derive(Clone, Debug)]
pub struct Tail {
    /// `,"from_cache":true,…}`.
    pub bytes: Bytes,
    /// The strong entity tag of the whole body.
    pub etag: HeaderValue,
}

/// The tails of a view, one for each freshness.
#[derive(Clone, Debug)]
pub struct Tails {
    /// What stands before the items: `{"items":`.
    pub head: Bytes,
    /// Within its period.
    pub fresh: Tail,
    /// Past its period.
    pub stale: Tail,
    /// Past `max_stale`.
    pub expired: Tail,
    /// `Last-Modified`.
    pub last_modified: HeaderValue,
}

/// Encoded items as bytes, without a copy.
struct Encoded(Arc<str>);

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Content {
    /// A snapshot as it is served.
    pub fn of(snapshot: &Snapshot) -> Arc<Self> {
        Arc::new(Self {
            items: Bytes::from_owner(Encoded(Arc::clone(snapshot.items.json()))),
            revision: snapshot.revision,
            made_at: snapshot.made_at,
            count: snapshot.items.count(),
            alternative: snapshot.how.alternative,
        })
    }
}

/// One immutable state of what is served of a key.
#[derive(Clone, Debug)]
pub struct View {
    /// The items.
    pub content: Arc<Content>,
    /// What is said of them.
    pub facts: Facts,
    /// The prepared answers.
    pub tails: Tails,
    /// Until when the tails tell the age right, where they tell it.
    pub aged_at: Mono,
}

impl View {
    /// The freshness at `now` and the tail that says so.
    pub fn tail(&self, now: Mono) -> (Freshness, &Tail) {
        let freshness = self.facts.horizon.freshness(now);
        let tail = match freshness {
            Freshness::Fresh => &self.tails.fresh,
            Freshness::Expired => &self.tails.expired,
            Freshness::Stale | Freshness::Absent => &self.tails.stale,
        };
        (freshness, tail)
    }
}

/// Encodes what is served. Implemented by `http`, which knows bodies and headers; called by the engine at publish.
pub trait Render: Send + Sync + std::fmt::Debug + 'static {
    /// The tails for these facts, telling the age as it is `age` after `checked_at`.
    fn tails(&self, spec: &SourceSpec, content: &Content, facts: &Facts, age: Duration) -> Tails;
}

/// How often a told age (hours, two decimals) changes.
pub const AGE_STEP: Duration = Duration::from_secs(36);
