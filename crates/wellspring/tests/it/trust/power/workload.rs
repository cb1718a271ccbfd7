//! What a store goes through before the power fails: a child of the test, which says what it begins and what is durable.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use wellspring::lifecycle::spawn;
use wellspring::store::sqlite::SqliteStore;
use wellspring::store::{Entry, Health, Latest, Store};
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Attempts, Snapshot};

use super::image::Dice;
use super::payload;
use crate::store_kit::{key, lease, open, renewal, until};
use crate::support::disk::fails;

/// Keys, each written by a task of its own.
pub(super) const KEYS: usize = 6;

/// A child's store, and the words by which the parent follows it.
struct Work {
    store: SqliteStore,
    path: PathBuf,
    said: Arc<Mutex<File>>,
    keys: Vec<Known>,
}

/// What the child knows of one of its keys.
struct Known {
    key: Key,
    dice: Dice,
    /// The number of the last state.
    state: u64,
    /// The last revision, and the last moment of a renewal: none is used twice.
    revision: u64,
    renewed: i64,
    alive: bool,
    /// Revisions that its history has to show, oldest first.
    history: Vec<u64>,
}

/// What is done while writing cannot succeed reaches the file later, the latest of each key alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Sound,
    Failing,
}

/// All of it, in a folder on a disk whose other side listens. `turns`: how much is written.
pub(super) async fn run(folder: &Path, acks: &Path, seed: u64, turns: usize) {
    let path = folder.join("data/wellspring.db");
    let known = |n: usize| Known {
        key: key(&format!("source_{n}")),
        dice: Dice(seed * 1_000 + n as u64),
        state: 0,
        revision: 0,
        renewed: 0,
        alive: false,
        history: Vec::new(),
    };
    let said = Arc::new(Mutex::new(File::create(acks).unwrap()));
    let keys = (0..KEYS).map(known).collect();
    let mut work = Work { store: open(&path).unwrap(), path, said, keys };
    work = work.many(turns).await;
    work = work.reopened().await;
    work = work.many(turns / 4).await;
    work.failing(folder, "write EIO").await;
    work = work.many(turns / 8).await;
    work.failing(folder, "sync EIO").await;
    work = work.many(turns / 8).await;
    work.failing(folder, "grow ENOSPC 9000").await;
    work = work.stopped(folder).await;
    work = work.many(turns / 8).await;
    // A log that cannot be worked into the database only grows.
    fails(folder, "write EIO wellspring.db");
    work = work.many(turns / 2).await;
    fails(folder, "");
    work = work.broken().await;
    work = work.many(turns / 4).await;
    work = work.removed().await;
    work = work.many(turns / 8).await;
    work.store.close().await;
}

impl Work {
    fn say(&self, words: &str) {
        say(&self.said, words);
    }

    /// Every key at once, each its turns.
    async fn many(self, turns: usize) -> Self {
        let Self { store, path, said, keys } = self;
        let store = Arc::new(store);
        let tasks: Vec<_> = keys
            .into_iter()
            .map(|mut known| {
                let (store, said) = (Arc::clone(&store), Arc::clone(&said));
                spawn(async move {
                    for _ in 0..turns {
                        turn(&store, &said, &mut known, Disk::Sound).await;
                    }
                    known
                })
            })
            .collect();
        let mut keys = Vec::new();
        for task in tasks {
            keys.push(task.await.unwrap());
        }
        Self { store: Arc::into_inner(store).unwrap(), path, said, keys }
    }

    async fn reopened(self) -> Self {
        self.store.close().await;
        Self { store: open(&self.path).unwrap(), ..self }
    }

    /// Some changes while the disk fails, and its repair: then all of them are durable.
    async fn failing(&mut self, folder: &Path, words: &str) {
        fails(folder, words);
        for known in self.keys.iter_mut().skip(1) {
            for _ in 0..3 {
                turn(&self.store, &self.said, known, Disk::Failing).await;
            }
        }
        assert!(matches!(self.store.health(), Health::Degraded(_)), "{words}");
        fails(folder, "");
        self.durable().await;
    }

