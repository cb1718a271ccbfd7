//! A store that is shared, and a copy of it that is our own: what is served is there from the start whether or not the shared one is,
//! and what is refreshed while it is away is kept here and told to it when it is back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};
use tokio::time::timeout;
use tracing::{debug, info, warn};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use super::{Admission, Change, Entry, Figures, Head, Health, Lease, Partner, Replica, Revision, Slot, Store, StoreError};
use crate::clock::Clock;
use crate::lifecycle;

mod books;
mod circuit;
mod keep;
mod reconcile;
mod tender;
mod verdict;
mod write;

use books::{Books, Held, World};
use circuit::{Circuit, PATIENCE};
use keep::better;
use verdict::{Base, Verdict, judge};

/// How long the shared store may take to show all that it holds.
const LIST_PATIENCE: Duration = Duration::from_secs(2);
/// The same of all heads, and how much longer for each key: of many they take their time.
const HEADS_PATIENCE: Duration = Duration::from_secs(2);
const HEAD_PATIENCE: Duration = Duration::from_micros(20);
/// Hints that a slow watcher may fall behind before it is told that it missed some.
const HINTS: usize = 1_024;
/// What the log says, once each time.
const ALONE: &str = "the shared store is out of reach: each replica refreshes for itself until it is back";
/// Names of notes of our own: of each key that was refreshed alone, the fence that was shared before.
const WAITS: &str = "paired ";

/// A store on its way between a shared one and a local one.
#[derive(Debug)]
pub struct Paired(Arc<Pair>);

#[derive(Debug)]
struct Pair {
    shared: Arc<dyn Store>,
    local: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    circuit: Circuit,
    changes: broadcast::Sender<Change>,
    /// Tells the tender that there is something to do.
    kick: Notify,
    books: Mutex<Books>,
}

impl Paired {
    /// Pairs them. Where the shared one can be reached within two seconds, they hold the same when this returns.
    pub async fn open(shared: Arc<dyn Store>, local: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let mut books = Books::default();
        for (name, text) in local.notes().await.unwrap_or_default() {
            if let Some(Ok(key)) = name.strip_prefix(WAITS).map(Key::parse) {
                let base = text.split_once(' ').and_then(|(fence, at)| Some((fence.parse().ok()?, at.parse().ok()?)));
                books.waiting.insert(key, base);
            }
        }
        let circuit = Circuit::new(clock.now().wall);
        let pair = Arc::new(Pair {
            shared,
            local,
            clock,
            circuit,
            changes: broadcast::Sender::new(HINTS),
            kick: Notify::new(),
            books: Mutex::new(books),
        });
        tender::forward(&pair);
        let failed = match timeout(LIST_PATIENCE, pair.come_back()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer yet".to_owned()),
        };
        if let Some(why) = failed {
            pair.circuit.explain(&why);
            warn!(why, "{ALONE}");
        }
        tender::tend(&pair);
        Self(pair)
    }
}

