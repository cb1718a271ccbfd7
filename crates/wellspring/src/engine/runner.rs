//! Which flight starts next: one a key, within the limits of its host and of all, the most urgent first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;
use wellspring_core::moment::Mono;
use wellspring_core::refresh::Trigger;

use super::cell::Cell;
use super::limits::{Busy, Limits, PerHost, Permit};
use super::sync::Mutex;

/// Flights that wait for a place, a line a host.
#[derive(Debug)]
pub struct Runner {
    inner: Mutex<Inner>,
    limits: Arc<Limits>,
    /// Told when a flight joined a line.
    changed: Arc<Notify>,
}

type Urgency = (Trigger, u64);

/// The address of a cell; a line that holds the cell keeps it from being used again.
type CellId = usize;

fn id(cell: &Arc<Cell>) -> CellId {
    Arc::as_ptr(cell).addr()
}

#[derive(Debug, Default)]
struct Inner {
    sequence: u64,
    lines: HashMap<Arc<str>, BTreeMap<Urgency, Arc<Cell>>>,
    /// By cell, not by key: the cell of a key that is replaced may still stand in line when its successor joins.
    places: HashMap<CellId, (Arc<str>, Urgency)>,
}

/// What the runner found.
#[derive(Debug)]
pub enum Next {
    /// This flight may start, with its place at its host.
    Start(Arc<Cell>, Permit),
    /// None may start before this moment, unless something changes.
    Wait(Option<Mono>),
}

impl Runner {
    /// No flights. `changed` is told when one joins a line.
    pub fn new(limits: Arc<Limits>, changed: Arc<Notify>) -> Self {
        Self { inner: Mutex::default(), limits, changed }
    }

    /// Puts a flight into its host's line; one that stands there already only becomes more urgent.
    pub fn enqueue(&self, cell: &Arc<Cell>, trigger: Trigger) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.join(cell, trigger);
        drop(inner);
        self.changed.notify_one();
    }

    /// Makes a flight that still waits more urgent; one that is not waiting is left alone.
    pub fn raise(&self, cell: &Arc<Cell>, trigger: Trigger) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up and moved under one lock: a flight that has just taken off must not stand in line again.
        if inner.places.contains_key(&id(cell)) {
            inner.join(cell, trigger);
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// Takes the most urgent flight whose host and whose total have a place.
    pub fn next(&self, per_host: PerHost, now: Mono) -> Next {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heads: Vec<(Urgency, Arc<str>)> =
            inner.lines.iter().filter_map(|(host, line)| line.first_key_value().map(|(urgency, _)| (*urgency, Arc::clone(host)))).collect();
        heads.sort_unstable();
        let mut earliest: Option<Mono> = None;
        for (urgency, host) in heads {
            match self.limits.enter(&host, per_host, now) {
                Ok(permit) => {
                    let Some(cell) = inner.leave(&host, urgency) else { continue };
                    return Next::Start(cell, permit);
                }
                Err(Busy::Full) => {}
                Err(Busy::Until(at)) => earliest = Some(earliest.map_or(at, |e| e.min(at))),
            }
        }
        Next::Wait(earliest)
    }

    /// Takes every flight that waits out of its line, for a shutdown.
    pub fn clear(&self) -> Vec<Arc<Cell>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.places.clear();
        std::mem::take(&mut inner.lines).into_values().flat_map(BTreeMap::into_values).collect()
    }

    /// Takes one flight that waits out of its line, for a reload; false where it did not wait.
    pub fn withdraw(&self, cell: &Arc<Cell>) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((host, urgency)) = inner.places.get(&id(cell)).cloned() else { return false };
        inner.leave(&host, urgency).is_some()
    }
}

impl Inner {
    fn join(&mut self, cell: &Arc<Cell>, trigger: Trigger) {
        if let Some((host, urgency)) = self.places.get(&id(cell)).cloned() {
            if urgency.0 <= trigger {
                return;
            }
            self.leave(&host, urgency);
        }
        self.sequence += 1;
        let urgency = (trigger, self.sequence);
        let host: Arc<str> = cell.recipe.first_host(&cell.key).into();
        self.places.insert(id(cell), (Arc::clone(&host), urgency));
        self.lines.entry(host).or_default().insert(urgency, Arc::clone(cell));
    }

    fn leave(&mut self, host: &Arc<str>, urgency: Urgency) -> Option<Arc<Cell>> {
        let line = self.lines.get_mut(host)?;
        let cell = line.remove(&urgency)?;
        if line.is_empty() {
            self.lines.remove(host);
        }
        self.places.remove(&id(&cell));
        Some(cell)
    }
}
