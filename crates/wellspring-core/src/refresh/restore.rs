//! Rebuilds a state from what a store remembers.

use jiff::Timestamp;

use super::{Effect, Phase, Standing, State};
use crate::moment::Moment;
use crate::policy::{LONGEST_RETRY_AFTER, Policy, RefreshMode};
use crate::snapshot::{Attempts, Digest};

/// What a store remembers of a key's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its revision.
    pub revision: u64,
    /// The digest of its items.
    pub digest: Digest,
    /// The last successful refresh.
    pub checked_at: Timestamp,
    /// The rules it was read by.
    pub rules: Digest,
}

impl State {
    /// The state of a key at start or after a reload. A snapshot read by other rules is stale at once; a failure under
    /// other rules is forgotten; a backoff under these goes on, within bounds whatever the wall clock did meanwhile.
    pub fn restore(remembered: Option<Remembered>, attempts: Attempts, rules: Digest, policy: &Policy, now: Moment) -> (Self, Vec<Effect>) {
        let standing = remembered.map(|r| {
            let mut horizon = policy.horizon(r.checked_at, now);
            let rules_current = r.rules == rules;
            if !rules_current {
                horizon.stale_at = horizon.stale_at.min(now.mono);
            }
            Standing { revision: r.revision, digest: r.digest, checked_at: r.checked_at, horizon, rules_current }
        });
        let forced = attempts.forced_at.map(|at| now.mono_of(at));
        let mut state = Self { phase: Phase::Idle, standing, attempts, rules, forced };
        if state.attempts.rules.is_some_and(|failed| failed != rules) {
            state.attempts = state.cleared();
        }
        let longest = now.mono.after(policy.longest_backoff().max(LONGEST_RETRY_AFTER));
        // Where the wall clock was set back, the end of a backoff seems farther off than the backoff was long.
        let length = state.attempts.failed_at.zip(state.attempts.not_before).map(|(from, to)| to.duration_since(from));
        let whole = length.map_or(longest, |length| now.mono.after(length.try_into().unwrap_or_default()));
        let until = state.attempts.not_before.map(|at| now.mono_ahead(at).min(whole).min(longest));
        let mut effects = Vec::new();
        if let Some(until) = until.filter(|until| *until > now.mono) {
            state.phase = Phase::BackingOff { until };
            effects.push(Effect::WakeAt(until));
        } else if let (RefreshMode::Always, Some(standing)) = (policy.mode, &state.standing) {
            effects.push(Effect::WakeAt(standing.horizon.stale_at.max(now.mono)));
        }
        (state, effects)
    }

    /// True where nothing but start-up or a reload would fetch this key: it has no snapshot, or one read by other rules.
    pub fn wants_warm_up(&self) -> bool {
        self.phase == Phase::Idle && self.standing.is_none_or(|s| !s.rules_current)
    }
}
