//! The configured sources and the keys that are held of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
    empty: Mutex<Empty>,
}

/// Keys that had no data when they were met, in that order. Some have it by now, some are gone.
#[derive(Debug, Default)]
struct Empty(VecDeque<Met>);

#[derive(Debug)]
struct Met {
    cell: Weak<Cell>,
    /// For a reader, who will ask for its first flight in a moment.
    asked_for: bool,
}

impl Empty {
    fn add(&mut self, cell: &Arc<Cell>, asked_for: bool) {
        // Twice as many as are left of it are never kept.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|met| met.cell.upgrade().is_some_and(|cell| is_empty(&cell)));
        }
        self.0.push_back(Met { cell: Arc::downgrade(cell), asked_for });
    }

    /// Takes out the first that may go.
    fn next(&mut self, source: &Source) -> Option<Arc<Cell>> {
        for _ in 0..self.0.len() {
            let met = self.0.pop_front()?;
            let Some(cell) = met.cell.upgrade().filter(|cell| is_empty(cell)) else { continue };
            // Somebody waits for it, or is about to.
            let waits = cell.is_refreshing() || (met.asked_for && !cell.has_flown());
            if !waits && !source.is_default(&cell) {
                return Some(cell);
            }
            self.0.push_back(met);
        }
        None
    }
}

fn is_empty(cell: &Cell) -> bool {
    cell.view().is_none() && !cell.is_retired()
}

/// How many keys beyond `max_keys` may wait for their first data.
fn spare(bound: usize) -> usize {
    (bound / 8).max(8)
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
        let mut empty = Empty::default();
        cells.all().iter().filter(|cell| is_empty(cell)).for_each(|cell| empty.add(cell, false));
        Self { recipe, default, reads, tally, cells, leaving: Mutex::default(), empty: Mutex::new(empty) }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        self.recipe.spec.name.as_str()
    }

    /// The cell of a key that is held, by its canonical text. Takes no lock.
    pub fn cell(&self, key: &str) -> Option<Arc<Cell>> {
        self.cells.find(key)
    }

    /// What `look` makes of the cell of a key that is held, without counting that somebody has it. Takes no lock.
    pub fn lend<T>(&self, key: &str, look: impl FnOnce(&Arc<Cell>) -> T) -> Option<T> {
        self.cells.lend(key, look)
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

    /// The cell of a key, made by `make` where it is not held yet, and the one that gave way to it. Past `max_keys` only a key that
    /// never had data gives way; where there is none, a few more are held until they have data ([`Source::displaced`]): whoever asks
    /// for keys that the upstream does not have must not push out those that it has.
    ///
    /// # Errors
    /// [`Crowded`] where every key that could go is being refreshed: ending those for one another would serve nobody.
    pub fn cell_or(&self, key: &Key, make: impl FnOnce() -> Arc<Cell>) -> Result<(Arc<Cell>, Option<Arc<Cell>>), Crowded> {
        let mut change = self.cells.change();
        if let Some(cell) = self.cells.find(key.as_str()) {
            return Ok((cell, None));
        }
        let bound = self.bound();
        let gone = if change.len() >= bound { self.empty.lock().unwrap_or_else(PoisonError::into_inner).next(self) } else { None };
        if gone.is_none() && change.len() >= bound + spare(bound) {
            return Err(Crowded);
        }
        let cell = make();
        if let Some(gone) = &gone {
            change.remove(gone.key.as_str());
        }
        change.add(Arc::clone(&cell));
        self.empty.lock().unwrap_or_else(PoisonError::into_inner).add(&cell, true);
        Ok((cell, gone))
    }

    /// The cell of a key that another replica has data of, made where there is room for it: nothing gives way to it.
    pub fn admit(&self, key: &Key, make: impl FnOnce() -> Arc<Cell>) -> Option<Arc<Cell>> {
        let mut change = self.cells.change();
        if change.len() >= self.bound() || self.cells.find(key.as_str()).is_some() {
            return None;
        }
        let cell = make();
        change.add(Arc::clone(&cell));
        Some(cell)
    }

    /// True where [`Source::admit`] takes one more.
    pub fn has_room(&self) -> bool {
        self.cells.change().len() < self.bound()
    }

    /// The key that gives way to one that has data now, where more than `max_keys` are held: the one that was read longest ago.
    pub fn displaced(&self, by: &Cell) -> Option<Arc<Cell>> {
        let mut change = self.cells.change();
        let gone = if change.len() > self.bound() { self.least_recent(by)? } else { return None };
        change.remove(gone.key.as_str());
        Some(gone)
    }

    /// Beside the default key, which never goes, there is room for one other at least.
    fn bound(&self) -> usize {
        self.recipe.spec.max_keys.max(1 + usize::from(self.default.is_some()))
    }

    fn is_default(&self, cell: &Cell) -> bool {
        self.default.as_ref().is_some_and(|default| default.key == cell.key)
    }

    /// Of the keys with data the one that was read longest ago and may go, which is not the newcomer. Looking at all of them gives
    /// several at once: as long as nobody reads one of those, none of the others was read longer ago.
    fn least_recent(&self, newcomer: &Cell) -> Option<Arc<Cell>> {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let may_go = |cell: &Cell| cell.key != newcomer.key && !cell.is_refreshing() && !self.is_default(cell) && cell.view().is_some();
        let goes = |(read, cell): &(Mono, Arc<Cell>)| cell.last_read() == *read && !cell.is_retired() && may_go(cell);
        while let Some(next) = leaving.pop() {
            if goes(&next) {
                return Some(next.1);
            }
        }
        let mut all: Vec<(Mono, Arc<Cell>)> = self.cells.all().into_iter().map(|cell| (cell.last_read(), cell)).collect();
        all.retain(|one| may_go(&one.1));
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
