//! The one thread that writes: takes what is queued, commits it in one transaction, answers. When the file fails it lets go of
//! it, opens it again each second and writes what it owes from memory.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::snapshot::Snapshot;

use super::file::{DataFile, Identity};
use super::schema::{self, Fault};
use super::{Shared, TRIES_AGAIN, load, row};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{Entry, Health, Retention, Revision, StoreError};

/// How often a failed file is tried again, and a good one looked at: somebody may have removed it.
const TICK: Duration = Duration::from_secs(1);
/// Keys whose history is pruned between two looks for jobs.
const PRUNED_AT_ONCE: usize = 16;
/// Jobs that share one commit.
const AT_ONCE: usize = 256;

pub(super) enum Job {
    Write(Box<Write>, oneshot::Sender<()>),
    /// With its place among those that wait, which it gives back when it is done.
    Read(Read, OwnedSemaphorePermit),
    Close(oneshot::Sender<()>),
}

pub(super) enum Write {
    /// A new revision and what belongs to it.
    Put(Entry),
    /// What is stored beside the snapshots.
    Renew(Entry),
    Evict(Key),
    /// Kept, or forgotten.
    Note(String, Option<String>),
    /// With its history, newest first.
    Restore(Entry, Vec<Snapshot>),
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Read {
    Revisions(Key, Reply<Vec<Revision>>),
    AsOf(Key, Timestamp, Reply<Option<Snapshot>>),
    One(Key, u64, Reply<Option<Snapshot>>),
    /// Writes the file anew without what is unused.
    Compact(Reply<()>),
}

pub(super) struct Writer {
    conn: Option<Connection>,
    /// After the connection, so that its lock outlives that when both are dropped.
    file: DataFile,
    /// What lay at the path when the connection was opened; `None` where what lies there now is not what we have written to.
    opened: Option<Identity>,
    /// What is wrong with the file at the path, where it is corrupt and not set aside yet.
    corrupt: Option<String>,
    retention: Retention,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    /// Keys whose latest state in memory is not durable yet.
    owed: BTreeSet<Key>,
    /// Whether the notes in memory are not durable yet.
    owes_notes: bool,
    next_try: Mono,
    /// Keys whose history is still to be pruned: an earlier start may have kept more.
    unpruned: Vec<Key>,
    /// What waits until nothing is to be written: one at a time, so that no write waits for more than one.
    reads: VecDeque<(Read, OwnedSemaphorePermit)>,
}

#[derive(Default)]
struct Batch {
    writes: Vec<(Box<Write>, oneshot::Sender<()>)>,
    reads: Vec<(Read, OwnedSemaphorePermit)>,
    closes: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// Without a connection, but with why: what is corrupt is to be set aside, what cannot be written is tried again.
    pub(super) fn new(
        file: DataFile,
        conn: Result<Connection, Fault>,
        retention: Retention,
        shared: Arc<Shared>,
        jobs: Receiver<Job>,
    ) -> Self {
        let (conn, corrupt) = match conn {
            Ok(conn) => (Some(conn), None),
            Err(Fault::Corrupt(why)) => (None, Some(why)),
            Err(_) => (None, None),
        };
        let opened = if corrupt.is_none() { file.identity() } else { None };
        let unpruned = shared.local().keys();
        let next_try = Mono::from_nanos(i64::MIN);
        Self {
            conn,
            file,
            opened,
            corrupt,
            retention,
            shared,
            jobs,
            owed: BTreeSet::new(),
            owes_notes: false,
            next_try,
            unpruned,
            reads: VecDeque::new(),
        }
    }

