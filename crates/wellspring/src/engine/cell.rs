//! One key at run time: what is served of it, where its refresh stands, and who waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::watch;
use wellspring_core::failure::Failure;
use wellspring_core::gate::Gate;
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::policy::RefreshMode;
use wellspring_core::refresh::{Effect, Phase, Remembered, State, Trigger};
use wellspring_core::rung::{Rung, Rungs};
use wellspring_core::snapshot::{Attempts, Digest, Validators};

use super::catalog::Recipe;
use super::changes::Changed;
use super::hot::{AGE_STEP, Content, Facts, View};
use super::remote::Seen;
use super::sync::{AtomicI64, Mutex, MutexGuard, OnceLock};

/// How many attempts a key's status tells of.
const RECENT: usize = 20;

/// One key. What a read touches stands in front, side by side: of many keys nearly every one is found cold by the processor.
#[derive(Debug)]
#[repr(C)]
pub struct Cell {
    /// Its canonical name.
    pub key: Key,
    view: ArcSwapOption<View>,
    /// From when on a reader that finds it stale takes the trouble to nudge.
    nudge_from: AtomicI64,
    last_read: AtomicI64,
    /// How it is read.
    pub recipe: Arc<Recipe>,
    /// When it last changed.
    pub changed: Changed,
    /// What was last seen of it in a store that others write to.
    pub(super) seen: Seen,
    inner: Mutex<Inner>,
    /// Made when something flies or somebody waits: it is half a kilobyte, and most keys of many rest.
    progress: OnceLock<watch::Sender<Progress>>,
}

/// What is behind the cell's lock, which is never held across an await.
#[derive(Debug)]
pub struct Inner {
    /// The machine.
    pub state: State,
    /// What is served, as far as it is encoded.
    pub content: Option<Content>,
    /// What a flight has collected and not yet stored; few keys of many have it.
    pub pending: Option<Box<Content>>,
    /// What the upstream can be asked with.
    pub validators: Validators,
    /// By which means its pages were obtained.
    pub rungs: Rungs,
    /// Which replica has confirmed the content last, where several share a store.
    pub by: Option<Arc<str>>,
    /// The rules by which the content was read.
    pub read_by: Option<Digest>,
    /// The highest fence known.
    pub fence: u64,
    /// The fence under which what is served was written.
    pub stood: u64,
    /// Until when another replica may be refreshing it, as far as we heard.
    pub elsewhere: Option<Mono>,
    /// The number of the flight that runs, or of the last one.
    pub flight: u64,
    /// When it was put into line.
    pub queued_at: Mono,
    /// The last attempts, newest first.
    pub recent: VecDeque<Attempt>,
}

impl Inner {
    /// True while a refresh is queued or runs, here or in another replica.
    pub fn is_refreshing(&self, now: Mono) -> bool {
        self.state.is_refreshing() || self.elsewhere.is_some_and(|until| now < until)
    }
}

/// One attempt, for the status.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Attempt {
    /// When its collection started.
    pub at: Timestamp,
    /// Why it ran.
    pub trigger: &'static str,
    /// `stored`, `confirmed`, `joined` (another replica did it), `cancelled` or a failure's code.
    pub outcome: &'static str,
    /// What went wrong, in words; of a result that is in memory alone, why it is not durable yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// By what means the page was asked for that decided, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
    /// How many items it found, where it came so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u32>,
    /// What its gates said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What was left out, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
}

/// How far the flights of a key have come: numbers, so that a waiter knows which one it waits for.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Flights that were started.
    pub started: u64,
    /// Flights that ended.
    pub ended: u64,
    /// How the last one ended.
    pub outcome: Option<Result<(), Failure>>,
    /// The cell was replaced: its flight ends, nothing starts.
    pub retired: bool,
    /// How often something was heard of it that another replica may have done.
    pub heard: u64,
}

impl Progress {
    /// True while a flight is queued or runs.
    pub fn in_flight(&self) -> bool {
        self.started > self.ended
    }
}

