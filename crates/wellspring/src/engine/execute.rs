//! One flight: performs the machine's effects for a key until the machine rests. Owns no rules.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::gate::Gate;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::{Effect, Event, Phase, Trigger};
use wellspring_core::rung::{Rung, Rungs};
use wellspring_core::snapshot::{Renewal, Snapshot, Validators};

use super::cell::{Attempt, Cell, outcome_word, trigger_word};
use super::collect::{Harvest, Known};
use super::hot::Content;
use super::limits::Permit;
use super::line::{Asked, Line};
use super::shared::Shared;
use crate::store::{Health, Lease, StoreError};

mod follow;
mod lease;

pub(super) use lease::longest_shared;

/// How long the store may take to make a result durable; less than the margin, so that a lease outlives its last write.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(20);

/// A flight in the air.
pub(super) struct Flight {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    lease: Option<Lease>,
    harvest: Option<Harvest>,
    started: Moment,
    number: u64,
    trigger: &'static str,
    /// How long it stood in line.
    queued: Duration,
    asked: Asked,
    /// Which alternative decided, from 1.
    alternative: Option<usize>,
    gates: Vec<Gate>,
    cut: Vec<String>,
    items: Option<u32>,
    rung: Option<Rung>,
    new_revision: bool,
    /// Why the result is in memory alone, where it is.
    in_memory: Option<String>,
    /// Another replica did it.
    joined: bool,
    outcome: Option<Result<bool, Failure>>,
}

impl Flight {
    pub(super) fn new(shared: Arc<Shared>, cell: Arc<Cell>) -> Self {
        let started = shared.clock.now();
        let inner = cell.lock();
        let (number, trigger) = (inner.flight, trigger_word(inner.state.phase.trigger()));
        let queued = started.mono.since(inner.queued_at);
        drop(inner);
        Self {
            shared,
            cell,
            number,
            lease: None,
            harvest: None,
            started,
            trigger,
            queued,
            asked: Asked::default(),
            alternative: None,
            gates: Vec::new(),
            cut: Vec::new(),
            items: None,
            rung: None,
            new_revision: false,
            in_memory: None,
            joined: false,
            outcome: None,
        }
    }

    /// Flies until the machine rests. Whatever happens to this future, its drop ends the flight.
    pub(super) async fn fly(mut self, place: Permit) {
        let mut place = Some(place);
        self.wait_for_the_one_before().await;
        let mut event = self.obtain(&mut place).await;
        while let Some(happened) = event.take() {
            for effect in self.apply(happened) {
                match effect {
                    Effect::Collect { conditional, deadline } => event = Some(self.collect(conditional, deadline, place.take()).await),
                    Effect::Store | Effect::Touch => event = Some(self.store().await),
                    Effect::Release => self.release().await,
                    Effect::Record => self.record().await,
                    // Performed by `Shared::apply`.
                    Effect::Acquire | Effect::WakeAt(_) => {}
                }
            }
        }
    }

    /// A failure is told before its lease is given back; a flight that was forced in between would be denied the lease.
    async fn wait_for_the_one_before(&self) {
        let mut progress = self.cell.progress();
        let landed = progress.wait_for(|p| p.retired || p.ended + 1 >= self.number);
        drop(timeout(STORE_PATIENCE, landed).await);
    }

    /// Tells the machine, and remembers how the flight came out.
    fn apply(&mut self, event: Event) -> Vec<Effect> {
        let outcome = match &event {
            Event::Stored => Some(Ok(self.new_revision)),
            Event::Cancelled => Some(Err(stopped())),
            _ => None,
        };
        let is_lost = event == Event::LeaseLost;
        let is_stored = event == Event::Stored;
        let effects = self.shared.apply(&self.cell, event);
        if is_stored {
            self.shared.make_room_for(&self.cell);
        }
        // Whoever had the lease after us left nothing to do.
        let joins = is_lost && {
            let state = &self.cell.lock().state;
            !state.is_refreshing() && state.next_attempt().is_none() && state.degraded().is_none()
        };
        self.conclude(outcome.or_else(|| joins.then_some(Ok(false))));
        self.joined |= joins;
        effects
    }

