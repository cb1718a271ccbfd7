//! Fills the engine from the store at start, and exchanges its sources at a reload.

use std::collections::HashMap;
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
use super::hot::Content;
use super::shared::Shared;
use super::{Engine, Settings, WARM_UP_GAP, manners};
use crate::store::{Entry, Latest, StoreError};

/// How long a reload waits for a flight of a source that changes.
const RETIRE_PATIENCE: Duration = Duration::from_secs(5);

/// Cells that were made, and the effects that their machines want once they are served.
type Made = Vec<(Arc<Cell>, Vec<Effect>)>;

impl Engine {
    /// Serves `recipes` from what the store holds, and fetches what is missing, paced. Returns how many snapshots there are.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn load(&self, recipes: Vec<Arc<Recipe>>) -> Result<usize, StoreError> {
        let shared = &self.0;
        let mut stored = shared.stored().await?;
        manners::tell(recipes.iter().map(|recipe| &recipe.spec), shared.settings.load().bounds.robots);
        let now = shared.clock.now();
        let mut made = Made::new();
        let mut served = 0;
        let sources = recipes.into_iter().map(|recipe| {
            let legacies = Shared::legacies(&recipe.spec, &mut stored);
            served += legacies.values().filter(|legacy| legacy.content.is_some()).count();
            shared.source(&recipe, legacies, now, &mut made)
        });
        let catalog = Catalog::new(sources.collect());
        shared.catalog.store(Arc::new(catalog));
        shared.set_going(made, now);
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
        // A source may have been here before, and left what it had in the store.
        let mut stored = shared.stored().await.unwrap_or_else(|error| {
            warn!(%error, "the store could not be read; new sources start without what it holds of them");
            HashMap::new()
        });
        let now = shared.clock.now();
        let mut made = Made::new();
        let sources = recipes.iter().map(|recipe| {
            let before = old.source(recipe.spec.name.as_str());
            if let Some(same) = before.filter(|source| equal(source)) {
                return Arc::clone(same);
            }
            let mut legacies = Shared::legacies(&recipe.spec, &mut stored);
            for cell in before.map(|source| source.cells()).unwrap_or_default() {
                if is_key_of(&recipe.spec, &cell.key) {
                    legacies.insert(cell.key.clone(), cell.legacy());
                }
            }
            info!(source = %recipe.spec.name, "reloaded");
            shared.source(recipe, legacies, now, &mut made)
        });
        let catalog = Catalog::new(sources.collect());
        for gone in replaced.iter().filter(|source| catalog.source(source.name()).is_none()) {
            info!(source = gone.name(), "no longer configured; its snapshots stay in the store");
        }
        shared.catalog.store(Arc::new(catalog));
        // Keys that readers have added to the old sources meanwhile.
        for late in replaced.iter().flat_map(|source| source.cells()).filter(|cell| !cell.is_retired()) {
            shared.dismiss(&late);
        }
        shared.set_going(made, now);
        shared.wake.notify_one();
    }
}

impl Shared {
    /// What the store holds, by source.
    async fn stored(&self) -> Result<HashMap<String, Vec<Entry>>, StoreError> {
        let mut stored: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in self.collector.store.list().await? {
            stored.entry(entry.key.source().to_owned()).or_default().push(entry);
        }
        Ok(stored)
    }

    fn legacies(spec: &SourceSpec, stored: &mut HashMap<String, Vec<Entry>>) -> HashMap<Key, Legacy> {
        let entries = stored.remove(spec.name.as_str()).unwrap_or_default();
        let own = entries.into_iter().filter(|entry| is_key_of(spec, &entry.key));
        own.map(|entry| (entry.key.clone(), Self::legacy_of(entry))).collect()
    }

    fn legacy_of(entry: Entry) -> Legacy {
        let Entry { latest, attempts, .. } = entry;
        let Some(Latest { snapshot, renewal, fence }) = latest else { return Legacy { attempts, ..Legacy::default() } };
        let content = Content::of(&snapshot);
        let remembered =
            Remembered { revision: snapshot.revision, digest: snapshot.digest, checked_at: renewal.checked_at, rules: renewal.rules };
        let Renewal { rules, validators, rungs, .. } = renewal;
        Legacy { content: Some((content, rules, remembered)), validators, rungs, attempts, fence, ..Legacy::default() }
    }

    fn source(self: &Arc<Self>, recipe: &Arc<Recipe>, mut legacies: HashMap<Key, Legacy>, now: Moment, made: &mut Made) -> Arc<Source> {
        let default = recipe.spec.default_key();
        if let Some(key) = &default {
            legacies.entry(key.clone()).or_default();
        }
        // `max_keys` may have been lowered: what was confirmed last stays.
        let excess = legacies.len().saturating_sub(recipe.spec.max_keys.max(1));
        if excess > 0 {
            let mut oldest: Vec<_> = legacies.iter().map(|(key, legacy)| (legacy.checked_at(), key.clone())).collect();
            oldest.retain(|(_, key)| default.as_ref() != Some(key));
            oldest.sort_unstable();
            for (_, key) in oldest.into_iter().take(excess) {
                legacies.remove(&key);
                self.forget(key);
            }
        }
        let mut cells = HashMap::with_capacity(legacies.len());
        for (key, legacy) in legacies {
            let (cell, effects) = Cell::new(key.clone(), Arc::clone(recipe), legacy, now);
            made.push((Arc::clone(&cell), effects));
            cells.insert(key, cell);
        }
        let reads = self.catalog.load().source(recipe.spec.name.as_str()).map(|before| Arc::clone(&before.reads)).unwrap_or_default();
        Arc::new(Source::new(Arc::clone(recipe), cells, reads))
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

fn is_key_of(spec: &SourceSpec, key: &Key) -> bool {
    let params = key.params();
    spec.key(params.iter().map(|(name, value)| (name.as_str(), value.as_str()))).is_ok_and(|k| k == *key)
}
