//! What is served, in memory: a revision's encoded items and the few tails that say what they are.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::{Freshness, Horizon};
use wellspring_core::moment::Mono;
use wellspring_core::snapshot::Snapshot;

pub mod codings;

use codings::Codings;

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

/// What a body says around its items, and the headers that go with it. One piece of memory: there is a tail for each key that was
/// read, and of many keys nearly every one is found cold by the processor.
#[derive(Debug)]
pub struct Tail {
    text: Box<[u8]>,
    /// Where each part of the text ends, in the order of [`Around`].
    ends: [u32; 5],
    /// The whole body in content codings, as far as somebody wanted them.
    pub codings: Codings,
}

/// What a tail is made of.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// What stands before the items: `{"items":`.
    pub head: &'a [u8],
    /// What stands behind them: `,"from_cache":true,…}`.
    pub bytes: &'a [u8],
    /// The strong entity tag of the whole body, uncoded.
    pub etag: &'a [u8],
    /// `Last-Modified`.
    pub last_modified: &'a [u8],
    /// `Content-Length` of the whole body, uncoded.
    pub length: &'a [u8],
}

impl Tail {
    /// A tail of these parts.
    pub fn new(parts: Around<'_>) -> Self {
        let Around { head, bytes, etag, last_modified, length } = parts;
        let parts = [head, bytes, etag, last_modified, length];
        let mut end = 0_u32;
        let ends = parts.map(|part| {
            end = end.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            end
        });
        Self { text: parts.concat().into_boxed_slice(), ends, codings: Codings::default() }
    }

    /// What stands before the items.
    pub fn head(&self) -> &[u8] {
        self.part(0)
    }

    /// What stands behind them.
    pub fn bytes(&self) -> &[u8] {
        self.part(1)
    }

    /// The strong entity tag of the whole body, uncoded.
    pub fn etag(&self) -> &[u8] {
        self.part(2)
    }

    /// `Last-Modified`.
    pub fn last_modified(&self) -> &[u8] {
        self.part(3)
    }

    /// `Content-Length` of the whole body, uncoded.
    pub fn length(&self) -> &[u8] {
        self.part(4)
    }

    fn part(&self, number: usize) -> &[u8] {
        let begins = if number == 0 { 0 } else { self.ends[number - 1] };
        self.text.get(begins as usize..self.ends[number] as usize).unwrap_or_default()
    }
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
#[derive(Debug)]
pub struct View {
    /// The items.
    pub content: Arc<Content>,
    /// What is said of them.
    pub facts: Facts,
    /// The age that the tails tell, where they tell one.
    pub told_age: Duration,
    /// Until when the tails tell the age right, where they tell it.
    pub aged_at: Mono,
    /// One for each freshness, made when it is first read: most keys of many are seldom read.
    tails: [OnceLock<Box<Tail>>; 3],
}

impl View {
    /// A state whose tails are yet to be made.
    pub fn new(content: Arc<Content>, facts: Facts, told_age: Duration, aged_at: Mono) -> Self {
        Self { content, facts, told_age, aged_at, tails: Default::default() }
    }

    /// The freshness at `now` and the tail that says so, which is `make`'s where it was not read before.
    pub fn tail(&self, now: Mono, make: impl FnOnce(Freshness) -> Tail) -> (Freshness, &Tail) {
        let freshness = self.facts.horizon.freshness(now);
        (freshness, self.tails[place(freshness)].get_or_init(|| Box::new(make(freshness))))
    }

    /// The tail that says a freshness, where it was read before.
    pub fn made(&self, freshness: Freshness) -> Option<&Tail> {
        self.tails[place(freshness)].get().map(|tail| &**tail)
    }

    /// The length of the whole body with a tail, in bytes, uncoded.
    pub fn length(&self, tail: &Tail) -> u64 {
        (tail.head().len() + self.content.items.len() + tail.bytes().len()) as u64
    }
}

/// Where the tail of a freshness stands.
fn place(freshness: Freshness) -> usize {
    match freshness {
        Freshness::Fresh => 0,
        Freshness::Stale | Freshness::Absent => 1,
        Freshness::Expired => 2,
    }
}

/// How often a told age (hours, two decimals) changes.
pub const AGE_STEP: Duration = Duration::from_secs(36);
