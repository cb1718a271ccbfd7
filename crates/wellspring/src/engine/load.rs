//! Fills the engine from the store at start, and exchanges its sources at a reload.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::{Effect, Remembered};
use wellspring_core::snapshot::Renewal;
use wellspring_core::source::SourceSpec;

use super::catalog::{Catalog, Recipe, Source};
use super::cell::{Cell, Legacy};
use super::execute::{STORE_PATIENCE, late};
use super::hot::Content;
use super::shared::Shared;
use super::{Engine, Settings, WARM_UP_GAP, manners};
use crate::store::{Entry, Latest, StoreError};

/// Sources that are named in one line of the log.
const NAMED: usize = 10;
/// How long a reload waits for a flight of a source that changes.
const RETIRE_PATIENCE: Duration = Duration::from_secs(5);

/// Cells that were made, and the effects that their machines want once they are served.
type Made = Vec<(Arc<Cell>, Vec<Effect>)>;

/// Cells of a source that are made beyond `max_keys` before those that are too many are let go.
const BEYOND: usize = 256;

/// A source whose cells are being made.
struct Place<'a> {
    recipe: &'a Arc<Recipe>,
    made: &'a mut Made,
}

/// What was found in the store beside what is served of it.
#[derive(Debug, Default)]
struct Beside {
    strangers: Strangers,
    /// Keys past `max_keys`.
    surplus: Vec<Key>,
}

impl Engine {
    /// Serves `recipes` from what the store holds, and fetches what is missing, paced. Returns how many snapshots there are.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn load(&self, recipes: Vec<Arc<Recipe>>) -> Result<usize, StoreError> {
        let shared = &self.0;
        manners::tell(recipes.iter().map(|recipe| &recipe.spec), shared.settings.load().bounds.robots);
        let now = shared.clock.now();
        let mut made = made_for(recipes);
        // Looked at before the rest is read: what changes in between is read once more than it need be, and not once too few.
        let heads = shared.heads(now).await;
        let Beside { strangers, mut surplus } = shared.take_stored(&mut made, &HashSet::new(), now).await?;
        strangers.tell();
        let served = made.iter().flat_map(|(_, made)| made).filter(|(cell, _)| cell.view().is_some()).count();
        let mut started = Made::new();
        let sources = made.into_iter().map(|(recipe, made)| shared.source(&recipe, made, now, (&mut started, &mut surplus)));
        let catalog = Catalog::new(sources.collect());
        shared.remember(heads.as_deref(), started.iter().map(|(cell, _)| cell), now.mono);
        shared.catalog.store(Arc::new(catalog));
        shared.changes.announce_catalog(started.iter().map(|(cell, _)| cell));
        shared.set_going(started, now);
        shared.shed(surplus);
        Ok(served)
    }

    /// Exchanges the sources and the settings. A source whose configuration is equal is left alone; of one that changed the
    /// flights are ended first, so that nothing read by the old rules can be stored over what the new ones read.
    pub async fn reload(&self, recipes: Vec<Arc<Recipe>>, settings: Settings) {
        let shared = &self.0;
        shared.collector.limits.allow(settings.at_once);
        shared.collector.pages.allow(settings.pages);
        manners::tell(recipes.iter().map(|recipe| &recipe.spec), settings.bounds.robots);
        shared.settings.store(Arc::new(settings));
        let old = shared.catalog.load_full();
        let equal =
            |source: &Source| recipes.iter().any(|r| r.spec.name.as_str() == source.name() && r.fingerprint == source.recipe.fingerprint);
        let replaced: Vec<&Arc<Source>> = old.sources().filter(|source| !equal(source)).collect();
        let cells: Vec<Arc<Cell>> = replaced.iter().flat_map(|source| source.cells()).collect();
        shared.retire(&cells).await;
        let new = recipes.iter().filter(|recipe| !old.source(recipe.spec.name.as_str()).is_some_and(|source| equal(source)));
        let mut new = made_for(new.cloned().collect());
        let before = |recipe: &Recipe| old.source(recipe.spec.name.as_str()).map(|source| source.cells()).unwrap_or_default();
        let kept: Vec<Vec<Arc<Cell>>> =
            new.iter().map(|(recipe, _)| before(recipe).into_iter().filter(|cell| is_key_of(&recipe.spec, &cell.key)).collect()).collect();
        let there = kept.iter().flatten().map(|cell| cell.key.clone()).collect();
        // A source may have been here before, and left what it had in the store. Until the sources are exchanged nothing refreshes those
        // that change, so a store that hangs is not waited for.
        let taken = timeout(STORE_PATIENCE, shared.take_stored(&mut new, &there, shared.clock.now())).await.unwrap_or_else(|_| Err(late()));
        let Beside { mut surplus, .. } = taken.unwrap_or_else(|error| {
            warn!(%error, "the store could not be read; new sources start without what it holds of them");
            Beside::default()
        });
        // Nothing is waited for from here on: a flight that did not end in time may store until the sources are exchanged, and what its
        // readers saw of it is not taken back.
        let now = shared.clock.now();
        for ((recipe, made), kept) in new.iter_mut().zip(kept) {
            made.extend(kept.iter().map(|cell| Cell::new(cell.key.clone(), Arc::clone(recipe), cell.legacy(), now)));
        }
        let mut made = Made::new();
        let mut new = new.into_iter().peekable();
        let sources = recipes.iter().map(|recipe| {
            if let Some((recipe, cells)) = new.next_if(|(other, _)| Arc::ptr_eq(other, recipe)) {
                info!(source = %recipe.spec.name, "reloaded");
                return shared.source(&recipe, cells, now, (&mut made, &mut surplus));
            }
            // What is not new is equal to what is there.
            old.source(recipe.spec.name.as_str())
                .map_or_else(|| shared.source(recipe, Made::new(), now, (&mut made, &mut surplus)), Arc::clone)
        });
        let catalog = Catalog::new(sources.collect());
        for gone in replaced.iter().filter(|source| catalog.source(source.name()).is_none()) {
            info!(source = gone.name(), "no longer configured; its snapshots stay in the store");
        }
        shared.catalog.store(Arc::new(catalog));
        shared.changes.announce_catalog(made.iter().map(|(cell, _)| cell));
        // Keys that readers have added to the old sources meanwhile.
        for late in replaced.iter().flat_map(|source| source.cells()).filter(|cell| !cell.is_retired()) {
            shared.dismiss(&late);
        }
        shared.set_going(made, now);
        shared.shed(surplus);
        shared.wake.notify_one();
    }
}

