//! The store that all share, and each replica's link to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;
use wellspring::lifecycle::spawn;
use wellspring::store::memory::MemoryStore;
use wellspring::store::{Admission, Change, Entry, Head, Health, Lease, Retention, Revision, Slot, Store, StoreError};
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use super::replica::SimClock;
use super::story::{Control, Log, number_of};
use crate::support::faults::{Dice, pass};

/// What is shared.
#[derive(Debug)]
pub(super) struct SharedStore {
    now: Mutex<(Arc<MemoryStore>, broadcast::Receiver<Change>)>,
    backup: Mutex<Option<Arc<MemoryStore>>>,
    links: Mutex<Vec<Arc<Link>>>,
    pub(super) dice: Arc<Dice>,
    pub(super) log: Arc<Log>,
    pub(super) clock: Arc<SimClock>,
    pub(super) control: Control,
    /// One hint in so many is lost, one told late, one told twice; 0: none.
    pub(super) hints: Mutex<u64>,
}

/// How a replica's calls fare.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: usize,
    pub(super) state: Mutex<State>,
    hints: broadcast::Sender<Change>,
    pub(super) dead: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Whole,
    /// Calls fail at once.
    Refuses,
    /// Calls are never answered, nor done.
    Hangs,
    /// One in four is done and not answered.
    LosesAnswers,
    /// All is well but for results, which arrive when the lease is long over.
    Holds,
    /// What is on its way arrives so much later.
    Late(Duration),
}

impl Link {
    pub(super) fn new(name: usize) -> Arc<Self> {
        Arc::new(Self { name, state: Mutex::new(State::Whole), hints: broadcast::Sender::new(256), dead: AtomicBool::new(false) })
    }

    pub(super) fn set(&self, state: State) {
        let before = std::mem::replace(&mut *self.state.lock().unwrap(), state);
        if before != State::Whole && state == State::Whole {
            // Whoever connects again says that it was away.
            let _ = self.hints.send(Change::Missed);
        }
    }
}

fn empty() -> (Arc<MemoryStore>, broadcast::Receiver<Change>) {
    let store = Arc::new(MemoryStore::new(Retention::default()));
    let hints = store.watch();
    (store, hints)
}

impl SharedStore {
    pub(super) fn new(dice: Arc<Dice>, log: Arc<Log>, clock: Arc<SimClock>, control: Control) -> Arc<Self> {
        let (now, backup, links, hints) = (Mutex::new(empty()), Mutex::default(), Mutex::default(), Mutex::new(0));
        Arc::new(Self { now, backup, links, dice, log, clock, control, hints })
    }

    pub(super) fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.now.lock().unwrap().0)
    }

    pub(super) fn attach(&self, link: &Arc<Link>) {
        let mut links = self.links.lock().unwrap();
        links.retain(|link| !link.dead.load(Ordering::Relaxed));
        links.push(Arc::clone(link));
    }

    pub(super) async fn back_up(&self) {
        let copy = Arc::new(MemoryStore::new(Retention::default()));
        self.store().copy_to(&*copy).await.unwrap();
        for (name, text) in self.store().notes().await.unwrap() {
            copy.note(&name, Some(&text)).await.unwrap();
        }
        *self.backup.lock().unwrap() = Some(copy);
    }

    /// Leases, hints and all are gone.
    pub(super) fn wipe(&self) {
        *self.now.lock().unwrap() = empty();
    }

    pub(super) fn bring_back(&self) -> bool {
        let Some(old) = self.backup.lock().unwrap().take() else { return false };
        let hints = old.watch();
        *self.now.lock().unwrap() = (old, hints);
        true
    }

    /// Tells the hints of what was just done.
    fn tell(&self) {
        loop {
            let Ok(hint) = self.now.lock().unwrap().1.try_recv() else { return };
            let rarity = *self.hints.lock().unwrap();
            for link in self.links.lock().unwrap().iter() {
                if !matches!(*link.state.lock().unwrap(), State::Whole | State::Holds | State::LosesAnswers) {
                    continue;
                }
                let fate = if rarity == 0 { 9 } else { self.dice.below(rarity) };
                match fate {
                    0 => {}
                    1 => {
                        let (link, hint, by) = (Arc::clone(link), hint.clone(), Duration::from_millis(50 + self.dice.below(3_000)));
                        drop(spawn(async move {
                            pass(by).await;
                            let _ = link.hints.send(hint);
                        }));
                    }
                    2 => {
                        let _ = link.hints.send(hint.clone());
                        let _ = link.hints.send(hint.clone());
                    }
                    _ => drop(link.hints.send(hint.clone())),
                }
            }
        }
    }

    /// A write arrives. What it does to the number that is stored is judged.
    async fn write(
        &self,
        link: &Link,
        lease: &Lease,
        snapshot: &Snapshot,
        renewal: &Renewal,
        attempts: &Attempts,
    ) -> Result<(), StoreError> {
        let store = self.store();
        let before = store.get(&lease.key).await?.and_then(|entry| entry.latest).map(|latest| number_of(&latest.snapshot));
        let mut done = store.put_if(lease, snapshot, renewal, attempts).await;
        if self.control == Control::TakesOldLeases && matches!(done, Err(StoreError::LeaseLost(_) | StoreError::Outdated { .. })) {
            let latest = wellspring::store::Latest { snapshot: snapshot.clone(), renewal: renewal.clone(), fence: lease.fence };
            let entry = Entry { key: lease.key.clone(), latest: Some(latest), attempts: attempts.clone() };
            done = store.restore(&entry, &[]).await;
        }
        if done.is_ok() {
            self.log.stored(link.name, &lease.key, before, number_of(snapshot), snapshot.revision, lease.fence);
        }
        done
    }
}