    /// Sets a corrupt file aside at once: what was saved of it is then safe before anything is served.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        match self.conn.is_none().then(|| self.recover()) {
            Some(Err(Fault::Unusable(why))) => Err(StoreError::Unusable(why)),
            // A disk that is full today holds the corrupt file still; it is set aside as soon as that goes.
            _ => Ok(()),
        }
    }

    /// Until it is told to close or nobody is left to tell it anything.
    pub(super) fn run(mut self) {
        // Reads the whole file, so it is done here, after what is served has been loaded, and before the first write.
        let looked = self.conn.as_ref().map(|conn| schema::check(conn).and_then(|()| self.sync_folder()));
        if let Some(Err(fault)) = looked {
            self.fail(fault);
        }
        let closes = loop {
            let mut batch = Batch::default();
            // Between jobs, so that none waits for more than a few keys.
            let rests = self.reads.is_empty() && (self.unpruned.is_empty() || self.conn.is_none());
            let patience = if rests { TICK } else { Duration::ZERO };
            match self.jobs.recv_timeout(patience) {
                Ok(job) => batch.take(job, &self.jobs),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Vec::new(),
            }
            self.turn(&mut batch);
            self.prune();
            if !batch.closes.is_empty() {
                break batch.closes;
            }
        };
        self.finish(closes);
    }

    fn turn(&mut self, batch: &mut Batch) {
        self.look();
        if self.conn.is_none() && SystemClock.mono() >= self.next_try {
            let _ = self.recover();
        }
        self.write(&batch.writes);
        for (_, done) in batch.writes.drain(..) {
            // Whoever stopped waiting does not need to know.
            let _ = done.send(());
        }
        self.reads.extend(batch.reads.drain(..));
        self.reads.retain(|(read, _)| !read.is_given_up());
        if let Some((read, _place)) = self.reads.pop_front() {
            self.read(read);
        }
    }

    /// Commits them, or owes their keys and deals with what is wrong.
    fn write(&mut self, writes: &[(Box<Write>, oneshot::Sender<()>)]) {
        if writes.is_empty() {
            return;
        }
        let Some(conn) = &mut self.conn else {
            self.owe(writes);
            return;
        };
        if let Err(fault) = commit(conn, |conn| writes.iter().try_for_each(|(write, _)| write.apply(conn, self.retention))) {
            self.owe(writes);
            self.fail(fault);
        }
    }

    /// Prunes the history of some keys by the retention in force.
    fn prune(&mut self) {
        let Some(conn) = self.conn.as_mut().filter(|_| !self.unpruned.is_empty()) else { return };
        let rest = self.unpruned.len().saturating_sub(PRUNED_AT_ONCE);
        let some = self.unpruned.split_off(rest);
        if let Err(fault) = commit(conn, |conn| some.iter().try_for_each(|key| row::prune(conn, key.as_str(), self.retention))) {
            self.fail(fault);
        }
    }

    fn owe(&mut self, writes: &[(Box<Write>, oneshot::Sender<()>)]) {
        for (write, _) in writes {
            match write.key() {
                Some(key) => drop(self.owed.insert(key.clone())),
                None => self.owes_notes = true,
            }
        }
    }

    fn read(&mut self, read: Read) {
        let fault = match read {
            Read::Revisions(key, reply) => answer(self.conn.as_ref(), reply, |conn| load::revisions(conn, &key)),
            Read::AsOf(key, at, reply) => answer(self.conn.as_ref(), reply, |conn| load::as_of(conn, &key, at)),
            Read::One(key, revision, reply) => answer(self.conn.as_ref(), reply, |conn| load::one(conn, &key, revision)),
            Read::Compact(reply) => answer(self.conn.as_ref(), reply, schema::compact),
        };
        if let Some(fault) = fault {
            self.fail(fault);
        }
    }

    /// Lets go of a file that was removed or replaced under us.
    fn look(&mut self) {
        if self.conn.is_none() || self.opened == self.file.identity() {
            return;
        }
        tracing::warn!(path = %self.file.path().display(), "the store's file or its log was removed or replaced: it is opened again");
        if self.file.is_still(self.opened) {
            // Only the log is gone from the folder: closing works the one we hold open into the database.
            self.conn = None;
        }
        self.let_go();
        let _ = self.recover();
    }

    /// Lets go of a file that failed, and tries once, at once, to go on; a corrupt one is set aside.
    fn fail(&mut self, fault: Fault) {
        self.shared.failed();
        tracing::warn!(path = %self.file.path().display(), why = fault.why(), "the store's file failed: it is opened again");
        self.let_go();
        if let Fault::Corrupt(why) = fault {
            self.corrupt = Some(why);
        }
        let _ = self.recover();
    }

    fn let_go(&mut self) {
        self.recognise();
        if let Some(conn) = self.conn.take() {
            schema::abandon(conn);
        }
    }

    /// Forgets what was opened where that is no longer what lies at the path. Before it is closed and before a new file is
    /// made: that may get the number of the one that is gone.
    fn recognise(&mut self) {
        if !self.file.is_still(self.opened) {
            self.opened.take().into_iter().for_each(|opened| self.file.drop_stale_log(opened));
        }
    }

    /// Opens the file and writes what is owed; where that fails, says so until the next try.
    fn recover(&mut self) -> Result<(), Fault> {
        self.recognise();
        match self.reopen() {
            Ok(conn) => {
                self.conn = Some(conn);
                self.opened = self.file.identity();
                self.owed.clear();
                self.owes_notes = false;
                self.shared.set_health(Health::Ok);
                tracing::info!(path = %self.file.path().display(), "the store's file is open, everything in memory is durable");
                Ok(())
            }
            Err(fault) => {
                self.shared.failed();
                if let Fault::Corrupt(why) = &fault {
                    // The next try sets it aside.
                    self.corrupt = Some(why.clone());
                }
                self.degrade(&fault);
                Err(fault)
            }
        }
    }

    /// Never trusts a log whose sync may have failed: what it holds is written to the disk anew and worked into the database,
    /// and what is owed goes into a new one.
    fn reopen(&mut self) -> Result<Connection, Fault> {
        self.file.reclaim()?;
        self.file.heal().map_err(|error| io(&error))?;
        if let Some(why) = self.corrupt.clone() {
            self.replace(&why)?;
        }
        self.file.renew_log().map_err(|error| io(&error))?;
        let mut conn = schema::open(self.file.path()).map_err(|fault| match fault {
            // SQLite only says that it cannot open something.
            Fault::Io(why) if self.file.is_closed_on_a_full_disk() => Fault::Io(format!("{why}: the disk is full")),
            fault => fault,
        })?;
        self.file.hand_over();
        let outcome = self.sync_folder().and_then(|()| self.pay(&mut conn));
        if let Err(fault) = outcome {
            schema::abandon(conn);
            return Err(fault);
        }
        Ok(conn)
    }

    /// Writes all that is in memory into a new file, which takes the place of the corrupt one. That stays where it is until
    /// then: where nothing can be written, a restart finds it again.
    fn replace(&mut self, why: &str) -> Result<(), Fault> {
        self.opened = None;
        if self.file.identity().is_some() {
            let new = self.file.successor()?;
            let mut conn = schema::open(&new).map_err(anew)?;
            self.pay(&mut conn).and_then(|()| schema::checkpoint(&conn)).map_err(anew)?;
            conn.close().map_err(|(_, error)| anew(error.into()))?;
            self.file.succeed(why)?;
            self.opened = self.file.identity();
            self.owed.clear();
            self.owes_notes = false;
        }
        self.corrupt = None;
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), Fault> {
        self.file.sync_folder().map_err(|error| io(&error))
    }

    fn pay(&mut self, conn: &mut Connection) -> Result<(), Fault> {
        schema::checkpoint(conn)?;
        let (entries, notes): (Vec<(Key, Option<Entry>)>, _) = {
            let local = self.shared.local();
            if self.opened.is_none() {
                self.owed.extend(local.keys());
                self.owes_notes = true;
            }
            let notes = self.owes_notes.then(|| local.notes());
            (self.owed.iter().map(|key| (key.clone(), local.get(key))).collect(), notes)
        };
        commit(conn, |conn| {
            if let Some(notes) = &notes {
                conn.execute("DELETE FROM note", [])?;
                notes.iter().try_for_each(|(name, text)| row::note(conn, name, Some(text)))?;
            }
            entries.iter().try_for_each(|(key, entry)| match entry {
                Some(entry) => row::put(conn, entry, self.retention),
                None => row::evict(conn, key),
            })
        })
    }

    fn degrade(&mut self, fault: &Fault) {
        self.next_try = SystemClock.mono().after(TICK);
        let path = self.file.path().display();
        let health = Health::Degraded(format!("the store cannot write `{path}` ({}){TRIES_AGAIN}", fault.why()));
        if self.shared.health() != health {
            tracing::warn!(path = %path, why = fault.why(), keys = self.owed.len(), "the store is not durable: what it could not write is in memory alone");
        }
        self.shared.set_health(health);
    }

    /// Whoever waits for it finds the file closed and the lock free.
    fn finish(mut self, closes: Vec<oneshot::Sender<()>>) {
        if self.conn.is_none() && self.recover().is_err() {
            tracing::error!(keys = self.owed.len(), "the store closes with changes that could not be written");
        }
        drop(self);
        for done in closes {
            let _ = done.send(());
        }
    }
}