impl Pair {
    /// Never held across an await.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the shared store, unless it is known to be away; nobody waits for it for more than a second.
    async fn ask<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.ask_within(PATIENCE, call).await
    }

    async fn ask_within<T>(&self, within: Duration, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if let Some(away) = self.circuit.away() {
            return Err(StoreError::Unavailable(away.why));
        }
        self.reach(within, call).await
    }

    /// Calls it even so.
    async fn reach<T>(&self, within: Duration, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match self.circuit.reach(within, call).await {
            Err(StoreError::Unavailable(why)) => {
                if self.circuit.open(&why, self.clock.now().wall) {
                    warn!(why, "{ALONE}");
                    self.kick.notify_one();
                }
                Err(StoreError::Unavailable(why))
            }
            answered => answered,
        }
    }

    /// Calls it about one key, unless it is known to be away. What is wrong with what it holds of that key is no reason to do without
    /// the rest.
    async fn ask_of<T>(&self, key: &Key, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if let Some(away) = self.circuit.away() {
            return Err(StoreError::Unavailable(away.why));
        }
        self.reach_of(key, call).await
    }

    /// Calls it even so.
    async fn reach_of<T>(&self, key: &Key, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match self.reach(PATIENCE, apart(call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => {
                self.circuit.count();
                if self.books().is_unfit(key, &why) {
                    warn!(%key, why, "what the shared store holds of a key cannot be used: it is refreshed here alone");
                }
                Err(StoreError::Unfit(why))
            }
            Err(error) => Err(error),
        }
    }

    /// What the shared store holds of a key was read or written: a lease alone shows nothing.
    fn fits(&self, key: &Key) {
        if self.books().is_fit(key) {
            info!(%key, "what the shared store holds of a key can be used again");
        }
    }

    fn heads_patience(&self) -> Duration {
        let keys = u32::try_from(self.books().versions.len()).unwrap_or(u32::MAX);
        HEADS_PATIENCE + HEAD_PATIENCE * keys
    }

    /// Gives a lease of the shared store back; where it cannot be reached, once it can.
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        let given = self.ask_of(&lease.key, self.shared.release(lease)).await;
        if given.is_err() {
            self.books().unreleased.push(lease.clone());
        }
        given
    }

    fn held(&self, lease: &Lease) -> Held {
        self.books().leases.get(&lease.owner).copied().unwrap_or(Held { world: World::Shared, ends: Mono::NEVER })
    }

    fn hint(&self, change: Change) {
        // It fails only while nobody watches.
        let _ = self.changes.send(change);
    }

    /// Notes that a key is to be told to the shared store, and what that held of it when we last knew.
    async fn wait(&self, key: &Key, base: Option<Base>) {
        let is_new = !self.books().waiting.contains_key(key);
        if is_new {
            self.books().waiting.insert(key.clone(), base);
            let _ =
                self.local.note(&format!("{WAITS}{key}"), Some(&base.map(|(fence, at)| format!("{fence} {at}")).unwrap_or_default())).await;
        }
        if self.circuit.is_closed() {
            self.kick.notify_one();
        }
    }

    async fn settled(&self, key: &Key) {
        let was_waiting = self.books().waiting.remove(key).is_some();
        if was_waiting {
            let _ = self.local.note(&format!("{WAITS}{key}"), None).await;
        }
    }
}

/// What concerns one key or host alone, apart from what concerns the whole store.
async fn apart<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<Result<T, String>, StoreError> {
    match call.await {
        Err(StoreError::Unfit(why)) => Ok(Err(why)),
        answered => answered.map(Ok),
    }
}

