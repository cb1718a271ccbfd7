//! The configured sources and the keys that are held of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::source::SourceSpec;

use super::cell::Cell;
use super::extraction::RuledAlternative;
use super::keys::{Keys, Named};
use super::reads::Reads;
use super::tally::Tally;

/// Of so many keys one is chosen to go next when all were looked at: choosing costs each new key a few looks.
const AT_A_TIME: usize = 64;

/// A source that is ready to be read: its spec and its compiled rules, one for each alternative.
#[derive(Debug)]
pub struct Recipe {
    /// As configured.
    pub spec: SourceSpec,
    /// In the order of `spec.alternatives`.
    pub compiled: Vec<RuledAlternative>,
    /// The text it was configured with; where it is equal, a reload leaves the source alone.
    pub fingerprint: String,
    /// Its table as it stands in its file, for people: variables by their names, literal secrets left out.
    pub text: String,
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
    /// What came of its refreshes.
    pub tally: Arc<Tally>,
    /// Every key that is held.
    cells: Keys<Cell>,
    /// Those that go next past `max_keys`, with when they had been read, the one read longest ago last.
    leaving: Mutex<Vec<(Mono, Arc<Cell>)>>,
}

impl Named for Cell {
    fn name(&self) -> &str {
        self.key.as_str()
    }
}

impl Source {
    /// A source with these keys, which goes on counting where another left off.
    pub fn new(recipe: Arc<Recipe>, cells: Vec<Arc<Cell>>, (reads, tally): (Arc<Reads>, Arc<Tally>)) -> Self {
        let cells = Keys::new(cells);
        let default = recipe.spec.default_key().and_then(|key| cells.find(key.as_str()));
        Self { recipe, default, reads, tally, cells, leaving: Mutex::default() }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        self.recipe.spec.name.as_str()
    }

    /// The cell of a key that is held, by its canonical text. Takes no lock.
    pub fn cell(&self, key: &str) -> Option<Arc<Cell>> {
        self.cells.find(key)
    }

    /// Every key that is held, in no order.
    pub fn cells_unordered(&self) -> Vec<Arc<Cell>> {
        self.cells.all()
    }

    /// Every key that is held, in the order of their names.
    pub fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = self.cells.all();
        cells.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        cells
    }

    /// The cell of a key, made by `make` where it is not held yet. Past `max_keys` the key that was read longest ago goes,
    /// and is returned beside it.
    ///
    /// # Errors
    /// [`Crowded`] where every key that could go is being refreshed: ending those for one another would serve nobody.
    pub fn cell_or(&self, key: &Key, make: impl FnOnce() -> Arc<Cell>) -> Result<(Arc<Cell>, Option<Arc<Cell>>), Crowded> {
        let mut change = self.cells.change();
        if let Some(cell) = self.cells.find(key.as_str()) {
            return Ok((cell, None));
        }
        // Beside the default key, which never goes, there is room for one other at least.
        let bound = self.recipe.spec.max_keys.max(1 + usize::from(self.default.is_some()));
        let gone = if change.len() >= bound { Some(self.least_recent().ok_or(Crowded)?) } else { None };
        let cell = make();
        if let Some(gone) = &gone {
            change.remove(gone.key.as_str());
        }
        change.add(Arc::clone(&cell));
        Ok((cell, gone))
    }

    /// The key that was read longest ago and may go. Looking at all of them gives several at once: as long as nobody reads one of
    /// those, none of the others was read longer ago.
    fn least_recent(&self) -> Option<Arc<Cell>> {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let goes = |(read, cell): &(Mono, Arc<Cell>)| cell.last_read() == *read && !cell.is_refreshing();
        while let Some(next) = leaving.pop() {
            if goes(&next) {
                return Some(next.1);
            }
        }
        let keep = self.default.as_ref().map(|cell| &cell.key);
        let mut all: Vec<(Mono, Arc<Cell>)> = self.cells.all().into_iter().map(|cell| (cell.last_read(), cell)).collect();
        all.retain(|one| Some(&one.1.key) != keep && !one.1.is_refreshing());
        let some = all.len().div_ceil(AT_A_TIME);
        if some < all.len() {
            all.select_nth_unstable_by_key(some, |(read, _)| *read);
            all.truncate(some);
        }
        all.sort_unstable_by_key(|(read, _)| std::cmp::Reverse(*read));
        *leaving = all;
        leaving.pop().map(|(_, cell)| cell)
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
