//! SQLite: the embedded store.
//!
//! What is served comes from memory, so a read never waits for the disk and a broken disk never stops an answer: the latest
//! of every key is held here, and one thread, which owns the only connection, writes behind. A write is answered after its
//! commit has reached the disk, many writes sharing one commit. While the disk fails, writes are answered at once,
//! [`Health`] says why they are not durable, and the thread reopens the file each second and writes out what it owes: the
//! latest of every key changed meanwhile (revisions in between are not kept). Where the file was lost, replaced or found
//! corrupt, it owes the latest of every key; the history in that file is gone from the store, not from the renamed file.

mod aside;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod inspect;
mod load;
mod row;
mod schema;
pub mod shelf;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast, oneshot};
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use self::file::DataFile;
use self::writer::{Job, Read, Write, Writer};
use super::local::{Adopted, Local, restored_history};
use super::{Admission, Change, Entry, Figures, Head, Health, Lease, Retention, Revision, Slot, Store, StoreError};
use crate::lifecycle;

/// How it ends what it says of a file that cannot be written, for as long as it is open.
pub const TRIES_AGAIN: &str = "; it tries again every second";

/// How many reads of history wait before the thread at a time.
const READS: usize = 4;

/// A store in one SQLite file, for one server at a time.
pub struct SqliteStore {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    path: PathBuf,
    /// Places of reads before the writing thread.
    reads: Arc<Semaphore>,
}

/// What the callers and the writing thread share. Neither lock is ever held across an await or a disk access.
struct Shared {
    local: Mutex<Local>,
    health: Mutex<Health>,
    /// How often the file failed.
    errors: AtomicU64,
}

impl SqliteStore {
    /// Opens the file, or starts a new one, and reads the latest of every key. A corrupt file is renamed to
    /// `….corrupt-<n>`, and what can still be read of it is carried over. Blocks: call it while starting.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where another running server uses the file, where a newer version wrote it, where it is no
    /// file of ours or where its folder does not allow it; the message says what to do.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        let file = DataFile::claim(path)?;
        file.heal().map_err(|error| {
            let path = path.display();
            StoreError::Unusable(format!(
                "the store `{path}` was being replaced and that cannot be ended ({error}); free the file or the disk"
            ))
        })?;
        if let Err(error) = file.renew_log() {
            // It is read as it is: what follows in it is as safe as the disk is.
            tracing::warn!(path = %path.display(), %error, "the log that the last run left cannot be written anew");
        }
        let load::First { conn, entries, notes } = load::first(&file)?;
        let shared =
            Arc::new(Shared { local: Mutex::new(Local::new(entries, notes)), health: Mutex::new(Health::Ok), errors: AtomicU64::new(0) });
        let (jobs, queue) = mpsc::channel();
        let mut writer = Writer::new(file, conn, retention, Arc::clone(&shared), queue);
        writer.settle()?;
        let refused = |error| StoreError::Unavailable(format!("the store's thread could not be started: {error}"));
        lifecycle::thread("store", move || writer.run()).map_err(refused)?;
        Ok(Self { shared, jobs, path: path.to_owned(), reads: Arc::new(Semaphore::new(READS)) })
    }

    /// Applies a change in memory and queues its writing under one lock, so that both happen in the same order.
    async fn change(&self, apply: impl FnOnce(&mut Local) -> Result<Write, StoreError>) -> Result<(), StoreError> {
        let answer = {
            let mut local = self.shared.local();
            let write = apply(&mut local)?;
            let (done, answer) = oneshot::channel();
            self.submit(Job::Write(Box::new(write), done));
            answer
        };
        answer.await.map_err(closed)
    }

    async fn read<T>(&self, read: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Read) -> Result<T, StoreError> {
        // Reads of history share the thread that writes: few wait there, the rest here, where whoever leaves waits no more.
        let place = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let (done, answer) = oneshot::channel();
        self.submit(Job::Read(read(done), place));
        answer.await.map_err(closed)?
    }

    /// A job that nobody takes any more is dropped, and with it the way to answer it: its caller learns that way.
    fn submit(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            self.shared.set_health(Health::Degraded("the store is closed".to_owned()));
        }
    }
}

impl Shared {
    /// No change of it can panic half-way, so a poisoned state is a whole one.
    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_health(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn closed(_: oneshot::error::RecvError) -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("health", &self.shared.health()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.shared.local().list())
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        self.shared.local().each(show);
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.shared.local().get(key))
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        self.change(|local| local.put(lease, snapshot, renewal, attempts).map(Write::Put)).await
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        self.change(|local| local.touch(lease, renewal, attempts).map(Write::Renew)).await
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        self.change(|local| Ok(Write::Renew(local.record(key, attempts)))).await
    }

    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError> {
        Ok(self.shared.local().heads(now.mono))
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        self.read(|done| Read::Revisions(key.clone(), done)).await
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        self.read(|done| Read::One(key.clone(), revision, done)).await
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        self.read(|done| Read::AsOf(key.clone(), at, done)).await
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        self.change(|local| {
            local.evict(key);
            Ok(Write::Evict(key.clone()))
        })
        .await
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        Ok(self.shared.local().acquire(key, seen, ttl, now))
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.shared.local().extend(lease, ttl, now)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.shared.local().release(lease);
        Ok(())
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError> {
        Ok(self.shared.local().slot(host, at_once, gap, ttl, now))
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.shared.local().stay(slot, ttl, now);
        Ok(())
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        self.shared.local().leave(slot);
        Ok(())
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(self.shared.local().notes())
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.change(|local| {
            local.note(name, text);
            Ok(Write::Note(name.to_owned(), text.map(str::to_owned)))
        })
        .await
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.shared.local().watch()
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn figures(&self) -> Figures {
        // With the log beside it, which is worked into the file from time to time.
        let log = self.path.with_file_name(format!("{}-wal", self.path.file_name().unwrap_or_default().to_string_lossy()));
        let size = |path: &Path| path.metadata().ok().map(|metadata| metadata.len());
        let bytes = size(&self.path).map(|file| file + size(&log).unwrap_or(0));
        Figures { errors: self.shared.errors.load(Ordering::Relaxed), bytes }
    }

    fn identity(&self) -> Option<String> {
        file::identity(&self.path)
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        let history = restored_history(entry, history);
        self.change(|local| {
            let entry = local.restore(entry);
            Ok(Write::Restore(entry, history))
        })
        .await
    }

    async fn adopt(&self, entry: &Entry) -> Result<(), StoreError> {
        let answer = {
            let mut local = self.shared.local();
            let write = match local.adopt(entry) {
                Adopted::Rises => Some(Write::Put(entry.clone())),
                Adopted::Renews => Some(Write::Renew(entry.clone())),
                Adopted::Older => return Ok(()),
                Adopted::FollowsNot => None,
            };
            write.map(|write| {
                let (done, answer) = oneshot::channel();
                self.submit(Job::Write(Box::new(write), done));
                answer
            })
        };
        match answer {
            Some(answer) => answer.await.map_err(closed),
            None => super::copy::adopt(self, entry).await,
        }
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.read(Read::Compact).await
    }

    async fn close(&self) {
        let (done, answer) = oneshot::channel();
        self.submit(Job::Close(done));
        // An answer that never comes means that it is closed already.
        let _ = answer.await;
    }
}