/// What a cell begins with.
#[derive(Debug, Default)]
pub struct Legacy {
    /// The snapshot: its encoding, how it was read and when it was confirmed.
    pub content: Option<(Content, Digest, Remembered)>,
    /// When this process has confirmed it, where it has.
    pub confirmed: Option<Mono>,
    /// Its validators.
    pub validators: Validators,
    /// By which means its pages were obtained.
    pub rungs: Rungs,
    /// Which replica has confirmed it last, where several share a store.
    pub by: Option<Arc<str>>,
    /// Failures and backoff.
    pub attempts: Attempts,
    /// The highest fence known.
    pub fence: u64,
    /// The fence under which the snapshot was written.
    pub stood: u64,
    /// The last attempts.
    pub recent: VecDeque<Attempt>,
}

impl Legacy {
    /// When its snapshot was last confirmed.
    pub fn checked_at(&self) -> Option<Timestamp> {
        self.content.as_ref().map(|(_, _, remembered)| remembered.checked_at)
    }
}

impl Cell {
    /// A cell with what was there before it, and the effects that its machine wants.
    pub fn new(key: Key, recipe: Arc<Recipe>, legacy: Legacy, now: Moment) -> (Arc<Self>, Vec<Effect>) {
        let spec = &recipe.spec;
        let remembered = legacy.content.as_ref().map(|(_, _, r)| *r);
        let (state, effects) = State::take_over(remembered, legacy.confirmed, legacy.attempts, spec.rules, &spec.policy, now);
        let (content, read_by) = legacy.content.map(|(content, rules, _)| (content, rules)).unzip();
        let inner = Inner {
            state,
            content,
            pending: None,
            validators: legacy.validators,
            rungs: legacy.rungs,
            by: legacy.by,
            read_by,
            fence: legacy.fence,
            stood: legacy.stood,
            elsewhere: None,
            flight: 0,
            queued_at: now.mono,
            recent: legacy.recent,
        };
        let cell = Self {
            changed: Changed::default(),
            seen: Seen::default(),
            view: ArcSwapOption::empty(),
            nudge_from: AtomicI64::new(inner.state.nudge_from().as_nanos()),
            last_read: AtomicI64::new(now.mono.as_nanos()),
            progress: OnceLock::new(),
            key,
            recipe,
            inner: Mutex::new(inner),
        };
        cell.publish(&cell.lock(), now);
        (Arc::new(cell), effects)
    }

    /// What is served now.
    pub fn view(&self) -> arc_swap::Guard<Option<Arc<View>>> {
        self.view.load()
    }

    /// The lock around the machine. Held for microseconds, never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where a nudge may start something.
    pub fn takes_nudges(&self, now: Mono) -> bool {
        // With what was told before it was stored: the flight for which no nudge is taken.
        now.as_nanos() >= self.nudge_from.load(Ordering::Acquire)
    }

    /// True while a refresh is queued or runs.
    pub fn is_refreshing(&self) -> bool {
        self.progress.get().is_some_and(|progress| progress.borrow().in_flight())
    }

    /// True once a refresh of it was started.
    pub fn has_flown(&self) -> bool {
        self.progress.get().is_some_and(|progress| progress.borrow().started > 0)
    }

    /// True where it waits for a time and not for a reader: it is kept fresh unasked, backs off, or was never fetched.
    pub fn wants_timer(&self) -> bool {
        let spec = &self.recipe.spec;
        let state = &self.lock().state;
        match state.phase {
            Phase::Idle => spec.policy.mode == RefreshMode::Always || (spec.warm && state.wants_warm_up()),
            Phase::BackingOff { .. } => true,
            _ => false,
        }
    }

    /// Remembers that the key was read, for the choice of which to evict.
    pub fn mark_read(&self, now: Mono) {
        self.last_read.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// When it was last read.
    pub fn last_read(&self) -> Mono {
        Mono::from_nanos(self.last_read.load(Ordering::Relaxed))
    }

    /// How far its flights have come, now and from now on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.told().subscribe()
    }

    /// Counts a flight. Called under the lock that let it start, so that whoever joins it knows its number.
    pub fn flight_started(&self, inner: &mut Inner) {
        self.told().send_modify(|p| {
            p.started += 1;
            inner.flight = p.started;
        });
    }

