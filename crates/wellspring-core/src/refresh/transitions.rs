//! The ways from one phase to the next.

use jiff::Timestamp;

use super::{Effect, NewStanding, Phase, Standing, State, Trigger};
use crate::failure::{Code, Failure, Kind};
use crate::moment::{Moment, Mono};
use crate::policy::{Policy, RefreshMode};
use crate::snapshot::{Attempts, Digest};

impl State {
    pub(super) fn wants_refresh(&self, now: Moment) -> bool {
        self.freshness(now.mono).wants_refresh() || self.standing.is_some_and(|s| self.is_misread(&s))
    }

    /// True of what was read by other rules, where it was never read by these.
    pub(super) fn is_misread(&self, standing: &Standing) -> bool {
        !standing.rules_current && !self.rules_applied
    }

    pub(super) fn start(&mut self, trigger: Trigger) -> Vec<Effect> {
        self.phase = Phase::Acquiring { trigger };
        vec![Effect::Acquire]
    }

    /// Back to idle without a refresh.
    pub(super) fn settle(&mut self) -> Vec<Effect> {
        self.phase = Phase::Idle;
        Vec::new()
    }

    /// A timer fired while nothing runs: fetch what was never fetched or was read by other rules, and what is kept fresh
    /// unasked; wait for a reader otherwise.
    pub(super) fn due(&mut self, policy: &Policy, now: Moment) -> Vec<Effect> {
        match self.standing {
            None => self.start(Trigger::WarmUp),
            Some(standing) if self.is_misread(&standing) => self.start(Trigger::WarmUp),
            Some(standing) if policy.mode == RefreshMode::Always => {
                if standing.horizon.freshness(now.mono).wants_refresh() {
                    return self.start(Trigger::Stale);
                }
                self.phase = Phase::Idle;
                vec![Effect::WakeAt(standing.horizon.stale_at)]
            }
            Some(_) => self.settle(),
        }
    }

    pub(super) fn store(&mut self, trigger: Trigger, deadline: Mono, digest: Option<Digest>, now: Moment) -> Vec<Effect> {
        let (revision, old) = self.standing.map_or((0, None), |s| (s.revision, Some(s.digest)));
        let equal = digest.is_none() || digest == old;
        let Some(digest) = digest.or(old) else { return Vec::new() };
        let revision = if equal { revision } else { revision + 1 };
        self.phase = Phase::Storing { trigger, deadline, standing: NewStanding { revision, digest, checked_at: now.wall } };
        vec![if equal { Effect::Touch } else { Effect::Store }]
    }

    pub(super) fn succeed(&mut self, policy: &Policy, new: NewStanding, now: Moment) -> Vec<Effect> {
        self.attempts = self.cleared();
        self.phase = Phase::Idle;
        let mut effects = vec![Effect::Release];
        effects.extend(self.stand(policy, new, new.checked_at, true, now));
        effects
    }

    /// What the attempts are after a success: only the forced fetch is remembered. The store writes this with the result.
    pub fn cleared(&self) -> Attempts {
        Attempts { forced_at: self.attempts.forced_at, ..Attempts::default() }
    }

    /// Leaves the key to another holder for a while. What that brings arrives as `Remote`; this is for when it does not.
    pub(super) fn stand_back(&mut self, policy: &Policy, now: Moment, seed: u64) -> Vec<Effect> {
        let until = now.mono.after(policy.backoff(1, &Failure::new(Kind::Cancelled, Code::LeaseLost, ""), seed));
        self.phase = Phase::BackingOff { until };
        vec![Effect::WakeAt(until)]
    }

    pub(super) fn fail(&mut self, policy: &Policy, failure: Failure, now: Moment, seed: u64) -> Vec<Effect> {
        let failures = self.attempts.failures.saturating_add(1);
        let until = now.mono.after(policy.backoff(failures, &failure, seed));
        let is_final = failure.is_final();
        self.attempts = Attempts {
            failures,
            last_failure: Some(failure),
            failed_at: Some(now.wall),
            not_before: (!is_final).then(|| now.wall_at(until)),
            forced_at: self.attempts.forced_at,
            rules: Some(self.rules),
        };
        let mut effects = vec![Effect::Release, Effect::Record];
        if is_final {
            self.phase = Phase::Disabled;
        } else {
            self.phase = Phase::BackingOff { until };
            effects.push(Effect::WakeAt(until));
        }
        effects
    }

    /// `confirmed` is when that was by our own clock.
    pub(super) fn stand(
        &mut self,
        policy: &Policy,
        new: NewStanding,
        confirmed: Timestamp,
        rules_current: bool,
        now: Moment,
    ) -> Vec<Effect> {
        let NewStanding { revision, digest, checked_at } = new;
        let mut horizon = policy.horizon(confirmed, now);
        self.rules_applied |= rules_current;
        if !self.rules_applied {
            horizon.stale_at = horizon.stale_at.min(now.mono);
        }
        self.standing = Some(Standing { revision, digest, checked_at, horizon, rules_current });
        // Kept fresh unasked: the timer is the reader.
        let unasked = policy.mode == RefreshMode::Always && !self.is_refreshing();
        unasked.then(|| Effect::WakeAt(horizon.stale_at.max(now.mono))).into_iter().collect()
    }
}
