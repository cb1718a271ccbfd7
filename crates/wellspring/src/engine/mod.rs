//! The refresh engine: what is stored is answered at once, what is stale is refreshed behind the answer, one flight a key.

use std::future::Future;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use wellspring_core::failure::Failure;
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::refresh::{Effect, Event, Phase, Trigger, step};

use crate::clock::Clock;
use crate::fetch::Fetcher;
use crate::lifecycle;
use crate::store::Store;

pub mod catalog;
pub mod cell;
pub mod collect;
mod execute;
pub mod hot;
pub mod limits;
mod load;
pub mod queue;
pub mod runner;
mod seeds;
pub mod status;

use catalog::{Catalog, Crowded, Source};
use cell::{Cell, Inner};
use collect::{Bounds, Collector};
use hot::{Render, View};
use limits::Limits;
use queue::Queue;
use runner::{Next, Runner};
use seeds::Seeds;

/// However far the next timer is, the engine looks again after this: triggers are hints, the scan repairs.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// After which a reader is asked to come back whose refresh was cut off by us.
const CUT_OFF_WAIT: Duration = Duration::from_secs(1);
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
    /// Encodes what is served.
    pub render: Arc<dyn Render>,
}

/// The server's own bounds, which a reload may change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For collections.
    pub bounds: Bounds,
    /// Requests at once with the extraction of what they give, in all.
    pub at_once: usize,
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    collector: Collector,
    clock: Arc<dyn Clock>,
    render: Arc<dyn Render>,
    catalog: ArcSwap<Catalog>,
    settings: ArcSwap<Settings>,
    queue: Queue,
    runner: Runner,
    seeds: Seeds,
    wake: Arc<Notify>,
    stage: watch::Sender<Stage>,
    airborne: watch::Sender<usize>,
}

