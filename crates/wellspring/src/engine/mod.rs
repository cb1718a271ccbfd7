//! The refresh engine: what is stored is answered at once, what is stale is refreshed behind the answer, one flight a key.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use wellspring_core::failure::Failure;
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::{Event, Phase, Trigger};

use crate::clock::Clock;
use crate::fetch::{self, Fetcher};
use crate::store::Store;

pub mod breaker;
pub mod catalog;
pub mod cell;
pub mod changes;
pub mod collect;
pub mod crew;
pub mod demand;
mod execute;
pub mod extraction;
pub mod hot;
pub mod keys;
pub mod limits;
mod line;
mod load;
pub mod manners;
pub mod news;
#[cfg(all(test, feature = "shuttle"))]
mod orders;
pub mod pages;
mod past;
pub mod queue;
pub mod reads;
mod remote;
pub mod runner;
mod seeds;
mod shared;
mod shed;
pub mod status;
mod sync;
pub mod tally;
pub mod worker;

use catalog::{Catalog, Crowded, Source};
use cell::Cell;
use changes::{Changes, Listener};
use collect::{Bounds, Collector};
use crew::Crew;
use extraction::Extractor;
use hot::View;
use limits::Limits;
use news::News;
use pages::Pages;
use queue::Queue;
use runner::Runner;
use seeds::Seeds;
use shared::{Shared, Stage};
use status::Status;
use tally::{STORE_BOUNDS, Spread};

/// However far the next timer is, the engine looks again after this: triggers are hints, the scan repairs.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// After which a reader is asked to come back whose refresh was cut off by us.
const CUT_OFF_WAIT: Duration = Duration::from_secs(1);
/// How long the store may take to close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Between two unasked fetches at start and after a reload.
const WARM_UP_GAP: Duration = Duration::from_millis(250);

/// What the engine stands on.
#[derive(Debug)]
pub struct Parts {
    /// Where snapshots outlive the process.
    pub store: Arc<dyn Store>,
    /// The way out.
    pub fetcher: Arc<dyn Fetcher>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who runs the rules.
    pub extractor: Arc<Extractor>,
}

/// The server's own bounds, which a reload may change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For collections.
    pub bounds: Bounds,
    /// Requests at once with the extraction of what they give, in all.
    pub at_once: usize,
    /// Pages that a browser renders at once.
    pub pages: usize,
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

/// What waiting for a key without a snapshot came to.
#[derive(Debug)]
pub enum Waited {
    /// There is one now.
    Ready(Arc<View>),
    /// The refresh failed, or none may start before `again`.
    Failed {
        /// Why.
        failure: Option<Failure>,
        /// When to ask again.
        again: Duration,
    },
    /// Patience ran out; the refresh goes on.
    StillRefreshing,
}

/// What asking for a forced refresh came to.
#[derive(Debug)]
pub enum Forced {
    /// It ran and is what is served now.
    Refreshed,
    /// It was refused, or it ran and failed: what was served stays.
    Failed(Failure),
    /// Patience ran out; the refresh goes on.
    StillRefreshing,
}

