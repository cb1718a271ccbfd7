//! What is served, in memory: a revision's encoded items and the few tails that say what they are.

use std::hint::black_box;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::{Freshness, Horizon};
use wellspring_core::moment::Mono;
use wellspring_core::snapshot::Snapshot;

pub mod codings;

use codings::{Coded, Codings};

/// A snapshot's items as they go out, with what is said of them elsewhere. Cloned for little: the items are shared.
#[derive(Clone, Debug)]
pub struct Content {
    /// The items.
    pub items: Encoded,
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
    pub degraded: Option<Box<Failure>>,
}

/// What a body says around its items, and the headers that go with it. One piece of memory: there is a tail for each key that was
/// read, and of many keys nearly every one is found cold by the processor.
#[derive(Debug)]
pub struct Tail {
    /// Where each part ends, in the order of [`Around`], and then the parts.
    text: Box<[u8]>,
    /// The whole body in content codings. Made when somebody wants the first.
    codings: OnceLock<Box<Codings>>,
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

/// The parts of a tail, and how many bytes their ends take.
const PARTS: usize = 5;
const ENDS: usize = PARTS * END;
const END: usize = size_of::<u32>();

impl Tail {
    /// A tail of these parts.
    pub fn new(parts: Around<'_>) -> Self {
        let Around { head, bytes, etag, last_modified, length } = parts;
        let parts: [_; PARTS] = [head, bytes, etag, last_modified, length];
        let mut text = Vec::with_capacity(ENDS + parts.iter().map(|part| part.len()).sum::<usize>());
        let mut end = ENDS;
        for part in parts {
            end += part.len();
            text.extend(u32::try_from(end).unwrap_or(u32::MAX).to_ne_bytes());
        }
        for part in parts {
            text.extend_from_slice(part);
        }
        Self { text: text.into_boxed_slice(), codings: OnceLock::new() }
    }

    /// The whole body in a coding, by its number below three, where it is made and worth it.
    pub fn coded(&self, coding: usize) -> Option<&Coded> {
        self.codings.get()?.coded(coding)
    }

    /// The whole body in content codings, as far as somebody wanted them.
    pub fn codings(&self) -> &Codings {
        self.codings.get_or_init(Box::default)
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
        let begins = number.checked_sub(1).map_or(ENDS, |before| self.end(before));
        self.text.get(begins..self.end(number)).unwrap_or_default()
    }

    fn end(&self, number: usize) -> usize {
        let end = self.text.get(number * END..).and_then(|ends| ends.first_chunk());
        end.map_or(0, |end| u32::from_ne_bytes(*end) as usize)
    }
}

/// Encoded items: a JSON array, in memory that the store may share.
#[derive(Clone, Debug)]
pub struct Encoded(Arc<str>);

impl Deref for Encoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Encoded {
    /// Has the processor begin to bring them from memory while it does something else: they are wanted soon.
    pub fn approach(&self) {
        black_box(self.first());
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Arc<str>> for Encoded {
    fn from(json: Arc<str>) -> Self {
        Self(json)
    }
}

/// Without a copy.
impl From<&Encoded> for Bytes {
    fn from(items: &Encoded) -> Self {
        Self::from_owner(items.clone())
    }
}

impl Content {
    /// A snapshot as it is served.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            items: Arc::clone(snapshot.items.json()).into(),
            revision: snapshot.revision,
            made_at: snapshot.made_at,
            count: snapshot.items.count(),
            alternative: snapshot.how.alternative,
        }
    }
}

/// One immutable state of what is served of a key: one piece of memory, from which a read goes to the items and to a tail.
#[derive(Debug)]
pub struct View {
    /// The items.
    pub content: Content,
    /// What is said of them.
    pub facts: Facts,
    /// The age that the tails tell, where they tell one.
    pub told_age: Duration,
    /// Until when the tails tell the age right, where they tell it.
    pub aged_at: Mono,
    /// One for each freshness, made when it is first read: most keys of many are seldom read.
    tails: [OnceLock<Tail>; 3],
}

impl View {
    /// A state whose tails are yet to be made.
    pub fn new(content: Content, facts: Facts, told_age: Duration, aged_at: Mono) -> Self {
        Self { content, facts, told_age, aged_at, tails: Default::default() }
    }

    /// The freshness at `now` and the tail that says so, which is `make`'s where it was not read before.
    pub fn tail(&self, now: Mono, make: impl FnOnce(Freshness) -> Tail) -> (Freshness, &Tail) {
        let freshness = self.facts.horizon.freshness(now);
        (freshness, self.tails[place(freshness)].get_or_init(|| make(freshness)))
    }

    /// The tail that says a freshness, where it was read before.
    pub fn made(&self, freshness: Freshness) -> Option<&Tail> {
        self.tails[place(freshness)].get()
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
