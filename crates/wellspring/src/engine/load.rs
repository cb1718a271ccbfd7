//! Fills the engine from the store at start, and exchanges its sources at a reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::{Effect, Remembered};
use wellspring_core::source::SourceSpec;

use super::catalog::{Catalog, Recipe, Source};
use super::cell::{Cell, Legacy};
use super::hot::Content;
use super::{Engine, Settings, Shared, WARM_UP_GAP};
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
        let mut stored: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in shared.collector.store.list().await? {
            stored.entry(entry.key.source().to_owned()).or_default().push(entry);
        }
        let now = shared.clock.now();
        let mut made = Made::new();
        let mut served = 0;
        let sources = recipes.into_iter().map(|recipe| {
            let entries = stored.remove(recipe.spec.name.as_str()).unwrap_or_default();
            let legacies = entries.into_iter().filter(|e| is_key_of(&recipe.spec, &e.key)).map(|entry| {
                served += usize::from(entry.latest.is_some());
                (entry.key.clone(), Shared::legacy_of(entry))
            });
            shared.source(&recipe, legacies.collect(), now, &mut made)
        });
        let catalog = Catalog::new(sources.collect());
        shared.catalog.store(Arc::new(catalog));
        shared.set_going(made, now);
        Ok(served)
    }

    /// Exchanges the sources and the settings. A source whose configuration is equal is left alone; of one that changed the
    /// flight is ended first, so that nothing read by the old rules can be stored over what the new ones read.
    pub async fn reload(&self, recipes: Vec<Arc<Recipe>>, settings: Settings) {
        let shared = &self.0;
        shared.settings.store(Arc::new(settings));
        let old = shared.catalog.load_full();
        let mut sources = Vec::new();
        let mut made = Made::new();
        for recipe in recipes {
            let before = old.source(recipe.spec.name.as_str());
            if let Some(same) = before.filter(|s| s.recipe.fingerprint == recipe.fingerprint) {
                sources.push(Arc::clone(same));
                continue;
            }
            let mut legacies = HashMap::new();
            for cell in before.map(|s| s.cells()).unwrap_or_default() {
                shared.retire(&cell).await;
                if is_key_of(&recipe.spec, &cell.key) {
                    legacies.insert(cell.key.clone(), cell.legacy());
                }
            }
            info!(source = %recipe.spec.name, "reloaded");
            sources.push(shared.source(&recipe, legacies, shared.clock.now(), &mut made));
        }
        let catalog = Catalog::new(sources);
        for gone in old.sources().filter(|s| catalog.source(s.name()).is_none()) {
            info!(source = gone.name(), "no longer configured; its snapshots stay in the store");
            for cell in gone.cells() {
                shared.retire(&cell).await;
            }
        }
        shared.catalog.store(Arc::new(catalog));
        shared.set_going(made, shared.clock.now());
        shared.wake.notify_one();
    }
}

impl Shared {
    fn legacy_of(entry: Entry) -> Legacy {
        let Entry { latest, attempts, .. } = entry;
        let Some(Latest { snapshot, renewal, fence }) = latest else { return Legacy { attempts, ..Legacy::default() } };
        let content = Content::of(&snapshot);
        let remembered =
            Remembered { revision: snapshot.revision, digest: snapshot.digest, checked_at: renewal.checked_at, rules: renewal.rules };
        Legacy { content: Some((content, renewal.rules, remembered)), validators: renewal.validators, attempts, fence, ..Legacy::default() }
    }

    fn source(&self, recipe: &Arc<Recipe>, mut legacies: HashMap<Key, Legacy>, now: Moment, made: &mut Made) -> Arc<Source> {
        if let Some(key) = recipe.spec.default_key() {
            legacies.entry(key).or_default();
        }
        let mut cells = HashMap::with_capacity(legacies.len());
        for (key, legacy) in legacies {
            let (cell, effects) = Cell::new(key.clone(), Arc::clone(recipe), legacy, &*self.render, now);
            made.push((Arc::clone(&cell), effects));
            cells.insert(key, cell);
        }
        Arc::new(Source::new(Arc::clone(recipe), cells))
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

    /// Ends a cell's flight and waits until it has ended.
    async fn retire(&self, cell: &Arc<Cell>) {
        cell.retire();
        if self.runner.withdraw(cell) {
            self.ground(cell);
        }
        let mut progress = cell.progress();
        if timeout(RETIRE_PATIENCE, progress.wait_for(|p| !p.in_flight())).await.is_err() {
            warn!(key = %cell.key, "a refresh by the old configuration does not end; its result will be refused");
        }
    }
}

fn is_key_of(spec: &SourceSpec, key: &Key) -> bool {
    let params = key.params();
    spec.key(params.iter().map(|(name, value)| (name.as_str(), value.as_str()))).is_ok_and(|k| k == *key)
}
