//! What the tests of stores share: a store of each kind, and small values to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use wellspring::clock::SystemClock;
use wellspring::store::archive::{self, Counts, Outcome, Reader, Sink, Taken};
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring::store::sqlite::SqliteStore;
use wellspring::store::{Entry, Lease, Retention, Store, StoreError};
use wellspring_core::failure::{Code, Failure};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::rung::{Rung, Rungs};
use wellspring_core::snapshot::{Attempts, Digest, How, Items, Renewal, Snapshot, Validator};

use crate::support::redis;

pub(crate) const TTL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Redis,
    /// Of two in memory.
    Paired,
}

/// A store and the folder it lives in.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
    kind: Kind,
    retention: Retention,
    folder: TempDir,
}

impl Subject {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, Retention::default())
    }

    pub(crate) fn with(kind: Kind, retention: Retention) -> Self {
        Self::within(kind, retention, TempDir::new().unwrap())
    }

    /// Over whatever already lies in that folder.
    pub(crate) fn within(kind: Kind, retention: Retention, folder: TempDir) -> Self {
        let store: Arc<dyn Store> = match kind {
            Kind::Memory => Arc::new(MemoryStore::new(retention)),
            Kind::Sqlite => Arc::new(SqliteStore::open(&folder.path().join("wellspring.db"), retention).unwrap()),
            Kind::Redis => Arc::new(redis::Timed::open(&url_in(&folder), retention)),
            Kind::Paired => Arc::new(paired(retention)),
        };
        Self { store, kind, retention, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("wellspring.db")
    }

    /// Closes it and lets go of it.
    pub(crate) async fn closed(self) -> TempDir {
        self.store.close().await;
        self.folder
    }

    /// The same data in a store that was just opened; what lives in memory alone is carried there by a copy. Where leases outlive
    /// their holder, their time has run out meanwhile.
    pub(crate) async fn reopened(self) -> Self {
        let Self { kind, retention, .. } = self;
        if kind == Kind::Redis {
            redis::pass(&url_in(&self.folder), "*", TTL).await;
        }
        if !matches!(kind, Kind::Memory | Kind::Paired) {
            return Self::within(kind, retention, self.closed().await);
        }
        let next = Self::with(kind, retention);
        self.store.copy_to(&*next.store).await.unwrap();
        next
    }
}

/// On the threads of a runtime that has several.
fn paired(retention: Retention) -> Paired {
    let (shared, local) = (Arc::new(MemoryStore::new(retention)), Arc::new(MemoryStore::new(retention)));
    let opening = Paired::open(shared, local, Arc::new(SystemClock));
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(opening))
}

/// The database in Redis that belongs to a folder.
fn url_in(folder: &TempDir) -> String {
    let note = folder.path().join("redis.url");
    std::fs::read_to_string(&note).unwrap_or_else(|_| {
        let url = redis::database();
        std::fs::write(&note, &url).unwrap();
        url
    })
}

pub(crate) fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Retention::default())
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Both clocks, so many seconds after the start of the tests' time.
pub(crate) fn at(seconds: i64) -> Moment {
    Moment { wall: wall(seconds), mono: Mono::from_nanos(seconds * 1_000_000_000) }
}

pub(crate) fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A revision whose items say which it is; `filler` bytes make it larger. Made as many seconds into the tests' time.
pub(crate) fn snapshot(key: &Key, revision: u64, filler: usize) -> Snapshot {
    let row = json!({ "title": format!("{key} № {revision}"), "filler": "x".repeat(filler) });
    let items = Items::encode(&[row]);
    Snapshot {
        key: key.clone(),
        revision,
        made_at: wall(revision.cast_signed()).checked_add(Duration::from_nanos(123_456_789)).unwrap(),
        how: How { alternative: 1, took: Duration::from_millis(1_234), bytes: 4_321, rung: Rung::Http },
        digest: items.digest(),
        items,
    }
}

