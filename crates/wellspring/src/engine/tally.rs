//! What came of a source's refreshes, counted and timed since the server started, and what is held of it now.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use wellspring_core::freshness::Freshness;
use wellspring_core::moment::Mono;
use wellspring_core::refresh::Phase;

use super::catalog::Source;

/// Where durations of refreshes are told apart, in seconds: from a quick answer to the usual deadline.
pub const REFRESH_BOUNDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// The same for what the store is asked to write.
pub const STORE_BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counts the refreshes of one source. A refresh takes at least a fetch, so a lock costs nothing here.
#[derive(Debug)]
pub struct Tally(Mutex<Counted>);

/// What was counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// How often refreshes came out how: `stored`, `confirmed`, `cancelled` or a failure's code.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How long they took, from their turn on.
    pub took: Spread,
    /// Messages about them that were sent to people, by how that came out: `delivered` or `failed`.
    pub told: BTreeMap<&'static str, u64>,
    /// Results of other replicas that were taken over.
    pub taken: u64,
    /// One of them was read by other rules than ours.
    pub of_other_rules: bool,
}

/// How durations are spread: how many were no longer than each bound.
#[derive(Clone, Debug)]
pub struct Spread {
    bounds: &'static [f64],
    /// One a bound, and one for what is longer than all of them.
    counts: Vec<u64>,
    /// All of them together, in seconds.
    pub sum: f64,
}

/// What is held of a source at a moment, all its keys together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Held {
    /// Keys that are held, with a snapshot or without.
    pub keys: u64,
    /// Those whose last refresh failed or was refused.
    pub degraded: u64,
    /// Those whose snapshot is stale or expired.
    pub stale: u64,
    /// Items of all their snapshots.
    pub items: u64,
    /// The same in bytes of JSON.
    pub bytes: u64,
    /// Refreshes that run.
    pub in_flight: u64,
    /// Refreshes that wait for their turn.
    pub queued: u64,
    /// How old the oldest snapshot is; `None` without one.
    pub oldest: Option<Duration>,
    /// The latest successful refresh of any key.
    pub last_success: Option<Timestamp>,
}

impl Default for Tally {
    /// Nothing counted yet. What is usual stands there from the start, so that a rate over it has a beginning.
    fn default() -> Self {
        let outcomes = [("confirmed", 0), ("stored", 0)].into();
        Self(Mutex::new(Counted {
            outcomes,
            took: Spread::new(REFRESH_BOUNDS),
            told: [("delivered", 0), ("failed", 0)].into(),
            taken: 0,
            of_other_rules: false,
        }))
    }
}

impl Tally {
    /// Counts a refresh that ended. One that we ended ourselves says nothing about how long they take.
    pub fn count(&self, outcome: &'static str, took: Duration) {
        let mut counted = self.lock();
        *counted.outcomes.entry(outcome).or_default() += 1;
        if outcome != "cancelled" {
            counted.took.add(took);
        }
    }

    /// Counts a message that was delivered, or given up.
    pub fn count_told(&self, outcome: &'static str) {
        *self.lock().told.entry(outcome).or_default() += 1;
    }

    /// Counts a result of another replica that is served from now on.
    /// `of_other_rules`: read by a replica that has other rules; true where none was before.
    pub fn count_taken(&self, of_other_rules: bool) -> bool {
        let mut counted = self.lock();
        counted.taken += 1;
        let is_news = of_other_rules && !counted.of_other_rules;
        counted.of_other_rules |= of_other_rules;
        is_news
    }

    /// All so far.
    pub fn counted(&self) -> Counted {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spread {
    /// Nothing yet, to be told apart at these bounds, which rise.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.counts[place] += 1;
        self.sum += seconds;
    }

    /// Each bound in seconds with how many were no longer; what is longer than all bounds is missing from these.
    pub fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Held {
    /// What is held of a source at `now`. Locks one key after the other, each for less than a microsecond.
    pub fn of(source: &Source, now: Mono) -> Self {
        let mut held = Self::default();
        for cell in source.cells_unordered() {
            let inner = cell.lock();
            let state = &inner.state;
            held.keys += 1;
            held.degraded += u64::from(state.degraded().is_some());
            held.stale += u64::from(matches!(state.freshness(now), Freshness::Stale | Freshness::Expired));
            match state.phase {
                Phase::Acquiring { .. } | Phase::Following { .. } => held.queued += 1,
                Phase::Collecting { .. } | Phase::Storing { .. } => held.in_flight += 1,
                Phase::Idle | Phase::BackingOff { .. } | Phase::Disabled => {}
            }
            if let Some(content) = &inner.content {
                held.items += u64::from(content.count);
                held.bytes += content.items.len() as u64;
            }
            if let Some(standing) = &state.standing {
                held.oldest = held.oldest.max(Some(standing.horizon.age(now)));
                held.last_success = held.last_success.max(Some(standing.checked_at));
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_below_every_bound_that_they_do_not_pass() {
        let mut spread = Spread::new(&[0.1, 1.0]);
        for millis in [50, 100, 101, 5_000] {
            spread.add(Duration::from_millis(millis));
        }
        assert_eq!(spread.cumulated().collect::<Vec<_>>(), [(0.1, 2), (1.0, 3)]);
        assert_eq!(spread.count(), 4);
        assert!((spread.sum - 5.251).abs() < 1e-9);
    }

    #[test]
    fn what_we_ended_ourselves_is_counted_and_not_timed() {
        let tally = Tally::default();
        tally.count("cancelled", Duration::from_secs(9));
        tally.count("timeout", Duration::from_secs(30));
        let counted = tally.counted();
        assert_eq!(counted.outcomes.into_iter().collect::<Vec<_>>(), [("cancelled", 1), ("confirmed", 0), ("stored", 0), ("timeout", 1)]);
        assert_eq!(counted.took.count(), 1);
    }
}