/// How far the engine is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Nothing new starts; what flies goes on.
    Draining,
    /// What flies ends.
    Cancelled,
}

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
        let wake = Arc::new(Notify::new());
        // Its own, not `wake`: a collection that waits for a place must not take a wake-up that was meant for the engine.
        let freed = Arc::new(Notify::new());
        let limits = Limits::new(Arc::clone(&freed));
        limits.allow(settings.at_once);
        let collector =
            Collector { fetcher: parts.fetcher, store: parts.store, limits: Arc::clone(&limits), freed, clock: Arc::clone(&parts.clock) };
        Self(Arc::new(Shared {
            collector,
            clock: parts.clock,
            render: parts.render,
            catalog: ArcSwap::default(),
            settings: ArcSwap::from_pointee(settings),
            queue: Queue::new(Arc::clone(&wake)),
            runner: Runner::new(limits, Arc::clone(&wake)),
            seeds: Seeds::new(),
            wake,
            stage: watch::Sender::new(Stage::Running),
            airborne: watch::Sender::new(0),
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

    /// Where snapshots outlive the process.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.collector.store
    }

    /// The cell of a key of `source`, made where it is not held yet.
    ///
    /// # Errors
    /// [`Crowded`] while none of the keys that are held can make room.
    pub fn cell(&self, source: &Source, key: &Key) -> Result<Arc<Cell>, Crowded> {
        if let Some(cell) = source.cell(key) {
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
        source.cell(key).unwrap_or_else(|| self.0.new_cell(source, key))
    }

    /// What is served of a key. Remakes an age that is told and has changed.
    pub fn view(&self, cell: &Cell, now: Mono) -> Option<Arc<View>> {
        let view = cell.view();
        let view = view.as_ref()?;
        if now < view.aged_at {
            return Some(Arc::clone(view));
        }
        cell.refresh_age(view, &*self.0.render, now);
        cell.view().clone()
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
        let settled = timeout(patience, progress.wait_for(|p| !p.in_flight() || cell.view().is_some())).await;
        if let Some(view) = cell.view().as_ref() {
            return Waited::Ready(Arc::clone(view));
        }
        if settled.is_err() {
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
        let shared = self.0;
        let mut stage = shared.stage.subscribe();
        let mut scanned = shared.clock.mono();
        while *stage.borrow() == Stage::Running {
            // Made before looking, so that no place that becomes free is missed.
            let freed = shared.collector.freed.notified();
            let now = shared.clock.mono();
            for cell in shared.queue.take_due(now) {
                shared.apply(&cell, Event::Due);
            }
            if now.since(scanned) >= LONGEST_SLEEP {
                scanned = now;
                shared.scan();
            }
            let settings = shared.settings.load_full();
            let next_start = loop {
                match shared.runner.next(settings.bounds.per_host, now) {
                    Next::Start(cell, place) => shared.launch(cell, place),
                    Next::Wait(until) => break until,
                }
            };
            let next = [shared.queue.next(), next_start].into_iter().flatten().min().unwrap_or(Mono::NEVER);
            let nap = shared.clock.mono().until(next).min(LONGEST_SLEEP);
            tokio::select! {
                () = shared.wake.notified() => {}
                () = freed => {}
                () = tokio::time::sleep(nap) => {}
                _ = stage.changed() => {}
            }
        }
    }

    /// Starts nothing more, lets what flies go on for `patience`, ends it then, and closes the store.
    pub async fn drain(&self, patience: Duration) {
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
        shared.collector.store.close().await;
    }
}

impl Shared {
    fn new_cell(&self, source: &Source, key: &Key) -> Arc<Cell> {
        Cell::new(key.clone(), Arc::clone(&source.recipe), cell::Legacy::default(), &*self.render, self.clock.now()).0
    }

    /// Wakes the keys that want a timer and have none. There should be no such key; the scan is for the bug that makes one.
    fn scan(&self) {
        for cell in self.catalog.load().sources().flat_map(|source| source.cells()) {
            if cell.wants_timer() && !self.queue.holds(&cell.key) {
                self.apply(&cell, Event::Due);
            }
        }
    }

    fn bounds(&self) -> Bounds {
        self.settings.load().bounds.clone()
    }

    /// Tells a key's machine what happened, publishes what changed, and performs what needs no flight. Returns the effects
    /// for the flight.
    fn apply(&self, cell: &Arc<Cell>, event: Event) -> Vec<Effect> {
        let starts = matches!(event, Event::Due | Event::Nudged | Event::Forced);
        let inner = cell.lock();
        if starts && self.starts_nothing(cell) {
            return Vec::new();
        }
        self.step(cell, inner, event)
    }

    /// Starts a forced refresh or joins the one that runs; its number. Judged and started under one lock, so that of many
    /// who ask at once one starts it and the others join.
    fn force(&self, cell: &Arc<Cell>) -> Result<u64, Failure> {
        let inner = cell.lock();
        if self.starts_nothing(cell) {
            return Err(execute::stopped());
        }
        if let Some(failure) = inner.state.refuses_force(&cell.recipe.spec.policy, self.clock.mono()) {
            return Err(failure);
        }
        if inner.state.is_refreshing() {
            let flight = inner.flight;
            drop(inner);
            self.runner.raise(cell, Trigger::Forced);
            return Ok(flight);
        }
        let flight = inner.flight + 1;
        self.step(cell, inner, Event::Forced);
        Ok(flight)
    }

    fn starts_nothing(&self, cell: &Cell) -> bool {
        *self.stage.borrow() != Stage::Running || cell.is_retired()
    }

    fn step(&self, cell: &Arc<Cell>, mut inner: MutexGuard<'_, Inner>, event: Event) -> Vec<Effect> {
        let now = self.clock.now();
        let stored = event == Event::Stored;
        let before = inner.state.clone();
        let (state, effects) = step(before.clone(), &cell.recipe.spec.policy, event, now, self.seeds.next());
        if stored && !state.is_refreshing() {
            if let Some(content) = inner.pending.take() {
                inner.content = Some(content);
            }
            inner.read_by = Some(cell.recipe.spec.rules);
        }
        let changed = state != before;
        inner.state = state;
        if changed {
            cell.publish(&inner, &*self.render, now);
        }
        let starting = inner.state.phase.trigger().filter(|_| effects.contains(&Effect::Acquire));
        if starting.is_some() {
            cell.flight_started(&mut inner);
        }
        drop(inner);
        for effect in &effects {
            // A retired cell that lands late must not take its successor's place in the queue.
            if let Effect::WakeAt(at) = effect
                && !cell.is_retired()
            {
                self.queue.wake_at(cell, *at);
            }
        }
        if let Some(trigger) = starting {
            self.runner.enqueue(cell, trigger);
            // Retired, or the engine drained, since it was let start: whoever did that may have looked before it stood in line.
            if self.starts_nothing(cell) {
                self.withdraw(cell);
            }
        }
        effects
    }

    /// Ends the cell's flight, and keeps it from starting another.
    fn dismiss(&self, cell: &Arc<Cell>) {
        cell.retire();
        self.queue.forget(cell);
        self.withdraw(cell);
    }

    /// Forgets a key past `max_keys`, in the store too.
    fn forget(self: &Arc<Self>, key: Key) {
        let shared = Arc::clone(self);
        self.detach(async move {
            if let Err(error) = shared.collector.store.evict(&key).await {
                tracing::warn!(%key, %error, "a key past `max_keys` could not be forgotten");
            }
        });
    }

    /// Ends a flight that waits in line.
    fn withdraw(&self, cell: &Arc<Cell>) {
        if self.runner.withdraw(cell) {
            self.ground(cell);
        }
    }

    /// Ends a flight that had not started.
    fn ground(&self, cell: &Arc<Cell>) {
        self.apply(cell, Event::Cancelled);
        let flight = cell.lock().flight;
        cell.flight_ended(flight, Err(execute::stopped()));
    }

    fn launch(self: &Arc<Self>, cell: Arc<Cell>, place: limits::Permit) {
        self.airborne.send_modify(|n| *n += 1);
        lifecycle::spawn(execute::Flight::new(Arc::clone(self), cell).fly(place));
    }

    fn landed(&self) {
        self.airborne.send_modify(|n| *n -= 1);
    }

    /// Work of the engine that nobody waits for, and that a drain lets finish.
    fn detach(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.airborne.send_modify(|n| *n += 1);
        let shared = Arc::clone(self);
        lifecycle::spawn(async move {
            work.await;
            shared.airborne.send_modify(|n| *n -= 1);
        });
    }

    async fn cancelled(&self) {
        drop(self.stage.subscribe().wait_for(|stage| *stage == Stage::Cancelled).await);
    }
}