impl Shared {
    /// Makes cells of what the store holds of these sources, but for keys that are there already, and of no more keys at a time than
    /// `max_keys` allows and some.
    async fn take_stored(&self, made: &mut [(Arc<Recipe>, Made)], there: &HashSet<Key>, now: Moment) -> Result<Beside, StoreError> {
        let mut places: HashMap<&str, Place<'_>> = HashMap::new();
        for (recipe, made) in made {
            places.insert(recipe.spec.name.as_str(), Place { recipe, made });
        }
        let mut beside = Beside::default();
        let mut take = |entry: &Entry| {
            let Some(Place { recipe, made }) = places.get_mut(entry.key.source()) else { return beside.strangers.add(entry) };
            if !there.contains(&entry.key) && is_key_of(&recipe.spec, &entry.key) {
                made.push(Cell::new(entry.key.clone(), Arc::clone(recipe), Self::legacy_of(entry), now));
                if made.len() >= recipe.spec.max_keys.saturating_mul(2).saturating_add(BEYOND) {
                    beside.surplus.append(&mut excess(&recipe.spec, made));
                }
            }
        };
        self.collector.store.each(&mut take).await?;
        Ok(beside)
    }

    pub(super) fn legacy_of(entry: &Entry) -> Legacy {
        let attempts = entry.attempts.clone();
        let Some(Latest { snapshot, renewal, fence }) = &entry.latest else { return Legacy { attempts, ..Legacy::default() } };
        let content = Content::of(snapshot);
        let remembered =
            Remembered { revision: snapshot.revision, digest: snapshot.digest, checked_at: renewal.checked_at, rules: renewal.rules };
        let Renewal { rules, validators, rungs, .. } = renewal.clone();
        Legacy {
            content: Some((content, rules, remembered)),
            validators,
            rungs,
            attempts,
            fence: *fence,
            stood: *fence,
            ..Legacy::default()
        }
    }