    /// Tells the waiters how a flight ended. Publish first.
    pub fn flight_ended(&self, flight: u64, outcome: Result<(), Failure>) {
        self.told().send_modify(|p| {
            // One that was slow to land may come after the next one, whose outcome is the news.
            if flight >= p.ended {
                p.ended = flight;
                p.outcome = Some(outcome);
            }
        });
    }

    /// Tells a flight that follows another replica that there may be something to see.
    pub(super) fn hear(&self) {
        if let Some(told) = self.progress.get() {
            told.send_modify(|p| p.heard += 1);
        }
    }

    /// True once the cell was replaced or displaced.
    pub fn is_retired(&self) -> bool {
        self.progress.get().is_some_and(|progress| progress.borrow().retired)
    }

    /// Ends the cell's flight and keeps it from starting another.
    pub fn retire(&self) {
        self.told().send_modify(|p| p.retired = true);
    }

    /// Remembers an attempt for the status.
    pub fn remember(&self, attempt: Attempt) {
        let mut inner = self.lock();
        inner.recent.truncate(RECENT - 1);
        inner.recent.push_front(attempt);
    }

    /// Makes what the machine says now what is served.
    pub fn publish(&self, inner: &Inner, now: Moment) {
        self.nudge_from.store(inner.state.nudge_from().as_nanos(), Ordering::Release);
        let (Some(content), Some(standing)) = (&inner.content, &inner.state.standing) else { return };
        let facts = Facts {
            checked_at: standing.checked_at,
            horizon: standing.horizon,
            refreshing: inner.is_refreshing(now.mono),
            held_back: inner.state.nudge_from() > now.mono && !inner.state.is_refreshing(),
            degraded: inner.state.degraded().cloned().map(Box::new),
        };
        self.view.store(Some(Arc::new(self.seen(content.clone(), facts, now.mono))));
    }

    /// Remakes the tails of a view whose told age has changed, unless it was replaced meanwhile.
    pub fn refresh_age(&self, view: &Arc<View>, now: Mono) {
        let aged = self.seen(view.content.clone(), view.facts.clone(), now);
        self.view.compare_and_swap(view, Some(Arc::new(aged)));
    }

    /// What another flight may take over from this cell, once it is retired and nothing flies.
    pub fn legacy(&self) -> Legacy {
        let inner = self.lock();
        let content = match (&inner.content, &inner.state.standing, inner.read_by) {
            (Some(content), Some(s), Some(rules)) => {
                let remembered = Remembered { revision: s.revision, digest: s.digest, checked_at: s.checked_at, rules };
                Some((content.clone(), rules, remembered))
            }
            _ => None,
        };
        Legacy {
            content,
            confirmed: inner.state.standing.map(|standing| standing.horizon.checked),
            validators: inner.validators.clone(),
            rungs: inner.rungs.clone(),
            by: inner.by.clone(),
            attempts: inner.state.attempts.clone(),
            fence: inner.fence,
            stood: inner.stood,
            recent: inner.recent.clone(),
        }
    }

    fn told(&self) -> &watch::Sender<Progress> {
        self.progress.get_or_init(watch::Sender::default)
    }

    fn seen(&self, content: Content, facts: Facts, now: Mono) -> View {
        if !self.recipe.spec.report_age {
            return View::new(content, facts, Duration::ZERO, Mono::NEVER);
        }
        let steps = facts.horizon.age(now).as_nanos() / AGE_STEP.as_nanos();
        let told = AGE_STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        let aged_at = facts.horizon.checked.after(told).after(AGE_STEP);
        View::new(content, facts, told, aged_at)
    }
}

/// Words for a flight that ended well.
pub fn outcome_word(outcome: &Result<bool, Failure>) -> &'static str {
    match outcome {
        Ok(true) => "stored",
        Ok(false) => "confirmed",
        Err(failure) => failure.code.as_str(),
    }
}

/// The trigger of a flight, as the status names it.
pub fn trigger_word(trigger: Option<Trigger>) -> &'static str {
    trigger.map_or("unknown", Trigger::as_str)
}