impl Batch {
    /// A job and those that wait behind it.
    fn take(&mut self, first: Job, jobs: &Receiver<Job>) {
        for job in std::iter::once(first).chain(jobs.try_iter()).take(AT_ONCE) {
            match job {
                Job::Write(write, done) => self.writes.push((write, done)),
                Job::Read(read, place) => self.reads.push((read, place)),
                Job::Close(done) => return self.closes.push(done),
            }
        }
    }
}

impl Read {
    /// True where whoever asked has gone.
    fn is_given_up(&self) -> bool {
        match self {
            Self::Revisions(_, reply) => reply.is_closed(),
            Self::AsOf(.., reply) | Self::One(.., reply) => reply.is_closed(),
            Self::Compact(reply) => reply.is_closed(),
        }
    }
}

impl Write {
    /// Whose it is; a note is nobody's.
    fn key(&self) -> Option<&Key> {
        match self {
            Self::Put(entry) | Self::Renew(entry) | Self::Restore(entry, _) => Some(&entry.key),
            Self::Evict(key) => Some(key),
            Self::Note(..) => None,
        }
    }

    fn apply(&self, conn: &Connection, retention: Retention) -> rusqlite::Result<()> {
        match self {
            Self::Put(entry) => row::put(conn, entry, retention),
            Self::Renew(entry) => row::renew(conn, entry),
            Self::Evict(key) => row::evict(conn, key),
            Self::Note(name, text) => row::note(conn, name, text.as_deref()),
            Self::Restore(entry, history) => row::restore(conn, entry, history, retention),
        }
    }
}

fn io(error: &io::Error) -> Fault {
    Fault::Io(error.to_string())
}

/// Nothing of ours can be wrong with a file that was just made: a disk that makes it so is tried again.
fn anew(fault: Fault) -> Fault {
    match fault {
        Fault::Corrupt(why) => Fault::Io(why),
        fault => fault,
    }
}

fn commit(conn: &mut Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Fault> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    work(&transaction)?;
    Ok(transaction.commit()?)
}

fn answer<T>(conn: Option<&Connection>, reply: Reply<T>, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Option<Fault> {
    let unavailable = |why: &str| StoreError::Unavailable(format!("history cannot be read now: {why}"));
    let (answer, fault) = match conn.map(read) {
        Some(Ok(value)) => (Ok(value), None),
        Some(Err(fault)) => (Err(unavailable(fault.why())), Some(fault)),
        None => (Err(unavailable("the store's file is not open")), None),
    };
    let _ = reply.send(answer);
    fault
}