pub(crate) fn renewal(seconds: i64) -> Renewal {
    let validator = Validator { etag: Some(format!("\"{seconds}\nx\"")), last_modified: None };
    let rungs = Rungs::default().after(1, &[Rung::Http, Rung::Browser], wall(seconds));
    Renewal {
        checked_at: wall(seconds),
        rules: Digest::of(b"rules"),
        validators: [("request".to_owned(), validator)].into(),
        rungs,
        by: None,
        told_late: false,
    }
}

pub(crate) fn attempts(failures: u32) -> Attempts {
    Attempts {
        failures,
        last_failure: Some(Failure { retry_after: Some(TTL), ..Failure::retryable(Code::Timeout, "the host did not answer\nin time") }),
        failed_at: Some(wall(5)),
        not_before: Some(wall(65)),
        forced_at: None,
        rules: Some(Digest::of(b"rules")),
    }
}

pub(crate) async fn lease(store: &dyn Store, key: &Key) -> Lease {
    store.acquire(key, 0, TTL, at(0)).await.unwrap().expect("nobody holds it")
}

/// Puts one revision under a lease of its own.
pub(crate) async fn put(store: &dyn Store, key: &Key, revision: u64) {
    let lease = lease(store, key).await;
    store.put_if(&lease, &snapshot(key, revision, 0), &renewal(revision.cast_signed()), &Attempts::default()).await.unwrap();
    store.release(&lease).await.unwrap();
}

#[derive(Default)]
struct Text(Vec<u8>, Vec<String>);

#[async_trait]
impl Sink for Text {
    async fn take(&mut self, piece: Bytes, _: Counts) -> std::io::Result<()> {
        self.0.extend_from_slice(&piece);
        Ok(())
    }

    fn remark(&mut self, words: String) {
        self.1.push(words);
    }
}

/// All that a store holds, as an archive.
pub(crate) async fn archived(store: &dyn Store) -> String {
    archived_with_remarks(store).await.0
}

/// And what is otherwise in it than in the store.
pub(crate) async fn archived_with_remarks(store: &dyn Store) -> (String, Vec<String>) {
    let mut text = Text::default();
    archive::write(store, &store.keys().await.unwrap(), wall(0), &mut text).await.unwrap();
    (String::from_utf8(text.0).unwrap(), text.1)
}

/// Takes an archive over; which keys were, and which stayed as they were.
pub(crate) async fn taken_over(text: &str, store: &dyn Store, retention: Retention, replace: bool) -> (Taken, Vec<String>, Vec<String>) {
    let (mut over, mut kept) = (Vec::new(), Vec::new());
    let tell = &mut |key: &Key, outcome| match outcome {
        Outcome::TakenOver => over.push(key.to_string()),
        Outcome::Kept => kept.push(key.to_string()),
    };
    let taken = archive::take(Reader::new(text.as_bytes()).unwrap(), store, retention, replace, tell).await.unwrap();
    (taken, over, kept)
}

/// The one way that these tests look at what a store holds of a key: its number, when it was confirmed, its history.
pub(crate) async fn check(store: &dyn Store, key: &Key, latest: Option<u64>, history: &[u64]) -> Option<Entry> {
    let entry = store.get(key).await.unwrap();
    let listed = store.list().await.unwrap().into_iter().find(|entry| entry.key == *key);
    assert_eq!(entry, listed, "`get` and `list` disagree");
    let found = entry.as_ref().and_then(|entry| entry.latest.as_ref());
    assert_eq!(found.map(|latest| latest.snapshot.revision), latest, "latest of {key}");
    let revisions = store.revisions(key).await.unwrap();
    assert_eq!(revisions.iter().map(|line| line.revision).collect::<Vec<_>>(), history, "history of {key}");
    for line in revisions {
        let past = store.as_of(key, line.made_at).await.unwrap().expect("a listed revision can be read");
        assert_eq!((past.revision, past.items.digest()), (line.revision, line.digest));
    }
    entry
}

/// Waits for a condition that another thread brings about.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        while !holds().await {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