    /// It is stopped while the disk fails: what is owed is lost, and the log that is found next time was never synced.
    async fn stopped(mut self, folder: &Path) -> Self {
        fails(folder, "sync EIO");
        for known in &mut self.keys {
            turn(&self.store, &self.said, known, Disk::Failing).await;
        }
        self.store.close().await;
        fails(folder, "");
        let mut work = Self { store: open(&self.path).unwrap(), ..self };
        for known in &mut work.keys {
            let latest = work.store.get(&known.key).await.unwrap().and_then(|entry| entry.latest);
            known.alive = latest.is_some();
            known.revision = latest.map_or(known.revision, |latest| latest.snapshot.revision);
            known.history.clear();
        }
        work
    }

    async fn durable(&self) {
        until("the store is durable again", async || self.store.health() == Health::Ok).await;
        for known in &self.keys {
            self.say(&format!("ack {} {}", known.key, known.state));
        }
    }

    /// A page that nothing served is read from goes bad: the file is set aside and written anew from memory.
    async fn broken(mut self) -> Self {
        self.store.close().await;
        let root: u64 = {
            let conn = Connection::open(&self.path).unwrap();
            conn.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
            let root: i64 = conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'note'", [], |row| row.get(0)).unwrap();
            root.try_into().unwrap()
        };
        self.say("corrupt");
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(&[0xA5; 4_096], (root - 1) * 4_096).unwrap();
        file.sync_all().unwrap();
        // What is in memory is written, and that may be the change that comes next.
        self.keys.iter_mut().for_each(|known| known.history.clear());
        let mut work = Self { store: open(&self.path).unwrap(), ..self };
        // Its answer comes after the file was looked through.
        turn(&work.store, &work.said, &mut work.keys[0], Disk::Sound).await;
        assert!(work.path.with_file_name("wellspring.db.corrupt-1").exists(), "it was set aside");
        work.say("whole");
        work
    }

    /// Somebody removes the file.
    async fn removed(mut self) -> Self {
        self.say("removed");
        fs::remove_file(&self.path).unwrap();
        self.keys.iter_mut().for_each(|known| known.history.clear());
        turn(&self.store, &self.said, &mut self.keys[0], Disk::Sound).await;
        self.durable().await;
        self.say("whole");
        self
    }
}

/// A line at once: others may be under way.
fn say(said: &Mutex<File>, words: &str) {
    said.lock().unwrap().write_all(format!("{words}\n").as_bytes()).unwrap();
}

/// One change of a key: what it will be, the change, and that it is durable, where it is.
async fn turn(store: &SqliteStore, said: &Mutex<File>, known: &mut Known, disk: Disk) {
    known.state += 1;
    known.renewed += 1;
    let (key, state, renewed) = (known.key.clone(), known.state, known.renewed);
    let kind = known.dice.below(20);
    let begin = |known: &Known| {
        let revision = if known.alive { known.revision.to_string() } else { "-".to_owned() };
        // Fewer than are kept: what need not be there may still take a place.
        let history: Vec<_> = known.history.iter().rev().take(8).map(u64::to_string).collect();
        say(said, &format!("begin {key} {state} {revision} {renewed} {}", history.join(",")));
    };
    match kind {
        0 if known.alive => {
            known.alive = false;
            known.history.clear();
            begin(known);
            store.evict(&key).await.unwrap();
        }
        1 | 2 if disk == Disk::Sound => {
            let history: Vec<Snapshot> = (1..=4).map(|n| payload(&key, known.revision + n)).collect();
            known.revision += 4;
            known.alive = true;
            known.history = history.iter().map(|snapshot| snapshot.revision).collect();
            begin(known);
            let latest = Latest { snapshot: history[3].clone(), renewal: renewal(renewed), fence: 0 };
            let entry = Entry { key: key.clone(), latest: Some(latest), attempts: Attempts::default() };
            store.restore(&entry, &history).await.unwrap();
        }
        3..=6 if known.alive => {
            begin(known);
            let lease = lease(store, &key).await;
            store.touch_if(&lease, &renewal(renewed), &Attempts::default()).await.unwrap();
            store.release(&lease).await.unwrap();
        }
        _ => {
            known.revision += 1;
            known.alive = true;
            if disk == Disk::Sound {
                known.history.push(known.revision);
            }
            begin(known);
            let lease = lease(store, &key).await;
            store.put_if(&lease, &payload(&key, known.revision), &renewal(renewed), &Attempts::default()).await.unwrap();
            store.release(&lease).await.unwrap();
        }
    }
    if store.health() == Health::Ok {
        say(said, &format!("ack {key} {state}"));
    }
}
