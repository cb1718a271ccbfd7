//! What other replicas do in a store that is shared: taken over where it is newer, and shown while it lasts. Hints say where to look;
//! a look at all heads from time to time repairs what hints missed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;
use tracing::{debug, warn};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::{Effect, Event, Phase, Remote, RemoteLatest, State};

use super::cell::{Cell, Inner};
use super::execute::{STORE_PATIENCE, longest_shared};
use super::hot::Content;
use super::load::is_key_of;
use super::shared::{Shared, Stage};
use crate::store::{Change, Entry, Head, Latest};

/// What the log says, once a source.
const OTHER_RULES: &str =
    "a server on the same store reads this source by other rules: what is served follows whoever refreshes it; give all of them one config";
/// How often all heads are looked at, and by how many milliseconds more: replicas that were started together do not do it together.
const LOOK_AT_ALL: Duration = Duration::from_secs(8);
const LOOK_AT_ALL_SPREAD: u64 = 2_000;
/// How long the store may take to say what it holds of a key.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// Keys that are read at once.
const ABREAST: usize = 4;

/// Keys to read, each with the version that it has at least, where that is known.
type Wanted = BTreeMap<Key, u64>;

/// What was last seen of a key in a store that others write to.
#[derive(Debug)]
pub(super) struct Seen {
    /// 0 where that is not known.
    version: AtomicU64,
    at: AtomicI64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { version: AtomicU64::new(0), at: AtomicI64::new(i64::MIN) }
    }
}

impl Seen {
    /// True where that is the version that was seen.
    pub(super) fn is(&self, version: u64) -> bool {
        version != 0 && self.version.load(Ordering::Relaxed) == version
    }

    /// This version was read at this moment, or seen to be the same still. Without a moment: not in the store that others write to, so
    /// that it may be an older one.
    pub(super) fn set(&self, version: u64, at: Option<Mono>) {
        self.version.store(if at.is_some() { version } else { 0 }, Ordering::Relaxed);
        if let Some(at) = at {
            self.at.store(at.as_nanos(), Ordering::Relaxed);
        }
    }

    /// True where what is stored is known, but not by which version: we wrote it, or read it upon a hint.
    fn is_unnamed(&self) -> bool {
        self.version.load(Ordering::Relaxed) == 0
    }

    /// When what we have was last known to be what is stored.
    fn since(&self) -> Mono {
        Mono::from_nanos(self.at.load(Ordering::Relaxed))
    }
}

impl Shared {
    /// Takes over what is stored of a key, where `may` says so of the cell as it is. `None` where it was not tried.
    pub(super) fn take_over(&self, cell: &Arc<Cell>, held: Option<&Entry>, may: impl FnOnce(&State) -> bool) -> Option<Vec<Effect>> {
        let Some(Entry { latest, attempts, .. }) = held else { return Some(Vec::new()) };
        let mut inner = cell.lock();
        if !may(&inner.state) {
            return None;
        }
        let told = latest.as_ref().map(|Latest { snapshot, renewal, fence }| RemoteLatest {
            revision: snapshot.revision,
            digest: snapshot.digest,
            checked_at: renewal.checked_at,
            rules: renewal.rules,
            is_later: (*fence, Some(renewal.checked_at)) > (inner.stood, inner.state.standing.map(|standing| standing.checked_at)),
            told_late: renewal.told_late,
        });
        if let (Some(latest), Some(told)) = (latest, &told) {
            inner.fence = inner.fence.max(latest.fence);
            if inner.state.is_newer(told) {
                let of_other_rules = inner.state.is_of_other_rules(told);
                hold(&mut inner, latest);
                if let Some(source) = self.catalog.load().source(cell.key.source())
                    && source.tally.count_taken(of_other_rules)
                {
                    let by = latest.renewal.by.as_deref().unwrap_or("another server");
                    warn!(key = %cell.key, by, "{OTHER_RULES}");
                }
            }
        }
        let news = Remote { latest: told, attempts: attempts.clone(), since: cell.seen.since() };
        Some(self.step(cell, inner, Event::Remote(Box::new(news))))
    }

    /// When the store that others write to was looked at, where that is what was looked at.
    pub(super) fn looked(&self, at: Mono) -> Option<Mono> {
        (!self.collector.store.is_alone()).then_some(at)
    }

