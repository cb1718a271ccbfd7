//! The configured sources and the keys that are held of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use url::Url;
use wellspring_core::key::Key;
use wellspring_core::source::SourceSpec;

use super::cell::Cell;
use super::extraction::RuledAlternative;
use super::reads::Reads;

/// A source that is ready to be read: its spec and its compiled rules, one for each alternative.
#[derive(Debug)]
pub struct Recipe {
    /// As configured.
    pub spec: SourceSpec,
    /// In the order of `spec.alternatives`.
    pub compiled: Vec<RuledAlternative>,
    /// The text it was configured with; where it is equal, a reload leaves the source alone.
    pub fingerprint: String,
}

impl Recipe {
    /// The host of the first request for a key; empty where no alternative is usable.
    pub fn first_host(&self, key: &Key) -> String {
        self.spec
            .alternatives
            .iter()
            .find(|a| a.usable)
            .and_then(|a| a.asks().next())
            .and_then(|first| Url::parse(first.url.fill(&key.params()).expose()).ok())
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// No key can be held beside those of a source that are held: each is being refreshed for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

/// One source and its keys.
#[derive(Debug)]
pub struct Source {
    /// How it is read.
    pub recipe: Arc<Recipe>,
    /// What a bare read answers with, where all parameters have defaults. Never evicted.
    pub default: Option<Arc<Cell>>,
    /// How often it was read.
    pub reads: Arc<Reads>,
    /// Every key that is held; replaced as a whole, so that readers take no lock.
    cells: ArcSwap<HashMap<Key, Arc<Cell>>>,
    growing: Mutex<()>,
}

impl Source {
    /// A source with these keys, which goes on counting reads where another left off.
    pub fn new(recipe: Arc<Recipe>, cells: HashMap<Key, Arc<Cell>>, reads: Arc<Reads>) -> Self {
        let default = recipe.spec.default_key().and_then(|key| cells.get(&key).cloned());
        Self { recipe, default, reads, cells: ArcSwap::from_pointee(cells), growing: Mutex::new(()) }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        self.recipe.spec.name.as_str()
    }

    /// The cell of a key that is held.
    pub fn cell(&self, key: &Key) -> Option<Arc<Cell>> {
        self.cells.load().get(key).cloned()
    }

    /// Every key that is held.
    pub fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<_> = self.cells.load().values().cloned().collect();
        cells.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        cells
    }

    /// The cell of a key, made by `make` where it is not held yet. Past `max_keys` the key that was read longest ago goes,
    /// and is returned beside it.
    ///
    /// # Errors
    /// [`Crowded`] where every key that could go is being refreshed: ending those for one another would serve nobody.
    pub fn cell_or(&self, key: &Key, make: impl FnOnce() -> Arc<Cell>) -> Result<(Arc<Cell>, Option<Arc<Cell>>), Crowded> {
        let _one_at_a_time = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.cells.load();
        if let Some(cell) = held.get(key) {
            return Ok((Arc::clone(cell), None));
        }
        // Beside the default key, which never goes, there is room for one other at least.
        let bound = self.recipe.spec.max_keys.max(1 + usize::from(self.default.is_some()));
        let gone = if held.len() >= bound { Some(self.least_recent(&held).ok_or(Crowded)?) } else { None };
        let mut cells = HashMap::clone(&held);
        let cell = make();
        if let Some(gone) = &gone {
            cells.remove(&gone.key);
        }
        cells.insert(key.clone(), Arc::clone(&cell));
        self.cells.store(Arc::new(cells));
        Ok((cell, gone))
    }

    fn least_recent(&self, cells: &HashMap<Key, Arc<Cell>>) -> Option<Arc<Cell>> {
        let keep = self.default.as_ref().map(|cell| &cell.key);
        cells.values().filter(|cell| Some(&cell.key) != keep && !cell.is_refreshing()).min_by_key(|cell| cell.last_read()).cloned()
    }
}

/// Every source, by name. Replaced as a whole by a reload.
#[derive(Debug, Default)]
pub struct Catalog {
    sources: HashMap<String, Arc<Source>>,
    order: Vec<String>,
}

impl Catalog {
    /// In the order in which they are configured.
    pub fn new(sources: Vec<Arc<Source>>) -> Self {
        let order = sources.iter().map(|s| s.name().to_owned()).collect();
        Self { sources: sources.into_iter().map(|s| (s.name().to_owned(), s)).collect(), order }
    }

    /// A source by its name.
    pub fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(name)
    }

    /// Every source, in the order in which they are configured.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.order.iter().filter_map(|name| self.sources.get(name))
    }
}
