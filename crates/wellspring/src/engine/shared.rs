//! What every flight and every reader of the engine share: it tells the machines what happened and performs what they want.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use wellspring_core::failure::Failure;
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::refresh::{Effect, Event, State, Trigger, step};

use super::catalog::{Catalog, Source};
use super::cell::{Cell, Inner, Legacy};
use super::changes::Changes;
use super::collect::{Bounds, Collector};
use super::crew::Crew;
use super::news::News;
use super::queue::Queue;
use super::runner::{Next, Runner};
use super::seeds::Seeds;
use super::sync::MutexGuard;
use super::tally::Spread;
use super::{Settings, execute, limits};
use crate::clock::Clock;
use crate::lifecycle;

/// The engine's inside.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) collector: Collector,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) catalog: ArcSwap<Catalog>,
    pub(super) settings: ArcSwap<Settings>,
    pub(super) queue: Queue,
    pub(super) runner: Runner,
    pub(super) seeds: Seeds,
    pub(super) wake: Arc<Notify>,
    pub(super) changes: Changes,
    /// What this process is called among those that number changes.
    pub(super) epoch: u64,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) airborne: watch::Sender<usize>,
    pub(super) news: News,
    pub(super) crew: Crew,
    /// How long results took to be stored.
    pub(super) writes: Mutex<Spread>,
}

/// How far the engine is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Nothing new starts; what flies goes on.
    Draining,
    /// What flies ends.
    Cancelled,
}

/// Work that a drain waits for, until dropped: also where it panics.
struct Aloft(Arc<Shared>);

impl Drop for Aloft {
    fn drop(&mut self) {
        self.0.landed();
    }
}

impl Shared {
    pub(super) fn new_cell(&self, source: &Source, key: &Key) -> Arc<Cell> {
        Cell::new(key.clone(), Arc::clone(&source.recipe), Legacy::default(), self.clock.now()).0
    }

    /// Wakes the keys that want a timer and have none. There should be no such key; the scan is for the bug that makes one.
    pub(super) fn scan(&self) {
        for cell in self.catalog.load().sources().flat_map(|source| source.cells_unordered()) {
            if cell.wants_timer() && !self.queue.holds(&cell.key) {
                self.apply(&cell, Event::Due);
            }
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.settings.load().bounds.clone()
    }

    /// Tells a key's machine what happened, publishes what changed, and performs what needs no flight. Returns the effects
    /// for the flight.
    pub(super) fn apply(&self, cell: &Arc<Cell>, event: Event) -> Vec<Effect> {
        let starts = matches!(event, Event::Due | Event::Nudged | Event::Forced);
        let inner = cell.lock();
        if starts && self.starts_nothing(cell) {
            return Vec::new();
        }
        self.step(cell, inner, event)
    }

    /// Starts a forced refresh or joins the one that runs; its number. Judged and started under one lock, so that of many
    /// who ask at once one starts it and the others join.
    pub(super) fn force(&self, cell: &Arc<Cell>) -> Result<u64, Failure> {
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

    pub(super) fn starts_nothing(&self, cell: &Cell) -> bool {
        *self.stage.borrow() != Stage::Running || cell.is_retired()
    }

    pub(super) fn step(&self, cell: &Arc<Cell>, mut inner: MutexGuard<'_, Inner>, event: Event) -> Vec<Effect> {
        let now = self.clock.now();
        let stored = event == Event::Stored;
        let before = inner.state.clone();
        let (state, effects) = step(before.clone(), &cell.recipe.spec.policy, event, now, self.seeds.next());
        if stored && !state.is_refreshing() {
            if let Some(content) = inner.pending.take() {
                inner.content = Some(*content);
            }
            inner.read_by = Some(cell.recipe.spec.rules);
        }
        let changed = state != before;
        let revision = |state: &State| state.standing.as_ref().map(|standing| standing.revision);
        let is_revision = revision(&state) != revision(&before);
        inner.state = state;
        let starting = inner.state.phase.trigger().filter(|_| effects.contains(&Effect::Acquire));
        if starting.is_some() {
            inner.queued_at = now.mono;
            // Before it is published that nobody need nudge: whoever reads that has a flight to wait for.
            cell.flight_started(&mut inner);
        }
        if changed {
            cell.publish(&inner, now);
        }
        drop(inner);
        if changed {
            self.changes.announce(cell, is_revision);
        }
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
    pub(super) fn dismiss(&self, cell: &Arc<Cell>) {
        cell.retire();
        self.queue.forget(cell);
        self.withdraw(cell);
        self.changes.announce(cell, false);
    }

    /// Lets a key go for one that has got data, where there are more than `max_keys`.
    pub(super) fn make_room_for(self: &Arc<Self>, cell: &Cell) {
        let catalog = self.catalog.load();
        if let Some(gone) = catalog.source(cell.key.source()).and_then(|source| source.displaced(cell)) {
            self.dismiss(&gone);
            self.forget(gone.key.clone());
        }
    }

    /// Forgets a key past `max_keys`, in the store too.
    pub(super) fn forget(self: &Arc<Self>, key: Key) {
        let shared = Arc::clone(self);
        self.detach(async move {
            if let Err(error) = shared.collector.store.evict(&key).await {
                tracing::warn!(%key, %error, "a key past `max_keys` could not be forgotten");
            }
        });
    }

    /// Ends a flight that waits in line.
    pub(super) fn withdraw(&self, cell: &Arc<Cell>) {
        if self.runner.withdraw(cell) {
            self.ground(cell);
        }
    }

    /// Ends a flight that had not started.
    pub(super) fn ground(&self, cell: &Arc<Cell>) {
        self.apply(cell, Event::Cancelled);
        let flight = cell.lock().flight;
        cell.flight_ended(flight, Err(execute::stopped()));
    }

    /// Tells keys whose moment has come, and starts what may start. When to look again; sooner where `wake` or `freed` is told.
    pub(super) fn look(&self, now: Mono, mut launch: impl FnMut(Arc<Cell>, limits::Permit)) -> Option<Mono> {
        for cell in self.queue.take_due(now) {
            self.apply(&cell, Event::Due);
        }
        let per_host = self.settings.load().bounds.per_host;
        let next_start = loop {
            match self.runner.next(per_host, now) {
                Next::Start(cell, place) => launch(cell, place),
                Next::Wait(until) => break until,
            }
        };
        [self.queue.next(), next_start].into_iter().flatten().min()
    }

    pub(super) fn launch(self: &Arc<Self>, cell: Arc<Cell>, place: limits::Permit) {
        self.airborne.send_modify(|n| *n += 1);
        lifecycle::spawn(execute::Flight::new(Arc::clone(self), cell).fly(place));
    }

    /// Counts a refresh that ended, of a source that is still configured.
    pub(super) fn count(&self, key: &Key, outcome: &'static str, took: Duration) {
        if let Some(source) = self.catalog.load().source(key.source()) {
            source.tally.count(outcome, took);
        }
    }

    /// Notes how long a result took to be stored.
    pub(super) fn wrote(&self, took: Duration) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).add(took);
    }

    pub(super) fn landed(&self) {
        self.airborne.send_modify(|n| *n -= 1);
    }

    /// Work of the engine that nobody waits for, and that a drain lets finish.
    pub(super) fn detach(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.airborne.send_modify(|n| *n += 1);
        let aloft = Aloft(Arc::clone(self));
        lifecycle::detach(async move {
            let _aloft = aloft;
            work.await;
        });
    }

    pub(super) async fn cancelled(&self) {
        drop(self.stage.subscribe().wait_for(|stage| *stage == Stage::Cancelled).await);
    }
}