/// A replica's way to what is shared.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<SharedStore>,
    pub(super) link: Arc<Link>,
}

impl Handle {
    async fn call<T: Send + 'static>(&self, work: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
        if self.link.dead.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let state = *self.link.state.lock().unwrap();
        let shared = Arc::clone(&self.shared);
        let work = async move {
            let done = work.await;
            shared.tell();
            done
        };
        match state {
            State::Whole | State::Holds => work.await,
            State::Refuses => Err(StoreError::Unavailable("refused".to_owned())),
            State::Hangs => std::future::pending().await,
            State::LosesAnswers => {
                let done = work.await;
                match self.shared.dice.below(4) {
                    0 => std::future::pending().await,
                    1 => Err(StoreError::Unavailable("the connection was reset".to_owned())),
                    _ => done,
                }
            }
            State::Late(by) => {
                let late = spawn(async move {
                    pass(by).await;
                    work.await
                });
                late.await.unwrap_or_else(|_| Err(StoreError::Unavailable("gone".to_owned())))
            }
        }
    }
}

macro_rules! call {
    ($self:ident, $store:ident $(, $name:ident = $value:expr)* => $work:expr) => {{
        let shared = Arc::clone(&$self.shared);
        $(let $name = $value;)*
        $self.call(async move { let $store = shared.store(); $work }).await
    }};
}

#[async_trait]
impl Store for Handle {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        call!(self, store => store.list().await)
    }
    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        self.list().await?.iter().for_each(show);
        Ok(())
    }
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        call!(self, store, key = key.clone() => store.get(&key).await)
    }
    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (shared, link) = (Arc::clone(&self.shared), Arc::clone(&self.link));
        let (lease, snapshot, renewal, attempts) = (lease.clone(), snapshot.clone(), renewal.clone(), attempts.clone());
        let holds = *self.link.state.lock().unwrap() == State::Holds;
        let work = async move { shared.write(&link, &lease, &snapshot, &renewal, &attempts).await };
        if holds {
            let late = spawn(async move {
                pass(Duration::from_secs(60)).await;
                work.await
            });
            return late.await.unwrap();
        }
        self.call(work).await
    }
    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        call!(self, store, lease = lease.clone(), renewal = renewal.clone(), attempts = attempts.clone() => {
            store.touch_if(&lease, &renewal, &attempts).await
        })
    }
    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        call!(self, store, key = key.clone(), attempts = attempts.clone() => store.record(&key, &attempts).await)
    }
    async fn heads(&self, _: Moment) -> Result<Vec<Head>, StoreError> {
        let hides = self.shared.control == Control::HidesChanges;
        let now = self.shared.clock.moment();
        call!(self, store => {
            let mut heads = store.heads(now).await?;
            heads.iter_mut().filter(|_| hides).for_each(|head| head.version = 1);
            Ok(heads)
        })
    }
    fn is_shared(&self) -> bool {
        true
    }
    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        call!(self, store, key = key.clone() => store.revisions(&key).await)
    }
    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        call!(self, store, key = key.clone() => store.revision(&key, revision).await)
    }
    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        call!(self, store, key = key.clone() => store.as_of(&key, at).await)
    }
    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        call!(self, store, key = key.clone() => store.evict(&key).await)
    }
    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, _: Moment) -> Result<Option<Lease>, StoreError> {
        let hides = self.shared.control == Control::HidesChanges;
        let now = self.shared.clock.clone();
        call!(self, store, key = key.clone() => {
            let mut lease = store.acquire(&key, seen, ttl, now.moment()).await?;
            lease.iter_mut().filter(|_| hides).for_each(|lease| lease.version = 1);
            Ok(lease)
        })
    }
    async fn extend(&self, lease: &Lease, ttl: Duration, _: Moment) -> Result<(), StoreError> {
        if self.shared.control == Control::ProlongsNothing {
            return Ok(());
        }
        let now = self.shared.clock.clone();
        call!(self, store, lease = lease.clone() => store.extend(&lease, ttl, now.moment()).await)
    }
    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        call!(self, store, lease = lease.clone() => store.release(&lease).await)
    }
    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, _: Moment) -> Result<Admission, StoreError> {
        let now = self.shared.clock.clone();
        call!(self, store, host = host.to_owned() => store.slot(&host, at_once, gap, ttl, now.moment()).await)
    }
    async fn stay(&self, slot: &Slot, ttl: Duration, _: Moment) -> Result<(), StoreError> {
        let now = self.shared.clock.clone();
        call!(self, store, slot = slot.clone() => store.stay(&slot, ttl, now.moment()).await)
    }
    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        call!(self, store, slot = slot.clone() => store.leave(&slot).await)
    }
    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        call!(self, store => store.notes().await)
    }
    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        call!(self, store, name = name.to_owned(), text = text.map(str::to_owned) => store.note(&name, text.as_deref()).await)
    }
    fn watch(&self) -> broadcast::Receiver<Change> {
        self.link.hints.subscribe()
    }
    fn health(&self) -> Health {
        Health::Ok
    }
    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        call!(self, store, entry = entry.clone(), history = history.to_vec() => store.restore(&entry, &history).await)
    }
    async fn close(&self) {}
}
