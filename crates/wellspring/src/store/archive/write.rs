//! Writes an archive, key by key, while others go on writing to the store.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Digesting, Snapshot};

use super::{Counts, End, EndLine, FORMAT, Header, KeyLine, RevisionLine, WriteError, items};
use crate::store::{Entry, Holdings, whole};

/// Lines are handed on when there is so much of them, in bytes.
const PIECE: usize = 64 << 10;

/// Where an archive goes.
#[async_trait]
pub trait Sink: Send {
    /// Takes what comes next; `so_far` is with it.
    async fn take(&mut self, piece: Bytes, so_far: Counts) -> io::Result<()>;
}

/// Writes what the store holds of these keys, given in order; those that are gone meanwhile are left out.
///
/// # Errors
/// Where the store cannot be read now, or the sink takes no more. What was written then lacks its last line.
pub async fn write<S: Holdings + ?Sized>(store: &S, keys: &[Key], made_at: Timestamp, sink: &mut dyn Sink) -> Result<Counts, WriteError> {
    let mut writer = Writer { sink, pending: Vec::with_capacity(2 * PIECE), counts: Counts::default(), digest: Digesting::default() };
    writer.line(&Header { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), made_at }).await?;
    for key in keys {
        let Some(mut whole) = whole(store, key).await? else { continue };
        writer.key(&whole.entry).await?;
        while let Some(snapshot) = whole.next_past(store).await? {
            writer.revision(&snapshot).await?;
        }
        if let Some(latest) = &whole.entry.latest {
            writer.revision(&latest.snapshot).await?;
        }
    }
    writer.end().await
}

struct Writer<'a> {
    sink: &'a mut dyn Sink,
    pending: Vec<u8>,
    counts: Counts,
    digest: Digesting,
}

impl Writer<'_> {
    async fn key(&mut self, entry: &Entry) -> Result<(), WriteError> {
        let latest = entry.latest.as_ref();
        self.counts.keys += 1;
        self.line(&KeyLine {
            key: entry.key.clone(),
            latest: latest.map(|latest| latest.snapshot.revision),
            fence: latest.map(|latest| latest.fence),
            renewal: latest.map(|latest| latest.renewal.clone()),
            attempts: entry.attempts.clone(),
        })
        .await
    }

    async fn revision(&mut self, snapshot: &Snapshot) -> Result<(), WriteError> {
        let Snapshot { key, revision, made_at, how, digest, items } = snapshot;
        let unlike = |why: String| {
            let why = format!("revision {revision} of `{key}` cannot be archived: {why}");
            WriteError::Sink(io::Error::new(io::ErrorKind::InvalidData, why))
        };
        // What is written has to be readable: said now, while the store is still there.
        let count = items::count(items.json()).map_err(unlike)?;
        let raw: &RawValue = serde_json::from_str(items.json()).map_err(|error| unlike(error.to_string()))?;
        self.counts.revisions += 1;
        self.line(&RevisionLine { revision: *revision, made_at: *made_at, how: how.clone(), count, digest: *digest, items: raw }).await
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