    fn source(
        self: &Arc<Self>,
        recipe: &Arc<Recipe>,
        mut made: Made,
        now: Moment,
        (started, surplus): (&mut Made, &mut Vec<Key>),
    ) -> Arc<Source> {
        let default = recipe.spec.default_key();
        if let Some(key) = default.as_ref().filter(|key| made.iter().all(|(cell, _)| cell.key != **key)) {
            made.push(Cell::new(key.clone(), Arc::clone(recipe), Legacy::default(), now));
        }
        surplus.append(&mut excess(&recipe.spec, &mut made));
        let before = self.catalog.load().source(recipe.spec.name.as_str()).cloned();
        let counts = before.map(|before| (Arc::clone(&before.reads), Arc::clone(&before.tally))).unwrap_or_default();
        let source = Source::new(Arc::clone(recipe), made.iter().map(|(cell, _)| Arc::clone(cell)).collect(), counts);
        started.append(&mut made);
        Arc::new(source)
    }

    /// Sets the timers of new cells, and of those that nobody has fetched yet one after another.
    fn set_going(&self, made: Made, now: Moment) {
        let mut turn: Mono = now.mono;
        for (cell, effects) in made {
            for effect in effects {
                if let Effect::WakeAt(at) = effect {
                    self.queue.wake_at(&cell, at);
                }
            }
            if cell.recipe.spec.warm && cell.lock().state.wants_warm_up() {
                self.queue.wake_at(&cell, turn);
                turn = turn.after(WARM_UP_GAP);
            }
        }
    }

    /// Ends the flights of these cells, all at once, and waits until they have ended.
    async fn retire(&self, cells: &[Arc<Cell>]) {
        for cell in cells {
            self.dismiss(cell);
        }
        let all = async {
            for cell in cells {
                drop(cell.progress().wait_for(|p| !p.in_flight()).await);
            }
        };
        if timeout(RETIRE_PATIENCE, all).await.is_err() {
            for cell in cells.iter().filter(|cell| cell.is_refreshing()) {
                warn!(key = %cell.key, "a refresh by the old configuration does not end; its result will be refused");
            }
        }
    }
}

/// What the store holds of sources that are not among those that were asked for.
#[derive(Debug, Default)]
struct Strangers {
    sources: BTreeSet<String>,
    keys: u64,
    /// Of their latest snapshots alone.
    bytes: u64,
}

impl Strangers {
    fn add(&mut self, entry: &Entry) {
        self.keys += 1;
        self.bytes += entry.latest.as_ref().map_or(0, |latest| latest.snapshot.items.json().len() as u64);
        if !self.sources.contains(entry.key.source()) {
            self.sources.insert(entry.key.source().to_owned());
        }
    }

    fn tell(&self) {
        let Self { sources, keys, bytes } = self;
        if *keys > 0 {
            let names = sources.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(",");
            let of = sources.len();
            info!(
                keys,
                bytes,
                of,
                sources = names,
                "stored of sources that are not configured; `wellspring evict --unconfigured` drops it"
            );
        }
    }
}

/// Takes out what is past `max_keys`, which may have been lowered: what was confirmed last stays.
fn excess(spec: &SourceSpec, made: &mut Made) -> Vec<Key> {
    let excess = made.len().saturating_sub(spec.max_keys.max(1));
    if excess == 0 {
        return Vec::new();
    }
    let default = spec.default_key();
    let confirmed = |cell: &Cell| cell.view().as_ref().map(|view| view.facts.checked_at);
    let mut oldest: Vec<_> = made.iter().map(|(cell, _)| (confirmed(cell), cell.key.clone())).collect();
    oldest.retain(|(_, key)| default.as_ref() != Some(key));
    oldest.sort_unstable();
    let gone: HashSet<Key> = oldest.into_iter().take(excess).map(|(_, key)| key).collect();
    made.retain(|(cell, _)| !gone.contains(&cell.key));
    gone.into_iter().collect()
}

fn made_for(recipes: Vec<Arc<Recipe>>) -> Vec<(Arc<Recipe>, Made)> {
    recipes.into_iter().map(|recipe| (recipe, Made::new())).collect()
}

pub(super) fn is_key_of(spec: &SourceSpec, key: &Key) -> bool {
    let params = key.params();
    spec.key(params.iter().map(|(name, value)| (name.as_str(), value.as_str()))).is_ok_and(|k| k == *key)
}