    /// Remembers how the flight came out, where it has come to its end.
    fn conclude(&mut self, outcome: Option<Result<bool, Failure>>) {
        let inner = self.cell.lock();
        if !self.joined && !inner.state.is_refreshing() {
            let failed = || {
                Err(inner
                    .state
                    .degraded()
                    .cloned()
                    .unwrap_or_else(|| Failure::retryable(Code::LeaseLost, "another replica refreshes this key")))
            };
            self.outcome = Some(outcome.unwrap_or_else(failed));
        }
    }

    async fn collect(&mut self, conditional: bool, deadline: Mono, place: Option<Permit>) -> Event {
        let known = {
            let inner = self.cell.lock();
            Known {
                validators: if conditional { inner.validators.clone() } else { Validators::new() },
                rungs: if conditional { inner.rungs.clone() } else { Rungs::default() },
                count: inner.content.as_ref().map(|c| c.count),
                forced: inner.state.phase.trigger() == Some(Trigger::Forced),
                from_a_file: false,
            }
        };
        let patience = self.shared.clock.mono().until(deadline);
        let mut progress = self.cell.progress();
        let bounds = self.shared.bounds();
        let collected = tokio::select! {
            // In this order: what came while this process was stopped past its deadline comes too late.
            biased;
            _ = progress.wait_for(|p| p.retired) => return Event::Cancelled,
            () = self.shared.cancelled() => return Event::Cancelled,
            () = tokio::time::sleep(patience) => return Event::DeadlinePassed,
            () = self.loses_lease() => None,
            collected = self.shared.collector.collect(&self.cell.recipe, &self.cell.key, &bounds, known, deadline, place) => Some(collected),
        };
        let Some(collected) = collected else {
            // What the one who has it now may have stored already.
            self.look(None).await;
            return Event::LeaseLost;
        };
        for asked in collected.tries.iter().flat_map(|tried| &tried.asked) {
            self.asked.requests += 1;
            self.asked.bytes += asked.bytes;
            self.asked.took += asked.took;
        }
        if let Some(last) = collected.tries.into_iter().last() {
            self.alternative = Some(last.alternative + 1);
            self.items = last.finished.as_ref().map(|e| e.tally.kept);
            self.rung = Some(last.rung);
            self.gates = last.gates;
            self.cut = last.cut;
        }
        match collected.outcome {
            Ok(harvest) => {
                let event = match &harvest {
                    Harvest::Items { items, .. } => Event::Collected { digest: items.digest() },
                    Harvest::NotModified { .. } => Event::NotModified,
                };
                self.harvest = Some(harvest);
                event
            }
            Err(failure) if failure.code == Code::GateFailed => Event::Rejected(failure),
            Err(failure) => Event::Failed(failure),
        }
    }

    async fn store(&mut self) -> Event {
        let (Some(lease), Some(harvest)) = (self.lease.clone(), self.harvest.take()) else { return Event::LeaseLost };
        let spec = &self.cell.recipe.spec;
        let (standing, attempts) = {
            let inner = self.cell.lock();
            let Phase::Storing { standing, .. } = inner.state.phase else { return Event::LeaseLost };
            self.new_revision = Some(standing.revision) != inner.state.standing.map(|s| s.revision);
            (standing, inner.state.cleared())
        };
        let (fresh, validators, rungs) = match harvest {
            Harvest::Items { items, how, validators, rungs } => (Some((items, how)), validators, rungs),
            Harvest::NotModified { validators, rungs } => (None, validators, rungs),
        };
        let renewal =
            Renewal { checked_at: standing.checked_at, rules: spec.rules, validators, rungs, by: self.shared.by(), told_late: false };
        let snapshot = fresh.filter(|_| self.new_revision).map(|(items, how)| Snapshot {
            key: self.cell.key.clone(),
            revision: standing.revision,
            made_at: standing.checked_at,
            how,
            digest: standing.digest,
            items,
        });
        let writing = async {
            match &snapshot {
                Some(snapshot) => self.shared.collector.store.put_if(&lease, snapshot, &renewal, &attempts).await,
                None => self.shared.collector.store.touch_if(&lease, &renewal, &attempts).await,
            }
        };
        let begun = self.shared.clock.mono();
        // A disk may hang as an upstream may; the flight must not.
        let written = timeout(STORE_PATIENCE, writing).await;
        self.shared.wrote(self.shared.clock.mono().since(begun));
        match written {
            Ok(Ok(())) => {
                if let Health::Degraded(why) = self.shared.collector.store.durability() {
                    self.in_memory = Some(why);
                }
                let content = snapshot.as_ref().map(Content::of);
                let mut inner = self.cell.lock();
                inner.stood = lease.fence;
                self.cell.seen.set(0, self.shared.looked(begun));
                inner.pending = content.map(Box::new);
                inner.validators = renewal.validators;
                inner.rungs = renewal.rungs;
                inner.by = renewal.by;
                Event::Stored
            }
            Ok(Err(StoreError::LeaseLost(_) | StoreError::Outdated { .. })) => {
                // A result of another holder, or one of our own that was written after we had given up on it.
                self.look(None).await;
                Event::LeaseLost
            }
            Ok(Err(error)) => Event::Failed(store_failure(&error)),
            Err(_) => Event::Failed(store_failure(&late())),
        }
    }

