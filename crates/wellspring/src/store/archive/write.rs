//! Writes an archive, key by key, while others go on writing to the store.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Digesting, Snapshot};

use super::{Counts, End, EndLine, FORMAT, HIGHEST, Header, KeyLine, LONGEST, LONGEST_HEAD, RevisionLine, WriteError, items};
use crate::store::{Entry, Holdings, Whole, whole};

/// Lines are handed on when there is so much of them, in bytes.
const PIECE: usize = 64 << 10;
/// What a revision's line holds beside its items, at most, in bytes.
const BESIDE: usize = 1 << 10;

/// Where an archive goes.
#[async_trait]
pub trait Sink: Send {
    /// Takes what comes next; `so_far` is with it.
    async fn take(&mut self, piece: Bytes, so_far: Counts) -> io::Result<()>;

    /// Hears what is otherwise in the archive than in the store, and why.
    fn remark(&mut self, words: String) {
        tracing::warn!("{words}");
    }
}

/// Writes what the store holds of these keys, given in order; those that are gone meanwhile are left out. What no archive may hold ends
/// nothing: what can be is written otherwise, the rest is left out, and the sink hears of either.
///
/// # Errors
/// Where the store cannot be read now, or the sink takes no more. What was written then lacks its last line.
pub async fn write<S: Holdings + ?Sized>(store: &S, keys: &[Key], made_at: Timestamp, sink: &mut dyn Sink) -> Result<Counts, WriteError> {
    let mut writer = Writer { sink, pending: Vec::with_capacity(2 * PIECE), counts: Counts::default(), digest: Digesting::default() };
    writer.line(&Header { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), made_at }).await?;
    for key in keys {
        let Some(mut whole) = whole(store, key).await? else { continue };
        if let Some(latest) = &whole.entry.latest
            && !writer.takes(&latest.snapshot)
        {
            whole.step_back(store, |snapshot| writer.takes(snapshot)).await?;
        }
        let mut numbers = Numbers::of(&whole);
        if numbers.are_new() {
            writer.sink.remark(format!("the revisions of `{key}` are numbered anew: an archive holds none above {HIGHEST}"));
        }
        if !writer.key(&whole.entry, numbers.latest).await? {
            continue;
        }
        while let Some(snapshot) = whole.next_past(store).await? {
            if writer.takes(&snapshot) {
                writer.revision(&snapshot, numbers.next(snapshot.revision)).await?;
            }
        }
        if let (Some(latest), Some(number)) = (&whole.entry.latest, numbers.latest) {
            writer.revision(&latest.snapshot, number).await?;
        }
    }
    writer.end().await
}

/// The numbers that a key's revisions have in the archive: their own, or where the latest has none that may stand there, from 1 on.
struct Numbers {
    latest: Option<u64>,
    /// The last that was given.
    anew: Option<u64>,
}

impl Numbers {
    fn of(whole: &Whole) -> Self {
        let own = whole.entry.latest.as_ref().map(|latest| latest.snapshot.revision);
        match own.filter(|own| *own > HIGHEST) {
            None => Self { latest: own, anew: None },
            // Those of its past that are gone by then leave gaps.
            Some(_) => Self { latest: Some(whole.past() as u64 + 1), anew: Some(0) },
        }
    }

    fn are_new(&self) -> bool {
        self.anew.is_some()
    }

    fn next(&mut self, own: u64) -> u64 {
        self.anew.as_mut().map_or(own, |last| {
            *last += 1;
            *last
        })
    }
}

/// How many items a snapshot holds, where it is one that an archive may hold.
fn fitting(snapshot: &Snapshot) -> Result<u32, String> {
    if snapshot.items.json().len() > LONGEST - BESIDE {
        return Err(format!("its items are larger than {} MiB", LONGEST >> 20));
    }
    items::count(snapshot.items.json())
}

struct Writer<'a> {
    sink: &'a mut dyn Sink,
    pending: Vec<u8>,
    counts: Counts,
    digest: Digesting,
}

impl Writer<'_> {
    /// Whether it may be written; says so where not.
    fn takes(&mut self, snapshot: &Snapshot) -> bool {
        let fits = fitting(snapshot);
        if let Err(why) = &fits {
            self.sink.remark(format!("revision {} of `{}` is left out: {why}", snapshot.revision, snapshot.key));
        }
        fits.is_ok()
    }

    /// Whether it could be written.
    async fn key(&mut self, entry: &Entry, number: Option<u64>) -> Result<bool, WriteError> {
        let latest = entry.latest.as_ref();
        let mut line = KeyLine {
            key: entry.key.clone(),
            latest: number,
            fence: latest.map(|latest| latest.fence.min(HIGHEST)),
            renewal: latest.map(|latest| latest.renewal.clone()),
            attempts: entry.attempts.clone(),
        };
        let is_long = |line: &KeyLine| serde_json::to_string(line).is_ok_and(|text| text.len() > LONGEST_HEAD);
        if is_long(&line) {
            // Without them all is asked for once.
            line.renewal.iter_mut().for_each(|renewal| renewal.validators.clear());
            if is_long(&line) {
                self.sink.remark(format!("`{:.100}…` is left out: its name is too long", entry.key.as_str()));
                return Ok(false);
            }
        }
        self.counts.keys += 1;
        self.line(&line).await?;
        Ok(true)
    }

    async fn revision(&mut self, snapshot: &Snapshot, number: u64) -> Result<(), WriteError> {
        let Snapshot { key, revision, made_at, how, digest, items } = snapshot;
        // What is written has to be readable: said now, while the store is still there.
        let unlike = |why: String| {
            let why = format!("revision {revision} of `{key}` cannot be archived: {why}");
            WriteError::Sink(io::Error::new(io::ErrorKind::InvalidData, why))
        };
        let count = fitting(snapshot).map_err(unlike)?;
        let raw: &RawValue = serde_json::from_str(items.json()).map_err(|error| unlike(error.to_string()))?;
        self.counts.revisions += 1;
        self.line(&RevisionLine { revision: number, made_at: *made_at, how: how.clone(), count, digest: *digest, items: raw }).await
    }

    async fn line(&mut self, line: &impl Serialize) -> Result<(), WriteError> {
        let start = self.pending.len();
        serde_json::to_writer(&mut self.pending, line).map_err(|error| WriteError::Sink(error.into()))?;
        self.pending.push(b'\n');
        let line = self.pending.get(start..).unwrap_or_default();
        self.digest.add(line);
        self.counts.bytes += line.len() as u64;
        if self.pending.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn end(mut self) -> Result<Counts, WriteError> {
        let (counts, digest) = (self.counts, self.digest.digest());
        self.line(&EndLine { end: End { keys: counts.keys, revisions: counts.revisions, digest } }).await?;
        self.flush().await?;
        Ok(counts)
    }

    async fn flush(&mut self) -> Result<(), WriteError> {
        let piece = Bytes::from(std::mem::replace(&mut self.pending, Vec::with_capacity(2 * PIECE)));
        self.sink.take(piece, self.counts).await.map_err(WriteError::Sink)
    }
}