#[async_trait]
impl Store for Paired {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut all: BTreeMap<Key, Entry> = self.0.local.list().await?.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let shared = self.0.ask_within(LIST_PATIENCE, self.0.shared.list()).await.unwrap_or_default();
        let mut newer = Vec::new();
        for entry in shared {
            let ours = all.get(&entry.key);
            // What waits is as it is here until it is settled which of the two stands.
            let waits = ours.is_some() && self.0.books().waiting.contains_key(&entry.key);
            if !waits && ours.is_none_or(|ours| !better(ours, &entry)) {
                if ours != Some(&entry) {
                    newer.push(entry.clone());
                }
                all.insert(entry.key.clone(), entry);
            }
        }
        let pair = Arc::clone(&self.0);
        // Nobody who starts waits for a disk.
        lifecycle::detach(async move { pair.keep_all(&newer).await });
        Ok(all.into_values().collect())
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        self.list().await?.iter().for_each(show);
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        // While a key waits it is as it is here: what is built upon it is then what is told of it, or given up for what is shared.
        if self.0.books().waiting.contains_key(key) {
            return self.0.local.get(key).await;
        }
        let ours = self.0.local.get(key).await;
        let Ok(entry) = self.0.ask_of(key, self.0.shared.get(key)).await else { return self.0.local.get(key).await };
        self.0.fits(key);
        if let Ok(ours) = ours {
            self.0.compare(key, entry.as_ref(), ours.as_ref()).await;
        }
        Ok(entry)
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (pair, lease, snapshot, renewal, attempts) =
            (Arc::clone(&self.0), lease.clone(), snapshot.clone(), renewal.clone(), attempts.clone());
        // It goes through even if the caller stops waiting.
        let writing = lifecycle::spawn(async move { pair.put(&lease, &snapshot, &renewal, &attempts).await });
        writing.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it broke off".to_owned())))
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (pair, lease, renewal, attempts) = (Arc::clone(&self.0), lease.clone(), renewal.clone(), attempts.clone());
        let writing = lifecycle::spawn(async move { pair.touch(&lease, &renewal, &attempts).await });
        writing.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it broke off".to_owned())))
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        let shared = self.0.ask_of(key, self.0.shared.record(key, attempts)).await;
        let kept = self.0.local.record(key, attempts).await;
        if shared.is_ok() { Ok(()) } else { kept }
    }

    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError> {
        let ours = self.0.local.heads(now).await?;
        let heads = self.0.ask_within(self.0.heads_patience(), self.0.shared.heads(now)).await?;
        self.0.note_heads(&heads, &ours).await?;
        Ok(heads)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_alone(&self) -> bool {
        !self.0.circuit.is_closed()
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        match self.0.ask_of(key, self.0.shared.revisions(key)).await {
            Ok(all) if !all.is_empty() => Ok(all),
            _ => self.0.local.revisions(key).await,
        }
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        match self.0.ask_of(key, self.0.shared.revision(key, revision)).await {
            Ok(Some(snapshot)) => Ok(Some(snapshot)),
            _ => self.0.local.revision(key, revision).await,
        }
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        match self.0.ask_of(key, self.0.shared.as_of(key, at)).await {
            Ok(Some(snapshot)) => Ok(Some(snapshot)),
            _ => self.0.local.as_of(key, at).await,
        }
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        self.0.settled(key).await;
        let shared = self.0.ask_of(key, self.0.shared.evict(key)).await;
        self.0.local.evict(key).await?;
        shared
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        self.0.acquire(key, seen, ttl, now).await
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.0.extend(lease, ttl, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let held = self.0.held(lease);
        self.0.books().leases.remove(&lease.owner);
        match held.world {
            World::Shared => self.0.give_back(lease).await,
            World::Local => self.0.local.release(lease).await,
        }
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError> {
        // One host's places that cannot be used are no reason to do without the rest either.
        match self.0.ask(apart(self.0.shared.slot(host, at_once, gap, ttl, now))).await {
            Ok(Ok(admission)) => Ok(admission),
            Ok(Err(why)) => {
                debug!(host, why, "the requests of other replicas to a host are not known");
                self.0.local.slot(host, at_once, gap, ttl, now).await
            }
            Err(StoreError::Unavailable(_)) => self.0.local.slot(host, at_once, gap, ttl, now).await,
            Err(error) => Err(error),
        }
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        // It is known in one of them; the other leaves it alone.
        self.0.local.stay(slot, ttl, now).await?;
        self.0.ask(apart(self.0.shared.stay(slot, ttl, now))).await.map(drop)
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        // It is known in one of them; the other leaves it alone.
        self.0.local.leave(slot).await?;
        self.0.ask(apart(self.0.shared.leave(slot))).await.map(drop)
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut notes = self.0.local.notes().await?;
        notes.retain(|(name, _)| !name.starts_with(WAITS));
        Ok(notes)
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        // Of this replica: what it has told people is no other's business.
        self.0.local.note(name, text).await
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    fn health(&self) -> Health {
        let Some(away) = self.0.circuit.away() else {
            return match (self.0.shared.health(), self.0.local.health()) {
                (Health::Ok, Health::Ok) => self.0.books().tell_unfit().map_or(Health::Ok, Health::Degraded),
                (Health::Ok, degraded) | (degraded, _) => degraded,
            };
        };
        let waiting = self.0.books().waiting.len();
        let keys = if waiting == 1 { "1 key waits".to_owned() } else { format!("{waiting} keys wait") };
        Health::Degraded(format!("the shared store is out of reach since {:.0} ({}); {keys} to be told to it", away.since, away.why))
    }

    fn durability(&self) -> Health {
        // What the shared one does not take is kept here.
        self.0.local.health()
    }

    fn partner(&self) -> Option<Partner> {
        let away_since = self.0.circuit.away().map(|away| away.since);
        Some(Partner { away_since, waiting: self.0.books().waiting.len() })
    }

    async fn present(&self, me: &Replica) -> Result<Vec<Replica>, StoreError> {
        if let Some(away) = self.0.circuit.away() {
            return Err(StoreError::Unavailable(away.why));
        }
        // What it cannot say of who is there is no reason to do without it.
        let late = |_| StoreError::Unavailable("no answer in time".to_owned());
        timeout(PATIENCE, self.0.shared.present(me)).await.map_err(late)?
    }

    fn figures(&self) -> Figures {
        let (shared, local) = (self.0.shared.figures(), self.0.local.figures());
        Figures { errors: self.0.circuit.errors() + shared.errors + local.errors, bytes: local.bytes }
    }

    fn identity(&self) -> Option<String> {
        self.0.local.identity()
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        self.0.ask_of(&entry.key, self.0.shared.restore(entry, history)).await?;
        self.0.settled(&entry.key).await;
        self.0.local.restore(entry, history).await
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.0.local.compact().await
    }

    async fn close(&self) {
        self.0.books().closed = true;
        self.0.kick.notify_one();
        let _closed = timeout(PATIENCE, self.0.shared.close()).await;
        self.0.local.close().await;
    }
}
