//! Where snapshots outlive the process. A seam: SQLite, memory and Redis stand behind one trait and one suite of tests.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Digest, Renewal, Snapshot};

pub mod archive;
mod copy;
mod lease;
mod local;
pub mod memory;
pub mod paired;
mod presence;
pub mod redis;
mod row;
pub mod sqlite;
mod whole;

pub use self::presence::{Partner, Replica};
pub use self::whole::{Holdings, Whole, whole};

/// The right to refresh one key. Writes are refused unless they carry the lease in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The key that may be refreshed.
    pub key: Key,
    /// A random token that only its holder knows.
    pub owner: u128,
    /// A fencing token: rises with every lease of the key, stored with what is written under it.
    pub fence: u64,
    /// The [`Head::version`] of the key when the lease was granted: whoever knew another looks first at what is stored.
    pub version: u64,
}

/// What a rescan needs to know of a key before it reads more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose it is.
    pub key: Key,
    /// Another one after each change of what is stored of the key; 0 where nothing is. It means nothing but that.
    pub version: u64,
    /// The fence of the latest snapshot and when that was last confirmed, where there is one.
    pub latest: Option<(u64, Timestamp)>,
    /// A lease is in force.
    pub refreshing: bool,
}

/// What is stored of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Whose it is.
    pub key: Key,
    /// The latest snapshot and what renews it; none where no refresh has succeeded yet.
    pub latest: Option<Latest>,
    /// Failures, backoff, forced fetches.
    pub attempts: Attempts,
}

/// The latest snapshot of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// The items.
    pub snapshot: Snapshot,
    /// When and how they were last confirmed.
    pub renewal: Renewal,
    /// The fence of the lease under which that was written.
    pub fence: u64,
}

/// One line of a key's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// When it was first seen.
    pub made_at: Timestamp,
    /// How many items it holds.
    pub count: u32,
    /// The size of its encoded items, in bytes.
    pub bytes: u64,
    /// The digest of its items.
    pub digest: Digest,
}

impl Revision {
    /// The line of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            revision: snapshot.revision,
            made_at: snapshot.made_at,
            count: snapshot.items.count(),
            bytes: snapshot.items.json().len() as u64,
            digest: snapshot.digest,
        }
    }
}

/// What happened to a key, here or in another replica. A hint: whoever needs to be sure reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A lease was taken.
    Started(Key),
    /// A lease ended.
    Ended(Key),
    /// The snapshot was confirmed.
    Touched(Key),
    /// The snapshot was replaced.
    Revision(Key, u64),
    /// A failure was recorded.
    Recorded(Key),
    /// Hints may have been lost: look at all heads.
    Missed,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything that was answered is durable.
    Ok,
    /// Something is not, and what is being done about it.
    Degraded(String),
}

/// What a store tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How often it failed since the server started, tries to mend it included.
    pub errors: u64,
    /// What it takes on disk, in bytes, where it has one.
    pub bytes: Option<u64>,
}

/// A place among the requests that all replicas together make to one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The host.
    pub host: String,
    /// A random token that only its holder knows.
    pub owner: u128,
}

/// Whether there is a [`Slot`] now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// There is, until it is given back or its time has run out.
    Taken(Slot),
    /// There is none: to be asked again after this while.
    After(Duration),
}

/// Where all places at a host are taken, it is asked again so much later: nobody is told when one becomes free.
const FULL: Duration = Duration::from_millis(50);

/// Retention: the newest revisions of a key that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most so many, the latest included.
    pub revisions: usize,
    /// At most so many bytes of encoded items a key; the latest is always kept.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { revisions: 20, bytes: 16 << 20 }
    }
}

impl Retention {
    /// How many of a key's revisions are kept, given their sizes in bytes, newest first.
    pub fn kept(&self, sizes: impl IntoIterator<Item = u64>) -> usize {
        let mut total = 0_u64;
        let fits = sizes.into_iter().take(self.revisions).take_while(|size| {
            total = total.saturating_add(*size);
            total <= self.bytes
        });
        fits.count().max(1)
    }
}

