//! Rebuilds a state from what a store remembers.

use std::time::Duration;

use jiff::Timestamp;

use super::{Effect, Phase, Standing, State};
use crate::moment::{Moment, Mono};
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
    ///
    /// What claims to be of a time ahead was written by a clock that was set back since. It counts as of now, but only where that is
    /// less ahead than it lasts anyway: else each restart until that time would let it last anew, for years.
    pub fn restore(remembered: Option<Remembered>, attempts: Attempts, rules: Digest, policy: &Policy, now: Moment) -> (Self, Vec<Effect>) {
        Self::take_over(remembered, None, attempts, rules, policy, now)
    }

    /// The same of what this process has confirmed itself, where that is known on the monotonic clock: its age is what it is,
    /// whatever the wall clock did since.
    pub fn take_over(
        remembered: Option<Remembered>,
        confirmed: Option<Mono>,
        attempts: Attempts,
        rules: Digest,
        policy: &Policy,
        now: Moment,
    ) -> (Self, Vec<Effect>) {
        let ahead = |at: Timestamp| Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
        let mut rules_applied = false;
        let standing = remembered.map(|r| {
            let by_age = confirmed.and_then(|confirmed| now.wall.checked_sub(now.mono.since(confirmed)).ok());
            // Nobody knows how old it is: as old as what has just turned stale.
            let written_at = if ahead(r.checked_at) > policy.period() && by_age.is_none() {
                now.wall.checked_sub(policy.period()).unwrap_or(Timestamp::MIN)
            } else {
                r.checked_at.min(now.wall)
            };
            let mut horizon = policy.horizon(by_age.unwrap_or(written_at), now);
            let rules_current = r.rules == rules;
            rules_applied = rules_current;
            if !rules_current {
                horizon.stale_at = horizon.stale_at.min(now.mono);
            }
            Standing { revision: r.revision, digest: r.digest, checked_at: written_at, horizon, rules_current }
        });
        let forced = attempts.forced_at.filter(|at| ahead(*at) <= policy.min_interval).map(|at| now.mono_of(at));
        let mut state = Self { phase: Phase::Idle, standing, attempts, rules, rules_applied, forced, forced_before: None };
        if state.attempts.rules.is_some_and(|failed| failed != rules) {
            state.attempts = state.cleared();
        }
        let longest = policy.longest_backoff().max(LONGEST_RETRY_AFTER);
        // Where the wall clock was set back, the end of a backoff seems farther off than the backoff was long.
        let length = state.attempts.failed_at.zip(state.attempts.not_before).map(|(from, to)| to.duration_since(from));
        let whole = length.map_or(Mono::NEVER, |length| now.mono.after(length.try_into().unwrap_or_default()));
        let until = state.attempts.not_before.filter(|at| ahead(*at) <= longest).map(|at| now.mono_ahead(at).min(whole));
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
        self.phase == Phase::Idle && self.standing.is_none_or(|s| self.is_misread(&s))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::failure::{Code, Failure};
    use crate::freshness::Freshness;
    use crate::policy::Fresh;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn policy() -> Policy {
        Policy {
            fresh: Fresh::For(HOUR),
            max_stale: None,
            mode: RefreshMode::Demand,
            deadline: Duration::from_secs(120),
            min_interval: Duration::from_secs(10),
            cold_wait: Duration::from_secs(8),
        }
    }

    fn now() -> Moment {
        Moment { wall: "2026-01-01T00:00:00Z".parse().unwrap(), mono: Mono::from_nanos(5_000_000_000_000) }
    }

    fn moved(hours: i64) -> Timestamp {
        now().wall.checked_add(SignedDuration::from_hours(hours)).unwrap()
    }

    /// A snapshot of so many hours from now, at a start.
    #[track_caller]
    fn check(hours: i64, confirmed: Option<Duration>, fresh: Freshness) {
        let rules = Digest::of(b"rules");
        let remembered = Remembered { revision: 1, digest: rules, checked_at: moved(hours), rules };
        let confirmed = confirmed.map(|ago| now().mono.before(ago));
        let (state, _) = State::take_over(Some(remembered), confirmed, Attempts::default(), rules, &policy(), now());
        assert_eq!(state.freshness(now().mono), fresh, "{hours} h");
        assert!(state.standing.is_some_and(|standing| standing.checked_at <= now().wall), "{hours} h");
    }

    #[test]
    fn what_is_of_a_time_ahead_does_not_last_for_years() {
        check(0, None, Freshness::Fresh);
        check(-1, None, Freshness::Stale);
        check(1, None, Freshness::Fresh);
        check(2, None, Freshness::Stale);
        check(24 * 365 * 12, None, Freshness::Stale);
        // What this process has confirmed itself is as old as it is.
        check(24 * 365, Some(HOUR / 2), Freshness::Fresh);
        check(-24 * 365, Some(HOUR / 2), Freshness::Fresh);
        check(24 * 365, Some(HOUR), Freshness::Stale);
    }

    #[test]
    fn a_backoff_or_a_forced_fetch_of_a_time_ahead_holds_nothing_for_years() {
        let rules = Digest::of(b"rules");
        for (hours, holds) in [(0, false), (1, true), (24 * 365 * 12, false)] {
            let failed = Attempts {
                failures: 1,
                last_failure: Some(Failure::retryable(Code::Timeout, "late")),
                not_before: Some(moved(hours)),
                forced_at: Some(moved(hours)),
                rules: Some(rules),
                ..Attempts::default()
            };
            let (state, _) = State::restore(None, failed, rules, &policy(), now());
            assert_eq!(matches!(state.phase, Phase::BackingOff { .. }), holds, "{hours} h");
            assert_eq!(state.refuses_force(&policy(), now().mono).is_some(), hours == 0, "{hours} h");
        }
    }
}