    async fn record(&self) {
        // A key that was displaced is forgotten; one that was reloaded has a successor, which tries anew.
        if self.cell.is_retired() {
            return;
        }
        let attempts = self.cell.lock().state.attempts.clone();
        let recorded = timeout(STORE_PATIENCE, self.shared.collector.store.record(&self.cell.key, &attempts)).await;
        if !matches!(recorded, Ok(Ok(()))) {
            warn!(key = %self.cell.key, "the failed refresh could not be recorded; a restart may try again sooner");
        }
    }
}

/// The one way out of a flight: after a success, a failure, a panic or a drop of the future, the machine rests, the lease
/// is given back and the waiters are told.
impl Drop for Flight {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            let (event, failure) = if std::thread::panicking() {
                let failure = Failure::retryable(Code::Interrupted, "the refresh broke off in a panic");
                (Event::Failed(failure.clone()), failure)
            } else {
                (Event::Cancelled, stopped())
            };
            self.shared.apply(&self.cell, event);
            Err(failure)
        });
        if let Some(lease) = self.lease.take() {
            let shared = Arc::clone(&self.shared);
            self.shared.detach(async move { drop(timeout(STORE_PATIENCE, shared.collector.store.release(&lease)).await) });
        }
        let took = self.shared.clock.mono().since(self.started.mono);
        let word = if self.joined && outcome.is_ok() { "joined" } else { outcome_word(&outcome) };
        let (revision, next) = {
            let state = &self.cell.lock().state;
            (state.standing.map(|standing| standing.revision), state.next_attempt())
        };
        let line = Line {
            key: &self.cell.key,
            trigger: self.trigger,
            outcome: &outcome,
            durable: self.in_memory.is_none(),
            revision,
            items: self.items,
            took,
            queued: self.queued,
            asked: self.asked,
            rung: self.rung,
            alternative: self.alternative,
            next_attempt: next.map(|at| self.shared.clock.now().wall_at(at)),
        };
        if self.joined {
            tracing::debug!(key = %self.cell.key, outcome = word, "another replica has refreshed it");
        } else {
            line.write();
            // Of what another replica did, that one tells people.
            self.shared.news.tell(&self.cell.key);
        }
        self.shared.count(&self.cell.key, word, took);
        self.cell.remember(Attempt {
            at: self.started.wall,
            trigger: self.trigger,
            outcome: word,
            message: match &outcome {
                Err(failure) => Some(failure.message.clone()),
                Ok(_) => self.in_memory.take().map(|why| format!("in memory only, not durable yet: {why}")),
            },
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            rung: self.rung,
            items: self.items,
            gates: std::mem::take(&mut self.gates),
            cut: std::mem::take(&mut self.cut),
        });
        self.cell.flight_ended(self.number, outcome.map(|_| ()));
        self.shared.landed();
    }
}

/// The failure of a flight that we ended ourselves.
pub(super) fn stopped() -> Failure {
    Failure::new(Kind::Cancelled, Code::Cancelled, "stopped by the server")
}

/// What a store says that did not answer.
pub(super) fn late() -> StoreError {
    StoreError::Unavailable("it did not answer in time".to_owned())
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::retryable(Code::StoreFailed, format!("the store: {error}"))
}