/// Forgets keys, many of them in one commit where the store can.
///
/// # Errors
/// Where the store cannot be written now.
pub async fn evict_all(store: &dyn Store, keys: &[Key]) -> Result<(), StoreError> {
    for some in keys.chunks(256) {
        copy::together(some.iter().map(|key| Box::pin(store.evict(key)) as copy::Working<'_>).collect()).await?;
    }
    Ok(())
}

/// What a store may answer instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The lease is not the one in force: retryable, by whoever holds it now.
    #[error("the lease of `{0}` was lost to another holder")]
    LeaseLost(Key),
    /// The revision does not rise above the stored one: permanent, the caller's picture is old.
    #[error("revision {offered} of `{key}` does not follow the stored revision {stored}")]
    Outdated {
        /// The key.
        key: Key,
        /// What was offered.
        offered: u64,
        /// What is there.
        stored: u64,
    },
    /// The store cannot be used now: retryable.
    #[error("{0}")]
    Unavailable(String),
    /// What is stored of what this call is about is not ours, or of a newer format, or makes no sense; the rest can be used. Says what
    /// to do.
    #[error("{0}")]
    Unfit(String),
    /// The store cannot be opened as it is: permanent. Says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// Keeps snapshots. Every method is safe to call at any time from any task; none blocks the caller's thread.
#[async_trait]
pub trait Store: Send + Sync + Debug + 'static {
    /// Every key with its latest snapshot: what is served from the start. A row that fails its check is left out; where that is
    /// a latest snapshot, the newest good one of its history stands in, stale at once (its `rules` are those of no source).
    async fn list(&self) -> Result<Vec<Entry>, StoreError>;
    /// Shows every entry of [`Store::list`] in turn, for those who keep little of each; `show` asks nothing of the store.
    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError>;
    /// One key.
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;
    /// Stores a new revision, its renewal and the attempts, in one step, if the lease is in force and the revision rises.
    /// A lease is in force until it is given back, its key is evicted or restored, or its time has run out and another was
    /// granted; a store may also refuse it as soon as its time has run out.
    /// Durable when it returns, unless [`Store::health`] says otherwise; goes through even if the caller stops waiting.
    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError>;
    /// Renews the latest snapshot, if the lease is in force. Without a snapshot: [`StoreError::Outdated`].
    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError>;
    /// Remembers failures and backoff, of a key without a snapshot too.
    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError>;
    /// Every key that anything is stored of, in order.
    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        self.each(&mut |entry| keys.push(entry.key.clone())).await?;
        keys.sort_unstable();
        Ok(keys)
    }
    /// What a rescan looks at: every key, in no order.
    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError>;
    /// True where others write to it too, so that what was read of it may be old at any time.
    fn is_shared(&self) -> bool {
        false
    }
    /// True while what others write is out of reach: each replica refreshes for itself then, and not all at one moment.
    fn is_alone(&self) -> bool {
        false
    }
    /// The history of a key, newest first.
    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError>;
    /// One revision of a key; none where it is not kept, or no longer, or fails its check. Short: whoever reads many asks one
    /// by one, and lets others come between.
    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError>;
    /// The revision that was the latest at a moment: the highest made no later. None where the history does not reach that far.
    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError>;
    /// Forgets a key, history and all. A refresh in flight loses its lease, so that it cannot bring old data back.
    async fn evict(&self, key: &Key) -> Result<(), StoreError>;
    /// Takes the lease of a key for `ttl`; `None` while another holder has it. The fence lies above every earlier one and
    /// above `seen`, the highest that the caller knows of.
    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError>;
    /// Prolongs a lease whose time has not run out to `ttl` from now.
    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError>;
    /// Gives a lease back; one that is no longer in force is left alone.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
    /// A place among at most `at_once` requests to a host, over all replicas, of which no two start within `gap`.
    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError>;
    /// Prolongs a place to `ttl` from now. One whose time has run out is left alone.
    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError>;
    /// Gives a place back.
    async fn leave(&self, slot: &Slot) -> Result<(), StoreError>;
    /// Small texts that outlive the process, by name; no key's data. A lost one costs a message, not a snapshot.
    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError>;
    /// Keeps such a text, or forgets it. Durable as [`Store::put_if`] is.
    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError>;
    /// Hints of what changes from now on.
    fn watch(&self) -> broadcast::Receiver<Change>;
    /// How the store is. Answers at once.
    fn health(&self) -> Health;
    /// Whether what was answered is durable: as [`Store::health`], but for a store that is degraded for another reason.
    fn durability(&self) -> Health {
        self.health()
    }
    /// How it stands to the store that it shares with others, where it does and can do without. Answers at once.
    fn partner(&self) -> Option<Partner> {
        None
    }
    /// Says that this server is there, and who else said so within the last half minute by the clock of what they share; in the
    /// order of their names, itself among them. Nobody where nothing is shared.
    async fn present(&self, _me: &Replica) -> Result<Vec<Replica>, StoreError> {
        Ok(Vec::new())
    }
    /// What it tells of itself. May look at the disk: call it where blocking is allowed.
    fn figures(&self) -> Figures {
        Figures::default()
    }
    /// What tells it from every other store of this machine, where it keeps a file. May look at the disk.
    fn identity(&self) -> Option<String> {
        None
    }
    /// Copies every key with its history into another store; returns how many keys.
    async fn copy_to(&self, target: &dyn Store) -> Result<u64, StoreError> {
        copy::copy(self, target).await
    }
    /// Takes a key with its history from another store (newest last; the latest may be among it or not), replacing what is
    /// there, leases included. Retention applies. The fence never falls below the one that is there, and every later lease
    /// lies above both.
    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError>;
    /// Takes over what another store holds of a key as its latest, whose revision is not below the one that is here: its fence as
    /// it is, the history that is here before it. Ends a lease of the key.
    async fn adopt(&self, entry: &Entry) -> Result<(), StoreError> {
        copy::adopt(self, entry).await
    }
    /// Gives room that is no longer used back to the disk. May take long, and keeps writes waiting meanwhile.
    async fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Writes out what is not durable yet and lets go of files. The last call.
    async fn close(&self);
}