impl Engine {
    /// An engine without sources; [`Engine::load`] fills it.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self::with(parts, settings, Seeds::default())
    }

    /// The same, whose jitter follows from a seed: for whoever plays a run again.
    pub fn seeded(parts: Parts, settings: Settings, seed: u64) -> Self {
        Self::with(parts, settings, Seeds::of(seed))
    }

    fn with(parts: Parts, settings: Settings, seeds: Seeds) -> Self {
        let wake = Arc::new(Notify::new());
        // Its own, not `wake`: a collection that waits for a place must not take a wake-up that was meant for the engine.
        let freed = Arc::new(Notify::new());
        let limits = Limits::new(Arc::clone(&freed));
        limits.allow(settings.at_once);
        let collector = Collector {
            fetcher: parts.fetcher,
            store: parts.store,
            limits: Arc::clone(&limits),
            freed,
            pages: Pages::new(settings.pages),
            breaker: Arc::default(),
            manners: Some(Arc::default()),
            extractor: parts.extractor,
            clock: Arc::clone(&parts.clock),
        };
        Self(Arc::new(Shared {
            collector,
            clock: parts.clock,
            catalog: ArcSwap::default(),
            settings: ArcSwap::from_pointee(settings),
            queue: Queue::new(Arc::clone(&wake)),
            runner: Runner::new(limits, Arc::clone(&wake)),
            epoch: seeds.next(),
            seeds,
            wake,
            changes: Changes::new(),
            stage: watch::Sender::new(Stage::Running),
            airborne: watch::Sender::new(0),
            news: News::default(),
            crew: Crew::default(),
            writes: Mutex::new(Spread::new(STORE_BOUNDS)),
        }))
    }

    /// Every source and its keys, as of now.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.0.catalog.load()
    }

    /// The time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// What the status of a key tells at `now`.
    pub fn status(&self, cell: &Cell, now: Moment) -> Status {
        let mut status = Status::of(cell, self.0.settings.load().bounds.robots, now);
        // Alone there is nobody to be told from.
        status.refreshed_by = status.refreshed_by.filter(|_| self.0.collector.store.is_shared());
        status
    }

    /// Where snapshots outlive the process.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.collector.store
    }

    /// What this process is called among those that number changes.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Listens to the changes of every key; `None` while too many do. See [`changes::Changed`].
    pub fn listen(&self) -> Option<Listener> {
        self.0.changes.listen()
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.changes.listeners()
    }

    /// The number of the change that gave the catalog in force.
    pub fn catalog_changed(&self) -> u64 {
        self.0.changes.catalog()
    }

    /// Which keys were refreshed, for who wants to know.
    pub fn news(&self) -> &News {
        &self.0.news
    }

    /// How long the store took to make the results of refreshes durable.
    pub fn writes(&self) -> Spread {
        self.0.writes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the way out tells of itself.
    pub fn outward(&self) -> fetch::Figures {
        self.0.collector.fetcher.figures()
    }

    /// The cell of a key of `source`, made where it is not held yet.
    ///
    /// # Errors
    /// [`Crowded`] while none of the keys that are held can make room.
    pub fn cell(&self, source: &Source, key: &Key) -> Result<Arc<Cell>, Crowded> {
        if let Some(cell) = source.cell(key.as_str()) {
            return Ok(cell);
        }
        let (cell, gone) = source.cell_or(key, || self.0.new_cell(source, key))?;
        if let Some(gone) = gone {
            self.0.dismiss(&gone);
            self.0.forget(gone.key.clone());
        }
        Ok(cell)
    }

    /// The cell of a key of `source`, to look at: one that is not held is not held after this either.
    pub fn peek(&self, source: &Source, key: &Key) -> Arc<Cell> {
        source.cell(key.as_str()).unwrap_or_else(|| self.0.new_cell(source, key))
    }

    /// What is served of a key. Remakes an age that is told and has changed.
    pub fn view(&self, cell: &Cell, now: Mono) -> Option<Arc<View>> {
        self.viewed(cell, now, Arc::clone)
    }

    /// What `look` makes of what is served of a key, without counting that somebody has it: cores that read one key side by side
    /// would pass that count back and forth. Remakes an age that is told and has changed.
    pub fn viewed<T>(&self, cell: &Cell, now: Mono, look: impl FnOnce(&Arc<View>) -> T) -> Option<T> {
        let view = cell.view();
        let seen = view.as_ref()?;
        if now < seen.aged_at {
            return Some(look(seen));
        }
        cell.refresh_age(seen, now);
        cell.view().as_ref().map(look)
    }

    /// Says that a reader found a key stale or absent. Never blocks; whatever number of readers says so, one flight starts.
    pub fn nudge(&self, cell: &Arc<Cell>, now: Mono) {
        if cell.takes_nudges(now) {
            self.0.apply(cell, Event::Nudged);
        }
    }

    /// Waits for a key without a snapshot, sharing the one flight with everyone who waits.
    pub async fn wait(&self, cell: &Arc<Cell>, patience: Duration) -> Waited {
        // Subscribed before looking, so that no end of a flight is missed.
        let mut progress = cell.progress();
        self.nudge(cell, self.0.clock.mono());
        // Where it waits in line already, for nobody or for a retry, it is somebody's now.
        self.0.runner.raise(cell, Trigger::Cold);
        // What it gives is a lock on the progress, which whoever starts a flight wants under the cell's: not to be held below.
        let settled = timeout(patience, progress.wait_for(|p| !p.in_flight() || cell.view().is_some())).await.is_ok();
        if let Some(view) = cell.view().as_ref() {
            return Waited::Ready(Arc::clone(view));
        }
        if !settled {
            return Waited::StillRefreshing;
        }
        let inner = cell.lock();
        let now = self.0.clock.mono();
        let failure = inner.state.degraded().cloned();
        let (failure, again) = match (inner.state.next_attempt(), &inner.state.phase) {
            (Some(at), _) => (failure, now.until(at)),
            (None, Phase::Disabled) => (failure, cell.recipe.spec.policy.longest_backoff()),
            // Cut off by a reload or a drain: whoever asks again meets the successor.
            (None, _) => (failure.or_else(|| Some(execute::stopped())), CUT_OFF_WAIT),
        };
        Waited::Failed { failure, again }
    }

    /// Forces a refresh or joins the one that runs, and waits for it.
    pub async fn force(&self, cell: &Arc<Cell>, patience: Duration) -> Forced {
        let mut progress = cell.progress();
        let mine = match self.0.force(cell) {
            Ok(flight) => flight,
            Err(failure) => return Forced::Failed(failure),
        };
        match timeout(patience, progress.wait_for(|p| p.ended >= mine)).await {
            Err(_) => Forced::StillRefreshing,
            Ok(ended) => match ended.ok().and_then(|p| p.outcome.clone()) {
                Some(Ok(())) => Forced::Refreshed,
                Some(Err(failure)) => Forced::Failed(failure),
                None => Forced::Failed(execute::stopped()),
            },
        }
    }

    /// Starts due and waiting flights until the engine is drained. Ends early only if it panics.
    pub async fn run(self) {
        let watched = Arc::clone(&self.0);
        let others = async {
            if watched.collector.store.is_shared() {
                watched.follow_others().await;
            }
        };
        tokio::join!(self.start_flights(), others);
    }

    async fn start_flights(self) {
        let shared = self.0;
        let mut stage = shared.stage.subscribe();
        let mut scanned = shared.clock.mono();
        while *stage.borrow() == Stage::Running {
            // Made before looking, so that no place that becomes free is missed.
            let freed = shared.collector.freed.notified();
            let now = shared.clock.mono();
            if now.since(scanned) >= LONGEST_SLEEP {
                scanned = now;
                shared.scan();
            }
            let next = shared.look(now, |cell, place| shared.launch(cell, place)).unwrap_or(Mono::NEVER);
            let nap = shared.clock.mono().until(next).min(LONGEST_SLEEP);
            tokio::select! {
                biased;
                () = shared.wake.notified() => {}
                () = freed => {}
                () = tokio::time::sleep(nap) => {}
                _ = stage.changed() => {}
            }
        }
    }

    /// Starts nothing more, lets what flies go on for `patience`, ends it then, and closes the store.
    pub async fn drain(&self, patience: Duration) {
        self.drain_beside(patience, async {}).await;
    }

    /// The same, and lets something else come to its end meanwhile, for which the store is still open.
    pub async fn drain_beside(&self, patience: Duration, other: impl Future<Output = ()>) {
        tokio::join!(self.land(patience), other);
        let shared = &self.0;
        shared.collector.extractor.close().await;
        shared.collector.fetcher.close().await;
        // What it has acknowledged is durable already; a disk that hangs must not keep the process.
        if timeout(CLOSE_PATIENCE, shared.collector.store.close()).await.is_err() {
            tracing::warn!("the store does not close; it is left as it is");
        }
    }

    async fn land(&self, patience: Duration) {
        let shared = &self.0;
        shared.stage.send_replace(Stage::Draining);
        for cell in shared.runner.clear() {
            shared.ground(&cell);
        }
        let mut airborne = shared.airborne.subscribe();
        if timeout(patience, airborne.wait_for(|n| *n == 0)).await.is_err() {
            shared.stage.send_replace(Stage::Cancelled);
            // Collections end at once; what is being stored is let finish.
            drop(timeout(Duration::from_secs(2), airborne.wait_for(|n| *n == 0)).await);
        }
    }
}