    /// What a shared store holds, where it says so in time.
    pub(super) async fn heads(&self, now: Moment) -> Option<Vec<Head>> {
        if !self.collector.store.is_shared() {
            return None;
        }
        match timeout(STORE_PATIENCE, self.collector.store.heads(now)).await {
            Ok(Ok(heads)) => Some(heads),
            Ok(Err(error)) => {
                debug!(%error, "what other replicas have done cannot be looked at now");
                None
            }
            Err(_) => None,
        }
    }

    /// Notes which versions these cells were made of.
    pub(super) fn remember<'a>(&self, heads: Option<&[Head]>, cells: impl Iterator<Item = &'a Arc<Cell>>, at: Mono) {
        let Some(heads) = heads else { return };
        let versions: HashMap<&Key, u64> = heads.iter().map(|head| (&head.key, head.version)).collect();
        for cell in cells {
            // Of what is not stored it is known too: whatever comes of it, comes from now on.
            cell.seen.set(versions.get(&cell.key).copied().unwrap_or_default(), self.looked(at));
        }
    }

    /// Follows what other replicas do, until the engine is drained.
    pub(super) async fn follow_others(self: Arc<Self>) {
        let mut hints = self.collector.store.watch();
        let mut stage = self.stage.subscribe();
        let mut look_at_all = self.clock.mono();
        // Keys that others refresh, as far as we heard.
        let mut begun = BTreeSet::new();
        while *stage.borrow() == Stage::Running {
            let mut wanted = Wanted::new();
            let now = self.clock.mono();
            let missed = if now >= look_at_all {
                true
            } else {
                tokio::select! {
                    // What is heard first is done first; whether it is time to look at all is asked each time round.
                    biased;
                    hint = hints.recv() => match hint {
                        Ok(hint) => self.hint(hint, &mut wanted, &mut begun) | self.more_hints(&mut hints, &mut wanted, &mut begun),
                        Err(RecvError::Lagged(_)) => true,
                        // Nobody will tell any more.
                        Err(RecvError::Closed) => return,
                    },
                    () = tokio::time::sleep(now.until(look_at_all)) => true,
                    _ = stage.changed() => continue,
                }
            };
            if missed {
                let jitter = self.seeds.next() % LOOK_AT_ALL_SPREAD;
                look_at_all = self.clock.mono().after(LOOK_AT_ALL + Duration::from_millis(jitter));
                self.look_at_all(&mut wanted, &mut begun).await;
                self.present().await;
            }
            self.read(wanted).await;
        }
    }

    /// Takes the hints that wait; true where some were lost.
    fn more_hints(&self, hints: &mut Receiver<Change>, wanted: &mut Wanted, begun: &mut BTreeSet<Key>) -> bool {
        let mut missed = false;
        loop {
            match hints.try_recv() {
                Ok(hint) => missed |= self.hint(hint, wanted, begun),
                Err(TryRecvError::Lagged(_)) => missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return missed,
            }
        }
    }

    /// True where it says that hints were lost.
    fn hint(&self, hint: Change, wanted: &mut Wanted, begun: &mut BTreeSet<Key>) -> bool {
        match hint {
            Change::Missed => return true,
            Change::Started(key) => {
                self.elsewhere(&key, true);
                begun.insert(key);
            }
            Change::Ended(key) => {
                self.elsewhere(&key, false);
                begun.remove(&key);
                self.told(&key);
            }
            Change::Touched(key) | Change::Revision(key, _) | Change::Recorded(key) => {
                self.told(&key);
                wanted.entry(key).or_default();
            }
        }
        false
    }

    fn cell_of(&self, key: &Key) -> Option<Arc<Cell>> {
        self.catalog.load().source(key.source())?.cell(key.as_str())
    }

    /// Tells a flight that follows.
    fn told(&self, key: &Key) {
        if let Some(cell) = self.cell_of(key) {
            cell.hear();
        }
    }

    /// Another replica began to refresh a key, or ended.
    fn elsewhere(&self, key: &Key, begins: bool) {
        let Some(cell) = self.cell_of(key) else { return };
        let now = self.clock.now();
        let mut inner = cell.lock();
        // Ours is shown as it is.
        let ours = inner.state.is_refreshing() && !matches!(inner.state.phase, Phase::Following { .. });
        let until = (begins && !ours).then(|| now.mono.after(longest_shared(&cell.recipe.spec.policy)));
        let changes = inner.elsewhere.is_some() != until.is_some();
        // It began when it was first heard of: each look does not prolong it.
        inner.elsewhere = inner.elsewhere.filter(|_| until.is_some()).or(until);
        if changes {
            cell.publish(&inner, now);
            drop(inner);
            self.changes.announce(&cell, false);
        }
    }

    async fn look_at_all(&self, wanted: &mut Wanted, begun: &mut BTreeSet<Key>) {
        let now = self.clock.now();
        let mut under_way = BTreeSet::new();
        for head in self.heads(now).await.unwrap_or_default() {
            let Some(cell) = self.cell_of(&head.key) else {
                if head.latest.is_some() && self.may_hold(&head.key) {
                    wanted.insert(head.key, head.version);
                }
                continue;
            };
            if head.refreshing {
                under_way.insert(head.key.clone());
                self.elsewhere(&head.key, true);
            }
            let ours = || {
                let inner = cell.lock();
                head.latest.is_some() && inner.state.standing.map(|standing| (inner.stood, standing.checked_at)) == head.latest
            };
            if cell.seen.is(head.version) || (cell.seen.is_unnamed() && ours()) {
                cell.seen.set(head.version, self.looked(now.mono));
            } else {
                wanted.insert(head.key, head.version);
            }
        }
        // What was heard of and is over, or lasts longer than it may.
        for key in std::mem::take(begun) {
            let lasts = |cell: &Cell| cell.lock().elsewhere.is_some_and(|until| now.mono < until);
            if under_way.contains(&key) && self.cell_of(&key).is_some_and(|cell| lasts(&cell)) {
                begun.insert(key);
            } else {
                self.elsewhere(&key, false);
            }
        }
        begun.append(&mut under_way);
    }

    /// A key of a source that has room for it.
    fn may_hold(&self, key: &Key) -> bool {
        self.catalog.load().source(key.source()).is_some_and(|source| source.has_room() && is_key_of(&source.recipe.spec, key))
    }

    /// Reads keys, and takes over what is new of them.
    async fn read(self: &Arc<Self>, wanted: Wanted) {
        let mut wanted = wanted.into_iter();
        loop {
            let mut some = wanted.by_ref().take(ABREAST);
            let (a, b, c, d) = (some.next(), some.next(), some.next(), some.next());
            if a.is_none() || *self.stage.borrow() != Stage::Running {
                return;
            }
            tokio::join!(self.read_one(a), self.read_one(b), self.read_one(c), self.read_one(d));
        }
    }

    async fn read_one(self: &Arc<Self>, wanted: Option<(Key, u64)>) {
        let Some((key, version)) = wanted else { return };
        let cell = self.cell_of(&key);
        if cell.is_none() && !self.may_hold(&key) {
            return;
        }
        // A flight looks for itself.
        if cell.as_ref().is_some_and(|cell| cell.lock().state.is_refreshing()) {
            return;
        }
        let begun = self.clock.mono();
        let Ok(Ok(held)) = timeout(READ_PATIENCE, self.collector.store.get(&key)).await else { return };
        let Some(cell) = cell else { return self.admit(&key, held.as_ref()) };
        let taken = self.take_over(&cell, held.as_ref(), |state| !state.is_refreshing());
        if taken.is_some() {
            self.make_room_for(&cell);
            cell.seen.set(version, self.looked(begun));
        }
    }

    /// Holds a key that another replica has data of.
    fn admit(self: &Arc<Self>, key: &Key, held: Option<&Entry>) {
        let Some(entry) = held.filter(|entry| entry.latest.is_some()) else { return };
        let Some(source) = self.catalog.load().source(key.source()).cloned() else { return };
        let mut wakes = Vec::new();
        let admitted = source.admit(key, || {
            let (cell, effects) = Cell::new(key.clone(), Arc::clone(&source.recipe), Self::legacy_of(entry), self.clock.now());
            wakes = effects;
            cell
        });
        let Some(cell) = admitted else { return };
        for effect in wakes {
            if let Effect::WakeAt(at) = effect {
                self.queue.wake_at(&cell, at);
            }
        }
        self.changes.announce(&cell, true);
    }
}

/// Serves this from now on: what the machine says of it follows under the same lock.
fn hold(inner: &mut Inner, latest: &Latest) {
    let Latest { snapshot, renewal, fence } = latest;
    if inner.content.as_ref().is_none_or(|content| content.revision != snapshot.revision) {
        inner.content = Some(Content::of(snapshot));
    }
    inner.read_by = Some(renewal.rules);
    inner.validators = renewal.validators.clone();
    inner.rungs = renewal.rungs.clone();
    inner.by.clone_from(&renewal.by);
    inner.stood = *fence;
}
